"""The requester of long work is told by direct message when it is done, waits or is out of budget, and can put it off."""

import asyncio
import json

from sqlalchemy import insert

from bot.slack import notices
from bot.store import journal
from bot.store import schema as t
from tests.slack.harness import local

LINK = "https://local.example/archives/CFINANCE/p1"


def scene(tmp_path, play):
    async def show():
        async with local(tmp_path, dispatch=False) as on:
            said = await on.act("maya", "post", channel="finance", text="close the books")
            await on.make_run(thread=said["ts"], permalink=LINK, understood="close the books")
            await play(on)

    asyncio.run(show())


async def told(on):
    """What was said to the requester privately, the newest words of each message."""
    privately = [call for call in on.calls("chat.postMessage") if call["channel"] == "DMAYA"]
    return await on.said("DMAYA") if privately else []


async def ask(on, kind="question", **preview):
    row = {
        "id": "q1", "team_id": "T0LOCAL", "run_id": "run-1", "kind": kind, "person": "UMAYA", "status": "pending",
        "preview": preview or {"title": "Which ledger?", "options": ["A", "B"]}, "asked_at": on.db.now(),
        "expires_at": on.db.now() + 10 * notices.DAY_S,
    }  # fmt: skip

    def work(tx):
        tx.execute(insert(t.approval).values(**row))
        journal.append(tx, "run-1", "asked", {})

    await on.db.write(work)


def labels(message):
    return [one["text"]["text"] for b in message["blocks"] if b["type"] == "actions" for one in b["elements"]]


def test_work_of_ten_minutes_ends_with_a_word_to_its_requester_and_a_link(tmp_path):
    async def play(on):
        await on.writer.activate(await on.claim())
        on.clock.advance(600)
        await on.change("run-1", status="done", summary="All ties out.", finished_at=on.db.now())
        await on.writer.activate(await on.claim())
        (message,) = await told(on)
        assert message["text"].startswith("*Done:* close the books, after 10 min") and LINK in message["text"]
        await on.writer.activate(await on.claim())
        assert len(await told(on)) == 1

    scene(tmp_path, play)


def test_short_work_and_work_stopped_by_hand_tell_nobody(tmp_path):
    async def play(on):
        await on.change("run-1", status="done", summary="Done.", finished_at=on.db.now() + 60)
        await on.writer.activate(await on.claim())
        later = {"status": "stopped", "error_kind": "stopped", "error_message": "", "finished_at": on.db.now() + 900}
        await on.change("run-1", **later)
        await on.writer.activate(await on.claim())
        assert await told(on) == []

    scene(tmp_path, play)


def test_a_question_that_nobody_answers_is_told_once_the_work_is_long_and_settled_when_it_is_answered(tmp_path):
    async def play(on):
        await ask(on)
        due = await on.writer.activate(await on.claim())
        assert await told(on) == [] and 290 < due - on.db.now() <= 300
        on.clock.advance(301)
        await on.writer.activate(await on.claim())
        (message,) = await told(on)
        assert "Which ledger?" in message["text"]
        assert labels(message) == ["Open Thread", "Remind Me in an Hour", "Remind Me Tomorrow"]
        await on.db.write(lambda tx: tx.execute(t.approval.update().values(status="answered", decided_by="UMAYA")))
        await on.writer.activate(await on.claim())
        (message,) = await told(on)
        assert message["text"].startswith("*Settled:*") and labels(message) == ["Open Thread"]

    scene(tmp_path, play)


def test_a_notice_that_is_put_off_comes_again_and_only_for_its_requester(tmp_path):
    async def play(on):
        await ask(on, "budget", spent="5", hard="5", next="1", scope="run", scope_id="run-1", period="run")
        on.clock.advance(301)
        await on.writer.activate(await on.claim())
        (message,) = await told(on)
        assert "Out of budget" in message["text"]
        op = json.loads(message["blocks"][-1]["elements"][1]["value"])["op"]
        assert not await on.db.write(lambda tx: notices.snooze(tx, op, "UJONAS", notices.HOUR_S))
        await on.act("maya", "click", channel="DMAYA", ts=message["ts"], action_id=f"snooze:{notices.HOUR_S}")
        on.clock.advance(2)
        due = await on.writer.activate(await on.claim())
        (message,) = await told(on)
        assert "I remind you again" in json.dumps(message["blocks"]) and due - on.db.now() <= notices.HOUR_S
        on.clock.advance(notices.HOUR_S + 1)
        await on.writer.activate(await on.claim())
        first, second = await told(on)
        assert labels(first) == ["Open Thread"] and "Remind Me Tomorrow" in labels(second)

    scene(tmp_path, play)


def test_the_picture_of_a_result_comes_along(tmp_path):
    async def play(on):
        def attached(tx):
            digest = journal.put_blob(tx, "T0LOCAL", b"\x89PNG picture")
            tx.execute(
                insert(t.artifact).values(
                    id="a1", team_id="T0LOCAL", run_id="run-1", agent_id="run-1/lead", name="lead/chart.png",
                    version=1, sha256=digest, created_at=on.db.now(), labels={},
                )
            )  # fmt: skip
            tx.execute(
                insert(t.agent).values(
                    id="run-1/lead", team_id="T0LOCAL", run_id="run-1", kind="agent", name="lead", status="done",
                    finish={"id": "f", "args": {"attach": ["chart.png"]}}, labels={},
                )
            )  # fmt: skip

        await on.db.write(attached)
        on.clock.advance(600)
        await on.change("run-1", status="done", summary="See the chart.", finished_at=on.db.now())
        await on.writer.activate(await on.claim())
        (message,) = await told(on)
        (image,) = [b for b in message["blocks"] if b["type"] == "image"]
        assert image["slack_file"]["id"].startswith("F") and image["alt_text"]

    scene(tmp_path, play)
