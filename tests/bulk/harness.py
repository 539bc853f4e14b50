"""Bulk work on a real store with a scripted model on a real socket: everything below the surface, nothing mocked."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from sqlalchemy import select

from bot.coordinator.coordinator import Coordinator
from bot.coordinator.intake import ensure_intake, receive
from bot.coordinator.runs import poisoned
from bot.model.batches import Batches
from bot.model.client import AnthropicModel
from bot.skills import SkillLibrary
from bot.store import schema as t
from bot.store.clock import SystemClock
from bot.store.dispatch import Dispatcher
from bot.store.item_tables import item, item_answer
from bot.store.view import run_view
from bot.team.agent import AgentRunner
from bot.team.items.runner import ItemRunner
from bot.tools.bulk import bulk_tools
from bot.tools.files import file_tools
from bot.tools.registry import Registry
from bot.tools.team import team_tools
from bot.types import Request, RunStatus
from loopback import control
from loopback.model import forms, scripted
from loopback.model.scripted import call
from tests.migrated import database
from tests.team.harness import NoWriter

PAGE = "http://127.0.0.1:1"
FORM = """\
title: What is agreed
instructions: Find what is agreed.
questions:
  - {id: law, label: Governing law, ask: the law that governs, value: {type: string}}
  - {id: fee, label: Fee, ask: the fee, value: {type: string, format: decimal}, many: false}
  - {id: penalty, label: Penalty, ask: a penalty}
offline:
  law: [{pattern: 'governed by the laws of (?P<law>\\w+)', value: '{law}'}]
  fee: [{pattern: 'a fee of EUR (?P<fee>[\\d.]+\\d)', value: '{fee}'}]
  penalty: [{pattern: 'penalty of [^.]*\\.'}]
"""


def contract(number: int, words: int = 40) -> str:
    filler = " ".join(f"clause{number}x{n}" for n in range(words))
    return (
        f"Contract {number}\n{filler}\nThe customer pays a fee of EUR {100 + number}.50 for each month.\n"
        f"This contract is governed by the laws of Country{number}.\n{filler}\n"
    )


def asks_item(body) -> bool:
    return any(tool["name"] == "report" for tool in body["tools"]) and "tool_choice" in body


def shown(body) -> str:
    """The window that a request shows."""
    return body["messages"][0]["content"][1]["text"]


def told(body) -> dict:
    """The item that a request is about."""
    return json.loads(re.match(r"<item>(.*)</item>", body["messages"][0]["content"][0]["text"])[1])


def by_patterns(body):
    """The answer of the form's own patterns."""
    return [call("report", forms.answer(body))]


def lead(files, arguments=None, times=1):
    """A lead that writes files, works through them, and ends with what it was told."""
    arguments = arguments or {"files": ["docs/*"], "skill": "agreed", "form": "agreed"}

    def script(body):
        made = [b for m in body["messages"] if m["role"] == "assistant" for b in m["content"]]
        calls = [b for b in made if b["type"] == "tool_use"]
        results = [b for m in body["messages"] for b in m["content"] if b["type"] == "tool_result"]
        if not calls:
            return [call("write_file", {"path": f"docs/{name}", "text": text}) for name, text in files.items()]
        worked = [c for c in calls if c["name"] == "work_through"]
        if len(worked) < times or results[-1].get("is_error"):
            return [call("work_through", arguments)]
        content = json.loads(results[-1]["content"][0]["text"])
        return [call("finish", {"status": "done", "summary": "read", "reply": content.get("say", "nothing")})]

    return script


class Here:
    """A running worker."""

    def __init__(self, db, faults, log, home, items):
        self.db, self.faults, self.log, self.home, self.items = db, faults, log, home, items

    async def ask(self, text="look into it", key="1.0", user="U"):
        request = Request(team="T", channel="C", thread=key, key=key, kind="mention", user=user, text=text)
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

    async def rows(self, table, run_id):
        found = await self.db.read(
            lambda c: c.execute(select(table).where(table.c.run_id == run_id)).mappings().all()
        )
        return [dict(row) for row in found]

    async def manifest(self, run_id):
        rows = await self.rows(item, run_id)
        return {row["name"].removeprefix("docs/"): row for row in rows}

    async def answers(self, run_id):
        return await self.rows(item_answer, run_id)

    def results(self, run_id, name="results/agreed.jsonl", agent="lead"):
        place = self.home / "runs" / run_id / agent / name
        return [json.loads(line) for line in place.read_text().splitlines()]

    def asked(self):
        """The requests for items that the model saw."""
        return [row for row in self.log.since(0, "model") if row["kind"] == "request" and asks_item(row["body"])]


@asynccontextmanager
async def model_server(script, model_name="cadre-offline-playbook"):
    clock, faults, log = control.Clock(), control.Faults(), control.CallLog()
    app = scripted.build(script, log=log, faults=faults, clock=clock, model_id=model_name)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "http://{}:{}".format(*runner.addresses[0]), faults, log
    finally:
        await runner.cleanup()


def both(lead_script, item_script):
    return lambda body: item_script(body) if asks_item(body) else lead_script(body)


@asynccontextmanager
async def worker(home: Path, script, *, form=FORM, retry_budget=20.0, model_name="cadre-offline-playbook"):
    place = home / "skills" / "agreed"
    (place / "forms").mkdir(parents=True, exist_ok=True)
    (place / "SKILL.md").write_text("---\nname: agreed\ndescription: What is agreed.\n---\nRead.\n")
    (place / "forms" / "agreed.yml").write_text(form)
    async with model_server(script, model_name) as (base_url, faults, log):
        db = database(home)
        db.write_now(ensure_intake)
        model = AnthropicModel(name=model_name, api_key="", base_url=base_url)
        library = SkillLibrary(home / "skills")
        registry = Registry([*team_tools(), *file_tools(), *bulk_tools(library, None, model.name)])
        dispatcher = Dispatcher(db, SystemClock(), role="worker", engine_url=f"sqlite:///{home / 'engine.db'}")
        agents = AgentRunner(db, model, registry, library, home, "UTC", retry_budget)
        items = ItemRunner(db, model, home, PAGE, retry_budget, Batches(model))
        main = Coordinator(db, library, NoWriter(), home, "UTC", model.name, model.offline, "")

        async def thread(_claim):
            return None

        dispatcher.serve("agent", agents.activate, agents.begin)
        dispatcher.serve("bulk", items.activate)
        dispatcher.serve("coordinator", main.activate)
        dispatcher.serve("thread", thread)
        dispatcher.on_poison(poisoned)
        dispatcher.start()
        try:
            yield Here(db, faults, log, home, items)
        finally:
            await dispatcher.close()
            await model.close()
            db.close()


async def comes(holds, seconds=30):
    """Return once `holds` gives true; the time limit ends what hangs."""
    async with asyncio.timeout(seconds):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.005)
