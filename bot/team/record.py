"""What an agent's turn leaves behind, each in one transaction that holds the agent's fence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update

from bot.errors import ModelMustRetry
from bot.model.client import Reply
from bot.model.cost import price
from bot.policy.gate import Call, Effect, Verdict, decide
from bot.store import journal, mail
from bot.store import schema as t
from bot.store.database import Tx
from bot.store.leases import Claim
from bot.team.state import AgentState
from bot.tools.base import Outcome, refused
from bot.tools.registry import Registry
from bot.types import Json

INLINE = 32_000  # characters of a result that enter the context; longer ones are cut with a note


@dataclass(frozen=True)
class Recorder:
    """Writes turns, results and endings of one activation."""

    claim: Claim
    toolbox: Registry

    def turn(self, tx: Tx, state: AgentState, reply: Reply, content: list[Json], notes: tuple[str, ...] = ()) -> None:
        """The reply with the mail it used, its price, and an intent with a decision for each call."""
        self._fence(tx)
        row, run_id = state.row, self.claim.run_id
        number = row["turns"] + 1
        self._append(
            tx,
            "turn",
            {
                "content": content,
                "stop_reason": reply.stop_reason,
                "mail": [m["id"].rsplit("/", 1)[-1] for m in state.mails],
                "usage": reply.usage,
            },
        )
        if state.mails:
            mail.delivered(tx, run_id, row["name"], state.mails[-1]["seq"])
        tx.execute(update(t.agent).where(t.agent.c.id == row["id"]).values(turns=number, trouble=None))
        tx.execute(
            insert(t.spend).values(
                team_id=row["team_id"], run_id=run_id, agent_id=row["id"], parent=row["parent"], model=reply.model,
                amount=f"{price(reply):f}", **reply.usage,
            )
        )  # fmt: skip
        for position, block in enumerate(b for b in content if b["type"] == "tool_use"):
            self._intent(tx, state, block, number, position)
        for words in notes:
            self.note(tx, words)

    def note(self, tx: Tx, words: str) -> None:
        """A word from the harness to the agent, read at its next turn."""
        self._append(tx, "note", {"text": words})

    def _intent(self, tx: Tx, state: AgentState, block: Json, turn: int, position: int) -> None:
        row = state.row
        tool = self.toolbox.get(block["name"])
        digest = journal.sha256_of(block["input"])
        wrong = None
        if tool is None:
            known = ", ".join(self.toolbox.allowed(state.role_tools))
            wrong = refused(f"There is no tool {block['name']}. You have: {known}.")
        elif tx.execute(
            select(t.tool_call.c.id).where(t.tool_call.c.agent_id == row["id"], t.tool_call.c.id == block["id"])
        ).first():
            raise ModelMustRetry(f"Two calls carry the id {block['id']}.")
        else:
            try:
                tool.parse(block["input"])
            except ModelMustRetry as error:
                wrong = refused(str(error))
        effect = tool.effect if tool else Effect.OTHER
        choice = decide(Call(block["name"], effect, state.role_tools))
        decision = journal.next_id(tx, row["run_id"], "d")
        tx.execute(
            insert(t.decision).values(
                id=f"{row['run_id'][-12:]}-{decision}", team_id=row["team_id"], run_id=row["run_id"],
                agent_id=row["id"], tool=block["name"], args_sha256=digest, verdict=choice.verdict,
                reason=choice.reason, at=tx.now(), labels={},
            )
        )  # fmt: skip
        if wrong is None and choice.verdict in (Verdict.REFUSE, Verdict.ASK):
            wrong = refused(f"{block['name']} was not allowed: {choice.reason}.")
        tx.execute(
            insert(t.tool_call).values(
                agent_id=row["id"], id=block["id"], team_id=row["team_id"], run_id=row["run_id"], turn=turn,
                position=position, name=block["name"], args=block["input"], args_sha256=digest, effect=effect,
                op_key=f"{row['id']}/{block['id']}", decision_id=f"{row['run_id'][-12:]}-{decision}",
                status="intent", epoch=self.claim.epoch,
            )
        )  # fmt: skip
        if wrong is not None:
            self._result(tx, block["id"], wrong.content, True, "refused")

    def result(self, tx: Tx, call_id: str, outcome: Outcome) -> None:
        """The call's outcome with everything it changes in the store, once."""
        self._fence(tx)
        status = tx.execute(
            select(t.tool_call.c.status).where(
                t.tool_call.c.agent_id == self.claim.agent_id, t.tool_call.c.id == call_id
            )
        ).scalar()
        if status != "intent":
            return
        content = outcome.content
        is_error = outcome.is_error
        if outcome.commit is not None and not is_error:
            content = outcome.commit(tx) or content
        if outcome.files:
            self._append(tx, "tool.files", {"call": call_id, "files": list(outcome.files)})
        self._result(tx, call_id, content, is_error, "failed" if is_error else "done")

    def park(self, tx: Tx, call_id: str, outcome: Outcome, waiting: Json) -> None:
        """Leave the agent asleep inside this call."""
        self._fence(tx)
        if outcome.commit is not None:
            outcome.commit(tx)
        tx.execute(
            update(t.agent).where(t.agent.c.id == self.claim.agent_id).values(waiting={"id": call_id, **waiting})
        )

    def unpark(self, tx: Tx, call_id: str, content: Json, *, is_error: bool = False) -> None:
        """Answer the call the agent sleeps in."""
        self._fence(tx)
        tx.execute(update(t.agent).where(t.agent.c.id == self.claim.agent_id).values(waiting=None))
        self._result(tx, call_id, content, is_error, "failed" if is_error else "done")

    def _result(self, tx: Tx, call_id: str, content: Json, is_error: bool, status: str) -> None:
        close_call(tx, self.claim.run_id, self.claim.agent_id, call_id, content, is_error, status, self.claim.epoch)

    def _append(self, tx: Tx, kind: str, body: Json) -> None:
        journal.append(tx, self.claim.run_id, kind, body, agent_id=self.claim.agent_id, epoch=self.claim.epoch)

    def _fence(self, tx: Tx) -> None:
        tx.fence(self.claim.agent_id, self.claim.epoch)


def close_call(
    tx: Tx, run_id: str, agent_id: str, call_id: str, content: Json, is_error: bool, status: str, epoch: int = 0
) -> None:
    """Record the result of a call; the coordinator uses it to answer a finish."""
    tx.execute(
        update(t.tool_call)
        .where(t.tool_call.c.agent_id == agent_id, t.tool_call.c.id == call_id)
        .values(status=status)
    )
    body = {"id": call_id, "content": _cut(content), "is_error": is_error}
    journal.append(tx, run_id, "tool.result", body, agent_id=agent_id, epoch=epoch)


def _cut(content: Json) -> Json:
    """Keep a result within the context's share; what is cut is said."""
    if len(journal.canonical(content)) <= INLINE:
        return content
    kept: Json = {}
    for key, value in content.items():
        size = len(journal.canonical(value))
        if size > INLINE // 2 and isinstance(value, str):
            kept[key] = value[: INLINE // 2]
            kept[f"{key}_cut"] = f"{len(value) - INLINE // 2} more characters"
        elif size > INLINE // 2 and isinstance(value, list):
            kept[key] = value[:20]
            kept[f"{key}_cut"] = f"{len(value) - 20} more items"
        else:
            kept[key] = value
    return kept


Work = Callable[[Tx], Any]
