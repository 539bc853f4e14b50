"""`make bench-slack`: how soon a mention is acknowledged and answered while ten thousand runs wait and forty work.

The local Slack is a process of its own; the surface, the thread writer and the dispatcher are those of production,
on the machine's clock. The agents' work is played: each of the busy ones writes rows as a worker would.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import Connection, func, insert, select

from bench.slack.exactly_once import CHANNELS, WORKSPACE
from bench.slack.world import ROOT, TEAM, quiet
from bench.targets import Target, report
from bot.app import WorkerLoop, wait_ready
from bot.coordinator.intake import INTAKE, ensure_intake, taken, untaken
from bot.coordinator.runs import start_run
from bot.skills import SkillLibrary
from bot.slack.app import build_app, make_client
from bot.slack.scheduler import Scheduler
from bot.slack.thread import ThreadWriter
from bot.store import journal
from bot.store import schema as t
from bot.store.clock import SystemClock
from bot.store.database import Database, Tx
from bot.store.dispatch import Dispatcher
from bot.store.leases import Claim
from loopback.slack.seed import APP_TOKEN, BOT_TOKEN

BUSY_ROW_S = 0.5  # between two rows of a busy run
EVENT_S = 0.6  # between two mentions: what Slack's limits let be acknowledged for long


class Office:
    """The played work: forty runs write, the rest wait for their turn."""

    def __init__(self, db: Database, busy: int) -> None:
        self.db, self.busy = db, busy
        self.rows = 0
        self._seats: asyncio.Semaphore | None = None

    async def agent(self, claim: Claim) -> float | None:
        """One busy agent; those without a seat wait, as they do for a model."""
        if self._seats is None:
            self._seats = asyncio.Semaphore(self.busy)
        async with self._seats:
            for step in range(1_000_000):
                await asyncio.sleep(BUSY_ROW_S)
                self.rows += 1
                await self.db.write(lambda tx, step=step: _step(tx, claim, step))
        return None


def _cards(connection: Connection) -> int:
    """How many cards of busy runs are shown."""
    shown = select(func.count()).where(t.effect.c.op_key.endswith("/post/plan"), t.effect.c.status == "done")
    return int(connection.execute(shown).scalar_one())


def _step(tx: Tx, claim: Claim, step: int) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    journal.append(tx, claim.run_id, "notice", {"text": f"step {step}"}, agent_id=claim.agent_id, epoch=claim.epoch)


def _waiting_run(number: int, busy: bool) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    run = f"run-{number:06x}"
    now = time.time()
    row = {
        "id": run, "team_id": TEAM, "requester": "UMAYA", "credential_owner": "UMAYA",
        "channel": f"C{number % CHANNELS:03}", "kind": "command", "request": f"request {number}",
        "status": "working", "model": "offline", "offline": True, "created_at": now, "labels": {},
    }  # fmt: skip
    common = {"team_id": TEAM, "run_id": run, "status": "live", "labels": {}, "slept_seq": 0}
    agents = [
        {**common, "id": f"{run}/lead", "kind": "agent", "name": "lead", "wake_seq": 1},
        # The threads of those that wait were written long ago; those of the busy ones are written now.
        {**common, "id": f"{run}/_thread", "kind": "thread", "name": "_thread", "wake_seq": 1 if busy else 0},
    ]
    tasks = [
        {"run_id": run, "id": f"t{n}", "team_id": TEAM, "title": f"Part {n}", "status": "working", "position": n}
        for n in range(4 if busy else 0)
    ]
    return row, agents, tasks


def fill(db: Database, backlog: int, busy: int) -> None:
    """The rows of a day on which everybody asked at once."""
    for first in range(0, backlog, 1_000):
        made = [_waiting_run(n, n < busy) for n in range(first, min(backlog, first + 1_000))]

        def work(tx: Tx, made: Any = made) -> None:
            tx.execute(insert(t.run), [row for row, _, _ in made])
            tx.execute(insert(t.agent), [agent for _, agents, _ in made for agent in agents])
            tasks = [task for _, _, tasks in made for task in tasks]
            if tasks:
                tx.execute(insert(t.task), tasks)

        db.write_now(work, point=False)


async def measure(home: Path, slack: dict[str, Any], backlog: int, busy: int, events: int) -> dict[str, list[float]]:
    """Seconds from each mention's event to its acknowledgement by the app, and to the words in its thread."""
    db = Database(f"sqlite:///{home / 'cadre.db'}", time.time)
    db.migrate()
    db.write_now(ensure_intake)
    await asyncio.to_thread(fill, db, backlog, busy)
    office, workers = Office(db, busy), WorkerLoop()
    dispatcher = Dispatcher(db, SystemClock(), role="bench", engine_url=f"sqlite:///{home / 'engine.db'}")
    scheduler = Scheduler(make_client(BOT_TOKEN, slack["api_url"]))
    surface = build_app(db, scheduler, app_token=APP_TOKEN)

    async def serve_work() -> None:
        dispatcher.serve("agent", office.agent)
        dispatcher.serve("coordinator", _intake(db, home))

    await workers.call(serve_work())
    dispatcher.serve("thread", surface.showing(ThreadWriter(db, scheduler).activate))
    await surface.start()
    await asyncio.to_thread(dispatcher.start)
    try:
        async with aiohttp.ClientSession() as http:
            while await db.read(_cards) < busy:  # until they are at work and their threads show it
                await asyncio.sleep(0.5)
            began = office.rows, time.monotonic()
            asked = await _ask(http, slack["control_url"], events)
            found = await _times(http, slack["control_url"], asked)
            rate = (office.rows - began[0]) / (time.monotonic() - began[1])
            found["rows"] = [rate]
            return found
    finally:
        await surface.close()
        await workers.call(dispatcher.drain())
        await dispatcher.close()
        workers.close()
        db.close()


async def _ask(http: aiohttp.ClientSession, control: str, events: int) -> list[tuple[str, str]]:
    asked = []
    for number in range(events):
        act = {"as": "maya", "do": "post", "channel": f"room-{number % CHANNELS}", "text": f"@cadre request {number}"}
        async with http.post(f"{control}/_local/act", json=act) as reply:
            told = await reply.json()
        asked.append((told["channel"], told["ts"]))
        await asyncio.sleep(EVENT_S)
    await asyncio.sleep(5)
    return asked


async def _times(http: aiohttp.ClientSession, control: str, asked: list[tuple[str, str]]) -> dict[str, list[float]]:
    async with http.get(f"{control}/_local/log", params={"since": "0"}) as reply:
        rows = (await reply.json())["log"]
    sent: dict[str, tuple[float, str]] = {}  # the mention's ts -> when its event went out, and its envelope
    acked: dict[str, float] = {}
    shown: dict[str, float] = {}
    for row in rows:
        body = row.get("body") or {}
        if row["kind"] == "event" and row["name"] == "app_mention":
            ts = body["payload"]["event"]["ts"]
            sent.setdefault(ts, (row["at"], body["envelope_id"]))
        elif row["kind"] == "event" and row["name"] == "ack":
            acked.setdefault(body.get("envelope_id", ""), row["at"])
        elif row["kind"] == "response" and row["name"] == "chat.postMessage" and body.get("ok"):
            shown.setdefault(body["message"].get("thread_ts", ""), row["at"])
    never = float("inf")
    return {
        "ack": [acked.get(sent[ts][1], never) - sent[ts][0] for _, ts in asked],
        "shown": [shown.get(ts, never) - sent[ts][0] for _, ts in asked],
    }


def _intake(db: Database, home: Path) -> Any:
    library = SkillLibrary(ROOT / "skills", home / "skills")

    def take(tx: Tx) -> None:
        for request in untaken(tx):
            run_id = start_run(tx, request, library, model="offline", offline=True, today="2026-10-05", lead=True)
            taken(tx, request, run_id)

    async def activate(claim: Claim) -> None:
        if claim.agent_id == INTAKE:
            await db.write(take)

    return activate


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98] if len(values) > 1 else values[0]


def main() -> bool:
    parser = argparse.ArgumentParser(prog="python -m bench.slack.backlog", description=__doc__)
    parser.add_argument("--backlog", type=int, default=10_000)
    parser.add_argument("--busy", type=int, default=40)
    parser.add_argument("--events", type=int, default=150)
    given = parser.parse_args()
    quiet()
    with tempfile.TemporaryDirectory(prefix="cadre-") as scratch:
        home = Path(scratch)
        (home / "workspace.json").write_text(json.dumps(WORKSPACE))
        command = [
            sys.executable,
            "-m",
            "loopback.slack",
            "--clock",
            "real",
            "--manifest",
            str(ROOT / "manifest.yml"),
        ]
        command += ["--workspace", str(home / "workspace.json"), "--ready-file", str(home / "ready.json")]
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=ROOT)
        try:
            slack = wait_ready(home / "ready.json", child)["slack"]
            found = asyncio.run(measure(home, slack, given.backlog, given.busy, given.events))
        finally:
            child.terminate()
            child.wait(10)
    title = f"{given.events} mentions while {given.backlog:,} runs wait and {given.busy} work"
    return report(
        title,
        [
            Target("event to acknowledgement, p99", 1.0, p99(found["ack"]), "s"),
            Target("event to words in the thread, p99", 3.0, p99(found["shown"]), "s"),
            Target("event to words in the thread, median", 1.5, statistics.median(found["shown"]), "s"),
            Target("rows of the busy runs, a second", given.busy, found["rows"][0], least=True),
        ],
    )


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
