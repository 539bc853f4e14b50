"""Tools on real files and a real store, called as an agent calls them."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy import insert

from bot.store import schema as t
from bot.store.grants import Grants
from bot.store.vault import Vault
from bot.tools.base import ToolContext
from bot.tools.mcp.tools import McpTools
from bot.tools.registry import Registry
from bot.workspace import Workspace
from tests.migrated import database


@contextmanager
def store(home):
    db = database(home)
    try:
        yield db
    finally:
        db.close()


def run_row(db, run_id, **more):
    """A run at work."""
    values = {
        "id": run_id, "team_id": "T", "requester": "U", "credential_owner": "U", "channel": "C", "kind": "mention",
        "request": "look into it", "status": "working", "model": "m", "offline": True, "created_at": time.time(),
        "labels": {}, **more,
    }  # fmt: skip
    db.write_now(lambda tx: tx.execute(insert(t.run).values(**values)))


def context(db, home, run_id="run-a", agent="worker", call_id="toolu_1", **more):
    """Who calls."""
    return ToolContext(
        db=db, run_id=run_id, team="T", requester="U", channel="C", agent_id=f"{run_id}/{agent}", agent_name=agent,
        call_id=call_id, workspace=Workspace(home, run_id, agent), **more,
    )  # fmt: skip


async def use(tools, ctx, name, /, **args):
    """Call a tool by name with arguments as a model gives them."""
    tool = tools[name] if isinstance(tools, dict) else tools.get(name)
    return await tool.run(ctx, tool.parse(args))


@asynccontextmanager
async def connected_servers(home, db, servers):
    """The tools of these MCP servers as one process of Cadre has them."""
    async with connected_tools(home, db, servers) as (_, registry):
        yield registry


@asynccontextmanager
async def connected_tools(home, db, servers):
    """The same, with what knows the servers."""
    vault = Vault.open_home(home, "")
    host = McpTools(servers, db, vault, Grants(db, vault), os.environ)
    registry = Registry([], ready=host.catalogue.ready)
    await host.begin(registry)
    try:
        yield host, registry
    finally:
        await host.close()


async def until(holds):
    async with asyncio.timeout(60):
        while True:
            if holds():
                return
            await asyncio.sleep(0.05)
