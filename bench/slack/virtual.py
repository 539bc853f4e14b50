"""An event loop on virtual time: when everybody only waits for a time, the clock jumps there.

Sockets and database threads are real, so the clock stands still while one of them is at work.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from bot.store.database import Database
from loopback.control import Clock

STILL_S = 0.02  # real seconds without any I/O after which nobody is believed to be on the way
STEP_S = 0.001


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time` is virtual. `busy` says whether a database thread works, `on_the_way` whether a call may be."""

    def __init__(self) -> None:
        self.virtual = 0.0
        self.busy: Callable[[], bool] = lambda: False
        self.on_the_way: Callable[[], bool] = lambda: False
        super().__init__(_Waiting(selectors.DefaultSelector(), self))

    def time(self) -> float:
        return self.virtual


class _Waiting:
    """A selector that spends virtual instead of real time, once nothing can come in any more."""

    def __init__(self, inner: selectors.BaseSelector, loop: VirtualLoop) -> None:
        self._inner, self._loop = inner, loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = self._inner.select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            return self._inner.select(None)
        began = time.monotonic()
        while self._loop.busy() or (self._loop.on_the_way() and time.monotonic() - began < STILL_S):
            ready = self._inner.select(STEP_S)
            if ready:
                return ready
        ready = self._inner.select(0)
        if not ready:
            self._loop.virtual += max(0.0, timeout)
        return ready


class VirtualClock(Clock):
    """The stand-ins' clock on the virtual loop, so that Slack's minutes and ours are the same."""

    def __init__(self, loop: VirtualLoop, start: float = 1_790_000_000.0) -> None:
        super().__init__("simulated")
        self._loop, self._start = loop, start

    def now(self) -> float:
        return self._start + self._loop.virtual

    def on_jump(self, listener: Callable[[], None]) -> None:
        """Whoever waits on this loop jumps with it."""

    def close(self) -> None:
        """Nothing to let go of."""


class CountedDatabase(Database):
    """The store, and how many of its jobs are not done yet."""

    jobs = 0

    def __init__(self, url: str, now: Callable[[], float]) -> None:
        super().__init__(url, now)
        # Nobody kills this process, and the disk would be most of the time.
        event.listen(self.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))

    async def write(self, work: Callable[..., Any]) -> Any:
        self.jobs += 1
        try:
            return await super().write(work)
        finally:
            self.jobs -= 1

    async def read(self, work: Callable[..., Any]) -> Any:
        self.jobs += 1
        try:
            return await super().read(work)
        finally:
            self.jobs -= 1
