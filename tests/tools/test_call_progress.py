"""What a server says about a call under way is seen at the task of the agent that made it, until the call is over."""

from __future__ import annotations

import asyncio
import sys

from sqlalchemy import insert, update

from bot.store import schema as t
from bot.store.view import run_view
from bot.tools.mcp import progress
from bot.tools.team import open_agent
from tests.tools.harness import connected_servers, context, run_row, store, until, use

SERVER = """
import asyncio, os, sys
from mcp.server.mcpserver import Context, MCPServer
server = MCPServer("books", log_level="ERROR")
async def load(ctx: Context) -> str:
    part = 0
    while not os.path.exists(sys.argv[1]):
        part += 1
        await ctx.report_progress(part, 9, "loading <!channel>\\nparts")
        await asyncio.sleep(0.02)
    return "loaded"
server.add_tool(load, name="load", description="Loads the books.")
server.run()
"""


def under_way(tx):
    """An agent with a task, inside the call."""
    open_agent(tx, "run-a", "T", name="worker", role="specialist")
    tx.execute(
        insert(t.task).values(
            run_id="run-a", id="t1", team_id="T", title="Load", status="working", owner="worker", position=0,
            depends_on=[], criteria=[], checks=[], inputs=[], outputs=[], budget="",
        )
    )  # fmt: skip
    tx.execute(
        insert(t.tool_call).values(
            agent_id="run-a/worker", id="toolu_1", team_id="T", run_id="run-a", turn=1, position=0,
            name="mcp__books__load", args={}, args_sha256="", effect="other", op_key="k", decision_id="d",
            status="intent", epoch=0,
        )
    )  # fmt: skip


def test_progress_of_a_call_is_shown_at_its_task_while_it_lasts(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "TELL_S", 0.05)
    (tmp_path / "server.py").write_text(SERVER)
    gate = tmp_path / "gate"
    books = {"command": sys.executable, "args": [str(tmp_path / "server.py"), str(gate)]}

    async def scenario(db):
        def shown():
            (task,) = db.read_now(lambda c: run_view(c, "run-a", proof=False)).tasks
            return task.progress

        async with asyncio.timeout(60), connected_servers(tmp_path, db, {"books": books}) as registry:
            await registry.ready(("mcp__books__*",))
            call = asyncio.create_task(use(registry, context(db, tmp_path), "mcp__books__load"))
            await until(lambda: shown().startswith("books: loading <!channel> parts ("))
            earlier = shown()
            await until(lambda: shown() != earlier)
            assert shown().endswith(" of 9)")
            gate.touch()
            outcome = await call
        assert not outcome.is_error
        db.write_now(lambda tx: tx.execute(update(t.tool_call).values(status="done")))
        assert shown() == ""

    with store(tmp_path) as db:
        run_row(db, "run-a")
        db.write_now(under_way)
        asyncio.run(scenario(db))
