"""Servers that nobody has seen yet: an agent whose role names one waits for it, others do not."""

from __future__ import annotations

import asyncio
import sys

from bot.tools.mcp import catalogue
from tests.tools.harness import connected_servers, run_row, store, until

SLOW = """
import os, sys, time
from mcp.server.mcpserver import MCPServer
while not os.path.exists(sys.argv[1]):
    time.sleep(0.02)
server = MCPServer("slow", log_level="ERROR")
server.add_tool(lambda: "did it", name="look", description="Look at a thing.")
server.run()
"""
NAMED = ("read_file", "mcp__slow__*")


def played(home, servers, scenario):
    async def play():
        with store(home) as db:
            run_row(db, "run-a")
            async with asyncio.timeout(60), connected_servers(home, db, servers) as registry:
                await scenario(registry)

    asyncio.run(play())


def test_who_needs_a_slow_server_by_name_waits_for_it_and_nobody_else_does(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "FIRST_S", 0.0)
    (tmp_path / "server.py").write_text(SLOW)
    gate = tmp_path / "gate"
    slow = {"command": sys.executable, "args": [str(tmp_path / "server.py"), str(gate)]}

    async def scenario(registry):
        await registry.ready(("read_file", "mcp__*"))
        assert registry.allowed(("mcp__*",)) == []
        waits = asyncio.create_task(registry.ready(NAMED))
        await registry.ready(())
        assert not waits.done()
        gate.touch()
        await waits
        assert registry.allowed(NAMED) == ["mcp__slow__look"]

    played(tmp_path, {"slow": slow}, scenario)


def test_of_a_server_that_does_not_start_an_agent_reads_why(tmp_path):
    async def scenario(registry):
        await registry.ready(NAMED)
        told = registry.missing("mcp__slow__look", NAMED)
        assert told.startswith("mcp__slow__look cannot be used: ")
        assert "no-such-program" in told

    played(tmp_path, {"slow": {"command": "no-such-program"}}, scenario)


def test_of_one_that_starts_later_nobody_reads_any_more_that_it_did_not(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "AGAIN_S", 0.05)
    gate = tmp_path / "gate"
    (tmp_path / "server.py").write_text(
        SLOW.replace("while not", "if not").replace("time.sleep(0.02)", "sys.exit(1)")
    )
    slow = {"command": sys.executable, "args": [str(tmp_path / "server.py"), str(gate)]}

    async def scenario(registry):
        await registry.ready(NAMED)
        assert "cannot be used" in registry.missing("mcp__slow__other", NAMED)
        gate.touch()
        await until(lambda: "cannot be used" not in registry.missing("mcp__slow__other", NAMED))
        assert registry.allowed(NAMED) == ["mcp__slow__look"]

    played(tmp_path, {"slow": slow}, scenario)


def test_a_name_that_is_written_otherwise_keeps_the_rules_of_its_entry(tmp_path):
    (tmp_path / "server.py").write_text(SLOW)
    (tmp_path / "gate").touch()
    run = {"command": sys.executable, "args": [str(tmp_path / "server.py"), str(tmp_path / "gate")]}
    servers = {
        "my/server": 7,
        "my_server": {**run, "x-cadre": {"channels": ["C0FINANCE"], "approval": {"ask": ["*"]}}},
        "my server": {**run, "trusted": True},
        "my.server": 7,
    }

    async def scenario(registry):
        await registry.ready(("mcp__my-server__*",))
        tool = registry.get("mcp__my-server__look")
        assert (tool.rule, tool.channels) == ("ask", ("C0FINANCE",))

    played(tmp_path, servers, scenario)
