"""One configured server for one principal across its restarts: started when first used, and again after it died."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, TypeVar

from .auth import Session
from .breaker import Breaker
from .calling import given_up, made, resumed
from .calls import Call, Limits, OnProgress
from .connection import Connection, Lost, NotSent, Profile
from .content import CallResult, ToolInfo
from .errors import AuthorizationRequired, ServerDown, UnknownOutcome, UnknownTool
from .following import Following
from .ports import Answer, Parked
from .settings import ServerConfig

T = TypeVar("T")


@dataclass(frozen=True)
class ServerStatus:
    """How a server is doing."""

    alias: str
    state: Literal["new", "ready", "needs_sign_in", "down"]
    era: str | None
    starts: int
    tools: int
    error: str | None
    left_out: tuple[str, ...] = ()  # tools that say more of themselves than can be taken


class Server:
    """One server as one principal sees it."""

    def __init__(
        self,
        config: ServerConfig,
        eras: MutableMapping[str, str],
        profile: Profile,
        sign_in: Callable[[], Session | None],
        updated: Callable[[str], None],
    ) -> None:
        """`updated` is told the address of each followed resource that changed."""
        self.config = config
        self._eras = eras
        self._profile = profile
        self._sign_in = sign_in
        self._following = Following(updated)
        self._breaker = Breaker()
        self._starting = asyncio.Lock()
        self._slots = asyncio.Semaphore(config.max_parallel)
        self._connection: Connection | None = None
        self._coming: asyncio.Task[Connection] | None = None
        self._leaving: list[Connection] = []
        self._starts = 0
        self._closes = 0
        self._error: str | None = None
        self._needs_sign_in = False
        self._idle: asyncio.TimerHandle | None = None
        self.used_at = 0.0

    def status(self) -> ServerStatus:
        ready = self._connection is not None and not self._connection.broken.is_set()
        return ServerStatus(
            self.config.alias,
            "ready" if ready else "needs_sign_in" if self._needs_sign_in else "down" if self._error else "new",
            self._eras.get(self.config.fingerprint),
            self._starts,
            len(self._connection.tools) if ready and self._connection else 0,
            self._error,
            self._connection.left_out if ready and self._connection else (),
        )

    @property
    def is_running(self) -> bool:
        return self._connection is not None and not self._connection.ended

    @property
    def is_busy(self) -> bool:
        return self._connection is not None and (self._connection.busy or bool(self._connection.held))

    async def tools(self) -> tuple[ToolInfo, ...]:
        """The tools that the entry lets through, as the server lists them now."""

        async def current(connection: Connection) -> tuple[ToolInfo, ...]:
            if connection.stale:
                await connection.relist()
            return connection.tools

        return tuple(tool for tool in await self.attempt(current, "the list of tools") if self._offered(tool))

    def _offered(self, tool: ToolInfo) -> bool:
        allow, deny = self.config.allow, self.config.deny
        return not (allow and not _matches(tool, allow)) and not _matches(tool, deny)

    async def find(self, name: str) -> ToolInfo:
        for tool in await self.tools():
            if tool.name == name:
                return tool
        raise UnknownTool(self.config.alias, f"MCP server {self.config.alias} has no tool named {name}.")

    async def call(
        self, tool: ToolInfo, arguments: Mapping[str, object], limits: Limits, on_progress: OnProgress | None
    ) -> CallResult:
        return await self.attempt(
            lambda connection: made(connection, Call(tool, arguments, limits, on_progress)),
            tool.tool,
            repeatable=tool.idempotent,
        )

    async def resume(
        self,
        tool: ToolInfo,
        parked: Parked,
        answers: Mapping[str, Answer],
        limits: Limits,
        on_progress: OnProgress | None,
    ) -> CallResult:
        # Looking at a job changes nothing; handing answers in does.
        repeatable = tool.idempotent or (parked.kind == "task" and not parked.requests)
        return await self.attempt(
            lambda connection: resumed(
                connection, Call(tool, parked.arguments, limits, on_progress), parked, answers
            ),
            tool.tool,
            repeatable=repeatable,
        )

    def follow(self, uris: Iterable[str]) -> None:
        """Hears from now on of changes of these resources, where the server tells them."""
        if self._connection is not None and self._connection.follows:
            self._following.read(uris)

    async def give_up(self, parked: Parked) -> None:
        await self.attempt(lambda connection: given_up(connection, parked), parked.name)

    async def attempt(self, work: Callable[[Connection], Awaitable[T]], what: str, *, repeatable: bool = True) -> T:
        """Work on a connection; done again on a new one when it was never sent, or when repeating it does no harm."""
        alias = self.config.alias
        self._use()
        async with self._slots:
            for last in (False, True):
                connection = await self._connected()
                try:
                    return await work(connection)
                except NotSent as error:
                    if last:
                        raise self._down(f"MCP server {alias} cannot be reached: {error}.") from error
                except Lost as error:
                    if not repeatable:
                        said = f"The connection to {alias} broke during {what}; it may have been done: {error}."
                        raise UnknownOutcome(alias, self.config.redacted(said)) from error
                    if last:
                        raise self._down(f"The connection to {alias} broke twice during {what}: {error}.") from error
                finally:
                    self._use()
        raise AssertionError("the second attempt returns or raises")

    async def close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._following.forget()
        self._closes += 1  # whoever waits for a start does not begin another
        if self._coming is not None:
            self._coming.cancel()
        async with self._starting:
            connection, self._connection = self._connection, None
            leaving, self._leaving = self._leaving, []
            await asyncio.gather(*(one.close() for one in [connection, *leaving] if one is not None))

    # ---- connections

    async def _connected(self) -> Connection:
        connection = self._connection
        if connection is not None and not connection.broken.is_set():
            return connection
        closes = self._closes
        async with self._starting:
            if closes != self._closes:
                raise self._closed()
            connection = self._connection
            if connection is not None and not connection.broken.is_set():
                return connection
            if connection is not None:
                self._let_go(connection)
            self._coming = asyncio.create_task(self._started())
            try:
                self._connection = await self._coming
            except asyncio.CancelledError as error:
                this = asyncio.current_task()
                if this is None or this.cancelling():
                    raise
                raise self._closed() from error
            finally:
                self._coming = None
            return self._connection

    async def _started(self) -> Connection:
        loop = asyncio.get_running_loop()
        if self._breaker.is_open(loop.time()):
            seconds = self._breaker.wait_s(loop.time())
            raise ServerDown(self.config.alias, f"{self._error} It is tried again in {seconds:.0f} s.")
        await asyncio.sleep(self._breaker.wait_s(loop.time()))
        key = self.config.fingerprint
        self._starts += 1
        session = self._sign_in()
        connection = Connection(self.config, self._eras.get(key), self._profile, self._following, session)
        try:
            await connection.start()
        except AuthorizationRequired as error:
            self._needs_sign_in, self._error = True, str(error)
            raise
        except ServerDown as error:
            # What was remembered may be why: the next attempt asks the server anew.
            self._eras.pop(key, None)
            self._breaker.failed(loop.time())
            self._error = str(error)
            raise
        self._breaker.succeeded()
        self._error, self._needs_sign_in = None, False
        if connection.era is not None:
            self._eras[key] = connection.era
        return connection

    def _let_go(self, connection: Connection) -> None:
        """Leaves a broken connection to end by itself, once its last call has its answer."""
        connection.retire()
        self._leaving = [one for one in (*self._leaving, connection) if not one.ended]

    def _closed(self) -> ServerDown:
        return self._down(f"MCP server {self.config.alias} was closed before it had started.")

    def _down(self, said: str) -> ServerDown:
        self._error = self.config.redacted(said)
        return ServerDown(self.config.alias, self._error)

    # ---- rest

    def _use(self) -> None:
        """Puts off the end that comes when nobody calls for long."""
        loop = asyncio.get_running_loop()
        self.used_at = loop.time()
        if self._idle is not None:
            self._idle.cancel()
        self._idle = loop.call_later(self.config.idle_stop, self._rest)

    def _rest(self) -> None:
        if self.is_busy:
            self._use()
        else:
            self.stop()

    def stop(self) -> None:
        """Ends the connection until somebody calls again."""
        if self._connection is not None:
            self._connection.retire()


def _matches(tool: ToolInfo, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(tool.tool, pattern) or fnmatchcase(tool.name, pattern) for pattern in patterns)
