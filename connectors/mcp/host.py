"""The servers of a configuration as one set of tools: started when first used, and again after they died."""

import asyncio
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from .breaker import Breaker
from .config import ServerConfig, read_config
from .connection import Connection, Lost, NotSent, OnProgress
from .content import CallResult, ToolInfo
from .errors import ServerDown, UnknownOutcome, UnknownTool


@dataclass(frozen=True)
class ServerStatus:
    """How a server is doing."""

    alias: str
    state: Literal["new", "ready", "down"]
    era: str | None
    starts: int
    tools: int
    error: str | None


class McpHost:
    """Lists and calls the tools of every configured server; to be used within one event loop, from any task."""

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        environ: Mapping[str, str] | None = None,
        eras: MutableMapping[str, str] | None = None,
    ) -> None:
        """`config` is the `mcpServers` shape; `eras` remembers which protocol each server speaks."""
        read = read_config(config, os.environ if environ is None else environ)
        eras = {} if eras is None else eras
        self.problems = read.problems
        self._servers = {server.alias: _Server(server, eras) for server in read.servers}
        self._names: dict[str, ToolInfo] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def aliases(self) -> tuple[str, ...]:
        return tuple(self._servers)

    def status(self) -> tuple[ServerStatus, ...]:
        return tuple(server.status() for server in self._servers.values())

    async def tools(self, alias: str | None = None) -> tuple[ToolInfo, ...]:
        """The tools of one server, or of all that start; those that do not are `down` in the status."""
        if alias is not None:
            return self._remembered(await self._server(alias).tools())
        servers = tuple(self._servers.values())
        answers = await asyncio.gather(*(server.tools() for server in servers), return_exceptions=True)
        found: list[ToolInfo] = []
        for answer in answers:
            if isinstance(answer, ServerDown):
                continue
            if isinstance(answer, BaseException):
                raise answer
            found.extend(answer)
        return self._remembered(tuple(found))

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        idle_timeout: float | None = None,
        total_timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> CallResult:
        """Calls `mcp__<alias>__<tool>`; a failure of the tool itself is a result, everything else an McpFailure."""
        tool = await self.find(name)
        server = self._servers[tool.alias]
        return await server.call(tool, arguments, idle_timeout, total_timeout, on_progress)

    async def find(self, name: str) -> ToolInfo:
        """The tool of that name; starts its server when it was not listed yet."""
        if name not in self._names:
            alias = name.removeprefix("mcp__").partition("__")[0]
            if name.startswith("mcp__") and alias in self._servers:
                await self.tools(alias)
        try:
            return self._names[name]
        except KeyError:
            raise UnknownTool("", f"No MCP server has a tool named {name}.") from None

    async def close(self) -> None:
        """Ends every connection; the host can be used again afterwards."""
        await asyncio.gather(*(server.close() for server in self._servers.values()))

    def _server(self, alias: str) -> "_Server":
        try:
            return self._servers[alias]
        except KeyError:
            raise UnknownTool(alias, f"No MCP server is named {alias}.") from None

    def _remembered(self, tools: tuple[ToolInfo, ...]) -> tuple[ToolInfo, ...]:
        self._names.update((tool.name, tool) for tool in tools)
        return tools


class _Server:
    """One configured server across its restarts."""

    def __init__(self, config: ServerConfig, eras: MutableMapping[str, str]) -> None:
        self._config = config
        self._eras = eras
        self._breaker = Breaker()
        self._starting = asyncio.Lock()
        self._connection: Connection | None = None
        self._leaving: list[Connection] = []
        self._starts = 0
        self._error: str | None = None

    def status(self) -> ServerStatus:
        ready = self._connection is not None and not self._connection.broken.is_set()
        return ServerStatus(
            self._config.alias,
            "ready" if ready else "down" if self._error else "new",
            self._eras.get(self._config.fingerprint()),
            self._starts,
            len(self._connection.tools) if ready and self._connection else 0,
            self._error,
        )

    async def tools(self) -> tuple[ToolInfo, ...]:
        connection = await self._connected()
        if connection.stale:
            await connection.relist()
        return connection.tools

    async def call(
        self,
        tool: ToolInfo,
        arguments: Mapping[str, Any],
        idle_timeout: float | None,
        total_timeout: float | None,
        on_progress: OnProgress | None,
    ) -> CallResult:
        """One call; repeated on a new connection when it was never sent, or when repeating it does no harm."""
        idle, total = idle_timeout or self._config.idle_timeout, total_timeout or self._config.total_timeout
        alias = self._config.alias
        for last in (False, True):
            connection = await self._connected()
            try:
                return await connection.call(tool.tool, arguments, idle, total, on_progress)
            except NotSent as error:
                if last:
                    raise self._down(f"MCP server {alias} cannot be reached: {error}.") from error
            except Lost as error:
                if not tool.idempotent:
                    said = f"The connection to {alias} broke during {tool.tool}; it may have been done: {error}."
                    raise UnknownOutcome(alias, self._config.redacted(said)) from error
                if last:
                    raise self._down(f"The connection to {alias} broke twice during {tool.tool}: {error}.") from error
        raise AssertionError("the second attempt returns or raises")

    async def close(self) -> None:
        async with self._starting:
            connection, self._connection = self._connection, None
            leaving, self._leaving = self._leaving, []
            for one in [connection, *leaving]:
                if one is not None:
                    await one.close()

    async def _connected(self) -> Connection:
        connection = self._connection
        if connection is not None and not connection.broken.is_set():
            return connection
        async with self._starting:
            connection = self._connection
            if connection is not None and not connection.broken.is_set():
                return connection
            if connection is not None:
                self._let_go(connection)
            self._connection = await self._started()
            return self._connection

    async def _started(self) -> Connection:
        loop = asyncio.get_running_loop()
        if self._breaker.is_open(loop.time()):
            seconds = self._breaker.wait_s(loop.time())
            raise ServerDown(self._config.alias, f"{self._error} It is tried again in {seconds:.0f} s.")
        await asyncio.sleep(self._breaker.wait_s(loop.time()))
        key = self._config.fingerprint()
        remembered = self._eras.get(key)
        self._starts += 1
        connection = Connection(self._config, remembered)
        try:
            await connection.start()
        except ServerDown as error:
            # What was remembered may be why: the next attempt asks the server anew.
            self._eras.pop(key, None)
            self._breaker.failed(loop.time())
            self._error = str(error)
            raise
        self._breaker.succeeded()
        self._error = None
        if connection.era is not None:
            self._eras[key] = connection.era
        return connection

    def _let_go(self, connection: Connection) -> None:
        """Leaves a broken connection to end by itself, once its last call has its answer."""
        connection.retire()
        self._leaving = [one for one in (*self._leaving, connection) if not one.ended]

    def _down(self, said: str) -> ServerDown:
        self._error = self._config.redacted(said)
        return ServerDown(self._config.alias, self._error)
