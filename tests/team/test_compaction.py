"""A context goes on shorter where a task ends or the window does, with the same bytes again, and only there."""

from __future__ import annotations

import asyncio
import json

from bot.skills import SkillLibrary
from bot.store import journal
from bot.team.context import ROW
from bot.team.state import load
from loopback.model.scripted import call
from tests.team.harness import worker

MODEL = "claude-sonnet-5-5"
LINES = "".join(f"line {n} of the old material\n" for n in range(800))  # about 20,000 characters
SECRET = "line 600 of the old material"


def who(body):
    return body["metadata"]["user_id"].split("/")[-1]


def plain(body):
    """A request's messages without the moving cache breakpoint."""
    return [
        {**m, "content": [{k: v for k, v in b.items() if k != "cache_control"} for b in m["content"]]}
        for m in body["messages"]
    ]


def spawn(name, task):
    return call("spawn_agent", {"name": name, "role": "specialist", "brief": f"work as {name}", "task": task})


def finish(**more):
    return call("finish", {"status": "done", "summary": "done", "reply": "It is done.", **more})


def plan(*names):
    tasks = [{"id": n, "title": f"Part {n}", "criteria": [f"{n} is there"]} for n in names]
    return call("plan", {"tasks": tasks, "reason": "parts"})


def run(tmp_path, parts, **options):
    """Ask once; gives the run, its rows, each agent's requests in order, and the lead's file store."""
    seen = {}

    def script(body):
        mine = seen.setdefault(who(body), [])
        mine.append(plain(body))
        step = parts[who(body)][len(mine) - 1]
        return step(mine[-1]) if callable(step) else step

    async def scenario():
        async with worker(tmp_path, script, model_name=MODEL, **options) as here:
            view = await here.ended(await here.ask())
            rows = await here.db.read(lambda c: journal.rows(c, view.run.id))
            again = await here.db.read(
                lambda c: {a.name: load(c, a.id, SkillLibrary(), "UTC").context for a in view.agents}
            )
            return view, rows, again

    view, rows, again = asyncio.run(scenario())
    return view, rows, seen, {name: [json.loads(p) for p in context.parts] for name, context in again.items()}


def shorter(rows, name):
    return [r["body"] for r in rows if r["kind"] == ROW and r["agent_id"].endswith(f"/{name}")]


def breaks(requests):
    """Where a request does not begin with the one before it."""
    return [n for n in range(1, len(requests)) if requests[n][: len(requests[n - 1])] != requests[n - 1]]


def carried(request):
    (block,) = [b for b in request[0]["content"] if b["text"].startswith("<carried_over>")]
    return json.loads(block["text"].removeprefix("<carried_over>").partition("</carried_over>")[0])


def read(path="old.md"):
    return [call("read_file", {"path": path, "limit": 20000})]


TWO_TASKS = {
    "lead": [
        [plan("a", "b")],
        [spawn("ann", "a")],
        [call("wait", {"from": ["ann"]})],
        [call("wait", {"from": ["ann"]})],
        [call("assign", {"task": "b", "agent": "ann"})],
        [call("wait", {"from": ["ann"]})],
        [finish()],
    ],
    "ann": [
        [call("write_file", {"path": "old.md", "text": LINES})],
        read(),
        read(),
        [call("send_message", {"to": "lead", "text": "half of part a is there", "files": ["old.md"]})],
        [finish(summary="part a is done", outputs=["old.md"])],
        [call("search_files", {"pattern": "line 600 ", "below": "history/"})],
        [finish(summary="part b is done")],
    ],
}  # fmt: skip


def test_another_task_begins_with_what_is_open_and_recorded_and_the_rest_stays_in_a_file(tmp_path):
    view, rows, seen, _ = run(tmp_path, TWO_TASKS)
    assert view.run.status == "done"
    (body,) = shorter(rows, "ann")
    assert body["why"] == "another task begins"
    assert body["tokens"] > 8_000
    request = seen["ann"][5]
    first = [b["text"] for b in request[0]["content"]]
    assert first[:2] == [b["text"] for b in seen["ann"][0][0]["content"]]
    told = carried(request)
    assert [one["id"] for one in told["open_tasks"]] == ["b"] and told["done_tasks"] == ["a"]
    assert told["messages_sent"][0]["to"] == "lead" and told["messages_sent"][0]["files"] == ["old.md"]
    assert [one["name"] for one in told["artifacts"]["last"]] == ["ann/old.md"]
    assert told["files"] == ["old.md"]
    assert [line.split(" ")[0] for line in told["calls"]] == ["write_file", "read_file", "read_file", "send_message"]
    assert "You own b now" in str(request[-1])  # its new task came as mail and is whole
    assert SECRET not in str(request)
    assert SECRET in str(seen["ann"][6][-1])  # found in the history's file


def test_requests_share_their_prefix_everywhere_but_where_a_row_says_that_the_context_went_on_shorter(tmp_path):
    _, rows, seen, again = run(tmp_path, TWO_TASKS)
    assert breaks(seen["ann"]) == [5]
    assert breaks(seen["lead"]) == []
    assert shorter(rows, "lead") == []
    assert len(str(seen["ann"][5])) < len(str(seen["ann"][4])) / 4
    for name in ("ann", "lead"):  # and read back from the rows it is the same conversation
        last = seen[name][-1]
        assert again[name][: len(last)] == last


NEAR = {
    "lead": [
        [call("write_file", {"path": "old.md", "text": LINES})],
        [plan("a", "b")],
        read(),
        read(),
        read(),
        [call("list_files", {})],
        [call("plan", {"tasks": [{"id": "a", "title": "A", "criteria": ["there"]}], "reason": "smaller"})],
        [spawn("ann", "a")],
        [call("wait", {"from": ["ann"]})],
        [finish()],
    ],
    "ann": [[finish()]],
}  # fmt: skip


def test_near_the_models_window_a_task_goes_on_with_its_plan_and_its_last_turn(tmp_path):
    view, rows, seen, again = run(tmp_path, NEAR, window=24_000)
    assert view.run.status == "done"
    (body,) = shorter(rows, "lead")
    assert body["why"] == "the context came near the model's window"
    (at,) = breaks(seen["lead"])
    request = seen["lead"][at]
    assert [one["id"] for one in carried(request)["plan"]] == ["a", "b"]
    assert "look into it" in request[0]["content"][0]["text"]
    assert len(request) == 3 and SECRET in str(request[2])  # what it read last is before its eyes
    last = seen["lead"][-1]
    assert again["lead"][: len(last)] == last


def test_a_request_that_does_not_fit_is_sent_once_more_shorter_and_then_fails_visibly(tmp_path):
    full = ([], "model_context_window_exceeded")
    parts = {"lead": [[call("list_files", {})], [call("list_team", {})], full, [finish()]]}
    view, rows, _, _ = run(tmp_path, parts)
    assert view.run.status == "done"
    assert len(shorter(rows, "lead")) == 1

    view, rows, _, _ = run(tmp_path / "again", {"lead": [[call("list_files", {})], full, full]})
    assert view.run.error["kind"] == "model_context_full"
    assert len(shorter(rows, "lead")) == 1


def test_a_playbook_keeps_its_whole_conversation_because_it_finds_its_step_there(tmp_path):
    requests = []

    def script(body):
        requests.append(plain(body))
        return NEAR["lead"][len(requests) - 1] if len(requests) < 6 else [call("finish", REFUSED)]

    async def scenario():
        async with worker(tmp_path, script, window=24_000) as here:
            await here.ended(await here.ask())

    asyncio.run(scenario())
    assert breaks(requests) == []


REFUSED = {"status": "refused", "summary": "Enough.", "reply": "Enough."}
