"""From a person's words in Slack to a durable request and the first message in the thread."""

import asyncio
import json
import time

import pytest
from sqlalchemy import delete, func, insert, select

from bot.coordinator.intake import INTAKE, ensure_intake
from bot.store import schema as t
from tests.slack.harness import local

MENTION = {"channel": "finance", "text": "@cadre close Q3 2026"}


def scene(tmp_path, play, **how):
    async def show():
        async with local(tmp_path, **how) as on:
            await play(on)

    asyncio.run(show())


def counted(connection, table):
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_a_mention_is_acknowledged_in_its_thread_within_a_second(tmp_path):
    async def play(on):
        began = time.monotonic()
        asked = await on.act("maya", "post", **MENTION)
        row = await on.settled("ack")
        assert time.monotonic() - began < 1.0
        thread = await on.thread("finance", asked["ts"])
        assert [m["ts"] for m in thread] == [asked["ts"], row["result"]["ts"]]
        assert "close Q3 2026" in thread[1]["text"] and "four specialists" in thread[1]["text"]
        run = await on.until(lambda c: c.execute(select(t.run).where(t.run.c.permalink != "")).mappings().first())
        assert run["permalink"] == asked["permalink"] and run["thread"] == asked["ts"]
        await on.settled("_status")
        assert on.calls("agents.sessions.setStatus")[0]["status"] == "processing"

    scene(tmp_path, play)


@pytest.mark.parametrize("kind", ["duplicate", "delay", "reorder", "disconnect"])
def test_each_event_starts_one_run_however_it_is_delivered(tmp_path, kind):
    async def play(on):
        for name in ("app_mention", "message"):
            on.faults.add({"match": name, "kind": kind, "delay_s": 0.05})
        await on.act("maya", "post", **MENTION)
        await on.settled("ack")
        await on.settled("_status")
        await on.delivered()
        assert await on.db.read(lambda c: counted(c, t.run)) == 1
        assert await on.db.read(lambda c: counted(c, t.inbox)) == 1
        assert len(await on.said("finance")) == 1

    scene(tmp_path, play)


def test_what_could_not_be_kept_is_not_acknowledged_and_comes_again(tmp_path):
    async def play(on):
        await on.db.write(lambda tx: tx.execute(delete(t.agent).where(t.agent.c.id == INTAKE)))
        await on.act("maya", "post", **MENTION)
        await on.redelivered(2)  # at once after the first silence, then only after a minute
        assert await on.db.read(lambda c: counted(c, t.inbox)) == 0
        await on.db.write(ensure_intake)
        while not await on.db.read(lambda c: counted(c, t.inbox)):
            on.clock.advance(60)
        await on.settled("ack")
        assert await on.db.read(lambda c: counted(c, t.run)) == 1

    scene(tmp_path, play, ack_s=0.3)


def test_a_command_is_answered_privately_at_once_and_worked_in_a_thread_of_its_own(tmp_path):
    async def play(on):
        told = await on.act("maya", "slash", channel="finance", text="/quarter-close Q3 2026")
        assert "close Q3 2026" in told["ack"]["text"] and told["ack"]["response_type"] == "ephemeral"
        header = await on.settled("header")
        ack = await on.settled("ack")
        thread = await on.thread("finance", header["result"]["ts"])
        assert [m["ts"] for m in thread] == [header["result"]["ts"], ack["result"]["ts"]]
        assert thread[0]["text"].startswith("Asked by <@UMAYA>")
        assert (await on.run())["thread"] == header["result"]["ts"]

    scene(tmp_path, play)


def test_a_command_where_cadre_is_not_a_member_says_how_to_invite_it(tmp_path):
    async def play(on):
        told = await on.act("maya", "slash", channel="ops", text="/cadre close Q3 2026")
        assert "/invite @cadre" in told["ack"]["text"]
        assert await on.db.read(lambda c: counted(c, t.inbox)) == 0

    scene(tmp_path, play)


def test_an_empty_command_explains_itself(tmp_path):
    async def play(on):
        told = await on.act("maya", "slash", channel="finance", text="/cadre")
        assert "/quarter-close Q3 2026" in told["ack"]["text"]

    scene(tmp_path, play)


def test_a_mention_of_nothing_gets_help(tmp_path):
    async def play(on):
        await on.act("maya", "post", channel="finance", text="@cadre")
        await on.until_called("chat.postMessage")
        assert "@cadre stop" in (await on.said("finance"))[0]["text"]

    scene(tmp_path, play)


def test_help_is_given_once_however_often_its_mention_comes(tmp_path):
    async def scenario():
        async with local(tmp_path) as on:
            for name in ("app_mention", "message"):
                on.faults.add({"match": name, "kind": "duplicate"})
            await on.act("maya", "post", channel="finance", text="@cadre help")
            await on.delivered()
        return on.calls("chat.postMessage")  # by now all is said

    assert len(asyncio.run(scenario())) == 1


def test_cadre_says_hello_once_when_it_is_invited(tmp_path):
    async def play(on):
        on.faults.add({"match": "member_joined_channel", "kind": "duplicate"})
        await on.act("maya", "join", channel="ops", user="cadre")
        await on.until_called("chat.postMessage")
        assert [m["text"][:14] for m in await on.said("ops")] == ["Hello, I am Ca"]

    scene(tmp_path, play)


def test_the_home_tab_is_published(tmp_path):
    async def play(on):
        await on.act("maya", "home")
        assert (await on.until_called("views.publish"))[0]["user_id"] == "UMAYA"

    scene(tmp_path, play)


def test_stop_in_a_thread_and_the_stop_of_slack_itself_reach_the_run(tmp_path):
    async def play(on):
        asked = await on.act("maya", "post", **MENTION)
        await on.settled("ack")
        await on.act("maya", "post", channel="finance", text="stop", thread_ts=asked["ts"])
        await on.until(lambda c: c.execute(select(t.run.c.id).where(t.run.c.control == "stop")).first())
        run = await on.run()
        await on.change(run["id"], control="")
        await on.act("maya", "stop", channel="finance", thread_ts=asked["ts"])
        await on.until(lambda c: c.execute(select(t.run.c.id).where(t.run.c.control == "stop")).first())
        assert await on.db.read(lambda c: counted(c, t.run)) == 1

    scene(tmp_path, play)


def question(run_id, kind="question", **fields):
    base = {
        "id": "ap-1", "team_id": "T0LOCAL", "run_id": run_id, "kind": kind, "person": "UMAYA", "status": "pending",
        "preview": {"title": "Which entity?", "options": ["Both", "One"]}, "asked_at": 1.0, "expires_at": 4e9,
    }  # fmt: skip
    return insert(t.approval).values(**{**base, **fields})


async def ask(on, run_id, **fields):
    await on.db.write(lambda tx: tx.execute(question(run_id, **fields)))
    await on.change(run_id, status="waiting")
    return await on.settled("approval/ap-1")


async def decided(on, status):
    query = select(t.approval).where(t.approval.c.status == status)
    return await on.until(lambda c: c.execute(query).mappings().first())


async def without_buttons(on, row):
    """Wait until the approval's message was updated; its blocks."""
    sha = row["result"]["sha"]
    while (await on.settled("approval/ap-1"))["result"]["sha"] == sha:
        await on.changed.wait()
        on.changed.clear()
    shown = next(m for m in await on.said("finance") if m["ts"] == row["result"]["ts"])
    assert not any(block["type"] == "actions" for block in shown["blocks"])
    return shown


def test_a_reply_in_the_thread_answers_the_open_question(tmp_path):
    async def play(on):
        asked = await on.act("maya", "post", **MENTION)
        await on.settled("ack")
        row = await ask(on, (await on.run())["id"])
        await on.act("jonas", "post", channel="finance", text="only the first", thread_ts=asked["ts"])
        told = await decided(on, "answered")
        assert (told["answer"], told["decided_by"]) == ("only the first", "UJONAS")
        assert "Answered by <@UJONAS>" in (await without_buttons(on, row))["text"]
        assert await on.db.read(lambda c: counted(c, t.run)) == 1

    scene(tmp_path, play)


def test_thanks_and_a_bystanders_agreement_leave_a_question_open(tmp_path):
    async def play(on):
        asked = await on.act("maya", "post", **MENTION)
        await on.settled("ack")
        row = await ask(on, (await on.run())["id"])
        thread = {"channel": "finance", "thread_ts": asked["ts"]}
        for who, text in (("jonas", "thanks :tada:"), ("jonas", "ok thanks"), ("maya", "lol")):
            await on.act(who, "post", text=text, **thread)
        await on.act("maya", "react", channel="finance", ts=row["result"]["ts"], name="white_check_mark")
        assert "press one of its buttons" in (await on.whispered("finance", "maya"))[0]
        await on.act("maya", "post", text="sounds good", **thread)
        told = await decided(on, "answered")
        assert (told["answer"], told["decided_by"]) == ("sounds good", "UMAYA")

    scene(tmp_path, play)


def test_an_offered_answer_is_one_click(tmp_path):
    async def play(on):
        await on.act("maya", "post", **MENTION)
        await on.settled("ack")
        row = await ask(on, (await on.run())["id"])
        await on.act("maya", "click", channel="finance", ts=row["result"]["ts"], action_id="answer:1")
        assert (await decided(on, "answered"))["answer"] == "One"

    scene(tmp_path, play)


def test_only_the_requester_approves_once_and_exactly_what_was_shown(tmp_path):
    async def play(on):
        asked = await on.act("maya", "post", **MENTION)
        await on.settled("ack")
        preview = {"title": "1 change", "changes": [{"kind": "docs_create", "title": "D", "markdown": "x"}]}
        row = await ask(on, (await on.run())["id"], kind="changes", preview=preview, args_sha256="a" * 64)
        click = {"channel": "finance", "ts": row["result"]["ts"], "action_id": "approve"}
        await on.act("jonas", "click", **click)
        await on.until_called("chat.postEphemeral")
        assert "Only the person who asked" in (await on.whispers("finance", "jonas"))[0]
        await on.act("maya", "click", **click)
        told = await decided(on, "approved")
        assert told["decided_by"] == "UMAYA"
        shown = await without_buttons(on, row)
        assert "Approved by <@UMAYA>" in shown["text"]
        assert [m["ts"] for m in await on.thread("finance", asked["ts"])].count(row["result"]["ts"]) == 1

    scene(tmp_path, play)


def test_a_forged_value_decides_nothing(tmp_path):
    async def play(on):
        await on.act("maya", "post", **MENTION)
        await on.settled("ack")
        preview = {"title": "1 change", "changes": []}
        row = await ask(on, (await on.run())["id"], kind="changes", preview=preview, args_sha256="a" * 64)
        shown = next(m for m in await on.said("finance") if m["ts"] == row["result"]["ts"])
        button = next(b for b in shown["blocks"] if b["type"] == "actions")["elements"][0]
        assert json.loads(button["value"])["sha"] == "a" * 64
        change = t.approval.update().values(args_sha256="b" * 64)  # what is asked has changed since
        await on.db.write(lambda tx: tx.execute(change))
        await on.act("maya", "click", channel="finance", ts=row["result"]["ts"], action_id="approve")
        await on.until_called("chat.postEphemeral")
        assert (await on.db.read(lambda c: c.execute(select(t.approval.c.status)).scalar_one())) == "pending"

    scene(tmp_path, play)


def test_a_thread_without_cadre_is_left_alone_and_its_words_are_kept_for_digests(tmp_path):
    async def play(on):
        said = await on.act("maya", "post", channel="finance", text="who has the report?")
        reply = await on.act("jonas", "post", channel="finance", text="I do", thread_ts=said["ts"])
        await on.act("jonas", "edit", channel="finance", ts=reply["ts"], text="I do &amp; will share")
        await on.act("maya", "delete", channel="finance", ts=said["ts"])
        query = select(t.seen_message).order_by(t.seen_message.c.ts)

        def all_kept(connection):
            rows = connection.execute(query).mappings().all()
            return rows if len(rows) == 2 and rows[0]["deleted"] and "share" in rows[1]["text"] else None

        rows = await on.until(all_kept)
        assert [row["user"] for row in rows] == ["UMAYA", "UJONAS"] and rows[1]["thread"] == said["ts"]
        assert await on.db.read(lambda c: counted(c, t.inbox)) == 0

    scene(tmp_path, play)


def happened(kind="message", **fields):
    """An event of a message by Maya in #finance."""
    return {"team_id": "T0LOCAL", "event": {"type": kind, "channel": "CFINANCE", "event_ts": "2.0", **fields}}


def test_an_edit_and_a_deletion_that_come_before_their_message_count(tmp_path):
    async def play(on):
        take = on.surface.listeners.inbox.take
        for ts, change in (("10.1", "message_changed"), ("11.1", "message_deleted")):
            first = {"user": "UMAYA", "ts": ts, "text": "<@UCADRE> close Q3 2026"}
            now = {**first, "text": "<@UCADRE>  close Q4 2026 &amp; Q1", "edited": {"user": "UMAYA", "ts": "12.0"}}
            told = {"message": now} if change == "message_changed" else {"deleted_ts": ts}
            await take(happened(subtype=change, ts="12.0", previous_message=first, **told), "UCADRE")
            for kind in ("app_mention", "message"):
                await take(happened(kind, **first), "UCADRE")
        kept = await on.db.read(lambda c: c.execute(select(t.inbox.c.key, t.inbox.c.text)).all())
        assert kept == [("10.1", "close Q4 2026 & Q1")]

    scene(tmp_path, play, dispatch=False)


def test_a_direct_message_is_a_request(tmp_path):
    async def play(on):
        await on.act("maya", "post", channel="cadre", text="close Q3 2026")
        await on.settled("ack")
        assert (await on.run())["request"] == "close Q3 2026"

    scene(tmp_path, play)


def test_a_reply_below_whatever_cadre_said_directly_is_a_request(tmp_path):
    async def play(on):
        asked = await on.act("maya", "post", channel="cadre", text="help")
        await on.until_called("chat.postMessage")
        below_help = await on.act("maya", "post", channel="cadre", text="close Q3 2026", thread_ts=asked["ts"])
        notice = {"channel": below_help["channel"], "text": "*Close Q2 2026* waits for you"}
        told = await on.scheduler.call("T0LOCAL", "chat.postMessage", notice)
        await on.act("maya", "post", channel="cadre", text="what did you find?", thread_ts=told.data["ts"])
        await on.until(lambda c: counted(c, t.run) == 2)
        requests = await on.db.read(lambda c: c.execute(select(t.run.c.request)).scalars().all())
        assert set(requests) == {"close Q3 2026", "what did you find?"}

    scene(tmp_path, play)
