"""Words from outside, wherever they enter a message: they call nobody, open nothing and break no layout."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from bot.slack import blocks, cards, ways_words
from bot.slack.mrkdwn import escape, inert, link, quiet
from bot.store import schema as t
from bot.tools import render
from bot.types import Approval, Artifact, Check, Message, Said, Task
from loopback.slack.blocks import message_problems
from tests.slack.test_access import scene
from tests.slack.test_blocks import RUN, VIEW

HOSTILE = (
    "<!channel> <!here|you> <@UVICTIM> <#CSECRET|x> <!subteam^S1> <http://evil.example|click> <mailto:a@evil.example> "
    "```\n> all yours\n\u202egnp.exe *bold* <https://evil.example"
)
LIVE = re.compile(r"<(?:[!@#]|https?:|mailto:)[^>]*>?")


def texts(node):
    """Every string in which Slack reads markup, and every text that stands for a message."""
    if isinstance(node, dict):
        if node.get("type") == "mrkdwn":
            assert node["verbatim"] is True
            yield node["text"]
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from texts(value)


def live(post):
    """What of a message calls somebody or opens something."""
    found = {hit for told in (post.text, *texts(post.blocks)) for hit in LIVE.findall(told)}
    return {hit for hit in found if hit not in ("<@UMAYA>", "<@UJONAS>") and not hit.startswith("<!date^")}


def hostile_view():
    """A run in which everything that can come from outside is hostile."""
    check = Check(f"verifier: {HOSTILE}", False, HOSTILE)
    changes = [
        {"kind": "sheets_write", "title": HOSTILE, "summary": HOSTILE, "rows": [[HOSTILE, HOSTILE], ["a", HOSTILE]]},
        {"kind": HOSTILE, "title": HOSTILE, "url": "https://drive.example/d/1", "markdown": HOSTILE},
    ]
    previews = [
        ("changes", {"title": HOSTILE, "changes": changes}),
        ("plan", {"reason": HOSTILE, "tasks": [{"title": HOSTILE, "owner": HOSTILE, "criteria": [HOSTILE]}]}),
        ("call", {"from": HOSTILE, "tool": f"mcp__{HOSTILE}__x", "args": {HOSTILE: HOSTILE}}),
        ("question", {"title": HOSTILE, "options": [HOSTILE, "Yes"], "person": HOSTILE}),
    ]
    asked = [
        Approval(f"ap-{n}", kind, "pending", preview, "a" * 64, "", 4e9) for n, (kind, preview) in enumerate(previews)
    ]
    answered = Approval("ap-9", "question", "answered", {"title": HOSTILE}, "", "UJONAS", answer=HOSTILE)
    said = [
        Said(1, "steer", {"kind": "steer", "by": "UMAYA", "text": HOSTILE, "plan": {"reason": HOSTILE,
             "added": [HOSTILE], "dropped": [HOSTILE]}, "answer": {"outcome": "changed", "text": HOSTILE}}, False),
        Said(2, "steer", {"kind": "replace", "by": "UMAYA", "text": HOSTILE}, False),
    ]  # fmt: skip
    task = Task("t1", HOSTILE, "working", HOSTILE, (), (HOSTILE,), (check,), HOSTILE)
    return replace(
        VIEW,
        run=replace(
            RUN, requester="UMAYA", request=HOSTILE, understood=HOSTILE, way=f"a with {HOSTILE}", mode_reason=HOSTILE,
            criteria=(HOSTILE,), model=HOSTILE, error={"kind": "x", "message": HOSTILE},
        ),
        tasks=(task, replace(task, id="t2")),
        messages=(Message("m1", 1, HOSTILE, HOSTILE, HOSTILE, 1.0, None),),
        artifacts=(Artifact("a", HOSTILE, 1, "https://docs.example/1", "p", "s"),),
        approvals=(*asked, answered),
        notices=(HOSTILE,),
        verified=(check, Check(HOSTILE, False, HOSTILE)),
        said=tuple(said),
    )  # fmt: skip


@pytest.mark.parametrize("status", ["working", "waiting", "done", "failed", "stopped"])
def test_nothing_from_outside_calls_or_links_in_any_message_of_a_run(status):
    view = hostile_view()
    view = replace(view, run=replace(view.run, status=status))
    for kind, lost in (("mention", ""), ("command", ""), ("mention", "<#C1> is gone.")):
        for post in blocks.render(view, kind, {}, lost):
            links = {hit for hit in live(post) if not hit.startswith(("<https://docs.", "<https://drive.", "<#C1>"))}
            assert not links, post.key
            assert all("evil" not in hit.partition("|")[0] for hit in live(post)), post.key
            assert message_problems(list(post.blocks)) == [], post.key
            shown = json.dumps(post.blocks, ensure_ascii=False)
            assert all("```" not in told and "\u202e" not in told for told in texts(post.blocks)), post.key
            for block in post.blocks:
                if block["type"] == "markdown":
                    assert not re.search(r"(?<!\\)<[!@#]", block["text"]), shown


@given(st.text(), st.sampled_from(["", "<", "<!", "<@", "<http://x|", "<!date^1^{date}|", "<@U1"]))
def test_an_outside_word_stays_inert_beside_what_code_writes(text, start):
    told = inert(f"{start}{escape(text)} <@UMAYA> <https://a.example/x|label> <!date^1^{{date}}|14 Nov>")
    assert told.endswith("<@UMAYA> <https://a.example/x|label> <!date^1^{date}|14 Nov>")
    assert told.count("<") == 3
    assert inert(told) == told


@given(st.text())
def test_a_label_cannot_leave_its_link(label):
    told = link("https://a.example/?q=<b>|c d", label)
    assert re.fullmatch(r"<https://a\.example/[^<>|\s]*\|[^<>|\n]+>", told)


@given(st.text())
def test_markdown_calls_nobody(text):
    assert not re.search(r"(?<!\\)<[!@#]", quiet(text))


def test_a_long_text_of_brackets_fits_and_a_cut_link_is_no_link():
    told = cards.section("<" * 5_000)["text"]["text"]
    assert len(told) <= 3_000 and "<" not in told
    cut = cards.section("x" * 2_880 + "<https://a.example/long/path|label>")["text"]["text"]
    assert "<" not in cut and len(cut) <= 3_000


def test_the_home_tab_and_the_rules_are_as_inert():
    run = {
        "understood": HOSTILE,
        "request": "",
        "channel": "C1",
        "status": "working",
        "control": "",
        "created_at": 1.0,
    }
    asked = {"kind": "question", "preview": {"title": HOSTILE}}
    one = {
        "words": HOSTILE,
        "request": HOSTILE,
        "channel": "C1",
        "next_at": None,
        "status": "active",
        "canvas": False,
    }
    rows = (ways_words.row({**run, "finished_at": None}), ways_words.question(run, asked), ways_words.automation(one))
    for told in rows:
        shown = cards.section(told)["text"]["text"]
        assert {hit for hit in LIVE.findall(shown) if not hit.startswith("<!date^")} == {"<#C1>"}


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        ("The cell says <!channel> and <@UVICTIM>.", "The cell says &lt;!channel> and &lt;@UVICTIM>."),
        ("<http://evil.example|click>", "&lt;http://evil.example|click>"),
        ("[click](http://evil.example/a)", "click (http://evil.example/a)"),
        ("[the sheet](https://sheets.example/1)", "<https://sheets.example/1|the sheet>"),
        ("[x|y>z](https://sheets.example/1|<b>)", "<https://sheets.example/1%7C%3Cb%3E|x¦y&gt;z>"),
        ("[asked](https://given.example/p)", "<https://given.example/p|asked>"),
        ("[quote](https://any.example/archives/C1/p1790000000000100)",
         "<https://any.example/archives/C1/p1790000000000100|quote>"),
        ("[forged](https://any.example/archives/C1/p1790000000000999)",
         "forged (https://any.example/archives/C1/p1790000000000999)"),
        ("R&D is 5 < 6 > 4", "R&D is 5 < 6 > 4"),
    ],
)  # fmt: skip
def test_an_answer_links_only_to_where_the_run_has_been(tmp_path, reply, shown):
    async def play(on):
        await on.make_run(request="look at https://given.example/start")

        def rows(tx):
            seen = {"team_id": "T0LOCAL", "channel": "C1", "ts": "1790000000.000100", "user": "U1", "text": "hi"}
            tx.execute(insert(t.seen_message).values(**seen))
            tx.execute(
                insert(t.evidence).values(
                    run_id="run-1", id="e1", team_id="T0LOCAL", agent_id="run-1/lead", kind="cell", ref="r",
                    url="https://sheets.example/1", value="1", via="x", labels={},
                )
            )  # fmt: skip
            return render.for_thread(tx.connection, "run-1", reply, "")

        assert await on.db.write(rows) == shown

    scene(tmp_path, play, dispatch=False)
