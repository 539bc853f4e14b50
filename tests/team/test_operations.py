"""What a team can do, over the wire: the board, agents that end, leads of parts, people's tasks, plans for approval."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select, update

from bot.coordinator.control import answer
from bot.errors import ModelMustRetry
from bot.store import board, journal
from bot.store import schema as t
from loopback.model.scripted import call, text
from tests.team.harness import worker


def who(body):
    return body["metadata"]["user_id"].split("/")[-1]


def turns(body):
    return sum(m["role"] == "assistant" for m in body["messages"])


def last(body):
    return str(body["messages"][-1])


def finish(**more):
    return call("finish", {"status": "done", "summary": "done", "reply": "It is done.", **more})


def planned(*tasks, **more):
    made = [{"title": one["id"], "criteria": ["it is done"], **one} for one in tasks]
    return call("plan", {"tasks": made, "reason": "parts", **more})


def spawn(name, **more):
    return call("spawn_agent", {"name": name, "role": "specialist", "brief": f"work as {name}", **more})


def played(parts):
    """A model that plays each agent's list of replies; a function gets the request."""

    def script(body):
        step = parts[who(body)][turns(body)]
        return step(body) if callable(step) else step

    return script


def run(tmp_path, parts, then=None, **options):
    """Ask once, follow to the end; gives the run and, for each agent, the last message of each of its requests."""
    seen = {}

    def script(body):
        seen.setdefault(who(body), []).append(last(body))
        said = played(parts)(body)
        first = who(body) == "lead" and turns(body) == 0
        return [*said, call("write_file", {"path": "notes.md", "text": "What was done."})] if first else said

    async def scenario():
        async with worker(tmp_path, script, **options) as here:
            run_id = await here.ask()
            if then is not None:
                await then(here, run_id)
            view = await here.ended(run_id)
            rows = await here.db.read(lambda c: journal.rows(c, run_id))
            return view, [(r["kind"], r["body"]) for r in rows]

    view, rows = asyncio.run(scenario())
    return view, rows, seen


def kinds(rows, kind):
    return [body for name, body in rows if name == kind]


def test_independent_parts_are_delegated_and_a_blocked_one_cannot_begin_first(tmp_path):
    parts = {
        "lead": [
            [planned({"id": "a"}, {"id": "b"})],
            [planned({"id": "a"}, {"id": "b", "depends_on": ["a"]}, mode="delegation")],
            [spawn("one", task="b")],
            [spawn("one", task="a"), call("wait", {"from": ["one"]})],
            [spawn("two", task="b"), call("wait", {"from": ["two"]})],
            [finish()],
        ],
        "one": [[finish()]],
        "two": [[finish()]],
    }
    view, rows, seen = run(tmp_path, parts)
    assert (view.run.status, view.run.mode) == ("done", "delegation")
    assert "b is blocked by a" in seen["lead"][3]
    assert kinds(rows, "plan")[0]["mode"] == "delegation"
    assert kinds(rows, "plan.changed")[0]["reason"] == "parts"


def test_a_dependency_found_while_working_changes_the_plan_with_its_reason(tmp_path):
    parts = {
        "lead": [
            [planned({"id": "a"}, {"id": "b"}, {"id": "c", "depends_on": ["b"]})],
            [spawn("one", task="a"), spawn("two", task="b"), call("wait", {"from": ["two"]})],
            [call("wait", {"from": ["two"]})],
            [call("wait", {"from": ["one"]})],
            [spawn("three", task="c"), call("wait", {"from": ["three"]})],
            [finish()],
        ],
        "one": [[finish()]],
        "two": [
            [call("depend", {"task": "b", "on": "c", "reason": "x"})],
            [call("depend", {"task": "b", "on": "a", "reason": "the totals of a are needed"})],
            [finish()],
        ],
        "three": [[finish()]],
    }
    view, rows, seen = run(tmp_path, parts)
    assert view.run.status == "done"
    assert "circle" in seen["two"][1]
    (changed,) = kinds(rows, "plan.changed")
    assert (changed["task"], changed["depends_on"]) == ("b", "a")
    assert changed["reason"] == "the totals of a are needed"
    assert next(x.depends_on for x in view.tasks if x.id == "b") == ("a",)


def test_two_agents_that_claim_get_two_tasks_and_a_third_learns_why_not(tmp_path):
    claim = call("claim_task", {})
    parts = {
        "lead": [
            [planned({"id": "a"}, {"id": "b"})],
            [spawn("one"), spawn("two")],
            [call("wait", {"from": ["one", "two"], "all": True})],
            [call("list_team", {})],
            [finish()],
        ],
        "one": [[claim], [claim], [finish()]],
        "two": [[claim], [finish()]],
    }
    view, _, seen = run(tmp_path, parts)
    assert view.run.status == "done"
    assert sorted(x.owner for x in view.tasks) == ["one", "two"]
    assert "You are at work on" in seen["one"][2]
    assert '"status":"done"' in seen["lead"][4].replace("\\", "")


def test_a_failed_agents_task_returns_and_a_colleague_takes_it_over_with_its_files(tmp_path):
    parts = {
        "lead": [
            [planned({"id": "a"})],
            [spawn("one", task="a"), call("wait", {"from": ["one"]})],
            [spawn("two", task="a"), call("wait", {"from": ["two"]})],
            [finish()],
        ],
        "one": [
            [call("write_file", {"path": "half.md", "text": "half of it"})],
            [
                call(
                    "send_message",
                    {"to": "lead", "text": "half", "files": ["half.md"], "share": True, "data": {"n": 1}},
                )
            ],
            *[[text("I am on it.")] for _ in range(3)],
        ],
        "two": [[call("list_files", {})], [finish()]],
    }
    parts["lead"].insert(2, [call("wait", {"from": ["one"]})])
    view, rows, seen = run(tmp_path, parts)
    assert view.run.status == "done"
    (returned,) = kinds(rows, "task.returned")
    assert (returned["task"], returned["from"]) == ("a", "one")
    assert "I failed" in seen["lead"][3]
    assert "Give a to somebody else" in seen["lead"][3]
    assert "one had a before you" in seen["two"][0]
    assert "half.md" in seen["two"][1]


def test_stopping_a_lead_of_a_part_stops_its_team_first_and_returns_the_work(tmp_path):
    parts = {
        "lead": [
            [planned({"id": "a"})],
            [call("spawn_agent", {"name": "press", "role": "part_lead", "brief": "lead it", "task": "a"})],
            [call("wait", {"from": ["press"]})],
            [call("stop_agent", {"name": "press", "reason": "no longer wanted"})],
            [call("send_message", {"to": "writer", "text": "are you there?"})],
            [call("finish", {"status": "blocked", "summary": "Stopped halfway."})],
        ],
        "press": [
            [planned({"id": "a1"})],
            [spawn("writer", task="a1")],
            [call("send_message", {"to": "lead", "text": "we have begun"})],
            [call("wait", {"from": ["writer"]})],
        ],
        "writer": [
            [call("wait", {"from": ["press"]})],
            [call("spawn_agent", {"name": "x", "role": "y", "brief": "z"})],
        ],
    }
    view, rows, seen = run(tmp_path, parts)
    assert [b["name"] for b in kinds(rows, "agent.stopped")] == ["writer", "press"]
    assert {b["task"] for b in kinds(rows, "task.returned")} == {"a", "a1"}
    assert "has ended (stopped)" in seen["lead"][5]
    assert view.run.error["kind"] == "blocked"


def test_a_lead_of_a_part_plans_appoints_and_cannot_end_before_its_part_is_done(tmp_path):
    parts = {
        "lead": [
            [planned({"id": "a"})],
            [call("spawn_agent", {"name": "press", "role": "part_lead", "brief": "lead it", "task": "a"})],
            [call("wait", {"from": ["press"]})],
            [finish()],
        ],
        "press": [
            [planned({"id": "a"})],
            [planned({"id": "a1"})],
            [finish()],
            [call("spawn_agent", {"name": "writer", "role": "part_lead", "brief": "write", "task": "a1"})],
            [call("wait", {"from": ["writer"]})],
            [finish()],
        ],
        "writer": [[spawn("deeper")], [finish()]],
    }
    view, _, seen = run(tmp_path, parts)
    assert view.run.status == "done"
    assert "another part of the plan has a task of that id" in seen["press"][1]
    assert "Tasks of your part are not done: a1" in seen["press"][3]
    assert "You work for a lead of a part already" in seen["writer"][1]
    assert {x.id: x.status for x in view.tasks} == {"a": "done", "a1": "done"}


def test_files_that_the_plan_wants_must_be_handed_in(tmp_path):
    parts = {
        "lead": [
            [planned({"id": "a", "outputs": ["text.md"]})],
            [spawn("one", task="a"), call("wait", {"from": ["one"]})],
            [finish()],
        ],
        "one": [
            [finish()],
            [call("write_file", {"path": "text.md", "text": "words"})],
            [finish(outputs=["text.md"])],
        ],
    }
    view, _, seen = run(tmp_path, parts)
    assert view.run.status == "done"
    assert "The plan wants these files from you: text.md" in seen["one"][1]


@pytest.mark.parametrize(
    ("said", "words"),
    [("approve", "approved_by"), ("leave out the last part", "leave out the last part")],
)
def test_a_large_plan_waits_for_the_requester_before_anything_begins(tmp_path, said, words):
    many = [{"id": f"t{n}"} for n in range(13)]
    parts = {
        "lead": [
            [planned(*many), spawn("early", task="t0")],
            [planned({"id": "only"})] if said != "approve" else [call("list_team", {})],
            [call("finish", {"status": "refused", "summary": "Enough.", "reply": "Enough."})],
        ]
    }

    async def then(here, run_id):
        view = await here.until(run_id, lambda v: bool(v.approvals))
        (asked,) = view.approvals
        assert asked.kind == "plan"
        assert len(asked.preview["tasks"]) == 13
        assert await here.db.write(lambda tx: answer(tx, asked.id, "U", said)) == "done"

    view, _, seen = run(tmp_path, parts, then)
    assert "not agreed on yet" in seen["lead"][1]
    assert words in seen["lead"][1]
    assert [a.name for a in view.agents] == ["lead"]


def test_a_person_owns_a_task_and_the_lead_goes_on_with_what_came_of_it(tmp_path):
    parts = {
        "lead": [
            [planned({"id": "sign", "person": {"user": "<@U7>", "due_h": 4}})],
            [call("wait", {})],
            [finish()],
        ]
    }

    async def then(here, run_id):
        view = await here.until(run_id, lambda v: bool(v.approvals))
        (asked,) = view.approvals
        assert asked.preview["person"] == "U7"
        assert [x.status for x in view.tasks] == ["person"]
        assert await here.db.write(lambda tx: answer(tx, asked.id, "U7", "signed, on your desk")) == "done"

    view, _, seen = run(tmp_path, parts, then)
    assert view.run.status == "done"
    assert "signed, on your desk" in seen["lead"][2]
    assert view.tasks[0].checks[0].evidence == "U7: signed, on your desk"


def test_a_person_who_does_not_answer_is_reminded_and_then_the_fallback_has_the_task(tmp_path):
    parts = {
        "lead": [
            [
                planned(
                    {"id": "sign", "person": {"user": "U7", "due_h": 0.001, "remind_h": 0.0001, "fallback": "aide"}}
                )
            ],
            [spawn("aide"), call("wait", {"from": ["aide"]})],
            [call("wait", {"from": ["aide"]})],
            [finish()],
        ],
        "aide": [[call("wait", {"from": ["cadre"]})], [finish()]],
    }
    view, rows, seen = run(tmp_path, parts)
    assert view.run.status == "done"
    assert [n["task"] for n in kinds(rows, "notice")] == ["sign"]
    assert "aide has it now" in seen["lead"][2]
    assert view.tasks[0].owner == "aide"


def test_an_agent_that_stands_still_is_a_notice_and_then_a_typed_failure_of_its_task(tmp_path):
    parts = {
        "lead": [
            [planned({"id": "a"})],
            [spawn("one", task="a"), call("wait", {"from": ["one"]})],
            [call("finish", {"status": "blocked", "summary": "One stood still."})],
        ],
        "one": [[finish()]],
    }

    async def scenario():
        async with worker(tmp_path, played(parts), stall_s=1.0) as here:
            here.faults.add({"match": {"contains": "<brief from"}, "kind": "delay", "delay_s": 6, "rate": 1.0})
            view = await here.ended(await here.ask())
            rows = await here.db.read(lambda c: journal.rows(c, view.run.id))
            return view, [(r["kind"], r["body"]) for r in rows]

    view, rows = asyncio.run(scenario())
    assert [n["kind"] for n in kinds(rows, "notice")] == ["stalled"]
    assert [f["kind"] for f in kinds(rows, "agent.failed")] == ["stalled"]
    assert kinds(rows, "task.returned")[0]["from"] == "one"
    assert view.run.error["kind"] == "blocked"


def test_a_claim_runs_out_when_its_owner_shows_no_sign_of_life(tmp_path):
    parts = {
        "lead": [
            [planned({"id": "a"})],
            [spawn("one", task="a"), call("wait", {"from": ["one"]})],
            [finish()],
        ],
        "one": [[call("wait", {"from": ["lead"], "minutes": 60})], [finish()]],  # else two wait for each other
    }

    async def scenario():
        async with worker(tmp_path, played(parts)) as here:
            run_id = await here.ask()
            await here.until(run_id, lambda v: any(a.name == "one" and a.turns == 1 for a in v.agents))
            one = f"{run_id}/one"

            def claimed(tx):
                tx.execute(update(t.agent).where(t.agent.c.id == one).values(waiting=None))
                with pytest.raises(ModelMustRetry, match="has not run out"):
                    board.claim(tx, run_id, "lead", "a")
                tx.execute(update(t.task).values(lease_until=0.0))
                tx.execute(update(t.journal).where(t.journal.c.agent_id == one).values(at=0.0))
                got = board.claim(tx, run_id, "lead", "a")
                return (
                    got["owner"],
                    got["attempt"],
                    tx.execute(select(t.agent.c.task).where(t.agent.c.id == one)).scalar(),
                )

            return await here.db.write(claimed)

    assert asyncio.run(scenario()) == ("lead", 1, "")
