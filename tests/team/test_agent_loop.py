"""The agent loop over the wire: teams, mail, faults; an ending is always explicit."""

from __future__ import annotations

import asyncio

import pytest

from bot.coordinator.control import answer, stop
from loopback.model.scripted import call, text
from tests.team.harness import worker


def who(body):
    return body["metadata"]["user_id"].split("/")[-1]


def turns(body):
    return sum(m["role"] == "assistant" for m in body["messages"])


def spoken(body):
    return str(body["messages"])


def run(scenario):
    asyncio.run(scenario)


def finish(reply="It is done.", **more):
    return call("finish", {"status": "done", "summary": "done", "reply": reply, **more})


def test_a_small_request_is_one_agent_and_one_reply(tmp_path):
    async def scenario():
        async with worker(tmp_path, lambda body: [finish("Nothing to report.")]) as here:
            view = await here.ended(await here.ask())
            assert (view.run.status, view.summary_text) == ("done", "Nothing to report.")
            assert [a.name for a in view.agents] == ["lead"]
            assert view.tasks == ()

    run(scenario())


def team(body):
    """A lead with one specialist who sends a file, and a lead who waits for the report."""
    if who(body) == "scout":
        steps = [
            [call("write_file", {"path": "notes.md", "text": "found it"})],
            [call("finish", {"status": "done", "summary": "found", "outputs": ["notes.md"]})],
        ]
        return steps[turns(body)]
    steps = [
        [call("plan", {"tasks": [{"id": "look", "title": "Look", "criteria": ["found"]}], "reason": "one part"})],
        [call("spawn_agent", {"name": "scout", "role": "specialist", "brief": "look", "task": "look"})],
        [call("wait", {"from": ["scout"]})],
        [call("list_files", {})],
        [finish("Found.")],
    ]
    return steps[turns(body)]


def test_a_report_reaches_the_lead_with_its_file_and_ends_the_task(tmp_path):
    async def scenario():
        async with worker(tmp_path, team) as here:
            view = await here.ended(await here.ask())
            assert view.run.status == "done"
            assert [(m.sender, m.to, m.files) for m in view.messages] == [("scout", "lead", ("notes.md",))]
            assert [task.status for task in view.tasks] == ["done"]
            listed = next(c for c in here.log.since(0) if "inbox/" in str(c))
            assert "inbox/m" in str(listed)
            assert all(m.delivered_at for m in view.messages)

    run(scenario())


def test_requests_of_one_agent_share_their_prefix_byte_for_byte(tmp_path):
    seen = []

    def script(body):
        if who(body) == "lead":
            seen.append([{k: v for k, v in m.items()} for m in strip(body["messages"])])
        return team(body)

    async def scenario():
        async with worker(tmp_path, script) as here:
            await here.ended(await here.ask())

    run(scenario())
    assert len(seen) == 5
    for before, after in zip(seen, seen[1:], strict=False):
        assert after[: len(before)] == before


def strip(messages):
    """Messages without the moving cache breakpoint."""
    return [
        {**m, "content": [{k: v for k, v in b.items() if k != "cache_control"} for b in m["content"]]}
        for m in messages
    ]


def test_a_lead_cannot_finish_while_a_task_is_open(tmp_path):
    def script(body):
        steps = [
            [call("plan", {"tasks": [{"id": "look", "title": "Look", "criteria": ["found"]}], "reason": "r"})],
            [finish()],
            [finish()],
            [finish()],
        ]
        return steps[turns(body)]

    async def scenario():
        async with worker(tmp_path, script) as here:
            view = await here.ended(await here.ask())
            assert (view.run.status, view.run.error["kind"]) == ("failed", "verification")
            assert "look" in view.run.error["message"]

    run(scenario())


def test_a_number_without_a_source_is_not_delivered(tmp_path):
    def script(body):
        return [finish("Revenue was 4711.")] if turns(body) == 0 else [finish("Revenue was as planned.")]

    async def scenario():
        async with worker(tmp_path, script) as here:
            view = await here.ended(await here.ask())
            assert view.summary_text == "Revenue was as planned."

    run(scenario())


def test_everyone_waiting_for_nobody_is_an_error_at_once(tmp_path):
    def script(body):
        if turns(body) == 0:
            return [call("wait", {"reason": "for a miracle"})]
        assert "Nobody is left" in spoken(body)
        return [call("finish", {"status": "blocked", "summary": "Nobody could help."})]

    async def scenario():
        async with worker(tmp_path, script) as here:
            view = await here.ended(await here.ask())
            assert (view.run.status, view.run.error["kind"]) == ("failed", "blocked")

    run(scenario())


def test_a_question_is_answered_by_a_person_in_the_thread(tmp_path):
    def script(body):
        if turns(body) == 0:
            return [call("ask_person", {"question": "Which year?", "options": ["2025", "2026"]})]
        assert "2026" in spoken(body)
        return [finish("Thank you.")]

    async def scenario():
        async with worker(tmp_path, script) as here:
            run_id = await here.ask()
            view = await here.until(run_id, lambda v: bool(v.approvals))
            question = view.approvals[0].id
            assert await here.db.write(lambda tx: answer(tx, question, "U2", "2026")) == "done"
            assert await here.db.write(lambda tx: answer(tx, question, "U3", "2025")) == "already"
            view = await here.ended(run_id)
            assert view.summary_text == "Thank you."

    run(scenario())


def test_stop_breaks_off_a_call_in_flight(tmp_path):
    async def scenario():
        async with worker(tmp_path, lambda body: [finish()]) as here:
            here.faults.add({"match": "messages", "kind": "delay", "delay_s": 8, "count": 1})
            run_id = await here.ask()
            await here.db.write(lambda tx: stop(tx, "T", "C", "1.0", "U"))
            async with asyncio.timeout(5):
                view = await here.ended(run_id)
            assert view.run.status == "stopped"

    run(scenario())


@pytest.mark.parametrize("fault", ["overloaded", "429", "5xx", "cut", "max_tokens", "pause", "empty"])
def test_a_passing_fault_of_the_model_costs_nothing_but_time(tmp_path, fault):
    async def scenario():
        async with worker(tmp_path, team) as here:
            here.faults.add({"match": "messages", "kind": fault, "count": 1})
            view = await here.ended(await here.ask())
            assert (view.run.status, view.run.error) == ("done", None)

    run(scenario())


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("overloaded", "model_unavailable"),
        ("5xx", "model_unavailable"),
        ("cut", "model_unavailable"),
        ("max_tokens", "model_output_cut"),
        ("refusal", "model_refused"),
        ("empty", "model_stopped_short"),
    ],
)
def test_a_lasting_fault_of_the_model_ends_in_a_typed_failure(tmp_path, fault, kind):
    async def scenario():
        async with worker(tmp_path, team, retry_budget=1.0) as here:
            here.faults.add({"match": "messages", "kind": fault, "rate": 1.0})
            view = await here.ended(await here.ask())
            assert (view.run.status, view.run.error["kind"]) == ("failed", kind)

    run(scenario())


def test_text_where_a_call_belongs_is_reminded_and_then_ends_visibly(tmp_path):
    async def scenario():
        async with worker(tmp_path, lambda body: [text("I will get right on it.")]) as here:
            view = await here.ended(await here.ask())
            assert view.run.error["kind"] == "model_stopped_short"

    run(scenario())


def test_an_unknown_tool_and_wrong_arguments_come_back_as_errors(tmp_path):
    def script(body):
        if turns(body) == 0:
            return [call("launch_rocket", {}), call("plan", {"tasks": "all"})]
        assert "There is no tool launch_rocket" in spoken(body)
        assert "plan was not called" in spoken(body)
        return [finish("Fine.")]

    async def scenario():
        async with worker(tmp_path, script) as here:
            view = await here.ended(await here.ask())
            assert view.run.status == "done"
            assert {c.status for c in view.tool_calls if c.name != "finish"} == {"refused"}

    run(scenario())


def test_undisturbed_runs_show_no_wake_that_only_the_sweep_found(tmp_path):
    from sqlalchemy import func, select

    from bot.store.schema import agent

    async def scenario():
        async with worker(tmp_path, team) as here:
            await here.ended(await here.ask())
            swept = await here.db.read(lambda c: c.execute(select(func.sum(agent.c.swept))).scalar())
            assert swept == 0

    run(scenario())
