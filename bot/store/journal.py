"""Append and read: the ordered rows of a run. Order is commit order, from a counter on the run row."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bot.store.database import BLOB_OVER, Tx
from bot.store.schema import agent, blob, journal, run
from bot.types import Json

VERSION = 1  # of the bodies below; folds accept every version up to this one


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
    row = tx.execute(
        update(run)
        .where(run.c.id == run_id)
        .values(next_seq=run.c.next_seq + 1)
        .returning(run.c.next_seq, run.c.team_id)
    ).one()
    seq, team = row.next_seq - 1, row.team_id
    text = canonical(body)
    digest = None
    if len(text) > BLOB_OVER:
        digest = put_blob(tx, team, text.encode())
    tx.execute(
        insert(journal).values(
            run_id=run_id,
            seq=seq,
            team_id=team,
            at=tx.now(),
            kind=kind,
            agent_id=agent_id,
            epoch=epoch,
            version=VERSION,
            body={} if digest else body,
            blob=digest,
            labels=labels or {},
        )
    )
    if agent_id:
        tx.execute(update(agent).where(agent.c.id == agent_id).values(progress_seq=seq, barren=0))
    tx.wake(f"{run_id}/_thread")
    return int(seq)


def rows(connection: Connection, run_id: str, *, agent_id: str | None = None, after: int = 0) -> list[Json]:
    """The run's rows in order (one agent's when named), bodies whole."""
    query = select(journal).where(journal.c.run_id == run_id, journal.c.seq > after).order_by(journal.c.seq)
    if agent_id is not None:
        query = query.where(journal.c.agent_id == agent_id)
    found = [dict(row) for row in connection.execute(query).mappings()]
    for row in found:
        if row["blob"]:
            row["body"] = json.loads(get_blob(connection, row["blob"]))
    return found


def next_id(tx: Tx, run_id: str, prefix: str) -> str:
    """A short name unique within the run, such as `m3`."""
    number = tx.execute(
        update(run).where(run.c.id == run_id).values(next_id=run.c.next_id + 1).returning(run.c.next_id)
    ).scalar_one()
    return f"{prefix}{number - 1}"


def put_blob(tx: Tx, team: str, data: bytes) -> str:
    """Keep bytes under their hash; returns the hash."""
    digest = hashlib.sha256(data).hexdigest()
    make = pg_insert if tx.connection.dialect.name == "postgresql" else sqlite_insert
    tx.execute(make(blob).values(sha256=digest, team_id=team, data=data).on_conflict_do_nothing())
    return digest


def get_blob(connection: Connection, digest: str) -> bytes:
    """The bytes under a hash. Raises NoResultFound when nobody kept them."""
    data: bytes = connection.execute(select(blob.c.data).where(blob.c.sha256 == digest)).scalar_one()
    return bytes(data)
