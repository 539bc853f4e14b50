"""The messages of any run keep to Slack's limits and lose nothing that matters."""

import json
import warnings
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from bot.slack import answers, blocks, cards, messages
from bot.slack.blocks import Post
from bot.types import Approval, Artifact, Check, Cost, Message, RunInfo, RunView, Task
from loopback.slack.blocks import message_problems

RUN = RunInfo(
    id="run-1",
    status="working",
    mode="coordination",
    mode_reason="",
    request="close Q3 2026",
    requester="U1",
    channel="C1",
    thread_ts="10.000100",
    permalink="",
    offline=True,
    model="offline",
    error=None,
    understood="close Q3 2026",
    way="a lead with four specialists",
    created_at=100.0,
)
VIEW = RunView(run=RUN)
WORDS = st.text(max_size=400)
NAMES = st.sampled_from(["lead", "actuals", "analyst", "writer", ""])
CHECKS = st.builds(Check, WORDS, st.booleans(), WORDS)
TASKS = st.lists(
    st.builds(
        Task,
        id=st.text(min_size=1, max_size=300),
        title=st.text(min_size=1, max_size=400),
        status=st.sampled_from([*cards.STATUS, "new-one"]),
        owner=NAMES,
        depends_on=st.just(()),
        criteria=st.lists(WORDS, max_size=5).map(tuple),
        checks=st.lists(CHECKS, max_size=3).map(tuple),
    ),
    max_size=60,
    unique_by=lambda task: task.id[:249],
).map(tuple)
MAIL = st.lists(
    st.builds(Message, WORDS, st.integers(0), NAMES, NAMES, WORDS, st.just(1.0), st.none()), max_size=30
).map(tuple)
CHANGES = st.lists(
    st.fixed_dictionaries(
        {"id": WORDS, "kind": st.sampled_from(["docs_create", "sheets_write", "other"]), "title": WORDS},
        optional={
            "target": WORDS,
            "url": st.sampled_from(["", "https://docs.example/d/1?a=1&b=2|x>", "javascript:alert(1)"]),
            "summary": st.text(max_size=3000),
            "rows": st.lists(st.lists(st.one_of(st.none(), WORDS, st.integers()), max_size=30), max_size=130),
            "rows_total": st.integers(0, 10_000),
            "markdown": st.text(max_size=6000),
        },
    ),
    max_size=16,
)
APPROVALS = st.lists(
    st.builds(
        Approval,
        id=st.text(alphabet="abc-123", min_size=1, max_size=40),
        kind=st.sampled_from(["changes", "question"]),
        status=st.sampled_from(["pending", "approved", "rejected", "expired", "void", "withdrawn", "answered"]),
        preview=st.fixed_dictionaries(
            {"title": st.text(max_size=5000), "changes": CHANGES, "options": st.lists(WORDS, max_size=30)}
        ),
        args_sha256=st.just("a" * 64),
        decided_by=st.sampled_from(["", "U1"]),
        expires_at=st.just(1_800_000_000.0),
        answer=st.text(max_size=3000),
    ),
    max_size=2,
    unique_by=lambda one: one.id,
).map(tuple)
VIEWS = st.builds(
    RunView,
    run=st.builds(
        lambda **k: replace(RUN, **k),
        status=st.sampled_from(["queued", "working", "waiting", "done", "failed", "stopped"]),
        understood=WORDS,
        way=WORDS,
        request=st.text(max_size=5000),
        offline=st.booleans(),
        thread_ts=st.sampled_from(["", "10.000100"]),
        error=st.one_of(st.none(), st.fixed_dictionaries({"kind": WORDS, "message": st.text(max_size=6000)})),
        finished_at=st.one_of(st.none(), st.floats(100, 1e6)),
    ),
    summary_text=st.text(max_size=9000),
    tasks=TASKS,
    messages=MAIL,
    approvals=APPROVALS,
    artifacts=st.lists(
        st.builds(Artifact, WORDS, WORDS, st.just(1), st.sampled_from(["", "https://x.example/1"]), WORDS, WORDS),
        max_size=5,
    ).map(tuple),
    verified=st.lists(CHECKS, max_size=8).map(tuple),
    notices=st.lists(st.text(max_size=3000), max_size=8).map(tuple),
    cost=st.builds(Cost, amount=st.sampled_from(["0", "0.12345"]), input=st.integers(0, 10**7)),
)


def lengths(node, name):
    """All values of one key, wherever it stands."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == name:
                yield value
            yield from lengths(value, name)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from lengths(value, name)


def check_limits(post: Post):
    assert post.text.strip() and len(post.text) <= 12_000
    assert len(post.blocks) <= 50
    told = [block for block in post.blocks if block["type"] == "table"]
    assert len(told) <= 1
    assert sum(len(b["text"]) for b in post.blocks if b["type"] == "markdown") <= 12_000
    assert message_problems(list(post.blocks)) == []
    for block in post.blocks:
        check_block(block)
    actions = list(lengths(list(post.blocks), "action_id"))
    assert len(actions) == len(set(actions))
    assert sum(style == "primary" for style in lengths(list(post.blocks), "style")) <= 1


def check_block(block):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parsed = Block.parse(block)
    assert parsed is not None, block["type"]
    parsed.to_dict()  # checks lengths and enumerations
    match block["type"]:
        case "section":
            assert 0 < len(block["text"]["text"]) <= 3_000
        case "context":
            assert len(block["elements"]) <= 10 and all(0 < len(e["text"]) <= 3_000 for e in block["elements"])
        case "actions":
            assert 0 < len(block["elements"]) <= 25
            assert all(0 < len(e["text"]["text"]) <= 75 and len(e["value"]) <= 2_000 for e in block["elements"])
        case "table":
            assert len(block["rows"]) <= 100 and all(0 < len(row) <= 20 for row in block["rows"])
            assert len({len(row) for row in block["rows"]}) == 1
            assert sum(len(cell["text"]) for row in block["rows"] for cell in row) <= 10_000
            assert all(cell["text"] for row in block["rows"] for cell in row)
        case "plan":
            ids = [task["task_id"] for task in block["tasks"]]
            assert len(ids) == len(set(ids)) <= 50
            for task in block["tasks"]:
                assert task["status"] in ("pending", "in_progress", "complete", "error") and task["title"]
                for part in ("details", "output"):
                    assert all(element["elements"] for element in task.get(part, {}).get("elements", []))
            assert len(json.dumps(block, ensure_ascii=False)) < 60_000
    for text in lengths(block, "text"):
        assert text != ""


@settings(max_examples=60, deadline=None)
@given(VIEWS, st.sampled_from(["mention", "command", "schedule"]), st.sampled_from(["", "<#C1> is gone."]))
def test_every_message_of_any_run_is_within_slacks_limits(view, kind, lost):
    posts = blocks.render(view, kind, {}, lost)
    assert len({post.key for post in posts}) == len(posts)
    for post in posts:
        check_limits(post)


def test_a_private_answer_is_cut_where_its_file_is_attached():
    for lines in (12, 13):  # as many as three messages hold, and one more
        view = replace(VIEW, run=replace(RUN, status="done"), summary_text=f"{'a' * 2_749}\n" * lines)
        first, *_, last = blocks.render(view, lost="<#C1> is gone.")
        assert first.text.startswith("<#C1> is gone.") and str(first.blocks[0]).count("comes here") == 1
        assert ("answer.md" in str(last.blocks)) == bool(answers.whole(blocks.answer(view))) == (lines == 13)


@given(st.text(max_size=12_000), st.integers(50, 3_000))
def test_splitting_loses_nothing(text, limit):
    parts = cards.split(text, limit)
    assert "".join(parts) == text and all(len(part) <= limit for part in parts)


@given(st.text(max_size=9_000))
def test_a_long_text_gives_up_links_before_words(text):
    assert len(messages.brief(text, 3_900)) <= 3_900
    linked = "\n".join(f"<https://source.example/{'x' * 300}/{n}|figure {n}>" for n in range(20))
    assert messages.brief(linked, 3_900) == "\n".join(f"figure {n}" for n in range(20))


def test_a_link_is_not_cut_in_two():
    text = "word " * 570 + "<https://a.example/with/a/long/path|a label of some words> and more " + "x " * 200
    assert len(text) > cards.SECTION_MAX
    assert all(part.count("<") == part.count(">") for part in cards.split(text))


@given(st.text(max_size=300))
def test_text_of_others_calls_nobody_and_links_nowhere(text):
    told = messages.ack(replace(RUN, understood=text or "x", way=text or "y"))
    assert "<" not in told


def posts_of(view, kind="mention", decided=None):
    return {post.key: post for post in blocks.render(view, kind, decided)}


def task(status="working", **fields):
    base = {"id": "t1", "title": "Read the actuals", "owner": "actuals", "depends_on": (), "criteria": ("ties out",)}
    return Task(**{**base, "status": status, "checks": (), **fields})


def test_the_acknowledgement_says_what_was_understood_and_how_and_that_it_is_offline():
    ack = posts_of(VIEW)["ack"]
    assert "close Q3 2026" in ack.text and "lead with four specialists" in ack.text
    assert messages.OFFLINE in json.dumps(ack.blocks)
    assert messages.OFFLINE not in json.dumps(posts_of(replace(VIEW, run=replace(RUN, offline=False)))["ack"].blocks)


def test_no_tasks_means_no_plan_card():
    assert list(posts_of(VIEW)) == ["ack"]


def test_the_plan_folds_checks_and_messages_and_stops_spinning_at_the_end():
    mail = (Message("m1", 1, "actuals", "analyst", "two entries look odd", 1.0, None),)
    view = replace(VIEW, tasks=(task(), task("done", id="t2", owner="")), messages=mail)
    plan = posts_of(view)["plan"].blocks[0]
    assert [t["status"] for t in plan["tasks"]] == ["in_progress", "complete"]
    details = json.dumps(plan["tasks"][0]["details"], ensure_ascii=False)
    assert "→ analyst: two entries look odd" in details and "ties out" in details
    assert plan["title"].startswith("Working on")
    ended = replace(view, run=replace(RUN, status="stopped", finished_at=172.0))
    plan = posts_of(ended)["plan"].blocks[0]
    assert plan["tasks"][0]["status"] == "error" and plan["title"].startswith("Stopped after 1 min 12 s")


def approval(**fields):
    preview = {
        "title": "2 changes to shared documents",
        "changes": [
            {"kind": "docs_create", "title": "Variance review", "markdown": "# Head\n" + "line of text\n" * 300},
            {
                "kind": "sheets_write",
                "title": "FY26 Forecast",
                "target": "sheet 1",
                "url": "https://sheets.example/1",
                "rows": [[f"r{n}", n, None] for n in range(150)],
                "rows_total": 420,
            },
        ],
    }
    base = {"id": "ap-1", "kind": "changes", "status": "pending", "preview": preview, "args_sha256": "f" * 64}
    return Approval(**{**base, "decided_by": "", **fields})


def test_an_approval_shows_exactly_what_would_be_written_and_loses_its_buttons():
    post = posts_of(replace(VIEW, approvals=(approval(),)))["approval/ap-1"]
    told = json.dumps(post.blocks, ensure_ascii=False)
    assert "Create a new Google Doc" in told and "<https://sheets.example/1|FY26 Forecast>" in told
    assert "320 more rows are not shown" in told and "of 3,907 characters" in told
    actions = next(b for b in post.blocks if b["type"] == "actions")
    assert [json.loads(e["value"]) for e in actions["elements"]] == [{"id": "ap-1", "sha": "f" * 64}] * 2
    decided = approval(status="approved", decided_by="U1")
    post = posts_of(replace(VIEW, approvals=(decided,)), decided={"ap-1": 1_790_000_000.0})["approval/ap-1"]
    assert not any(b["type"] == "actions" for b in post.blocks)
    assert "Approved by <@U1>, <!date^1790000000^" in post.text


def test_a_question_offers_its_options_and_ends_with_the_answer():
    asked = Approval("q1", "question", "pending", {"title": "Which one?", "options": ["A", "B"]}, "", "")
    post = posts_of(replace(VIEW, approvals=(asked,)))["approval/q1"]
    assert post.text == "<@U1> Which one?"
    assert [json.loads(e["value"])["text"] for e in post.blocks[1]["elements"]] == ["A", "B"]
    answered = replace(asked, status="answered", answer="B", decided_by="U2")
    assert "Answered by <@U2>: B" in posts_of(replace(VIEW, approvals=(answered,)))["approval/q1"].text


@pytest.mark.parametrize(("status", "told"), [("withdrawn", "somebody wrote in the thread"), ("void", "Closed")])
def test_a_question_that_was_taken_back_says_so_and_loses_its_buttons(status, told):
    asked = Approval("q1", "question", status, {"title": "Which one?", "options": ["A", "B"]}, "", "")
    post = posts_of(replace(VIEW, approvals=(asked,)))["approval/q1"]
    assert told in post.text
    assert not any(b["type"] == "actions" for b in post.blocks)


def test_the_result_carries_links_what_was_verified_the_cost_and_the_offline_mark():
    summary = "Revenue <https://x.example|12,3> is up.\nSecond line <!channel>"
    view = RunView(
        run=replace(RUN, status="done", finished_at=160.0),
        summary_text=summary,
        artifacts=(Artifact("a1", "Variance review", 1, "https://docs.example/1", "", ""),),
        verified=(Check("tie_out", True, ""), Check("sign_convention", True, "")),
        cost=Cost(amount="0.1234", input=10, output=5),
    )
    post = posts_of(view)["result"]
    assert post.text == "Revenue <https://x.example|12,3> is up.\nSecond line &lt;!channel>"
    told = json.dumps(post.blocks)
    for part in (
        "https://docs.example/1|Variance review",
        "tie out, sign convention",
        "0.1234 USD",
        messages.OFFLINE,
    ):
        assert part in told


def test_a_failure_says_what_why_and_what_next():
    failed = replace(RUN, status="failed", error={"kind": "unknown_period", "message": "There is no period 2031-Q1"})
    text = posts_of(replace(VIEW, run=failed))["result"].text
    assert "There is no period 2031-Q1." in text and "<@U1>" in text and "Nothing was written." in text


def test_a_request_without_a_thread_opens_one_and_a_quiet_schedule_posts_its_answer_alone():
    bare = replace(RUN, thread_ts="")
    assert next(iter(posts_of(replace(VIEW, run=bare), "command"))) == "header"
    assert posts_of(replace(VIEW, run=bare), "schedule") == {}
    done = posts_of(replace(VIEW, run=replace(bare, status="done"), summary_text="digest"), "schedule")
    assert list(done) == ["result"] and done["result"].top
