"""Work in flight that a stop breaks off: one look at the store for all runs at work in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from sqlalchemy import Connection, or_, select

from bot.store.database import Database
from bot.store.schema import run

T = TypeVar("T")
LOOK_S = 0.2  # how soon a stop reaches a call in flight


class Stopped(Exception):
    """The run was stopped while a call was in flight."""


class Interrupts:
    """Guards model and tool calls; while there are any, the runs that should stop are looked up."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._tasks: dict[str, set[asyncio.Task[Any]]] = {}
        self._broken: set[asyncio.Task[Any]] = set()
        self._looking: asyncio.Task[None] | None = None

    async def guard(self, run_id: str, work: Awaitable[T]) -> T:
        """Do `work`, but leave it at once when the run is stopped. Raises Stopped then."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.setdefault(run_id, set()).add(task)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            return await work
        except asyncio.CancelledError:
            if task not in self._broken:
                raise
            task.uncancel()
            raise Stopped() from None
        finally:
            self._broken.discard(task)
            at_work = self._tasks[run_id]
            at_work.discard(task)
            if not at_work:
                del self._tasks[run_id]

    async def _look(self) -> None:
        while self._tasks:
            await asyncio.sleep(LOOK_S)
            at_work = tuple(self._tasks)
            for run_id in await self._db.read(lambda c, ids=at_work: _ending(c, ids)):  # type: ignore[misc]
                for task in self._tasks.get(run_id, set()) - self._broken:
                    self._broken.add(task)
                    task.cancel()


def _ending(connection: Connection, run_ids: tuple[str, ...]) -> list[str]:
    """Of these runs, those that should stop and those that have ended meanwhile."""
    over = or_(run.c.control == "stop", run.c.status.in_(("done", "failed", "stopped")))
    return list(connection.execute(select(run.c.id).where(run.c.id.in_(run_ids), over)).scalars())
