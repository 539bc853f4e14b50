"""`cadre mcp` tells the state of servers, starts them for a look, shows what changed, and serves Cadre to one caller."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest
from sqlalchemy import update

from bot.cli import app
from bot.store import callers
from bot.store.mcp_tables import mcp_tool
from connectors.mcp import McpHost
from tests.tools.harness import run_row, store
from tests.tools.test_pins import SERVER, TOOLS, connected


@pytest.fixture
def cadre(tmp_path, monkeypatch, capsys):
    """The command on this home; gives its exit code and what it printed."""
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "tools.json").write_text(json.dumps(TOOLS))
    fix = {"command": sys.executable, "args": [str(tmp_path / "server.py"), str(tmp_path / "tools.json")]}
    dies = {"command": sys.executable, "args": ["-c", "raise SystemExit('the key is missing')"]}
    secret = {
        "url": "https://user:hush@crm.example.com/mcp",
        "headers": {"Authorization": "Bearer hush"},
        "x-cadre": 1,
    }
    servers = {"mcpServers": {"fix": fix, "dies": dies, "bad": secret}}
    monkeypatch.setenv("CADRE_HOME", str(tmp_path))
    monkeypatch.setenv("CADRE_MCP_SERVERS", json.dumps(servers))

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            app(list(arguments))
        return ended.value.code, capsys.readouterr().out

    return run


def test_servers_are_listed_tested_and_their_changes_shown_and_decided(cadre, tmp_path):
    code, out = cadre("mcp", "test", "--json")
    told = {one["alias"]: one for one in json.loads(out)["servers"]}
    assert code == 1 and (told["fix"]["state"], told["fix"]["tools"]) == ("ready", 2)
    assert told["dies"]["state"] == "down" and "the key is missing" in told["dies"]["error"]
    assert "bad" not in told and "hush" not in out and json.loads(out)["problems"]

    async def known(db):
        async with connected(tmp_path, db, TOOLS):
            pass

    with store(tmp_path) as db:
        asyncio.run(known(db))
        offered = {"pin": '{\n "description": "Now it deletes."\n}', "tool": "look", "name": "mcp__fix__look"}
        told = {"alias": "fix", "description": "", "input_schema": {}, "output_schema": None, "read_only": False,
                "destructive": True, "idempotent": False, "open_world": True}  # fmt: skip
        change = {"status": "review", "offered": offered | told, "flags": ["reads like an instruction"]}
        db.write_now(lambda tx: tx.execute(update(mcp_tool).where(mcp_tool.c.tool == "look").values(**change)))
    code, out = cadre("mcp", "list", "--json")
    (fix,) = [one for one in json.loads(out)["servers"] if one["alias"] == "fix"]
    assert (code, fix["state"], fix["era"], fix["tools"]) == (0, "ready", "2026-07-28", 1)
    assert [one["tool"] for one in fix["review"]] == ["look"]
    _, out = cadre("mcp", "approve", "fix")
    assert "Now it deletes." in out and "!! reads like an instruction" in out
    code, out = cadre("mcp", "approve", "fix", "look", "--json")
    assert (code, json.loads(out)["tools"][0]["decided"]) == (0, "accepted")
    assert cadre("mcp", "approve", "fix")[1] == "Nothing of fix waits for review.\n"


def test_a_token_serves_cadre_over_standard_input_until_it_is_revoked(cadre, tmp_path):
    with store(tmp_path) as db:
        run_row(db, "run-a", team_id="T")
    code, out = cadre("mcp", "token", "--user", "U", "--channel", "C", "--label", "agent")
    token = out.strip()
    assert code == 0 and token.startswith("cadre_")
    entry = {"command": sys.executable, "args": ["-m", "bot", "mcp", "serve"],
             "env": {"CADRE_HOME": str(tmp_path), "CADRE_MCP_TOKEN": token, "PYTHONPATH": os.getcwd()}}  # fmt: skip

    async def listed():
        async with McpHost({"mcpServers": {"cadre": entry}}) as host:
            answer = await host.call("mcp__cadre__list_runs", {})
            return [one["run_id"] for one in answer.structured["runs"]]

    assert asyncio.run(listed()) == ["run-a"]
    assert cadre("mcp", "token", "--user", "U", "--channel", "C", "--label", "agent", "--revoke")[0] == 0
    with store(tmp_path) as db:
        assert db.read_now(lambda c: callers.person(c, token)) is None
    assert token.encode() not in b"".join(p.read_bytes() for p in tmp_path.glob("cadre.db*"))
