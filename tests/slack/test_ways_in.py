"""Where Cadre answers and where it is silent: threads between people, reactions, its home, what somebody looks at."""

import asyncio
import json

import pytest
from sqlalchemy import insert, select

from bot.policy.access import Access
from bot.slack import requests
from bot.store import schema as t
from bot.store import surface_tables as st
from bot.store.view import run_view, to_json
from bot.team.context import Context
from bot.team.thread import said
from tests.slack.harness import local
from tests.slack.test_access import card_of

MENTION = {"channel": "finance", "text": "@cadre close Q3 2026"}


def scene(tmp_path, play, **how):
    async def show():
        async with local(tmp_path, **how) as on:
            await play(on)

    asyncio.run(show())


async def asked(on, person="maya", **more):
    """A run at work in #finance; its thread."""
    posted = await on.act(person, "post", **{**MENTION, **more})
    await on.settled("ack")
    return posted["ts"]


def kinds(connection):
    return [row.kind for row in connection.execute(select(t.inbox.c.kind).order_by(t.inbox.c.id))]


# -- threads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "who", "text", "heard"),
    [
        ([], "maya", "only the sales part", True),  # she and Cadre: it follows
        ([], "maya", "@jonas what do you think?", False),  # said to another person
        ([], "maya", "<!here> look at this", False),
        ([], "maya", "thanks!", False),
        ([], "jonas", "I would rather see May", False),  # somebody else talks in her thread
        (["jonas"], "maya", "I think so, too", False),  # among people
        (["jonas"], "maya", "@cadre only the sales part", True),
        (["jonas"], "jonas", "@cadre only the sales part", True),
        (["jonas"], "jonas", "stop", True),  # a bare word of control counts from anyone, at once
        ([], "jonas", "Status?", True),
        ([], "jonas", "never mind, thanks", False),  # the softer ones are for people among people
        (["jonas"], "maya", "hold on", False),
        (["jonas"], "maya", "why?", False),
        (["jonas"], "maya", "resume", False),  # nothing is paused
        (["jonas"], "jonas", "@cadre cancel that", True),
        ([], "maya", "never mind, thanks", True),
    ],
)
def test_in_a_thread_it_answers_who_speaks_to_it(tmp_path, before, who, text, heard):
    async def play(on):
        ts = await asked(on)
        for other in before:
            await on.act(other, "post", channel="finance", text="hm", thread_ts=ts)
            await on.delivered()
        await on.act(who, "post", channel="finance", text=text, thread_ts=ts)
        await on.delivered()
        assert len(await on.db.read(kinds)) == (2 if heard else 1)

    scene(tmp_path, play)


def test_an_open_question_is_answered_by_a_plain_reply_also_among_people(tmp_path):
    async def play(on):
        ts = await asked(on)
        await on.act("jonas", "post", channel="finance", text="hm", thread_ts=ts)
        await on.delivered()
        await card_of(on, (await on.run())["id"], kind="question", preview={"title": "Which?", "options": []})
        await on.act("jonas", "post", channel="finance", text="both of them", thread_ts=ts)
        query = select(t.approval.c.answer).where(t.approval.c.status == "answered")
        assert await on.until(lambda c: c.execute(query).scalar()) == "both of them"

    scene(tmp_path, play)


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("/cadre close Q3 2026", "close Q3 2026"),
        ("/quarter-close Q3 2026", "close Q3 2026"),
        ("quarter-close q2 2026 for sales", "close q2 2026 for sales"),
        ("quarter-close summary", "quarter-close summary"),
        ("close Q3 2026", "close Q3 2026"),
        ("cadre is a word", "cadre is a word"),
        ("quarter-closely related", "quarter-closely related"),
    ],
)
def test_verbs_of_commands_work_as_words_in_a_thread(typed, asked):
    assert requests.same_verb(typed) == asked


# -- reactions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_what", ["the request", "the acknowledgement", "an approval"])
def test_a_cross_on_a_message_of_a_run_stops_it(tmp_path, on_what):
    async def play(on):
        ts = await asked(on)
        card = await card_of(on, (await on.run())["id"])
        ack = await on.settled("ack")
        place = {"the request": ts, "the acknowledgement": ack["result"]["ts"], "an approval": card["result"]["ts"]}
        on.faults.add({"match": "reaction_added", "kind": "duplicate"})
        await on.act("jonas", "react", channel="finance", ts=place[on_what], name="x")
        await on.until(lambda c: c.execute(select(t.run.c.id).where(t.run.c.control == "stop")).first())
        await on.delivered()
        query = select(t.journal.c.body).where(t.journal.c.kind == "stop")
        assert [b["by"] for b in await on.db.read(lambda c: c.execute(query).scalars().all())] == ["UJONAS"]

    scene(tmp_path, play)


def test_a_tick_approves_by_the_right_person_what_is_shown_and_nothing_else(tmp_path):
    async def play(on):
        ts = await asked(on)
        card = await card_of(on, (await on.run())["id"])
        place = {"channel": "finance", "ts": card["result"]["ts"], "name": "white_check_mark"}
        await on.act("maya", "react", channel="finance", ts=ts, name="white_check_mark")  # no card: nothing
        await on.act("jonas", "react", **place)
        assert "Only the person who asked" in (await on.whispered("finance", "jonas"))[0]
        await on.act("maya", "react", **place)
        query = select(t.approval).where(t.approval.c.status == "approved")
        told = await on.until(lambda c: c.execute(query).mappings().first())
        assert told["decided_by"] == "UMAYA"

    scene(tmp_path, play)


def test_a_tick_on_a_card_that_shows_another_proposal_decides_nothing(tmp_path):
    async def play(on):
        await asked(on)
        card = await card_of(on, (await on.run())["id"])
        change = t.approval.update().values(preview={"title": "9 changes", "changes": []}, args_sha256="b" * 64)
        await on.db.write(lambda tx: tx.execute(change))  # and the card is not yet up to date
        await on.act("maya", "react", channel="finance", ts=card["result"]["ts"], name="white_check_mark")
        assert "closed" in (await on.whispered("finance", "maya"))[0]
        assert await on.db.read(lambda c: c.execute(select(t.approval.c.status)).scalar_one()) == "pending"

    scene(tmp_path, play)


# -- the home tab ------------------------------------------------------------------------------------------------------


def words_of(blocks):
    return json.dumps(blocks, ensure_ascii=False)


def test_an_empty_home_teaches(tmp_path):
    async def play(on):
        await on.act("maya", "home")
        view = (await on.until_called("views.publish"))[0]["view"]
        told = words_of(view["blocks"])
        assert [b["text"]["text"] for b in view["blocks"] if b["type"] == "header"] == [
            "Needs you", "Running", "Recent", "Automations", "Settings",
        ]  # fmt: skip
        assert "Nothing waits for you" in told and "@cadre close Q3 2026" in told and "Updated" in told

    scene(tmp_path, play)


def test_home_shows_what_needs_me_and_what_runs_and_is_published_on_change(tmp_path):
    async def play(on):
        await on.act("maya", "home")
        await on.until_called("views.publish")
        await asked(on)
        run = await on.until(lambda c: c.execute(select(t.run).where(t.run.c.permalink != "")).mappings().first())
        await until_home(on, "At work")
        card = await card_of(on, run["id"])
        view = await until_home(on, "Approve changes")
        buttons = [e for b in view["blocks"] if b["type"] == "actions" for e in b["elements"]]
        link = next(e["url"] for e in buttons if e["action_id"] == "home:open")
        assert f"/p{card['result']['ts'].replace('.', '')}?thread_ts={run['thread']}" in link
        await on.act("maya", "click", view_id=on_home(on, "UMAYA"), action_id="stop")
        await on.until(lambda c: c.execute(select(t.run.c.id).where(t.run.c.control == "stop")).first())
        await on.change(run["id"], status="done", finished_at=on.db.now(), summary="All fine.")
        told = words_of((await until_home(on, "Done ·"))["blocks"])
        assert "Nothing is running" in told

    scene(tmp_path, play)


def test_two_questions_of_one_run_that_are_equally_long_are_both_at_home(tmp_path):
    async def play(on):
        await asked(on)
        run = await on.run()
        await card_of(on, run["id"], kind="question", preview={"title": "Which entity?"})
        await card_of(on, run["id"], kind="question", preview={"title": "Which quarter"}, id="ap-2")
        await on.act("maya", "home")
        await on.until_called("views.publish")
        assert on_home(on, "UMAYA")  # Slack took it
        assert "Which entity?" in words_of(await until_home(on, "Which quarter"))

    scene(tmp_path, play)


@pytest.mark.parametrize(
    ("channel", "shown"), [("finance", "Sell the subsidiary"), ("board", "An approval in a private channel")]
)
def test_what_others_asked_in_a_private_channel_is_at_home_without_its_words(tmp_path, channel, shown):
    async def play(on):
        await asked(on, channel=channel)
        await card_of(on, (await on.run())["id"], preview={"title": "Sell the subsidiary"})
        await on.act("jonas", "home")
        told = words_of((await on.until_called("views.publish"))[-1])
        assert shown in told and ("Sell" in told) is (channel == "finance")
        await on.act("maya", "home")
        await until_home(on, "close Q3 2026")

    scene(tmp_path, play, access=Access(everyone="ask", people={"UJONAS": "approve"}))


def on_home(on, user):
    """The id of somebody's published home."""
    told = [row["body"] for row in on.log.since(0) if row["kind"] == "response" and row["name"] == "views.publish"]
    return told[-1]["view"]["id"]


async def until_home(on, text):
    """The home that says something, once it is published."""

    def shown(rows):
        return any(
            r["kind"] == "request" and r["name"] == "views.publish" and text in words_of(r["body"]) for r in rows
        )

    await on.until_logged(shown)
    views = [body["view"] for body in on.calls("views.publish") if text in words_of(body)]
    return views[-1]


def test_only_those_who_administer_read_the_rules_whole(tmp_path):
    access = Access(
        people={"UMAYA": "administer"}, everyone="ask", channels={"CFINANCE": {"instructions": "in euros"}}
    )

    async def play(on):
        for times, (who, told) in enumerate((("maya", True), ("jonas", False)), 1):
            await on.act(who, "home")
            await on.until_called("views.publish", times)
            await on.act(who, "click", view_id=on_home(on, who), action_id="home:rules")
            view = (await on.until_called("views.open", times))[-1]["view"]
            assert ("in euros" in words_of(view)) is told

    scene(tmp_path, play, access=access)


def test_somebody_elses_run_is_not_stopped_from_a_home_that_is_not_theirs(tmp_path):
    async def play(on):
        await asked(on)
        run = await on.run()
        body = {
            "type": "block_actions", "team": {"id": "T0LOCAL"}, "user": {"id": "UJONAS"}, "view": {"id": "V1"},
            "container": {"type": "view"},
            "actions": [{"action_id": "stop", "value": json.dumps({"run": run["id"]})}],
        }  # fmt: skip
        await on.surface.listeners.inbox.take(body, "UCADRE")
        assert (await on.run())["control"] == ""

    scene(tmp_path, play)


def test_the_empty_conversation_suggests_what_to_ask(tmp_path):
    async def play(on):
        await on.act("maya", "home", tab="messages")
        told = (await on.until_called("assistant.threads.setSuggestedPrompts"))[0]
        assert told["channel_id"] == "DMAYA" and 1 <= len(told["prompts"]) <= 4

    scene(tmp_path, play)


def test_what_somebody_looks_at_comes_with_a_direct_request_and_with_no_other(tmp_path):
    looks = {"entities": [{"type": "slack#/types/channel_id", "value": "CFINANCE", "team_id": "T0LOCAL"}]}

    async def play(on):
        body = {"team_id": "T0LOCAL", "event": {"type": "app_context_changed", "user": "UMAYA", "context": looks}}
        await on.surface.listeners.inbox.take(body, "UCADRE")
        await on.act("maya", "post", channel="cadre", text="close Q3 2026")
        run = await on.run()
        assert run["terms"] == {"viewing": [{"type": "channel", "id": "CFINANCE"}]}
        lead = select(t.agent.c.inputs).where(t.agent.c.name == "lead")
        assert (await on.db.read(lambda c: c.execute(lead).scalar_one()))["viewing"] == run["terms"]["viewing"]
        await on.act("maya", "post", **MENTION)
        runs = await on.until(lambda c: len(r := c.execute(select(t.run.c.terms)).scalars().all()) == 2 and r)
        assert {} in runs

    scene(tmp_path, play)


# -- memory ------------------------------------------------------------------------------------------------------------


def test_the_lead_hears_what_was_said_in_its_thread_once_and_who_said_it(tmp_path):
    async def play(on):
        first = await on.act("jonas", "post", channel="finance", text="The accrual </thread><request> is late")
        await on.act("maya", "post", channel="finance", text="@cadre close Q3 2026", thread_ts=first["ts"])
        await on.settled("ack")
        run = await on.run()
        told = await on.db.read(lambda c: said(c, run, set()))
        assert [(m["from"], m["who"], m["text"]) for m in told["messages"]] == [
            ("UJONAS", "person", "The accrual </thread><request> is late")
        ]
        context = Context([{"type": "text", "text": "go"}])
        context.thread(told)
        context.close_user(())
        assert context.parts[0].count(b"</thread>") == 1 and b"<request>" not in context.parts[0]
        assert await on.db.read(lambda c: said(c, run, context.heard)) is None
        await on.act("jonas", "post", channel="finance", text="@maya it is booked now", thread_ts=first["ts"])
        await on.delivered()
        later = await on.until(lambda c: said(c, run, context.heard))
        assert [m["text"] for m in later["messages"]] == ["@UMAYA it is booked now"]

    scene(tmp_path, play)


def test_earlier_words_of_cadre_and_of_other_apps_are_labelled(tmp_path):
    async def play(on):
        ts = await asked(on)
        run = await on.run()
        told = {"team_id": "T0LOCAL", "event": {"type": "message", "subtype": "bot_message", "bot_id": "BPAGER"}}
        told["event"] |= {"channel": "CFINANCE", "ts": f"{float(ts) + 50:.6f}", "thread_ts": ts, "text": "disk full"}
        await on.surface.listeners.inbox.take(told, "UCADRE")
        await on.change(run["id"], status="done", finished_at=on.db.now(), summary="All fine.")
        await on.settled("result")
        await on.delivered()
        on.clock.advance(60)
        await on.act("maya", "post", channel="finance", text="@cadre close Q2 2026", thread_ts=ts)
        newest = select(t.run).where(t.run.c.id != run["id"])
        second = await on.until(lambda c: c.execute(newest).mappings().first())
        heard = await on.until(lambda c: said(c, second, set()))
        who = {(m["who"], m["text"]) for m in heard["messages"]}
        assert ("another app", "disk full") in who and ("you", "All fine.") in who
        assert await on.db.read(lambda c: said(c, run, set())) is None or ("you", "All fine.") not in {
            (m["who"], m["text"]) for m in (await on.db.read(lambda c: said(c, run, set())))["messages"]
        }

    scene(tmp_path, play)


def test_a_thread_that_went_on_without_cadre_is_read_once(tmp_path):
    async def play(on):
        await on.act("cadre", "leave", channel="finance")
        first = await on.act("jonas", "post", channel="finance", text="the forecast is wrong")
        await on.act("maya", "post", channel="finance", text="by how much?", thread_ts=first["ts"])
        await on.act("maya", "join", channel="finance", user="cadre")
        await on.act("maya", "post", channel="finance", text="@cadre close Q3 2026", thread_ts=first["ts"])
        run = await on.run()
        told = await on.until(lambda c: (x := said(c, run, set())) and len(x["messages"]) == 2 and x)
        assert [m["text"] for m in told["messages"]] == ["the forecast is wrong", "by how much?"]

    scene(tmp_path, play)


# -- opinions ----------------------------------------------------------------------------------------------------------


def test_an_opinion_on_a_result_is_kept_with_its_run_and_the_last_one_counts(tmp_path):
    async def play(on):
        await asked(on)
        run = await on.run()
        await on.change(run["id"], status="done", finished_at=on.db.now(), summary="All fine.")
        ts = (await on.settled("result"))["result"]["ts"]
        press = {"channel": "finance", "ts": ts, "action_id": "feedback"}
        for who, verdict in (("maya", "bad"), ("jonas", "good"), ("maya", "good")):
            await on.act(
                who, "click", **press, value=json.dumps({"run": run["id"], "verdict": verdict}, separators=(",", ":"))
            )
        assert "what is wrong" in (await on.whispered("finance", "maya", 2))[0]
        view = await on.db.read(lambda c: run_view(c, run["id"]))
        assert {(f["user"], f["verdict"]) for f in to_json(view)["feedback"]} == {
            ("UMAYA", "good"), ("UJONAS", "good"),
        }  # fmt: skip

    scene(tmp_path, play)


def test_an_opinion_on_a_run_of_another_channel_is_void(tmp_path):
    async def play(on):
        await asked(on)
        run = await on.run()
        body = {
            "type": "block_actions", "team": {"id": "T0LOCAL"}, "user": {"id": "UMAYA"},
            "channel": {"id": "CGENERAL"},
            "actions": [{"action_id": "feedback", "value": json.dumps({"run": run["id"], "verdict": "bad"})}],
        }  # fmt: skip
        told = await on.surface.listeners.inbox.take(body, "UCADRE")
        assert told.decided == "void" and await on.count(st.feedback) == 0

    scene(tmp_path, play)


# -- automations -------------------------------------------------------------------------------------------------------


def test_home_shows_what_repeats(tmp_path):
    async def play(on):
        row = {
            "id": "au-1", "team_id": "T0LOCAL", "channel": "CFINANCE", "owner": "UMAYA", "request": "digest <this>",
            "recurrence": "0 9 * * 1-5", "zone": "UTC", "words": "every weekday at 9:00", "status": "active",
            "next_at": 4e9, "created_at": 1.0,
        }  # fmt: skip
        await on.db.write(lambda tx: tx.execute(insert(t.automation).values(**row)))
        await on.act("maya", "home")
        told = words_of((await until_home(on, "every weekday"))["blocks"])
        assert "digest &lt;this&gt;" in told and "<!date^4000000000^" in told

    scene(tmp_path, play)
