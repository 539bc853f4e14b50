"""Words in the thread of a run whose lead has finished: its answer comes back, unless a person let it be written."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import insert, select, update

from bot.coordinator import steering
from bot.skills import SkillLibrary
from bot.store import journal
from bot.store import schema as t
from bot.tools.team import open_agent
from bot.types import Request
from tests.tools.harness import run_row, store

RUN = "run-abcdefabcdef"
SAID = Request(
    team="T", channel="C", thread="1.0", key="2.0", kind="reply", user="U", text="only the Sales department"
)


@pytest.fixture
def db(tmp_path):
    """A lead that has finished, and a person who looks at what it would write."""
    with store(tmp_path) as db:
        run_row(db, RUN, offline=False, thread="1.0")

        def finished(tx):
            open_agent(tx, RUN, "T", name="lead", role="lead")
            tx.execute(update(t.agent).values(status="finishing", finish={"id": "toolu_1", "args": {}}))
            tx.execute(
                insert(t.approval).values(
                    id="a-1", team_id="T", run_id=RUN, kind="changes", person="U", preview={}, status="pending",
                    asked_at=time.time(), expires_at=time.time() + 60,
                )
            )  # fmt: skip

        db.write_now(finished)
        yield db


def said(db):
    """What became of the words: the lead's status, the approval's, and what the thread reads."""
    db.write_now(lambda tx: steering.take(tx, SAID, SkillLibrary()))
    lead = db.read_now(lambda c: c.execute(select(t.agent.c.status)).scalar_one())
    asked = db.read_now(lambda c: c.execute(select(t.approval.c.status)).scalar_one())
    told = [r["body"] for r in db.read_now(lambda c: journal.rows(c, RUN)) if r["kind"] == "steer.answered"]
    return lead, asked, [body["text"] for body in told]


def test_words_before_the_approval_bring_the_answer_back_and_close_the_card(db):
    assert said(db) == ("live", "void", [])


def test_words_after_the_approval_change_nothing_and_are_told_so(db):
    db.write_now(lambda tx: tx.execute(update(t.approval).values(status="approved")))
    assert said(db) == ("finishing", "approved", [steering.BEING_WRITTEN])
