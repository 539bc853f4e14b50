"""Recurring requests: understood from words, made once per local occurrence, through clock changes and outages."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from bot.coordinator import recurring, schedules
from bot.coordinator.intake import ensure_intake
from bot.policy.access import Access
from bot.store import people
from bot.store.database import Database
from bot.store.schema import automation, inbox
from bot.types import Person, Request

BERLIN = "Europe/Berlin"


def local(*when):
    return datetime.datetime(*when, tzinfo=ZoneInfo(BERLIN)).timestamp()


class Hand:
    """A clock set by hand."""

    at = local(2026, 3, 27, 8, 0)

    def now(self):
        return self.at


@pytest.fixture
def made(tmp_path):
    hand = Hand()
    db = Database(f"sqlite:///{tmp_path / 'cadre.db'}", hand.now)
    db.migrate()
    db.write_now(ensure_intake)
    db.write_now(schedules.ensure_ticker)

    def at(when):
        hand.at = when
        db.write_now(lambda tx: schedules.tick(tx, Access()))
        return [row.key.split("@")[1] for row in db.read_now(lambda c: c.execute(select(inbox)).all())]

    def add(words):
        request = Request(team="T", channel="C", thread="1", key="1", kind="mention", user="U", text=words)
        db.write_now(lambda tx: schedules.add(tx, request, recurring.parse(words), BERLIN))

    yield at, add
    db.close()


@pytest.mark.parametrize(
    ("words", "recurrence"),
    [
        ("every weekday at 9:00 digest this channel", "0 9 * * 1-5"),
        ("Every day at 6pm: digest this channel", "0 18 * * *"),
        ("every monday and thursday at 8:30 digest this channel", "30 8 * * 1,4"),
        ("every Monday, and Friday at 9:00, digest this channel", "0 9 * * 1,5"),
        ("every Mondays 9am digest this channel", "0 9 * * 1"),
        ("every day at 17:30 and 9:00 digest this channel", "0 9 * * *|30 17 * * *"),
        ("every weekend at 10, 12 and 5pm: digest this channel", "0 10 * * 0,6|0 12 * * 0,6|0 17 * * 0,6"),
        ("every month on the 15th at 9:00 digest this channel", "0 9 15 * *"),
        ("every month on the last day at 18:00 digest this channel", "0 18 L * *"),
    ],
)
def test_plain_words_become_a_recurrence(words, recurrence):
    found = recurring.parse(words)
    assert (found.recurrence, found.request) == (recurrence, "digest this channel")


@pytest.mark.parametrize(
    ("words", "request_of_it"),
    [
        ("every day at 9 digest this channel in a canvas", "digest this channel"),
        ("every day at 9 digest this channel, and keep it in a canvas.", "digest this channel"),
        ("every day at 9 in a canvas: digest this channel", "digest this channel"),
        ("every day at 9 digest this channel as a canvas for at most $2", "digest this channel for at most $2"),
    ],
)
def test_a_schedule_says_that_its_reports_are_kept_in_a_canvas(words, request_of_it):
    found = recurring.parse(words)
    assert (found.request, found.canvas) == (request_of_it, True)


@pytest.mark.parametrize("words", ["digest what is in a canvas here", "in a canvas", "digest this channel"])
def test_other_words_about_a_canvas_ask_for_none(words):
    found = recurring.parse(f"every day at 9 {words}")
    assert (found.request, found.canvas) == (words, False)


@pytest.mark.parametrize(
    "words",
    [
        "close Q3 2026", "every now and then digest this", "digest this channel every day",
        "every contract in the folder at 9 Main Street: check it", "every Monday's numbers at 9:00, please compare",
        "every Monday 9 contracts come in, why?",
    ],
)  # fmt: skip
def test_other_sentences_are_no_schedule(words):
    assert (recurring.parse(words), recurring.unclear(words)) == (None, "")


@pytest.mark.parametrize(
    "words",
    [
        "every month on the 31st at 9:00 digest this", "every other Tuesday at 9:00 digest this",
        "every day at 25:00 digest this", "every quarter on the 1st close the books", "every hour at 10 digest this",
        "every day at 1, 2, 3, 4 and 5 digest this",
    ],
)  # fmt: skip
def test_a_recurrence_that_is_not_understood_is_said_to_be_none(words):
    assert recurring.parse(words) is None
    assert "nothing is scheduled" in recurring.unclear(words)


def test_a_weekday_schedule_skips_the_weekend_and_keeps_local_time_when_clocks_change(made):
    at, add = made
    add("every weekday at 9:00 digest this channel")
    assert at(local(2026, 3, 27, 8, 59)) == []
    assert at(local(2026, 3, 27, 9, 0)) == ["2026-03-27T09:00"]
    assert at(local(2026, 3, 29, 12, 0)) == ["2026-03-27T09:00"]  # the weekend the clocks go forward
    assert at(local(2026, 3, 30, 9, 0)) == ["2026-03-27T09:00", "2026-03-30T09:00"]


def test_an_hour_that_comes_twice_makes_the_request_once(made):
    at, add = made
    Hand.at = local(2026, 3, 27, 8, 0)
    add("every day at 2:30 digest this channel")
    at(local(2026, 10, 24, 12, 0))
    before = len(at(local(2026, 10, 24, 12, 1)))
    first = local(2026, 10, 25, 2, 30)
    assert len(at(first)) == before + 1
    assert len(at(first + 3600)) == before + 1


def test_a_time_missed_by_long_is_not_caught_up(made):
    at, add = made
    add("every day at 9:00 digest this channel")
    assert at(local(2026, 3, 28, 20, 0)) == []
    assert at(local(2026, 3, 29, 9, 0)) == ["2026-03-29T09:00"]


def test_several_times_and_the_last_day_come_in_their_order(made):
    at, add = made
    Hand.at = local(2026, 2, 27, 8, 0)
    add("every day at 17:30 and 9:00 digest this channel")
    add("every month on the last day at 18:00 digest this channel")
    assert at(local(2026, 2, 27, 9, 0)) == ["2026-02-27T09:00"]
    assert at(local(2026, 2, 27, 17, 30))[1:] == ["2026-02-27T17:30"]
    at(local(2026, 2, 28, 9, 0))
    at(local(2026, 2, 28, 17, 30))
    assert at(local(2026, 2, 28, 18, 0))[4:] == ["2026-02-28T18:00"]


def test_the_request_of_somebody_who_may_no_longer_ask_is_held(made, tmp_path):
    at, add = made
    Hand.at = local(2026, 3, 27, 8, 0)
    add("every day at 9:00 digest this channel")
    db = Database(f"sqlite:///{tmp_path / 'cadre.db'}", Hand().now)
    try:
        db.write_now(lambda tx: people.keep(tx, "T", Person("U", "guest", (), "who has left")))
        assert at(local(2026, 3, 27, 9, 0)) == []
        assert db.read_now(lambda c: c.execute(select(automation.c.status)).scalar()) == "paused"
    finally:
        db.close()
