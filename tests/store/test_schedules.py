"""Recurring requests: understood from words, made once per local occurrence, through clock changes and outages."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from bot.coordinator import schedules
from bot.coordinator.intake import ensure_intake
from bot.store.database import Database
from bot.store.schema import inbox
from bot.types import Request

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
        db.write_now(schedules.tick)
        return [row.key.split("@")[1] for row in db.read_now(lambda c: c.execute(select(inbox)).all())]

    def add(words):
        request = Request(team="T", channel="C", thread="1", key="1", kind="mention", user="U", text=words)
        db.write_now(lambda tx: schedules.add(tx, request, schedules.parse(words), BERLIN))

    yield at, add
    db.close()


@pytest.mark.parametrize(
    ("words", "recurrence"),
    [
        ("every weekday at 9:00 digest this channel", "0 9 * * 1-5"),
        ("Every day at 6pm: digest this channel", "0 18 * * *"),
        ("every monday and thursday at 8:30 digest this channel", "30 8 * * 1,4"),
    ],
)
def test_plain_words_become_a_recurrence(words, recurrence):
    found = schedules.parse(words)
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
    found = schedules.parse(words)
    assert (found.request, found.canvas) == (request_of_it, True)


@pytest.mark.parametrize("words", ["digest what is in a canvas here", "in a canvas", "digest this channel"])
def test_other_words_about_a_canvas_ask_for_none(words):
    found = schedules.parse(f"every day at 9 {words}")
    assert (found.request, found.canvas) == (words, False)


@pytest.mark.parametrize(
    "words", ["close Q3 2026", "every now and then digest this", "digest this channel every day"]
)
def test_other_sentences_are_no_schedule(words):
    assert schedules.parse(words) is None


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
