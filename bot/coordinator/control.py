"""What people say about a run that is not new work: stop, approve, reject, answer."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from bot.coordinator.runs import fail
from bot.policy.gate import may_decide
from bot.store import journal
from bot.store import schema as t
from bot.store.database import Tx

__all__ = ["answer", "answer_in_thread", "decide", "fail", "stop", "stop_run"]


def stop(tx: Tx, team: str, channel: str, thread: str, user: str) -> bool:
    """Stop the runs of a thread; False when none is going on there."""
    live = tx.execute(
        select(t.run.c.id).where(
            t.run.c.team_id == team,
            t.run.c.channel == channel,
            t.run.c.thread == thread,
            t.run.c.status.not_in(("done", "failed", "stopped")),
        )
    ).scalars()
    found = list(live)
    for run_id in found:
        stop_run(tx, run_id, user)
    return bool(found)


def stop_run(tx: Tx, run_id: str, user: str) -> None:
    """Ask every agent of a run to stop at its next boundary, and calls in flight to break off."""
    tx.execute(update(t.run).where(t.run.c.id == run_id).values(control="stop"))
    journal.append(tx, run_id, "stop", {"by": user})
    for agent_id in list(tx.execute(select(t.agent.c.id).where(t.agent.c.run_id == run_id)).scalars()):
        tx.wake(agent_id)


def decide(tx: Tx, approval_id: str, user: str, approved: bool, args_sha256: str) -> str:
    """Answer an approval once: done, already, not_allowed, expired or void.

    It binds the person, the run and exactly what was shown: another hash is another proposal.
    """
    row = _approval(tx, approval_id)
    if row is None or row["kind"] != "changes" or row["args_sha256"] != args_sha256:
        return "void"
    problem = _closed(tx, row, user)
    if problem:
        return problem
    _close(tx, row, "approved" if approved else "rejected", user, "")
    return "done"


def answer(tx: Tx, approval_id: str, user: str, text: str) -> str:
    """Answer an agent's question once: done, already, not_allowed, expired or void."""
    row = _approval(tx, approval_id)
    if row is None or row["kind"] != "question":
        return "void"
    problem = _closed(tx, row, None)  # anyone in the thread can answer an agent
    if problem:
        return problem
    _close(tx, row, "answered", user, text)
    return "done"


def answer_in_thread(tx: Tx, team: str, channel: str, thread: str, user: str, text: str) -> bool:
    """Take a reply in a run's thread as the answer to its oldest open question; False when there is none."""
    row = (
        tx.execute(
            select(t.approval)
            .join(t.run, t.run.c.id == t.approval.c.run_id)
            .where(
                t.run.c.team_id == team,
                t.run.c.channel == channel,
                t.run.c.thread == thread,
                t.approval.c.kind == "question",
                t.approval.c.status == "pending",
            )
            .order_by(t.approval.c.asked_at)
        )
        .mappings()
        .first()
    )
    return row is not None and answer(tx, row["id"], user, text) == "done"


def _approval(tx: Tx, approval_id: str) -> Any:
    return tx.execute(select(t.approval).where(t.approval.c.id == approval_id)).mappings().first()


def _closed(tx: Tx, row: Any, user: str | None) -> str:
    if row["status"] in ("void", "expired"):
        return str(row["status"])
    if row["status"] != "pending":
        return "already"
    if user is not None and not may_decide(user, requester=row["person"]):
        return "not_allowed"
    if row["expires_at"] < tx.now():
        return "expired"
    return ""


def _close(tx: Tx, row: Any, status: str, user: str, text: str) -> None:
    tx.execute(
        update(t.approval)
        .where(t.approval.c.id == row["id"], t.approval.c.status == "pending")
        .values(status=status, decided_by=user, decided_at=tx.now(), answer=text)
    )
    journal.append(tx, row["run_id"], "decided", {"approval": row["id"], "status": status, "by": user})
    tx.wake(f"{row['run_id']}/_coordinator")
    if row["agent_id"]:
        tx.wake(row["agent_id"])
