"""Tallies the answers of two surveys question by question, exactly, and says what cannot be compared.

Arguments: years (two words that the files' names have, earlier first), drive (the files of the Drive), attached
(files that came with the request, CSV or XLSX), matches
(questions of the earlier year by title -> title of the later one, where the words differ but the question does not).
Reads the tables of the workspace. Writes tally.json, tallies.csv and texts.csv.
"""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from attached import keep
from surveylib import (
    NUMBER,
    SMALLEST,
    Question,
    Table,
    WrongInput,
    clean,
    given,
    ladder,
    main,
    plain,
    questions,
    read_table,
    sql_base,
    sql_count,
    sql_sum,
    withheld,
)

FEWEST = 10  # rows of a table that can be a survey
COLUMNS = ("question", "title", "kind", "option", "year", "count", "base", "share", "shown")
Counts = dict[tuple[str, str], int]  # (year, SQL) -> value


def work(args: dict[str, Any]) -> dict[str, Any]:
    """Finds both tables, matches their questions and counts."""
    years = [str(year) for year in args.get("years") or []]
    if len(years) != 2 or years[0] == years[1]:
        raise WrongInput("Two different years are needed, the earlier first.")
    for file in args.get("attached") or []:
        keep(str(file))
    tables = [pick(year, args.get("drive") or []) for year in years]
    asked = [questions(table) for table in tables]
    pairs, alone = match(asked[0][0], asked[1][0], args.get("matches") or {})
    report = Report(tables)
    report.respondents()
    for left, right in pairs:
        report.question([left, right])
    for at in (0, 1):
        for question in alone[at]:
            report.question([question, None] if at == 0 else [None, question])
    write_texts(tables, report.texts)
    left_out = [
        {"year": t.year, "column": c, "why": why}
        for t, (_, left) in zip(tables, asked, strict=True)
        for c, why in left.items()
    ]
    known = {
        "years": years,
        "files": [{"year": t.year, "file": t.file, "name": t.name, "url": t.url} for t in tables],
    }
    data = known | {"questions": report.made, "left_out": left_out, "smallest": SMALLEST}
    Path("tally.json").write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    with open("tallies.csv", "w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows(report.lines)
    unmatched = [{"year": q["years"][0], "title": q["title"]} for q in report.made if len(q["years"]) == 1]
    return {
        "files": ["tally.json", "tallies.csv", "texts.csv"], "sources": [t.file for t in tables],
        "figures": report.figures, "unmatched": unmatched[:40], "left_out": left_out[:20],
        "texts": [{"question": q["id"], "title": q["title"]} for q in report.made if q["kind"] == "text"],
    }  # fmt: skip


def pick(year: str, drive: list[dict[str, Any]]) -> Table:
    """The one table of answers whose document has the year in its name."""
    found = []
    for path in sorted(Path().glob("tables/*.csv")):
        if path.name.endswith(".long.csv"):
            continue
        about = next((f for f in drive if f["id"][-5:] in path.stem and year in f["name"]), None)
        if about is None and (drive or year not in path.stem):
            continue
        about = about or {"name": path.name, "url": ""}
        table = read_table(year, path.as_posix(), str(about["name"]), str(about["url"]))
        if len(table.rows) >= FEWEST and sum(q.choice for q in questions(table)[0]) >= 2:
            found.append(table)
    if len(found) == 1:
        return found[0]
    named = ", ".join(t.name for t in found) or "none"
    raise WrongInput(f"The survey of {year} must be one table of the shared files; found: {named}.")


def match(
    left: list[Question], right: list[Question], told: dict[str, str]
) -> tuple[list[tuple[Question, Question]], list[list[Question]]]:
    """Questions asked in both years: by code, by their words, or as told; the rest stays alone."""
    said = {plain(a): plain(b) for a, b in told.items()}
    unknown = [b for b in told.values() if plain(b) not in {plain(q.title) for q in right}]
    unknown += [a for a in told if plain(a) not in {plain(q.title) for q in left}]
    if unknown:
        raise WrongInput(f"No question is called {unknown[0]!r}; matches are titles of both years.")
    free = list(right)
    pairs = []
    for one in left:
        wanted = said.get(plain(one.title))
        other = next((q for q in free if (plain(q.title) == wanted if wanted else _same(one, q))), None)
        if other is not None and (other.kind == one.kind or (other.choice and one.choice)):
            pairs.append((one, other))
            free.remove(other)
    taken = [a for a, _ in pairs]
    return pairs, [[q for q in left if q not in taken], free]


def _same(one: Question, other: Question) -> bool:
    return one.key == other.key or plain(one.title) == plain(other.title)


def write_texts(tables: list[Table], wanted: list[tuple[str, str, str]]) -> None:
    """Every answer in words with its place: what themes are made of. It stays in the workspace."""
    with open("texts.csv", "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("id", "year", "row", "question", "answer"))
        for number, year, column in wanted:
            table = next(t for t in tables if t.year == year)
            for at, row in enumerate(table.rows, start=1):
                if given(row[column]):
                    writer.writerow((f"{year}-{at}-{number}", year, at, number, row[column].strip()))


class Report:
    """Questions as they are tallied: lines of the table and figures with the SQL behind each."""

    def __init__(self, tables: list[Table]) -> None:
        self.tables = {t.year: t for t in tables}
        self.years = [t.year for t in tables]
        self.made: list[dict[str, Any]] = []
        self.lines: list[dict[str, str]] = []
        self.figures: list[dict[str, Any]] = []
        self.texts: list[tuple[str, str, str]] = []
        self.known = {t.year: _Counter(t) for t in tables}

    def respondents(self) -> None:
        for year, table in self.tables.items():
            told = {"as": "n", **self.asked(year, "SELECT count(*) FROM answers", str(len(table.rows)))}
            self.figure(
                f"people.{year}", f"People who took part in {year}", str(len(table.rows)), "n", [told], "count"
            )

    def asked(self, year: str, sql: str, value: str) -> dict[str, Any]:
        """A count as the input of a figure: the file and the SQL that give it."""
        table = self.tables[year]
        return {"kind": "query", "url": table.url, "value": value, "source": {"file": table.file, "sql": sql}}

    def figure(
        self, name: str, label: str, value: str, formula: str, inputs: list[dict[str, Any]], unit: str
    ) -> None:
        self.figures.append(
            {"id": name, "label": label, "value": value, "formula": formula, "inputs": inputs, "unit": unit}
        )

    def question(self, sides: list[Question | None]) -> None:
        """One question in the years that asked it."""
        number = f"q{len(self.made) + 1}"
        asked = {year: q for year, q in zip(self.years, sides, strict=True) if q is not None}
        latest = list(asked.values())[-1]
        kind = latest.kind if latest.kind in ("text", "number") else "choice"
        entry: dict[str, Any] = {
            "id": number, "title": latest.title, "kind": kind, "years": list(asked), "options": [], "base": {},
            "ways": {year: {"kind": q.kind, "columns": [asdict(c) for c in q.columns]} for year, q in asked.items()},
        }  # fmt: skip
        self.made.append(entry)
        for year, q in asked.items():
            base = self.known[year].base(q)
            entry["base"][year] = base >= SMALLEST
            if base >= SMALLEST:
                told = {"as": "n", **self.asked(year, sql_base(q), str(base))}
                self.figure(
                    f"{number}.{year}.base", f"Answered in {year}: {q.title}", str(base), "n", [told], "count"
                )
            if kind == "text":
                self.texts.append((number, year, q.columns[0].name))
        if kind == "choice":
            self.choices(entry, asked)
        if kind == "number" or all(q.kind == "single" and numeric(q.options) for q in asked.values()):
            self.means(entry, asked)

    def means(self, entry: dict[str, Any], asked: dict[str, Question]) -> None:
        entry["mean"] = True
        for year, q in asked.items():
            base, total = self.known[year].base(q), self.known[year].total(q)
            if base >= SMALLEST:
                inputs = [
                    {"as": "s", **self.asked(year, sql_sum(q), f"{total:f}")},
                    {"as": "n", **self.asked(year, sql_base(q), str(base))},
                ]
                mean = (total / base).quantize(Decimal("0.1"), ROUND_HALF_UP)
                self.figure(
                    f"{entry['id']}.{year}.mean",
                    f"Mean in {year}: {q.title}",
                    f"{mean:f}",
                    "round(s / n, 1)",
                    inputs,
                    "",
                )

    def choices(self, entry: dict[str, Any], asked: dict[str, Question]) -> None:
        counts = {year: self.known[year].options(q) for year, q in asked.items()}
        spelt: dict[str, str] = {}
        for q in asked.values():
            spelt |= {clean(option): option for option in q.options}
        if all(q.kind != "multi" for q in asked.values()):
            for found in counts.values():  # an answer that nobody chose was still on offer
                found.update({option: 0 for option in spelt if option not in found})
        entry["same_answers"] = same_answers(list(counts.values()))
        order = ladder(list(spelt.values()), list(counts.values())[-1])
        hidden = {year: withheld(q, counts[year], self.known[year].base(q)) for year, q in asked.items()}
        for place, option in enumerate(order, start=1):
            key, name = clean(option), f"{entry['id']}.o{place}"
            row: dict[str, Any] = {"label": option, "shown": {}, "change": ""}
            shares: dict[str, tuple[int, int]] = {}
            for year, q in asked.items():
                base, n = self.known[year].base(q), counts[year].get(key)
                shown = "not asked" if n is None else hidden[year].get(key, "yes")
                row["shown"][year] = shown
                line = {
                    "question": entry["id"],
                    "title": entry["title"],
                    "kind": q.kind,
                    "option": option,
                    "year": year,
                }
                if shown == "yes" and n is not None:
                    shares[year] = n, base
                    line |= {"count": str(n), "base": str(base), "share": f"{share(n, base):f}"}
                    self.option(name, year, q, option, n, base)
                self.lines.append({**line, "shown": shown})
            if len(shares) == 2 and entry["same_answers"] and all(n for n, _ in shares.values()):
                row["change"] = self.change(name, entry, option, asked, shares)
            entry["options"].append(row)

    def option(self, name: str, year: str, q: Question, option: str, n: int, base: int) -> None:
        """How many, and which share of those who answered."""
        label = f"{q.title}: {option}, {year}"
        counted = self.asked(year, sql_count(q, option), str(n))
        self.figure(f"{name}.{year}.n", label, str(n), "n", [{"as": "n", **counted}], "count")
        inputs = [{"as": "n", **counted}, {"as": "b", **self.asked(year, sql_base(q), str(base))}]
        self.figure(
            f"{name}.{year}",
            f"{label}, share of {base} who answered",
            f"{share(n, base):f}",
            "round(n / b * 100, 1)",
            inputs,
            "%",
        )

    def change(
        self,
        name: str,
        entry: dict[str, Any],
        option: str,
        asked: dict[str, Question],
        shares: dict[str, tuple[int, int]],
    ) -> str:
        """The change in percentage points, from unrounded shares."""
        inputs = []
        for side, year in zip("ab", self.years, strict=True):
            q, (n, base) = asked[year], shares[year]
            inputs += [
                {"as": f"{side}n", **self.asked(year, sql_count(q, option), str(n))},
                {"as": f"{side}b", **self.asked(year, sql_base(q), str(base))},
            ]
        (n0, b0), (n1, b1) = (shares[year] for year in self.years)
        value = (Decimal(n1) / b1 * 100 - Decimal(n0) / b0 * 100).quantize(Decimal("0.1"), ROUND_HALF_UP)
        formula = "round(bn / bb * 100 - an / ab * 100, 1)"
        self.figure(
            f"{name}.change", f"{entry['title']}: {option}, change in points", f"{value:f}", formula, inputs, ""
        )
        return f"{value:f}"


def same_answers(counts: list[dict[str, int]]) -> bool:
    """Whether both years had the same answers on offer: at least half of those given were given in each."""
    given_by = [{option for option, n in found.items() if n} for found in counts]
    every, both = set.union(*given_by), set.intersection(*given_by)
    return 2 * len(both) >= len(every)


def share(n: int, base: int) -> Decimal:
    """Percent of those who answered, one decimal."""
    return (Decimal(n) / base * 100).quantize(Decimal("0.1"), ROUND_HALF_UP)


def numeric(options: list[str]) -> bool:
    return len(options) > 2 and all(NUMBER.fullmatch(clean(option)) for option in options)


class _Counter:
    """Counts of one table by DuckDB, each query once."""

    def __init__(self, table: Table) -> None:
        import duckdb

        self.db = duckdb.connect(":memory:")
        how = "all_varchar=true, header=true, delim=',', quote='\"', escape='\"', skip=0, comment='', sample_size=-1"
        self.db.execute(f"CREATE TABLE answers AS SELECT * FROM read_csv(?, {how})", [table.file])
        self.known: dict[str, Any] = {}

    def value(self, sql: str) -> Any:
        if sql not in self.known:
            row = self.db.execute(sql).fetchone()
            self.known[sql] = row[0] if row else 0
        return self.known[sql]

    def base(self, q: Question) -> int:
        return int(self.value(sql_base(q)))

    def total(self, q: Question) -> Decimal:
        return Decimal(str(self.value(sql_sum(q))))

    def options(self, q: Question) -> dict[str, int]:
        return {clean(option): int(self.value(sql_count(q, option))) for option in q.options}


if __name__ == "__main__":
    main(work)
