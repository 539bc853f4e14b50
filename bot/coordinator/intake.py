"""The durable inbox: one row per occurrence, whatever is delivered how often and in which order."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from bot.store.database import Tx
from bot.store.schema import agent, inbox, journal
from bot.types import Request

INTAKE = "_intake"  # the agent row that turns inbox rows into runs
ATTACHED = "attached"  # journal row: the files of an inbox row were handed over to the lead, or cannot be had


def receive(tx: Tx, request: Request) -> bool:
    """Keep a request and wake the intake; False when this occurrence was already kept."""
    kept = tx.add(
        inbox, team_id=request.team, channel=request.channel, key=request.key, kind=request.kind,
        event_id=request.event_id, user=request.user, thread=request.thread, channel_name=request.channel_name,
        text=request.text, received_at=tx.now(), state="new", files=list(request.files), terms=request.terms,
    )  # fmt: skip
    if not kept:
        return False
    if tx.execute(select(agent.c.id).where(agent.c.id == INTAKE)).first() is None:
        raise RuntimeError("the store has no intake: start the application first")
    tx.wake(INTAKE)
    return True


def ensure_intake(tx: Tx) -> None:
    """Make the intake's row once; it belongs to no run."""
    tx.add(
        agent, id=INTAKE, team_id="", run_id=None, kind="coordinator", name=INTAKE, status="live", wake_seq=0,
        labels={},
    )  # fmt: skip


def untaken(tx: Tx) -> list[Request]:
    """The requests kept and not yet made into runs, oldest first."""
    found = tx.execute(select(inbox).where(inbox.c.state == "new").order_by(inbox.c.id)).mappings().all()
    return [
        Request(
            team=r["team_id"],
            channel=r["channel"],
            thread=r["thread"],
            key=r["key"],
            kind=r["kind"],
            user=r["user"],
            text=r["text"],
            event_id=r["event_id"],
            channel_name=r["channel_name"],
            files=tuple(r["files"]),
            terms=r["terms"],
        )
        for r in found
    ]


def taken(tx: Tx, request: Request, run_id: str | None) -> None:
    """Mark a request as worked by a run, or as answered without one."""
    tx.execute(
        update(inbox)
        .where(
            inbox.c.team_id == request.team,
            inbox.c.channel == request.channel,
            inbox.c.key == request.key,
            inbox.c.kind == request.kind,
        )
        .values(state="taken", run_id=run_id)
    )


def files_coming(connection: Connection, run_id: str) -> list[Any]:
    """The requests of a run whose attached files are not handed over yet."""
    asked = list(connection.execute(select(inbox).where(inbox.c.run_id == run_id)).mappings())
    asked = [row for row in asked if row["files"]]
    if not asked:
        return []
    told = select(journal.c.body).where(journal.c.run_id == run_id, journal.c.kind == ATTACHED)
    known = {body["inbox"] for body in connection.execute(told).scalars()}
    return [row for row in asked if row["id"] not in known]
