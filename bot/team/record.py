"""What an agent's turn leaves behind, each in one transaction that holds the agent's fence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import bindparam, insert, update

from bot.errors import Fenced, ModelMustRetry
from bot.model.cost import following, price
from bot.model.reply import Reply, sound
from bot.policy.gate import Decision, Effect, Verdict
from bot.store import journal, mail, money
from bot.store import schema as t
from bot.store.database import Tx
from bot.store.fast import Statement
from bot.store.leases import Claim
from bot.team.context import compact
from bot.team.state import AgentState, Boundary
from bot.tools.base import Outcome, refused
from bot.tools.registry import Registry
from bot.types import Json

CUT_CALL = "The reply was cut at the output limit, so this call was not made. Make it again, in smaller parts."
INLINE = 32_000  # characters of a result that enter the context; longer ones are cut with a note

_held = (t.agent.c.id == bindparam("of"), t.agent.c.epoch == bindparam("holds"))
TURN = Statement(
    update(t.agent)
    .where(*_held)
    .values(turns=bindparam("turns"), mail_cursor=bindparam("cursor"), trouble=None, barren=0)
    .returning(t.agent.c.wake_seq, t.agent.c.status)
)
STEP = Statement(update(t.agent).where(*_held).values(barren=0).returning(t.agent.c.wake_seq, t.agent.c.status))
UNPARK = Statement(
    update(t.agent)
    .where(*_held)
    .values(barren=0, waiting=None)
    .returning(t.agent.c.wake_seq, t.agent.c.status, t.agent.c.reserved)
)
PARK = Statement(
    update(t.agent)
    .where(*_held)
    .values(barren=0, waiting=bindparam("call"))
    .returning(t.agent.c.wake_seq, t.agent.c.status)
)
_common = ("team_id", "run_id", "agent_id", "args_sha256", "id")
SPEND = Statement(
    insert(t.spend),
    names=(
        "team_id", "run_id", "agent_id", "parent", "model", "amount", "currency", "input", "output", "cache_read",
        "cache_write",
    ),
)  # fmt: skip
DECISION = Statement(insert(t.decision), names=(*_common, "tool", "verdict", "reason", "at", "labels"))
CALL = Statement(
    insert(t.tool_call),
    names=(*_common, "turn", "position", "name", "args", "effect", "op_key", "decision_id", "status", "epoch"),
)
CLOSE = Statement(
    update(t.tool_call)
    .where(
        t.tool_call.c.agent_id == bindparam("of"), t.tool_call.c.id == bindparam("call"),
        t.tool_call.c.status == "intent",
    )
    .values(status=bindparam("now"))
)  # fmt: skip


@dataclass(frozen=True)
class Turn:
    """A recorded turn: the journal's bodies in their order, the calls to make, and what else the write found."""

    bodies: list[tuple[str, Json]]
    calls: list[Json]
    boundary: Boundary


@dataclass(frozen=True)
class Judged:
    """What the gate says of a call, and what the agent reads of it as far as that is known before the turn is kept:
    why it is not made, or what a read came to that was over at once."""

    decision: Decision
    outcome: Outcome | None = None
    status: str = "intent"


@dataclass(frozen=True)
class Recorder:
    """Writes turns, results and endings of one activation."""

    claim: Claim
    toolbox: Registry

    def turn(
        self, tx: Tx, state: AgentState, reply: Reply, content: list[Json], notes: Sequence[str] = (),
        judged: Sequence[Judged] = (),
    ) -> Turn:  # fmt: skip
        """The reply with the mail it used, its price, and each of its calls as it was `judged`, in order.

        Raises ModelMustRetry when two calls carry one id.
        """
        row, run_id = state.row, self.claim.run_id
        number = row["turns"] + 1
        cursor = state.mails[-1]["seq"] if state.mails else row["mail_cursor"]
        woken = self._own(tx, TURN, turns=number, cursor=cursor)
        blocks = [block for block in content if block["type"] == "tool_use"]
        bodies: list[tuple[str, Json]] = [("turn", _turn_body(state, reply, content))]
        bodies += [
            ("tool.result", _result_body(block["id"], one.outcome.content, one.outcome))
            for block, one in zip(blocks, judged, strict=True)
            if one.outcome is not None
        ]
        bodies += [("note", {"text": words}) for words in notes]
        counters = journal.count(tx, run_id, rows=len(bodies), ids=len(blocks))
        journal.add_rows(tx, run_id, counters, bodies, agent_id=row["id"], epoch=self.claim.epoch)
        if state.mails:
            mail.delivered(tx, run_id, row["name"], cursor)
        if number == 1 and state.role.budget:
            money.set_limit(tx, row["team_id"], "agent", row["id"], "run", state.role.budget)
        price_as = state.run["price_as"]
        amount = price(reply, price_as)
        SPEND.execute(
            tx.connection,
            {
                "team_id": row["team_id"], "run_id": run_id, "agent_id": row["id"], "parent": row["parent"],
                "model": reply.model, "amount": f"{amount:f}", "currency": "USD", **reply.usage,
            },
        )  # fmt: skip
        paused = money.settle(tx, run_id, row["id"], amount, lambda: following(reply, price_as))
        counters = replace(counters, control=paused or counters.control)
        calls = self._intents(tx, state, counters.number, number, blocks, judged)
        return Turn(bodies, calls, _boundary(woken, counters))

    def judge(self, state: AgentState, reply: Reply, content: list[Json]) -> list[Judged]:
        """What the gate says of each call of a reply."""
        blocks = [block for block in content if block["type"] == "tool_use"]
        judged = [self._judge(state, block) for block in blocks]
        if reply.stop_reason == "max_tokens" and blocks and content[-1] is blocks[-1]:
            judged[-1] = Judged(judged[-1].decision, refused(CUT_CALL), "refused")
        return judged

    def _judge(self, state: AgentState, block: Json) -> Judged:
        tool = self.toolbox.get(block["name"])
        choice = state.decision(block["name"], tool, block["input"])
        if tool is None:
            words = self.toolbox.missing(block["name"], state.role_tools, state.run["channel"])
            return Judged(choice, refused(words), "refused")
        try:
            tool.parse(block["input"])
        except ModelMustRetry as error:
            return Judged(choice, refused(str(error)), "refused")
        if choice.verdict is Verdict.REFUSE:
            return Judged(choice, refused(f"{block['name']} was not allowed: {choice.reason}."), "refused")
        return Judged(choice)

    def _intents(
        self, tx: Tx, state: AgentState, first: int, turn: int, blocks: list[Json], judged: Sequence[Judged]
    ) -> list[Json]:
        """Write decisions and calls; returns the calls to make."""
        row, run_id, at = state.row, self.claim.run_id, tx.now()
        decisions, calls = [], []
        for position, (block, one) in enumerate(zip(blocks, judged, strict=True)):
            decision = f"{run_id[-12:]}-d{first + position}"
            digest = journal.sha256_of(block["input"])
            tool = self.toolbox.get(block["name"])
            common = {"team_id": row["team_id"], "run_id": run_id, "agent_id": row["id"], "args_sha256": digest}
            decisions.append(
                {**common, "id": decision, "tool": block["name"], "verdict": one.decision.verdict.value,
                 "reason": one.decision.reason, "at": at, "labels": {}}
            )  # fmt: skip
            calls.append(
                {**common, "id": block["id"], "turn": turn, "position": position, "name": block["name"],
                 "args": block["input"], "effect": (tool.effect if tool else Effect.OTHER).value,
                 "op_key": f"{row['id']}/{block['id']}", "decision_id": decision,
                 "status": one.status, "epoch": self.claim.epoch}
            )  # fmt: skip
        if calls:
            DECISION.execute_all(tx.connection, decisions)
            try:
                CALL.execute_all(tx.connection, calls)
            except tx.connection.dialect.dbapi.IntegrityError as error:  # type: ignore[union-attr]
                raise ModelMustRetry("Two calls carry the same id.") from error
        return [call for call in calls if call["status"] == "intent"]

    def result(self, tx: Tx, call_id: str, outcome: Outcome) -> tuple[Json, Boundary] | None:
        """The call's outcome with everything it changes in the store, once: the row's body and what else changed.

        None when the result was there already. Raises Fenced, or ModelMustRetry from the outcome's own commit.
        """
        woken = self._own(tx, STEP)
        if not self._close(tx, call_id, outcome.is_error):
            return None
        content = outcome.content
        if outcome.commit is not None and not outcome.is_error:
            content = outcome.commit(tx) or content
        body = _result_body(call_id, content, outcome)
        bodies: list[tuple[str, Json]] = [("tool.result", body)]
        if outcome.files:
            bodies.insert(0, ("tool.files", {"call": call_id, "files": list(outcome.files)}))
        return body, _boundary(woken, self._add(tx, bodies, outcome.labels))

    def _close(self, tx: Tx, call_id: str, is_error: bool) -> bool:
        """Mark a call as answered; False when it was before."""
        status = "failed" if is_error else "done"
        given = {"of": self.claim.agent_id, "call": call_id, "now": status}
        return bool(CLOSE.execute(tx.connection, given).rowcount)

    def _add(self, tx: Tx, bodies: list[tuple[str, Json]], labels: Json | None = None) -> journal.Counters:
        counters = journal.count(tx, self.claim.run_id, rows=len(bodies))
        journal.add_rows(
            tx, self.claim.run_id, counters, bodies, agent_id=self.claim.agent_id, epoch=self.claim.epoch,
            labels=labels,
        )  # fmt: skip
        return counters

    def _own(self, tx: Tx, statement: Statement, **values: Any) -> Any:
        """Change the agent's row while it is ours. Raises Fenced when a newer activation owns it."""
        found = statement.execute(
            tx.connection, {"of": self.claim.agent_id, "holds": self.claim.epoch, **values}
        ).fetchall()
        if not found:
            raise Fenced()
        return found[0]

    def park(self, tx: Tx, call_id: str, outcome: Outcome, waiting: Json) -> Json:
        """Leave the agent asleep inside this call; returns what it waits for."""
        tx.fence(self.claim.agent_id, self.claim.epoch)
        if outcome.commit is not None:
            waiting = {**waiting, **(outcome.commit(tx) or {})}
        waiting = {"id": call_id, **waiting}
        self._own(tx, PARK, call=waiting)
        return waiting

    def unpark(self, tx: Tx, call_id: str, content: Json, *, is_error: bool = False) -> tuple[Json, Boundary] | None:
        """Answer the call the agent sleeps in: the row's body and what else the write found.

        None when it was answered already. Raises Fenced.
        """
        woken = self._own(tx, UNPARK)
        paused = money.check(tx, self.claim.run_id) if woken[2] else ""
        if not self._close(tx, call_id, is_error):
            return None
        body = _result_body(call_id, content, Outcome(content, is_error))
        counters = self._add(tx, [("tool.result", body)])
        return body, _boundary(woken, replace(counters, control=paused or counters.control))


def close_call(
    tx: Tx, run_id: str, agent_id: str, call_id: str, content: Json, is_error: bool, status: str, epoch: int = 0
) -> None:
    """Record the result of a call; the coordinator uses it to answer a finish."""
    made = tx.execute(
        update(t.tool_call)
        .where(t.tool_call.c.agent_id == agent_id, t.tool_call.c.id == call_id)
        .values(status=status)
    )
    if made.rowcount == 0:  # the agent finished by its reply: there is no call to answer
        if is_error:
            journal.append(tx, run_id, "note", {"text": content["error"]}, agent_id=agent_id, epoch=epoch)
        return
    body = _result_body(call_id, content, Outcome(content, is_error))
    journal.append(tx, run_id, "tool.result", body, agent_id=agent_id, epoch=epoch)


def _turn_body(state: AgentState, reply: Reply, content: list[Json]) -> Json:
    return {
        "content": content,
        "stop_reason": reply.stop_reason,
        "mail": [m["id"].rsplit("/", 1)[-1] for m in state.mails],
        "usage": reply.usage,
    }


def _result_body(call_id: str, content: Json, outcome: Outcome) -> Json:
    """A result as the journal keeps it; `content` may be more than the outcome's own."""
    body = {"id": call_id, "content": _cut(content), "is_error": outcome.is_error}
    return {**body, "refers": list(outcome.refers)} if outcome.refers else body


def _boundary(woken: Any, counters: journal.Counters) -> Boundary:
    return Boundary(woken[0], woken[1], counters.control, counters.status)


def _cut(content: Json) -> Json:
    """Keep a result within the context's share, and as JSON can hold it; what is cut is said."""
    told = compact(content)
    if not told.isascii() or any(odd in told for odd in ("\\u0000", "NaN", "Infinity")):
        content = sound(content)
    if len(told) <= INLINE:
        return content
    kept: Json = {}
    for key, value in content.items():
        size = len(compact(value))
        if size > INLINE // 2 and isinstance(value, str):
            kept[key] = value[: INLINE // 2]
            kept[f"{key}_cut"] = f"{len(value) - INLINE // 2} more characters"
        elif size > INLINE // 2 and isinstance(value, list):
            kept[key] = value[:20]
            kept[f"{key}_cut"] = f"{len(value) - 20} more items"
        else:
            kept[key] = value
    return kept
