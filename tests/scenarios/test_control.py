"""The control lane from the thread: a person's word counts at once, whatever is going on."""

from __future__ import annotations

import asyncio
import json

from sqlalchemy import func, select

from bot.local import stage
from bot.store import schema as t
from loopback.model.scripted import call
from tests.scenarios.scripted_stage import OPTIONS, Play, now, play, processes

BUSY = ("ann", "ben", "cleo", "dan", "eve")
THINKS = "eve"  # waits for a model that does not answer; the others run a script that does not end
MARK = "86399.5"


def who(body):
    return body["metadata"]["user_id"].split("/")[-1]


def turns(body):
    return sum(m["role"] == "assistant" for m in body["messages"])


def task(name, title, owner):
    return {"id": name, "title": title, "owner": owner, "criteria": ["it is there"]}


def spawn(name):
    return call("spawn_agent", {"name": name, "role": "specialist", "brief": f"do {name}", "task": name})


def finish(**more):
    return call("finish", {"status": "done", "summary": "All of it is done.", "reply": "Done.", **more})


def team(body):
    """A scout that is soon done, five that are busy for a day, and a lead that waits for them."""
    name, turn = who(body), turns(body)
    if name == "scout":
        steps = [
            [call("write_file", {"path": "notes.md", "text": "The market is small."})],
            [finish(summary="The market is small.", outputs=["notes.md"])],
        ]
        return steps[turn]
    if name in BUSY:
        return [call("run_script", {"skill": "slow", "script": "hold.py", "args": {"mark": MARK}})]
    names = ("scout", *BUSY)
    steps = [
        [call("plan", {"tasks": [task(n, f"Part of {n}", n) for n in names], "reason": "Six separate parts."})],
        [spawn(n) for n in names],
        [call("wait", {"from": ["scout"]})],
        [call("wait", {"from": list(BUSY)})],
    ]
    return steps[min(turn, 3)]


async def busy(on):
    """A run whose scout is done and whose five others are at work."""
    on.faults.add({"match": f"/{THINKS}", "kind": "delay", "delay_s": 3600, "count": 9})
    run_id, ts = await on.ask()
    await on.until(run_id, lambda view: any(x.id == "scout" and x.status == "done" for x in view.tasks))
    scripts = [name for name in BUSY if name != THINKS]
    await on.until(run_id, lambda _: all((on.home / "runs" / run_id / n / "started").exists() for n in scripts))
    assert len(processes("hold.py")) >= len(scripts)
    return run_id, ts


def test_stop_ends_five_busy_agents_and_their_processes_within_two_seconds(tmp_path):
    async def scenario():
        async with play(tmp_path, team) as on:
            run_id, ts = await busy(on)
            began = now()
            await on.say(ts, "stop")
            end = await on.shown(ts, "Okay, I stopped", "Partial result")
            took = now() - began
            assert processes("hold.py") == [] and processes(MARK) == []
            view = await on.until(run_id, lambda view: view.run.status == "stopped")
            print(f"stopped after {took:.2f} s")
            assert took < 2.0, took
            assert {a.status for a in view.agents} == {"done", "stopped"}
            assert "Part of scout: The market is small." in end["text"] and "scout/notes.md" in end["text"]
            assert "not checked" in end["text"] and "Not done: Part of ann" in end["text"]
            assert [(x.id, x.status) for x in view.tasks][:2] == [("scout", "done"), ("ann", "stopped")]

    asyncio.run(scenario())


def listener(body):
    """A lead that plans two parts and waits; when a person writes, it plans anew, answers and finishes."""
    if who(body) != "lead":
        return [call("wait", {})]
    said = steers(body)
    plan = [task("a", "First part", ""), task("b", "Second part", "")]
    if not said:
        steps = [
            [call("plan", {"tasks": plan, "reason": "Two parts."})],
            [spawn_free("ann")],
            [call("wait", {})],
        ]
        return steps[min(turns(body), 2)]
    done = sum(b.get("name") == "answer_person" for m in body["messages"] for b in parts(m))
    if done == len(said):
        return [call("wait", {})]
    given = {"message": said[done]["id"], "outcome": "changed", "text": "Only the first part now."}
    return [
        call("plan", {"tasks": [plan[0], task("c", "Third part", "")], "reason": "A person asked for it."}),
        call("answer_person", given),
    ]


def spawn_free(name):
    return call("spawn_agent", {"name": name, "role": "specialist", "brief": "wait"})


def parts(message):
    content = message["content"]
    return content if isinstance(content, list) else []


def steers(body):
    """Messages of people, as the lead has them."""
    found = []
    for message in body["messages"]:
        for block in parts(message):
            if block.get("type") == "text" and block["text"].startswith("<message>"):
                told = json.loads(block["text"].removeprefix("<message>").removesuffix("</message>"))
                if told["data"].get("steer"):
                    found.append(told)
    return found


async def waiting(on, text="look into it"):
    """A run whose lead waits for its team."""
    run_id, ts = await on.ask(text)
    await on.until(run_id, lambda view: [c.name for c in view.tool_calls if c.agent == "lead"][-1:] == ["wait"])
    return run_id, ts


def test_a_change_of_course_is_acknowledged_with_the_changed_rows_of_the_plan(tmp_path):
    async def scenario():
        async with play(tmp_path, listener) as on:
            run_id, ts = await waiting(on)
            await on.say(ts, "only the first part, please")
            await on.shown(ts, "Change of course", "only the first part", "Taken in: Only the first part now.",
                           "+ Third part", "− b")  # fmt: skip
            await on.say(ts, "@cadre also look at May", person="jonas")
            await on.shown(ts, "Added to this work", "also look at May", "Taken in")
            view = await on.until(run_id, lambda view: len(view.tasks) == 2)
            assert [m.text for m in view.messages if m.to == "lead"] == [
                "only the first part, please", "also look at May",
            ]  # fmt: skip
            assert [(b["kind"], b["text"][:8]) for b in await on.rows(run_id, "steer")] == [
                ("steer", "only the"), ("addon", "also loo"),
            ]  # fmt: skip
            assert await runs(on) == 1

    asyncio.run(scenario())


async def runs(on):
    return await on.db.read(lambda c: c.execute(select(func.count(t.run.c.id))).scalar())


def test_thanks_and_words_to_others_are_nobodys_work(tmp_path):
    async def scenario():
        async with play(tmp_path, listener) as on:
            run_id, ts = await waiting(on)
            for words in ("thanks!", "@jonas what do you think?", "only the first part"):
                await on.say(ts, words)
            await on.shown(ts, "Change of course")
            assert [b["text"] for b in await on.rows(run_id, "steer")] == ["only the first part"]
            assert await runs(on) == 1

    asyncio.run(scenario())


def test_another_request_instead_stops_the_work_and_begins_anew_in_the_thread(tmp_path):
    async def scenario():
        async with play(tmp_path, listener) as on:
            first, ts = await waiting(on)
            said = await on.say(ts, "forget that, look into April")
            second = await on.here.run_of(said["ts"], 30)
            await on.until(first, lambda view: view.run.status == "stopped")
            await on.shown(ts, "Okay, I stopped. Another request took its place.")
            await on.until(second, lambda view: view.run.request == "look into April" and view.tasks)
            assert second != first and await runs(on) == 2

    asyncio.run(scenario())


def test_an_edit_of_the_request_is_a_change_of_course_and_its_deletion_a_stop(tmp_path):
    async def scenario():
        async with play(tmp_path, listener) as on:
            run_id, ts = await waiting(on)
            await on.here.act(
                **{"as": "maya"}, do="edit", channel="finance", ts=ts, text="@cadre look into it, only May"
            )
            await on.shown(ts, "The request was edited. It now reads: look into it, only May", "Taken in")
            await on.here.act(**{"as": "maya"}, do="delete", channel="finance", ts=ts)
            view = await on.until(run_id, lambda view: view.run.status == "stopped")
            assert view.run.error["message"].startswith("The request was deleted.")
            assert await runs(on) == 1

    asyncio.run(scenario())


def test_an_edit_that_asks_for_other_work_takes_the_place_of_the_first(tmp_path):
    async def scenario():
        async with play(tmp_path, listener) as on:
            first, ts = await waiting(on, "close Q3 2026")
            await on.here.act(**{"as": "maya"}, do="edit", channel="finance", ts=ts, text="@cadre close Q2 2026")
            await on.until(first, lambda view: view.run.status == "stopped")
            await on.shown(ts, "Understood: *close Q2 2026")
            assert await runs(on) == 2

    asyncio.run(scenario())


def counting(body):
    """A lead that calls a tool again and again: it never comes to an end by itself."""
    return [call("list_files", {})] if turns(body) < 150 else [finish()]


def test_pause_holds_a_run_at_its_next_step_and_resume_goes_on_from_there(tmp_path):
    async def scenario():
        async with play(tmp_path, counting) as on:
            run_id, ts = await on.ask()
            await on.say(ts, "pause")
            await on.shown(ts, "Paused by")
            await on.until(run_id, lambda _: asleep(on, run_id))
            held = (await on.until(run_id, lambda view: view.run.control == "pause")).agents[0].turns
            await on.say(ts, "status")
            told = await on.shown(ts, "*Paused* for", "Cost so far")
            assert "lead is thinking" in told["text"] or "lead is in" in told["text"]
            assert (await on.until(run_id, lambda view: True)).agents[0].turns == held < 150
            await on.say(ts, "go on")
            await on.shown(ts, "Resumed by")
            end = await on.until(run_id, lambda view: view.run.status == "done")
            assert end.agents[0].turns == 151

    asyncio.run(scenario())


def asleep(on, run_id):
    query = select(t.agent.c.id).where(t.agent.c.id == f"{run_id}/lead", t.agent.c.lease_owner.is_(None))
    return on.db.read_now(lambda c: c.execute(query).first())


def test_status_and_why_are_answered_from_rows_while_the_model_is_silent(tmp_path):
    async def scenario():
        async with play(tmp_path, team) as on:
            run_id, ts = await busy(on)
            asked = len((await on.until(run_id, lambda view: True)).agents)
            await on.until(run_id, lambda _: asleep(on, run_id))
            await on.say(ts, "status")
            told = await on.shown(ts, "*At work* for")
            assert "Tasks: 1 of 6 done: Part of scout" in told["text"]
            assert (
                "lead waits for ann, ben, cleo, dan, eve" in told["text"] and "ann is in run_script" in told["text"]
            )
            assert "eve is thinking" in told["text"] and "Cost so far" in told["text"]
            await on.say(ts, "why?")
            assert "Six separate parts." in (await on.shown(ts, "*Why*"))["text"]
            assert len((await on.until(run_id, lambda view: True)).agents) == asked == 7
            slash = {"as": "maya", "do": "slash", "channel": "finance"}
            answer = await on.here.act(**slash, text="/cadre status")
            assert "its thread" in answer["ack"]["text"]
            assert "Nothing of mine" in (await on.here.act(**slash, text="/cadre stop run-0000"))["ack"]["text"]
            stopped = await on.here.act(**slash, text=f"/cadre stop {run_id}")
            assert stopped["ack"]["text"].startswith("Stopping")
            await on.shown(ts, "Okay, I stopped", "Partial result")

    asyncio.run(scenario())


def test_a_muted_run_shows_its_result_and_nothing_of_its_progress(tmp_path):
    async def scenario():
        async with play(tmp_path, listener) as on:
            run_id, ts = await on.ask()
            await on.say(ts, "mute")
            await on.until(run_id, lambda view: view.run.muted and view.tasks)
            await on.say(ts, "stop")
            await on.shown(ts, "Okay, I stopped")
            plans = [text for text in await on.texts(ts) if text.startswith(("Working on", "Stopped after"))]
            assert len(plans) <= 1  # a card that was there before the word is brought to its end, none comes anew

    asyncio.run(scenario())


def test_a_stop_outside_a_thread_ends_the_latest_work_of_the_channel(tmp_path):
    async def scenario():
        async with play(tmp_path, listener) as on:
            _, one = await waiting(on)
            _, two = await waiting(on)
            await on.here.act(**{"as": "maya"}, do="post", channel="finance", text="@cadre stop")
            await on.shown(two, "Okay, I stopped")
            assert not any("Okay" in text for text in await on.texts(one))
            assert await runs(on) == 2

    asyncio.run(scenario())


def test_the_offline_playbook_says_honestly_that_it_cannot_change_its_course(tmp_path):
    async def scenario():
        async with stage(OPTIONS, tmp_path) as here:
            on = Play(here, None, tmp_path)
            run_id, ts = await on.ask("close Q3 2026")
            await on.until(run_id, lambda view: len(view.agents) > 4)
            await on.say(ts, "only the Sales department")
            await on.shown(ts, "Change of course", "only the Sales department", "Not possible: No language model")
            await on.say(ts, "why")
            await on.shown(ts, "*Why*", "changed the course: “only the Sales department”")
            view = await on.until(run_id, lambda view: view.run.status == "waiting")
            assert "people_answered" in [c.name for c in view.verified] or view.approvals
            await on.say(ts, "also the Marketing department")
            await on.shown(ts, "Added to this work", "Not possible", "ready as shown")
            assert [a.status for a in view.approvals if a.kind == "changes"] == ["pending"]

    asyncio.run(scenario())


def one_too_many(body):
    """A lead with two who run a script for a day; when a person writes, it stops one of them."""
    name, turn = who(body), turns(body)
    if name != "lead":
        return [call("run_script", {"skill": "slow", "script": "hold.py", "args": {"mark": MARK}})]
    if steers(body):
        given = {"message": steers(body)[0]["id"], "outcome": "changed", "text": "Only the first part now."}
        later = [
            [call("stop_agent", {"name": "anna", "reason": "nobody needs it"}), call("answer_person", given)],
            [call("wait", {})],
        ]
        return later[sum(b.get("name") == "stop_agent" for m in body["messages"] for b in parts(m))]
    steps = [
        [call("plan", {"tasks": [task(n, f"Part of {n}", n) for n in ("ben", "anna")], "reason": "Two parts."})],
        [spawn("ben"), spawn("anna")],
        [call("wait", {})],
    ]
    return steps[min(turn, 2)]


def test_an_agent_stopped_by_its_lead_leaves_its_call_and_no_process_and_others_go_on(tmp_path):
    async def scenario():
        async with play(tmp_path, one_too_many) as on:
            run_id, ts = await on.ask()
            places = [on.home / "runs" / run_id / n / "started" for n in ("ben", "anna")]
            await on.until(run_id, lambda _: all(place.exists() for place in places))
            assert processes(f"{run_id}/anna") and processes(f"{run_id}/ben")
            await on.say(ts, "only the first part, please")
            await on.until(run_id, lambda _: not processes(f"{run_id}/anna"))
            assert processes(f"{run_id}/ben")
            view = await on.until(run_id, lambda v: {a.name: a.status for a in v.agents}["anna"] == "stopped")
            assert {x.id: x.status for x in view.tasks} == {"ben": "working", "anna": "pending"}
            await on.say(ts, "stop")
            await on.shown(ts, "Okay, I stopped")
            assert processes("hold.py") == []

    asyncio.run(scenario())
