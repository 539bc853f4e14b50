"""The redline tool: what it makes, what it refuses, and what the person who approves sees of it."""

from __future__ import annotations

import asyncio
import json

import pytest

from bot.errors import ModelMustRetry
from bot.tools.redline import _changed, contents, redline_tools
from connectors.documents.redline import accepted, rejected
from tests.tools.harness import context, store, use

TEXT = "AGREEMENT\n1. The Customer pays within ninety days.\n2. Liability is unlimited.\n3. Either party may assign. Either party may end it.\n"
CHANGES = [
    {"quote": "within ninety days", "new": "within thirty days", "reason": "Policy: thirty days."},
    {
        "quote": "Liability is unlimited.",
        "new": "Liability is limited to “the fees” of one year.",
        "reason": "No cap.",
    },
]


@pytest.fixture
def ctx(tmp_path):
    with store(tmp_path) as db:
        made = context(db, tmp_path)
        made.workspace.write("contract.txt", TEXT.encode())
        yield made


def call(ctx, **args):
    given = {"file": "contract.txt", "save_as": "out/contract.docx", **args}
    return asyncio.run(use({t.name: t for t in redline_tools()}, ctx, "redline", **given))


def test_accepted_it_is_the_proposal_and_rejected_the_original_both_kept_as_text(ctx):
    answer = call(ctx, changes=CHANGES)
    assert answer.content["ok"] and len(answer.files) == 3
    made = ctx.workspace.read("out/contract.docx")
    proposed = TEXT
    for change in CHANGES:
        proposed = proposed.replace(change["quote"], change["new"])
    assert (rejected(made), accepted(made)) == (TEXT, proposed)
    assert ctx.workspace.text("out/contract.original.txt") == TEXT
    assert ctx.workspace.text("out/contract.proposed.txt") == proposed


def test_changes_may_lie_in_a_file_and_the_redline_of_a_redline_keeps_both(ctx):
    ctx.workspace.write("changes.json", json.dumps(CHANGES[:1]).encode())
    assert call(ctx, changes_file="changes.json").content["ok"]
    again = [{"quote": "Either party may assign.", "new": "Nobody may assign."}]
    assert call(ctx, file="out/contract.docx", save_as="b.docx", changes=again).content["ok"]
    text = accepted(ctx.workspace.read("b.docx"))
    assert "thirty days" in text and "Nobody may assign." in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([{"quote": "within sixty days", "new": "x"}], "sixty"),
        ([{"quote": "Either party may", "new": "x"}], "more than once"),
        ([{"quote": "Liability is", "new": "A"}, {"quote": "is unlimited", "new": "B"}], "overlap"),
    ],
)
def test_a_change_that_has_no_one_place_is_refused_with_its_words(ctx, changes, words):
    try:
        answer = call(ctx, changes=changes)
    except ModelMustRetry as error:
        said = str(error)
    else:
        assert answer.is_error
        said = answer.content["error"]
    assert words in said
    assert "out/contract.docx" not in ctx.workspace.names()


@pytest.mark.parametrize(
    "args",
    [{}, {"changes": CHANGES, "changes_file": "c.json"}, {"changes": CHANGES, "save_as": "x.pdf"}],
)
def test_a_call_that_leaves_something_open_is_not_made(ctx, args):
    with pytest.raises(ModelMustRetry):
        call(ctx, **args)


def test_a_file_of_changes_that_is_none_is_named(ctx):
    ctx.workspace.write("c.json", b'[{"quote": "a"}]')
    with pytest.raises(ModelMustRetry, match=r"c\.json is no list of changes: 0\.new"):
        call(ctx, changes_file="c.json")


def test_a_damaged_word_file_is_told_as_such(ctx):
    ctx.workspace.write("bad.docx", b"PK\x03\x04 nothing")
    with pytest.raises(ModelMustRetry, match="damaged"):
        call(ctx, file="bad.docx", changes=CHANGES)


def test_the_person_who_approves_sees_each_changed_line_and_no_other(ctx):
    call(ctx, changes=CHANGES)
    shown = asyncio.run(contents("contract.docx", ctx.workspace.read("out/contract.docx")))
    assert "~~1. The Customer pays within ninety days.~~" in shown
    assert "**1. The Customer pays within thirty days.**" in shown
    assert shown.count("~~") == 4 and "assign" not in shown


def test_other_files_are_shown_by_their_text(ctx):
    assert "ninety" in asyncio.run(contents("contract.txt", TEXT.encode()))
    assert asyncio.run(contents("picture.bin", bytes(range(256)) * 4)) != ""


def test_blank_lines_are_no_changes_and_each_old_line_stands_before_its_new_one():
    lines = list(_changed(["Same", "Fee 5", "", "Term 1"], ["Same", "", "Fee 6", "Term 2", ""]))
    assert lines == ["- ~~Fee 5~~", "- **Fee 6**", "- ~~Term 1~~", "- **Term 2**"]
