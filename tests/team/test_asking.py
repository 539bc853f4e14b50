"""An approval serves one call: after a crash in the middle it is not made again, and other arguments need another."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from bot.coordinator.control import decide
from bot.policy.gate import Effect
from bot.store import journal, leases
from bot.store import schema as t
from bot.team import asking
from bot.tools.base import Outcome, Tool
from bot.tools.team import open_agent
from tests.tools.harness import run_row, store

ARGS = {"campaign": "c-1", "text": "moved"}
RUN = "run-abcdefabcdef"


@pytest.fixture
def play(tmp_path):
    """A call that needs approval, what it does, and the one who makes it."""
    with store(tmp_path) as db:
        run_row(db, RUN)
        db.write_now(lambda tx: open_agent(tx, RUN, "T", name="ann", role="specialist"))
        claim = db.write_now(lambda tx: leases.claim(tx, f"{RUN}/ann", "w"))
        done = []

        async def make(begun):
            done.append("again" if begun else "made")
            return next(outcomes, Outcome({"ok": True, "number": len(done)}))

        outcomes = iter(())
        state = SimpleNamespace(row={"id": claim.agent_id, "name": "ann", "run_id": RUN, "team_id": "T"},
                                run={"requester": "U"})  # fmt: skip
        call = {
            "id": "toolu_1", "name": "mcp__crm__add_note", "args": ARGS, "args_sha256": journal.sha256_of(ARGS),
            "op_key": f"{claim.agent_id}/toolu_1", "team_id": "T", "decision_id": "d1",
        }  # fmt: skip

        def go(comes_to=(), resumes=False, **more):
            nonlocal outcomes
            outcomes = iter(comes_to)
            tool = Tool(call["name"], "Add a note.", Effect.OTHER, make, resumes=resumes)
            return asyncio.run(asking.made(db, claim, state, {**call, **more}, make, tool))

        yield SimpleNamespace(db=db, go=go, done=done)


def approved(play, approve=True):
    asked = play.go()
    play.db.write_now(lambda tx: asked.commit(tx))
    play.db.write_now(lambda tx: play.go().commit(tx))  # asked again after a crash: no second card
    (row,) = play.db.read_now(lambda c: c.execute(t.approval.select()).mappings().all())
    assert play.done == []
    assert play.db.write_now(lambda tx: decide(tx, row["id"], "V", approve, row["args_sha256"])) == "not_allowed"
    assert play.db.write_now(lambda tx: decide(tx, row["id"], "U", approve, "another hash")) == "void"
    assert play.db.write_now(lambda tx: decide(tx, row["id"], "U", approve, row["args_sha256"])) == "done"
    return row


def test_an_approved_call_is_made_once_and_its_answer_is_kept(play):
    approved(play)
    assert play.go().content == {"ok": True, "number": 1}
    assert play.go().content == {"ok": True, "number": 1}
    assert play.done == ["made"]


def test_a_call_that_a_crash_cut_off_is_said_to_be_unclear_and_not_made_again(play):
    approved(play)
    play.go()
    play.db.write_now(lambda tx: tx.execute(update(t.effect).values(status="intent", result={})))
    again = play.go()
    assert again.is_error and "not known" in again.content["error"]
    assert play.done == ["made"]


def test_other_arguments_are_another_call(play):
    approved(play)
    other = play.go(args={**ARGS, "text": "cancelled"})
    assert other.is_error and play.done == []
    assert play.go(id="toolu_2", op_key="x").parks is not None  # a new call asks anew
    assert play.done == []


def test_a_rejected_call_is_not_made_and_the_agent_reads_why(play):
    approved(play, approve=False)
    told = play.go()
    assert told.is_error and "rejected" in told.content["error"]
    assert play.done == []


def test_who_asked_and_has_ended_needs_no_answer_any_more(play):
    play.db.write_now(lambda tx: play.go().commit(tx))
    (row,) = play.db.read_now(lambda c: c.execute(t.approval.select()).mappings().all())
    play.db.write_now(lambda tx: tx.execute(update(t.agent).values(status="stopped")))
    assert play.db.write_now(lambda tx: decide(tx, row["id"], "U", True, row["args_sha256"])) == "void"


def test_a_call_that_sleeps_goes_on_where_it_was_and_is_told_when_it_was_cut_off(play):
    approved(play)
    asks = Outcome({}, parks={"for": "answer", "approval": "q"})
    parked = play.go([asks])
    assert parked.parks == asks.parks
    play.db.write_now(lambda tx: parked.commit(tx))
    play.go([asks], resumes=True)  # answered, goes on, and dies before it sleeps or ends
    assert play.go(resumes=True).content == {"ok": True, "number": 3}
    assert play.go(resumes=True).content == {"ok": True, "number": 3}
    assert play.done == ["made", "made", "again"]
