"""The model over the Messages API: the anthropic SDK as transport and types, no hidden retries."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Protocol

from bot.errors import CadreError, DependencyFailed, OperatorMustFix
from bot.store import points
from bot.types import Json

OFFLINE_MODEL = "cadre-offline-playbook"


@dataclass(frozen=True)
class Reply:
    """One finished reply: content blocks as JSON, why it stopped, tokens used."""

    content: list[Json]
    stop_reason: str
    usage: dict[str, int]  # input, output, cache_read, cache_write
    model: str


class ModelRejected(OperatorMustFix):
    """The model refused the request itself: a wrong key, a wrong model name or a request it cannot read."""


class Model(Protocol):
    name: str
    offline: bool

    async def complete(
        self, *, system: list[Json], messages: list[Json], tools: list[Json], max_tokens: int, user_id: str
    ) -> Reply:
        """One reply. Raises DependencyFailed when trying again may help, ModelRejected when it will not."""
        ...


class AnthropicModel:
    """Claude, the offline playbook model or any other server of the Messages API, by base URL."""

    def __init__(self, *, name: str, api_key: str, base_url: str, timeout_s: float = 600.0) -> None:
        self.name = name
        self.offline = name == OFFLINE_MODEL
        # Imported by name at first use: the SDK costs a second, which no acknowledgement should wait for.
        self._sdk: Any = importlib.import_module("anthropic")
        self._client = self._sdk.AsyncAnthropic(
            api_key=api_key or "offline", base_url=base_url or None, max_retries=0, timeout=timeout_s
        )

    async def complete(
        self, *, system: list[Json], messages: list[Json], tools: list[Json], max_tokens: int, user_id: str
    ) -> Reply:
        sdk = self._sdk
        points.reached("model:before")
        try:
            async with self._client.messages.stream(
                model=self.name,
                max_tokens=max_tokens,
                system=system,
                messages=messages,
                tools=tools,
                metadata={"user_id": user_id},
            ) as stream:
                message = await stream.get_final_message()
        except sdk.RateLimitError as error:
            raise DependencyFailed("The model limits requests at the moment.", retry_after=_after(error)) from error
        except (sdk.AuthenticationError, sdk.PermissionDeniedError, sdk.NotFoundError) as error:
            raise ModelRejected(
                f"The model did not accept the credentials or name set for it: {_words(error)}"
            ) from error
        except (sdk.BadRequestError, sdk.UnprocessableEntityError) as error:
            raise ModelRejected(f"The model could not read the request: {_words(error)}") from error
        except (sdk.APIError, OSError, ValueError) as error:
            raise DependencyFailed(f"The model did not answer properly: {_words(error)}") from error
        except Exception as error:
            # A stream that breaks in the middle raises the transport's own errors, which the SDK does not wrap.
            if type(error).__module__.split(".")[0] not in ("httpx", "httpx2", "httpcore", "httpcore2", "aiohttp"):
                raise
            raise DependencyFailed(f"The model's reply broke off: {type(error).__name__}") from error
        points.reached("model:after")
        if message.stop_reason is None:
            raise DependencyFailed("The model's reply broke off before its end.")
        return Reply(
            content=[_plain(block) for block in message.content],
            stop_reason=message.stop_reason,
            usage={
                "input": message.usage.input_tokens,
                "output": message.usage.output_tokens,
                "cache_read": message.usage.cache_read_input_tokens or 0,
                "cache_write": message.usage.cache_creation_input_tokens or 0,
            },
            model=message.model,
        )

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


def _plain(block: Any) -> Json:
    """A content block as the API accepts it back."""
    data: Json = block.model_dump(mode="json", exclude_none=True)
    if data.get("type") == "tool_use":
        return {k: data[k] for k in ("type", "id", "name", "input")}
    if data.get("type") == "text":
        return {"type": "text", "text": data["text"]}
    return data


def _after(error: Any) -> float | None:
    try:
        return float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None


def _words(error: CadreError | Exception) -> str:
    return str(getattr(error, "message", "") or error)[:300]
