"""Work in flight that a stop breaks off: one look at the store for everybody at work in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, bindparam, select

from bot.store.database import Database
from bot.store.fast import Statement
from bot.store.leases import Claim
from bot.store.schema import agent, run
from bot.types import RunStatus

log = structlog.get_logger()

T = TypeVar("T")
LOOK_S = 0.2  # how soon a stop reaches a call in flight
HOLDS = Statement(
    select(agent.c.epoch, run.c.control, run.c.status)
    .join(run, run.c.id == agent.c.run_id)
    .where(agent.c.id == bindparam("of"))
)


class Stopped(Exception):
    """The run was stopped while a call was in flight, or its agent was: by its lead, for standing still, by age."""


class Interrupts:
    """Guards model and tool calls; while there are any, the runs and agents that should stop are looked up."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._tasks: dict[Claim, set[asyncio.Task[Any]]] = {}
        self._broken: set[asyncio.Task[Any]] = set()
        self._looking: asyncio.Task[None] | None = None

    async def guard(self, claim: Claim, work: Awaitable[T]) -> T:
        """Do `work`, but leave it at once when the run is stopped or the claim is lost. Raises Stopped then."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.setdefault(claim, set()).add(task)
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
            at_work = self._tasks[claim]
            at_work.discard(task)
            if not at_work:
                del self._tasks[claim]

    async def _look(self) -> None:
        while self._tasks:
            await asyncio.sleep(LOOK_S)
            at_work = tuple(self._tasks)
            try:
                ending = await self._db.read(lambda c, held=at_work: _ending(c, held))  # type: ignore[misc]
            except self._db.trouble as error:  # a stop that comes meanwhile is found when it answers again
                log.warning("the database does not answer", error=str(error))
                continue
            for claim in ending:
                for task in self._tasks.get(claim, set()) - self._broken:
                    self._broken.add(task)
                    task.cancel()


def _ending(connection: Connection, held: tuple[Claim, ...]) -> list[Claim]:
    """Of these claims, those whose run should stop or has ended, and those that are no longer held.

    Whoever ends an agent from outside raises its epoch, and so does the next activation.
    """
    found = {claim: HOLDS.execute(connection, {"of": claim.agent_id}).fetchone() for claim in held}
    return [claim for claim, row in found.items() if row is None or row[0] != claim.epoch or _over(*row[1:])]


def _over(control: str, status: str) -> bool:
    return control == "stop" or RunStatus(status).ended
