"""The lead's answer to what a person wrote while the run was at work: shown in the thread, below their words."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from sqlalchemy import Connection, select, update

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.store import journal
from bot.store.database import Tx
from bot.store.schema import journal as journal_table
from bot.store.schema import mail, run
from bot.tools import render
from bot.tools.base import Args, Outcome, Tool, ToolContext
from bot.types import Json


class AnswerArgs(Args):
    message: str = Field(description="The id of the message from cadre with data.steer.")
    outcome: Literal["changed", "unchanged", "impossible"] = Field(
        description="changed: it is worked in (call plan first when tasks change); else say why not."
    )
    text: str = Field(max_length=1000, description="What the person reads, in one or two sentences.")


async def answer_person(ctx: ToolContext, args: AnswerArgs) -> Outcome:
    """Answer once what somebody wrote in the thread."""

    def commit(tx: Tx) -> Json:
        row = tx.execute(select(mail).where(mail.c.id == f"{ctx.run_id}/{args.message}")).mappings().first()
        if row is None or not row["data"].get("steer"):
            raise ModelMustRetry(f"{args.message} is no message of a person in the thread.")
        if args.message in _answers(tx.connection, ctx.run_id):
            return {"ok": True, "already": True}
        said = f"{render.requested(tx.connection, ctx.run_id)} {row['text']}"
        bare = render.uncited_numbers(args.text, said)
        if bare:
            raise ModelMustRetry(f"Numbers without a source: {', '.join(bare[:5])}. Cite figures or leave them out.")
        text, _ = render.lookup(tx.connection, ctx.run_id, "").fill(args.text, lambda label, _url: label)
        body = {"mail": args.message, "outcome": args.outcome, "text": text}
        journal.append(tx, ctx.run_id, "steer.answered", body)
        tx.execute(update(run).where(run.c.id == ctx.run_id).values(said=run.c.said + 1))
        return {"ok": True}

    return Outcome({}, commit=commit)


def _answers(connection: Connection, run_id: str) -> set[str]:
    query = select(journal_table.c.body).where(
        journal_table.c.run_id == run_id, journal_table.c.kind == "steer.answered"
    )
    return {str(body["mail"]) for body in connection.execute(query).scalars()}


def unanswered(connection: Connection, run_id: str) -> list[Any] | None:
    """What people wrote that nobody answered yet; None when nobody wrote."""
    query = select(mail).where(mail.c.run_id == run_id, mail.c.recipient == "lead", mail.c.sender == "cadre")
    said = [m for m in connection.execute(query.order_by(mail.c.seq)).mappings() if m["data"].get("steer")]
    if not said:
        return None
    answers = _answers(connection, run_id)
    return [m for m in said if m["id"].rsplit("/", 1)[-1] not in answers]


def steering_tools() -> list[Tool]:
    return [
        Tool("answer_person", "Answer what a person wrote in the thread meanwhile; it stands below their words.",
             Effect.TEAM, answer_person, AnswerArgs)
    ]  # fmt: skip
