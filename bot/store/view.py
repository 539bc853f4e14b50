"""A run as its rows tell it: RunView, and the JSON that `cadre ask --json` and `cadre runs show --json` print."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, select

from bot.store import items, journal, money
from bot.store import schema as t
from bot.store import surface_tables as st
from bot.store.database import by_id
from bot.store.said import READ, said
from bot.types import (
    SCHEMA,
    AgentInfo,
    Approval,
    Artifact,
    Budget,
    Check,
    Cost,
    Coverage,
    Effect,
    Evidence,
    Figure,
    Finding,
    Json,
    Message,
    RunInfo,
    RunView,
    Task,
    ToolCall,
)

TOLD = (
    "notice",
    "checked",
    "budget.soft",
    "call.progress",
    *READ,
)  # the kinds of journal rows that a view is told from


def run_view(connection: Connection, run_id: str, *, proof: bool = True) -> RunView:
    """Everything about one run; without its proof (figures, findings, calls, evidence), which a long run has much of
    and a thread does not show. Raises KeyError when there is no such run."""
    row = by_id(connection, t.run, run_id)
    if row is None:
        raise KeyError(run_id)

    def rows(table: Any, *order: Any) -> list[Any]:
        return list(connection.execute(select(table).where(table.c.run_id == run_id).order_by(*order)).mappings())

    def proofs(table: Any, *order: Any) -> list[Any]:
        return rows(table, *order) if proof else []

    notes = journal.rows(connection, run_id, kinds=TOLD)
    doing = {**_said_of_calls(connection, run_id, notes), **items.progress(connection, run_id)}
    tasks = tuple(_task(r, doing.get(r["owner"], "")) for r in rows(t.task, t.task.c.position))
    prefix = len(run_id) + 1
    return RunView(
        run=_info(row),
        summary_text=row["summary"],
        figures=tuple(_figure(r) for r in proofs(t.figure, t.figure.c.position)),
        findings=tuple(_finding(r) for r in proofs(t.finding, t.finding.c.position)),
        tasks=tasks,
        agents=tuple(_agent(r) for r in rows(t.agent, t.agent.c.id) if r["kind"] == "agent"),
        messages=tuple(_message(r, prefix) for r in rows(t.mail, t.mail.c.seq)),
        tool_calls=tuple(
            _call(r) for r in proofs(t.tool_call, t.tool_call.c.agent_id, t.tool_call.c.turn, t.tool_call.c.position)
        ),
        approvals=tuple(_approval(r) for r in rows(t.approval, t.approval.c.asked_at, t.approval.c.id)),
        evidence=tuple(_evidence(r) for r in sorted(proofs(t.evidence), key=lambda r: int(r["id"][1:]))),
        artifacts=tuple(_artifact(r) for r in rows(t.artifact, t.artifact.c.created_at, t.artifact.c.id)),
        effects=tuple(
            Effect(r["op_key"], r["target"], r["applied_at"])
            for r in rows(t.effect, t.effect.c.applied_at)
            if r["kind"] == "write" and r["status"] == "done"
        ),
        coverage=items.coverage(connection, run_id) or _coverage(tasks),
        cost=cost_of(connection, run_id),
        budget=_budget(connection, row, notes),
        notices=tuple(r["body"]["text"] for r in notes if r["kind"] == "notice"),
        verified=_verified(notes),
        undoable=_undoable(connection, run_id),
        said=said(notes, rows(t.mail, t.mail.c.seq), {task.id: task.title for task in tasks}),
        feedback=tuple(
            {"user": r["user"], "verdict": r["verdict"], "at": r["at"]}
            for r in rows(st.feedback, st.feedback.c.at, st.feedback.c.user)
        ),
    )


def _info(row: Any) -> RunInfo:
    error = {"kind": row["error_kind"], "message": row["error_message"]} if row["error_kind"] else None
    return RunInfo(
        id=row["id"],
        status=row["status"],
        mode=row["mode"],
        mode_reason=row["mode_reason"],
        request=row["request"],
        requester=row["requester"],
        channel=row["channel"],
        thread_ts=row["thread"],
        permalink=row["permalink"],
        offline=row["offline"],
        model=row["model"],
        error=error,
        understood=row["understood"],
        way=row["way"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        control=row["control"],
        muted=row["muted"],
        canvas=bool(row["terms"].get("canvas")),
        deadline=row["terms"].get("deadline"),
        criteria=tuple(row["terms"].get("criteria", ())),
    )


def _checks(stored: list[Json]) -> tuple[Check, ...]:
    return tuple(Check(c["name"], bool(c["passed"]), c.get("evidence", "")) for c in stored)


def _verified(notes: list[Any]) -> tuple[Check, ...]:
    """Checks of the run as a whole since it was last sent back, the verifier's after those by code."""
    last: list[Json] = []
    for row in notes:
        if row["kind"] == "checked" and row["body"].get("scope") == "run":
            held = row["body"]["passed"] and all(check["passed"] for check in last)
            last = [*last, *row["body"]["checks"]] if held else list(row["body"]["checks"])
    return _checks(last)


def _said_of_calls(connection: Connection, run_id: str, notes: list[Any]) -> dict[str, str]:
    """What was said last about a call that is under way, by the agent's name."""
    told = {(r["body"]["agent"], r["body"]["call"]): r["body"]["text"] for r in notes if r["kind"] == "call.progress"}
    if not told:
        return {}
    c = t.tool_call.c
    going = connection.execute(select(c.agent_id, c.id).where(c.run_id == run_id, c.status == "intent"))
    found = [(row.agent_id.rsplit("/", 1)[-1], row.id) for row in going]
    return {one[0]: told[one] for one in found if one in told}


def _task(r: Any, progress: str) -> Task:
    return Task(
        r["id"],
        r["title"],
        r["status"],
        r["owner"],
        tuple(r["depends_on"]),
        tuple(r["criteria"]),
        _checks(r["checks"]),
        progress,
    )


def _agent(r: Any) -> AgentInfo:
    return AgentInfo(r["id"], r["name"], r["role"], r["parent"], r["turns"], r["status"])


def _message(r: Any, prefix: int) -> Message:
    files = tuple(f["name"] for f in r["files"])
    return Message(
        r["id"][prefix:],
        r["seq"],
        r["sender"],
        r["recipient"],
        r["text"],
        r["sent_at"],
        r["delivered_at"],
        files,
    )


def _call(r: Any) -> ToolCall:
    return ToolCall(
        r["id"],
        r["agent_id"].rsplit("/", 1)[-1],
        r["name"],
        r["args"],
        r["effect"],
        r["op_key"],
        r["decision_id"],
        r["status"],
    )


def _approval(r: Any) -> Approval:
    return Approval(
        r["id"],
        r["kind"],
        r["status"],
        r["preview"],
        r["args_sha256"],
        r["decided_by"],
        r["expires_at"],
        r["answer"],
    )


def _evidence(r: Any) -> Evidence:
    return Evidence(r["id"], r["kind"], r["ref"], r["url"], r["value"], r["via"])


def _figure(r: Any) -> Figure:
    return Figure(r["id"], r["label"], r["value"], r["unit"], r["formula"], tuple(r["inputs"]))


def _finding(r: Any) -> Finding:
    return Finding(r["kind"], r["account"], r["department"], r["period"], r["amount"], tuple(r["entries"]), r["text"])


def _artifact(r: Any) -> Artifact:
    return Artifact(r["id"], r["name"], r["version"], r["url"], r["path"], r["sha256"])


def _coverage(tasks: tuple[Task, ...]) -> Coverage:
    return Coverage(
        total=len(tasks),
        done=sum(task.status == "done" for task in tasks),
        failed=sum(task.status == "failed" for task in tasks),
        refused=sum(task.status == "refused" for task in tasks),
        person=sum(task.status == "person" for task in tasks),
    )


def cost_of(connection: Connection, run_id: str) -> Cost:
    """What a run has spent so far."""
    s = t.spend.c
    sums = connection.execute(
        select(func.sum(s.input), func.sum(s.output), func.sum(s.cache_read), func.sum(s.cache_write)).where(
            s.run_id == run_id
        )
    ).one()
    amounts = connection.execute(select(s.amount).where(s.run_id == run_id)).scalars()
    total = sum((Decimal(a) for a in amounts), Decimal(0))
    return Cost(f"{total:f}", "USD", *(int(n or 0) for n in sums))


def _undoable(connection: Connection, run_id: str) -> bool:
    """Whether the run wrote something to shared documents that nobody has asked back."""
    e = t.effect.c
    query = select(e.op_key, e.kind).join(t.change, t.change.c.op_key == e.op_key, isouter=True)
    query = query.where(e.run_id == run_id, e.status.in_(("done", "kept")))
    query = query.where((e.kind == "undo") | ((e.kind == "write") & t.change.c.id.is_not(None)))
    found = {(row.op_key, row.kind) for row in connection.execute(query)}
    return any(kind == "write" and (f"{key}/undo", "undo") not in found for key, kind in found)


def _budget(connection: Connection, row: Any, notes: list[Any]) -> Budget:
    limit = money.run_limit(connection, row["id"], row["team_id"])
    lines = tuple({"seq": r["seq"], **r["body"]} for r in notes if r["kind"] == "budget.soft")
    return Budget(
        f"{limit.hard:f}" if limit else "", f"{limit.soft:f}" if limit else "", row["estimate"],
        row["estimate_basis"], row["price_as"], lines,
    )  # fmt: skip


def to_json(view: RunView, thread: list[Json] | None = None) -> Json:
    """The shape of interfaces: the same keys for `ask` and `runs show`."""

    def plain(items: Any) -> list[Json]:
        found: list[Json] = json.loads(json.dumps([dataclasses.asdict(item) for item in items]))
        return found

    messages = [{"from" if k == "sender" else k: v for k, v in item.items()} for item in plain(view.messages)]
    return {
        "schema": SCHEMA,
        "run": dataclasses.asdict(view.run),
        "summary": {"text": view.summary_text, "lines": view.summary_text.splitlines()},
        "figures": plain(view.figures),
        "findings": plain(view.findings),
        "tasks": plain(view.tasks),
        "agents": plain(view.agents),
        "messages": messages,
        "tool_calls": plain(view.tool_calls),
        "approvals": plain(view.approvals),
        "evidence": plain(view.evidence),
        "artifacts": plain(view.artifacts),
        "effects": plain(view.effects),
        "coverage": dataclasses.asdict(view.coverage),
        "cost": dataclasses.asdict(view.cost),
        "feedback": list(view.feedback),
        "budget": dataclasses.asdict(view.budget),
        "notices": list(view.notices),
        "verified": plain(view.verified),
        "thread": thread or [],
    }
