"""A run's view is told from its rows, also from those that are kept aside for their size."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import insert

from bot.store import journal
from bot.store.database import BLOB_OVER, Database
from bot.store.schema import run
from bot.store.view import run_view


@pytest.fixture
def db(tmp_path):
    db = Database(f"sqlite:///{tmp_path / 'cadre.db'}", time.time)
    db.migrate()
    db.write_now(
        lambda tx: tx.execute(
            insert(run).values(
                id="run-1", team_id="T", requester="U", credential_owner="U", channel="C", kind="mention",
                request="close", status="working", model="m", offline=True, created_at=0.0, labels={},
            )
        )
    )  # fmt: skip
    yield db
    db.close()


def test_checks_too_many_for_a_row_are_told_like_few(db):
    checks = [{"name": f"check {n}", "passed": True, "evidence": "x" * 100} for n in range(BLOB_OVER // 100)]
    db.write_now(
        lambda tx: journal.append(tx, "run-1", "checked", {"scope": "run", "passed": True, "checks": checks})
    )
    view = db.read_now(lambda c: run_view(c, "run-1"))
    assert [check.name for check in view.verified] == [check["name"] for check in checks]


def test_a_view_without_proof_tells_all_that_a_thread_shows(db):
    db.write_now(lambda tx: journal.append(tx, "run-1", "notice", {"text": "The ledger does not answer."}))
    whole, shown = (db.read_now(lambda c, p=proof: run_view(c, "run-1", proof=p)) for proof in (True, False))
    assert shown.notices == whole.notices == ("The ledger does not answer.",)
    assert shown.run == whole.run
