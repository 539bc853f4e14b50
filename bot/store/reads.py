"""Answers of connectors, kept so that two agents of one requester do not pay for the same read twice.

A kept answer is found only under what it was read as: the requester and the owner of the credentials, the tool, its
arguments, and a version. The version holds how often Cadre wrote through the connector, so no write leaves an answer
from before it in reach, whichever process made it and however late that answer came.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import astuple, dataclass
from weakref import WeakValueDictionary

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    String,
    Table,
    and_,
    delete,
    select,
    update,
)

from bot.store import journal
from bot.store.database import Database, Tx, one
from bot.store.schema import blob, metadata, run, tool_call
from bot.types import Json

KEPT_S = 3_600.0  # seconds; older answers are deleted
HEAD_BYTES = 32  # before a packed answer: the hash of its key
MOST_BYTES = 16 * 1024**2  # of a packed answer; larger ones are not kept

shared_read = Table(
    "shared_read",
    metadata,
    Column("team_id", String(32), primary_key=True),
    Column("principal", String(140), primary_key=True),  # <requester>/<credential owner>
    Column("tool", String(128), primary_key=True),
    Column("args_sha256", String(64), primary_key=True),
    Column("version", String(200), primary_key=True),  # <writes of the source>/<what the service says>
    Column("value", String(64), nullable=False),  # blob: the packed answer, this row's own
    Column("call", String(200), nullable=False),  # <agent>/<call> that read it
    Column("fetched_at", Float, nullable=False),  # before the read began
    Column("labels", JSON, nullable=False),
    Index("shared_read_age", "team_id", "fetched_at"),
)

read_source = Table(
    "read_source",
    metadata,
    Column("team_id", String(32), primary_key=True),
    Column("source", String(80), primary_key=True),  # google | mcp:<alias>
    Column("writes", Integer, nullable=False),
)


@dataclass(frozen=True)
class Reader:
    """For whom something is read, and how often Cadre wrote through the connector before."""

    team: str
    principal: str
    writes: int


@dataclass(frozen=True)
class Key:
    """What a read is kept under."""

    team: str
    principal: str
    tool: str
    args_sha256: str
    version: str

    @classmethod
    def of(cls, reader: Reader, tool: str, args: Json, version: str) -> Key:
        """`version` is what the service says of the state that is read."""
        told = f"{reader.writes}/{version}"
        return cls(reader.team, reader.principal, tool, journal.sha256_of(args), told)

    @property
    def sha256(self) -> str:
        return journal.sha256_of(astuple(self))


@dataclass(frozen=True)
class Answer:
    """Bytes of a connector. `call` made the read, `at` is the product time before it."""

    data: bytes
    labels: Json
    call: str
    at: float


def reader(connection: Connection, run_id: str, source: str) -> Reader:
    """Who reads from a connector for a run."""
    asks = connection.execute(
        select(run.c.team_id, run.c.requester, run.c.credential_owner).where(run.c.id == run_id)
    )
    row = asks.one()
    writes = connection.execute(
        select(read_source.c.writes).where(read_source.c.team_id == row.team_id, read_source.c.source == source)
    ).scalar()
    return Reader(row.team_id, f"{row.requester}/{row.credential_owner}", writes or 0)


def asked_before(connection: Connection, agent_id: str, tool: str, args: Json) -> bool:
    """Whether an agent has had an answer to this very call: asking again, it wants to know how things stand now."""
    query = select(tool_call.c.id).where(
        tool_call.c.agent_id == agent_id, tool_call.c.name == tool, tool_call.c.status == "done",
        tool_call.c.args_sha256 == journal.sha256_of(args),
    )  # fmt: skip
    return connection.execute(query.limit(1)).first() is not None


def written(tx: Tx, team: str, source: str) -> None:
    """Cadre is about to write through a connector, or has: nothing read before is given out any more."""
    tx.add(read_source, team_id=team, source=source, writes=0)
    held = and_(read_source.c.team_id == team, read_source.c.source == source)
    tx.execute(update(read_source).where(held).values(writes=read_source.c.writes + 1))


class SharedReads:
    """The reads of one process: agents that ask for the same at the same time wait for one call."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def read(
        self, db: Database, key: Key, fetch: Callable[[], Awaitable[bytes]], *,
        call: str, labels: Json, fresh_s: float = KEPT_S, anew: bool = False,
    ) -> Answer:  # fmt: skip
        """The answer kept under the key if it is at most `fresh_s` old, else a new one, which is then kept.

        `anew` passes over what is kept. Raises what `fetch` raises; nothing is kept then.
        """
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            if not anew:
                found = await db.read(lambda c: _find(c, key, db.now() - fresh_s))
                if found is not None:
                    return found
            at = db.now()
            data = await fetch()
            packed = await asyncio.to_thread(_pack, key, data)
            if len(packed) <= MOST_BYTES:
                await db.write(lambda tx: _keep(tx, key, packed, labels, call, at))
            return Answer(data, labels, call, at)


def _find(connection: Connection, key: Key, since: float) -> Answer | None:
    row = one(connection, select(shared_read).where(_is(key), shared_read.c.fetched_at >= since))
    if row is None:
        return None
    data = zlib.decompress(journal.get_blob(connection, row["value"])[HEAD_BYTES:])
    return Answer(data, row["labels"], row["call"], row["fetched_at"])


def _keep(tx: Tx, key: Key, packed: bytes, labels: Json, call: str, at: float) -> None:
    """Keep an answer in place of an earlier one, and let go of what is old."""
    old = and_(shared_read.c.team_id == key.team, shared_read.c.fetched_at < at - KEPT_S)
    for which in (_is(key), old):
        gone = list(tx.execute(delete(shared_read).where(which).returning(shared_read.c.value)).scalars())
        if gone:
            tx.execute(delete(blob).where(blob.c.sha256.in_(gone)))
    value = journal.put_blob(tx, key.team, packed)
    tx.add(
        shared_read, team_id=key.team, principal=key.principal, tool=key.tool, args_sha256=key.args_sha256,
        version=key.version, value=value, labels=labels, call=call, fetched_at=at,
    )  # fmt: skip


def _is(key: Key) -> ColumnElement[bool]:
    c = shared_read.c
    columns = (c.team_id, c.principal, c.tool, c.args_sha256, c.version)
    return and_(*(column == value for column, value in zip(columns, astuple(key), strict=True)))


def _pack(key: Key, data: bytes) -> bytes:
    """Smaller, and under a head that no other value has, so that it can be deleted with its row."""
    return bytes.fromhex(key.sha256) + zlib.compress(data, 1)
