"""Exactly one visible message per key, whatever is lost on the way or dies in between."""

import asyncio

import pytest
from sqlalchemy import insert, select, update

from bot.errors import Fenced
from bot.slack import posting, thread
from bot.slack import rows as rows_of
from bot.store import journal
from bot.store import schema as t
from tests.slack.harness import local


def scene(tmp_path, play):
    async def show():
        async with local(tmp_path, dispatch=False) as on:
            await play(on)

    asyncio.run(show())


async def asked(on, **values):
    """A person's message in #finance and the run that it started."""
    said = await on.act("maya", "post", channel=values.pop("name", "finance"), text="close the books")
    await on.make_run(**{"thread": said["ts"], **values})
    return said["ts"]


async def rows(on):
    query = select(t.effect).where(t.effect.c.kind == "post").order_by(t.effect.c.op_key)
    return await on.db.read(lambda c: {r["op_key"].rsplit("/", 1)[-1]: r for r in c.execute(query).mappings()})


async def plan(on, *titles, status="working"):
    def work(tx):
        for n, title in enumerate(titles):
            tx.execute(
                insert(t.task).values(
                    run_id="run-1", id=f"t{n}", team_id="T0LOCAL", title=title, status=status, position=n
                )
            )
        journal.append(tx, "run-1", "plan", {})

    await on.db.write(work)


@pytest.mark.parametrize("fault", ["accept_then_drop", "drop", "5xx"])
def test_a_post_whose_answer_is_lost_is_visible_once(tmp_path, fault):
    async def play(on):
        ts = await asked(on)
        on.faults.add({"match": "chat.postMessage", "kind": fault})
        claim = await on.claim()
        while (due := await on.writer.activate(claim)) is not None and due < on.db.now() + 60:
            on.clock.advance(2)  # not accepted: it says when to try again
        assert [m.get("bot_id", "") for m in await on.thread("finance", ts)] == ["", "BCADRE"]
        assert (await rows(on))["ack"]["status"] == "done"

    scene(tmp_path, play)


def test_a_rate_limited_post_waits_as_long_as_slack_said(tmp_path):
    async def play(on):
        ts = await asked(on)
        on.faults.add({"match": "chat.postMessage", "kind": "429", "retry_after_s": 1})
        began = asyncio.get_running_loop().time()
        await on.writer.activate(await on.claim())
        assert asyncio.get_running_loop().time() - began >= 1.0
        assert len(await on.thread("finance", ts)) == 2 and len(on.calls("chat.postMessage")) == 1

    scene(tmp_path, play)


def test_a_long_rate_limit_is_waited_out_asleep(tmp_path):
    async def play(on):
        await asked(on)
        on.faults.add({"match": "chat.postMessage", "kind": "429", "retry_after_s": 40})
        due = await on.writer.activate(await on.claim())
        assert due is not None and 35 < due - on.db.now() <= 40
        assert (await rows(on))["ack"]["status"] == "intent"

    scene(tmp_path, play)


def test_a_message_posted_before_a_crash_is_adopted_and_its_twin_deleted(tmp_path):
    async def play(on):
        ts = await asked(on)
        await on.writer.activate(await on.claim())
        first = (await rows(on))["ack"]["result"]["ts"]
        again = {
            "channel": "CFINANCE",
            "thread_ts": ts,
            "text": "x",
            "metadata": on.calls("chat.postMessage")[0]["metadata"],
        }
        await on.scheduler.client.chat_postMessage(**again)  # what two workers at once may leave
        forget = update(t.effect).where(t.effect.c.op_key == "run-1/post/ack").values(status="intent", result={})
        await on.db.write(lambda tx: tx.execute(forget))
        posts = len(on.calls("chat.postMessage"))
        await thread.ThreadWriter(on.db, on.scheduler).activate(await on.claim())  # the process after the crash
        assert (await rows(on))["ack"]["result"]["ts"] == first
        assert [m["ts"] for m in await on.thread("finance", ts)] == [ts, first]
        assert len(on.calls("chat.postMessage")) == posts

    scene(tmp_path, play)


def test_an_intent_of_an_earlier_activation_that_was_never_sent_is_posted(tmp_path):
    async def play(on):
        ts = await asked(on)
        held = await on.claim()
        intent = {
            "op_key": "run-1/post/ack", "team_id": "T0LOCAL", "run_id": "run-1", "kind": "post", "target": "CFINANCE",
            "args_sha256": "", "epoch": held.epoch, "status": "intent", "result": {}, "intended_at": 0.0,
        }  # fmt: skip
        await on.db.write(lambda tx: tx.execute(insert(t.effect).values(**intent)))
        await on.writer.activate(await on.claim())
        assert len(await on.thread("finance", ts)) == 2 and len(on.calls("conversations.replies")) == 2

    scene(tmp_path, play)


def test_an_activation_that_was_taken_over_changes_nothing(tmp_path):
    async def play(on):
        ts = await asked(on)
        stale = await on.claim()
        await on.claim()
        with pytest.raises(Fenced):
            await on.writer.activate(stale)
        assert on.calls("chat.postMessage") == [] and len(await on.thread("finance", ts)) == 1

    scene(tmp_path, play)


def test_a_header_posted_before_a_crash_opens_the_thread_when_it_is_found(tmp_path):
    async def play(on):
        await on.make_run(kind="command", thread="")
        on.faults.add({"match": "chat.postMessage", "kind": "accept_then_drop"})
        await on.writer.activate(await on.claim())
        run = await on.run()
        said = await on.said("finance")
        assert [m.get("thread_ts", m["ts"]) for m in said] == [run["thread"]] * 2
        assert said[0]["ts"] == run["thread"] and len(on.calls("conversations.history")) == 1

    scene(tmp_path, play)


def test_plan_updates_are_held_back_while_the_run_works_and_the_end_is_shown_at_once(tmp_path):
    async def play(on):
        ts = await asked(on)
        claim = await on.claim()
        await plan(on, "Read", "Compare")
        await on.writer.activate(claim)
        done = update(t.task).values(status="done")
        await on.db.write(lambda tx: tx.execute(done))
        due = await on.writer.activate(claim)
        assert due is not None and 0 < due - on.db.now() <= thread.UPDATE_EVERY_S
        assert on.calls("chat.update") == []
        on.clock.advance(thread.UPDATE_EVERY_S)
        await on.writer.activate(claim)
        assert len(on.calls("chat.update")) == 1
        await on.change("run-1", status="done", summary="All ties out.", finished_at=on.db.now())
        await on.writer.activate(claim)
        assert len(on.calls("chat.update")) == 2
        shown = await on.thread("finance", ts)
        assert shown[2]["blocks"][0]["title"].startswith("Worked for") and shown[3]["text"] == "All ties out."
        assert on.calls("agents.sessions.setStatus")[-1]["status"] == "active"
        assert await on.writer.activate(claim) is None and len(on.calls("chat.update")) == 2

    scene(tmp_path, play)


def test_a_lost_update_is_repeated_without_harm(tmp_path):
    async def play(on):
        ts = await asked(on)
        claim = await on.claim()
        await on.writer.activate(claim)
        on.faults.add({"match": "chat.update", "kind": "accept_then_drop"})
        await on.change("run-1", understood="close the books of 2026", way="a lead")
        due = await on.writer.activate(claim)
        assert due is not None and due - on.db.now() <= posting.RETRY_S
        await on.writer.activate(claim)
        assert "close the books of 2026" in (await on.thread("finance", ts))[1]["text"]

    scene(tmp_path, play)


def test_the_session_says_when_a_person_is_waited_for(tmp_path):
    async def play(on):
        await asked(on)
        claim = await on.claim()
        await on.writer.activate(claim)
        await on.change("run-1", status="waiting")
        await on.writer.activate(claim)
        assert [c["status"] for c in on.calls("agents.sessions.setStatus")] == ["processing", "suspended"]

    scene(tmp_path, play)


def test_the_end_of_one_run_does_not_hide_that_another_in_its_thread_is_at_work(tmp_path):
    async def play(on):
        ts = await asked(on)
        await on.make_run(id="run-2", thread=ts)
        first, second = await on.claim(), await on.claim("run-2")
        await on.writer.activate(first)
        await on.writer.activate(second)
        await on.change("run-1", status="done", summary="All ties out.", finished_at=on.db.now())
        await on.writer.activate(first)
        assert {c["status"] for c in on.calls("agents.sessions.setStatus")} == {"processing"}
        await on.change("run-2", status="waiting")
        await on.writer.activate(second)
        assert on.calls("agents.sessions.setStatus")[-1]["status"] == "suspended"
        await on.change("run-2", status="done", summary="So does this.", finished_at=on.db.now())
        await on.writer.activate(second)
        assert on.calls("agents.sessions.setStatus")[-1]["status"] == "active"

    scene(tmp_path, play)


@pytest.mark.parametrize("ended", [False, True])
def test_when_the_thread_cannot_be_reached_the_requester_is_told_privately(tmp_path, ended):
    async def play(on):
        await asked(on, **({"status": "done", "summary": "All ties out."} if ended else {}))
        await on.act("maya", "leave", channel="finance", user="cadre")
        claim = await on.claim()
        await on.writer.activate(claim)
        run = await on.run()
        assert (run["status"], run["error_kind"]) == (("done", "") if ended else ("failed", "not_in_channel"))
        (told,) = [c for c in on.calls("chat.postMessage") if c["channel"].startswith("D")]
        assert "not a member of <#CFINANCE>" in told["text"]
        assert ("All ties out." if ended else "/invite @cadre") in told["text"]
        await on.writer.activate(claim)
        assert len(on.calls("chat.postMessage")) == 2

    scene(tmp_path, play)


@pytest.mark.parametrize("ended", [False, True])
def test_a_token_that_slack_refuses_ends_nothing_and_all_is_shown_once_it_is_good_again(tmp_path, ended):
    async def play(on):
        ts = await asked(on, **({"status": "done", "summary": "All ties out."} if ended else {}))
        claim = await on.claim()
        good, on.scheduler.client.token = on.scheduler.client.token, "xoxb-revoked"
        waits = []
        for _ in range(9):
            waits.append(await on.writer.activate(claim) - on.db.now())
            on.clock.advance(waits[-1])
        assert waits == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60], abs=0.1)
        on.clock.advance(2 * posting.GIVE_UP_S)
        assert await on.writer.activate(claim) is not None
        assert (await on.run())["status"] == ("done" if ended else "working")
        on.scheduler.client.token = good
        await on.writer.activate(claim)
        assert len([m for m in await on.thread("finance", ts) if m.get("bot_id")]) == (2 if ended else 1)
        assert (await rows(on))["ack"]["status"] == "done"

    scene(tmp_path, play)


def test_what_is_private_waits_for_a_good_token_too(tmp_path):
    async def play(on):
        await asked(on)
        await on.act("maya", "leave", channel="finance", user="cadre")
        claim = await on.claim()
        for method in ("conversations.open", "chat.postMessage"):
            match = {"name": method, "contains": "UMAYA"}
            on.faults.add({"match": match, "kind": "refuse", "error": "token_revoked"})
        assert await on.writer.activate(claim) is not None
        await on.writer.activate(claim)
        (told,) = [m for m in on.calls("chat.postMessage") if m["channel"].startswith("D")]
        assert "not a member of <#CFINANCE>" in told["text"]

    scene(tmp_path, play)


def test_a_place_that_goes_on_refusing_is_told_to_the_requester_privately(tmp_path):
    async def play(on):
        await asked(on, status="done", summary="All ties out.")
        refusal = {"kind": "refuse", "error": "restricted_action_thread_only", "rate": 1}
        on.faults.add({"match": {"name": "chat.postMessage", "contains": "thread_ts"}, **refusal})
        claim = await on.claim()
        assert await on.writer.activate(claim) is not None
        on.clock.advance(posting.GIVE_UP_S / 2)
        assert await on.writer.activate(claim) is not None
        assert "private" not in await rows(on)
        on.clock.advance(posting.GIVE_UP_S / 2)
        await on.writer.activate(claim)
        (told,) = [c for c in on.calls("chat.postMessage") if c["channel"].startswith("D")]
        assert "I may not post in <#CFINANCE>" in told["text"] and "All ties out." in told["text"]
        assert (await on.run())["status"] == "done"

    scene(tmp_path, play)


def test_a_scheduled_answer_stands_alone_in_the_channel(tmp_path):
    async def play(on):
        await on.make_run(kind="schedule", thread="", request="digest this channel")
        claim = await on.claim()
        await on.writer.activate(claim)
        assert await on.said("finance") == []
        await on.change("run-1", status="done", summary="Three things happened.", finished_at=on.db.now())
        await on.writer.activate(claim)
        assert [m["text"] for m in await on.said("finance")] == ["Three things happened."]
        assert (await on.run())["thread"] == (await on.said("finance"))[0]["ts"]

    scene(tmp_path, play)


@pytest.mark.sends_wrong
def test_what_slack_refuses_to_draw_is_still_said(tmp_path):
    async def play(on):
        ts = await asked(on)
        claim = await on.claim()
        known = await on.db.read(lambda c: rows_of.known(c, "run-1"))
        bad = thread.Post("result", "the point", ({"type": "section", "text": {"type": "mrkdwn", "text": ""}},))
        await on.writer._poster.post(claim, known, bad, None)
        assert (await on.thread("finance", ts))[-1]["text"] == "the point"

    scene(tmp_path, play)


@pytest.mark.sends_wrong
def test_a_chart_that_slack_does_not_draw_is_told_in_words_also_when_it_changes(tmp_path):
    async def play(on):
        ts = await asked(on)
        chart = {
            "type": "data_visualization",
            "title": "",
            "chart": {"type": "pie", "segments": [{"label": "Fees", "value": 6.0}]},
        }
        about = await on.db.read(lambda c: rows_of.known(c, "run-1"))
        claim, poster = await on.claim(), on.writer._poster
        await poster.post(claim, about, thread.Post("result", "the point", (chart,)), None)
        assert "Fees | 6" in str((await on.thread("finance", ts))[-1]["blocks"])
        row = {**await on.settled("result"), "team_id": "T0LOCAL"}
        chart["chart"] = {"type": "pie", "segments": [{"label": "Fees", "value": 7.0}]}
        await poster.update(claim, row, thread.Post("result", "the point, again", (chart,)))
        assert "Fees | 7" in str((await on.thread("finance", ts))[-1]["blocks"])

    scene(tmp_path, play)
