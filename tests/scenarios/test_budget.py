"""A close that may cost half of what it needs: it pauses and asks, goes on when raised, and gives what is done when not.

The offline model costs nothing; here it is priced as a named one.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.local import Options, stage
from bot.store import money
from bot.store import schema as t

OPTIONS = Options(seed=1, approve="all", timeout_s=150)


async def asleep(here, run_id):
    """Wait until no agent of the run is at work; returns how often the model was asked by then."""

    def at_work(connection):
        held = select(t.agent.c.id).where(t.agent.c.run_id == run_id, t.agent.c.lease_owner.is_not(None))
        awake = select(t.agent.c.id).where(t.agent.c.run_id == run_id, t.agent.c.wake_seq > t.agent.c.slept_seq)
        return connection.execute(held.union(awake)).all()

    while await here.process.db.read(at_work):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return await asked_model(here)


async def asked_model(here):
    return sum(row["kind"] == "request" for row in await here.log("model"))


async def card(here, run_id):
    """The budget question as a person sees it, and the approval behind it."""
    run = await here.result(run_id)
    approval = next(a for a in run["approvals"] if a["kind"] == "budget")
    (message,) = [m for m in run["thread"] if "is reached" in m["text"]]
    return run, approval, message


async def click(here, message, label):
    """Press the button that begins with a word."""
    buttons = [e for b in message["blocks"] if b["type"] == "actions" for e in b["elements"]]
    (button,) = [b for b in buttons if b["text"]["text"].startswith(label)]
    press = {"do": "click", "channel": "finance", "ts": message["ts"], "action_id": button["action_id"]}
    await here.act(**{"as": "maya"}, **press)


async def play(home):
    """Three closes in one workspace: undisturbed, paused and raised, paused and refused."""
    seen = {}
    async with stage(OPTIONS, home) as here:
        whole = await here.mention("close Q3 2026", OPTIONS)
        assert await here.follow(whole, OPTIONS) == "done"
        seen["whole"] = await here.result(whole)
        half = (Decimal(seen["whole"]["cost"]["amount"]) / 2).quantize(Decimal("0.001"))
        seen["half"] = half

        raised = await here.mention(f"close Q3 2026 for at most ${half}", OPTIONS)
        seen["raised.status"] = await here.follow(raised, OPTIONS)
        before = await asleep(here, raised)
        seen["raised.paused"], seen["raised.asked"], message = await card(here, raised)
        seen["raised.card"] = message
        seen["raised.calls"] = (before, await asked_model(here))
        await click(here, message, "Raise")
        await here.answered(raised)
        seen["raised.end"] = await here.follow(raised, OPTIONS)
        seen["raised"] = await here.result(raised)

        refused = await here.mention(f"close Q3 2026 for at most ${half}", OPTIONS)
        await here.follow(refused, OPTIONS)
        thread = (await here.result(refused))["run"]["thread_ts"]
        words = {"do": "post", "channel": "finance", "thread_ts": thread, "text": "Finish with what is there, please"}
        await here.act(**{"as": "maya"}, **words)
        await here.answered(refused)
        seen["refused.end"] = await here.follow(refused, OPTIONS)
        seen["refused"] = await here.result(refused)
        seen["refused.calls"] = (await asleep(here, refused), await asked_model(here))
    return seen


@pytest.fixture(scope="module")
def seen():
    patch = pytest.MonkeyPatch()
    patch.setenv("CADRE_PRICE_AS", "claude-sonnet-4-5")
    with tempfile.TemporaryDirectory() as home:
        yield asyncio.run(play(Path(home)))
    patch.undo()


def made(run):
    """The calls of a run; how often somebody had to wait is a matter of timing."""
    return [(c["agent"], c["id"]) for c in run["tool_calls"] if c["name"] != "wait"]


def shown(run):
    return json.dumps(run["thread"])


def test_half_the_cost_pauses_the_run_with_all_its_agents_and_asks_in_the_thread(seen):
    assert seen["raised.status"] == "waiting"
    run = seen["raised.paused"]
    assert (run["run"]["control"], run["run"]["status"]) == ("budget", "waiting")
    before, after = seen["raised.calls"]
    assert before == after  # asleep: nothing asks the model while a person decides
    assert Decimal(run["cost"]["amount"]) <= seen["half"]
    assert seen["raised.asked"]["status"] == "pending"
    buttons = [
        e["text"]["text"] for b in seen["raised.card"]["blocks"] if b["type"] == "actions" for e in b["elements"]
    ]
    assert [label.split()[0] for label in buttons] == ["Raise", "Finish", "Stop"]


def test_raising_it_continues_from_there(seen):
    assert seen["raised.end"] == "done"
    once = made(seen["raised"])
    assert len(once) == len(set(once)) and set(made(seen["whole"])) <= set(once)  # nothing twice, nothing left out
    paused = made(seen["raised.paused"])
    assert paused and set(paused) < set(once)

    def figures(run):
        return {(f["id"], f["value"]) for f in run["figures"]}

    assert figures(seen["raised"]) == figures(seen["whole"])
    cost = Decimal(seen["raised"]["cost"]["amount"])
    assert seen["half"] < cost <= Decimal(seen["raised"]["budget"]["limit"])


def test_refusing_it_delivers_what_is_done_said_to_be_partial(seen):
    assert seen["refused.end"] == "stopped"
    run = seen["refused"]
    assert run["run"]["error"]["kind"] == "budget"
    result = run["thread"][-1]["text"]
    assert "Partial result" in result and "was not raised" in result and "Nothing was written" in result
    done = [task["title"] for task in run["tasks"] if task["status"] == "done"]
    left = [task["title"] for task in run["tasks"] if task["status"] != "done"]
    assert left
    assert all(f"Done: {title}" in result for title in done) and all(title in result for title in left)
    assert run["effects"] == []
    assert Decimal(run["cost"]["amount"]) <= seen["half"]


def test_the_estimate_comes_first_and_the_last_line_says_what_it_was(seen):
    assert seen["whole"]["budget"]["basis"] == "by its plan of 4 tasks"
    assert seen["raised"]["budget"]["basis"] == "by 1 earlier run of this kind"
    spent = Decimal(seen["whole"]["cost"]["amount"]).quantize(Decimal("0.01"))
    assert Decimal(seen["raised"]["budget"]["estimate"]) == spent
    footer = shown({"thread": seen["raised"]["thread"][-1:]})
    assert f"the estimate was ${spent}" in footer and "priced as claude-sonnet-4-5" in footer


def test_the_thread_says_the_limit_at_once_and_the_running_total_on_the_plan(seen):
    thread = shown(seen["raised.paused"])
    assert f"at most ${seen['half'].quantize(Decimal('0.01'))}" in thread and "The estimate is higher" in thread
    assert "Cost so far $" in thread


def test_a_soft_line_is_posted_once(seen):
    for name in ("raised.paused", "refused"):
        assert sum("80 % of the budget" in m["text"] for m in seen[name]["thread"]) <= 1
    assert "80 % of the budget" in shown(seen["raised"])


async def shared(home):
    """A channel's month is used up: nobody in the thread may raise it, and whoever runs Cadre can."""
    async with stage(OPTIONS, home) as here:
        run_id = await here.mention("close Q3 2026", OPTIONS)
        status = await here.follow(run_id, OPTIONS)
        calls = await asleep(here, run_id)
        paused, approval, message = await card(here, run_id)
        raised = {"channel": Decimal(5)}
        await here.process.db.write(lambda tx: money.set_defaults(tx, raised))  # as a worker does when it starts
        await here.answered(run_id)
        end = await here.follow(run_id, OPTIONS)
        return status, calls, paused, approval, message, end, await here.result(run_id)


def test_a_channels_month_pauses_its_runs_until_whoever_runs_cadre_raises_it(monkeypatch, tmp_path):
    monkeypatch.setenv("CADRE_PRICE_AS", "claude-sonnet-4-5")
    monkeypatch.setenv("CADRE_BUDGET_CHANNEL", "0.12")
    status, calls, paused, approval, message, end, run = asyncio.run(shared(tmp_path))
    assert status == "waiting" and calls > 0
    assert approval["preview"]["options"] == ["Finish with what is there", "Stop"]
    assert "for this channel this month" in message["text"] and "whoever runs Cadre" in message["text"]
    assert paused["run"]["control"] == "budget"
    assert end == "done"
    assert [a["status"] for a in run["approvals"] if a["kind"] == "budget"] == ["answered"]
    assert "could not" not in run["thread"][-1]["text"]
