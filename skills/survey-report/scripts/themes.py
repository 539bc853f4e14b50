"""Groups answers in words by theme, counts who said it, and picks what may be quoted.

Arguments: questions (ids of questions answered in words; all when empty), codebook: a list of {title, words: [regular
expressions]} or {title, answers: [ids of texts.csv]}. Reads tally.json and texts.csv; writes themes.json, themes.csv.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from surveylib import SMALLEST, WrongInput, main
from voices import Voices

QUOTES = 3
FITTING = (30, 260)  # characters of an answer that reads well as a quote
COLUMNS = ("theme", "title", "year", "respondent", "answer")


def work(args: dict[str, Any]) -> dict[str, Any]:
    """Assigns answers to themes, then counts and quotes."""
    tally = json.loads(Path("tally.json").read_text(encoding="utf-8"))
    with open("texts.csv", encoding="utf-8", newline="") as lines:
        texts = list(csv.DictReader(lines))
    wanted = set(args.get("questions") or [])
    unknown = wanted - {row["question"] for row in texts}
    if unknown:
        raise WrongInput(f"{sorted(unknown)[0]} is no question that was answered in words.")
    texts = [row for row in texts if not wanted or row["question"] in wanted]
    voices = Voices([row["answer"] for row in texts])
    assigned = assign(args.get("codebook") or [], texts)
    keep_rows(assigned)
    quoted: set[tuple[str, str]] = set()
    said: set[str] = set()
    themes = []
    for number, (title, rows) in enumerate(sorted(assigned, key=lambda one: (-len(people(one[1])), one[0])), start=1):
        per_year = {year: len(people([r for r in rows if r["year"] == year])) for year in tally["years"]}
        total = sum(per_year.values())
        theme: dict[str, Any] = {"id": f"t{number}", "title": title, "quotes": [], "enough": total >= SMALLEST}
        theme["shown"] = {year: n == 0 or n >= SMALLEST for year, n in per_year.items()}
        themes.append(theme)
        if theme["enough"]:
            open_ = [row for row in rows if theme["shown"][row["year"]]]  # a year's small group is not quoted either
            theme["quotes"] = quotes(open_, voices, quoted, said)
    data = {"themes": themes, "years": tally["years"]}
    Path("themes.json").write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    left = [row for row in texts if all(row not in rows for _, rows in assigned)]
    return {
        "files": ["themes.json", "themes.csv"], "figures": figures(themes, tally["years"]),
        "themes": [{"title": t["title"], "quotes": len(t["quotes"])} for t in themes],
        "without_theme": [row["id"] for row in left][:100],
    }  # fmt: skip


def assign(codebook: list[dict[str, Any]], texts: list[dict[str, str]]) -> list[tuple[str, list[dict[str, str]]]]:
    """The answers of each theme, in the order of the codebook."""
    known = {row["id"]: row for row in texts}
    found = []
    for entry in codebook:
        missing = [i for i in entry.get("answers") or [] if i not in known]
        if missing:
            raise WrongInput(f"There is no answer {missing[0]!r} in texts.csv.")
        try:
            words = [re.compile(word, re.IGNORECASE) for word in entry.get("words") or []]
        except re.error as error:
            raise WrongInput(
                f"The theme {entry.get('title')} has a word that is no regular expression: {error}."
            ) from error
        ids = set(entry.get("answers") or [])
        rows = [row for row in texts if row["id"] in ids or any(word.search(row["answer"]) for word in words)]
        found.append((str(entry["title"]), rows))
    return [(title, rows) for title, rows in found if rows]


def people(rows: list[dict[str, str]]) -> set[tuple[str, str]]:
    """Who said it: somebody who says a thing twice is one person."""
    return {(row["year"], row["row"]) for row in rows}


def keep_rows(assigned: list[tuple[str, list[dict[str, str]]]]) -> None:
    """Which answer belongs to which theme, in the order of size."""
    order = sorted(assigned, key=lambda one: (-len(people(one[1])), one[0]))
    with open("themes.csv", "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for number, (title, rows) in enumerate(order, start=1):
            for row in rows:
                writer.writerow((f"t{number}", title, row["year"], f"{row['year']}-{row['row']}", row["id"]))


def quotes(
    rows: list[dict[str, str]], voices: Voices, quoted: set[tuple[str, str]], said: set[str]
) -> list[dict[str, str]]:
    """A few answers as they were given: newest first, nobody twice, nothing twice, nobody who can be recognised."""
    chosen: list[dict[str, str]] = []
    fits = [r for r in rows if FITTING[0] <= len(r["answer"]) <= FITTING[1]]
    spread: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in fits:
        spread[row["year"]].append(row)
    years = sorted(spread, reverse=True)
    line = [
        row
        for at in range(max(map(len, spread.values()), default=0))
        for y in years
        for row in spread[y][at : at + 1]
    ]
    for row in line:
        person = (row["year"], row["row"])
        words = " ".join(row["answer"].lower().split())
        if person in quoted or words in said or voices.tells(row["answer"]):
            continue
        quoted.add(person)
        said.add(words)
        chosen.append({"answer": row["id"], "year": row["year"], "question": row["question"], "text": row["answer"]})
        if len(chosen) == QUOTES:
            break
    return chosen


def figures(themes: list[dict[str, Any]], years: list[str]) -> list[dict[str, Any]]:
    """How many people said it, counted from themes.csv, for groups that may be shown."""
    with open("themes.csv", encoding="utf-8", newline="") as lines:
        rows = {(r["theme"], r["year"], r["respondent"]) for r in csv.DictReader(lines)}
    count = Counter((theme, year) for theme, year, _ in rows)
    made = []
    for theme in themes:
        for year in (y for y in years if theme["enough"] and theme["shown"][y]):
            who = f"theme = '{theme['id']}' AND \"year\" = '{year}'"
            sql = f"SELECT count(DISTINCT respondent) FROM answers WHERE {who}"
            value = str(count[theme["id"], year])
            source = {"file": "themes.csv", "sql": sql}
            told = {"as": "n", "kind": "query", "url": "", "value": value, "source": source}
            label = f"People who said in {year}: {theme['title']}"
            made.append(
                {"id": f"{theme['id']}.{year}", "label": label, "value": value, "unit": "count", "formula": "n",
                 "inputs": [told]}
            )  # fmt: skip
    return made


if __name__ == "__main__":
    main(work)
