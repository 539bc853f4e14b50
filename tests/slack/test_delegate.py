"""Work handed over with a form: what stands in it reaches the run, whichever shortcut opened it."""

import asyncio
import json
from decimal import Decimal

import pytest
from sqlalchemy import select

from bot.coordinator import second_look, terms
from bot.slack import delegate
from bot.slack.cards import Block
from bot.slack.taken import Ask
from bot.store import money
from bot.store import schema as t
from bot.store.database import Tx
from bot.store.view import run_view
from tests.slack.harness import local

SOON = 2_000_000_000


def scene(tmp_path, play, **how):
    async def show():
        async with local(tmp_path, **how) as on:
            await play(on)

    asyncio.run(show())


async def form_of(on, person="maya", **place):
    """The open form after a shortcut."""
    callback = delegate.OF_MESSAGE if place else delegate.ANYWHERE
    await on.act(person, "shortcut", callback_id=callback, **place)
    return (await on.until_called("views.open"))[-1]["view"]


def fields(view: Block) -> dict[str, Block]:
    return {block["block_id"]: block for block in view["blocks"]}


GIVEN = {
    "goal": "Compare the quarter with the forecast",
    "done": "- every department is named\n\n* the total matches the ledger",
    "budget": "2.50",
    "deadline": SOON,
}


def test_a_message_is_delegated_in_its_thread_with_what_the_form_says(tmp_path):
    async def play(on):
        said = await on.act("jonas", "post", channel="finance", text="who compares the quarter? &lt;soon&gt;")
        view = await form_of(on, channel="finance", ts=said["ts"])
        assert fields(view)["goal"]["element"]["initial_value"] == "who compares the quarter? <soon>"
        assert "place" not in fields(view)
        assert (await on.act("maya", "submit", values=GIVEN))["response_action"] == "close"
        run = await on.run()
        assert (run["kind"], run["thread"], run["request"]) == ("delegate", said["ts"], GIVEN["goal"])
        assert run["terms"] == {
            "criteria": ["every department is named", "the total matches the ledger"], "budget": "2.50",
            "deadline": float(SOON),
        }  # fmt: skip
        line = await on.db.read(lambda c: money.run_limit(c, run["id"], run["team_id"]))
        assert line.hard == Decimal("2.50")
        lead = await on.db.read(
            lambda c: c.execute(select(t.agent.c.inputs).where(t.agent.c.name == "lead")).scalar()
        )
        assert lead["criteria"] == run["terms"]["criteria"] and lead["wanted_by"] == "2033-05-18T03:33:20+00:00"
        ack = await on.settled("ack")
        shown = next(m for m in await on.said("finance") if m["ts"] == ack["result"]["ts"])
        told = json.dumps(shown["blocks"])
        assert shown["thread_ts"] == said["ts"]
        assert "every department is named" in told and "at most $2.50" in told and f"<!date^{SOON}^" in told

    scene(tmp_path, play)


def test_the_global_shortcut_asks_where_and_works_in_a_thread_of_its_own(tmp_path):
    async def play(on):
        view = await form_of(on)
        assert fields(view)["place"]["element"]["type"] == "conversations_select"
        await on.act("maya", "submit", values={"goal": "Close Q3 2026", "place": "CFINANCE"})
        header = await on.settled("header")
        assert (await on.run())["thread"] == header["result"]["ts"]

    scene(tmp_path, play)


def test_the_button_at_home_opens_the_same_form(tmp_path):
    async def play(on):
        await on.act("maya", "home")
        await on.until_called("views.publish")
        home = [r["body"] for r in on.log.since(0) if r["kind"] == "response" and r["name"] == "views.publish"][-1]
        await on.act("maya", "click", view_id=home["view"]["id"], action_id="home:ask")
        view = (await on.until_called("views.open"))[0]["view"]
        assert view["callback_id"] == delegate.FORM and "place" in fields(view)

    scene(tmp_path, play)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"goal": "   "}, {"goal": "what should come out"}),
        ({"budget": "-1"}, {"budget": "above 0"}),
        ({"budget": "NaN"}, {"budget": "above 0"}),
        ({"budget": "1e999"}, {"budget": "above 0"}),
        ({"deadline": 1}, {"deadline": "still to come"}),
        ({"done": "x\n" * 11}, {"done": "At most 10"}),
        ({"place": "COPS"}, {"place": "/invite @cadre"}),
        ({"place": None}, {"place": "Choose a channel"}),
        ({"goal": "", "budget": "much"}, {"goal": "what should", "budget": "above 0"}),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_kept(tmp_path, given, wrong):
    async def play(on):
        await form_of(on)
        told = await on.act("maya", "submit", values={**GIVEN, "place": "CFINANCE", **given})
        assert set(told["errors"]) == set(wrong)
        assert all(words in told["errors"][name] for name, words in wrong.items())
        assert await on.count(t.inbox) == 0

    scene(tmp_path, play)


def test_a_form_that_is_delivered_twice_is_one_request(tmp_path):
    async def play(on):
        await form_of(on)
        on.faults.add({"match": "view_submission", "kind": "duplicate"})
        await on.act("maya", "submit", values={**GIVEN, "place": "CFINANCE"})
        await on.settled("ack")
        assert await on.count(t.run) == 1 and await on.count(t.inbox) == 1

    scene(tmp_path, play)


def test_a_guest_gets_no_form_but_a_line(tmp_path):
    async def play(on):
        said = await on.act("maya", "post", channel="partners", text="please look into it")
        await on.act("gus", "shortcut", callback_id="delegate", channel="partners", ts=said["ts"])
        assert "as a guest" in (await on.whispered("partners", "gus"))[0]
        await on.act("gus", "shortcut", callback_id="ask")
        await on.until_called("chat.postMessage")
        assert not on.calls("views.open")

    scene(tmp_path, play)


def test_a_form_of_a_guest_is_refused_however_it_came_to_be(tmp_path):
    async def play(on):
        view = {**delegate.form(""), "id": "V1", "state": {"values": state({**GIVEN, "place": "CPARTNERS"})}}
        body = {"type": "view_submission", "team": {"id": "T0LOCAL"}, "user": {"id": "UGUS"}, "view": view}
        told = await on.surface.listeners.inbox.take(body, "UCADRE")
        assert "as a guest" in told.errors["place"] and await on.count(t.inbox) == 0

    scene(tmp_path, play)


def state(given):
    names = {"place": "selected_conversation", "deadline": "selected_date_time"}
    return {name: {name: {names.get(name, "value"): value}} for name, value in given.items()}


def shortcut_on(text, files):
    return {
        "type": "message_action", "callback_id": "delegate", "team": {"id": "T0LOCAL"}, "user": {"id": "UMAYA"},
        "channel": {"id": "CFINANCE"}, "message_ts": "10.1", "message": {"ts": "10.1", "text": text, "files": files},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "count", "told"), [("x" * 3_001, 40, ["longer than the 3,000", " of 40"]), ("review", 1, [])]
)
def test_what_a_form_cannot_carry_of_a_message_is_said_in_it(tmp_path, text, count, told):
    async def play(on):
        files = [{"id": f"F{n}", "name": "n" * 100, "size": 1} for n in range(count)]
        door = on.surface.listeners.door
        await door.learn("T0LOCAL", "UMAYA")
        ask = Ask(shortcut_on(text, files), "UCADRE", door)
        view = (await on.db.write(lambda tx: delegate.opened(tx, ask))).view
        assert bool(told) is ("left" in fields(view))
        assert all(part in fields(view)["left"]["elements"][0]["text"] for part in told)

    scene(tmp_path, play)


def test_files_of_the_message_come_along_as_far_as_a_form_can_carry_them(tmp_path):
    async def play(on):
        files = [{"id": f"F{n}", "name": "n" * 100, "size": 1, "url_private": "https://x"} for n in range(40)]
        ask = Ask(shortcut_on("review", files), "UCADRE", on.surface.listeners.door)
        await on.surface.listeners.door.learn("T0LOCAL", "UMAYA")
        opened = await on.db.write(lambda tx: delegate.opened(tx, ask))
        assert len(opened.view["private_metadata"]) <= 3_000
        view = {**opened.view, "id": "V1", "state": {"values": state(GIVEN)}}
        sent = {"type": "view_submission", "team": {"id": "T0LOCAL"}, "user": {"id": "UMAYA"}, "view": view}
        told = await on.surface.listeners.inbox.take(sent, "UCADRE")
        assert told.request.files[0] == {"id": "F0", "name": "n" * 100, "size": 1, "type": "", "url": ""}

    scene(tmp_path, play)


# -- what becomes of the terms -------------------------------------------------------------------------------------------


def test_the_verifier_must_judge_each_criterion_of_the_requester():
    run = {"offline": False, "terms": {"criteria": ["every department is named"]}}
    assert second_look.is_due(run, [], [], {"artifacts": {}})
    assert not second_look.is_due({**run, "offline": True}, [], [], {"artifacts": {}})
    wanted = {"criteria": terms.criteria(run), "checks": [{"script": "x"}]}
    finish = {"args": {"status": "done", "summary": "", "verdicts": [{"name": "sums", "passed": True}]}}
    left = second_look.verdicts({"finish": finish, "inputs": wanted})
    assert [c.passed for c in left] == [True, False] and "request.1" in left[1].evidence
    finish["args"]["verdicts"].append({"name": "request.1", "passed": False, "detail": "Sales is missing"})
    judged = second_look.verdicts({"finish": finish, "inputs": wanted})
    assert [(c.name, c.passed) for c in judged][1] == ("verifier: every department is named", False)


def test_a_deadline_wakes_the_run_and_its_passing_is_told_once(tmp_path):
    async def play(on):
        await on.make_run(terms={"deadline": on.db.now() + 60})
        claim = await on.claim()
        run = (await on.run())["id"]

        def look(due):
            def work(tx: Tx) -> float | None:
                row = dict(tx.execute(select(t.run)).mappings().one())
                return terms.look(tx, claim, row, due)

            return on.db.write(work)

        assert await look(None) == await look(on.db.now() + 900) == pytest.approx(on.db.now() + 60, abs=5)
        on.clock.advance(61)
        assert await look(None) is None and await look(None) is None
        view = await on.db.read(lambda c: run_view(c, run))
        assert view.notices == (terms.LATE,)

    scene(tmp_path, play, dispatch=False)
