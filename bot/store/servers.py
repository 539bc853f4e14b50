"""Connected servers as they were last seen, and their tools with what was accepted of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, func, select, update

from bot.store.database import Tx
from bot.store.mcp_tables import mcp_server, mcp_tool

ANY = ""  # the workspace of what the operator's configuration is about


def known(connection: Connection) -> dict[str, Any]:
    """The servers by alias."""
    return {row["server"]: row for row in connection.execute(select(mcp_server)).mappings()}


def tools(connection: Connection, server: str = "") -> list[Any]:
    """The tools of a server, or of all, by name."""
    query = select(mcp_tool).order_by(mcp_tool.c.server, mcp_tool.c.tool)
    return list(connection.execute(query.where(mcp_tool.c.server == server) if server else query).mappings())


def seen(tx: Tx, server: str, *, fingerprint: str, state: str, era: str = "", error: str = "") -> None:
    """How a server is doing; a protocol era once learned is kept."""
    told = {"fingerprint": fingerprint, "state": state, "error": error, "seen_at": tx.now()}
    told |= {"era": era} if era else {}
    _put(tx, mcp_server, {"team_id": ANY, "server": server}, told, {"era": ""})


def keep_tools(tx: Tx, server: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a server's tools as they stand now: tool -> status, sha256, accepted, offered, flags."""
    for tool, row in sorted(rows.items()):  # in one order, or two workers could wait for each other
        key = {"team_id": ANY, "server": server, "tool": tool}
        _put(tx, mcp_tool, key, {**row, "seen_at": tx.now()}, {"decided_by": ""})


def _put(tx: Tx, table: Table, key: Mapping[str, str], told: Mapping[str, Any], fresh: Mapping[str, Any]) -> None:
    """Write a row, which another worker may be writing for the first time just now; `fresh` is for a new one."""
    change = update(table).where(*(table.c[name] == value for name, value in key.items())).values(**told)
    if not tx.execute(change).rowcount and not tx.add(table, **{**key, **fresh, **told}):
        tx.execute(change)


def forget(tx: Tx, server: str) -> None:
    """A server was pointed elsewhere: what was accepted of it counts no more."""
    tx.execute(delete(mcp_tool).where(mcp_tool.c.server == server))


def decisions(connection: Connection) -> float:
    """When a person last decided on a tool."""
    return float(connection.execute(select(func.max(mcp_tool.c.decided_at))).scalar() or 0.0)


def decide(tx: Tx, server: str, tool: str, sha256: str, *, accept: bool, by: str) -> bool:
    """A person's word on a tool that waits for review; False when none of that name does. `sha256` is of what it
    offers."""
    here = and_(mcp_tool.c.server == server, mcp_tool.c.tool == tool, mcp_tool.c.status == "review")
    row = tx.execute(select(mcp_tool).where(here)).mappings().first()
    if row is None:
        return False
    told: dict[str, Any] = {"decided_by": by, "decided_at": tx.now(), "status": "rejected"}
    if accept:
        told |= {"status": "accepted", "accepted": row["offered"], "offered": None, "sha256": sha256}
    tx.execute(update(mcp_tool).where(here).values(**told))
    return True
