"""A worker on a real store and a scripted model on a real socket: everything below the surface, nothing mocked."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from sqlalchemy import select

from bot.coordinator.coordinator import Coordinator
from bot.coordinator.intake import ensure_intake, receive
from bot.coordinator.plan import STALL_S
from bot.coordinator.runs import poisoned
from bot.model.client import OFFLINE_MODEL, WINDOW, AnthropicModel
from bot.skills import SkillLibrary
from bot.store import schema as t
from bot.store.clock import SystemClock
from bot.store.dispatch import Dispatcher
from bot.store.view import run_view
from bot.team.agent import AgentRunner
from bot.tools.files import file_tools
from bot.tools.registry import Registry
from bot.tools.tables import table_tools
from bot.tools.team import team_tools
from bot.types import Request, RunStatus
from loopback import control
from loopback.model import scripted
from tests.migrated import database
from tests.team.fresh_eyes import with_fresh_eyes


class NoWriter:
    """No shared documents in these tests: a change set would be a defect."""

    async def apply(self, change, op_key, precondition):
        raise AssertionError(change)

    async def find(self, change, op_key):
        raise AssertionError(change)


class Here:
    """A running worker."""

    def __init__(self, db, faults, log):
        self.db, self.faults, self.log = db, faults, log

    async def ask(self, text="look into it", key="1.0"):
        request = Request(team="T", channel="C", thread=key, key=key, kind="mention", user="U", text=text)
        await self.db.write(lambda tx: receive(tx, request))
        while True:
            found = await self.db.read(
                lambda c: c.execute(select(t.run.c.id).where(t.run.c.thread == key)).scalars().first()
            )
            if found:
                return found
            await asyncio.sleep(0)

    async def ended(self, run_id):
        return await self.until(run_id, lambda view: RunStatus(view.run.status).ended)

    async def until(self, run_id, holds):
        async with asyncio.timeout(60):
            while True:
                view = await self.db.read(lambda c: run_view(c, run_id))
                if holds(view):
                    return view
                await asyncio.sleep(0.01)


@asynccontextmanager
async def worker(
    home: Path,
    script,
    retry_budget: float = 20.0,
    stall_s: float = STALL_S,
    model_name=OFFLINE_MODEL,
    window=WINDOW,
    fresh_eyes=True,
    skills: Path | None = None,
):
    """One worker over a scripted model; unless `fresh_eyes` is off, the verifier of its runs agrees."""
    script = with_fresh_eyes(script) if fresh_eyes else script
    clock, faults, log = control.Clock(), control.Faults(), control.CallLog()
    runner = web.AppRunner(
        scripted.build(script, log=log, faults=faults, clock=clock, model_id=model_name),
        access_log=None,
        shutdown_timeout=0.5,
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base_url = "http://{}:{}".format(*runner.addresses[0])
    ours = SystemClock()
    db = database(home)
    db.write_now(ensure_intake)
    model = AnthropicModel(name=model_name, api_key="", base_url=base_url)
    model.windows[model_name] = window
    library = SkillLibrary(*([skills] if skills else []))
    registry = Registry([*team_tools(), *file_tools(), *table_tools()])
    dispatcher = Dispatcher(db, ours, role="worker", engine_url=f"sqlite:///{home / 'engine.db'}")
    agents = AgentRunner(db, model, registry, library, home, "UTC", retry_budget)
    main = Coordinator(db, library, NoWriter(), home, "UTC", model.name, model.offline, "")

    async def thread(_claim):
        return None

    main.watch.stall_s = stall_s
    dispatcher.serve("agent", agents.activate, agents.begin)
    dispatcher.serve("coordinator", main.activate)
    dispatcher.serve("thread", thread)
    dispatcher.on_poison(poisoned)
    dispatcher.start()
    try:
        yield Here(db, faults, log)
    finally:
        await dispatcher.close()
        await model.close()
        await runner.cleanup()
        db.close()
