"""Messages between agents: rows addressed to a name that exists, delivered in order and once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from bot.store import journal
from bot.store.database import Tx
from bot.store.schema import agent, mail, run
from bot.types import Json

HARNESS = "cadre"  # the sender of reports and of answers by people


@dataclass(frozen=True)
class SharedFile:
    """A file on its way to a colleague: its name, its content's hash, and how the sender came by it."""

    name: str
    sha256: str
    via: str


def roster(connection: Connection, run_id: str) -> dict[str, str]:
    """The run's agents: name -> status."""
    found = connection.execute(
        select(agent.c.name, agent.c.status).where(agent.c.run_id == run_id, agent.c.kind == "agent")
    )
    return {row.name: row.status for row in found}


def send(
    tx: Tx,
    run_id: str,
    sender: str,
    recipient: str,
    text: str,
    *,
    data: Json | None = None,
    files: tuple[SharedFile, ...] = (),
) -> str:
    """Put a message into a colleague's mailbox and wake them; returns its id.

    Raises KeyError when nobody of that name belongs to the run.
    """
    names = roster(tx.connection, run_id)
    if recipient not in names:
        raise KeyError(recipient)
    team = tx.execute(select(run.c.team_id).where(run.c.id == run_id)).scalar_one()
    short = journal.next_id(tx, run_id, "m")
    seq = journal.append(tx, run_id, "mail", {"id": short, "from": sender, "to": recipient})
    tx.execute(
        insert(mail).values(
            id=f"{run_id}/{short}", team_id=team, run_id=run_id, seq=seq, sender=sender, recipient=recipient,
            text=text, data=data or {}, sent_at=tx.now(),
            files=[{"name": f.name, "sha256": f.sha256, "via": f.via} for f in files], labels={},
        )
    )  # fmt: skip
    if names[recipient] == "done" and not (data or {}).get("report"):  # a finished colleague takes up the work again
        tx.execute(
            update(agent)
            .where(agent.c.id == f"{run_id}/{recipient}")
            .values(status="live", finish=None, waiting=None)
        )
    tx.wake(f"{run_id}/{recipient}")
    return short


def undelivered(connection: Connection, run_id: str, recipient: str, cursor: int) -> list[Any]:
    """Messages beyond the agent's cursor, in order."""
    return list(
        connection.execute(
            select(mail)
            .where(mail.c.run_id == run_id, mail.c.recipient == recipient, mail.c.seq > cursor)
            .order_by(mail.c.seq)
        ).mappings()
    )


def delivered(tx: Tx, run_id: str, recipient: str, upto: int) -> None:
    """Move the cursor: the recipient's turn that used these messages is being recorded."""
    tx.execute(
        update(mail)
        .where(mail.c.run_id == run_id, mail.c.recipient == recipient, mail.c.seq <= upto,
               mail.c.delivered_at.is_(None))
        .values(delivered_at=tx.now())
    )  # fmt: skip
    tx.execute(update(agent).where(agent.c.id == f"{run_id}/{recipient}").values(mail_cursor=upto))
