"""Messages between agents: rows addressed to a name that exists, delivered in order and once, or given back."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from bot.store import journal
from bot.store.database import Tx
from bot.store.fast import Statement
from bot.store.schema import agent, mail
from bot.types import Json

HARNESS = "cadre"  # the sender of reports and of answers by people
TEXT_MAX = 4_000  # characters; more belongs into a file
DATA_MAX = 16_000  # characters as JSON
ENDED = ("failed", "stopped")  # nobody reads mail there any more; who is done takes up the work again

ROSTER = Statement(
    select(agent.c.name, agent.c.status).where(agent.c.run_id == bindparam("of"), agent.c.kind == "agent")
)
STATUS = Statement(select(agent.c.status).where(agent.c.id == bindparam("of"), agent.c.kind == "agent"))
ADD = Statement(
    insert(mail),
    names=(
        "id", "team_id", "run_id", "seq", "sender", "recipient", "text", "data", "files", "sent_at", "labels",
    ),
)  # fmt: skip
READ = Statement(
    update(mail)
    .where(
        mail.c.run_id == bindparam("of"), mail.c.recipient == bindparam("to"), mail.c.seq <= bindparam("upto"),
        mail.c.delivered_at.is_(None),
    )
    .values(delivered_at=bindparam("now"))
)  # fmt: skip


@dataclass(frozen=True)
class SharedFile:
    """A file on its way to a colleague: its name, its content's hash, and how the sender came by it."""

    name: str
    sha256: str
    via: str


class Unreachable(KeyError):
    """The recipient has ended for good; its status is the second argument."""


def too_large(text: str, data: Json) -> str:
    """Why a message must not travel as it is, or "": messages carry pointers, files carry payloads."""
    if len(text) > TEXT_MAX:
        return f"The text has {len(text):,} characters; {TEXT_MAX:,} fit."
    size = len(json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)) if data else 0
    return f"The data has {size:,} characters as JSON; {DATA_MAX:,} fit." if size > DATA_MAX else ""


def roster(connection: Connection, run_id: str) -> dict[str, str]:
    """The run's agents: name -> status."""
    return dict(ROSTER.execute(connection, {"of": run_id}).fetchall())


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

    Raises KeyError when nobody of that name belongs to the run, Unreachable (a KeyError) when they have ended.
    """
    found = STATUS.execute(tx.connection, {"of": f"{run_id}/{recipient}"}).fetchone()
    if found is None:
        raise KeyError(recipient)
    status = found[0]
    if status in ENDED:
        raise Unreachable(recipient, status)
    counters = journal.count(tx, run_id, rows=1, ids=1)
    short = f"m{counters.number}"
    journal.add_rows(tx, run_id, counters, [("mail", {"id": short, "from": sender, "to": recipient})])
    ADD.execute(
        tx.connection,
        {
            "id": f"{run_id}/{short}", "team_id": counters.team, "run_id": run_id, "seq": counters.seq,
            "sender": sender, "recipient": recipient, "text": text, "data": data or {}, "sent_at": tx.now(),
            "files": [{"name": f.name, "sha256": f.sha256, "via": f.via} for f in files], "labels": {},
        },
    )  # fmt: skip
    if status == "done" and not (data or {}).get("report"):
        take_up_again(tx, run_id, recipient)
    tx.wake(f"{run_id}/{recipient}")
    return short


def take_up_again(tx: Tx, run_id: str, name: str) -> None:
    """A finished colleague goes on working: there is something new to read."""
    tx.execute(
        update(agent)
        .where(agent.c.id == f"{run_id}/{name}", agent.c.status == "done")
        .values(status="live", finish=None, waiting=None)
    )
    tx.wake(f"{run_id}/{name}")


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
    """Mark messages as read: the recipient's turn that used them, and moves its cursor, is being recorded."""
    READ.execute(tx.connection, {"of": run_id, "to": recipient, "upto": upto, "now": tx.now()})


def receipts(connection: Connection, run_id: str, sender: str, last: int = 20) -> list[Json]:
    """What became of the sender's last messages: waiting, read, or returned unread."""
    found = connection.execute(
        select(mail.c.id, mail.c.recipient, mail.c.delivered_at, mail.c.returned_at)
        .where(mail.c.run_id == run_id, mail.c.sender == sender)
        .order_by(mail.c.seq.desc())
        .limit(last)
    )
    return [
        {
            "id": row.id.rsplit("/", 1)[-1], "to": row.recipient,
            "state": "read" if row.delivered_at else "returned" if row.returned_at else "waiting",
        }
        for row in found
    ]  # fmt: skip


def give_back(tx: Tx, run_id: str, recipient: str) -> list[str]:
    """Tell the senders that an agent which has ended never read their messages; returns the ids, once each."""
    found = tx.execute(
        update(mail)
        .where(mail.c.run_id == run_id, mail.c.recipient == recipient, mail.c.delivered_at.is_(None),
               mail.c.returned_at.is_(None))
        .values(returned_at=tx.now())
        .returning(mail.c.id, mail.c.sender, mail.c.seq)
    ).all()  # fmt: skip
    unread: dict[str, list[str]] = defaultdict(list)
    for row in sorted(found, key=lambda r: r.seq):
        unread[row.sender].append(row.id.rsplit("/", 1)[-1])
    known = roster(tx.connection, run_id)
    for sender, ids in unread.items():
        journal.append(tx, run_id, "mail.returned", {"to": recipient, "from": sender, "ids": ids})
        if known.get(sender) in ("live", "finishing"):
            words = f"{recipient} has ended ({known[recipient]}) and never read {', '.join(ids)}. Decide without it."
            send(tx, run_id, HARNESS, sender, words, data={"unread": ids, "by": recipient})
    return [short for ids in unread.values() for short in ids]
