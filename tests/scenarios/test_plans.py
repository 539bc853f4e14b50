"""A plan above a set size or cost is shown before it begins; a person approves it, or changes it first."""

from __future__ import annotations

import asyncio
import json

from loopback.model.scripted import call
from tests.scenarios.scripted_stage import play


def who(body):
    return body["metadata"]["user_id"].split("/")[-1]


def turns(body):
    return sum(m["role"] == "assistant" for m in body["messages"])


PARTS = [
    {"id": "brand", "title": "Message house", "criteria": ["it is there"]},
    {"id": "press", "title": "Press release", "criteria": ["it is there"], "depends_on": ["brand"]},
    {"id": "posts", "title": "Social posts", "criteria": ["it is there"], "depends_on": ["press"]},
]


def lead(body):
    """Plans three parts, then works the ones it may and ends."""
    if who(body).startswith("verifier"):
        return [call("finish", {"status": "done", "summary": "ok", "verdicts": []})]
    if turns(body) == 0:
        return [call("plan", {"tasks": PARTS, "reason": "Three parts."})]
    told = json.loads(
        next(b for b in body["messages"][2]["content"] if b["type"] == "tool_result")["content"][0]["text"]
    )
    words = (
        f"Agreed: {', '.join(told.get('tasks', ['all']))}; left out: {', '.join(told.get('dropped', ['nothing']))}."
    )
    return [call("finish", {"status": "refused", "summary": "enough", "reply": words})]


async def card(on, ts, *words, without="no such words"):
    """The newest open question of a thread with these words: its message and its buttons."""
    async with asyncio.timeout(60):
        while True:
            for message in reversed(await on.here.thread("finance", ts)):
                labels = [e["text"]["text"] for b in message.get("blocks", ()) for e in b.get("elements", ())
                          if e.get("type") == "button"]  # fmt: skip
                if (
                    "Approve" in labels
                    and all(word in str(message) for word in words)
                    and without not in str(message)
                ):
                    return message
            await asyncio.sleep(0.02)


def test_a_plan_that_will_likely_cost_more_than_is_set_is_shown_changed_by_a_person_and_approved(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("CADRE_PRICE_AS", "claude-sonnet-5-5")
    monkeypatch.setenv("CADRE_PLAN_ASK_COST", "0.0001")

    async def scenario():
        async with play(tmp_path, lead) as on:
            run_id, ts = await on.ask()
            asked = await card(on, ts, "Work by this plan?", "3. Social posts", "It will likely cost about $")
            assert "drop 3" in str(asked)
            await on.say(ts, "drop the social posts")
            again = await card(on, ts, "Work by this plan?", "2. Press release", without="Social posts")
            assert again["ts"] != asked["ts"]
            await on.shown(ts, "Work by this plan?", "drop the social posts")  # the first card says what was answered
            view = await on.until(run_id, lambda v: [a.status for a in v.approvals] == ["answered", "pending"])
            assert [x.id for x in view.tasks] == ["brand", "press"]
            await on.here.act(**{"as": "maya"}, do="click", channel="finance", ts=again["ts"], action_id="approve")
            view = await on.until(run_id, lambda v: v.run.status == "stopped")
            assert view.run.error["message"] == "Agreed: brand, press; left out: posts."

    asyncio.run(scenario())


def test_a_plan_within_size_and_cost_begins_without_a_question(tmp_path, monkeypatch):
    monkeypatch.setenv("CADRE_PRICE_AS", "claude-sonnet-5-5")

    async def scenario():
        async with play(tmp_path, lead) as on:
            run_id, _ = await on.ask()
            view = await on.until(run_id, lambda v: v.run.status == "stopped")
            assert view.approvals == ()
            assert view.run.error["message"] == "Agreed: brand, press, posts; left out: nothing."

    asyncio.run(scenario())
