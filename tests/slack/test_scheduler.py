"""Slack's budgets hold, urgent calls go first, the latest state wins."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.slack.app import make_client
from bot.slack.budgets import LATE_S, PER_MINUTE, RESERVE, Budgets
from bot.slack.scheduler import Done, NotSent, Priority, Refused, Scheduler, Superseded
from tests.slack.harness import local

FINANCE = {"channel": "CFINANCE", "text": "x"}


def scene(tmp_path, play):
    async def show():
        async with local(tmp_path, dispatch=False) as on:
            await play(on)

    asyncio.run(show())


@settings(deadline=None)
@given(st.lists(st.floats(0, 8), min_size=20, max_size=200), st.sampled_from(sorted(PER_MINUTE)))
def test_no_minute_ever_sees_more_calls_than_its_limit(gaps, method):
    limit, bucket = PER_MINUTE[method], Budgets().method("T1", method, 0.0)
    now, made = 0.0, []
    for gap in gaps:
        now += gap * 20 / limit
        now += bucket.wait(now, 0.0)
        bucket.wait(now, 0.0)
        bucket.take()
        made.append(now)
    for start in made:
        assert sum(start <= at < start + 60 for at in made) <= limit + 1e-6


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 19), min_size=800, max_size=1_600))
def test_every_card_gets_its_turn_within_one_round_however_often_others_ask(eager):
    budgets, now = Budgets(), 0.0
    bucket, turns = budgets.method("T1", "chat.update", now), budgets.turns("T1", "chat.update", now)
    shown = dict.fromkeys(range(20), 0.0)
    for extra in eager:
        for card in (extra, *range(20)):
            if turns.ask(str(card), now, now, bucket.wait(now, RESERVE)) == 0:
                bucket.take()
                assert now - shown[card] < 30
                shown[card] = now
        now += 0.1


def standing(*cards):
    """A line in which the first of these has just had its turn, and the time."""
    turns, now = Budgets().turns("T1", "chat.update", 100.0), 100.0
    assert turns.ask(cards[0], now, now, 0.0) == 0
    for card in cards[1:]:
        assert turns.ask(card, now, now, 0.0) > turns.gap / 2
    return turns, now


def test_who_leaves_the_line_leaves_no_turn_unused():
    turns, now = standing("a", "b", "c", "d")
    turns.leave("b")
    now += turns.gap
    assert turns.ask("d", now, now, 0.0) > 0
    assert turns.ask("c", now, now, 0.0) == 0
    assert turns.ask("d", now, now, 0.0) > turns.gap / 2


def test_who_was_told_to_come_late_holds_nobody_up_once_the_line_is_short():
    cards = [f"c{number}" for number in range(40)]
    turns, now = standing(*cards)
    for card in cards[1:-1]:
        turns.leave(card)
    assert 0 < turns.ask("new", now, now, 0.0) <= turns.gap
    now += turns.gap
    assert turns.ask("new", now, now, 0.0) == 0


def test_who_does_not_come_for_its_turn_lets_others_by_and_comes_next():
    turns, now = standing("a", "b", "c", "d")
    now += turns.gap
    assert 0 < turns.ask("c", now, now, 0.0) < turns.gap
    now += 2 * LATE_S
    assert turns.ask("c", now, now, 0.0) == 0
    now += turns.gap
    assert turns.ask("b", now, now, 0.0) == 0 < turns.ask("d", now, now, 0.0)


def test_who_has_nothing_to_show_yet_holds_nobody_up():
    turns, now = standing("a", "b")
    assert turns.ask("later", now, now + 60, 0.0) == 60
    assert turns.ask("c", now, now, 0.0) > 0
    now += turns.gap
    assert turns.ask("b", now, now, 0.0) == 0
    now += turns.gap
    assert turns.ask("c", now, now, 0.0) == 0


def test_posts_in_one_channel_keep_their_second_and_other_channels_do_not_wait(tmp_path):
    async def play(on):
        loop = asyncio.get_running_loop()
        began = loop.time()
        calls = [on.scheduler.call("T0LOCAL", "chat.postMessage", FINANCE) for _ in range(2)]
        elsewhere = on.scheduler.call("T0LOCAL", "chat.postMessage", {**FINANCE, "channel": "CGENERAL"})
        first, second = (asyncio.ensure_future(call) for call in calls)
        assert isinstance(await elsewhere, Done) and not second.done()
        assert isinstance(await first, Done) and isinstance(await second, Done)
        assert loop.time() - began >= 1.0

    scene(tmp_path, play)


def test_approvals_go_before_results_before_progress_before_status_when_the_budget_is_short(tmp_path):
    async def play(on):
        call = on.scheduler.call
        await call("T0LOCAL", "chat.postMessage", FINANCE)
        order = [
            ("status", Priority.STATUS), ("progress", Priority.UPDATE), ("result", Priority.RESULT),
            ("approval", Priority.URGENT),
        ]  # fmt: skip
        waiting = [call("T0LOCAL", "chat.postMessage", {**FINANCE, "text": t}, priority=p) for t, p in order]
        await asyncio.gather(*waiting)
        assert [c["text"] for c in on.calls("chat.postMessage")][1:] == ["approval", "result", "progress", "status"]

    scene(tmp_path, play)


def test_of_waiting_updates_of_one_message_only_the_latest_is_made(tmp_path):
    async def play(on):
        call = on.scheduler.call
        first = await call("T0LOCAL", "chat.postMessage", FINANCE)
        assert isinstance(first, Done)
        place = {"channel": "CFINANCE", "ts": first.data["ts"]}
        updates = [
            call("T0LOCAL", "chat.update", {**place, "text": f"state {n}"}, key=place["ts"]) for n in range(30)
        ]
        outcomes = await asyncio.gather(*updates)
        assert [type(o) for o in outcomes] == [Superseded] * 29 + [Done]
        assert [c["text"] for c in on.calls("chat.update")] == ["state 29"]

    scene(tmp_path, play)


def test_a_refusal_is_told_as_slack_names_it(tmp_path):
    async def play(on):
        payload = {"channel": "COPS", "text": "x"}
        assert await on.scheduler.call("T0LOCAL", "chat.postMessage", payload) == Refused("not_in_channel")

    scene(tmp_path, play)


def test_nothing_is_sent_before_slack_allows_it(tmp_path):
    async def play(on):
        on.faults.add({"match": "chat.update", "kind": "429", "retry_after_s": 30})
        place = {"channel": "CFINANCE", "ts": "1.1", "text": "x"}
        outcome = await on.scheduler.call("T0LOCAL", "chat.update", place)
        assert outcome == NotSent("ratelimited", 30.0)
        later = asyncio.ensure_future(on.scheduler.call("T0LOCAL", "chat.update", place))
        await on.scheduler.call("T0LOCAL", "chat.postMessage", FINANCE)  # other methods go on
        assert not later.done() and on.calls("chat.update") == []
        await on.scheduler.close()
        assert await later == NotSent("closing", 1.0)

    scene(tmp_path, play)


def test_a_server_that_is_not_there_is_surely_not_reached(tmp_path):
    async def play(on):
        scheduler = Scheduler(make_client("xoxb-x", "http://127.0.0.1:1/api"))
        outcome = await scheduler.call("T0LOCAL", "chat.postMessage", FINANCE)
        assert isinstance(outcome, NotSent)
        await scheduler.close()

    scene(tmp_path, play)
