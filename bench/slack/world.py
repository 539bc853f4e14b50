"""A local Slack, the store and the real app between them on one virtual clock; a bench plays people and work."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from sqlalchemy import select

from bench.slack.virtual import CountedDatabase, VirtualClock, VirtualLoop
from bot.coordinator.intake import INTAKE, ensure_intake, taken, untaken
from bot.coordinator.runs import start_run
from bot.skills import SkillLibrary
from bot.slack.app import Surface, build_app, make_client
from bot.slack.scheduler import Scheduler
from bot.slack.thread import ThreadWriter
from bot.store import leases
from bot.store.database import Database, Tx
from bot.store.dispatch import SWEEP_S, Dispatcher
from bot.store.leases import Claim
from bot.store.schema import agent
from loopback.control import CallLog, Faults
from loopback.slack.seed import APP_TOKEN, BOT_TOKEN, SMALL_WORKSPACE, AppDefinition
from loopback.slack.server import Running, start

ROOT = Path(__file__).parents[2]
TEAM = "T0LOCAL"


@dataclass
class World:
    """What a bench holds: Slack's side, ours, and people's hands."""

    slack: Running
    log: CallLog
    faults: Faults
    clock: VirtualClock
    db: CountedDatabase
    scheduler: Scheduler
    surface: Surface
    http: aiohttp.ClientSession
    _asked: list[int] = field(default_factory=list)

    async def act(self, person: str, do: str, **what: Any) -> dict[str, Any]:
        """One thing a person does; it must succeed."""
        self._asked.append(1)
        try:
            async with self.http.post(f"{self.slack.url}/_local/act", json={"as": person, "do": do, **what}) as reply:
                told: dict[str, Any] = await reply.json()
        finally:
            self._asked.pop()
        assert told["ok"], told
        return told

    async def look(self, what: str, **query: str) -> dict[str, Any]:
        """A page of the control API."""
        self._asked.append(1)
        try:
            async with self.http.get(f"{self.slack.url}/_local/{what}", params=query) as reply:
                found: dict[str, Any] = await reply.json()
                return found
        finally:
            self._asked.pop()

    @property
    def on_the_way(self) -> bool:
        return bool(self._asked) or self.scheduler.under_way > 0

    async def until(self, work: Callable[[Any], Any], every: float = 1.0) -> Any:
        """The first truthy answer of a read, looked at again every so many virtual seconds."""
        while not (found := await self.db.read(work)):
            await asyncio.sleep(every)
        return found

    async def settled(self) -> None:
        """Return once every thread sleeps with nothing due soon."""

        def restless(connection: Any) -> bool:
            rows = connection.execute(select(agent.c.wake_seq, agent.c.slept_seq, agent.c.due_at)).all()
            soon = self.clock.now() + 120
            return any(r.wake_seq != r.slept_seq or (r.due_at is not None and r.due_at < soon) for r in rows)

        while await self.db.read(restless):
            await asyncio.sleep(SWEEP_S)


def quiet() -> None:
    """A bench loses answers by the hundred; its log would be all that one sees."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def play(work: Callable[[World], Awaitable[Any]], **how: Any) -> Any:
    """Run a play in a world of its own; gives what it returns."""
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(_played(loop, work, how))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()


async def _played(loop: VirtualLoop, work: Callable[[World], Awaitable[Any]], how: dict[str, Any]) -> Any:
    with tempfile.TemporaryDirectory(prefix="cadre-") as home:
        async with world(loop, Path(home), **how) as here:
            return await work(here)


@contextlib.asynccontextmanager
async def world(
    loop: VirtualLoop, home: Path, *, workspace: dict[str, Any] | None = None, lag_s: float = 0.0
) -> AsyncIterator[World]:
    """Everything running: requests become runs, threads are written as in production, nobody works on the runs."""
    clock = VirtualClock(loop)
    log, faults = CallLog(clock), Faults()
    definition = AppDefinition.from_manifest(ROOT / "manifest.yml")
    slack = await start(
        log=log,
        faults=faults,
        clock=clock,
        definition=definition,
        workspace=workspace or SMALL_WORKSPACE,
        rate_limits=True,
    )
    slack.space.lag_s = lag_s
    db = CountedDatabase(f"sqlite:///{home / 'cadre.db'}", clock.now)
    db.migrate()
    db.write_now(ensure_intake)
    scheduler = Scheduler(make_client(BOT_TOKEN, slack.ready["api_url"]), loop.time)
    surface = build_app(db, scheduler, app_token=APP_TOKEN)
    dispatcher = Dispatcher(db, clock, role="bench", engine_url="")
    dispatcher.serve("coordinator", _intake(db, home))
    dispatcher.serve("thread", surface.showing(ThreadWriter(db, scheduler).activate))
    sweeping = loop.create_task(_sweep(db))
    async with aiohttp.ClientSession() as http:
        here = World(slack, log, faults, clock, db, scheduler, surface, http)
        loop.busy, loop.on_the_way = (lambda: db.jobs > 0), (lambda: here.on_the_way)
        await surface.start()
        try:
            yield here
        finally:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)
            await surface.close()
            await dispatcher.close()
            await slack.close()
            loop.busy = loop.on_the_way = lambda: False
            db.close()


async def _sweep(db: CountedDatabase) -> None:
    """The dispatcher's own sweep is a thread on real time; here it is a task on virtual time."""
    due = select(agent.c.id).where(agent.c.due_at.is_not(None))
    while True:
        await asyncio.sleep(SWEEP_S)
        now = db.now()
        if await db.read(lambda c, now=now: c.execute(due.where(agent.c.due_at <= now)).first()):
            await db.write(lambda tx, now=now: leases.wake_due(tx, now))


def _intake(db: Database, home: Path) -> Callable[[Claim], Awaitable[None]]:
    """Requests become runs; the bench does their work."""
    library = SkillLibrary(ROOT / "skills", home / "skills")

    def take(tx: Tx) -> None:
        for request in untaken(tx):
            run_id = start_run(tx, request, library, model="offline", offline=True, today="2026-10-05", lead=False)
            taken(tx, request, run_id)

    async def activate(claim: Claim) -> None:
        if claim.agent_id == INTAKE:
            await db.write(take)

    return activate
