"""`cadre mcp`: the connected servers, what waits for review, and who may use Cadre itself as a server."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from bot.commands.shared import AsJson, print_json, read, say, store, write
from bot.errors import CadreError, OperatorMustFix
from bot.types import Json

mcp = typer.Typer(help="Connected MCP servers, and Cadre as one.", no_args_is_help=True)
Alias = Annotated[str, typer.Argument(help="The server's name in the configuration.")]


@mcp.command("list")
def mcp_list(as_json: AsJson = False) -> None:
    """The configured servers: how they are doing, what they offer, what waits for review."""
    from bot.store import servers

    known, rows = read(lambda c: (servers.known(c), servers.tools(c)))
    configs, problems = _configured()
    found = [_told(config, known.get(alias), [r for r in rows if r["server"] == alias]) for alias, config in configs]
    if as_json:
        print_json({"servers": found, "problems": list(problems)})
        return
    for one in found:
        waits = f", {len(one['review'])} to review: cadre mcp approve {one['alias']}" if one["review"] else ""
        print(f"{one['alias']:16} {one['state']:7} {one['era'] or '-':11} {one['tools']:4} tools{waits}")
        if one["error"]:
            print(f"{'':16} {one['error']}")
    for problem in problems:
        print(problem, file=sys.stderr)


@mcp.command("test")
def mcp_test(
    alias: Annotated[str, typer.Argument(help="One server; without it all.")] = "", as_json: AsJson = False
) -> None:
    """Start servers side by side and list their tools; each that cannot says why in a line."""
    configs, problems = _configured()
    wanted = [name for name, _ in configs if alias in ("", name)]
    if alias and not wanted:
        raise CadreError(f"No usable MCP server is called {alias}. {' '.join(problems)}".strip())
    found = asyncio.run(_tested(wanted))
    if as_json:
        print_json({"servers": found, "problems": list(problems)})
    else:
        for one in found:
            print(
                f"{one['alias']:16} {one['state']:7} {one['seconds']:6.1f} s {one['tools']:4} tools  {one['error']}"
            )
        for problem in problems:
            print(problem, file=sys.stderr)
    sys.exit(1 if problems or any(one["state"] == "down" for one in found) else 0)


@mcp.command("approve")
def mcp_approve(
    alias: Alias,
    tools: Annotated[list[str] | None, typer.Argument(help="The tools meant.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All tools of the server that wait.")] = False,
    reject: Annotated[bool, typer.Option(help="Keep them from agents instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look at tools that are new or changed since they were accepted; with names or --all, accept them."""
    from bot.store import servers
    from bot.tools.mcp.pins import difference, pin_of, restored

    waiting = {r["tool"]: pin_of(r) for r in read(lambda c: servers.tools(c, alias)) if r["status"] == "review"}
    named = sorted(waiting) if every else list(tools or ())
    unknown = [name for name in named if name not in waiting]
    if unknown:
        raise CadreError(f"{unknown[0]} of {alias} does not wait for review; there {_are(sorted(waiting))}.")
    for name in named:
        sha = restored(waiting[name].offered or {}).fingerprint
        write(lambda tx, n=name, s=sha: servers.decide(tx, alias, n, s, accept=not reject, by="operator"))  # type: ignore[misc]
    shown = [
        {"tool": name, "flags": list(pin.flags), "diff": difference(pin),
         "decided": ("rejected" if reject else "accepted") if name in named else ""}
        for name, pin in waiting.items()
    ]  # fmt: skip
    if as_json:
        print_json({"server": alias, "tools": shown})
        return
    if not shown:
        print(f"Nothing of {alias} waits for review.")
    for one in shown:
        print(f"== {one['tool']} {one['decided']}".rstrip())
        for flag in one["flags"]:
            print(f"!! {flag}")
        print(f"{one['diff']}\n")


@mcp.command("token")
def mcp_token(
    user: Annotated[str, typer.Option(help="Slack id of the person on whose behalf the caller acts.")],
    channel: Annotated[str, typer.Option(help="Slack id of the channel where what it starts is worked.")],
    team: Annotated[str, typer.Option(help="Slack id of the workspace; the only one when there is one.")] = "",
    label: Annotated[str, typer.Option(help="What it is for; names it when it is revoked.")] = "",
    revoke: Annotated[bool, typer.Option(help="Revoke this person's tokens of that label instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a token with which another assistant uses Cadre as this person; it is shown once."""
    from bot.store import callers

    team = team or read(callers.only_team)
    if not team:
        raise OperatorMustFix("Cadre has not seen exactly one workspace; name it with --team.")
    if revoke:
        number = write(lambda tx: callers.revoke(tx, team, user, label))
        say(f"{number} revoked.")
        return
    token = write(lambda tx: callers.make(tx, team, user, channel, label))
    if as_json:
        print_json({"token": token, "team": team, "user": user, "channel": channel, "label": label})
        return
    print(token)
    say("Send it as Authorization: Bearer … to /mcp of Cadre's address. It is not shown again.")


@mcp.command("serve")
def mcp_serve() -> None:
    """Serve Cadre over standard input and output to one caller, whose token stands in CADRE_MCP_TOKEN."""
    from bot.app import SKILLS
    from bot.mcp.stdio import serve
    from bot.mcp.work import Desk
    from bot.policy import access
    from bot.settings import load
    from bot.skills import SkillLibrary

    home = load().home
    with store() as db:
        desk = Desk(db, access.load(home), SkillLibrary(SKILLS, home / "skills"))
        asyncio.run(serve(desk, os.environ.get("CADRE_MCP_TOKEN", "")))


def _configured() -> tuple[list[tuple[str, Any]], tuple[str, ...]]:
    from bot.settings import load
    from bot.tools.mcp.policy import tidied
    from connectors.mcp import read_config

    told = read_config({"mcpServers": tidied(load().mcp_servers)}, os.environ)
    return [(server.alias, server) for server in told.servers], told.problems


def _told(config: Any, row: Any, rows: list[Any]) -> Json:
    """One server; of its address and command what holds no secret."""
    reached = urlsplit(config.url).netloc if config.url else os.path.basename(config.command)
    return {
        "alias": config.alias, "transport": config.transport, "at": reached.rpartition("@")[2], "trust": config.trust,
        "performer": config.performer, "channels": list(config.channels), "state": row["state"] if row else "new",
        "era": row["era"] if row else "", "error": row["error"] if row else "",
        "seen_at": row["seen_at"] if row else None, "tools": sum(r["status"] == "accepted" for r in rows),
        "review": [{"tool": r["tool"], "flags": r["flags"]} for r in rows if r["status"] == "review"],
    }  # fmt: skip


async def _tested(aliases: list[str]) -> list[Json]:
    from bot.settings import load
    from bot.tools.mcp.policy import tidied
    from connectors.mcp import AuthorizationRequired, McpFailure, McpHost

    host = McpHost({"mcpServers": tidied(load().mcp_servers)}, environ=os.environ)

    async def one(alias: str) -> Json:
        began = time.monotonic()
        told: Mapping[str, Any]
        try:
            tools = await host.tools(alias)
            told = {"state": "ready", "tools": len(tools), "error": ""}
        except AuthorizationRequired as error:
            told = {"state": "signin", "tools": 0, "error": f"People sign in at {error.host} when they first use it."}
        except McpFailure as error:
            told = {"state": "down", "tools": 0, "error": " ".join(str(error).split())[:300]}
        return {"alias": alias, **told, "seconds": round(time.monotonic() - began, 2)}

    try:
        return list(await asyncio.gather(*(one(alias) for alias in aliases)))
    finally:
        await host.close()


def _are(names: list[str]) -> str:
    return f"waits {', '.join(names)}" if names else "is nothing that does"
