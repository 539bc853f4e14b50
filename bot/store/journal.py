"""Append and read: the ordered rows of a run. Order is commit order, from a counter on the run row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from bot.store.database import BLOB_OVER, Tx
from bot.store.fast import Encoded, Statement
from bot.store.schema import agent, blob, journal, run
from bot.types import Json

VERSION = 1  # of the bodies below; folds accept every version up to this one


COUNT = Statement(
    update(run)
    .where(run.c.id == bindparam("of"))
    .values(next_seq=run.c.next_seq + bindparam("rows"), next_id=run.c.next_id + bindparam("ids"))
    .returning(run.c.next_seq, run.c.next_id, run.c.team_id, run.c.control, run.c.status)
)
COLUMNS = ("run_id", "seq", "team_id", "at", "kind", "agent_id", "epoch", "version", "body", "blob", "labels")
ADD = Statement(insert(journal), names=COLUMNS)
PROGRESS = Statement(
    update(agent).where(agent.c.id == bindparam("of")).values(progress_seq=bindparam("seq"), barren=0)
)
MINE = Statement(
    select(journal.c.kind, journal.c.body, journal.c.blob)
    .where(journal.c.agent_id == bindparam("of"))
    .order_by(journal.c.seq)
)


def sha256_of(value: Any) -> str:
    """The hash of a JSON value, equal for equal values."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def append(
    tx: Tx,
    run_id: str,
    kind: str,
    body: Json,
    *,
    agent_id: str = "",
    epoch: int = 0,
    labels: Json | None = None,
) -> int:
    """Add one row to the run and wake whoever shows it; returns its place in the run's order."""
    counters = count(tx, run_id, rows=1)
    add_rows(tx, run_id, counters, [(kind, body)], agent_id=agent_id, epoch=epoch, labels=labels)
    if agent_id:
        PROGRESS.execute(tx.connection, {"of": agent_id, "seq": counters.seq})
    return counters.seq


@dataclass(frozen=True)
class Counters:
    """The first row number and the first short id that a transaction may use, and the run as it stands."""

    seq: int
    number: int
    team: str
    control: str
    status: str


def count(tx: Tx, run_id: str, *, rows: int, ids: int = 0) -> Counters:
    """Reserve row numbers and short ids of a run in commit order. Raises LookupError when there is no such run."""
    found = COUNT.execute(tx.connection, {"of": run_id, "rows": rows, "ids": ids}).fetchall()
    if not found:
        raise LookupError(f"there is no run {run_id}")
    ((seq, number, team, control, status),) = found
    return Counters(seq - rows, number - ids, team, control, status)


def add_rows(
    tx: Tx,
    run_id: str,
    counters: Counters,
    bodies: Sequence[tuple[str, Json]],
    *,
    agent_id: str = "",
    epoch: int = 0,
    labels: Json | None = None,
) -> None:
    """Write rows (kind, body) under numbers that `count` reserved, and wake whoever shows the run."""
    at = tx.now()
    made = []
    for place, (kind, body) in enumerate(bodies):
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        digest = put_blob(tx, counters.team, text.encode()) if len(text) > BLOB_OVER else None
        made.append(
            {
                "run_id": run_id, "seq": counters.seq + place, "team_id": counters.team, "at": at, "kind": kind,
                "agent_id": agent_id, "epoch": epoch, "version": VERSION, "body": Encoded("{}" if digest else text),
                "blob": digest, "labels": labels or {},
            }
        )  # fmt: skip
    ADD.execute_all(tx.connection, made)
    tx.wake(f"{run_id}/_thread")


def rows(
    connection: Connection,
    run_id: str,
    *,
    agent_id: str | None = None,
    kinds: Sequence[str] | None = None,
    after: int = 0,
) -> list[Json]:
    """The run's rows in order (one agent's, or of some kinds, when named), bodies whole."""
    query = select(journal).where(journal.c.run_id == run_id, journal.c.seq > after).order_by(journal.c.seq)
    if agent_id is not None:
        query = query.where(journal.c.agent_id == agent_id)
    if kinds is not None:
        query = query.where(journal.c.kind.in_(kinds))
    found = [dict(row) for row in connection.execute(query).mappings()]
    for row in found:
        if row["blob"]:
            row["body"] = json.loads(get_blob(connection, row["blob"]))
    return found


def of_agent(connection: Connection, agent_id: str) -> list[tuple[str, Json]]:
    """One agent's rows in order as (kind, body), bodies whole."""
    return [
        (row["kind"], json.loads(get_blob(connection, row["blob"])) if row["blob"] else row["body"])
        for row in MINE.rows(connection, {"of": agent_id})
    ]


def next_id(tx: Tx, run_id: str, prefix: str) -> str:
    """A short name unique within the run, such as `m3`."""
    return f"{prefix}{count(tx, run_id, rows=0, ids=1).number}"


def put_blob(tx: Tx, team: str, data: bytes) -> str:
    """Keep bytes under their hash; returns the hash."""
    digest = hashlib.sha256(data).hexdigest()
    tx.add(blob, sha256=digest, team_id=team, data=data)
    return digest


def get_blob(connection: Connection, digest: str) -> bytes:
    """The bytes under a hash. Raises NoResultFound when nobody kept them."""
    data: bytes = connection.execute(select(blob.c.data).where(blob.c.sha256 == digest)).scalar_one()
    return bytes(data)
