"""A local Slack, a store and the real app between them, all on real sockets; people act through the control API."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import func, insert, select, update

from bot.coordinator.intake import INTAKE, ensure_intake, taken, untaken
from bot.coordinator.runs import start_run
from bot.policy.access import Access
from bot.skills import SkillLibrary
from bot.slack.app import Surface, build_app, make_client
from bot.slack.scheduler import Scheduler
from bot.slack.thread import ThreadWriter
from bot.store import journal, leases
from bot.store import schema as t
from bot.store.clock import SystemClock
from bot.store.database import Database
from bot.store.dispatch import Dispatcher
from bot.store.leases import Claim
from loopback.control import CallLog, Clock, Faults
from loopback.slack.seed import APP_TOKEN, BOT_TOKEN, SMALL_WORKSPACE, AppDefinition
from loopback.slack.server import Running, start
from tests.migrated import database

ROOT = Path(__file__).parents[2]


@dataclass
class Local:
    """What a test holds: Slack's side, ours, and people's hands."""

    slack: Running
    log: CallLog
    faults: Faults
    clock: Clock
    db: Database
    scheduler: Scheduler
    surface: Surface
    writer: ThreadWriter
    http: aiohttp.ClientSession
    changed: asyncio.Event

    async def count(self, table: Any) -> int:
        """How many rows a table has."""
        return await self.db.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one())

    async def whispered(self, channel: str, person: str, times: int = 1) -> list[str]:
        """The private lines of a person once there are that many."""
        while len(told := await self.whispers(channel, person)) < times:
            pass
        return told

    async def act(self, person: str, do: str, **what: Any) -> dict[str, Any]:
        """One thing a person does; it must succeed."""
        async with self.http.post(f"{self.slack.url}/_local/act", json={"as": person, "do": do, **what}) as reply:
            told = await reply.json()
        assert told["ok"], told
        return told

    async def thread(self, channel: str, ts: str, person: str = "") -> list[dict[str, Any]]:
        query = {"channel": channel, "ts": ts, "as": person}
        async with self.http.get(f"{self.slack.url}/_local/thread", params=query) as reply:
            return (await reply.json())["messages"]

    async def said(self, channel: str) -> list[dict[str, Any]]:
        """Everything Cadre says in a channel, threads too."""
        async with self.http.get(f"{self.slack.url}/_local/messages", params={"channel": channel}) as reply:
            return [m for m in (await reply.json())["messages"] if m.get("bot_id")]

    async def whispers(self, channel: str, person: str) -> list[str]:
        query = {"channel": channel, "user": person}
        async with self.http.get(f"{self.slack.url}/_local/ephemeral", params=query) as reply:
            return [m["text"] for m in (await reply.json())["messages"]]

    def calls(self, method: str) -> list[dict[str, Any]]:
        """Requests of one Web API method that reached Slack."""
        return [row["body"] for row in self.log.since(0) if row["kind"] == "request" and row["name"] == method]

    async def until(self, work: Callable[[Any], Any]) -> Any:
        """The first truthy answer of a read, looked at again after each commit; the test's own time limit ends it."""
        while True:
            self.changed.clear()
            found = await self.db.read(work)
            if found:
                return found
            await self.changed.wait()

    async def until_logged(self, enough: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Return once Slack's log says so; one loop serves both sides, so looking lets them go on."""
        while not enough(self.log.since(0)):
            async with self.http.get(f"{self.slack.url}/_local/state"):
                pass

    async def until_called(self, method: str, times: int = 1) -> list[dict[str, Any]]:
        """Requests of one method once Slack has answered that many of them."""

        def answered(rows: list[dict[str, Any]]) -> bool:
            return sum(row["kind"] == "response" and row["name"] == method for row in rows) >= times

        await self.until_logged(answered)
        return self.calls(method)

    async def delivered(self) -> None:
        """Return once no event is on its way any more."""
        undelivered = 1
        while undelivered:
            async with self.http.get(f"{self.slack.url}/_local/state") as reply:
                undelivered = (await reply.json())["undelivered"]

    async def redelivered(self, times: int) -> None:
        """Return once Slack has sent that many events a second time."""

        def again(rows: list[dict[str, Any]]) -> bool:
            return sum(bool((row.get("body") or {}).get("retry_attempt")) for row in rows) >= times

        await self.until_logged(again)

    async def settled(self, key: str) -> Any:
        """The effect row of one message of the only run, once it is done."""
        query = select(t.effect).where(t.effect.c.op_key.like(f"%/post/{key}"), t.effect.c.status == "done")
        return await self.until(lambda c: c.execute(query).mappings().first())

    async def run(self) -> Any:
        """The only run, as a row."""
        return await self.until(lambda c: c.execute(select(t.run)).mappings().first())

    async def change(self, run_id: str, **values: Any) -> None:
        """Set columns of the run and tell whoever shows it."""

        def work(tx: Any) -> None:
            tx.execute(update(t.run).where(t.run.c.id == run_id).values(**values))
            journal.append(tx, run_id, "changed", {})

        await self.db.write(work)

    async def make_run(self, **values: Any) -> str:
        """A run of a person's request in #finance whose thread nobody writes to yet."""
        row = {
            "id": "run-1", "team_id": "T0LOCAL", "requester": "UMAYA", "credential_owner": "UMAYA",
            "channel": "CFINANCE", "kind": "mention", "request": "close Q3 2026", "status": "working",
            "model": "offline", "offline": True, "created_at": self.db.now(), "labels": {}, **values,
        }  # fmt: skip
        run_id = str(row["id"])
        agent = {
            "id": f"{run_id}/_thread",
            "team_id": "T0LOCAL",
            "run_id": run_id,
            "kind": "thread",
            "name": "_thread",
        }

        def work(tx: Any) -> None:
            tx.execute(insert(t.run).values(**row))
            tx.execute(insert(t.agent).values(**agent, status="live", labels={}))

        await self.db.write(work)
        return run_id

    async def claim(self, run_id: str = "run-1") -> Claim:
        """A new activation of a run's thread row, whoever held it before."""

        def work(tx: Any) -> Claim | None:
            tx.execute(update(t.agent).where(t.agent.c.id == f"{run_id}/_thread").values(lease_owner=None))
            return leases.claim(tx, f"{run_id}/_thread", "test")

        held = await self.db.write(work)
        assert held is not None
        return held


@contextlib.asynccontextmanager
async def local(
    tmp_path: Path,
    *,
    ack_s: float = 3.0,
    dispatch: bool = True,
    access: Access | None = None,
    workspace: Mapping[str, Any] = SMALL_WORKSPACE,
    without: tuple[str, ...] = (),
) -> AsyncIterator[Local]:
    """Everything running; with `dispatch`, requests become runs and threads are written as in production. The app
    was installed `without` some scopes."""
    log, faults, clock = CallLog(), Faults(), Clock("simulated")
    definition = AppDefinition.from_manifest(ROOT / "manifest.yml")
    definition = dataclasses.replace(definition, scopes=definition.scopes - set(without))
    slack = await start(log=log, faults=faults, clock=clock, definition=definition, ack_s=ack_s, workspace=workspace)
    db = database(tmp_path, clock.now)
    db.write_now(ensure_intake)
    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    db.on_commit(lambda: loop.call_soon_threadsafe(changed.set))
    scheduler = Scheduler(make_client(BOT_TOKEN, slack.ready["api_url"]))
    rules = access or Access()
    surface = build_app(db, scheduler, app_token=APP_TOKEN, access=rules)
    writer = ThreadWriter(db, scheduler)
    dispatcher = None
    if dispatch:
        dispatcher = Dispatcher(db, SystemClock(), role="test", engine_url="")
        dispatcher.serve("coordinator", _intake(db, tmp_path, rules))
        dispatcher.serve("thread", surface.showing(writer.activate))
    await surface.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Local(slack, log, faults, clock, db, scheduler, surface, writer, http, changed)
    finally:
        await surface.close()
        if dispatcher is not None:
            await dispatcher.close()
        await slack.close()
        db.close()


def app_of(tmp_path: Path) -> Any:
    """The Bolt app as it stands before anything is connected."""
    db = Database(f"sqlite:///{tmp_path / 'cadre.db'}", SystemClock().now)
    surface = build_app(db, Scheduler(make_client(BOT_TOKEN)))
    db.close()
    return surface.app


def _intake(db: Database, home: Path, access: Access) -> Any:
    """Requests become runs; nobody works on them."""
    library = SkillLibrary(ROOT / "skills", home / "skills")

    def take(tx: Any) -> None:
        for request in untaken(tx):
            run_id = start_run(
                tx, request, library, model="offline", offline=True, today="2026-10-05", lead=True,
                rules=access.rules(request.channel),
            )  # fmt: skip
            taken(tx, request, run_id)

    async def activate(claim: Claim) -> None:
        if claim.agent_id == INTAKE:
            await db.write(take)

    return activate
