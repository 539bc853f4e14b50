"""What code knows about a run at one moment, for people who ask: how it stands, and why. No model is asked."""

from __future__ import annotations

import dataclasses
from typing import Any

from sqlalchemy import Connection, func, select

from bot.store import journal
from bot.store import schema as t
from bot.store.view import cost_of
from bot.types import Json

CHECKS_SHOWN, DECISIONS_SHOWN = 3, 4
DECIDED = ("plan.changed", "steer", "checked", "notice")  # rows of the journal that say why


def status(connection: Connection, run: Any, now: float) -> Json:
    """How a run stands: tasks, what each agent does or waits for and since when, open questions, cost so far."""
    agents = _rows(connection, t.agent, run["id"], t.agent.c.id)
    tasks = _rows(connection, t.task, run["id"], t.task.c.position)
    asked = _rows(connection, t.approval, run["id"], t.approval.c.asked_at)
    under_way = select(t.tool_call.c.agent_id, t.tool_call.c.name).where(
        t.tool_call.c.run_id == run["id"], t.tool_call.c.status == "intent"
    )
    calls = list(connection.execute(under_way.order_by(t.tool_call.c.position)).mappings())
    since = _last_rows(connection, run["id"])
    alive = [a for a in agents if a["kind"] == "agent" and a["status"] in ("live", "finishing")]
    return {
        "status": run["status"],
        "control": run["control"],
        "muted": bool(run["muted"]),
        "since": (run["finished_at"] or now) - run["created_at"],
        "tasks": {"done": [x["title"] for x in tasks if x["status"] == "done"], "total": len(tasks)},
        "agents": [
            {"name": a["name"], **_doing(a, calls), "for_s": max(0.0, now - since.get(a["id"], run["created_at"]))}
            for a in alive
        ],
        "asked": [
            {"kind": x["kind"], "title": str(x["preview"].get("title", "")), "person": x["person"],
             "for_s": max(0.0, now - x["asked_at"])}
            for x in asked if x["status"] == "pending"
        ],
        "cost": dataclasses.asdict(cost_of(connection, run["id"])),
    }  # fmt: skip


def _doing(agent: Any, calls: list[Any]) -> Json:
    """What an agent is at: a wait with whom it waits for, its calls of those under way, a failing dependency, or
    thinking."""
    waiting = agent["waiting"] or {}
    if agent["status"] == "finishing":
        return {"does": "checks", "what": []}
    if agent["trouble"]:
        return {"does": "trouble", "what": [], "tries": agent["trouble"].get("tries", 1)}
    if waiting.get("for") == "mail":
        return {"does": "mail", "what": list(waiting.get("from") or [])}
    if waiting:
        return {"does": "answer", "what": []}
    made = [c["name"] for c in calls if c["agent_id"] == agent["id"]]
    return {"does": "calls", "what": made} if made else {"does": "thinks", "what": []}


def why(connection: Connection, run: Any) -> Json:
    """The last decisions about a run: way of working, changes of plan and course, failed checks, refusals."""
    notes = journal.rows(connection, run["id"], kinds=DECIDED)
    asked = _rows(connection, t.approval, run["id"], t.approval.c.asked_at)
    refused = connection.execute(
        select(t.decision.c.tool, t.decision.c.reason)
        .where(t.decision.c.run_id == run["id"], t.decision.c.verdict == "refuse")
        .order_by(t.decision.c.at.desc())
        .limit(DECISIONS_SHOWN)
    ).all()
    troubled = [a for a in _rows(connection, t.agent, run["id"], t.agent.c.id) if a["trouble"]]
    failed = [c for row in notes if row["kind"] == "checked" for c in row["body"]["checks"] if not c["passed"]]
    return {
        "status": run["status"],
        "control": run["control"],
        "way": run["way"],
        "mode": run["mode"],
        "reason": run["mode_reason"],
        "error": run["error_message"],
        "changes": [row["body"].get("reason", "") for row in notes if row["kind"] == "plan.changed"][-3:],
        "steers": [{"by": r["body"]["by"], "text": r["body"]["text"]} for r in notes if r["kind"] == "steer"][-3:],
        "checks": [{"name": c["name"], "evidence": c["evidence"]} for c in failed[-CHECKS_SHOWN:]],
        "trouble": [{"agent": a["name"], "tries": a["trouble"].get("tries", 1)} for a in troubled],
        "notices": [row["body"]["text"] for row in notes if row["kind"] == "notice"][-2:],
        "asked": [
            {"kind": x["kind"], "title": str(x["preview"].get("title", "")), "person": x["person"]}
            for x in asked if x["status"] == "pending"
        ],
        "refused": [{"tool": row.tool, "reason": row.reason} for row in refused],
    }  # fmt: skip


def _rows(connection: Connection, table: Any, run_id: str, order: Any) -> list[Any]:
    return list(connection.execute(select(table).where(table.c.run_id == run_id).order_by(order)).mappings())


def _last_rows(connection: Connection, run_id: str) -> dict[str, float]:
    """When each agent last left a row."""
    query = select(t.journal.c.agent_id, func.max(t.journal.c.at)).where(t.journal.c.run_id == run_id)
    return {row[0]: row[1] for row in connection.execute(query.group_by(t.journal.c.agent_id))}
