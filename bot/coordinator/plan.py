"""Keeps a plan moving: asks people for their tasks, ends waits that cannot end, notices who makes no progress."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, insert, select, update

from bot.coordinator.intake import files_coming
from bot.errors import ModelMustRetry
from bot.store import board, journal, mail
from bot.store import schema as t
from bot.store.database import Database, Tx
from bot.store.leases import Claim
from bot.team import recovery
from bot.team.record import close_call
from bot.tools.planning import LEAD, may_begin
from bot.tools.team import heard
from bot.types import Json

STALL_S = 600.0  # of an awake agent without a turn, until people are told
PATIENCE = 3  # times as long, until the agent is ended and its task returns
ASKED = ("question", "plan", "call", "signin")  # what an agent sleeps over until a person answers
SOON_S = 0.3  # until agents that are about to move have moved

Agents = Mapping[str, Any]


@dataclass
class Watch:
    """Who was seen at which turn since when, by the machine's own clock: jumps of product time are no stall."""

    stall_s: float = STALL_S
    seen: dict[str, tuple[Any, float, bool]] = field(default_factory=dict)

    def look(self, agents: Agents) -> list[tuple[Any, float, bool]]:
        """Agents awake without progress for too long: (agent, seconds, whether people were told before)."""
        now, stuck = time.monotonic(), []
        for one in agents.values():
            awake = one["status"] == "live" and (one["lease_owner"] or one["wake_seq"] > one["slept_seq"])
            if not awake or one["trouble"]:
                self.seen.pop(one["id"], None)
                continue
            marker = (one["epoch"], one["turns"], one["refusals"])
            known = self.seen.get(one["id"])
            if known is None or known[0] != marker:
                self.seen[one["id"]] = (marker, now, False)
            elif now - known[1] >= self.stall_s * (PATIENCE if known[2] else 1):
                stuck.append((one, now - known[1], known[2]))
                self.seen[one["id"]] = (marker, known[1], True)
        return stuck

    def forget(self, run_id: str) -> None:
        """The run has ended."""
        for agent_id in [a for a in self.seen if a.startswith(f"{run_id}/")]:
            del self.seen[agent_id]


async def tend(db: Database, claim: Claim, rows: Any, watch: Watch) -> float | bool | None:
    """What the plan needs now beside the agents' own work: True to look again, else when to look."""
    now = db.now()
    if _due(rows, now) and await db.write(lambda tx: _people(tx, claim, rows)):
        return True
    people = any(a["status"] == "pending" for a in rows.approvals)
    if endless(rows.agents, people):
        later = await db.write(lambda tx: _end_waits(tx, claim, people))
        if later is not None:
            return later
    standing = watch.look(rows.agents)
    if standing:
        ended: bool = await db.write(lambda tx: _stalled(tx, claim, standing))
        if ended:
            return True
    dates = [a["expires_at"] for a in rows.approvals if a["status"] == "pending" and a["kind"] in ASKED]
    dates += [x["person"]["remind_at"] for x in _asked(rows) if not x["person"].get("reminded")]
    if any(agent_id.startswith(f"{claim.run_id}/") for agent_id in watch.seen):
        dates.append(now + watch.stall_s)
    return min(dates, default=None)


# -- waits that cannot end -------------------------------------------------------------------------------------------


def endless(agents: Agents, people: bool, moving: frozenset[str] = frozenset()) -> list[Any]:
    """The agents whose wait nobody can end, those who wait for the dead first. `moving` are about to wake up.

    Whoever works, waits for a person or until a time can still act; whoever waits for somebody who can act, can too.
    """
    waiting = {n: a for n, a in agents.items() if a["status"] == "live" and (a["waiting"] or {}).get("for") == "mail"}
    acting = {n for n, a in agents.items() if a["status"] in board.ALIVE and n not in waiting}
    acting |= {n for n, a in waiting.items() if a["waiting"].get("until")} | moving
    if people:
        acting |= {LEAD, mail.HARNESS}
    while True:
        more = {n for n, a in waiting.items() if n not in acting and _hopes(n, a, agents, acting)}
        if not more:
            break
        acting |= more
    lost = [a for n, a in waiting.items() if n not in acting]
    alone = [a for a in lost if not any(n in waiting for n in a["waiting"]["from"] or waiting.keys() - {a["name"]})]
    return alone or sorted(lost, key=lambda a: (a["name"] == LEAD, a["id"]))[:1]


def _hopes(name: str, one: Any, agents: Agents, acting: set[str]) -> bool:
    return bool(acting & (set(one["waiting"]["from"] or agents) - {name}))


def _end_waits(tx: Tx, claim: Claim, people: bool) -> float | None:
    """Tell waiting agents that nobody will write; else when to look again, as somebody is about to move after all."""
    tx.fence(claim.agent_id, claim.epoch)
    found = tx.execute(select(t.agent).where(t.agent.c.run_id == claim.run_id, t.agent.c.kind == "agent"))
    agents = {row["name"]: row for row in found.mappings()}
    unread = {n: mail.undelivered(tx.connection, claim.run_id, n, a["mail_cursor"]) for n, a in agents.items()}
    moving = frozenset(
        name
        for name, one in agents.items()
        if one["status"] in board.ALIVE
        and (
            one["wake_seq"] != one["slept_seq"]
            or ((one["waiting"] or {}).get("for") == "mail" and heard(one["waiting"], unread[name]))
        )
    )
    told, later = False, []
    people = people or bool(files_coming(tx.connection, claim.run_id))  # what a person attached is on its way
    for row in endless(agents, people, moving):
        patient = _patient_until(tx, row["id"])
        if patient > tx.now():
            later.append(patient)
            continue
        mails = unread[row["name"]]
        failed = [m for m in mails if m["data"].get("report") and m["data"]["status"] != "done"]
        wanted = ", ".join(row["waiting"].get("from", [])) or "anyone"
        words = " ".join(f"{m['sender']}: {m['text']}" for m in failed)
        words = words or f"Nobody is left who could write: {wanted} will not answer."
        close_call(tx, claim.run_id, row["id"], row["waiting"]["id"], {"ok": False, "error": words}, True, "failed")
        tx.execute(update(t.agent).where(t.agent.c.id == row["id"]).values(waiting=None))
        tx.wake(row["id"])
        told = True
    return None if told else min(later, default=tx.now() + SOON_S)


def _patient_until(tx: Tx, agent_id: str) -> float:
    """When an agent that only ever waits may be told so again: later each time, lest it becomes a loop of turns."""
    c = t.tool_call.c
    query = select(c.name, c.status).where(c.agent_id == agent_id).order_by(c.turn.desc(), c.position.desc())
    before = tx.execute(query.limit(8)).all()[1:]  # the first is the wait that it sleeps in
    vain = next((n for n, call in enumerate(before) if tuple(call) != ("wait", "failed")), len(before))
    if not vain:
        return 0.0
    asleep: Any = tx.execute(select(func.max(t.journal.c.at)).where(t.journal.c.agent_id == agent_id)).scalar()
    return float(asleep or 0.0) + SOON_S * 4.0**vain


# -- agents that end or stand still ----------------------------------------------------------------------------------


def failed(tx: Tx, claim: Claim, one: Any, kind: str, words: str) -> None:
    """A specialist failed: its task returns to the plan, and whoever leads it decides who goes on."""
    tx.fence(claim.agent_id, claim.epoch)
    tx.execute(update(t.agent).where(t.agent.c.id == one["id"]).values(finish={"handed_back": kind}))
    for child in _children(tx, claim.run_id, one["name"]):
        board.end_agent(tx, claim.run_id, child, "stopped", f"its lead {one['name']} failed")
    back = board.hand_back(tx, claim.run_id, one["name"], words, recovery.owners(kind))
    lead = reports_to(tx, claim.run_id, one)
    if lead is None:
        return
    state = board.tasks(tx.connection, claim.run_id)
    again = [name for name in back if state[name]["status"] == "pending"]
    next_ = f" Give {', '.join(again)} to somebody else." if again else ""
    data = {"report": True, "status": "failed", "kind": kind, "task": one["task"], "summary": words}
    mail.send(tx, claim.run_id, one["name"], lead, f"I failed: {words}{next_}"[: mail.TEXT_MAX], data=data)


def _children(tx: Tx, run_id: str, name: str) -> list[str]:
    query = select(t.agent.c.name).where(t.agent.c.run_id == run_id, t.agent.c.parent == name)
    return list(tx.execute(query).scalars())


def reports_to(tx: Tx, run_id: str, one: Any) -> str | None:
    """Who hears of an agent's end: its lead, or the lead of the run when that one has ended."""
    known = mail.roster(tx.connection, run_id)
    above = (one["parent"] or LEAD, LEAD)
    return next((name for name in above if known.get(name) not in (None, *mail.ENDED)), None)


def unread(tx: Tx, run_id: str, one: Any) -> bool:
    """Whether mail came while a finish was judged; then the agent takes up its work again."""
    cursor = tx.execute(select(t.agent.c.mail_cursor).where(t.agent.c.id == one["id"])).scalar() or 0
    found = mail.undelivered(tx.connection, run_id, one["name"], cursor)
    if all(m["data"].get("report") for m in found):
        return False
    mail.take_up_again(tx, run_id, one["name"])
    return True


def _stalled(tx: Tx, claim: Claim, stuck: list[tuple[Any, float, bool]]) -> bool:
    """Say who stands still; who still does after people were told is ended, and its task returns."""
    tx.fence(claim.agent_id, claim.epoch)
    ended = False
    for one, seconds, told in stuck:
        minutes = f"{max(1, round(seconds / 60))} minutes"
        if not told:
            words = f"{one['name']} has made no progress for {minutes}; it is ended if that goes on."
            journal.append(tx, claim.run_id, "notice", {"text": words, "agent": one["name"], "kind": "stalled"})
            continue
        words = f"{one['name']} made no progress for {minutes}. {recovery.rule('stalled').words}"
        stopped = tx.execute(
            update(t.agent)
            .where(t.agent.c.id == one["id"], t.agent.c.epoch == one["epoch"], t.agent.c.status == "live")
            .values(
                status="failed", waiting=None, finish=None, epoch=t.agent.c.epoch + 1, lease_owner=None,
                lease_until=0.0, slept_seq=t.agent.c.wake_seq, due_at=None,
            )
        )  # fmt: skip
        if stopped.rowcount:
            body = {"kind": "stalled", "message": words}
            journal.append(tx, claim.run_id, "agent.failed", body, agent_id=one["id"])
            ended = True
    return ended


# -- tasks of people -------------------------------------------------------------------------------------------------


def _asked(rows: Any) -> list[Any]:
    """The tasks that a person was asked to do and has not done."""
    return [x for x in rows.tasks if x["person"] and x["status"] == "person"]


def _open(one: Any) -> bool:
    return bool(one["status"] == "pending" and one["kind"] in ASKED)


def _due(rows: Any, now: float) -> bool:
    """Whether a person is to be asked, reminded or no longer waited for, cheaply decided."""
    if any(_open(a) and a["expires_at"] <= now for a in rows.approvals):
        return True
    asked = {a["id"] for a in rows.approvals if _open(a)}
    done = {x["id"] for x in rows.tasks if x["status"] == "done"}
    for one in rows.tasks:
        if one["person"] and one["status"] == "pending" and set(one["depends_on"]) <= done:
            return True
        if one["person"] and one["status"] == "person":
            told = one["person"]
            if told["approval"] not in asked or (not told["reminded"] and told["remind_at"] <= now):
                return True
    return False


def _people(tx: Tx, claim: Claim, rows: Any) -> bool:
    """Bring the tasks of people up to the rows; whether anything changed."""
    tx.fence(claim.agent_id, claim.epoch)
    changed = _expire(tx, claim, rows)
    plan = board.tasks(tx.connection, claim.run_id)
    for one in plan.values():
        if not one["person"]:
            continue
        if one["status"] == "pending" and not board.blocked_by(plan, one) and _agreed(tx, claim.run_id):
            _ask(tx, rows.run, one)
            changed = True
        elif one["status"] == "person":
            changed = _follow_up(tx, claim, one) or changed
    return changed


def _agreed(tx: Tx, run_id: str) -> bool:
    try:
        may_begin(tx, run_id)
    except ModelMustRetry:
        return False
    return True


def _expire(tx: Tx, claim: Claim, rows: Any) -> bool:
    """Questions that nobody answered in time end; who asked goes on without."""
    late = [a for a in rows.approvals if _open(a) and a["expires_at"] <= tx.now()]
    for one in late:
        tx.execute(
            update(t.approval)
            .where(t.approval.c.id == one["id"], t.approval.c.status == "pending")
            .values(status="expired")
        )
        journal.append(tx, claim.run_id, "decided", {"approval": one["id"], "status": "expired", "by": ""})
        if one["agent_id"]:
            tx.wake(one["agent_id"])
    return bool(late)


def _ask(tx: Tx, run: Any, one: Any) -> None:
    """Ask a person to do a task, with a date and a way to say that it is done."""
    told = one["person"]
    name = f"{run['id'][-12:]}-{journal.next_id(tx, run['id'], 'q')}"
    due = tx.now() + told["due_h"] * 3600
    remind = tx.now() + (told["remind_h"] or told["due_h"] / 2) * 3600
    criteria = "; ".join(one["criteria"])
    preview = {
        "title": f"Your task: {one['title']}. It is done when: {criteria}. Answer here then, and say what came of it",
        "options": ["Done"], "from": LEAD, "task": one["id"], "person": told["user"],
    }  # fmt: skip
    tx.execute(
        insert(t.approval).values(
            id=name,
            team_id=run["team_id"],
            run_id=run["id"],
            kind="question",
            person=told["user"],
            preview=preview,
            status="pending",
            asked_at=tx.now(),
            expires_at=due,
        )
    )
    person = {**told, "approval": name, "due_at": due, "remind_at": remind, "reminded": False}
    _set(tx, run["id"], one["id"], status="person", owner=told["user"][:40], person=person)
    journal.append(tx, run["id"], "asked", {"approval": name, "about": "task", "task": one["id"]})


def _follow_up(tx: Tx, claim: Claim, one: Any) -> bool:
    """A person's answer closes the task; a date that passes reminds, and then hands it over."""
    told = one["person"]
    asked = tx.execute(select(t.approval).where(t.approval.c.id == told["approval"])).mappings().one()
    if asked["status"] == "answered":
        seen = {"name": "person", "passed": True, "evidence": f"{asked['decided_by']}: {asked['answer']}"}
        _set(tx, claim.run_id, one["id"], status="done", checks=[seen])
        words = f"{one['id']} was done by {asked['decided_by']}: {asked['answer']}"
        _tell(tx, claim, one, words, {"status": "done", "answer": asked["answer"], "by": asked["decided_by"]})
        return True
    if asked["status"] != "pending":
        _hand_over(tx, claim, one)
        return True
    if told["reminded"] or told["remind_at"] > tx.now():
        return False
    _set(tx, claim.run_id, one["id"], person={**told, "reminded": True})
    hours = max(1, round((told["due_at"] - tx.now()) / 3600))
    words = f"Reminder for {told['user']}: “{one['title']}” is still open, {hours} h are left."
    journal.append(tx, claim.run_id, "notice", {"text": words, "person": told["user"], "task": one["id"]})
    return True


def _hand_over(tx: Tx, claim: Claim, one: Any) -> None:
    """The person did not do it in time: the fallback takes it, or the lead decides."""
    told = one["person"]
    why = f"{told['user']} did not do it in time"
    notes = [*one["notes"], {"by": told["user"], "why": why}]
    _set(tx, claim.run_id, one["id"], status="pending", owner="", person=None, notes=notes)
    journal.append(tx, claim.run_id, "plan.changed", {"task": one["id"], "reason": why, "by": mail.HARNESS})
    name = told["fallback"]
    if name != LEAD and mail.roster(tx.connection, claim.run_id).get(name) in board.ALIVE:
        board.give(tx, claim.run_id, name, one["id"])
        why = f"{why}; {name} has it now"
    _tell(tx, claim, one, f"{one['id']}: {why}.", {"status": "overdue"})


def _tell(tx: Tx, claim: Claim, one: Any, words: str, data: Json) -> None:
    """Tell whoever leads the part of the plan; a message that wakes them out of any wait."""
    owner = board.tasks(tx.connection, claim.run_id).get(one["part"], {}).get("owner") or LEAD
    lead = reports_to(tx, claim.run_id, {"parent": owner})
    if lead is not None:
        body = {"report": True, "urgent": True, "task": one["id"], "summary": words, **data}
        mail.send(tx, claim.run_id, mail.HARNESS, lead, words[: mail.TEXT_MAX], data=body)


def _set(tx: Tx, run_id: str, task_id: str, **values: Any) -> None:
    tx.execute(update(t.task).where(t.task.c.run_id == run_id, t.task.c.id == task_id).values(**values))
