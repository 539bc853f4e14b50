"""write_document and draw_plot: files of the workspace become files for people; numbers have a source or are refused."""

from __future__ import annotations

import asyncio

import pytest

from bot.errors import ModelMustRetry
from bot.tools.writing import WritingTools
from connectors.documents.reading import read
from tests.tools.harness import context, run_row, store, use

TOOLS = {tool.name: tool for tool in WritingTools("http://pages").tools()}


@pytest.fixture
def ctx(tmp_path):
    with store(tmp_path) as db:
        run_row(db, "run-a", request="a report on 4 berths")
        made = context(db, tmp_path, "run-a")
        made.workspace.write("report.md", b"# Berths\n\nThere are 4 berths.\n")
        made.workspace.write("fees.csv", "berth,fee,note\nBerth 1,1200.50,=1+1\nBerth 2,,é\n".encode())
        yield made


def written(ctx, **args):
    return asyncio.run(use(TOOLS, ctx, "write_document", title="Berths", **args))


@pytest.mark.parametrize(
    ("file", "save_as", "kind"),
    [("report.md", "out/r.docx", "docx"), ("report.md", "r.pdf", "pdf"), ("fees.csv", "f.xlsx", "xlsx")],
)
def test_a_file_is_written(ctx, file, save_as, kind):
    outcome = written(ctx, file=file, save_as=save_as)
    assert outcome.content["file"] == save_as and outcome.files == (save_as,)
    document = read(save_as, ctx.workspace.read(save_as))
    assert document.kind == kind and ("4 berths" in document.text or "Berth 1\t1200.5\t=1+1" in document.text)


def test_a_number_without_a_source_is_refused(ctx):
    ctx.workspace.write("bad.md", b"Revenue was 1,234,567 euro. {{f:nothing}}")
    assert "nothing" in written(ctx, file="bad.md", save_as="x.pdf").content["error"]
    ctx.workspace.write("bad.md", b"Revenue was 1,234,567 euro.")
    assert "1,234,567" in written(ctx, file="bad.md", save_as="x.pdf").content["error"]
    assert "x.pdf" not in ctx.workspace.names()


def test_a_plot_is_drawn_from_columns(ctx):
    given = {
        "file": "fees.csv",
        "kind": "bar",
        "x": "berth",
        "y": ["fee"],
        "title": "Fees",
        "x_label": "Berth",
        "y_label": "Fee (EUR)",
    }
    outcome = asyncio.run(use(TOOLS, ctx, "draw_plot", **given, save_as="fees.png"))
    assert outcome.content == {"ok": True, "file": "fees.png", "points": 2, "series": 1}
    assert ctx.workspace.read("fees.png").startswith(b"\x89PNG")
    for wrong, words in (
        ({"y": ["price"]}, "no column price; it has berth, fee, note"), ({"y": ["note"]}, "is no number"),
        ({"kind": "scatter"}, "hold numbers"), ({"save_as": "x.gif"}, "png or .svg"),
    ):  # fmt: skip
        with pytest.raises(ModelMustRetry, match=words):
            asyncio.run(use(TOOLS, ctx, "draw_plot", **{**given, "save_as": "x.png", **wrong}))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"file": "report.md", "save_as": "x.odt"}, "save_as ends in"),
        ({"file": "none.md", "save_as": "x.pdf"}, "no file"), ({"file": "report.md", "save_as": "x.pdf", "more": ["fees.csv"]}, "tabs"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_said(ctx, args, words):
    with pytest.raises(ModelMustRetry, match=words):
        written(ctx, **args)
