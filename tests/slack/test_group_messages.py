"""In a group's direct messages what is said in a run's thread is heard, and an answer that got lost is looked up."""

from __future__ import annotations

import asyncio

from sqlalchemy import insert, select

from bot.store import schema as t
from tests.slack.harness import local


async def group_of(on):
    """A conversation of Maya, Jonas and Cadre."""
    url = f"{on.slack.ready['api_url'].rstrip('/')}/conversations.open"
    asked = {"users": "UJONAS,UCADRE", "return_im": True}
    async with on.http.post(url, headers={"Authorization": "Bearer xoxp-maya"}, json=asked) as reply:
        return (await reply.json())["channel"]["id"]


def test_an_answer_and_a_stop_are_heard_and_a_lost_result_is_not_posted_twice(tmp_path):
    async def scenario():
        async with local(tmp_path) as on:
            channel = await group_of(on)
            said = await on.act("maya", "post", channel=channel, text="@cadre close Q3 2026")
            await on.settled("ack")
            run = await on.run()
            question = {
                "id": "ap-1", "team_id": "T0LOCAL", "run_id": run["id"], "kind": "question", "person": "UMAYA",
                "status": "pending", "preview": {"title": "Which quarter?"}, "args_sha256": "a" * 64,
                "asked_at": 1.0, "expires_at": 4e9,
            }  # fmt: skip
            await on.db.write(lambda tx: tx.execute(insert(t.approval).values(**question)))
            await on.change(run["id"], status="waiting")
            await on.settled("approval/ap-1")
            await on.act("maya", "post", channel=channel, text="the third one", thread_ts=said["ts"])
            answered = await on.until(
                lambda c: c.execute(select(t.approval.c.answer).where(t.approval.c.status == "answered")).scalar()
            )
            assert answered == "the third one"
            on.faults.add({"match": "chat.postMessage", "kind": "accept_then_drop"})
            await on.change(run["id"], status="done", summary="It was the third.", finished_at=on.db.now())
            await on.settled("result")
            thread = await on.thread(channel, said["ts"])
            assert sum("It was the third." in message["text"] for message in thread) == 1

    asyncio.run(scenario())
