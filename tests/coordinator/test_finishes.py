"""When a lead's answer counts: nobody at work, every message read, its own tasks checked, and a judge of code's making."""

from __future__ import annotations

import asyncio

import pytest

from bot.coordinator.finishes import own
from bot.coordinator.runs import end_run
from bot.store import schema as t
from bot.store.view import run_view
from bot.tools.team import open_agent
from bot.types import RunStatus
from loopback.model.scripted import call
from tests.team.fresh_eyes import judged
from tests.team.harness import worker
from tests.team.test_mail import send
from tests.team.test_operations import finish, kinds, last, planned, run, spawn, turns, who
from tests.tools.harness import run_row, store

OPEN_TASK = {
    "run_id": "run-1", "id": "a", "team_id": "T", "title": "a", "owner": "one", "status": "pending", "checks": [],
    "attempt": 0, "part": "", "role": "", "depends_on": [], "inputs": [], "outputs": [], "criteria": ["it is done"],
    "budget": "", "person": None, "position": 0,
}  # fmt: skip
NOTES = call("write_file", {"path": "o.md", "text": "What was found."})


def ran(tmp_path, script, **options):
    """One request from start to end."""

    async def scenario():
        async with worker(tmp_path, script, **options) as here:
            return await here.ended(await here.ask())

    return asyncio.run(scenario())


def calls_of(view, agent, name):
    return [c for c in view.tool_calls if (c.agent, c.name) == (agent, name)]


@pytest.mark.parametrize(
    "name", ["verifier", "verifier1", "verifier-2", "cadre_", "harness1", "bulk3", "lead", "all"]
)
def test_a_name_of_cadres_own_is_refused(tmp_path, name):
    view, _, seen = run(tmp_path, {"lead": [[spawn(name)], [finish()]]})
    assert f"The name {name} is taken by Cadre itself" in seen["lead"][1]
    assert [a.name for a in view.agents] == ["lead"]


@pytest.mark.parametrize("role", ["verifier", "Verifier", "item", "Lead"])
def test_a_role_of_cadres_own_is_refused(tmp_path, role):
    one = call("spawn_agent", {"name": "one", "role": role, "brief": "say that all is fine"})
    view, _, seen = run(tmp_path, {"lead": [[one], [finish()]]})
    assert "Nobody appoints" in seen["lead"][1] or "one lead" in seen["lead"][1]
    assert [a.name for a in view.agents] == ["lead"]


def test_a_role_names_no_file_elsewhere(tmp_path):
    one = call("spawn_agent", {"name": "one", "role": "../roles/verifier", "brief": "look"})
    view, _, _ = run(tmp_path, {"lead": [[one], [finish()]]})
    assert [a.name for a in view.agents] == ["lead"]


def test_nobody_writes_to_a_verifier_and_it_writes_to_nobody(tmp_path):
    heard = []

    def script(body):
        if who(body) == "verifier1":
            heard.append(last(body))
            return [send("lead", "looks good")] if turns(body) == 0 else judged(body)
        steps = [[planned({"id": "a", "owner": "lead"})], [NOTES], [send("verifier1", "be kind")]]
        return steps[turns(body)] if turns(body) < len(steps) else [finish(outputs=["o.md"])]

    view = ran(tmp_path, script, fresh_eyes=False)
    assert view.run.status == "done"
    assert "judges alone" in heard[1]
    assert view.messages == ()


def test_only_a_verifier_that_code_opened_judges_the_run(tmp_path):
    """An agent of that name which somebody else made is none, whatever it says."""

    def script(body):
        if who(body) == "verifier9":
            return [call("finish", {"status": "done", "summary": "fine", "verdicts": []})]
        steps = [[planned({"id": "a"})], [spawn("one")], [call("wait", {"from": ["one"]})]]
        if who(body) == "one":
            return [call("finish", {"status": "done", "summary": "ok"})]
        return steps[turns(body)] if turns(body) < len(steps) else [finish()]

    def renamed(tx):
        old = t.agent.c.name == "one"
        tx.execute(t.agent.update().where(old).values(name="verifier1", role="verifier"))

    async def scenario():
        async with worker(tmp_path, script, fresh_eyes=False) as here:
            run_id = await here.ask()
            await here.until(run_id, lambda view: any(a.name == "one" and a.status == "done" for a in view.agents))
            await here.db.write(renamed)
            return await here.ended(run_id)

    view = asyncio.run(scenario())
    assert view.run.status == "failed"
    assert "tasks_done: not done: a" in view.run.error["message"]


@pytest.mark.parametrize(
    "taken", [[], [call("claim_task", {"task": "a"})], [call("assign", {"task": "a", "agent": "lead"})]]
)
def test_a_task_that_the_lead_does_itself_is_closed_by_its_finish(tmp_path, taken):
    parts = {
        "lead": [
            [planned({"id": "a", "owner": "lead", "outputs": ["o.md"]})],
            [*taken, NOTES],
            [finish()],
            [finish(outputs=["o.md"])],
        ]
    }
    view, _, seen = run(tmp_path, parts)
    assert "name in outputs what a is to give: o.md" in seen["lead"][3]
    assert view.run.status == "done"
    assert [(x.id, x.status) for x in view.tasks] == [("a", "done")]
    assert "verifier: it is done" in [c.name for c in view.verified]


def test_what_depends_on_a_task_of_the_lead_may_begin_when_the_lead_has_handed_that_in(tmp_path):
    parts = {
        "lead": [
            [planned({"id": "a", "owner": "lead"}, {"id": "b", "depends_on": ["a"]}, mode="delegation")],
            [NOTES, spawn("one", task="b")],
            [finish(outputs=["o.md"])],
            [spawn("one", task="b"), call("wait", {"from": ["one"]})],
            [finish(outputs=["o.md"])],
        ],
        "one": [[finish()]],
    }
    view, _, seen = run(tmp_path, parts)
    assert "b is blocked by a" in seen["lead"][2] and "not done: b" in seen["lead"][3]
    assert view.run.status == "done"
    assert [x.status for x in view.tasks] == ["done", "done"]


def test_what_the_lead_is_to_do_after_others_is_not_closed_before_they_are_done():
    def task(name, owner, status, *needs):
        return {"id": name, "owner": owner, "status": status, "depends_on": list(needs)}

    board = [
        task("look", "one", "working"),
        task("read", "two", "done"),
        task("count", "lead", "working", "read"),
        task("sum", "lead", "pending", "look", "count"),
        task("say", "lead", "pending", "sum"),
    ]
    assert [x["id"] for x in own(board, {"name": "lead"})] == ["count"]
    board[0]["status"] = "done"
    assert [x["id"] for x in own(board, {"name": "lead"})] == ["count", "sum", "say"]


def test_what_the_lead_did_itself_goes_back_when_its_criterion_does_not_hold(tmp_path):
    def script(body):
        if who(body).startswith("verifier"):
            return judged(body, passed=who(body) != "verifier1")
        steps = [[planned({"id": "a", "owner": "lead"})], [NOTES]]
        return steps[turns(body)] if turns(body) < len(steps) else [finish(outputs=["o.md"])]

    view = ran(tmp_path, script, fresh_eyes=False)
    assert view.run.status == "done"
    assert [c.status for c in calls_of(view, "lead", "finish")] == ["failed", "done"]


def test_a_lead_of_a_part_closes_the_tasks_that_it_kept(tmp_path):
    part = call("spawn_agent", {"name": "left", "role": "part_lead", "brief": "lead the left part", "task": "part"})
    parts = {
        "lead": [[planned({"id": "part"})], [part], [call("wait", {"from": ["left"]})], [finish()]],
        "left": [[planned({"id": "mine", "owner": "left"})], [NOTES], [finish(outputs=["o.md"])]],
    }
    view, _, _ = run(tmp_path, parts)
    assert view.run.status == "done"
    assert {x.id: x.status for x in view.tasks} == {"part": "done", "mine": "done"}


def test_an_answer_while_somebody_is_at_work_comes_back_with_their_names(tmp_path):
    parts = {
        "lead": [[spawn("one")], [finish()], [send("one", "go")], [call("wait", {"from": ["one"]})], [finish()]],
        "one": [[call("wait", {"from": ["lead"]})], [finish()]],
    }
    view, rows, seen = run(tmp_path, parts)
    assert "Not yet. Still at work: one. Wait for them, or end them with stop_agent." in seen["lead"][2]
    assert "Asleep until somebody writes to them: one." in seen["lead"][2]
    assert view.run.status == "done"
    assert {a.name: a.status for a in view.agents} == {"lead": "done", "one": "done"}
    assert kinds(rows, "checked")[0]["passed"]  # it was too early, not wrong


def test_a_lead_that_never_waits_fails_in_the_end_and_who_was_at_work_was_stopped(tmp_path):
    def script(body):
        if who(body) == "one":
            return [call("wait", {"from": ["lead"]})]
        return [spawn("one")] if turns(body) == 0 else [finish()]

    view = ran(tmp_path, script)
    assert (view.run.status, view.run.error["kind"]) == ("failed", "verification")
    assert "Still at work: one" in view.run.error["message"]
    assert {a.name: a.status for a in view.agents} == {"lead": "stopped", "one": "stopped"}


def test_mail_that_the_lead_has_not_read_brings_its_answer_back(tmp_path):
    """The report of a colleague comes while the lead answers: the answer does not count before it has read that."""

    def script(body):
        if who(body) == "scout":
            step = [send("lead", "first look: no risk")], [send("lead", "CORRECTION: clause seven is a risk")]
            return step[turns(body)] if turns(body) < 2 else [call("finish", {"status": "done", "summary": "a risk"})]
        if "CORRECTION" in str(body["messages"]):
            return [finish(reply="Clause seven is a risk.")]
        if "Not yet" in last(body):
            return [call("wait", {"from": ["scout"]})]
        steps = [[spawn("scout")], [call("wait", {"from": ["scout"]})]]
        return steps[turns(body)] if turns(body) < 2 else [finish(reply="There is no risk.")]

    view = ran(tmp_path, script, model_name="claude-x")
    assert view.run.status == "done"
    assert "risk" in view.summary_text and "no risk" not in view.summary_text
    assert all(m.delivered_at for m in view.messages)


def test_what_was_not_finished_when_a_run_ends_is_stopped_and_never_done(tmp_path):
    with store(tmp_path) as db:
        run_row(db, "run-1")
        db.write_now(lambda tx: open_agent(tx, "run-1", "T", name="one", role="specialist"))
        db.write_now(lambda tx: tx.execute(t.task.insert().values(**OPEN_TASK)))
        db.write_now(lambda tx: end_run(tx, "run-1", RunStatus.DONE, summary="done"))
        view = db.read_now(lambda c: run_view(c, "run-1"))
    assert [a.status for a in view.agents] == ["stopped"]
    assert [x.status for x in view.tasks] == ["stopped"]
