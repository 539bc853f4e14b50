"""Two workers on one database: one dies in the middle of a close, the other goes on, and a sleeper changes nothing."""

from __future__ import annotations

import signal

import pytest

from tests.scenarios.standins import until
from tests.scenarios.two_workers import DATABASES, ENDINGS, database, half_done, taken_over


@pytest.mark.timeout(500)
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", DATABASES)
def test_the_other_worker_takes_over_and_a_sleeper_changes_nothing(kind, ending, tmp_path):
    with database(kind, tmp_path) as url:
        if url is None:
            pytest.skip("no DATABASE_URL and no PostgreSQL binaries on this machine")
        with half_done(tmp_path, url, ending) as (slack, rows, ts, worker, held):
            owner = rows("select id from worker where pid = :pid", pid=worker.pid)
            taken_over(rows, held)
            slack.approve(ts)
            until(lambda: rows("select 1 from run where status = 'done'"))
            until(lambda: rows("select 1 from agent where kind = 'thread' and wake_seq = slept_seq"))
            if ending == "frozen":
                _wakes_up(worker, owner[0].id, rows)
            assert len(rows("select 1 from effect where kind = 'write' and status = 'done'")) == 2
            ops = [m["metadata"]["event_payload"]["op"] for m in slack.thread(ts) if m.get("metadata")]
            assert len(ops) == len(set(ops))


def _wakes_up(worker, owner, rows):
    """The sleeper beats again, so it is at work, and leaves in good order; nothing of it is in the journal."""
    before = rows("select count(*), max(seq) from journal")
    (seen,) = rows("select seen_at from worker where id = :o", o=owner)[0]
    worker.send_signal(signal.SIGCONT)
    until(lambda: rows("select 1 from worker where id = :o and seen_at > :seen", o=owner, seen=seen))
    worker.terminate()
    worker.wait(30)
    assert rows("select count(*), max(seq) from journal") == before
