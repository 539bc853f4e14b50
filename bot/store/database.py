"""One writer per process, short transactions, and hints to sleeping agents after each commit."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, select, text, update
from sqlalchemy.engine import make_url

from bot.errors import Fenced
from bot.store import points, schema

T = TypeVar("T")
BLOB_OVER = 8_000  # bytes; larger values are content-addressed


class Tx:
    """One open write transaction. `wake` collects the agents to start once it is on disk."""

    def __init__(self, connection: Connection, now: Callable[[], float]) -> None:
        self.connection = connection
        self.woken: dict[str, str] = {}  # agent id -> kind
        self.now = now  # product time
        self.execute = connection.execute

    def fence(self, agent_id: str, epoch: int) -> None:
        """Hold the agent's row for this transaction, or leave: a newer activation owns it.

        Raises Fenced when the epoch has moved on.
        """
        held = self.execute(
            update(schema.agent)
            .where(schema.agent.c.id == agent_id, schema.agent.c.epoch == epoch)
            .values(epoch=epoch)
        )
        if held.rowcount == 0:
            raise Fenced()

    def wake(self, agent_id: str) -> None:
        """Raise the agent's wake counter here; it starts after the commit."""
        row = self.execute(
            update(schema.agent)
            .where(schema.agent.c.id == agent_id)
            .values(wake_seq=schema.agent.c.wake_seq + 1)
            .returning(schema.agent.c.kind)
        ).first()
        if row is not None:
            self.woken[agent_id] = row.kind

    def lease_now(self) -> float:
        """Seconds by the clock that all processes of this database share."""
        if self.connection.dialect.name == "postgresql":
            return float(self.execute(text("select extract(epoch from clock_timestamp())")).scalar_one())
        return time.time()


class Database:
    """The store's door: `write` for transactions in order, `read` for short looks beside them."""

    def __init__(self, url: str, now: Callable[[], float]) -> None:
        self.url = url
        self.now = now
        self.engine = _engine(url)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="store-reader")
        self._listeners: list[Callable[[dict[str, str]], None]] = []
        self._on_commit: list[Callable[[], None]] = []

    def migrate(self) -> None:
        """Bring the tables to this version; safe to repeat, and from several processes at once."""
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":  # SQLite's BEGIN IMMEDIATE is lock enough
                connection.execute(text("select pg_advisory_xact_lock(20260728)"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

    def on_wake(self, listener: Callable[[dict[str, str]], None]) -> None:
        """Call `listener({agent id: kind})` after each commit that woke agents."""
        self._listeners.append(listener)

    def on_commit(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after each commit."""
        self._on_commit.append(listener)

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in the next write transaction and return once it is on disk."""
        return await asyncio.wrap_future(self._writer.submit(self.write_now, work))

    def write_now(self, work: Callable[[Tx], T], point: bool = True) -> T:
        """The same, from a thread of the caller's own. `point` False keeps a heartbeat out of the drill."""
        with self.engine.connect() as connection:
            tx = Tx(connection, self.now)
            with connection.begin():
                result = work(tx)
                if point:
                    points.reached("commit:before")
            if point:
                points.reached("commit:after")
        if tx.woken:
            for wake_listener in self._listeners:
                wake_listener(tx.woken)
        for listener in self._on_commit:
            listener()
        return result

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a short read beside the writer; it sees committed rows only."""
        return await asyncio.wrap_future(self._readers.submit(self.read_now, work))

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """The same, from a thread of the caller's own."""
        with self.engine.connect().execution_options(writing=False) as connection:
            return work(connection)

    def close(self) -> None:
        """Let queued transactions finish and close the connections."""
        self._writer.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        self.engine.dispose()


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, connect_args={"timeout": 30, "check_same_thread": False})
        event.listen(engine, "connect", _sqlite_settings)
        event.listen(engine, "begin", _begin_immediate)
        return engine
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    return create_engine(parsed, pool_pre_ping=True)


def _sqlite_settings(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # we say when a transaction begins
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    # A read never takes the write lock; `read` connections only ever select.
    writing = connection.get_execution_options().get("writing", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def one(connection: Connection, query: Any) -> Any:
    """The first row of a query as a mapping, or None."""
    return connection.execute(query).mappings().first()


def by_id(connection: Connection, table: Any, row_id: str) -> Any:
    """One row by its `id` column as a mapping, or None."""
    return one(connection, select(table).where(table.c.id == row_id))
