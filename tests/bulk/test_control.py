"""People steer bulk work like any other: stop breaks it off, pause holds it, a word in the thread is read first."""

from __future__ import annotations

import asyncio

from sqlalchemy import update

from bot.coordinator import control
from bot.store import mail
from bot.store import schema as t
from tests.bulk.harness import both, by_patterns, comes, contract, lead, worker

FILES = {f"c{n:02}.txt": contract(n, 5) for n in range(1, 31)}


def slow(here):
    here.faults.add({"match": " report", "kind": "delay", "delay_s": 0.25, "rate": 1.0})


async def some_answers(here, run_id, number=3):
    async def enough():
        return len(await here.answers(run_id)) >= number

    await comes(enough)


async def broken_off(here):
    return not here.items.width.in_flight


async def quiet(here, run_id):
    """Nothing is in flight, and all that was answered is kept."""

    async def still():
        return not here.items.width.in_flight and len(await here.answers(run_id)) >= len(here.asked())

    await comes(still)


def test_a_stop_breaks_off_the_calls_in_flight_and_coverage_says_how_far_it_came(tmp_path):
    async def scenario():
        async with worker(tmp_path, both(lead(FILES), by_patterns)) as here:
            here.faults.add({"match": " report", "kind": "delay", "delay_s": 30.0, "rate": 0.5, "seed": 3})
            run_id = await here.ask()
            await some_answers(here, run_id, 1)
            await here.db.write(lambda tx: control.stop_run(tx, run_id, "U"))
            await here.ended(run_id)
            await comes(lambda: broken_off(here), 5)  # what was answered by then is kept, after the end too
            return await here.ended(run_id), await here.answers(run_id)

    view, answers = asyncio.run(scenario())
    assert view.run.status == "stopped"
    assert (view.coverage.total, view.coverage.done) == (30, len(answers))
    assert 0 < len(answers) < 30


def test_paused_work_begins_nothing_and_goes_on_where_it_was(tmp_path):
    async def scenario():
        async with worker(tmp_path, both(lead(FILES), by_patterns)) as here:
            slow(here)
            run_id = await here.ask()
            await some_answers(here, run_id)

            def to(value):
                def work(tx):
                    tx.execute(update(t.run).where(t.run.c.id == run_id).values(control=value))
                    tx.wake(f"{run_id}/bulk1")
                    tx.wake(f"{run_id}/lead")

                return work

            await here.db.write(to("pause"))
            await quiet(here, run_id)
            held = len(await here.answers(run_id))
            asked = len(here.asked())
            await here.db.write(lambda tx: tx.wake(f"{run_id}/bulk1"))
            await here.db.write(to(""))
            view = await here.ended(run_id)
            return view, held, asked, len(here.asked())

    view, held, asked, in_all = asyncio.run(scenario())
    assert view.coverage.done == 30
    assert held == asked < 30
    assert in_all == 30


def test_a_word_in_the_thread_is_read_before_the_work_goes_on_where_it_was(tmp_path):
    read = []

    def script(body):
        told = [b["text"] for m in body["messages"] for b in m["content"] if b["type"] == "text"]
        if any("skip nothing" in words for words in told):
            read.append(len(body["messages"]))
        return lead(FILES)(body)

    async def scenario():
        async with worker(tmp_path, both(script, by_patterns)) as here:
            slow(here)
            run_id = await here.ask()
            await some_answers(here, run_id)
            data = {"urgent": True}
            await here.db.write(lambda tx: mail.send(tx, run_id, "cadre", "lead", "skip nothing", data=data))
            view = await here.ended(run_id)
            calls = [c.status for c in view.tool_calls if c.name == "work_through"]
            works = [r for r in await here.rows(t.agent, run_id) if r["kind"] == "bulk"]
            return view, calls, works, len(here.asked())

    view, calls, works, asked = asyncio.run(scenario())
    assert view.coverage.done == 30
    assert read
    assert calls == ["failed", "done"]
    assert [one["status"] for one in works] == ["done"]
    assert asked == 30
