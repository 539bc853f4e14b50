"""Puts tallies and themes together as page data: report.json, made into a page by write_page.

Arguments: title. Reads tally.json, tallies.csv and, when it is there, themes.json. Answers with the summary.
"""

from __future__ import annotations

import json
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from surveylib import main

LARGEST = 5
HIDDEN = {
    "small": "fewer than five", "neighbour": "withheld", "fewer answered": "too few answers",
    "not asked": "not asked",
}  # fmt: skip


def fig(name: str) -> str:
    return "{{f:" + name + "}}"


def work(args: dict[str, Any]) -> dict[str, Any]:
    """Writes report.json."""
    tally = json.loads(Path("tally.json").read_text(encoding="utf-8"))
    themes = (
        json.loads(Path("themes.json").read_text(encoding="utf-8"))["themes"] if Path("themes.json").is_file() else []
    )
    years = tally["years"]
    both = [q for q in tally["questions"] if len(q["years"]) == 2]
    changes = largest(both)
    voices = [t for t in themes if t["enough"] and t["shown"][years[1]]]
    lead = [f"{fig(f'people.{years[0]}')} people took part in {years[0]}, {fig(f'people.{years[1]}')} in {years[1]}."]
    lead += [f"{sentence(q, at, years)}" for q, at in changes[:4]]
    if voices:
        first = voices[0]
        people = fig(f"{first['id']}.{years[1]}")
        lead.append(f"Most often asked for in words: **{first['title'].lower()}** ({people} people).")
    sections = [section for section in (changed(changes, years),) if section]
    sections += [asked(q, years) for q in both if q["kind"] != "text"]
    sections += [section for section in (said(themes, tally), alone(tally), method(tally)) if section]
    title = str(args.get("title") or f"Survey {years[1]}, compared with {years[0]}")
    links = " · ".join(f"[{f['name']}]({f['url']})" if f["url"] else f"`{f['name']}`" for f in tally["files"])
    page = {"title": title, "kicker": links, "lead": lead, "sections": sections, "notes": notes(tally)}
    Path("report.json").write_text(json.dumps(page, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return {"files": ["report.json"], "title": title, "summary": summary(lead, changes, tally)}


def largest(both: list[dict[str, Any]]) -> list[tuple[dict[str, Any], int]]:
    """Answers whose share moved most; of a scale's steps and of two-sided answers only the first counts."""
    found = [(abs(Decimal(o["change"])), q, at) for q in both for at, o in enumerate(q["options"], 1) if o["change"]]
    found.sort(key=lambda one: (-one[0], one[1]["id"], one[2]))
    taken: dict[str, int] = {}
    kept = []
    for size, q, at in found:
        if size and taken.get(q["id"], 0) < 2 and not (len(q["options"]) == 2 and taken.get(q["id"])):
            taken[q["id"]] = taken.get(q["id"], 0) + 1
            kept.append((q, at))
    return kept


def sentence(q: dict[str, Any], at: int, years: list[str]) -> str:
    option, name = q["options"][at - 1], f"{q['id']}.o{at}"
    more = "up" if Decimal(option["change"]) > 0 else "down"
    return (
        f"`{q['title']}` `{option['label']}`: {more} from {fig(f'{name}.{years[0]}')} to {fig(f'{name}.{years[1]}')}."
    )


def points(option: dict[str, Any], name: str) -> str:
    sign = "+" if Decimal(option["change"]) > 0 else ""
    return f"{sign}{fig(name + '.change')}"


def changed(changes: list[tuple[dict[str, Any], int]], years: list[str]) -> dict[str, Any] | None:
    rows = []
    for q, at in changes[:LARGEST]:
        option, name = q["options"][at - 1], f"{q['id']}.o{at}"
        shares = [fig(f"{name}.{year}") for year in years]
        rows.append([q["title"], option["label"], *shares, points(option, name)])
    if not rows:
        return None
    columns: list[dict[str, Any]] = [{"label": "Question", "verbatim": True}, {"label": "Answer", "verbatim": True}]
    columns += [{"label": label, "align": "right"} for label in (*years, "Points")]
    return {
        "title": "What changed most",
        "id": "changes",
        "blocks": [{"type": "table", "columns": columns, "rows": rows}],
    }


def said(themes: list[dict[str, Any]], tally: dict[str, Any]) -> dict[str, Any] | None:
    """Questions answered in words: who answered, the themes, and what people wrote."""
    years = tally["years"]
    asked = [q for q in tally["questions"] if q["kind"] == "text"]
    if not asked:
        return None
    items = [f"`{q['title']}` {answered(q, q['years'])}" for q in asked]
    blocks: list[dict[str, Any]] = [{"type": "list", "items": items}]
    shown = [t for t in themes if t["enough"]]
    if not shown:
        blocks.append({"type": "text", "text": "No theme was named by enough people to be shown."})
        return {"title": "In people's own words", "id": "words", "blocks": blocks}
    rows = [
        {"label": t["title"], "figures": [f"{t['id']}.{y}" if t["shown"][y] else None for y in years]} for t in shown
    ]
    caption = "People who said it, each counted once per theme."
    blocks.append({"type": "bars", "series": years, "rows": rows, "missing": HIDDEN["small"], "caption": caption})
    titles = {q["id"]: q["title"] for q in tally["questions"]}
    for theme in (t for t in shown if t["quotes"]):
        quotes = [{"text": q["text"], "place": f"{q['year']}, {titles[q['question']]}"} for q in theme["quotes"]]
        blocks += [{"type": "text", "text": f"**{theme['title']}**"}, {"type": "quotes", "items": quotes}]
    rare = [t["title"] for t in themes if not t["enough"]]
    words = "Nobody is quoted twice; answers that could tell who wrote them are counted and not quoted."
    if rare:
        words += f" Said by fewer than five people, so neither counted nor quoted here: {', '.join(rare)}."
    blocks.append({"type": "text", "text": words})
    return {"title": "In people's own words", "id": "words", "blocks": blocks}


def asked(q: dict[str, Any], years: list[str]) -> dict[str, Any]:
    """One question of both years."""
    return {"title": f"`{q['title']}`", "id": q["id"], "blocks": body(q, q["years"], years)}


def answered(q: dict[str, Any], series: list[str]) -> str:
    """How many answered, each year: the denominators."""
    bases = [
        f"{fig(q['id'] + '.' + y + '.base')} answered in {y}" if q["base"][y] else f"too few answered in {y}"
        for y in series
    ]
    return f"{', '.join(bases)}."


def body(q: dict[str, Any], series: list[str], years: list[str]) -> list[dict[str, Any]]:
    several = any(way["kind"] != "single" for way in q["ways"].values())
    caption = answered(q, series) + (" Several answers were possible." if several and q["kind"] == "choice" else "")
    if len(series) == 2 and not q.get("same_answers", True):
        caption += " The answers given differ so much between the years that no change is shown."
    blocks: list[dict[str, Any]] = []
    if q.get("mean"):
        means = [f"{fig(q['id'] + '.' + y + '.mean')} in {y}" for y in series if q["base"][y]]
        blocks.append(
            {"type": "text", "text": f"Mean: {', '.join(means)}. {'' if q['options'] else caption}".strip()}
        )
    if q["options"]:
        rows, counts = [], []
        for at, option in enumerate(q["options"], start=1):
            name = f"{q['id']}.o{at}"
            open_ = [option["shown"][y] == "yes" for y in series]
            note = points(option, name) if option["change"] else ""
            reasons = {HIDDEN[option["shown"][y]] for y in series if option["shown"][y] != "yes"}
            figures = [f"{name}.{y}" if shown else None for y, shown in zip(series, open_, strict=True)]
            rows.append({"label": option["label"], "figures": figures, "note": note or ", ".join(sorted(reasons))})
            cells = [
                fig(f"{name}.{y}.n") if option["shown"][y] == "yes" else HIDDEN[option["shown"][y]] for y in series
            ]
            counts.append([option["label"], *cells])
        blocks.append(
            {"type": "bars", "series": series, "rows": rows, "max": "100", "missing": "–", "caption": caption}
        )
        columns: list[dict[str, Any]] = [{"label": "Answer", "verbatim": True}]
        columns += [{"label": year, "align": "right"} for year in series]
        table = {"type": "table", "columns": columns, "rows": counts}
        blocks.append({"type": "details", "summary": "How many people", "blocks": [table]})
    return blocks


def alone(tally: dict[str, Any]) -> dict[str, Any]:
    """What was asked in one year only: named, and shown folded."""
    blocks: list[dict[str, Any]] = []
    for year in tally["years"]:
        mine = [q for q in tally["questions"] if q["years"] == [year]]
        words = f"Only in {year}: " + (" · ".join(f"`{q['title']}`" for q in mine) if mine else "none") + "."
        blocks.append({"type": "text", "text": words})
        for q in (q for q in mine if q["kind"] != "text"):
            blocks.append(
                {"type": "details", "summary": f"`{q['title']}`, {year}", "blocks": body(q, [year], tally["years"])}
            )
    return {"title": "Asked in one year only, so not compared", "id": "alone", "blocks": blocks}


def method(tally: dict[str, Any]) -> dict[str, Any]:
    """How it was counted."""
    items = [
        "A share is the number of people who gave an answer, divided by all who answered that question that year. "
        "Empty cells and `NA` are no answer. The number who answered stands above each chart.",
        "Questions are compared when code or words are the same; answers when their words are, apart from capitals. "
        "A share of zero says that nobody chose the answer, or that it was not offered that year; then no change is "
        "shown.",
        "Groups of fewer than five people are not shown. Where one hidden group could be worked out from the others, "
        "the next smallest is withheld too.",
        "Change is in percentage points, from shares that are not rounded.",
        "Each number opens the query that counted it and the table it was counted in.",
    ]
    left = [f"`{entry['column']}` ({entry['year']}): {entry['why']}" for entry in tally["left_out"]]
    blocks: list[dict[str, Any]] = [{"type": "list", "items": items}]
    if left:
        blocks += [{"type": "text", "text": "Columns that are not tallied:"}, {"type": "list", "items": left}]
    return {"title": "How it was counted", "id": "method", "blocks": blocks}


def notes(tally: dict[str, Any]) -> list[str]:
    return [
        "Every number was counted by code, recounted by a second program before delivery, and is not rounded beyond "
        "what is shown. Quotes stand in the answers as quoted."
    ]


def summary(lead: list[str], changes: list[tuple[dict[str, Any], int]], tally: dict[str, Any]) -> str:
    """The reply: the point first, what could not be compared last.

    An answer whose own words hold numbers is left to the page: a number in the reply must open its source.
    """
    moved = [(q, at) for q, at in changes if not re.search(r"\d", q["title"] + q["options"][at - 1]["label"])]
    lines = [lead[0], *(sentence(q, at, tally["years"]) for q, at in moved[:4]), *lead[1 + min(4, len(changes)) :]]
    lines = [line.replace("`", "").replace("**", "") for line in lines]
    names = {y: [q["title"] for q in tally["questions"] if q["years"] == [y]] for y in tally["years"]}
    for year, titles in names.items():
        if titles:
            named = [t.rstrip("?") for t in titles if not re.search(r"\d", t)][:3]
            more = " and others" if len(titles) > len(named) else ""
            lines.append(f"Asked only in {year}, so not compared: {'; '.join(named)}{more}.")
    hidden = any(
        s in ("small", "neighbour") for q in tally["questions"] for o in q["options"] for s in o["shown"].values()
    )
    if hidden:
        lines.append("Groups of fewer than five people are left out, and the report says where.")
    return "\n".join(lines)


if __name__ == "__main__":
    main(work)
