"""One writer per process, short transactions, and hints to sleeping agents after each commit."""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Table, bindparam, create_engine, event, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from bot.errors import CadreError, Fenced
from bot.store import points, schema
from bot.store.fast import Statement, driver_of

T = TypeVar("T")
AGAIN = 3  # tries of a write that PostgreSQL took back because it and another waited for each other
TAKEN_BACK = ("40P01", "40001")  # deadlock, serialization failure: nothing of it was done
TOGETHER = 64  # writes that share a commit at the most
FROZEN_MS = 2_000  # milliseconds that a transaction may idle; ours hold no I/O
BLOB_OVER = 8_000  # bytes; larger values are content-addressed
LOG_PAGES, PAGE = 1_000, 4_096  # SQLite's log when it is copied back and begun again; bytes
FILL = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT zeroblob(4000) FROM n"


FENCE = Statement(
    update(schema.agent)
    .where(schema.agent.c.id == bindparam("of"), schema.agent.c.epoch == bindparam("holds"))
    .values(epoch=schema.agent.c.epoch)
)
# One statement for all that a transaction wakes.
RAISE = "UPDATE agent SET wake_seq = wake_seq + 1 WHERE id IN (SELECT {ids}) RETURNING id, kind"
WAKE = {
    "sqlite": RAISE.format(ids="value FROM json_each(?)"),
    "postgresql": RAISE.format(ids="json_array_elements_text(%s::json)"),
}


class Tx:
    """One open write transaction. `wake` collects the agents to wake with it and to start once it is on disk."""

    def __init__(self, connection: Connection, now: Callable[[], float]) -> None:
        self.connection = connection
        self._wakes: set[str] = set()
        self.now = now  # product time
        self.execute = connection.execute

    def add(self, table: Table, **values: Any) -> bool:
        """Insert a row; False when one with the same key is there already, from whichever process."""
        make = pg_insert if self.connection.dialect.name == "postgresql" else sqlite_insert
        added = make(table).values(**values).on_conflict_do_nothing()
        # Without this option the count of an insert is not looked at on PostgreSQL and says -1.
        return self.execute(added, execution_options={"preserve_rowcount": True}).rowcount > 0

    def fence(self, agent_id: str, epoch: int) -> None:
        """Hold the agent's row for this transaction, or leave: a newer activation owns it.

        Raises Fenced when the epoch has moved on.
        """
        if FENCE.execute(self.connection, {"of": agent_id, "holds": epoch}).rowcount == 0:
            raise Fenced()

    def wake(self, agent_id: str) -> None:
        """Raise the agent's wake counter with this transaction; it starts after the commit."""
        self._wakes.add(agent_id)

    def raise_wakes(self) -> dict[str, str]:
        """Do so, as the last thing before the commit; gives the kinds of those that exist by id."""
        if not self._wakes:
            return {}
        cursor = driver_of(self.connection).cursor()
        cursor.execute(WAKE[self.connection.dialect.name], (json.dumps(sorted(self._wakes)),))
        return dict(cursor.fetchall())

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
        # What a database that does not answer raises: through SQLAlchemy, and from the driver itself.
        self.trouble: tuple[type[Exception], ...] = (DBAPIError, self.engine.dialect.loaded_dbapi.Error)
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_queued, name="store-writer", daemon=True)
        self._writer.start()
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="store-reader")
        self._reading = threading.local()
        self._kept: list[_Kept] = []  # the readers' connections
        self._listeners: list[Callable[[dict[str, str]], None]] = []
        self._on_commit: list[Callable[[], None]] = []

    def migrate(self) -> None:
        """Bring the tables to this version; safe to repeat, and from several processes at once."""
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))

        def upgrade(tx: Tx) -> None:
            # SQLite's BEGIN IMMEDIATE is lock enough; the statement also tells Alembic that the transaction is ours.
            lock = "pg_advisory_xact_lock(20260728)" if tx.connection.dialect.name == "postgresql" else "1"
            tx.execute(text(f"select {lock}"))
            config.attributes["connection"] = tx.connection
            command.upgrade(config, "head")

        self.write_now(upgrade, point=False)

    def lengthen_log(self) -> None:
        """Give SQLite's log its full length now: a commit into a file that still grows takes twice as long.

        Pages that do not fit into a small cache spill into the log; taken back, they leave nothing but its length.
        """
        log = Path(f"{self.engine.url.database}-wal")
        if self.engine.dialect.name != "sqlite" or (log.exists() and log.stat().st_size > LOG_PAGES * PAGE):
            return
        with self.engine.connect() as connection:
            cursor = driver_of(connection).cursor()
            (usual,) = cursor.execute("PRAGMA cache_size").fetchone()
            cursor.execute("PRAGMA cache_size=10")
            cursor.execute("BEGIN IMMEDIATE")
            try:
                cursor.execute("CREATE TABLE spilled (page)")
                cursor.execute(f"INSERT INTO spilled {FILL}", (LOG_PAGES,))
            finally:
                cursor.execute("ROLLBACK")
                cursor.execute(f"PRAGMA cache_size={usual}")

    def on_wake(self, listener: Callable[[dict[str, str]], None]) -> None:
        """Call `listener({agent id: kind})` after each commit that woke agents."""
        self._listeners.append(listener)

    def on_commit(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after each commit."""
        self._on_commit.append(listener)

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in order with the other writes and return once it is on disk.

        What waits is committed together. When one of several raises, all are taken back and each is done again
        alone, so that a failure is its own: a work changes nothing but rows.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._queue.put((work, done, loop))
        return await done

    def _write_queued(self) -> None:
        own = _Kept(self.engine)
        while True:
            batch = [self._queue.get()]
            while len(batch) < TOGETHER:
                try:
                    batch.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            ends = None in batch
            jobs = [job for job in batch if job is not None]
            if jobs:
                _deliver([job[1:] for job in jobs], self._commit(own, [job[0] for job in jobs]))
            if ends:
                own.close()
                return

    def _commit(self, own: _Kept, works: list[Callable[[Tx], Any]], tries: int = AGAIN) -> list[Any]:
        """Run works in one transaction; gives each one's result, or the exception it raised as a `_Raised`."""
        try:
            return self._transact(own.connection(), lambda tx: [work(tx) for work in works])
        except Exception as error:
            if not isinstance(error, CadreError):
                own.close()  # it may be broken; the next write opens another
            if len(works) == 1 and not (tries > 1 and _taken_back(error)):
                return [_Raised(error)]
        return [result for work in works for result in self._commit(own, [work], tries - (len(works) == 1))]

    def write_now(self, work: Callable[[Tx], T], point: bool = True) -> T:
        """The same at once, from a thread of the caller's own. `point` False keeps a heartbeat out of the drill."""
        with self.engine.connect() as connection:
            return self._transact(connection, work, point)

    def _transact(self, connection: Connection, work: Callable[[Tx], T], point: bool = True) -> T:
        tx = Tx(connection, self.now)
        with _transaction(connection, writing=True):
            result = work(tx)
            woken = tx.raise_wakes()
            if point:
                points.reached("commit:before")
        if point:
            points.reached("commit:after")
        if woken:
            for wake_listener in self._listeners:
                wake_listener(woken)
        for listener in self._on_commit:
            listener()
        return result

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a short read beside the writer; it sees committed rows only."""
        return await asyncio.wrap_future(self._readers.submit(self._read_kept, work))

    def _read_kept(self, work: Callable[[Connection], T]) -> T:
        """A read on this reader's own connection; on a fresh one when that has broken."""
        own: _Kept | None = getattr(self._reading, "own", None)
        if own is None:
            own = self._reading.own = _Kept(self.engine)
            self._kept.append(own)
        try:
            connection = own.connection()
            with _transaction(connection, writing=False):
                return work(connection)
        except self.trouble:
            own.close()
        return self.read_now(work)

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """The same, from a thread of the caller's own."""
        with self.engine.connect() as connection, _transaction(connection, writing=False):
            return work(connection)

    def close(self) -> None:
        """Let queued transactions finish and close the connections."""
        self._queue.put(None)
        self._writer.join()
        self._readers.shutdown(wait=True)
        for own in self._kept:
            own.close()
        self.engine.dispose()


def _taken_back(error: Exception) -> bool:
    return getattr(getattr(error, "orig", error), "sqlstate", None) in TAKEN_BACK


class _Kept:
    """A thread's own connection, opened when needed and again after it broke."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(DBAPIError):
                self._connection.close()
            self._connection = None


@contextlib.contextmanager
def _transaction(connection: Connection, *, writing: bool) -> Iterator[None]:
    """One transaction, begun and ended on the driver itself: connections are in autocommit mode.

    SQLite takes the write lock at once, so that two writers wait for each other instead of failing halfway.
    """
    immediate = writing and connection.dialect.name == "sqlite"
    cursor = driver_of(connection).cursor()
    cursor.execute("BEGIN IMMEDIATE" if immediate else "BEGIN")
    try:
        yield
        cursor.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(Exception):  # the connection itself may be what failed
            cursor.execute("ROLLBACK")
        raise


@dataclass(frozen=True)
class _Raised:
    """What a work raised instead of giving a result."""

    error: BaseException


def _deliver(waiting: list[tuple[asyncio.Future[Any], asyncio.AbstractEventLoop]], results: list[Any]) -> None:
    """Give each waiting caller its result, with one call into each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for (done, loop), result in zip(waiting, results, strict=True):
        by_loop.setdefault(loop, []).append((done, result))
    for loop, pairs in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, pairs)


def _settle(pairs: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for done, result in pairs:
        if done.done():
            continue
        if isinstance(result, _Raised):
            done.set_exception(result.error)
        else:
            done.set_result(result)


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        given = {"timeout": 30, "check_same_thread": False}
        engine = create_engine(parsed, isolation_level="AUTOCOMMIT", connect_args=given)
        event.listen(engine, "connect", _sqlite_settings)
        return engine
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    # A worker frozen inside a transaction must not keep its rows locked for those who take over.
    options = f"-c idle_in_transaction_session_timeout={FROZEN_MS}"
    return create_engine(parsed, isolation_level="AUTOCOMMIT", pool_pre_ping=True, connect_args={"options": options})


def _sqlite_settings(connection: sqlite3.Connection, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def one(connection: Connection, query: Any) -> Any:
    """The first row of a query as a mapping, or None."""
    return connection.execute(query).mappings().first()


def by_id(connection: Connection, table: Any, row_id: str) -> Any:
    """One row by its `id` column as a mapping, or None."""
    return one(connection, select(table).where(table.c.id == row_id))
