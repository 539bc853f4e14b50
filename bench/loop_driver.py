"""Cadre's own loop for the agent-loop bench: durable, streamed, through the gate, with progress rows, as it runs.

A driver is `open(url)`, `agent(shared, prompt)` and `close(shared)`; the bench's `tool` is the one tool.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import DESCRIPTION, MODEL, SCHEMA, SYSTEM, tool  # the bench's, when it loads this file
from sqlalchemy import insert, select

from bot import garbage
from bot.model.client import AnthropicModel
from bot.policy.gate import Effect
from bot.skills import SkillLibrary
from bot.store import schema as t
from bot.store.clock import SystemClock
from bot.store.database import Database
from bot.store.dispatch import Dispatcher
from bot.store.leases import Claim
from bot.team.agent import AgentRunner
from bot.tools.base import Outcome, Tool, ToolContext
from bot.tools.registry import Registry
from bot.tools.team import open_agent

SKILL = "---\nname: lookup\ndescription: Looks records up.\n---\n# Lookup\n"
ROLE = f"---\nname: looker\npurpose: looks records up\ntools: [lookup]\nends: reply\n---\n{SYSTEM}\n"


@dataclass
class Shared:
    """The store, the dispatcher and the ends that agents wait for."""

    db: Database
    dispatcher: Dispatcher
    model: AnthropicModel
    ends: dict[str, asyncio.Future[str]] = field(default_factory=dict)
    numbers: Any = field(default_factory=itertools.count)


async def _lookup(_ctx: ToolContext, args: Any) -> Outcome:
    return Outcome({"record": await tool(**args)})


async def open(url: str) -> Shared:
    """One worker process: everything that agents share."""
    garbage.look_seldom()
    home = Path(tempfile.mkdtemp(dir=os.environ.get("BENCH_DIR")))
    skill = home / "skills" / "lookup"
    (skill / "roles").mkdir(parents=True)
    (skill / "SKILL.md").write_text(SKILL)
    (skill / "roles" / "looker.md").write_text(ROLE)
    db = Database(f"sqlite:///{home / 'cadre.db'}", time.time)
    db.migrate()
    model = AnthropicModel(name=MODEL, api_key="k", base_url=url)
    registry = Registry([Tool("lookup", DESCRIPTION, Effect.READ, _lookup, schema=SCHEMA)])
    runner = AgentRunner(db, model, registry, SkillLibrary(home / "skills"), home, "UTC", 600.0)
    dispatcher = Dispatcher(db, SystemClock(), role="worker", engine_url=f"sqlite:///{home / 'engine.db'}")
    shared = Shared(db, dispatcher, model)

    async def coordinator(claim: Claim) -> None:
        """What a coordinator would do about a finish: here the end of the run."""
        row = await db.read(
            lambda c: c.execute(select(t.agent).where(t.agent.c.id == f"{claim.run_id}/looker")).mappings().one()
        )
        done = shared.ends.get(claim.run_id)
        if done is None or done.done() or row["status"] == "live":
            return
        if row["status"] == "finishing":
            done.set_result(row["finish"]["args"]["reply"])
        else:
            done.set_exception(RuntimeError(f"the agent ended {row['status']}"))

    async def thread(_claim: Claim) -> None:
        """No Slack here; the rows it would show are written all the same."""

    dispatcher.serve("agent", runner.activate, runner.begin)
    dispatcher.serve("coordinator", coordinator)
    dispatcher.serve("thread", thread)
    dispatcher.start()
    await dispatcher.ready()
    garbage.leave_loaded()  # as every process of the product does
    return shared


async def agent(shared: Shared, prompt: str) -> str:
    """One agent with its own run, from request to reply."""
    run_id = f"run-{next(shared.numbers):012d}"
    done = shared.ends[run_id] = asyncio.get_running_loop().create_future()

    def begin(tx: Any) -> None:
        tx.execute(
            insert(t.run).values(
                id=run_id, team_id="T", requester="U", credential_owner="U", channel="C", kind="mention",
                request=prompt, status="working", model=MODEL, offline=False, created_at=tx.now(), labels={},
            )
        )  # fmt: skip
        open_agent(tx, run_id, "T", name="_coordinator", role="", kind="coordinator")
        open_agent(tx, run_id, "T", name="looker", role="looker", skill="lookup", parent="cadre", brief=prompt)

    await shared.db.write(begin)
    try:
        return await done
    finally:
        del shared.ends[run_id]


async def close(shared: Shared) -> None:
    """Leave in good order."""
    await shared.dispatcher.close()
    await shared.model.close()
    shared.db.close()
