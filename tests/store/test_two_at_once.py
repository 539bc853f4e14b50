"""Two processes on one PostgreSQL: what both write for the first time is there once, and who waits in a circle goes
on."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from bot.store import servers
from bot.store.database import Database
from tests.scenarios.standins import until
from tests.scenarios.two_workers import Rows, database

TOOL = {"status": "accepted", "sha256": "a", "accepted": {}, "offered": None, "flags": []}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with database("postgresql", tmp_path_factory.mktemp("pg")) as found:
        if found is None:
            pytest.skip("no DATABASE_URL and no PostgreSQL binaries on this machine")
        first = Database(found, time.time)
        first.migrate()
        first.close()
        yield found


@pytest.fixture
def both(url):
    found = [Database(url, time.time) for _ in range(2)]
    yield found
    for one in found:
        one.close()


def test_a_server_that_two_workers_meet_at_once_is_kept_once_and_neither_fails(url, both):
    rows = Rows(url)
    first_has_written = threading.Event()

    def first(tx):
        servers.seen(tx, "ledger", fingerprint="f", state="ready")
        servers.keep_tools(tx, "ledger", {"periods": TOOL})
        first_has_written.set()
        # until the other one waits for this transaction
        until(lambda: rows("select 1 from pg_stat_activity where wait_event_type = 'Lock'"), patience_s=30)

    def second(tx):
        servers.seen(tx, "ledger", fingerprint="f", state="ready")
        servers.keep_tools(tx, "ledger", {"periods": {**TOOL, "sha256": "b"}})

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(both[0].write_now, first)
        first_has_written.wait(30)
        other = pool.submit(both[1].write_now, second)
        one.result(30)
        other.result(30)
    assert [tuple(row) for row in rows("select server, tool, sha256 from mcp_tool")] == [("ledger", "periods", "b")]
    assert len(rows("select 1 from mcp_server")) == 1
    rows.close()


def test_of_two_writes_that_wait_for_each_other_both_are_done(url, both):
    rows = Rows(url)
    both[0].write_now(lambda tx: [servers.seen(tx, name, fingerprint="f", state="ready") for name in ("a", "b")])
    has = {"a": threading.Event(), "b": threading.Event()}

    def crossing(mine, other):
        def work(tx):
            tx.execute(text("update mcp_server set error = error || :m where server = :s"), {"m": mine, "s": mine})
            has[mine].set()
            has[other].wait(30)
            tx.execute(text("update mcp_server set error = error || :m where server = :s"), {"m": mine, "s": other})

        return work

    async def play():
        await asyncio.gather(both[0].write(crossing("a", "b")), both[1].write(crossing("b", "a")))

    asyncio.run(play())
    told = {row.server: "".join(sorted(row.error)) for row in rows("select server, error from mcp_server")}
    assert told["a"] == told["b"] == "ab"
    rows.close()
