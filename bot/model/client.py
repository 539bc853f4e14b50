"""The model over the Messages API: address, credentials and connections of the anthropic SDK, no hidden retries."""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.errors import CadreError, DependencyFailed, OperatorMustFix
from bot.model.reply import Assembly, Reply
from bot.store import points
from bot.types import Json

OFFLINE_MODEL = "cadre-offline-playbook"
WINDOW = 200_000  # tokens, until the server says otherwise


@dataclass(frozen=True)
class Prompt:
    """A request's bytes: what never changes for an agent, then its messages, each encoded once."""

    head: bytes  # from Model.head
    user_id: str  # <run>/<agent>
    messages: Sequence[bytes]
    max_tokens: int
    number: int  # of the request among the agent's

    @property
    def about(self) -> str:
        """Which call this is."""
        return f"{self.user_id}#{self.number}"

    def body(self) -> bytes:
        """The request. What may change stands last, so that consecutive requests share their prefix."""
        user = json.dumps({"user_id": self.user_id}).encode()
        tail = b'],"max_tokens":%d}' % self.max_tokens
        return b"".join((self.head, b',"metadata":', user, b',"messages":[', b",".join(self.messages), tail))


class ModelRejected(OperatorMustFix):
    """The model refused the request itself: a wrong key, a wrong model name or a request it cannot read."""


class Model(Protocol):
    name: str
    offline: bool

    def head(
        self, *, system: list[Json], tools: list[Json], call: str = "", model: str = "", effort: str = ""
    ) -> bytes:
        """The unchanging part of the requests of all agents of a role; `call` is the tool each reply must call.

        `model` takes the place of the one that is set, `effort` that of the model's own default.
        """
        ...

    def window(self, model: str = "") -> int:
        """Tokens that fit into a request of the model that is set, or of another one by name."""
        ...

    async def complete(self, prompt: Prompt) -> Reply:
        """One reply. Raises DependencyFailed when trying again may help, ModelRejected when it will not."""
        ...


class AnthropicModel:
    """Claude, the offline playbook model or any other server of the Messages API, by base URL."""

    def __init__(self, *, name: str, api_key: str, base_url: str, timeout_s: float = 600.0) -> None:
        self.name = name
        self.offline = name == OFFLINE_MODEL
        self.windows: dict[str, int] = {}
        self.efforts: dict[str, frozenset[str]] = {}
        # Imported by name at first use: the SDK costs a second, which no acknowledgement should wait for.
        sdk: Any = importlib.import_module("anthropic")
        self._http = sdk.DefaultAioHttpClient(timeout=timeout_s)  # parses in C
        self._client = sdk.AsyncAnthropic(
            api_key=api_key or "offline", base_url=base_url or None, max_retries=0, http_client=self._http
        )
        # The SDK knows address, credentials and version; building each request anew costs more than sending it.
        url = f"{str(self._client.base_url).rstrip('/')}/v1/messages"
        headers = {**self._client.default_headers, "accept": "text/event-stream"}
        self._blank = self._http.build_request("POST", url, headers=headers)
        del self._blank.headers["content-length"]

    def head(
        self, *, system: list[Json], tools: list[Json], call: str = "", model: str = "", effort: str = ""
    ) -> bytes:
        """The unchanging part of requests. A conversation has a breakpoint that moves along with its messages; what
        is asked once, by a call that is set, is not worth writing to the cache beyond its system prompt."""
        name = self.name if self.offline else model or self.name
        head: Json = {"model": name, "tools": tools, "system": system, "stream": True}
        if effort in self.efforts.get(name, ()):  # a model without levels of effort would refuse the request
            head["output_config"] = {"effort": effort}
        if call:
            head["tool_choice"] = {"type": "tool", "name": call, "disable_parallel_tool_use": True}
        else:
            head["cache_control"] = {"type": "ephemeral"}
        return json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()[:-1]

    async def complete(self, prompt: Prompt) -> Reply:
        """One streamed reply, built from its events."""
        points.reached("model:before", prompt.about)
        reply = Assembly()
        try:
            response = await self._http.send(self._request(prompt.body()), stream=True)
            try:
                if response.status_code != 200:
                    raise _refusal(response.status_code, response.headers, await response.aread())
                async for event in _events(response.aiter_bytes()):
                    reply.take(event)
            finally:
                await response.aclose()
        except (OSError, ValueError, KeyError) as error:
            raise DependencyFailed(f"The model did not answer properly: {_words(error)}") from error
        except Exception as error:
            # What breaks on the way raises the transport's own errors.
            if type(error).__module__.split(".")[0] not in ("httpx2", "httpcore2", "aiohttp"):
                raise
            raise DependencyFailed(f"The model's reply broke off: {type(error).__name__}") from error
        points.reached("model:after", prompt.about)
        return reply.finished()

    def _request(self, body: bytes) -> Any:
        blank = self._blank
        return type(blank)(blank.method, blank.url, headers=blank.headers, content=body, extensions=blank.extensions)

    def window(self, model: str = "") -> int:
        """Tokens that fit into a request; what `learn` heard, else a usual size."""
        return self.windows.get(model or self.name, WINDOW)

    async def learn(self, named: Mapping[str, str]) -> None:
        """Ask about the models in use, the one that is set and others with the place that names each: how much fits
        into a request, and which levels of effort there are.

        Raises OperatorMustFix for one that is named and not offered.
        """
        if self.offline:
            return
        sdk: Any = importlib.import_module("anthropic")
        for name in (self.name, *named):
            try:
                told = await self._client.models.retrieve(name)
            except sdk.NotFoundError as error:
                if name in named:
                    raise OperatorMustFix(f"{named[name]}: model: the server offers no {name}.") from error
            except sdk.APIError:
                continue  # a server that does not tell; its own error says so when the window is full
            else:
                self.windows[name] = told.max_input_tokens or WINDOW
                levels = told.capabilities.effort if told.capabilities else None
                self.efforts[name] = frozenset(
                    level for level, about in (levels or ()) if getattr(about, "supported", False)
                )

    @property
    def batches(self) -> Any:
        """The SDK's own client of the batch endpoint."""
        return self._client.messages.batches

    async def close(self) -> None:
        await self._client.close()


async def choose_model(*, wanted: str, api_key: str, base_url: str) -> str:
    """The model id to use: the one named, else the newest of the middle line that the server offers.

    Raises OperatorMustFix when the server cannot be asked or offers none.
    """
    if wanted not in ("auto", "offline") and not wanted.startswith(("local:", "replay:")):
        return wanted
    sdk: Any = importlib.import_module("anthropic")
    async with sdk.AsyncAnthropic(api_key=api_key or "offline", base_url=base_url or None, max_retries=2) as client:
        try:
            offered = [model.id async for model in client.models.list()]
        except sdk.APIError as error:
            raise OperatorMustFix(
                f"The model server at {base_url or 'its usual address'} cannot be asked: {error}"
            ) from error
    if not offered:
        raise OperatorMustFix("The model server offers no model.")
    if OFFLINE_MODEL in offered:
        return OFFLINE_MODEL
    return str(next((name for name in offered if "sonnet" in name), offered[0]))


async def _events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Json]:
    """The server-sent events in a stream of bytes, as JSON."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).replace(b"\r\n", b"\n").split(b"\n\n")
        for event in whole:
            at = event.find(b"data:")
            if at >= 0:
                yield json.loads(event[at + 5 :])


def _refusal(status: int, headers: Mapping[str, str], body: bytes) -> CadreError:
    """What an answer other than a stream means."""
    try:
        error = json.loads(body).get("error") or {}
        words = str(error.get("message") or error)[:300]
    except (ValueError, AttributeError):
        words = f"HTTP {status}"
    if status == 429:
        return DependencyFailed("The model limits requests at the moment.", retry_after=_seconds(headers))
    if status in (401, 403, 404):
        return ModelRejected(f"The model did not accept the credentials or name set for it: {words}")
    if 400 <= status < 500 and status not in (408, 409):
        return ModelRejected(f"The model could not read the request: {words}")
    return DependencyFailed(f"The model did not answer properly: {words}", retry_after=_seconds(headers))


def _seconds(headers: Mapping[str, str]) -> float | None:
    try:
        return float(headers.get("retry-after", ""))
    except ValueError:
        return None


def _words(error: Exception) -> str:
    return str(error)[:300] or type(error).__name__
