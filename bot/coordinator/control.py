"""What people say about a run that is not new work: stop, pause, resume, mute, status, why, approve, answer.

The control lane: each is one transaction of the event's own, so that nothing waits in any queue before it counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from bot.coordinator import budget, edits, facts, undo
from bot.coordinator.runs import fail
from bot.policy.access import Access, Role
from bot.policy.gate import may_decide
from bot.store import approvals, journal, people
from bot.store import schema as t
from bot.store.database import Tx, by_id
from bot.types import Json, Person

__all__ = ["Place", "Told", "answer", "answer_in_thread", "decide", "fail", "say", "stop", "stop_run", "withdraw"]

ENDED = ("done", "failed", "stopped")
TELLING = ("status", "why")
EVERYBODY = Access()  # the rules where nobody wrote any


@dataclass(frozen=True)
class Place:
    """Where something was said, and by whom. An empty thread means the channel's latest run."""

    team: str
    channel: str
    thread: str
    user: str
    run_id: str = ""  # when one was named


@dataclass(frozen=True)
class Told:
    """What became of a word of control: done, nothing (to control), already, budget or ended; and the run it met."""

    word: str
    outcome: str
    run_id: str = ""
    about: str = ""
    permalink: str = ""


def say(tx: Tx, word: str, place: Place) -> Told:
    """Take one word of control to the run it means."""
    row = _meant(tx, word, place)
    if row is None:
        return Told(word, "nothing")
    outcome = "done"
    match word:
        case "stop" if place.thread and not place.run_id:
            stop(tx, place.team, place.channel, place.thread, place.user)
        case "stop":
            stop_run(tx, row["id"], place.user)
        case "pause":
            outcome = _pause(tx, row, place.user)
        case "resume":
            outcome = _resume(tx, row, place.user)
        case "mute" | "unmute":
            outcome = _mute(tx, row, place.user, word == "mute")
        case "undo":
            outcome = undo.ask(tx, row, place.user)
            if outcome == "done":
                note(tx, row["id"], "undo", {"by": place.user})
        case _:
            told = facts.status(tx.connection, row, tx.now()) if word == "status" else facts.why(tx.connection, row)
            note(tx, row["id"], word, {"by": place.user, **told})
    return Told(word, outcome, row["id"], row["understood"] or row["request"], row["permalink"])


def paused(tx: Tx, place: Place) -> bool:
    """Whether a run here is paused: only then do words such as "go on" mean to resume it."""
    row = _meant(tx, "resume", place)
    return row is not None and row["control"] == "pause"


def _meant(tx: Tx, word: str, place: Place) -> Any:
    """The run a word is about: the named one, the thread's, else the channel's latest; a live one first."""
    where = [t.run.c.team_id == place.team, t.run.c.channel == place.channel]
    if place.run_id:
        where.append(t.run.c.id == place.run_id)
    elif place.thread:
        where.append(t.run.c.thread == place.thread)
    latest = select(t.run).where(*where).order_by(t.run.c.created_at.desc(), t.run.c.id)
    row = tx.execute(latest.where(t.run.c.status.not_in(ENDED), t.run.c.control != "stop")).mappings().first()
    if row is None and word in TELLING:
        row = tx.execute(latest).mappings().first()
    if row is None and word == "undo" and (place.thread or place.run_id):
        rows = tx.execute(latest).mappings().all()
        row = next((r for r in rows if undo.written(tx.connection, r["id"])), rows[0] if rows else None)
    return row


def stop(tx: Tx, team: str, channel: str, thread: str, user: str) -> bool:
    """Stop the runs of a thread; False when none is going on there."""
    live = tx.execute(
        select(t.run.c.id).where(
            t.run.c.team_id == team,
            t.run.c.channel == channel,
            t.run.c.thread == thread,
            t.run.c.status.not_in(ENDED),
        )
    ).scalars()
    found = list(live)
    for run_id in found:
        stop_run(tx, run_id, user)
    return bool(found)


def stop_run(tx: Tx, run_id: str, user: str, why: str = "") -> None:
    """End a run's sleeping agents here and now; the busy ones break off their calls and end at once after.

    `why` is empty for a stop that was asked for, else deleted or replaced.
    """
    tx.execute(update(t.run).where(t.run.c.id == run_id).values(control="stop"))
    journal.append(tx, run_id, "stop", {"by": user, "why": why})
    tx.execute(
        update(t.agent)
        .where(
            t.agent.c.run_id == run_id, t.agent.c.kind == "agent", t.agent.c.lease_owner.is_(None),
            t.agent.c.status.in_(("live", "finishing")),
        )
        .values(status="stopped", waiting=None)
    )  # fmt: skip
    _wake_all(tx, run_id)


def stopped_by(connection: Connection, run_id: str) -> tuple[str, float]:
    """Why a run was stopped, and when it was said first."""
    query = select(t.journal.c.body, t.journal.c.at).where(t.journal.c.run_id == run_id, t.journal.c.kind == "stop")
    row = connection.execute(query.order_by(t.journal.c.seq)).first()
    return (str(row.body.get("why", "")), float(row.at)) if row else ("", 0.0)


def withdraw(tx: Tx, team: str, channel: str, ts: str, user: str) -> bool:
    """The message of a request was deleted: its work stops, or never begins; False when it started nothing."""
    origin = requested_by(tx, team, channel, ts, ("new", "taken"))
    if origin is None:
        return False
    if origin["state"] == "new":
        tx.execute(update(t.inbox).where(t.inbox.c.id == origin["id"]).values(state="taken"))
        return True
    going = select(t.run.c.id).where(t.run.c.id == origin["run_id"], t.run.c.status.not_in(ENDED))
    if tx.execute(going).first() is None:
        return False
    stop_run(tx, origin["run_id"], user, "deleted")
    return True


def requested_by(
    tx: Tx, team: str, channel: str, ts: str, states: tuple[str, ...] = ("new", "taken", "steered")
) -> Any:
    """The inbox row of a message, or of its latest edit when that took its place; None when it asked for nothing."""
    query = (
        select(t.inbox)
        .where(
            t.inbox.c.team_id == team,
            t.inbox.c.channel == channel,
            (t.inbox.c.key == ts) | t.inbox.c.key.startswith(f"{ts}:"),
            t.inbox.c.state.in_(states),
            t.inbox.c.kind.in_(("mention", "reply", "edit")),
        )
        .order_by(t.inbox.c.id.desc())
    )
    rows = tx.execute(query).mappings().all()
    return next((row for row in rows if row["run_id"] or row["state"] == "new"), None)


def _pause(tx: Tx, row: Any, user: str) -> str:
    if row["control"]:
        return "already" if row["control"] == "pause" else str(row["control"])
    tx.execute(update(t.run).where(t.run.c.id == row["id"], t.run.c.control == "").values(control="pause"))
    note(tx, row["id"], "control.pause", {"by": user})
    return "done"


def _resume(tx: Tx, row: Any, user: str) -> str:
    if row["control"] != "pause":
        return "budget" if row["control"] == "budget" else "already"
    tx.execute(update(t.run).where(t.run.c.id == row["id"], t.run.c.control == "pause").values(control=""))
    note(tx, row["id"], "control.resume", {"by": user})
    _wake_all(tx, row["id"])
    return "done"


def _mute(tx: Tx, row: Any, user: str, muted: bool) -> str:
    if bool(row["muted"]) == muted:
        return "already"
    tx.execute(update(t.run).where(t.run.c.id == row["id"]).values(muted=muted))
    journal.append(tx, row["id"], "muted" if muted else "unmuted", {"by": user})
    return "done"


def note(tx: Tx, run_id: str, kind: str, body: Json) -> int:
    """A journal row that the thread shows as a post of its own, at once; returns its number."""
    tx.execute(update(t.run).where(t.run.c.id == run_id).values(said=t.run.c.said + 1))
    return journal.append(tx, run_id, kind, body)


def _wake_all(tx: Tx, run_id: str) -> None:
    for agent_id in list(tx.execute(select(t.agent.c.id).where(t.agent.c.run_id == run_id)).scalars()):
        tx.wake(agent_id)


def decide(tx: Tx, approval_id: str, user: str, approved: bool, args_sha256: str, access: Access = EVERYBODY) -> str:
    """Answer an approval once: done, already, not_allowed, expired or void.

    It binds the person, the run and exactly what was shown: another hash is another proposal.
    """
    row = _approval(tx, approval_id)
    if row is None or row["kind"] not in ("changes", "plan", "call") or row["args_sha256"] != args_sha256:
        return "void"
    problem = _closed(tx, row, user, access) or _nobody_asks(tx, row)
    if problem:
        return problem
    approvals.close(tx, row, "approved" if approved else "rejected", user, "")
    return "done"


def answer(tx: Tx, approval_id: str, user: str, text: str, access: Access = EVERYBODY) -> str:
    """Answer an agent's question once: done, already, not_allowed, expired or void."""
    row = _approval(tx, approval_id)
    if row is not None and row["kind"] == "budget":
        return _closed(tx, row, None, access) or _about_money(tx, row, user, text)
    if row is None or row["kind"] not in ("question", "plan", "signin"):
        return "void"
    # Anyone in the thread can answer an agent; a plan is the requester's to agree to or to change, and so is what a
    # connected server asks.
    bound = row["kind"] == "plan" or row["preview"].get("only")
    problem = _closed(tx, row, user if bound else None, access)
    if problem:
        return problem
    if row["kind"] != "plan" or not edits.take(tx, row, user, text):
        approvals.close(tx, row, "answered", user, text)
    return "done"


def answer_in_thread(tx: Tx, place: Place, text: str, access: Access = EVERYBODY) -> bool:
    """Take a reply in a run's thread as the answer to its oldest open question; False when there is none."""
    money = _question(tx, place, "budget")
    if money is not None and answer(tx, money["id"], place.user, text, access) != "void":
        return True  # when it changed nothing, the thread says why
    row = _question(tx, place)
    return row is not None and answer(tx, row["id"], place.user, text, access) == "done"


def asks(tx: Tx, place: Place) -> bool:
    """Whether an agent waits for somebody's answer in this thread."""
    return _question(tx, place) is not None


def _about_money(tx: Tx, row: Any, user: str, text: str) -> str:
    told = budget.answer(tx, row, user, text)
    if told == "stop":
        stop_run(tx, row["run_id"], user)
        return "done"
    return told


def _question(tx: Tx, place: Place, kind: str = "question") -> Any:
    query = (
        select(t.approval)
        .join(t.run, t.run.c.id == t.approval.c.run_id)
        .where(
            t.run.c.team_id == place.team,
            t.run.c.channel == place.channel,
            t.run.c.thread == place.thread,
            t.approval.c.kind.in_(("question", "plan") if kind == "question" else (kind,)),
            t.approval.c.status == "pending",
        )
        .order_by(t.approval.c.asked_at)
    )
    return tx.execute(query).mappings().first()


def _approval(tx: Tx, approval_id: str) -> Any:
    return tx.execute(select(t.approval).where(t.approval.c.id == approval_id)).mappings().first()


def _nobody_asks(tx: Tx, row: Any) -> str:
    """void when the agent whose single call this is has ended."""
    if row["kind"] != "call":
        return ""
    alive = select(t.agent.c.id).where(t.agent.c.id == row["agent_id"], t.agent.c.status == "live")
    return "" if tx.execute(alive).first() else "void"


def _approves(tx: Tx, row: Any, user: str, access: Access) -> bool:
    """Whether somebody's role approves in the channel of a run."""
    known = people.get(tx.connection, row["team_id"], user)
    channel = by_id(tx.connection, t.run, row["run_id"])["channel"]
    return access.role(known.person if known else Person(user, "member"), channel) >= Role.APPROVE


def _closed(tx: Tx, row: Any, user: str | None, access: Access) -> str:
    if row["status"] in ("void", "withdrawn"):
        return "void"
    if row["status"] == "expired":
        return "expired"
    if row["status"] != "pending":
        return "already"
    if user is not None:
        held = {one: _approves(tx, row, one, access) for one in (user, row["person"])}
        if not may_decide(user, requester=row["person"], approves=lambda one: held[one]):
            return "not_allowed" if held[row["person"]] else "role"
    if row["expires_at"] < tx.now():
        return "expired"
    return ""
