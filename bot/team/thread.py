"""What was said in a run's thread since its lead last looked: data, never an instruction, and a row of the run."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, or_, select

from bot.store import journal
from bot.store import schema as t
from bot.store.database import Database, Tx
from bot.store.leases import Claim
from bot.team.context import THREAD
from bot.team.state import AgentState
from bot.types import Json

MOST = 60  # messages at once, the latest ones
TEXT_MAX = 2_000
WHO = {"person": "person", "bot": "another app", "cadre": "you"}


async def hear(db: Database, claim: Claim, state: AgentState) -> None:
    """Put into the lead's context what people and apps wrote in the thread meanwhile."""
    if not state.lead or not state.run["thread"]:
        return
    run, known = state.run, state.context.heard
    body = await db.read(lambda c: said(c, run, known))
    if body is None:
        return
    labels = {
        "integrity": "untrusted",
        "sources": [f"slack:{run['channel']}/{run['thread']}"],
        "readers": [run["channel"]],
    }

    def keep(tx: Tx) -> None:
        tx.fence(claim.agent_id, claim.epoch)
        journal.append(
            tx, claim.run_id, THREAD, body, agent_id=claim.agent_id, epoch=claim.epoch, labels=labels
        )  # fmt: skip

    await db.write(keep)
    state.context.thread(body)


def said(connection: Connection, run: Any, known: set[str]) -> Json | None:
    """The messages of a run's thread that its lead has not heard of, or None; what it was told as words to it
    is left out, and so is what it said itself."""
    seen = t.seen_message.c
    found = connection.execute(
        select(seen.ts, seen.user, seen.author, seen.text)
        .where(
            seen.team_id == run["team_id"], seen.channel == run["channel"], seen.deleted.is_(False),
            or_(seen.thread == run["thread"], seen.ts == run["thread"]),
        )
        .order_by(seen.ts)
    ).all()  # fmt: skip
    if all(row.ts in known for row in found):
        return None
    i = t.inbox.c
    coming = (i.state == "new") & (i.team_id == run["team_id"]) & (i.channel == run["channel"])
    told = select(i.key).where((i.run_id == run["id"]) | coming)  # what is coming may be for it, too
    to_it = {key.partition(":")[0] for key in connection.execute(told).scalars()}
    new = [
        row
        for row in found
        if row.ts not in known
        and row.ts not in to_it
        and row.text.strip()
        and not (row.author == "cadre" and float(row.ts) >= run["created_at"])
    ]
    if not new:
        return None
    messages = [
        {"ts": row.ts, "from": row.user, "who": WHO.get(row.author, "person"), "text": row.text[:TEXT_MAX]}
        for row in new[-MOST:]
    ]
    return {"messages": messages, **({"earlier": len(new) - MOST} if len(new) > MOST else {})}
