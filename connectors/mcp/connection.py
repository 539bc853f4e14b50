"""One connection to one server: a task that owns it, and calls that any task may make.

The SDK's client has to be left by the task that entered it, so that task does nothing else; calls run beside it and
end with it.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Literal

import anyio
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import Implementation
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from .config import ServerConfig
from .content import CallResult, ToolInfo, call_result, tool_infos, tool_name
from .errors import CallTimeout, InputRequired, ProtocolFailure, ServerDown
from .http import LOST, NOT_SENT, http_client
from .ports import Parked
from .stdio import Tail, stdio_transport

OnProgress = Callable[[float, float | None, str | None], None]

_MAX_PAGES = 100
_MAX_TOOLS = 5_000
_CANCEL_GRACE_S = 1.0
_US = Implementation(name="cadre", version="0.1.0")


class NotSent(Exception):
    """The request never reached the server."""


class Lost(Exception):
    """The connection broke with the request under way."""


class Connection:
    """A started server. It is used until it breaks, then thrown away."""

    def __init__(self, config: ServerConfig, era: str | None) -> None:
        self.config = config
        self.era = era
        self.tail = Tail()
        self.broken = asyncio.Event()
        self.stale = False
        self.tools: tuple[ToolInfo, ...] = ()
        self._client: Client | None = None
        self._closing = asyncio.Event()
        self._calls: set[asyncio.Task[Any]] = set()
        self._owner: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None

    async def start(self) -> None:
        """Connects and lists the tools, or raises ServerDown with the reason and the server's last words."""
        started = asyncio.Event()
        self._owner = asyncio.create_task(self._own(started), name=f"mcp {self.config.alias}")
        waiting = asyncio.create_task(started.wait())
        try:
            await asyncio.wait(
                {self._owner, waiting}, timeout=self.config.start_timeout, return_when="FIRST_COMPLETED"
            )
        finally:
            waiting.cancel()
            if not started.is_set():
                self._owner.cancel()
                await asyncio.wait({self._owner})
        if not started.is_set():
            raise self._down()

    async def close(self) -> None:
        """Ends the connection from any task; calls under way are cancelled."""
        self._closing.set()
        for call in tuple(self._calls):
            call.cancel()
        if self._owner is not None and not self._owner.done():
            await asyncio.wait({self._owner})

    @property
    def ended(self) -> bool:
        return self._owner is None or self._owner.done()

    def retire(self) -> None:
        """Takes no more calls; the connection closes once the last one has its answer."""
        self.broken.set()
        if not self._calls:
            self._closing.set()

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        idle_timeout: float,
        total_timeout: float,
        on_progress: OnProgress | None,
    ) -> CallResult:
        """One tool call; progress of the server starts the idle time anew."""
        loop = asyncio.get_running_loop()
        begun = heard = loop.time()

        async def progressed(progress: float, total: float | None, message: str | None) -> None:
            nonlocal heard
            heard = loop.time()
            if on_progress is not None:
                on_progress(progress, total, message)

        if self._client is None or self.broken.is_set():
            raise NotSent(self._reason())
        asked = self._client.session.call_tool(
            tool, dict(arguments), progress_callback=progressed, allow_input_required=True
        )
        sending: asyncio.Task[Any] = asyncio.create_task(asked)
        self._calls.add(sending)
        try:
            while not sending.done():
                left_idle, left_total = heard + idle_timeout - loop.time(), begun + total_timeout - loop.time()
                if min(left_idle, left_total) <= 0:
                    which: Literal["idle", "total"] = "idle" if left_idle <= left_total else "total"
                    seconds = idle_timeout if which == "idle" else total_timeout
                    raise CallTimeout(self.config.alias, tool, which, seconds)
                await asyncio.wait({sending}, timeout=min(left_idle, left_total))
            return self._result(tool, arguments, sending)
        finally:
            sending.cancel()
            await asyncio.wait({sending}, timeout=_CANCEL_GRACE_S)
            self._calls.discard(sending)
            if self.broken.is_set() and not self._calls:
                self._closing.set()

    # ---- the owner

    async def _own(self, started: asyncio.Event) -> None:
        try:
            async with AsyncExitStack() as stack:
                client = Client(
                    await self._transport(stack),
                    mode=self.era or "auto",
                    cache=None,
                    client_info=_US,
                    message_handler=self._heard,
                )
                await stack.enter_async_context(client)
                self.tools = tool_infos(self.config.alias, await _listed(client))
                modern = client.protocol_version in MODERN_PROTOCOL_VERSIONS
                self.era = client.protocol_version if modern else "legacy"
                self._client = client
                started.set()
                await self._closing.wait()
        except asyncio.CancelledError as error:
            # The SDK cancels this task when its transport breaks; only a request to end is a real cancellation.
            self._failure = error
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
        except Exception as error:
            # Not handled here: it is kept as the reason that callers and the status show.
            self._failure = error
        finally:
            self.broken.set()
            self._client = None
            for call in self._calls:
                call.cancel()

    async def _transport(self, stack: AsyncExitStack) -> Any:
        config = self.config
        if config.url is None:
            return stdio_transport(config, self.tail, self.retire)
        client = await stack.enter_async_context(http_client(config))
        return streamable_http_client(config.url, http_client=client, max_sse_event_size=config.max_message_bytes)

    async def _heard(self, message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self.stale = True

    async def relist(self) -> None:
        """Reads the tools again after the server said that they changed."""
        if self._client is not None:
            self.stale = False
            self.tools = tool_infos(self.config.alias, await _listed(self._client))

    # ---- reasons

    def _result(self, tool: str, arguments: Mapping[str, Any], sending: asyncio.Task[Any]) -> CallResult:
        alias = self.config.alias
        try:
            result = sending.result()
        except asyncio.CancelledError:
            raise Lost(self._reason()) from None
        except MCPError as error:
            raise self._classified(tool, error) from error
        except (anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            self.retire()
            raise Lost(self._reason()) from error
        except (RuntimeError, ValidationError) as error:
            said = self.config.redacted(" ".join(str(error).split())[:500])
            raise ProtocolFailure(alias, f"{tool} of {alias} answered off its own schema: {said}") from error
        if isinstance(result, types.InputRequiredResult):
            asked = {
                k: v.model_dump(mode="json", by_alias=True, exclude_none=True)
                for k, v in (result.input_requests or {}).items()
            }
            parked = Parked("input", tool_name(alias, tool), arguments, asked, result.request_state)
            raise InputRequired(alias, f"{tool} of {alias} asks for input before it goes on.", parked)
        return call_result(result, self.config.max_text_bytes)

    def _classified(self, tool: str, error: MCPError) -> Exception:
        if error.code == NOT_SENT:
            self.retire()
            return NotSent(error.message)
        if error.code in (LOST, types.CONNECTION_CLOSED):
            self.retire()
            return Lost(error.message)
        alias = self.config.alias
        said = self.config.redacted(error.message)
        return ProtocolFailure(alias, f"{alias} refused the call of {tool}: {said}", error.code)

    def _down(self) -> ServerDown:
        alias, tail = self.config.alias, self.tail.text()
        words = f" Its last words: {tail[-1000:]}" if tail else ""
        return ServerDown(alias, self.config.redacted(f"MCP server {alias} did not start: {self._reason()}.{words}"))

    def _reason(self) -> str:
        failure = self._failure
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        if isinstance(failure, asyncio.CancelledError):
            return f"no answer within {self.config.start_timeout:g} s"
        if failure is None:
            return "the connection ended"
        return str(failure) or type(failure).__name__


async def _listed(client: Client) -> list[types.Tool]:
    """Every page of the tools; a cursor that repeats ends it, and so does the cap."""
    tools: list[types.Tool] = []
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(_MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools.extend(page.tools)
        cursor = page.next_cursor
        if cursor is None or cursor in seen or len(tools) >= _MAX_TOOLS:
            break
        seen.add(cursor)
    return tools[:_MAX_TOOLS]
