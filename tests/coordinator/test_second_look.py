"""The verifier's word: promises about files are judged by fresh eyes, and what they leave out is never a pass."""

from __future__ import annotations

import asyncio

from loopback.model.scripted import call, text
from tests.team.fresh_eyes import asked, judged
from tests.team.harness import worker
from tests.team.test_operations import finish, planned, spawn, turns, who

TASK = {"id": "a", "criteria": ["the totals are there", "the source is named"]}


def played(tmp_path, verifier):
    """A specialist that writes a file and a lead that finishes; gives the run and what each agent was told last."""
    told = {}

    def script(body):
        told.setdefault(who(body), []).append(str(body["messages"]))
        if who(body).startswith("verifier"):
            return verifier(body)
        steps = {
            "lead": [[planned(TASK)], [spawn("one", task="a")], [call("wait", {"from": ["one"]})]],
            "one": [[call("write_file", {"path": "totals.md", "text": "The totals."})]],
        }[who(body)]
        return (
            steps[turns(body)]
            if turns(body) < len(steps)
            else [finish(outputs=["totals.md"] if who(body) == "one" else [])]
        )

    async def scenario():
        async with worker(tmp_path, script, fresh_eyes=False) as here:
            return await here.ended(await here.ask())

    return asyncio.run(scenario()), told


def test_a_run_without_a_skill_is_judged_on_its_files_by_the_plans_criteria(tmp_path):
    view, told = played(tmp_path, judged)
    assert view.run.status == "done"
    assert [c.name for c in view.verified if c.name.startswith("verifier")] == [
        "verifier: the totals are there",
        "verifier: the source is named",
    ]
    assert "totals.md" in told["verifier1"][0] and "write_file" not in told["verifier1"][0]


def test_a_criterion_that_does_not_hold_goes_back_with_what_was_seen_and_a_new_verifier_looks(tmp_path):
    def verifier(body):
        return judged(body, passed=who(body) != "verifier1")

    view, told = played(tmp_path, verifier)
    assert view.run.status == "done"
    assert "verifier: the source is named" in told["lead"][-1] and "Not accepted" in told["lead"][-1]
    assert "verifier2" in told


def test_a_criterion_that_the_verifier_leaves_out_is_never_a_pass(tmp_path):
    view, _ = played(tmp_path, lambda body: judged(body, left_out=asked(body)[1:]))
    assert (view.run.status, view.run.error["kind"]) == ("failed", "verification")
    assert "did not judge every criterion (a.2)" in view.run.error["message"]


def test_a_verifier_that_cannot_work_is_never_a_pass(tmp_path):
    view, _ = played(tmp_path, lambda _body: [text("")])
    assert view.run.status == "failed"


def test_a_planned_result_that_rests_on_no_call_at_all_is_not_accepted(tmp_path):
    def script(body):
        steps = [[planned(TASK)], [spawn("one", task="a")], [call("wait", {"from": ["one"]})]]
        return steps[turns(body)] if who(body) == "lead" and turns(body) < 3 else [finish()]

    async def scenario():
        async with worker(tmp_path, script) as here:
            return await here.ended(await here.ask())

    view = asyncio.run(scenario())
    assert (view.run.status, view.run.error["kind"]) == ("failed", "verification")
    assert "nobody read, computed or made anything" in view.run.error["message"]
