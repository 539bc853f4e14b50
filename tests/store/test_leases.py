"""One activation per agent: claims, epochs, sleep by compare-and-set."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import insert, select, update

from bot.coordinator.intake import INTAKE, ensure_intake, receive, untaken
from bot.errors import Fenced
from bot.store import journal, leases
from bot.store.database import Database
from bot.store.schema import agent, run
from bot.tools.team import open_agent
from bot.types import Request


@pytest.fixture
def db(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'cadre.db'}", time.time)
    database.migrate()
    database.write_now(ensure_intake)
    yield database
    database.close()


@pytest.fixture
def run_id(db):
    def make(tx):
        tx.execute(
            insert(run).values(
                id="run-1", team_id="T", requester="U", credential_owner="U", channel="C", kind="mention",
                request="close", status="working", model="m", offline=True, created_at=0.0, labels={},
            )
        )  # fmt: skip
        open_agent(tx, "run-1", "T", name="_thread", role="", kind="thread")
        open_agent(tx, "run-1", "T", name="lead", role="lead")
        return "run-1"

    return db.write_now(make)


def test_only_one_of_two_workers_gets_an_agent(db, run_id):
    first = db.write_now(lambda tx: leases.claim(tx, "run-1/lead", "a"))
    second = db.write_now(lambda tx: leases.claim(tx, "run-1/lead", "b"))
    assert first is not None
    assert second is None


def test_a_lease_on_an_agent_that_nobody_works_on_is_not_renewed(db, run_id):
    held = db.write_now(lambda tx: leases.claim(tx, "run-1/lead", "a"))

    def lease(at_work):
        db.write_now(lambda tx: leases.beat(tx, "a", "worker", at_work))
        return db.read_now(
            lambda c: c.execute(select(agent.c.lease_until).where(agent.c.id == held.agent_id)).scalar()
        )

    db.write_now(lambda tx: tx.execute(update(agent).values(lease_until=1.0)))
    assert lease(()) == 1.0
    assert lease(("run-1/lead",)) > time.time()


def test_a_stale_epoch_writes_nothing(db, run_id):
    old = db.write_now(lambda tx: leases.claim(tx, "run-1/lead", "a"))
    db.write_now(lambda tx: tx.execute(update(agent).values(lease_until=0.0)))
    new = db.write_now(lambda tx: leases.claim(tx, "run-1/lead", "b"))
    assert new.epoch == old.epoch + 1

    def late(tx):
        tx.fence("run-1/lead", old.epoch)
        journal.append(tx, "run-1", "late", {})

    with pytest.raises(Fenced):
        db.write_now(late)
    assert "late" not in [r["kind"] for r in db.read_now(lambda c: journal.rows(c, "run-1"))]


def test_an_agent_woken_while_it_works_does_not_fall_asleep(db, run_id):
    held = db.write_now(lambda tx: leases.claim(tx, "run-1/lead", "a"))
    db.write_now(lambda tx: tx.wake("run-1/lead"))
    newer = db.write_now(lambda tx: leases.sleep(tx, held, held.wake_seq))
    assert newer == held.wake_seq + 1
    assert db.write_now(lambda tx: leases.sleep(tx, held, newer)) is None
    assert db.write_now(lambda tx: leases.claim(tx, "run-1/lead", "b")) is None


def test_a_due_time_wakes_the_agent_once(db, run_id):
    held = db.write_now(lambda tx: leases.claim(tx, "run-1/lead", "a"))
    db.write_now(lambda tx: leases.sleep(tx, held, held.wake_seq, due_at=100.0))
    db.write_now(lambda tx: leases.wake_due(tx, 99.0))
    assert db.write_now(lambda tx: leases.claim(tx, "run-1/lead", "a")) is None
    db.write_now(lambda tx: leases.wake_due(tx, 100.0))
    assert db.write_now(lambda tx: leases.claim(tx, "run-1/lead", "a")) is not None


def test_rows_of_a_run_are_numbered_without_gaps_in_commit_order(db, run_id):
    before = len(db.read_now(lambda c: journal.rows(c, "run-1")))
    for number in range(5):
        db.write_now(lambda tx, n=number: journal.append(tx, "run-1", "note", {"n": n}))
    rows = db.read_now(lambda c: journal.rows(c, "run-1"))[before:]
    assert [r["body"]["n"] for r in rows] == [0, 1, 2, 3, 4]
    assert [r["seq"] for r in rows] == list(range(rows[0]["seq"], rows[0]["seq"] + 5))


def test_large_bodies_come_back_whole_from_their_blob(db, run_id):
    text = "x" * 20_000
    db.write_now(lambda tx: journal.append(tx, "run-1", "big", {"text": text}))
    assert db.read_now(lambda c: journal.rows(c, "run-1"))[-1]["body"] == {"text": text}


def test_the_same_occurrence_is_kept_once(db):
    request = Request(team="T", channel="C", thread="1.0", key="1.0", kind="mention", user="U", text="close")
    assert db.write_now(lambda tx: receive(tx, request)) is True
    assert db.write_now(lambda tx: receive(tx, request)) is False
    assert len(db.write_now(untaken)) == 1
    assert db.read_now(lambda c: c.execute(select(agent.c.wake_seq).where(agent.c.id == INTAKE)).scalar()) == 1
