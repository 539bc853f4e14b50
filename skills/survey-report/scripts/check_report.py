"""The report against the tables it was made from: every tally counted again by other means, every quote looked up.

Works on the declared outputs alone; nothing of the counting in SQL is used here.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from surveylib import ROW, SMALLEST, TICKED, WrongInput, clean, given, main
from voices import Voices

Rows = list[dict[str, str]]
Way = dict[str, Any]


def work(_args: dict[str, Any]) -> dict[str, Any]:
    """Looks below <agent>/ for what was declared."""
    tally = json.loads(one("tally.json").read_text(encoding="utf-8"))
    tables = {f["year"]: rows_of(one(Path(f["file"]).name)) for f in tally["files"]}
    lines = rows_of(one("tallies.csv"))
    page = one("report.html").read_text(encoding="utf-8")
    checks = [exact(tally, tables, lines), small(lines), every_column(tally, tables), named(tally, page)]
    found = sorted(Path().rglob("themes.json"))
    if found:
        themes = json.loads(found[0].read_text(encoding="utf-8"))["themes"]
        checks += quotes(tally, themes, tables, page)
    return {"checks": checks}


def one(name: str) -> Path:
    """The declared file of a name."""
    found = sorted(Path().rglob(name))
    if len(found) != 1:
        raise WrongInput(f"{name} is declared {len(found)} times; it must be there once.")
    return found[0]


def rows_of(path: Path) -> Rows:
    csv.field_size_limit(2**24)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return [{k: v or "" for k, v in row.items() if k is not None} for row in csv.DictReader(lines)]


def check(name: str, wrong: list[str], right: str) -> dict[str, Any]:
    return {"name": name, "passed": not wrong, "detail": "; ".join(wrong[:8]) or right}


def answers(way: Way, row: dict[str, str]) -> set[str]:
    """What one person answered."""
    if way["kind"] == "multi":
        return {clean(c["option"]) for c in way["columns"] if clean(row[c["name"]]) in (*TICKED, clean(c["option"]))}
    cell = row[way["columns"][0]["name"]]
    if way["kind"] == "cell":
        return {clean(re.sub(r"\s+", " ", part)) for part in cell.split(";")}
    return {clean(cell)}


def exact(tally: dict[str, Any], tables: dict[str, Rows], lines: Rows) -> dict[str, Any]:
    """Each count, base and share, added up person by person."""
    ways = {(q["id"], year): way for q in tally["questions"] for year, way in q["ways"].items()}
    counts: dict[tuple[str, str], Counter[str]] = {}
    bases: dict[tuple[str, str], int] = {}
    for (question, year), way in ways.items():
        took_part = [r for r in tables[year] if any(given(r[c["name"]]) for c in way["columns"])]
        bases[question, year] = len(took_part)
        counts[question, year] = Counter(option for row in took_part for option in answers(way, row))
    wrong = []
    for line in lines:
        key = line["question"], line["year"]
        if line["shown"] != "yes":
            continue
        n, base = counts[key][clean(line["option"])], bases[key]
        share = (Decimal(n) / base * 100).quantize(Decimal("0.1"), ROUND_HALF_UP)
        if (line["count"], line["base"], line["share"]) != (str(n), str(base), f"{share:f}"):
            wrong.append(f"{line['title']}: {line['option']}, {line['year']}: {line['count']} stated, {n} counted")
    for key, found in counts.items():
        listed = {clean(line["option"]) for line in lines if (line["question"], line["year"]) == key}
        if ways[key]["kind"] in ("single", "cell") and listed:
            wrong += [f"{key[0]} {key[1]}: the answer {o!r} is missing" for o in found if o and o not in listed]
    return check("tallies_exact", wrong, f"{len(lines)} lines counted again, person by person")


def small(lines: Rows) -> dict[str, Any]:
    wrong = [
        f"{line['title']}: {line['option']}, {line['year']}"
        for line in lines
        if (line["shown"] == "yes" and 0 < int(line["count"]) < SMALLEST)
        or (line["shown"] != "yes" and line["count"])
    ]
    return check("small_groups_hidden", wrong, f"no group of fewer than {SMALLEST} is shown")


def every_column(tally: dict[str, Any], tables: dict[str, Rows]) -> dict[str, Any]:
    """Each column is part of a question or named as left out."""
    known = {(year, c["name"]) for q in tally["questions"] for year, way in q["ways"].items() for c in way["columns"]}
    known |= {(entry["year"], entry["column"]) for entry in tally["left_out"]}
    there = {(year, name) for year, rows in tables.items() for name in (rows[0] if rows else {}) if name != ROW}
    wrong = [f"{year}: {name}" for year, name in sorted(there - known)]
    return check("every_column_accounted_for", wrong, f"all {len(there)} columns")


def named(tally: dict[str, Any], page: str) -> dict[str, Any]:
    """The page has every question, also those of one year only."""
    text = shown(page)
    wrong = [q["title"] for q in tally["questions"] if squeezed(q["title"]) not in text]
    return check("every_question_named", wrong, f"all {len(tally['questions'])} questions")


def shown(page: str) -> str:
    """A page's words without its markup."""
    from html import unescape

    return squeezed(unescape(re.sub(r"<[^>]+>", " ", page)))


def squeezed(text: str) -> str:
    return re.sub(r"[\s`]+", " ", text).strip()


def quotes(
    tally: dict[str, Any], themes: list[dict[str, Any]], tables: dict[str, Rows], page: str
) -> list[dict[str, Any]]:
    """Each quote is an answer as given, of a person quoted once who cannot be recognised by it."""
    ways = {q["id"]: q["ways"] for q in tally["questions"] if q["kind"] == "text"}
    columns = {(q, year): way["columns"][0]["name"] for q, years in ways.items() for year, way in years.items()}
    voices = Voices(r[name] for (_, year), name in columns.items() for r in tables[year] if given(r[name]))
    words = shown(page)
    wrong: list[str] = []
    twice: list[str] = []
    telling: list[str] = []
    people: Counter[tuple[str, str]] = Counter()
    every = [q for t in themes for q in t["quotes"]]
    for quote in every:
        year, row, question = quote["answer"].rsplit("-", 2)
        answer = tables[year][int(row) - 1][columns[question, year]].strip()
        if answer != quote["text"] or squeezed(answer) not in words:
            wrong.append(quote["text"][:80])
        if voices.tells(answer):
            telling.append(quote["text"][:80])
        people[year, row] += 1
    twice += [f"{year} row {row}" for (year, row), n in people.items() if n > 1]
    thin = [t["title"] for t in themes if any(not t["enough"] or not t["shown"][q["year"]] for q in t["quotes"])]
    return [
        check("quotes_verbatim", wrong, f"{len(every)} quotes found as they were given"),
        check("nobody_quoted_twice", twice, f"{len(people)} people, each quoted once"),
        check("nobody_recognisable", telling + thin, "no quote tells who wrote it"),
    ]


if __name__ == "__main__":
    main(work)
