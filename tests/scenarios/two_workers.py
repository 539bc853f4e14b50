"""Two workers on one database, one of which dies or freezes in the middle of a close; as a test, and measured by
`python -m tests.scenarios.two_workers`."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from bench.targets import Target, report
from bot.store.leases import BEAT_S, LEASE_S
from tests.scenarios.standins import Slack, cadre, environment, loopback, until

NOBODY = 65534
DATABASES = ("sqlite", "postgresql")
ENDINGS = ("killed", "frozen")
MOST_S = 5.0  # until everything that the lost worker held is another's


@contextmanager
def database(kind, home):
    """The URL of a database of one's own, or None where there is no PostgreSQL."""
    if kind == "sqlite":
        yield f"sqlite:///{home / 'cadre.db'}"
        return
    if os.environ.get("DATABASE_URL"):
        yield os.environ["DATABASE_URL"]
        return
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").is_dir() else []
    if not found:
        yield None
        return
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


def frozen(workers, rows, url):
    """Stop a worker while it holds agents, but not inside a transaction; gives it and what it holds."""
    query = "select a.id, a.epoch, w.pid from agent a join worker w on w.id = a.lease_owner where a.kind = 'agent'"
    while True:
        pid = until(lambda: rows(query))[0].pid
        worker = next(w for w in workers if w.pid == pid)
        worker.send_signal(signal.SIGSTOP)
        os.waitid(
            os.P_PID, pid, os.WSTOPPED
        )  # sent is not stopped: its threads run on until one has taken the signal
        held = [row for row in rows(query) if row.pid == pid]
        if held and free(url):
            return worker, held
        worker.send_signal(signal.SIGCONT)
        os.waitid(os.P_PID, pid, os.WCONTINUED)
        until(lambda: free(url))


def free(url):
    """Whether nobody holds SQLite's one write lock: a frozen process keeps it, a dead one does not."""
    if not url.startswith("sqlite"):
        return True
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0.2, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
    return True


@contextmanager
def half_done(home, url, ending):
    """A close in which a worker has just died or frozen: Slack, rows, the request, that worker, what it held."""
    with loopback(home, "--small", "--seed", "1") as ready:
        env = environment(ready, home / "home", CADRE_DATABASE_URL=url)
        slack, rows = Slack(ready), Rows(url)
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
            worker, held = frozen((one, two), rows, url)
            if ending == "killed":
                worker.kill()
                worker.wait()
            yield slack, rows, ts, worker, held


def taken_over(rows, held, patience_s=20):
    """Wait until all that was held is somebody else's, or asleep: it may have let go with its very last breath."""
    asleep = "lease_owner is null and wake_seq = slept_seq"
    query = f"select 1 from agent where id = :id and (epoch > :epoch or {asleep})"
    until(lambda: all(rows(query, id=row.id, epoch=row.epoch) for row in held), patience_s=patience_s)


def measured(kind, ending):
    """Seconds until the other worker has it all; None where there is no such database."""
    with tempfile.TemporaryDirectory(prefix="cadre-takeover-") as home, database(kind, Path(home)) as url:
        if url is None:
            return None
        with half_done(Path(home), url, ending) as (_slack, rows, _ts, _worker, held):
            began = time.monotonic()
            taken_over(rows, held)
            return time.monotonic() - began


def main():
    """Measure and print; exits 1 when a target is missed."""
    times = {(kind, ending): measured(kind, ending) for kind in DATABASES for ending in ENDINGS}
    targets = [
        Target(f"{kind}, {ending}", MOST_S, took, "s")
        for (kind, ending), took in times.items()
        if took is not None or kind == "sqlite"
    ]
    if len(targets) < len(times):
        print("no PostgreSQL on this machine, and no DATABASE_URL: not measured")
    title = f"A worker is lost in the middle of a close; lease {LEASE_S:g} s, renewed every {BEAT_S:g} s"
    sys.exit(0 if report(title, targets) else 1)


if __name__ == "__main__":
    main()
