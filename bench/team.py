"""The team part of `make bench-loop`: a ring of eight with a slow model, its makespan and how fast a wake is."""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy import select

from bench import ring
from bench.targets import Target, report
from bot import garbage
from bot.coordinator.coordinator import Coordinator
from bot.coordinator.intake import ensure_intake, receive
from bot.model.client import AnthropicModel
from bot.skills import SkillLibrary
from bot.store import schema as t
from bot.store.clock import SystemClock
from bot.store.database import Database
from bot.store.dispatch import Dispatcher
from bot.store.leases import Claim
from bot.team.agent import AgentRunner
from bot.tools.files import file_tools
from bot.tools.google_writer import GoogleWriter
from bot.tools.registry import Registry
from bot.tools.team import team_tools
from bot.types import Request
from loopback.control import CallLog, Clock, Faults
from loopback.model import scripted


def serve(model_s: float, line: Connection) -> None:
    """The model in a process of its own, as every model is: its work is not the worker's. Sends its address, and
    once spoken to, what it was asked: (agent, when the request came)."""
    asked: list[tuple[str, float]] = []

    def script(body: Any) -> Any:
        asked.append((body["metadata"]["user_id"].split("/")[-1], time.time()))
        return ring.script(body)

    async def run() -> None:
        faults = Faults()
        faults.add({"match": "", "kind": "delay", "rate": 1.0, "delay_s": model_s})
        app = scripted.build(script, log=CallLog(), faults=faults, clock=Clock(), model_id="ring")
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        garbage.leave_loaded()  # its pauses would count as ours
        line.send("http://{}:{}".format(*runner.addresses[0]))
        await asyncio.to_thread(line.recv)
        line.send(asked)
        await runner.cleanup()

    asyncio.run(run())


async def measure(home: Path, model_s: float) -> dict[str, Any]:
    """One run of the ring; seconds and milliseconds of what it took."""
    garbage.look_seldom()
    processes = multiprocessing.get_context("spawn")
    line, far = processes.Pipe()
    server = processes.Process(target=serve, args=(model_s, far), daemon=True)
    server.start()
    address = await asyncio.to_thread(line.recv)
    db = Database(f"sqlite:///{home / 'cadre.db'}", time.time)
    db.migrate()
    db.write_now(ensure_intake)
    model = AnthropicModel(name="ring", api_key="", base_url=address)
    library = SkillLibrary()
    registry = Registry([*team_tools(), *file_tools()])
    dispatcher = Dispatcher(db, SystemClock(), role="worker", engine_url=f"sqlite:///{home / 'engine.db'}")
    coordinator = Coordinator(db, library, GoogleWriter(None, db), home, "UTC", model.name, False, "")

    ended = asyncio.Event()

    async def coordinate(claim: Claim) -> float | None:
        due = await coordinator.activate(claim)
        if await db.read(lambda c: c.execute(select(t.run.c.id).where(t.run.c.finished_at.is_not(None))).first()):
            ended.set()
        return due

    async def thread(_claim: Claim) -> None:
        """No Slack here."""

    agents = AgentRunner(db, model, registry, library, home, "UTC", 60.0)
    dispatcher.serve("agent", agents.activate, agents.begin)
    dispatcher.serve("coordinator", coordinate)
    dispatcher.serve("thread", thread)
    dispatcher.start()
    await dispatcher.ready()
    garbage.leave_loaded()  # as every process of the product does
    request = Request(team="T", channel="C", thread="1", key="1", kind="mention", user="U", text="pass it around")
    began = time.time()
    await db.write(lambda tx: receive(tx, request))
    await ended.wait()
    run = await db.read(lambda c: c.execute(select(t.run)).mappings().one())
    mails = await db.read(lambda c: list(c.execute(select(t.mail).order_by(t.mail.c.seq)).mappings()))
    swept = await db.read(lambda c: sum(c.execute(select(t.agent.c.swept)).scalars()))
    await dispatcher.close()
    await model.close()
    line.send("that is all")
    asked: list[tuple[str, float]] = await asyncio.to_thread(line.recv)
    server.join()
    db.close()
    found = _figures(asked, mails, run["finished_at"] - began, model_s)
    return {"status": run["status"], "error": run["error_message"], "swept": swept, **found}


def _figures(asked: list[tuple[str, float]], mails: list[Any], took: float, model_s: float) -> dict[str, Any]:
    """Makespan over the critical path, idle calls, and the time from a message to the request that it woke."""
    wakes = []
    for mail in mails:
        after = [at for name, at in asked if name == mail["recipient"] and at >= mail["sent_at"]]
        if after and after[0] - mail["sent_at"] < model_s * 0.9:  # else the recipient was in a turn of its own
            wakes.append((after[0] - mail["sent_at"]) * 1e3)
    wakes.sort()
    return {
        "messages": len(mails), "idle_calls": len(asked) - ring.CALLS, "wakes": len(wakes),
        "makespan": took / (ring.CRITICAL_TURNS * model_s),
        "p50": statistics.median(wakes) if wakes else None,
        "p99": wakes[int(len(wakes) * 0.99) - 1] if wakes else None,
    }  # fmt: skip


def main() -> None:
    """Measure and print; exits 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.team", description=__doc__)
    parser.add_argument("--model-s", type=float, default=1.0, help="seconds that the model takes for a reply")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cadre-bench-") as home:
        found = asyncio.run(measure(Path(home), given.model_s))
    if found["status"] != "done":
        sys.exit(f"the run ended {found['status']}: {found['error']}")
    sent = len(ring.NAMES) * ring.ROUNDS
    good = report(
        f"A team of {len(ring.NAMES)} with {found['messages']} messages, {found['wakes']} wakes, "
        f"model {given.model_s:g} s",
        [
            Target("messages delivered", sent, found["messages"], least=True),
            Target("model calls for nothing", 0, found["idle_calls"]),
            Target("wakes that only the sweep found", 0, found["swept"]),
            Target("wake, median", 20, found["p50"], "ms"),
            Target("wake, 99th percentile", 100, found["p99"], "ms"),
            Target("makespan over the critical path", 1.05, found["makespan"]),
        ],
    )
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
