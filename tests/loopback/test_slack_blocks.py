"""The local Slack refuses the blocks that Slack refuses, and says where."""

import pytest
from slack_harness import run

from loopback.slack.blocks import message_problems, view_problems


def text(words, kind="mrkdwn"):
    return {"type": kind, "text": words}


def section(words="x", **more):
    return {"type": "section", "text": text(words), **more}


def button(action, words="Go", **more):
    return {"type": "button", "action_id": action, "text": text(words, "plain_text"), **more}


def task(id="t1", status="pending", **more):
    return {"type": "task_card", "task_id": id, "title": "Read", "status": status, **more}


def table(rows, columns, cell="1"):
    return {"type": "table", "rows": [[{"type": "raw_text", "text": cell}] * columns for _ in range(rows)]}


def data_table(rows, columns, cell="1"):
    return {**table(rows, columns, cell), "type": "data_table", "caption": "Spend"}


def chart(series, points):
    names = [f"p{n}" for n in range(points)]
    data = [{"label": name, "value": 1} for name in names]
    plotted = [{"name": f"s{n}", "data": data} for n in range(series)]
    shown = {"type": "bar", "series": plotted, "axis_config": {"categories": names}}
    return {"type": "data_visualization", "title": "Spend", "chart": shown}


def card(**more):
    return {"type": "card", "title": text("x" * 150), "body": text("x" * 200), "actions": [button("a")], **more}


def container(children, **more):
    return {"type": "container", "title": text("Group", "plain_text"), "child_blocks": [section()] * children, **more}


RICH = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}]}


@pytest.mark.parametrize(
    "blocks",
    [
        [section()] * 50,
        [section("x" * 3000, accessory=button("a"))],
        [{"type": "section", "fields": [text("x" * 2000)] * 10}],
        [{"type": "header", "text": text("x" * 150, "plain_text")}],
        [{"type": "actions", "elements": [button(f"a{n}") for n in range(25)]}],
        [{"type": "plan", "title": "Working", "tasks": [task(), task("t2", "complete", details=RICH, output=RICH)]}],
        [task(status="error")],
        [table(100, 20)],
        [{"type": "context", "elements": [text("x"), {"type": "image", "image_url": "http://x", "alt_text": "x"}]}],
        [{"type": "markdown", "text": "x" * 12_000}],
        [RICH, {"type": "divider"}],
        [data_table(201, 20)],
        [chart(12, 20)] * 2,
        [{"type": "carousel", "elements": [card()] * 10}],
        [container(10, is_collapsible=True, default_collapsed=True)],
    ],
    ids=str,
)
def test_blocks_within_the_limits_pass(blocks):
    assert message_problems(blocks) == []


@pytest.mark.parametrize(
    ("blocks", "pointer"),
    [
        ([section()] * 51, "/blocks"),
        ("text", "/blocks"),
        (["text"], "/blocks/0"),
        ([{"type": "nonsense"}], "/blocks/0/type"),
        ([{"type": "alert", "text": text("only in modals")}], "/blocks/0/type"),
        ([section(), section("x" * 3001)], "/blocks/1/text/text"),
        ([section("")], "/blocks/0/text/text"),
        ([section(colour="red")], "/blocks/0"),
        ([{"type": "section"}], "/blocks/0/text"),
        ([{"type": "section", "fields": [text("x")] * 11}], "/blocks/0/fields"),
        ([{"type": "section", "fields": [text("x" * 2001)]}], "/blocks/0/fields/0/text"),
        ([{"type": "header", "text": text("x" * 151, "plain_text")}], "/blocks/0/text/text"),
        ([{"type": "header", "text": text("x")}], "/blocks/0/text/type"),
        ([section(block_id="a"), section(block_id="a")], "/blocks/1/block_id"),
        ([{"type": "actions", "elements": [button("a"), button("a")]}], "/blocks/0/elements/1/action_id"),
        ([{"type": "actions", "elements": []}], "/blocks/0/elements"),
        ([{"type": "actions", "elements": [button(f"a{n}") for n in range(26)]}], "/blocks/0/elements"),
        ([{"type": "actions", "elements": [button("a", "x" * 76)]}], "/blocks/0/elements/0/text/text"),
        ([{"type": "actions", "elements": [button("a", value="x" * 2001)]}], "/blocks/0/elements/0/value"),
        ([{"type": "actions", "elements": [button("a", style="loud")]}], "/blocks/0/elements/0/style"),
        ([{"type": "context", "elements": [button("a")]}], "/blocks/0/elements/0/type"),
        ([{"type": "context_actions", "elements": [button("a")]}], "/blocks/0/elements/0/type"),
        ([{"type": "plan", "title": "x", "tasks": [task(status="completed")]}], "/blocks/0/tasks/0/status"),
        ([{"type": "plan", "title": "x", "tasks": [task(), task()]}], "/blocks/0/tasks/1/task_id"),
        ([{"type": "plan", "title": "x", "tasks": [task(str(n)) for n in range(51)]}], "/blocks/0/tasks"),
        ([{"type": "plan", "title": "x", "tasks": [task(details="words")]}], "/blocks/0/tasks/0/details"),
        ([{"type": "plan", "title": "x", "tasks": []}, task()], "/blocks"),
        ([table(101, 1)], "/blocks/0/rows"),
        ([table(1, 21)], "/blocks/0/rows/0"),
        ([table(100, 20, "x" * 6)], "/blocks/0/rows"),
        ([table(1, 1), table(1, 1)], "/blocks"),
        ([{"type": "markdown", "text": "x" * 7000}] * 2, "/blocks"),
        ([data_table(202, 1)], "/blocks/0/rows"),
        ([data_table(1, 1)], "/blocks/0/rows"),
        ([data_table(100, 20, "x" * 11)], "/blocks/0/rows"),
        ([{**data_table(2, 1), "caption": ""}], "/blocks/0/caption"),
        ([chart(13, 1)], "/blocks/0/chart/series"),
        ([chart(1, 21)], "/blocks/0/chart/axis_config/categories"),
        ([chart(1, 1)] * 3, "/blocks"),
        ([card(title=text("x" * 151))], "/blocks/0/title/text"),
        ([card(body=text("x" * 201))], "/blocks/0/body/text"),
        ([card(actions=[button(f"a{n}") for n in range(4)])], "/blocks/0/actions"),
        ([{"type": "carousel", "elements": [card()] * 11}], "/blocks/0/elements"),
        ([{"type": "carousel", "elements": [card(body=text(""))]}], "/blocks/0/elements/0/body/text"),
        ([container(11)], "/blocks/0/child_blocks"),
        ([container(1, width="huge")], "/blocks/0/width"),
    ],
    ids=str,
)
def test_what_is_wrong_with_blocks_is_pointed_at(blocks, pointer):
    assert pointer in [where for _, where in message_problems(blocks)]


def test_a_modal_needs_a_title_of_24_characters_and_a_submit_for_inputs():
    ask = {
        "type": "input",
        "label": text("Name", "plain_text"),
        "element": {"type": "plain_text_input", "action_id": "a"},
    }
    good = {
        "type": "modal",
        "title": text("x" * 24, "plain_text"),
        "submit": text("Go", "plain_text"),
        "blocks": [ask],
    }
    assert view_problems(good) == []
    assert view_problems({**good, "title": text("x" * 25, "plain_text")})[0][1] == "/view/title/text"
    assert view_problems({key: value for key, value in good.items() if key != "submit"})[0][1] == "/view"
    assert view_problems({**good, "private_metadata": "x" * 3001})[0][1] == "/view/private_metadata"
    assert view_problems({"type": "home", "blocks": [section()] * 101})[0][1] == "/view/blocks"
    assert view_problems({"type": "poster", "blocks": []})[0][1] == "/view/type"


@pytest.mark.sends_wrong
def test_a_refused_message_names_the_place_and_is_not_posted():
    async def scenario(stage):
        told = await stage.raw("chat.postMessage", channel="CFINANCE", text="x", blocks='[{"type": "header"}]')
        assert told["error"] == "invalid_blocks"
        assert "[json-pointer:/blocks/0/text]" in told["response_metadata"]["messages"][0]
        assert (await stage.raw("chat.postMessage", channel="CFINANCE", text="x", blocks="[broken"))["error"] == (
            "invalid_blocks_format"
        )
        assert (await stage.look("messages", channel="finance"))["messages"] == []

    run(scenario)
