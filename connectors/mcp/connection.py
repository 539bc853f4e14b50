"""One connection to one server: a task that owns it, and calls that any task may make.

The SDK's client has to be left by the task that entered it, so that task does nothing else; calls run beside it and
end with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx2
import mcp_types as types
from mcp import Client
from mcp.client import advertise
from mcp.client.session import ClientRequestContext, ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp.types import Implementation
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from . import jobs, skills
from .auth import NEEDS_SIGN_IN, SIGN_IN_FAILED, Session, http_client
from .calls import Call
from .content import ToolInfo, too_large, tool_infos
from .errors import McpFailure, ProtocolFailure, ServerDown, SignInFailed
from .following import Follower, Following
from .forgiving import forgiving
from .http import LOST, NOT_SENT
from .ports import Sampler
from .reading import with_ours
from .settings import ServerConfig
from .stdio import Tail, stdio_transport

T = TypeVar("T")

_UNSTARTED_S = 0.5  # to end what did not start, before it is left behind
_ENDS_S = 5.0  # the same for what did: a child process has its time for each way to be ended
_GLANCE_S = 2.0  # for a look whether there is anything to read
_MAX_PAGES = 100
_MAX_ITEMS = 5_000
_RELISTEN_S = (1.0, 60.0)
_FRESH_S = 300.0  # for which a list of tools holds where the server does not say
_FRESH_BETWEEN_S = (1.0, 86_400.0)
_US = Implementation(name="cadre", version="0.1.0")


@dataclass(frozen=True)
class Profile:
    """What a connection offers its server, and for whom it is."""

    principal: str
    interactive: bool = False
    root: Path | None = None
    sampler: Sampler | None = None


class NotSent(Exception):
    """The request never reached the server."""


class Lost(Exception):
    """The connection broke with the request under way."""


class Connection:
    """A started server. It is used until it breaks, then thrown away."""

    def __init__(
        self,
        config: ServerConfig,
        era: str | None,
        profile: Profile,
        following: Following,
        session: Session | None = None,
    ) -> None:
        self.config = config
        self.profile = profile
        self.era = era
        self.tail = Tail()
        self.broken = asyncio.Event()
        self.changed = False  # the tools, as the server says
        self.tools: tuple[ToolInfo, ...] = ()
        self.left_out: tuple[str, ...] = ()
        self.instructions: str | None = None
        self.capabilities = types.ServerCapabilities()
        self.held: dict[str, Call] = {}
        self._mode = era or config.mode
        self._is_modern = self._mode in MODERN_PROTOCOL_VERSIONS
        self._following = following
        self._to_read = (False, False)
        self._fresh_until = 0.0
        self._sign_in = session
        self._client: Client | None = None
        self._closing = asyncio.Event()
        self._calls: dict[str, Call] = {}
        self._requests: set[asyncio.Task[Any]] = set()
        self._owner: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None

    async def start(self) -> None:
        """Connects and lists the tools, or raises ServerDown with the reason and the server's last words."""
        started = asyncio.Event()
        self._owner = asyncio.create_task(self._own(started), name=f"mcp {self.config.alias}")
        self._owner.add_done_callback(_looked_at)
        waiting = asyncio.create_task(started.wait())
        try:
            await asyncio.wait(
                {self._owner, waiting}, timeout=self.config.start_timeout, return_when="FIRST_COMPLETED"
            )
        finally:
            waiting.cancel()
            if not started.is_set():
                if not self._owner.done():
                    self._failure = TimeoutError(f"no answer within {self.config.start_timeout:g} s")
                self._owner.cancel()
                await _gone(self._owner, _UNSTARTED_S)
        if not started.is_set():
            if self._sign_in is not None and self._sign_in.required is not None:
                raise self._sign_in.required
            raise self._down()

    async def close(self) -> None:
        """Ends the connection from any task; calls under way are cancelled."""
        self._closing.set()
        for call in tuple(self._requests):
            call.cancel()
        if self._owner is not None:
            await _gone(self._owner, _ENDS_S)

    @property
    def ended(self) -> bool:
        return self._owner is None or self._owner.done()

    @property
    def busy(self) -> bool:
        return bool(self._requests)

    @property
    def stale(self) -> bool:
        """Whether the tools have to be read again: not every server says that they changed."""
        return self.changed or asyncio.get_running_loop().time() >= self._fresh_until

    @property
    def modern(self) -> bool:
        return self._is_modern

    @property
    def follows(self) -> bool:
        """Whether the server tells when one of its resources changes."""
        return bool(self.capabilities.resources and self.capabilities.resources.subscribe)

    def retire(self) -> None:
        """Takes no more calls; the connection closes once the last one has its answer."""
        self.broken.set()
        if not self._requests:
            self._closing.set()

    # ---- requests

    @property
    def client(self) -> Client:
        if self._client is None or self.broken.is_set():
            raise NotSent(self._reason())
        return self._client

    def track(self, call: Call, request: Awaitable[Any]) -> None:
        """Begins a call that ends with the connection at the latest."""
        call.start(request)
        assert call.sending is not None
        self._calls[call.id] = call
        self._requests.add(call.sending)
        call.sending.add_done_callback(self._requests.discard)

    async def untrack(self, call: Call) -> None:
        """The call has its outcome, or nobody waits for it any more."""
        self.held.pop(call.id, None)
        self._calls.pop(call.id, None)
        await call.end()
        if call.sending is not None:
            self._requests.discard(call.sending)
        if self.broken.is_set() and not self._requests:
            self._closing.set()

    async def request(self, ask: Callable[[Client], Awaitable[T]], what: str, timeout: float) -> T:
        """One request that is no call of a tool, with its failures named."""
        sending = asyncio.ensure_future(ask(self.client))
        self._requests.add(sending)
        try:
            await asyncio.wait({sending}, timeout=timeout)
            if not sending.done():
                raise ProtocolFailure(
                    self.config.alias, f"{self.config.alias} did not answer {what} in {timeout:g} s."
                )
            return self.settled(what, sending)
        finally:
            sending.cancel()
            self._requests.discard(sending)
            if self.broken.is_set() and not self._requests:
                self._closing.set()

    def settled(self, what: str, sending: "asyncio.Future[T]") -> T:
        """What a request came to, its failures in our own words."""
        alias = self.config.alias
        try:
            return sending.result()
        except asyncio.CancelledError:
            raise Lost(self._reason()) from None
        except MCPError as error:
            raise self._classified(what, error) from error
        except (anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            self.retire()
            raise Lost(self._reason()) from error
        except (RuntimeError, ValidationError) as error:
            said = self.config.redacted(" ".join(str(error).split())[:500])
            raise ProtocolFailure(alias, f"{what} of {alias} was answered off the protocol: {said}") from error

    # ---- the owner

    async def _own(self, started: asyncio.Event) -> None:
        try:
            async with AsyncExitStack() as stack:
                client = self._made(await self._transport(stack))
                await stack.enter_async_context(client)
                await self._greeted(client)
                self._client = client
                started.set()
                if self.modern and self._notifies:
                    listening = asyncio.create_task(self._listen(client))
                    stack.push_async_callback(_ended, listening)
                if self.follows:
                    limit = self.config.idle_timeout
                    follower = Follower(self._following, client, modern=self.modern, limit=limit)
                    following = asyncio.create_task(follower.run(), name=f"mcp resources {self.config.alias}")
                    stack.push_async_callback(_ended, following)
                await self._closing.wait()
        except asyncio.CancelledError as error:
            # The SDK cancels this task when its transport breaks; only a request to end is a real cancellation.
            self._failure = self._failure or error
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
        except Exception as error:
            # Not handled here: it is kept as the reason that callers and the status show.
            self._failure = self._failure or error
        finally:
            self.broken.set()
            self._client = None
            for request in self._requests:
                request.cancel()

    def _made(self, transport: Any) -> Client:
        profile = self.profile
        return Client(
            forgiving(transport, lambda: self._is_modern),
            mode=self._mode,
            cache=None,
            client_info=_US,
            message_handler=self._heard,
            elicitation_callback=self._asked if profile.interactive else None,
            sampling_callback=self._sampled if profile.sampler is not None else None,
            list_roots_callback=self._rooted if profile.root is not None else None,
            extensions=[advertise(jobs.EXTENSION), advertise(skills.EXTENSION)],
        )

    async def _greeted(self, client: Client) -> None:
        """Learns what the server can do and lists its tools; a version that was remembered is not probed for."""
        session = client.session
        if self._is_modern:
            session.adopt(await _discovered(session, client.protocol_version))
        self._is_modern = client.protocol_version in MODERN_PROTOCOL_VERSIONS
        self.era = client.protocol_version if self._is_modern else "legacy"
        self.capabilities = client.server_capabilities
        self.instructions = client.instructions
        listed: list[types.Tool] = []
        try:
            listed = await self._listed(client)
        except MCPError as error:
            if error.code != types.METHOD_NOT_FOUND or self.capabilities.tools is not None:
                raise
        self._to_read = await self._holds(client)
        self.tools = self._named(listed)

    async def _holds(self, client: Client) -> tuple[bool, bool]:
        """Whether there is a resource or template, and a prompt: many servers declare both and have none."""
        can = self.capabilities
        resources = can.resources is not None and (
            await self._any(client.list_resources, "resources")
            or await self._any(client.list_resource_templates, "resource_templates")
        )
        return resources, can.prompts is not None and await self._any(client.list_prompts, "prompts")

    async def _any(self, ask: Callable[[], Awaitable[Any]], of: str) -> bool:
        """Whether the first page of a list holds anything; one that fails costs the tools of ours, not the start."""
        try:
            async with asyncio.timeout(_GLANCE_S):
                return bool(getattr(await ask(), of))
        except (TimeoutError, MCPError, ValidationError, RuntimeError):
            return False

    async def _transport(self, stack: AsyncExitStack) -> Any:
        config = self.config
        if config.transport == "stdio":
            return stdio_transport(config, self.tail, self.retire, lambda: self._client is not None)
        assert config.url is not None
        client = http_client(config, self._sign_in)
        if config.transport == "sse":

            def made(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
                return client

            return sse_client(config.url, httpx_client_factory=made)  # opens and closes what it is given
        await stack.enter_async_context(client)
        return streamable_http_client(config.url, http_client=client, max_sse_event_size=config.max_message_bytes)

    # ---- what the server says by itself

    async def _heard(self, message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self.changed = True
        elif isinstance(message, types.ResourceUpdatedNotification) and self.follows and not self.modern:
            self._following.changed(str(message.params.uri))

    @property
    def _notifies(self) -> bool:
        return bool(self.capabilities.tools and self.capabilities.tools.list_changed)

    async def _listen(self, client: Client) -> None:
        """Hears of changed tools. A stream that ends is opened again, ever later: some servers end them at once."""
        wait, longest = _RELISTEN_S
        while True:
            with suppress(SubscriptionLost, MCPError):
                async with client.listen(tools_list_changed=True) as changes:
                    async for _ in changes:
                        self.changed = True
                        wait = _RELISTEN_S[0]
            await asyncio.sleep(wait)
            wait = min(wait * 2, longest)
            self.changed = True  # what changed meanwhile is not said again

    async def relist(self) -> None:
        """Reads the tools again; who asks meanwhile gets those of before."""
        told, self.changed = self.changed, False
        try:
            listed = await self.request(self._listed, "the list of tools", self.config.idle_timeout)
        except ProtocolFailure:
            if told:
                raise
            return  # nothing says that they changed: no call fails for it
        except asyncio.CancelledError:
            self.changed = True  # for whoever asks next
            raise
        self.tools = self._named(listed)

    def _named(self, listed: list[types.Tool]) -> tuple[ToolInfo, ...]:
        alias = self.config.alias
        resources, prompts = self._to_read
        self.left_out = too_large(listed)
        return with_ours(alias, tool_infos(alias, listed), resources=resources, prompts=prompts)

    async def _listed(self, client: Client) -> list[types.Tool]:
        now = asyncio.get_running_loop().time()
        self._fresh_until = now + _FRESH_S
        hold: list[float] = []

        async def page(cursor: str | None) -> types.ListToolsResult:
            found = await client.list_tools(cursor=cursor)
            hold.append(_fresh_s(found))
            return found

        tools = await pages(page, lambda found: found.tools)
        self._fresh_until = now + min(hold)
        return tools

    async def _asked(
        self, context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        """A question of the older protocol, which does not say to which call it belongs: to the latest."""
        under_way = [call for call in self._calls.values() if call.sending is not None and not call.sending.done()]
        if not under_way:
            return types.ErrorData(code=types.INVALID_REQUEST, message="No call is under way to ask a person for.")
        return await under_way[-1].ask(params, self.config.question_hold)

    async def _sampled(
        self, context: ClientRequestContext, params: types.CreateMessageRequestParams
    ) -> types.CreateMessageResult:
        return await self.sampled(params.model_dump(mode="json", by_alias=True, exclude_none=True))

    async def sampled(self, params: Mapping[str, Any]) -> types.CreateMessageResult:
        assert self.profile.sampler is not None
        found = await self.profile.sampler.sample(self.config.alias, self.profile.principal, params)
        return types.CreateMessageResult.model_validate(found)

    async def _rooted(self, context: ClientRequestContext) -> types.ListRootsResult:
        return self.roots()

    def roots(self) -> types.ListRootsResult:
        root = self.profile.root
        listed = (
            [] if root is None else [types.Root.model_validate({"uri": root.resolve().as_uri(), "name": "workspace"})]
        )
        return types.ListRootsResult(roots=listed)

    # ---- reasons

    def _classified(self, what: str, error: MCPError) -> Exception:
        if error.code == NOT_SENT:
            self.retire()
            return NotSent(error.message)
        if error.code in (LOST, types.CONNECTION_CLOSED):
            self.retire()
            return Lost(error.message)
        alias = self.config.alias
        if error.code == NEEDS_SIGN_IN and self._sign_in is not None and self._sign_in.required is not None:
            return self._sign_in.required
        said = self.config.redacted(error.message)
        if error.code == SIGN_IN_FAILED:
            return SignInFailed(alias, f"Signing in at {alias} does not work: {said}.")
        return ProtocolFailure(alias, f"{alias} refused {what}: {said}", error.code, error.error.data)

    def _down(self) -> McpFailure:
        alias, last = self.config.alias, self.tail.last_line()
        words = f" Its last words: {last}" if last else ""
        return ServerDown(alias, self.config.redacted(f"MCP server {alias} did not start: {self._reason()}.{words}"))

    def _reason(self) -> str:
        failure = self._failure
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        if failure is None or isinstance(failure, asyncio.CancelledError):
            return "the connection ended"
        if isinstance(failure, FileNotFoundError) and self.config.command is not None:
            return f"the program {self.config.command} is not installed"
        return str(failure) or type(failure).__name__


async def pages(fetch: Callable[[str | None], Awaitable[Any]], items: Callable[[Any], list[T]]) -> list[T]:
    """Every page of a list; a cursor that repeats ends it, and so does the cap."""
    found: list[T] = []
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(_MAX_PAGES):
        page = await fetch(cursor)
        found.extend(items(page))
        cursor = page.next_cursor
        if cursor is None or cursor in seen or len(found) >= _MAX_ITEMS:
            break
        seen.add(cursor)
    return found[:_MAX_ITEMS]


def _fresh_s(page: types.ListToolsResult) -> float:
    """How long a page of tools holds, as the server says, within bounds: it may ask too often, or never again."""
    if "ttl_ms" not in page.model_fields_set:
        return _FRESH_S
    least, most = _FRESH_BETWEEN_S
    return max(min(page.ttl_ms, most * 1000) / 1000, least)


async def _discovered(session: ClientSession, version: str) -> types.DiscoverResult:
    """What a server of the modern era can do; once more in another version where it does not take this one."""
    try:
        found = await session.send_discover(version)
    except MCPError as error:
        if error.code != types.UNSUPPORTED_PROTOCOL_VERSION:
            raise
        offered = (error.error.data or {}).get("supported") or []
        both = [known for known in MODERN_PROTOCOL_VERSIONS if known in offered]
        if not both:
            raise
        found = await session.send_discover(both[-1])
    return types.DiscoverResult.model_validate(found)


async def _gone(owner: asyncio.Task[None], patience: float) -> None:
    """Waits for the end of a connection. A server that does not let it end is left behind: nobody waits for it."""
    for seconds in (patience, _UNSTARTED_S):
        await asyncio.wait({owner}, timeout=seconds)
        if owner.done():
            return
        owner.cancel()


def _looked_at(owner: asyncio.Task[None]) -> None:
    """Nobody may wait for it any more, and what it fails with then is of no use."""
    if not owner.cancelled():
        owner.exception()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
