"""Mail between agents: addressed to names that exist, in order and once, and never lost without a word."""

from __future__ import annotations

import asyncio
import json

import pytest
from sqlalchemy import update

from bot.store import journal, mail
from bot.store import schema as t
from loopback.model.scripted import call
from tests.team.harness import worker
from tests.team.test_operations import finish, kinds, last, played, run, spawn, turns, who


def send(to, words="hello", **more):
    return call("send_message", {"to": to, "text": words, **more})


def test_messages_arrive_at_the_next_turn_in_order_and_once(tmp_path):
    parts = {
        "lead": [
            [spawn("one")],
            *[[send("one", f"word {n}")] for n in range(6)],
            [send("one", "that is all", data={"end": True})],
            [call("wait", {"from": ["one"]})],
            [finish()],
        ]
    }
    heard = []

    def script(body):
        if who(body) == "lead":
            return played(parts)(body)
        heard.append(last(body))
        return [finish()] if "that is all" in str(body["messages"]) else [call("wait", {})]

    async def scenario():
        async with worker(tmp_path, script) as here:
            return await here.ended(await here.ask())

    view = asyncio.run(scenario())
    words = [f"word {n}" for n in range(6)]
    together = " ".join(heard)
    assert [together.count(word) for word in words] == [1] * 6
    assert sorted(words, key=together.index) == words
    assert all(m.delivered_at for m in view.messages)


def test_a_name_that_nobody_has_is_an_error_with_the_roster(tmp_path):
    _, _, seen = run(tmp_path, {"lead": [[send("nobody")], [send("lead")], [finish()]]})
    assert "Nobody here is called nobody. The team: lead" in seen["lead"][1]
    assert "your own name" in seen["lead"][2]


def test_what_is_long_belongs_into_a_file(tmp_path):
    parts = {
        "lead": [
            [spawn("one")],
            [send("one", "x" * (mail.TEXT_MAX + 1)), send("one", "y", data={"z": "z" * mail.DATA_MAX})],
            [call("stop_agent", {"name": "one", "reason": "nothing for it"})],
            [finish()],
        ],
        "one": [[call("wait", {})]],
    }
    view, _, seen = run(tmp_path, parts)
    assert seen["lead"][2].count("Write the rest into a file") == 2
    assert [m for m in view.messages if m.to == "one"] == []


def test_all_and_a_role_reach_everyone_at_work_each_in_their_own_box(tmp_path):
    parts = {
        "lead": [
            [spawn("one"), spawn("two"), call("spawn_agent", {"name": "three", "role": "scout", "brief": "look"})],
            [send("all", "good morning"), send("role:scout", "scouts only"), send("role:cook", "nobody cooks")],
            [call("wait", {"from": ["one", "two", "three"], "all": True})],
            [finish()],
        ],
        **{name: [[call("wait", {"from": ["lead"]})], [finish()]] for name in ("one", "two", "three")},
    }
    view, _, seen = run(tmp_path, parts)
    assert sorted(m.to for m in view.messages if m.text == "good morning") == ["one", "three", "two"]
    assert [m.to for m in view.messages if m.text == "scouts only"] == ["three"]
    assert "Nobody at work belongs to role:cook" in seen["lead"][2]


def test_asking_and_waiting_ends_with_the_answer_and_not_with_older_mail(tmp_path):
    parts = {
        "lead": [[spawn("one")], [call("wait", {"from": ["one"]})], [finish()]],
        "one": [
            [call("list_team", {})],
            [send("lead", "how many?", wait=True)],
            [finish()],
        ],
    }
    parts["lead"][2:2] = [[send("one", "three")], [call("wait", {"from": ["one"]})]]
    view, _, seen = run(tmp_path, parts)
    assert view.run.status == "done"
    assert '"you":"one"' in seen["one"][1].replace("\\", "")
    assert "three" in seen["one"][2]


def test_mail_that_an_ended_agent_never_read_comes_back_to_its_sender(tmp_path):
    seen, parts = [], [
        [spawn("one")],
        [call("wait", {"from": ["one"]})],
        [send("one", "please add the totals"), call("list_team", {})],
        [call("stop_agent", {"name": "one", "reason": "not needed"})],
        [call("list_team", {})],
        [send("one", "are you there?")],
        [finish()],
    ]  # fmt: skip

    def script(body):
        if who(body) == "lead":
            seen.append(last(body))
            return parts[turns(body)]
        return [send("lead", "here")]

    async def scenario():
        async with worker(tmp_path, script) as here:
            here.faults.add({"match": {"contains": '"to": "lead"'}, "kind": "delay", "delay_s": 30, "rate": 1.0})
            view = await here.ended(await here.ask())
            rows = await here.db.read(lambda c: journal.rows(c, view.run.id))
            return view, [(r["kind"], r["body"]) for r in rows]

    view, rows = asyncio.run(scenario())
    (lost,) = [m.id for m in view.messages if m.text == "please add the totals"]
    (returned,) = kinds(rows, "mail.returned")
    assert (returned["ids"], returned["from"]) == ([lost], "lead")
    assert f"never read {lost}" in " ".join(seen)
    assert "one has ended (stopped)" in " ".join(seen)


def test_two_files_of_one_name_both_arrive(tmp_path):
    names = ["2025/totals.csv", "2026/totals.csv"]
    parts = {
        "lead": [
            [spawn("one")],
            [call("write_file", {"path": name, "text": f"total of {name[:4]}"}) for name in names],
            [send("one", "compare these", files=names)],
            [call("wait", {"from": ["one"]})],
            [finish()],
        ],
        "one": [
            [call("wait", {"from": ["lead"]})],
            lambda body: [
                call("read_file", {"path": path})
                for path in json.loads(last(body).split("<message>")[1].split("</message>")[0])["files"]
            ],
            [finish()],
        ],
    }
    _, _, seen = run(tmp_path, parts)
    assert "total of 2025" in seen["one"][2] and "total of 2026" in seen["one"][2]


def test_two_agents_who_only_write_to_each_other_are_told_to_work(tmp_path):
    refused = []

    def script(body):
        if "done nothing else" in last(body):
            refused.append(who(body))
            return [finish()]
        if "Not yet. Still at work: one." in last(body):
            return [call("stop_agent", {"name": "one", "reason": "all is said"})]
        if "[lead]" in last(body) or "has ended" in last(body) or "stopped" in last(body):
            return [finish()]
        if who(body) == "lead" and turns(body) == 0:
            return [spawn("one")]
        other = "one" if who(body) == "lead" else "lead"
        return [send(other, "thank you", wait=True)]

    async def scenario():
        async with worker(tmp_path, script) as here:
            return await here.ended(await here.ask())

    view = asyncio.run(scenario())
    assert view.run.status == "done"
    assert refused
    assert len([m for m in view.messages if m.text == "thank you"]) < 24


def test_rounds_of_review_are_bounded(tmp_path):
    rounds = [[send("judge", "please look", files=["a.md"], review=True)] for _ in range(4)]
    parts = {
        "lead": [
            [call("write_file", {"path": "a.md", "text": "draft"}), spawn("judge")],
            *rounds,
            [send("judge", "thank you", data={"end": True}), call("wait", {"from": ["judge"]})],
            [finish()],
        ]
    }

    def script(body):
        if who(body) == "lead":
            return played(parts)(body)
        words = last(body)
        if '"end":true' in words.replace("\\", "").replace(" ", ""):
            return [finish()]
        if "please look" not in words:
            return [call("wait", {"from": ["lead"]})]
        asked = words.replace("\\", "").split('<message>{"id":"')[1].split('"')[0]
        return [call("review", {"message": asked, "accepted": False, "notes": "shorter"})]

    async def scenario():
        async with worker(tmp_path, script) as here:
            view = await here.ended(await here.ask())
            rows = await here.db.read(lambda c: journal.rows(c, view.run.id))
            calls = [c.status for c in view.tool_calls if c.agent == "lead" and c.args.get("review")]
            return view, [(r["kind"], r["body"]) for r in rows], calls

    view, rows, calls = asyncio.run(scenario())
    assert view.run.status == "done"
    assert [body["round"] for body in kinds(rows, "reviewed")] == [1, 2, 3]
    assert calls == ["done", "done", "done", "failed"]


@pytest.mark.parametrize(("wanted", "words"), [("ghost", "Nobody here is called ghost"), ("one", "would never end")])
def test_a_wait_that_can_never_end_is_an_error_at_once(tmp_path, wanted, words):
    parts = {
        "lead": [[spawn("one")], [call("wait", {"from": ["one"]})], [call("wait", {"from": [wanted]})], [finish()]],
        "one": [[finish()]],
    }
    _, _, seen = run(tmp_path, parts)
    assert words in seen["lead"][3]


def test_two_agents_who_wait_for_each_other_are_told_while_a_third_still_works(tmp_path):
    parts = {
        "lead": [[spawn("one"), spawn("two")], [call("wait", {"from": ["one", "two"], "all": True})], [finish()]],
        "one": [[call("wait", {"from": ["two"]})], [finish()]],
        "two": [[call("wait", {"from": ["one"]})], [finish()]],
    }
    view, _, seen = run(tmp_path, parts)
    assert view.run.status == "done"
    told = [name for name in ("one", "two") if "Nobody is left" in " ".join(seen[name])]
    assert told


def test_a_wait_with_a_limit_ends_by_itself(tmp_path):
    parts = {
        "lead": [
            [spawn("one")],
            [call("wait", {"from": ["one"], "minutes": 0.01})],
            [call("stop_agent", {"name": "one", "reason": "too late"})],
            [finish()],
        ],
        "one": [[call("wait", {"from": ["lead"]})]],
    }
    view, _, seen = run(tmp_path, parts)
    assert "Nobody wrote in time" in seen["lead"][2] and view.run.status == "done"


def test_mail_that_came_before_a_crash_ends_a_wait_that_was_asked_for_and_not_yet_begun(tmp_path):
    parts = {
        "lead": [
            [spawn("one")],
            [call("wait", {"from": ["one"]})],
            [call("stop_agent", {"name": "one", "reason": "it was said"})],
            [finish()],
        ],
        "one": [[call("wait", {"from": ["lead"], "minutes": 600})], [finish()]],
    }

    def what_a_kill_leaves(tx, run_id):
        """The turn that asked to wait is on disk, the wait itself is not; mail has come in between."""
        tx.execute(update(t.agent).where(t.agent.c.id == f"{run_id}/lead").values(waiting=None))
        mail.send(tx, run_id, "one", "lead", "here is what you wait for")

    async def scenario():
        async with worker(tmp_path, played(parts)) as here:
            run_id = await here.ask()
            await here.until(run_id, lambda view: any((c.agent, c.name) == ("lead", "wait") for c in view.tool_calls))
        async with worker(tmp_path, played(parts)) as here:
            await here.db.write(lambda tx: what_a_kill_leaves(tx, run_id))
            return await here.ended(run_id)

    assert asyncio.run(scenario()).run.status == "done"
