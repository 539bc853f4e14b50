"""Results of a review as page data, a workbook and counts: what deviates from the standard, and what was not read."""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from evidence import (
    Row,
    WrongInput,
    address,
    clean,
    coverage,
    figure,
    keep,
    lines_of,
    link,
    main,
    passages,
    place,
    plain,
    short,
    stem,
    table,
    target,
    totals,
    write_json,
)  # fmt: skip
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from reviewlib import Deviation, deviations, positions, said

WHOLE = 600_000  # characters of all texts together, up to which the page holds them whole
TONES = {"high": "bad", "medium": "warn"}
TOTALS = {
    "flagged": "contracts that deviate from the standard",
    "deviations": "deviations from the standard",
    "high": "deviations that weigh heavily",
    "medium": "deviations that weigh less",
    "clean": "contracts as the standard wants them",
    "unread": "documents that were not read",
}
YES = {True: "yes", False: "no"}


def work(args: Row) -> Row:
    """Arguments: results, texts, manifest (files of work_through), work, say, title."""
    rows, texts, items = lines_of(args["results"]), lines_of(args["texts"]), table(args["manifest"])
    if not rows:
        raise WrongInput("There are no results: work_through has nothing to report on.")
    found = deviations(rows)
    clauses, url = by_clause(rows), address(rows, args["work"])
    keep("counts.csv", ["question", "label", "contracts", "places"], clauses)
    counts = counted(items, found)
    figures = totals("review", TOTALS, counts, url)
    for at, row in enumerate(clauses, 1):
        name, label = f"contracts.{row['question']}", f"contracts with: {row['label']}"
        figures.append(figure(name, label, row["contracts"], "counts.csv", at, "contracts", url))
    write_json("review.json", page_data(args, rows, texts, items, found))
    workbook(rows, items, found)
    files = ["review.json", "review.xlsx", "totals.csv", "counts.csv"]
    return {"files": files, "lines": lines(args, found, counts), "figures": figures}


def counted(items: list[Row], found: list[Deviation]) -> dict[str, int]:
    flagged = {one.row["item"] for one in found}
    done = {one["item"] for one in items if one["status"] == "done"}
    weights = Counter(one.weight for one in found)
    return {
        "flagged": len(flagged), "deviations": len(found), "high": weights["high"], "medium": weights["medium"],
        "clean": len(done - flagged), "unread": len(items) - len(done),
    }  # fmt: skip


def by_clause(rows: list[Row]) -> list[Row]:
    told: dict[str, Row] = {}
    for row in rows:
        if row["status"] == "done":
            one = told.setdefault(
                row["question"], {"question": row["question"], "label": row["label"], "in": set(), "places": 0}
            )
            if row["found"]:
                one["in"].add(row["item"])
                one["places"] += 1
    return [{**one, "contracts": len(one["in"])} for one in told.values()]


# -- the thread ------------------------------------------------------------------------------------------------------


def lines(args: Row, found: list[Deviation], counts: dict[str, int]) -> str:
    """The reply: the point first, then what weighs most, then what was read and what was not."""
    read = f"{{{{f:{args['work']}.done}}}}"
    told = [
        f"{{{{f:review.flagged}}}} of {read} contracts deviate from the standard positions, "
        "in {{f:review.deviations}} places; {{f:review.high}} weigh heavily."
    ]
    if not counts["deviations"]:
        told = ["Every contract that was read is as the standard positions want it."]
    by_label: dict[str, list[str]] = defaultdict(list)
    for one in found:
        if one.weight == "high":
            missing = " (missing)" if not one.row["found"] else ""
            by_label[f"{one.row['label']}{missing}"].append(stem(one.row["name"]))
    most = sorted(by_label.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    for label, names in most[:6]:
        names = list(dict.fromkeys(names))
        named = [short(clean(name), 60) for name in names if not re.search(r"\d", name)][:3]
        shown = ", ".join(named) or "see the page"
        told.append(f"• {label}: {shown}{' and others' if named and len(names) > len(named) else ''}")
    told.append(f"Coverage: {args['say']}")
    told.append("The page below has every deviation with its words and place; the workbook has all rows.")
    return "\n".join(told)


# -- the page --------------------------------------------------------------------------------------------------------


def page_data(args: Row, rows: list[Row], texts: list[Row], items: list[Row], found: list[Deviation]) -> Row:
    work = args["work"]
    unread = [one for one in items if one["status"] != "done"]
    tiles = [
        {
            "label": "contracts read",
            "text": f"{{{{f:{work}.done}}}} of {{{{f:{work}.total}}}}",
            "tone": "warn" if unread else "",
        },
        {"label": "deviate from the standard", "text": "{{f:review.flagged}}"},
        {
            "label": "weigh heavily",
            "text": "{{f:review.high}}",
            "tone": "bad" if any(d.weight == "high" for d in found) else "",
        },
        {"label": "weigh less", "text": "{{f:review.medium}}"},
        {"label": "as the standard wants", "text": "{{f:review.clean}}", "tone": "good"},
    ]
    sections = [{"title": "At a glance", "blocks": [{"type": "tiles", "items": tiles}]}]
    sections.append({"title": "Deviations from the standard", "id": "deviations", "blocks": [worst(found)]})
    sections.append({"title": "Contracts and clauses", "id": "matrix", "blocks": [matrix(rows, found)]})
    sections.append({"title": "What was read", "id": "coverage", "blocks": coverage(args["say"], items)})
    sections.append(
        {"title": "Contract by contract", "id": "contracts", "blocks": contracts(rows, texts, items, found)}
    )
    title = args.get("title") or "Contract review"
    return {
        "title": title[:1].upper() + title[1:], "kicker": "Contract review", "wide": True, "lead": [],
        "sections": sections,
        "notes": [
            "Every quote was looked up in its document by code and stands there word for word; a link leads to it. "
            "What deviates is decided by comparing values with the standard positions, not by judgement.",
            "This says what stands where. It is no legal advice.",
        ],
    }  # fmt: skip


def worst(found: list[Deviation]) -> Row:
    if not found:
        return {"type": "text", "text": "Nothing deviates from the standard positions."}
    told = []
    for one in found:
        row = one.row
        quote = plain(row.get("quote") or "")
        told.append(
            [
                {"text": one.weight, "tone": TONES[one.weight]},
                link(stem(row["name"]), f"#c-{row['item']}"),
                row["label"],
                {"text": one.found, "tone": "none"} if not row["found"] else link(one.found, target(row)),
                {"text": short(quote, 260), "verbatim": True},
                place(row) if row["found"] else "",
                one.standard,
            ]
        )  # fmt: skip
    heads = ("Weight", "Contract", "Clause", "It says", "In its words", "Place", "Our standard")
    return {"type": "table", "sort": True, "columns": [{"label": head} for head in heads], "rows": told}


def matrix(rows: list[Row], found: list[Deviation]) -> Row:
    """A row per contract that was read, a column per clause; what deviates is marked."""
    labels = {row["question"]: row["label"] for row in rows if row["status"] == "done"}
    weight: dict[tuple[str, str], str] = {}
    for one in reversed(found):  # high last: it wins
        weight[one.row["item"], one.row["question"]] = one.weight
    cells: dict[tuple[str, str], list[Row]] = defaultdict(list)
    names: dict[str, str] = {}
    for row in rows:
        if row["status"] == "done":
            names.setdefault(row["item"], row["name"])
            if row["found"]:
                cells[row["item"], row["question"]].append(row)
    held = positions()
    told = []
    for item, name in names.items():
        line: list[Any] = [link(stem(name), f"#c-{item}")]
        for question in labels:
            answers, tone = cells[item, question], TONES.get(weight.get((item, question), ""), "")
            if answers:
                values = list(dict.fromkeys(said(row) for row in answers))
                first = {said(row): row for row in reversed(answers)}
                shown = ", ".join(link(value, target(first[value])) for value in values[:3])
                line.append({"text": shown, "tone": tone or ("good" if question in held else "")})
            else:
                line.append({"text": "missing" if tone else "no", "tone": tone or "none"})
        told.append(line)
    columns = [{"label": "Contract"}, *({"label": label} for label in labels.values())]
    return {
        "type": "table",
        "sort": True,
        "columns": columns,
        "rows": told,
        "caption": "Red and amber deviate from the standard; a value leads to its words.",
    }


def contracts(rows: list[Row], texts: list[Row], items: list[Row], found: list[Deviation]) -> list[Row]:
    """Each contract folded: what it says by clause, and its text with the places that are cited."""
    read = {one["item"]: one for one in texts}
    whole = sum(len(one["text"]) for one in texts) <= WHOLE
    flagged: dict[str, list[str]] = defaultdict(list)
    for one in found:
        label = one.row["label"] + ("" if one.row["found"] else " (missing)")
        if label not in flagged[one.row["item"]]:
            flagged[one.row["item"]].append(label)
    cited: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.get("quote"):
            cited[row["item"]].append(row)
    told = []
    for item in items:
        if item["item"] not in read:
            continue
        labels = flagged[item["item"]]
        about = f"deviates in: {', '.join(labels)}" if labels else "as the standard wants"
        name = link(stem(item["name"]), f"#c-{item['item']}")
        blocks = [quotes(cited[item["item"]])] if cited[item["item"]] else []
        if item["url"]:
            blocks.insert(0, {"type": "text", "text": f"[Open the file]({item['url']})"})
        blocks.append({"type": "passages", "items": passages(read[item["item"]], cited[item["item"]], whole)})
        told.append({"type": "details", "id": f"c-{item['item']}", "summary": f"{name}, {about}", "blocks": blocks})
    return told


def quotes(rows: list[Row]) -> Row:
    items = []
    for row in rows:
        note = f"**{row['label']}**" + (f": {link(said(row), target(row))}" if said(row) != "yes" else "")
        if row.get("url"):
            note += f" · [open in the document]({row['url']})"
        items.append({"text": plain(row["quote"]), "place": row["place"], "url": target(row), "note": note})
    return {"type": "quotes", "items": items}


# -- the workbook ----------------------------------------------------------------------------------------------------


def workbook(rows: list[Row], items: list[Row], found: list[Deviation]) -> None:
    book = Workbook()
    first = book.active
    first.title = "Deviations"
    sheet(
        first, ["Weight", "Contract", "Clause", "It says", "Our standard", "Quote", "Place", "Link"],
        [
            [d.weight, d.row["name"], d.row["label"], d.found, d.standard, plain(d.row.get("quote") or ""),
             d.row.get("place", ""), d.row.get("url", "")]
            for d in found
        ],
    )  # fmt: skip
    sheet(
        book.create_sheet("All rows"),
        ["Contract", "Status", "Reason", "Clause", "Found", "Value", "Quote", "Place", "Link"],
        [
            [r["name"], r["status"], r["reason"], r.get("label", ""), YES.get(r.get("found"), ""),
             said(r) if r.get("found") else "", plain(r.get("quote") or ""), r.get("place", ""), r.get("url", "")]
            for r in rows
        ],
    )  # fmt: skip
    sheet(
        book.create_sheet("Documents"), ["Document", "Status", "Reason", "SHA-256", "Link"],
        [[one["name"], one["status"], one["reason"], one["sha256"], one["url"]] for one in items],
    )  # fmt: skip
    held = [[name, one["standard"]] for name, one in positions().items()]
    sheet(book.create_sheet("Standard positions"), ["Clause", "Our standard"], held)
    book.save("review.xlsx")


def sheet(tab: Any, heads: list[str], rows: list[list[Any]]) -> None:
    tab.append(heads)
    for row in rows:
        tab.append([_text(cell) for cell in row])
    for number, head in enumerate(heads, 1):
        tab.cell(1, number).font = Font(bold=True)
        tab.column_dimensions[get_column_letter(number)].width = {"Quote": 80, "Contract": 38, "Document": 44}.get(
            head, 18
        )
        for line in range(2, len(rows) + 2):
            cell = tab.cell(line, number)
            cell.alignment = Alignment(wrap_text=head in ("Quote", "Reason"), vertical="top")
            if head == "Link" and str(cell.value or "").startswith("http"):
                cell.hyperlink, cell.value = cell.value, "open"
    tab.freeze_panes = "A2"
    tab.auto_filter.ref = tab.dimensions


def _text(value: Any) -> Any:
    """A cell that no spreadsheet program takes for a formula."""
    text = "".join(ch for ch in str(value) if ch >= " " or ch in "\n\t")
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


if __name__ == "__main__":
    main(work)
