"""Composition root of a worker: store, model, tools and coordinator from Settings."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from bot.coordinator.coordinator import Coordinator
from bot.coordinator.intake import ensure_intake
from bot.coordinator.runs import poisoned
from bot.coordinator.schedules import ensure_ticker
from bot.errors import OperatorMustFix
from bot.model import cost
from bot.model.batches import Batches
from bot.model.client import AnthropicModel, choose_model
from bot.policy import access
from bot.settings import Settings
from bot.skills import SkillLibrary
from bot.store import money
from bot.store.clock import Clock, LoopbackClock, SystemClock
from bot.store.database import Database
from bot.store.dispatch import Dispatcher
from bot.store.grants import Grants
from bot.store.vault import Vault
from bot.team.agent import AgentRunner
from bot.team.items.runner import ItemRunner
from bot.team.roles import all_roles
from bot.tools.bulk import bulk_tools
from bot.tools.channel import channel_tools
from bot.tools.files import file_tools
from bot.tools.google import GoogleTools
from bot.tools.google_accounts import Emails, connect
from bot.tools.google_desk import GoogleDesk
from bot.tools.google_signin import personal
from bot.tools.google_writer import GoogleWriter
from bot.tools.google_writes import GoogleWrites
from bot.tools.mcp.tools import McpTools
from bot.tools.page import page_tools
from bot.tools.redline import redline_tools
from bot.tools.registry import Registry
from bot.tools.scripts import script_tools
from bot.tools.skill_tools import skill_tools
from bot.tools.steering import steering_tools
from bot.tools.tables import table_tools
from bot.tools.team import team_tools
from bot.tools.web import web_tools
from bot.tools.writing import WritingTools
from connectors.web.fetch import Web

log = structlog.get_logger()
SKILLS = Path(__file__).parent.parent / "skills"


def open_store(settings: Settings) -> tuple[Database, Clock]:
    """The database, migrated, and the clock of its product times."""
    settings.home.mkdir(parents=True, exist_ok=True)
    clock: Clock = LoopbackClock(settings.clock_url) if settings.clock_url else SystemClock()
    db = Database(settings.database_url, clock.now)
    db.migrate()
    db.write_now(ensure_intake, point=False)
    db.write_now(ensure_ticker, point=False)
    return db, clock


def _price_list(model: str, *, named: bool) -> None:
    """Load the price list off the path of any turn. Raises OperatorMustFix when CADRE_PRICE_AS is not in it."""
    if model and not cost.known(model):
        log.warning("this model has no known price, so budgets do not count it", model=model)
        if named:
            raise OperatorMustFix(f"CADRE_PRICE_AS={model} is no model of the price list.")


class WorkerLoop:
    """The second event loop: agents and coordinators, so that no tool ever delays an acknowledgement."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="worker-loop", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    async def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine there and wait for it here."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(_cancel_rest(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


async def _cancel_rest() -> None:
    """Cancel what still waits on this loop."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


@dataclass
class Worker:
    """What a process needs to activate agents and coordinators."""

    settings: Settings
    db: Database
    dispatcher: Dispatcher
    figure_page: str
    emails: Emails | None = None  # of the people who ask, by whom Google is used
    _closing: list[Any] = field(default_factory=list)
    _child: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Connect everything and register the kinds this worker serves; runs on the worker's loop."""
        s = self.settings
        base_url = s.anthropic_base_url
        if s.model.startswith("replay:") or (
            not base_url and not s.anthropic_api_key and s.model in ("auto", "offline")
        ):
            base_url = await asyncio.to_thread(self._offline_model)
        if s.model.startswith("local:"):
            base_url = s.model.removeprefix("local:")
        name = await choose_model(wanted=s.model, api_key=s.anthropic_api_key, base_url=base_url)
        model = AnthropicModel(name=name, api_key=s.anthropic_api_key, base_url=base_url)
        library = SkillLibrary(SKILLS, s.home / "skills")
        rules = access.load(s.home)
        await model.learn({role.model: role.place for role in all_roles(library) if role.model} | rules.models)
        vault = Vault.open_home(s.home, s.secret_key)
        grants = Grants(self.db, vault)
        accounts = connect(
            s.google_base_url, s.google_credentials, delegate=s.google_delegate, emails=self.emails, grants=grants,
            public_url=self.figure_page,
        )  # fmt: skip
        google = GoogleTools(accounts, self.figure_page)
        writes = GoogleWrites(google)
        mcp = McpTools(s.mcp_servers, self.db, vault, grants, os.environ, self.figure_page)
        permalinks = s.slack_api_url.removesuffix("/").removesuffix("/api") or "https://slack.com"
        registry = Registry(
            [
                *steering_tools(), *team_tools(s.plan_ask, s.plan_ask_cost), *file_tools(), *table_tools(),
                *script_tools(library), *skill_tools(library),
                *personal(bulk_tools(library, accounts, name), accounts, vault),
                *page_tools(self.figure_page), *redline_tools(), *channel_tools(permalinks),
                *web_tools(Web(), s.web_allow), *WritingTools(self.figure_page).tools(),
                *personal(google.tools(), accounts, vault), *personal(writes.tools(), accounts, vault),
                *personal(GoogleDesk(google, writes).tools(), accounts, vault),
            ],
            ready=mcp.catalogue.ready,
        )  # fmt: skip
        await mcp.begin(registry)
        runner = AgentRunner(self.db, model, registry, library, s.home, s.zone, s.retry_budget)
        bulk = ItemRunner(self.db, model, s.home, self.figure_page, s.retry_budget, Batches(model))
        coordinator = Coordinator(
            self.db, library, GoogleWriter(accounts, self.db), s.home, s.zone, name, model.offline, self.figure_page,
            s.price_as, (*s.budget_approvers, *rules.administrators), rules,
        )  # fmt: skip
        priced = s.price_as if model.offline else name
        await asyncio.to_thread(_price_list, priced, named=model.offline)
        await self.db.write(lambda tx: money.set_defaults(tx, s.budgets))
        self._closing = [model.close, mcp.close]
        if accounts is not None:
            self._closing.append(partial(asyncio.to_thread, accounts.close))
        self.dispatcher.serve("agent", runner.activate, runner.begin)
        self.dispatcher.serve("bulk", bulk.activate)
        self.dispatcher.serve("coordinator", coordinator.activate)
        self.dispatcher.serve("jobs", mcp.give_up)
        self.dispatcher.on_poison(poisoned)

    def _offline_model(self) -> str:
        """Without a key and without a server the offline model starts beside us, over the same protocol.

        So does a recording of a run, as which it repeats what the model said.
        """
        ready = Path(tempfile.mkdtemp(prefix="cadre-")) / "ready.json"
        command = [sys.executable, "-m", "loopback.model", "--ready-file", str(ready)]
        if self.settings.model.startswith("replay:"):
            command += ["--replay", self.settings.model.removeprefix("replay:")]
        self._child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        return str(wait_ready(ready, self._child)["base_url"])

    async def close(self) -> None:
        for close in self._closing:
            await close()
        if self._child is not None:
            self._child.terminate()
            self._child.wait(10)


def wait_ready(ready: Path, child: subprocess.Popen[bytes], timeout_s: float = 60.0) -> Any:
    """The stand-in's ready file once it is there. Raises OperatorMustFix when the process ends before."""
    import json
    import time

    deadline = time.monotonic() + timeout_s
    while not ready.exists():
        if child.poll() is not None or time.monotonic() > deadline:
            raise OperatorMustFix("A stand-in server did not start; to see why, run: python -m loopback --help")
        time.sleep(0.02)
    return json.loads(ready.read_text())
