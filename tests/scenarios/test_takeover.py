"""Two workers on one database: one dies in the middle of a close, the other goes on, and a sleeper changes nothing."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from tests.scenarios.standins import Slack, cadre, environment, loopback, until

NOBODY = 65534


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """A database URL: SQLite, or a PostgreSQL of this test's own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'cadre.db'}"
        return
    if os.environ.get("DATABASE_URL"):
        yield os.environ["DATABASE_URL"]
        return
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").is_dir() else []
    if not found:
        pytest.skip("no DATABASE_URL and no PostgreSQL binaries on this machine")
    place = Path(tempfile.mkdtemp(prefix="cadre-pg-"))
    as_user = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        os.chown(place, NOBODY, NOBODY)
        as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def run(*command):
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=place, **as_user
        )

    run(found[-1] / "initdb", "-A", "trust", "--no-sync", "-U", "cadre", "-D", place / "data")
    options = f"-k {place} -c listen_addresses='' -c fsync=off"
    run(found[-1] / "pg_ctl", "-w", "-D", place / "data", "-l", place / "log", "-o", options, "start")
    try:
        yield f"postgresql://cadre@/postgres?host={place}"
    finally:
        run(found[-1] / "pg_ctl", "-w", "-m", "immediate", "-D", place / "data", "stop")
        shutil.rmtree(place, ignore_errors=True)


class Rows:
    """A look into the database from outside."""

    def __init__(self, url):
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.engine = create_engine(parsed)

    def close(self):
        self.engine.dispose()

    def __call__(self, sql, **values):
        with self.engine.connect() as connection:
            return list(connection.execute(text(sql), values))


def frozen(workers, rows, database):
    """Stop a worker while it holds agents, but not inside a transaction; gives it and what it holds."""
    query = "select a.id, a.epoch, w.pid from agent a join worker w on w.id = a.lease_owner where a.kind = 'agent'"
    while True:
        pid = until(lambda: rows(query))[0].pid
        worker = next(w for w in workers if w.pid == pid)
        worker.send_signal(signal.SIGSTOP)
        held = [row for row in rows(query) if row.pid == pid]
        if held and free(database):
            return worker, held
        worker.send_signal(signal.SIGCONT)
        until(lambda: free(database))


def free(database):
    """Whether nobody holds SQLite's one write lock: a frozen process keeps it, a dead one does not."""
    if not database.startswith("sqlite"):
        return True
    with closing(
        sqlite3.connect(database.removeprefix("sqlite:///"), timeout=0.2, isolation_level=None)
    ) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
    return True


@pytest.mark.timeout(500)
@pytest.mark.parametrize("ending", ["killed", "frozen"])
def test_the_other_worker_takes_over_within_five_seconds_and_a_sleeper_changes_nothing(database, ending, tmp_path):
    with loopback(tmp_path, "--small", "--seed", "1") as ready:
        env = environment(ready, tmp_path / "home", CADRE_DATABASE_URL=database)
        slack, rows = Slack(ready), Rows(database)
        with (
            closing(rows),
            cadre(env, "run", "--no-worker"),
            cadre(env, "worker") as one,
            cadre(env, "worker") as two,
        ):
            slack.connected()
            until(lambda: len(rows("select 1 from worker where role = 'worker'")) == 2)
            ts = slack.act(do="post", channel="finance", text="@cadre close Q3 2026")["ts"]
            until(lambda: rows("select 1 from agent where turns > 2"))
            worker, held = frozen((one, two), rows, database)
            owner = rows("select id from worker where pid = :pid", pid=worker.pid)[0].id
            if ending == "killed":
                worker.kill()
                worker.wait()
            query = "select 1 from agent where id = :id and epoch > :epoch"
            until(lambda: all(rows(query, id=row.id, epoch=row.epoch) for row in held), patience_s=20)
            slack.approve(ts)
            until(lambda: rows("select 1 from run where status = 'done'"))
            until(lambda: rows("select 1 from agent where kind = 'thread' and wake_seq = slept_seq"))
            if ending == "frozen":
                before = rows("select count(*), max(seq) from journal")
                (seen,) = rows("select seen_at from worker where id = :o", o=owner)[0]
                worker.send_signal(signal.SIGCONT)
                until(lambda: rows("select 1 from worker where id = :o and seen_at > :seen", o=owner, seen=seen))
                worker.terminate()
                worker.wait(30)
                assert rows("select count(*), max(seq) from journal") == before
            assert len(rows("select 1 from effect where kind = 'write' and status = 'done'")) == 2
            ops = [m["metadata"]["event_payload"]["op"] for m in slack.thread(ts) if m.get("metadata")]
            assert len(ops) == len(set(ops))
