"""A call that others can see is made once; one that no rule allows, after the requester has seen exactly what it is.

The approval is bound to the person, the run and the hash of the arguments; it serves this one call and no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import insert, select, update

from bot.store import journal, mail
from bot.store import schema as t
from bot.store.database import Database, Tx
from bot.store.leases import Claim
from bot.team.record import Recorder
from bot.team.state import AgentState, Boundary
from bot.tools.base import Outcome, Tool, refused
from bot.types import Json

KIND = "call"
AGAIN = (KIND, "signin")  # kinds of approvals after which the call is made
PARKED = "parked"  # the status of an effect whose call sleeps
OPEN_S = 7 * 86_400.0
WHY_NOT = {
    "rejected": "The requester looked at this call and rejected it. Do not ask for the same again; go on without.",
    "expired": "Nobody allowed this call in time. Go on without, or finish blocked.",
}
TAKEN_BACK = {  # what an agent reads when a person wrote in the thread before they answered
    "question": "Somebody wrote in the thread before this was answered. Read it, and ask again if it still matters.",
    "plan": "Somebody wrote in the thread before the plan was agreed on. Read it, and call plan again with what it "
    "changes; nothing of the plan may begin before.",
    KIND: "Somebody wrote in the thread before this call was allowed, so it was not made. Read it, and make the call "
    "again if it is still wanted.",
}
UNCLEAR = (
    "It was allowed and begun, and Cadre stopped in the middle: whether it happened is not known, and it is not "
    "made again. Look it up, or name it in your answer."
)


Make = Callable[[bool], Awaitable[Outcome]]  # told whether an earlier activation began the call and was cut off


async def made(db: Database, claim: Claim, state: AgentState, call: Any, make: Make, tool: Tool) -> Outcome:
    """What the call came to: a question first, then what `make` gives, once, or why it was not made."""
    name = _name(claim, call)
    given = (
        await db.read(lambda c: c.execute(select(t.approval).where(t.approval.c.id == name)).mappings().first())
    )  # fmt: skip
    if given is None or given["status"] == "pending":
        return Outcome({}, commit=lambda tx: _ask(tx, state, call, name), parks={"for": "answer", "approval": name})
    agreed = (given["person"], given["run_id"], given["args_sha256"]) == (
        state.run["requester"], claim.run_id, journal.sha256_of(call["args"]),
    )  # fmt: skip
    if given["status"] != "approved" or not agreed:
        return refused(WHY_NOT.get(given["status"], "This call was not allowed."))
    return await once(db, claim, call, make, tool)


async def once(db: Database, claim: Claim, call: Any, make: Make, tool: Tool) -> Outcome:
    """What `make` gives, once. A call that sleeps in it for an answer or a job goes on where it was."""
    before = await db.write(lambda tx: _begin(tx, claim, call))
    if before is not None and before["status"] == "done":
        return Outcome(before["result"])
    begun = before is not None and before["status"] != PARKED
    if begun and not tool.resumes:
        return refused(UNCLEAR)
    outcome = await make(begun)
    if outcome.parks is not None:
        return replace(outcome, commit=lambda tx: _parked(tx, claim, call, outcome))
    await db.write(lambda tx: _ended(tx, claim, call, outcome))
    return outcome


def made_again(answered: Any) -> bool:
    """Whether the answer to what an agent sleeps over lets its call be made, rather than being its result."""
    return answered is not None and (answered["kind"] in AGAIN or "server" in answered["preview"])


def steered(state: AgentState) -> bool:
    """Whether a person wrote in the thread what the agent has not read; a playbook could do nothing about it."""
    said = any(m["sender"] == mail.HARNESS and m["data"].get("steer") for m in state.mails)
    return said and not state.run["offline"]


async def taken_back(db: Database, recorder: Recorder, state: AgentState) -> bool:
    """Close what the agent asked before anybody answered it, so that it reads what a person wrote instead.

    The answer and this are ordered by their transactions: what was answered stays answered, and has woken the agent
    once more. What a connected server has begun and holds is left to its own answer. False in both cases.
    """
    call_id, name = state.row["waiting"]["id"], state.row["waiting"]["approval"]

    def close(tx: Tx) -> tuple[Json, Boundary] | None:
        tx.fence(recorder.claim.agent_id, recorder.claim.epoch)
        asked = tx.execute(select(t.approval).where(t.approval.c.id == name)).mappings().one()
        words = TAKEN_BACK.get(asked["kind"], "")
        if not words or "server" in asked["preview"]:
            return None
        pending = (t.approval.c.id == name, t.approval.c.status == "pending")
        if not tx.execute(update(t.approval).where(*pending).values(status="withdrawn")).rowcount:
            return None
        body = {"approval": name, "status": "withdrawn", "by": ""}
        journal.append(tx, recorder.claim.run_id, "decided", body)
        return recorder.unpark(tx, call_id, {"ok": False, "error": words}, is_error=True)

    recorded = await db.write(close)
    if recorded is not None:
        state.unparked(recorded)
    return recorded is not None


def _name(claim: Claim, call: Any) -> str:
    digest = hashlib.sha256(f"{claim.agent_id}/{call['id']}".encode()).hexdigest()
    return f"{claim.run_id[-12:]}-c{digest[:12]}"


def _ask(tx: Tx, state: AgentState, call: Any, name: str) -> None:
    """Show the call to the requester, once; it is asked again after a crash without a second card."""
    if tx.execute(select(t.approval.c.id).where(t.approval.c.id == name)).first() is not None:
        return
    row = state.row
    preview: Json = {"title": call["name"], "tool": call["name"], "args": call["args"], "from": row["name"]}
    tx.execute(
        insert(t.approval).values(
            id=name, team_id=row["team_id"], run_id=row["run_id"], kind=KIND, agent_id=row["id"], call_id=call["id"],
            person=state.run["requester"], preview=preview, args_sha256=journal.sha256_of(call["args"]),
            status="pending", asked_at=tx.now(), expires_at=tx.now() + OPEN_S,
        )
    )  # fmt: skip
    journal.append(tx, row["run_id"], "asked", {"approval": name, "about": KIND}, agent_id=row["id"])


def answered(tx: Tx, claim: Claim) -> None:
    """The agent sleeps in the call no more; what it comes to is found by making it."""
    tx.fence(claim.agent_id, claim.epoch)
    tx.execute(update(t.agent).where(t.agent.c.id == claim.agent_id).values(waiting=None))


def _begin(tx: Tx, claim: Claim, call: Any) -> Any:
    """Write down that the call is about to be made; gives what was written before, if it was."""
    tx.fence(claim.agent_id, claim.epoch)
    key = call["op_key"]
    known = tx.execute(select(t.effect).where(t.effect.c.op_key == key)).mappings().first()
    if known is not None:
        parked = update(t.effect).where(t.effect.c.op_key == key, t.effect.c.status == PARKED)
        tx.execute(parked.values(status="intent", epoch=claim.epoch))
        return known
    tx.execute(
        insert(t.effect).values(
            op_key=key, team_id=call["team_id"], run_id=claim.run_id, kind="write", target=call["name"],
            args_sha256=call["args_sha256"], epoch=claim.epoch, decision_id=call["decision_id"], status="intent",
            result={}, intended_at=tx.now(),
        )
    )  # fmt: skip
    return None


def _parked(tx: Tx, claim: Claim, call: Any, outcome: Outcome) -> Json | None:
    tx.fence(claim.agent_id, claim.epoch)
    tx.execute(update(t.effect).where(t.effect.c.op_key == call["op_key"]).values(status=PARKED))
    return outcome.commit(tx) if outcome.commit is not None else None


def _ended(tx: Tx, claim: Claim, call: Any, outcome: Outcome) -> None:
    """What an error leaves is not known for certain: it may have come after the change."""
    tx.fence(claim.agent_id, claim.epoch)
    told: Json = {"status": "unknown"} if outcome.is_error else {"status": "done", "applied_at": tx.now()}
    tx.execute(update(t.effect).where(t.effect.c.op_key == call["op_key"]).values(result=outcome.content, **told))
