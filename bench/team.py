"""The team part of `make bench-loop`: a ring of eight with a slow model, its makespan and how fast a wake is."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy import select

from bench import ring
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
from bot.tools.google import GoogleWriter
from bot.tools.registry import Registry
from bot.tools.team import team_tools
from bot.types import Request
from loopback.control import CallLog, Clock, Faults
from loopback.model import scripted


async def measure(home: Path, model_s: float) -> dict[str, Any]:
    """One run of the ring; seconds and milliseconds of what it took."""
    asked: list[tuple[str, float]] = []  # agent, when its request came

    def script(body: Any) -> Any:
        asked.append((body["metadata"]["user_id"].split("/")[-1], time.time()))
        return ring.script(body)

    faults = Faults()
    faults.add({"match": "", "kind": "delay", "rate": 1.0, "delay_s": model_s})
    app = scripted.build(script, log=CallLog(), faults=faults, clock=Clock(), model_id="ring")
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    db = Database(f"sqlite:///{home / 'cadre.db'}", time.time)
    db.migrate()
    db.write_now(ensure_intake)
    model = AnthropicModel(name="ring", api_key="", base_url="http://{}:{}".format(*runner.addresses[0]))
    library = SkillLibrary()
    registry = Registry([*team_tools(), *file_tools()])
    dispatcher = Dispatcher(db, SystemClock(), role="worker", engine_url=f"sqlite:///{home / 'engine.db'}")
    coordinator = Coordinator(db, library, GoogleWriter(None), home, "UTC", model.name, False, "")

    ended = asyncio.Event()

    async def coordinate(claim: Claim) -> float | None:
        due = await coordinator.activate(claim)
        if await db.read(lambda c: c.execute(select(t.run.c.id).where(t.run.c.finished_at.is_not(None))).first()):
            ended.set()
        return due

    async def thread(_claim: Claim) -> None:
        """No Slack here."""

    dispatcher.serve("agent", AgentRunner(db, model, registry, library, home, "UTC", 60.0).activate)
    dispatcher.serve("coordinator", coordinate)
    dispatcher.serve("thread", thread)
    dispatcher.start()
    await dispatcher.ready()
    request = Request(team="T", channel="C", thread="1", key="1", kind="mention", user="U", text="pass it around")
    began = time.time()
    await db.write(lambda tx: receive(tx, request))
    await ended.wait()
    run = await db.read(lambda c: c.execute(select(t.run)).mappings().one())
    mails = await db.read(lambda c: list(c.execute(select(t.mail).order_by(t.mail.c.seq)).mappings()))
    swept = await db.read(lambda c: sum(c.execute(select(t.agent.c.swept)).scalars()))
    await dispatcher.close()
    await model.close()
    await runner.cleanup()
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
    path = ring.CRITICAL_TURNS * model_s
    return {
        "messages": len(mails), "calls": len(asked), "idle_calls": len(asked) - ring.CALLS,
        "makespan_s": round(took, 3), "critical_path_s": path, "makespan_ratio": round(took / path, 4),
        "wakes": len(wakes), "wake_p50_ms": round(statistics.median(wakes), 1) if wakes else None,
        "wake_p99_ms": round(wakes[int(len(wakes) * 0.99) - 1], 1) if wakes else None,
    }  # fmt: skip


def main() -> None:
    """Measure and print; fails when messages were lost or somebody was woken for nothing."""
    parser = argparse.ArgumentParser(prog="python -m bench.team", description=__doc__)
    parser.add_argument("--model-s", type=float, default=1.0, help="seconds that the model takes for a reply")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cadre-bench-") as home:
        found = asyncio.run(measure(Path(home), given.model_s))
    print(json.dumps(found, indent=1))
    good = found["status"] == "done" and found["idle_calls"] == 0 and found["swept"] == 0
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
