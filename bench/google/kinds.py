"""One of each kind of write, with what can be counted of it and what a person would do in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.google.standin import Standin
from connectors.google import (
    Change,
    Comment,
    DocCreate,
    DocEdit,
    FileCopy,
    FileMove,
    FileShare,
    FileUpload,
    FolderCreate,
    Insertion,
    MailDraft,
    Replacement,
    SheetCells,
    SheetChart,
    SheetTabWrite,
)

SHEET = {
    "title": "Plan",
    "tabs": [
        {
            "title": "Costs",
            "rows": [["Account", "Q1", "Q2"], ["6100", 0.1, 0.2], ["6200", 0.2, 3], ["Sum", "=B2+B3", ""]],
        },
        {"title": "Notes", "rows": [["big", 123456789.25], ["error", "=1/0"]]},
    ],
}
DOC = (
    "# Rules\n\nAsk **first**, pay later, see [the page](https://example.com/a).\n\n- one\n- two\n\n"
    "| a | b |\n|--|--|\n| x | 1 |\n\nThe end.\n"
)
REPORT = (
    "# Report\n\nCosts are **over**.\n\n- first\n  - deeper\n\n| Account | Amount |\n|---|---:|\n| 6100 | 12.50 |\n"
)


def seed(folder: Path) -> Path:
    """The Drive that the writes go to."""
    (folder / "Plan.sheet.json").write_text(json.dumps(SHEET))
    (folder / "Rules.doc.md").write_text(DOC)
    for name in ("Team", "Archive"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "Team" / "people.csv").write_bytes(b"name\r\nO'Neil\r\n")
    return folder


@dataclass(frozen=True)
class Kind:
    """A kind of write: the calls that write, a change, how often it is there, and how a person gets in its way.

    `meddle` changes what the write is about: before it a conflict where `guarded`, after it a bar to its undo.
    """

    name: str
    calls: tuple[str, ...]
    change: Callable[[Standin], Change]
    there: Callable[[Standin], int]
    meddle: Callable[[Standin], object]
    undoing: tuple[str, ...]
    guarded: bool = True


def _live(google: Standin, name: str) -> list[Any]:
    return [f for f in google.state()["files"] if f["name"] == name and not f["trashed"]]


def _words(google: Standin, doc: str, words: str) -> int:
    state = google.state()
    return sum(str(d["markdown"]).count(words) for i, d in state["docs"].items() if _is(state, i, doc))


def _is(state: Any, file_id: str, name: str) -> bool:
    return any(f["id"] == file_id and f["name"] == name and not f["trashed"] for f in state["files"])


def _csv(google: Standin, tab: str) -> list[str]:
    tabs = google.state()["sheets"][google.named("Plan")]["tabs"]
    return [t["csv"] for t in tabs if t["title"] == tab]


def _new_id(google: Standin) -> str:
    return google.run(lambda workspace: workspace.new_id())


def _edit_rules(google: Standin) -> None:
    google.act("edit", file="Rules", find="The end", replace="Their end")


DOC_WRITE, SHEET_WRITE = "docs.documents.batchUpdate", "sheets.spreadsheets.batchUpdate"
EDITS = (
    Replacement("pay later", "pay **in 30 days**"),
    Insertion("one", "one and a half"),
    Insertion("", "## Added\n\n- here\n- there\n\n| c | d |\n|--|--|\n| 1 | 2 |"),
)
KINDS = (
    Kind(
        "new document", ("drive.files.create", DOC_WRITE), lambda _: DocCreate("Report", REPORT),
        lambda g: len(_live(g, "Report")) * _words(g, "Report", "deeper"),
        lambda g: g.act("edit", file="Report", find="over", replace="under"), ("drive.files.update",), guarded=False,
    ),
    Kind(
        "edit of a document", (DOC_WRITE,), lambda g: DocEdit(g.named("Rules"), EDITS),
        lambda g: _words(g, "Rules", "in 30 days"), _edit_rules, (DOC_WRITE,),
    ),
    Kind(
        "suggestion in a document", (DOC_WRITE,),
        lambda g: DocEdit(g.named("Rules"), (Replacement("pay later", "pay in 30 days"),), suggest=True),
        lambda g: len(g.state()["docs"][g.named("Rules")]["suggestions"]) // 2,
        lambda g: g.act("accept", file="Rules"), (DOC_WRITE,), guarded=False,
    ),
    Kind(
        "comment in a document", (DOC_WRITE,), lambda g: Comment(g.named("Rules"), "By whom?", "pay later"),
        lambda g: len(_live(g, "Rules")[0]["comments"]),
        lambda g: g.act("reply", file="Rules", text="By us."), ("drive.comments.delete",), guarded=False,
    ),
    Kind(
        "comment on a sheet", ("drive.comments.create",), lambda g: Comment(g.named("Plan"), "Is this all?"),
        lambda g: len(_live(g, "Plan")[0]["comments"]),
        lambda g: g.act("reply", file="Plan", text="Yes."), ("drive.comments.delete",), guarded=False,
    ),
    Kind(
        "new tab", (SHEET_WRITE,),
        lambda g: SheetTabWrite(g.named("Plan"), "Variance", (("Account", "Amount"), ("6100", "12.50"))),
        lambda g: len(_csv(g, "Variance")),
        lambda g: g.act("edit", file="Plan", tab=g.titles("Plan")[-1], cell="A2", value="5"), (SHEET_WRITE,),
    ),
    Kind(
        "replaced tab", (SHEET_WRITE,), lambda g: SheetTabWrite(g.named("Plan"), "Notes", (("only", "7.25"),)),
        lambda g: sum(csv.count("only") for csv in _csv(g, "Notes")),
        lambda g: g.act("edit", file="Plan", tab="Notes", cell="A2", value="5"), (SHEET_WRITE,),
    ),
    Kind(
        "cells of a tab", (SHEET_WRITE,),
        lambda g: SheetCells(g.named("Plan"), "Costs", "B2", (("9", "=1"), ("8", ""))),
        lambda g: sum(csv.count("6100,9,=1") for csv in _csv(g, "Costs")),
        lambda g: g.act("edit", file="Plan", tab="Costs", cell="B3", value="5"), (SHEET_WRITE,),
    ),
    Kind(
        "chart", (SHEET_WRITE,),
        lambda g: SheetChart(g.named("Plan"), "Costs", "A1:C3", "COLUMN", "By quarter", "E2"),
        lambda g: sum(len(t["charts"]) for t in g.state()["sheets"][g.named("Plan")]["tabs"]),
        lambda g: g.act("chart", file="Plan", title="Theirs"), (SHEET_WRITE,), guarded=False,
    ),
    Kind(
        "uploaded file", ("drive.files.create",),
        lambda g: FileUpload("Contract.docx", b"PK\x03\r\n--x\r\n\x00\xff", "application/zip", "", _new_id(g)),
        lambda g: len(_live(g, "Contract.docx")),
        lambda g: g.act("edit", file="Contract.docx", text="mine"), ("drive.files.update",), guarded=False,
    ),
    Kind(
        "new folder", ("drive.files.create",), lambda g: FolderCreate("Quarter", g.named("Team"), _new_id(g)),
        lambda g: len(_live(g, "Quarter")),
        lambda g: g.act("move", file="people.csv", folder="Quarter"), ("drive.files.update",), guarded=False,
    ),
    Kind(
        "copy of a document", ("drive.files.copy",), lambda g: FileCopy(g.named("Rules"), "Rules, new"),
        lambda g: len(_live(g, "Rules, new")),
        lambda g: g.act("edit", file=_either(g, "Rules, new", "Rules"), find="The end", replace="No end"),
        ("drive.files.update",),
    ),
    Kind(
        "copy of a file", ("drive.files.copy",),
        lambda g: FileCopy(g.named("people.csv"), "people 2.csv", g.named("Archive"), _new_id(g)),
        lambda g: len(_live(g, "people 2.csv")),
        lambda g: g.act("edit", file=_either(g, "people 2.csv", "people.csv"), text="other"), ("drive.files.update",),
    ),
    Kind(
        "move", ("drive.files.update",),
        lambda g: FileMove(g.named("people.csv"), g.named("Archive"), "people old.csv"),
        lambda g: sum(g.named("Archive") in f["parents"] for f in _live(g, "people old.csv")),
        lambda g: g.act("rename", file=_either(g, "people old.csv", "people.csv"), name="theirs.csv"),
        ("drive.files.update",),
    ),
    Kind(
        "share", ("drive.permissions.create",), lambda g: FileShare(g.named("Plan"), "ada@example.com", "commenter"),
        lambda g: sum(p.get("emailAddress") == "ada@example.com" for p in _live(g, "Plan")[0]["permissions"]),
        lambda g: g.act("share", file="Plan", **{"with": "ada"}, role="writer"), ("drive.permissions.delete",),
    ),
    Kind(
        "draft of a mail", ("gmail.users.drafts.create",),
        lambda _: MailDraft(("ada@example.com",), "The plan", "Dear Ada,\n\nit is ready.\n"),
        lambda g: len(g.state()["drafts"].get("cadre", ())), lambda g: g.act("write", draft="The plan", text="Hi"),
        ("gmail.users.drafts.delete",), guarded=False,
    ),
)  # fmt: skip


def _either(google: Standin, first: str, second: str) -> str:
    return first if _live(google, first) else second
