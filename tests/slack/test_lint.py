"""The rules of outgoing messages: each has a message that breaks it, and what is right passes."""

import pytest

from bot.slack import lint


def section(text):
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(label, style=""):
    told = {"type": "button", "text": {"type": "plain_text", "text": label}, "action_id": label, "value": "v"}
    return {**told, "style": style} if style else told


def actions(*buttons, block_id=""):
    return {"type": "actions", "elements": list(buttons), **({"block_id": block_id} if block_id else {})}


def found(method="chat.postMessage", **payload):
    return list(lint.problems(method, {"text": "The point.", **payload}))


def test_a_plain_message_with_one_primary_button_is_fine():
    blocks = [section("Write it?"), actions(button("Approve", "primary"), button("Not Now"), button("See the Plan"))]
    assert found(blocks=blocks) == []


WRONG = {
    "no text": {"text": " "},
    "text of 4001": {"method": "chat.update", "text": "x" * 4_001},
    "raw JSON as text": {"text": '{"status": "done"}'},
    "51 blocks": {"blocks": [section("x")] * 51},
    "too much Markdown": {"blocks": [{"type": "markdown", "text": "x" * 12_001}]},
    "more than one primary": {"blocks": [actions(button("Yes", "primary"), button("Also", "primary"))]},
    "an emoji in the button": {"blocks": [actions(button("Stop \U0001f6d1"))]},
    "not in title case": {"blocks": [actions(button("remind me later"))]},
    "a decision that was made": {
        "blocks": [section("Approved by <@U1>"), actions(button("Approve"), block_id="approval:1")]
    },
    "unfinished tasks": {
        "blocks": [
            {"type": "plan", "title": "Worked for 2 s: x", "tasks": [{"task_id": "t1", "status": "in_progress"}]}
        ]
    },
    "an emoji in a header": {"blocks": [{"type": "header", "text": {"type": "plain_text", "text": ":tada: Done"}}]},
    "an image without": {"blocks": [{"type": "image", "image_url": "https://x.example/1.png"}]},
    "raw JSON in a section": {"blocks": [section('{"a": 1}')]},
}


@pytest.mark.parametrize("problem", WRONG)
def test_each_rule_finds_what_breaks_it(problem):
    (told,) = found(**WRONG[problem])
    assert problem in told


def test_json_that_is_nested_too_deeply_to_be_read_stops_no_message():
    assert found(blocks=[section('{"a":' * 3_000)]) == ["raw JSON in a section"]


def test_a_section_of_fields_alone_is_fine():
    assert found(blocks=[{"type": "section", "fields": [{"type": "mrkdwn", "text": "Amount"}]}]) == []
