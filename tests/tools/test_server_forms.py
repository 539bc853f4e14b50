"""What a server asks becomes questions a person can answer by button or in words, and only values its schema takes."""

from __future__ import annotations

import json

import pytest

from bot.tools.mcp.forms import Field, Unfit, fields, options, value
from bot.tools.mcp.questions import Interview
from connectors.mcp import Parked

SCHEMA = {
    "type": "object",
    "required": ["day", "size", "sure"],
    "properties": {
        "day": {"type": "string", "format": "date", "title": "Day of the launch"},
        "size": {"type": "integer", "minimum": 1, "maximum": 50},
        "sure": {"type": "boolean"},
        "room": {"type": "string", "enum": ["r1", "r2"], "enumNames": ["Big room", "Small room"]},
        "tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "maxItems": 2},
    },
}


def elicits(schema, message="When is it?", key="q1", **more):
    return {key: {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema, **more}}}


def interview(requests):
    return Interview(Parked("input", "mcp__crm__plan", {}, requests, "state-1"))


def asked(told):
    return [told.next("crm").field, list(told.next("crm").options)]


def say(told, *words):
    for one in words:
        told = Interview.from_json(json.loads(json.dumps(told.answered(one).to_json())))
    return told


def test_a_form_is_asked_field_by_field_and_ends_in_what_its_schema_takes():
    told = interview(elicits(SCHEMA))
    assert told.next("crm").words == "crm asks: When is it?\nDay of the launch (as date)?"
    told = say(told, "2026-11-30")
    assert asked(told) == ["size", ["Decline"]]
    told = say(told, "12")
    assert asked(told) == ["sure", ["Yes", "No", "Decline"]]
    told = say(told, "No")
    assert asked(told) == ["room", ["Big room", "Small room", "Skip", "Decline"]]
    told = say(told, "small ROOM", "a, c")
    assert told.next("crm") is None
    content = {"day": "2026-11-30", "size": 12, "sure": False, "room": "r2", "tags": ["a", "c"]}
    assert (told.answers["q1"].action, told.answers["q1"].content) == ("accept", content)


@pytest.mark.parametrize(
    ("name", "words", "why"),
    [
        ("day", "tomorrow", "is not a 'date'"),
        ("size", "many", "'many' is not a whole number"),
        ("size", "51", "greater than the maximum"),
        ("sure", "perhaps", "answer Yes or No"),
        ("room", "cellar", "'cellar' is not one of Big room, Small room"),
        ("tags", "a, b, c", "too long"),
        ("tags", "a, x", "'x' is not one of a, b, c"),
    ],
)
def test_words_that_are_no_value_are_asked_again_with_the_reason(name, words, why):
    (field,) = [one for one in fields(SCHEMA) if one.name == name]
    with pytest.raises(Unfit, match=why):
        value(field, words)


def test_a_wrong_answer_keeps_what_was_answered_and_says_what_is_wrong():
    told = say(interview(elicits(SCHEMA)), "2026-11-30", "lots")
    ask = told.next("crm")
    assert ask.field == "size" and ask.words.startswith("crm cannot use that: 'lots' is not a whole number.")
    assert say(told, "3").next("crm").field == "sure"


def test_a_reply_may_answer_several_fields_at_once_and_optional_ones_can_be_skipped():
    told = say(interview(elicits(SCHEMA)), "Day of the launch: 2026-12-01\nsize: 3\nsure: yes", "Skip", "skip")
    assert told.answers["q1"].content == {"day": "2026-12-01", "size": 3, "sure": True}


def test_declining_and_silence_are_told_to_the_server_as_such():
    two = elicits(SCHEMA) | elicits({"type": "object", "properties": {}}, "Go on?", "q2")
    told = say(interview(two), "Decline")
    assert asked(told) == ["", ["Yes, go on", "Decline"]]
    assert {k: a.action for k, a in say(told, "Yes, go on").answers.items()} == {"q1": "decline", "q2": "accept"}
    assert {k: a.action for k, a in told.unanswered().answers.items()} == {"q1": "decline", "q2": "cancel"}


def test_an_address_to_visit_is_named_by_its_host_and_never_shown():
    visit = elicits({}, "Confirm your card", mode="url", url="https://pay.example.com/x?secret=1", elicitationId="e")
    ask = interview(visit).next("crm")
    assert "pay.example.com" in ask.words and "secret" not in ask.words and ask.url.endswith("secret=1")
    assert say(interview(visit), "Yes, go on").answers["q1"].action == "accept"


def test_a_choice_can_be_named_by_its_label_value_or_number_and_many_are_not_buttons():
    titled = Field("f", {"oneOf": [{"const": "x1", "title": "One"}, {"const": "x2", "title": "Two"}]}, True)
    assert [value(titled, w) for w in ("two", "X1", "2")] == ["x2", "x1", "x2"]
    many = Field("f", {"enum": [str(n) for n in range(100, 140)]}, True)
    assert options(many) == ["Decline"]


@pytest.mark.timeout(30)
def test_a_pattern_of_a_form_is_left_to_the_server_and_lines_of_any_length_are_read_at_once():
    slow = {"type": "object", "properties": {"code": {"type": "string", "pattern": "(a+)+$"}}}
    told = say(interview(elicits(slow)), "a" * 40 + "!")
    assert told.answers["q1"].content == {"code": "a" * 40 + "!"}
    assert asked(say(interview(elicits(SCHEMA)), " " * 40_000 + "x"))[0] == "day"
