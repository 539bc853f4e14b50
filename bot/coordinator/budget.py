"""A hard line is reached: the run sleeps with all its agents, and a person raises the line or takes what is there."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select, update

from bot.coordinator import amounts, changes, limits, partial
from bot.coordinator.runs import end_run
from bot.policy.gate import may_decide
from bot.store import approvals, journal, money
from bot.store import schema as t
from bot.store.database import Tx, by_id
from bot.store.leases import Claim
from bot.types import Json, RunStatus

ASK_S = 7 * 86_400.0
SOON_S = 0.3  # until requests in flight are answered
RAISE, FINISH, STOP = "Raise to", "Finish with what is there", "Stop"
OWN = ("task", "agent", "run", "automation")  # the requester's own money; what lies above belongs to all
NOT_YOURS = "This limit is not yours to raise; take what is there, or ask whoever runs Cadre."
UNCLEAR = (
    "That does not say which limit. Reply with the amount, for example “raise to $5”, or with “continue” or “stop”."
)
_YES = r"^\W*(?:(?:yes|ok|okay)\W+)?(?:please\s+)?(?:raise|increase|go\s+on|continue|yes|allow)\b"
_IT = r"(?:\s+(?:it|this|(?:(?:the|this)\s+)?(?:limit|budget)))?"
_POLITE = r"(?:\W+(?:please|thanks|thank\s+you))*\W*$"
_RAISE = re.compile(rf"(?i){_YES}{_IT}{_POLITE}")
_RAISE_TO = re.compile(
    rf"(?i){_YES}{_IT}[\s,:]*"
    r"(?:(?P<by>by|another|add)\b\s*|(?:but\s+)?(?:up\s+to|to|with|at\s+most|(?:no|not)\s+more\s+than)\b\s*)?"
    rf"(?:US)?\$?\s?(?P<dollars>{amounts.WRITTEN})(?:\s*(?:dollars?|USD))?(?P<more>\s+more)?{_POLITE}"
)
_FINISH = re.compile(r"(?i)^\W*(?:no\b|finish|refuse|deliver|leave it|that is enough|enough)")
_STOP = re.compile(r"(?i)^\W*(?:stop|cancel)\b")
_MEANT = re.compile(f"(?i){_YES}")


@dataclass(frozen=True)
class Look:
    """A paused run at one moment, and what the answer to a person needs."""

    run: Any
    agents: list[Any]
    approvers: tuple[str, ...]
    figure_page: str


def step(tx: Tx, claim: Claim, look: Look) -> float | bool | None:
    """One look at a run that its budget paused: True to look again, else when to wake.

    Who has finished needs no more money, so nobody is asked when only checks by code are left.
    """
    tx.fence(claim.agent_id, claim.epoch)
    run = look.run
    asked = _last(tx, run["id"])
    if asked is not None and (asked["status"] == "expired" or asked["answer"] == FINISH):
        return _finish(tx, look, asked)
    crossed = next((x for x in money.lines(tx.connection, run["id"], tx.now()) if x.crossed), None)
    if crossed is None or not any(agent["status"] == "live" for agent in look.agents):
        resume(tx, run["id"])
        return True
    if asked is None or asked["status"] != "pending":
        ask(tx, run, crossed, look.approvers)
        return True
    if asked["expires_at"] <= tx.now():
        approvals.close(tx, asked, "expired", "", "")
        return True
    end = money.period_end(crossed.limit.period, tx.now())
    return min(float(asked["expires_at"]), end or float("inf"))


def _last(tx: Tx, run_id: str) -> Any:
    query = (
        select(t.approval)
        .where(t.approval.c.run_id == run_id, t.approval.c.kind == "budget")
        .order_by(t.approval.c.asked_at.desc(), t.approval.c.id)
    )
    return tx.execute(query).mappings().first()


def ask(tx: Tx, run: Any, line: money.Line, approvers: tuple[str, ...] = ()) -> str:
    """Ask in the thread what to do; returns the approval's id."""
    limit, offer = line.limit, limits.suggested(line, run["estimate"])
    options = [f"{RAISE} ${offer:f}"] if limit.scope in OWN or approvers else []
    preview: Json = {
        "title": "The budget is reached", "scope": limit.scope, "scope_id": limit.scope_id, "period": limit.period,
        "hard": f"{limit.hard:f}", "spent": f"{line.spent:f}", "next": f"{line.reserved:f}", "offer": f"{offer:f}",
        "estimate": run["estimate"], "approvers": list(approvers), "options": [*options, FINISH, STOP],
    }  # fmt: skip
    approval_id = f"ap-{secrets.token_hex(6)}"
    tx.execute(
        insert(t.approval).values(
            id=approval_id, team_id=run["team_id"], run_id=run["id"], kind="budget", person=run["requester"],
            preview=preview, args_sha256=journal.sha256_of(preview), status="pending", asked_at=tx.now(),
            expires_at=tx.now() + ASK_S,
        )
    )  # fmt: skip
    tx.execute(update(t.run).where(t.run.c.id == run["id"]).values(status=RunStatus.WAITING))
    journal.append(tx, run["id"], "approval.asked", {"approval": approval_id})
    return approval_id


def answer(tx: Tx, row: Any, user: str, text: str) -> str:
    """A person's answer to a budget question: done, stop, not_allowed, too_little, unclear; void when it is none."""
    choice, amount = understood(text, row["preview"])
    if not choice:
        return "void"
    preview = row["preview"]
    approvers = tuple(preview.get("approvers", ()))
    own = preview["scope"] in OWN
    may = may_decide(user, requester=row["person"], approvers=approvers)
    if not may or (choice == "raise" and not own and user not in approvers):
        _notice(tx, row, "Only the person who asked for this can decide about its budget." if own else NOT_YOURS)
        return "not_allowed"
    if choice == "unclear":
        _notice(tx, row, UNCLEAR)
        return "unclear"
    if choice == "raise":
        if amount <= Decimal(preview["spent"]) + Decimal(preview["next"]):
            _notice(tx, row, f"${amount:f} is not more than what is spent already; name a higher limit.")
            return "too_little"
        _raise(tx, row, amount)
        approvals.close(tx, row, "answered", user, f"{RAISE} ${amount:f}")
        resume(tx, row["run_id"])
        return "done"
    approvals.close(tx, row, "answered", user, FINISH if choice == "finish" else STOP)
    return "stop" if choice == "stop" else "done"


def understood(text: str, preview: Json) -> tuple[str, Decimal]:
    """raise, finish, stop, unclear or "" and, for a raise, the new limit: the one named, else the one offered.

    A yes with more words than an amount is unclear: what they ask for is not what was offered.
    """
    words = text.strip()
    if _STOP.match(words):
        return "stop", Decimal(0)
    if _FINISH.match(words):
        return "finish", Decimal(0)
    if _RAISE.match(words):
        return "raise", Decimal(preview["offer"])
    found = _RAISE_TO.match(words)
    amount = amounts.read(found["dollars"]) if found else None
    if found is None or amount is None:
        return "unclear" if _MEANT.match(words) else "", Decimal(0)
    return "raise", amount + Decimal(preview["hard"] if found["by"] or found["more"] else 0)


def _raise(tx: Tx, row: Any, hard: Decimal) -> None:
    preview, run = row["preview"], by_id(tx.connection, t.run, row["run_id"])
    scope, period = preview["scope"], preview["period"]
    journal.append(tx, run["id"], "budget.raised", {"scope": scope, "from": preview["hard"], "to": f"{hard:f}"})
    if scope == "task":
        raised = update(t.task).where(t.task.c.run_id == run["id"], t.task.c.id == preview["scope_id"])
        tx.execute(raised.values(budget=f"{hard:f}"))
        return
    own = {
        "agent": preview["scope_id"], "run": run["id"], "automation": run["automation_id"], "channel": run["channel"],
    }.get(scope, run["team_id"])  # fmt: skip
    until = None if scope in OWN else money.period_end(period, tx.now())
    money.set_limit(tx, run["team_id"], scope, own, period, hard, until=until)
    for other in tx.execute(select(t.run.c.id).where(t.run.c.control == "budget", t.run.c.id != run["id"])).scalars():
        tx.wake(f"{other}/_coordinator")  # the same line may have held it


def resume(tx: Tx, run_id: str) -> None:
    """Go on from where the run stands."""
    resumed = tx.execute(
        update(t.run)
        .where(t.run.c.id == run_id, t.run.c.control == "budget", t.run.c.status.not_in(money.ENDED))
        .values(control="", status=RunStatus.WORKING)
    )
    if resumed.rowcount == 0:
        return
    pending = select(t.approval).where(
        t.approval.c.run_id == run_id, t.approval.c.kind == "budget", t.approval.c.status == "pending"
    )
    for row in tx.execute(pending).mappings().all():
        approvals.close(
            tx, row, "answered", "", "the limit was raised elsewhere, or there is nothing left that costs"
        )
    journal.append(tx, run_id, "budget.resumed", {})
    for agent_id in list(tx.execute(select(t.agent.c.id).where(t.agent.c.run_id == run_id)).scalars()):
        tx.wake(agent_id)


def _finish(tx: Tx, look: Look, asked: Any) -> float | bool | None:
    """End the run with what is there once nobody is in the middle of a request."""
    run = look.run
    if any(agent["status"] == "live" and agent["lease_owner"] for agent in look.agents):
        return tx.now() + SOON_S
    changes.discard(tx, run["id"], "discarded")
    preview = asked["preview"]
    why = "was not raised in time" if asked["status"] == "expired" else "was not raised"
    message = f"The budget of ${preview['hard']} {why}, so the work ends with what is done."
    told = partial.partial_result(tx.connection, run["id"], look.figure_page)
    told = told or "*Partial result*: nothing was finished before the budget was reached."
    message = f"{message} {partial.written(tx.connection, run['id'])}".strip()
    end_run(tx, run["id"], RunStatus.STOPPED, kind="budget", message=message, summary=told)
    return True


def _notice(tx: Tx, row: Any, words: str) -> None:
    journal.append(tx, row["run_id"], "notice", {"text": words})
