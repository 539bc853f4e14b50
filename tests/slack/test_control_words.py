"""Words of control, thanks, edits and deletions as Slack delivers them."""

import time
from pathlib import Path

import pytest

from bot.coordinator.steering import classify
from bot.skills import SkillLibrary
from bot.slack.requests import Changed, Word, changed, control_word, is_bare, to_nobody

BOT = "UCADRE"
LIBRARY = SkillLibrary(Path(__file__).parents[2] / "skills")
AT_WORK = {"skill": "quarterly-close", "status": "working"}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("stop", "stop"), ("Stop!", "stop"), ("please stop it now", "stop"), ("cancel", "stop"),
        ("never mind, thanks", "stop"), ("pause", "pause"), ("hold on", "pause"), ("resume", "resume"),
        ("go on", "resume"), ("status?", "status"), ("how far are you?", "status"), ("Why?", "why"),
        ("why so?", "why"), ("mute", "mute"), ("unmute please", "unmute"),
    ],
)  # fmt: skip
def test_a_word_of_control_is_understood(text, word):
    assert control_word(text) == Word(word)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("stop, please", "stop"), ("Stop. Thanks", "stop"), ("stop everything", "stop"), ("stop right now", "stop"),
        ("stop immediately", "stop"), ("please stop the run", "stop"), ("ok stop", "stop"), ("no, stop", "stop"),
        ("stop 🛑", "stop"), ("stop :octagonal_sign:", "stop"), ("cancel all of this, please!", "stop"),
        ("could you stop working on this?", "stop"), ("Stop please, thank you", "stop"), ("stop\u200b", "stop"),
        ("pause everything for now, please", "pause"), ("ok, continue", "resume"), ("resume the work, thanks", "resume"),
        ("status, please", "status"), ("undo it all, please", "undo"),
    ],
)  # fmt: skip
def test_a_word_of_control_is_understood_with_courtesy_and_signs_around_it(text, word):
    assert control_word(text) == Word(word)


@pytest.mark.parametrize(
    "text", ["stop using the old forecast", "stop after the first ten", "stop the work on Sales"]
)
def test_a_stop_of_one_thing_is_a_change_of_course(text):
    course = classify(text, AT_WORK, LIBRARY)
    assert control_word(text) is None and course is not None and (course.kind, course.text) == ("steer", text)


@pytest.mark.parametrize(
    "text", ["stop that, thank you anyway", "cancel it, please", "drop it. please, thanks a lot"]
)
def test_courtesy_after_a_word_is_no_request_in_place_of_the_first(text):
    course = classify(text, AT_WORK, LIBRARY)
    assert course is not None and course.kind == "steer"


@pytest.mark.parametrize(
    ("text", "bare"), [("stop, please", True), ("Stop now! 🛑", True), ("stop it", False), ("hold on", False)]
)
def test_among_people_only_a_bare_word_counts_however_politely_it_is_said(text, bare):
    assert is_bare(text) is bare


def test_a_word_of_control_can_name_its_run():
    assert control_word("stop run-00ff12ab34cd") == Word("stop", "run-00ff12ab34cd")


@pytest.mark.parametrize(
    "text",
    [
        "stop the presses at nine",
        "do not stop",
        "stopwatch",
        "mute the sales",
        "why not add a chart",
        "close Q3",
        "no pause",
        "continue with step 2",
        "why now",
        "stop $5",
        "ok",
        "yes, cancel it",
    ],
)
def test_other_words_are_no_words_of_control(text):
    assert control_word(text) is None


@pytest.mark.parametrize(
    ("text", "nobody"),
    [
        ("thanks!", True), ("ok thanks :tada:", True), ("👍", True), ("@U2 what do you think?", True),
        ("okay, only Sales", False), ("good question, add it", False), ("Sales", False),
    ],
)  # fmt: skip
def test_thanks_and_words_to_others_are_told_from_wishes(text, nobody):
    assert to_nobody(text) is nobody


@pytest.mark.parametrize(
    "text",
    [
        "!" * 9_000 + "a",
        "ok " * 4_000 + "b",
        "stop " + "it " * 4_000 + "b",
        "stop" + ", " * 9_000 + "b",
        "ok " * 4_000 + "stop b",
        "stop" + "🛑" * 9_000 + "b",
        "stop" + " :a:" * 4_000 + "b",
    ],
)
def test_long_messages_are_judged_in_no_time(text):
    began = time.process_time()
    assert control_word(text) is None and not to_nobody(text)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("text", "kind", "kept"),
    [
        ("only the Sales department", "steer", "only the Sales department"),
        ("use the March budget instead", "steer", "use the March budget instead"),
        ("drop the first part and only do Sales", "steer", "drop the first part and only do Sales"),
        ("also include Marketing", "addon", "also include Marketing"),
        ("a chart as well", "addon", "a chart as well"),
        ("forget that, digest this channel", "replace", "digest this channel"),
        ("no, forget it and close Q2 2026", "replace", "close Q2 2026"),
        ("close Q2 2026 instead", "replace", "close Q2 2026"),
        ("start over: close Q1 2026", "replace", "close Q1 2026"),
    ],
)
def test_a_change_an_addition_and_a_replacement_are_told_apart(text, kind, kept):
    course = classify(text, AT_WORK, LIBRARY)
    assert course is not None and (course.kind, course.text) == (kind, kept)


def test_a_request_of_its_own_starts_work_of_its_own():
    assert classify("close Q2 2026", AT_WORK, LIBRARY) is None


def event(subtype, **fields):
    told = {"type": "message", "subtype": subtype, "channel": "C1", "ts": "11.1", **fields}
    return {"team_id": "T1", "event": told}


def test_an_edit_names_the_message_and_what_it_says_now():
    now = {"ts": "10.1", "user": "U1", "text": f"<@{BOT}> only May", "edited": {"user": "U1", "ts": "11.0"}}
    told = changed(event("message_changed", message=now, previous_message={"ts": "10.1", "user": "U1"}), BOT)
    assert told == Changed("T1", "C1", "10.1", "10.1", "U1", "only May", False, "11.0")


def test_a_preview_of_a_link_changes_nothing():
    now = {"ts": "10.1", "user": "U1", "text": "see"}
    assert changed(event("message_changed", message=now, previous_message=now), BOT) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"subtype": "message_deleted", "deleted_ts": "10.1", "previous_message": {"ts": "10.1", "user": "U1"}},
        {
            "subtype": "message_changed",
            "message": {"ts": "10.1", "user": "USLACKBOT", "subtype": "tombstone"},
            "previous_message": {"ts": "10.1", "user": "U1"},
        },
    ],
)
def test_a_deletion_is_told_by_its_author_whatever_slack_leaves_behind(fields):
    told = changed(event(**fields), BOT)
    assert told is not None and (told.ts, told.user, told.deleted) == ("10.1", "U1", True)
