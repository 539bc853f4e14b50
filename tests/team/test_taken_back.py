"""A person writes in the thread instead of answering: what was asked is taken back, and the agent reads that first."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest
from sqlalchemy import insert, select

from bot.coordinator import control
from bot.coordinator.intake import receive
from bot.store import journal, leases, mail
from bot.store import schema as t
from bot.team import asking
from bot.team.record import Recorder
from bot.tools.registry import Registry
from bot.tools.team import open_agent
from bot.types import Request
from loopback.model.scripted import call
from tests.team.harness import worker
from tests.team.test_operations import last, planned, spawn, turns
from tests.tools.harness import run_row, store

ASK = call("ask_person", {"question": "Which quarter?"})
BLOCKED = call("finish", {"status": "blocked", "summary": "that is enough"})
EDIT = "look into it, but leave the payroll folder alone"
STEER = {"urgent": True, "steer": "steer", "by": "U"}
RUN = "run-abcdefabcdef"


def edited():
    return Request(team="T", channel="C", thread="1.0", key="1.0:2.0", kind="edit", user="U", text=EDIT)


def played(tmp_path, steps, then):
    """A lead that makes these calls, and what people do once it has asked; gives the run and what the lead read."""
    seen = []

    def script(body):
        seen.append(last(body))
        return steps[turns(body)] if turns(body) < len(steps) else [BLOCKED]

    async def scenario():
        async with worker(tmp_path, script, model_name="claude-x") as here:
            run_id = await here.ask()
            view = await here.until(run_id, lambda view: any(a.status == "pending" for a in view.approvals))
            await then(here, run_id, view.approvals[0])
            return await here.ended(run_id)

    return asyncio.run(scenario()), seen


def test_an_edit_of_the_request_ends_the_wait_for_an_answer_and_the_agent_may_ask_again(tmp_path):
    async def then(here, run_id, asked):
        await here.db.write(lambda tx: receive(tx, edited()))
        view = await here.until(run_id, lambda view: any(a.id != asked.id for a in view.approvals))
        assert await here.db.write(lambda tx: control.answer(tx, asked.id, "U", "the first")) == "void"
        again = next(a for a in view.approvals if a.status == "pending")
        assert await here.db.write(lambda tx: control.answer(tx, again.id, "U", "the second")) == "done"

    view, seen = played(tmp_path, [[ASK], [ASK]], then)
    assert "Somebody wrote in the thread before this was answered" in seen[1] and EDIT in seen[1]
    assert "the second" in seen[2]
    assert [a.status for a in view.approvals] == ["withdrawn", "answered"]
    assert all(m.delivered_at for m in view.messages)


def test_an_answer_at_the_same_moment_counts_and_the_words_are_read_with_it(tmp_path):
    async def then(here, run_id, asked):
        def both(tx):
            mail.send(tx, run_id, mail.HARNESS, "lead", EDIT, data=STEER)
            assert control.answer(tx, asked.id, "U", "the first") == "done"

        await here.db.write(both)

    view, seen = played(tmp_path, [[ASK]], then)
    assert "the first" in seen[1] and EDIT in seen[1]
    assert [a.status for a in view.approvals] == ["answered"]


def test_mail_of_colleagues_takes_no_question_back(tmp_path):
    async def then(here, run_id, asked):
        data = {**STEER, "report": True}
        await here.db.write(lambda tx: mail.send(tx, run_id, "one", "lead", "look here", data=data))
        await here.until(run_id, lambda view: any(m.text == "look here" for m in view.messages))
        assert await here.db.write(lambda tx: control.answer(tx, asked.id, "U", "the first")) == "done"

    view, seen = played(tmp_path, [[ASK]], then)
    assert "the first" in seen[1]
    assert [a.status for a in view.approvals] == ["answered"]


def test_a_plan_that_was_taken_back_may_not_begin_before_it_is_shown_again(tmp_path):
    async def then(here, run_id, asked):
        await here.db.write(lambda tx: receive(tx, edited()))
        await here.until(run_id, lambda view: any(c.name == "spawn_agent" for c in view.tool_calls))
        press = await here.db.write(lambda tx: control.decide(tx, asked.id, "U", True, asked.args_sha256))
        assert press == "void"

    large = planned(*({"id": f"t{n}"} for n in range(13)))
    view, seen = played(tmp_path, [[large], [spawn("one", task="t1")]], then)
    assert "before the plan was agreed on" in seen[1] and EDIT in seen[1]
    assert "not agreed on yet" in seen[2]
    assert [a.name for a in view.agents] == ["lead"]
    assert [a.status for a in view.approvals] == ["withdrawn"]


@pytest.fixture
def asked(tmp_path):
    """A lead asleep in a call that a person has to allow."""
    with store(tmp_path) as db:
        run_row(db, RUN, offline=False)
        db.write_now(lambda tx: open_agent(tx, RUN, "T", name="lead", role="lead"))
        claim = db.write_now(lambda tx: leases.claim(tx, f"{RUN}/lead", "w"))

        def ask(tx):
            common = {"team_id": "T", "run_id": RUN, "agent_id": claim.agent_id, "args_sha256": journal.sha256_of({})}
            tx.execute(
                insert(t.tool_call).values(
                    **common, id="toolu_1", turn=1, position=0, name="mcp__crm__add_note", args={}, effect="other",
                    op_key="k", decision_id="d", status="intent", epoch=claim.epoch,
                )
            )  # fmt: skip
            tx.execute(
                insert(t.approval).values(
                    **common, id="a-1", kind="call", call_id="toolu_1", person="U", preview={}, status="pending",
                    asked_at=time.time(), expires_at=time.time() + 60,
                )
            )  # fmt: skip

        db.write_now(ask)
        waiting = {"id": "toolu_1", "for": "answer", "approval": "a-1"}
        state = SimpleNamespace(row={"waiting": waiting}, unparked=lambda recorded: read.append(recorded[0]))
        read = []

        def take_back():
            return asyncio.run(asking.taken_back(db, Recorder(claim, Registry([])), state))

        def press():
            return db.write_now(lambda tx: control.decide(tx, "a-1", "U", True, journal.sha256_of({})))

        def statuses():
            made = db.read_now(lambda c: c.execute(select(t.tool_call.c.status)).scalar_one())
            return made, db.read_now(lambda c: c.execute(select(t.approval.c.status)).scalar_one())

        yield SimpleNamespace(db=db, read=read, take_back=take_back, press=press, statuses=statuses)


def test_a_call_that_nobody_allowed_yet_is_taken_back_and_no_press_makes_it_any_more(asked):
    assert asked.take_back()
    assert asked.press() == "void"
    assert "it was not made" in asked.read[0]["content"]["error"]
    assert asked.statuses() == ("failed", "withdrawn")


def test_a_call_that_was_allowed_just_before_is_made(asked):
    assert asked.press() == "done"
    assert not asked.take_back()
    assert asked.statuses() == ("intent", "approved")


def test_what_a_connected_server_holds_is_left_to_its_own_answer(asked):
    asked.db.write_now(lambda tx: tx.execute(t.approval.update().values(kind="question", preview={"server": "crm"})))
    assert not asked.take_back()
    assert asked.statuses() == ("intent", "pending")
