"""Compares two budgets: exact sums per type, department and fund on both sides, differences and imbalances.

Arguments: left, right (as the requester names them); readings (the `files` of the tables that were read).
Writes comparison.csv, departments.csv, funds.csv, totals.csv and comparison.md; answers with the summary.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter, defaultdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from budgetlib import BudgetLine, Side, WrongInput, kind_of, main, read_lines, version, year

Sums = dict[tuple[str, str], tuple[Decimal, Decimal]]  # (type, name) -> left, right
ZERO = Decimal(0)
LARGEST = 4


def work(args: dict[str, Any]) -> dict[str, Any]:
    """Finds the two sides, adds them up and writes what differs."""
    readings = [r for r in args.get("readings") or [] if r.get("long_file")]
    sides = choose(str(args.get("left", "")), str(args.get("right", "")), readings)
    page = Page(sides)
    page.totals()
    page.balance()
    page.changes("department", "departments.csv")
    page.changes("fund", "funds.csv")
    page.oddities(readings)
    lines_table(sides)
    Path("comparison.md").write_text(page.report(), encoding="utf-8")
    return {
        "files": ["comparison.md", "comparison.csv", "departments.csv", "funds.csv", "totals.csv"],
        "figures": page.figures,
        "findings": page.findings,
        "summary": "\n".join(page.reply),
        "sources": list(dict.fromkeys(side.path for side in sides)),
    }


def choose(left: str, right: str, readings: list[dict[str, Any]]) -> tuple[Side, Side]:
    """The two data sets a request names, by year and then by version."""
    years = (year(left) or year(right), year(right) or year(left))
    if not years[0]:
        raise WrongInput(f'"{left}" and "{right}" name no fiscal year such as FY16-17.')
    known: list[Side] = []
    for reading in readings:
        roles = {column["role"] for column in reading.get("columns") or []}
        if not ({"amount", "period"} <= roles and roles & {"department", "fund"}):
            continue
        if reading.get("problems"):
            raise WrongInput(" ".join(reading["problems"][:3]))
        lines, ref, url = read_lines(reading["long_file"])
        title = re.sub(r"(\.csv)?(\.gz)?\.long\.csv$", "", Path(reading["long_file"]).name)
        groups: dict[tuple[str, str], list[BudgetLine]] = defaultdict(list)
        for line in lines:
            groups[line.period, line.measure].append(line)
        known += [
            Side(measure or title, period, reading["long_file"], ref, url, tuple(group))
            for (period, measure), group in groups.items()
        ]
    words = (version(left), version(right))
    return pick(years[0], words[0], known), pick(years[1], words[1], known)


def pick(period: str, word: str, known: list[Side]) -> Side:
    """The one data set of a year, by the version word where it is needed."""
    there = [side for side in known if side.period == period]
    found = [side for side in there if word in re.findall(r"[a-z]+", side.label.lower())] if word else there
    if len(found) == 1:
        side = found[0]
        return Side(f"{period} {word}".strip(), period, side.path, side.ref, side.url, side.lines)
    if not there:
        years = ", ".join(sorted({side.period for side in known})) or "no budget lines at all"
        raise WrongInput(f"The shared files hold nothing for {period}; they hold {years}.")
    labels = ", ".join(sorted(side.label for side in there))
    asked = f"{period} {word}".strip()
    if found:
        raise WrongInput(f"Several data sets could be {asked}: {labels}. Name one of them.")
    raise WrongInput(f"No data set of {period} is called {word}; there is {labels}.")


def sums(sides: tuple[Side, Side], attribute: str) -> Sums:
    """Both sides added up by type and one attribute."""
    table: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for at, side in enumerate(sides):
        for line in side.lines:
            table[kind_of(line.kind), getattr(line, attribute)][at] += line.amount
    return {key: (pair[0], pair[1]) for key, pair in sorted(table.items())}


def lines_table(sides: tuple[Side, Side]) -> None:
    """The comparison by type, fund and department."""
    table: dict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for at, side in enumerate(sides):
        for line in side.lines:
            table[kind_of(line.kind), line.fund, line.department][at] += line.amount
    with open("comparison.csv", "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("type", "fund", "department", sides[0].label, sides[1].label, "difference"))
        for key, (left, right) in sorted(table.items()):
            writer.writerow((*key, f"{left:f}", f"{right:f}", f"{left - right:f}"))


def slug(*parts: str) -> str:
    """A figure's id from names."""
    return re.sub(r"[^a-z0-9]+", "_", "_".join(parts).lower()).strip("_")


def fig(name: str) -> str:
    """The placeholder of a figure."""
    return "{{f:" + name + "}}"


class Page:
    """The reply, the report and the figures as they grow."""

    def __init__(self, sides: tuple[Side, Side]) -> None:
        self.sides = sides
        self.left, self.right = (side.label for side in sides)
        self.figures: list[dict[str, Any]] = []
        self.findings: list[dict[str, Any]] = []
        self.reply: list[str] = [f"{self.left} against {self.right}:"]
        self.parts: list[str] = [f"# {self.left} against {self.right}"]
        self.one_sided: list[str] = []
        self.where: dict[tuple[str, str, str], int] = {}

    def keep(self, name: str, attribute: str, table: Sums) -> None:
        """Writes sums as a CSV file whose cells the figures cite."""
        with open(name, "w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(("type", attribute, "left", "right", "difference", "left_ref", "right_ref"))
            for number, ((kind, value), (left, right)) in enumerate(table.items(), 1):
                self.where[name, kind, value] = number
                refs = (f"{side.ref}#{kind}/{value or '-'}" for side in self.sides)
                writer.writerow((kind, value, f"{left:f}", f"{right:f}", f"{left - right:f}", *refs))

    def cell(self, name: str, kind: str, value: str, side: str, amount: Decimal, alias: str) -> dict[str, Any]:
        """One cell of a kept table as an input."""
        source = self.sides[0 if side == "left" else 1]
        return {
            "as": alias, "kind": "file_row", "ref": f"{source.ref}#{kind}/{value or '-'}", "url": source.url,
            "value": f"{amount:f}", "source": {"file": name, "row": self.where[name, kind, value], "column": side},
        }  # fmt: skip

    def trio(self, key: str, label: str, name: str, kind: str, value: str, pair: tuple[Decimal, Decimal]) -> None:
        """Left, right and difference of one row as figures."""
        a = self.cell(name, kind, value, "left", pair[0], "a")
        b = self.cell(name, kind, value, "right", pair[1], "b")
        for side, amount, formula, inputs in (
            ("left", pair[0], "a", [a]), ("right", pair[1], "b", [b]), ("change", pair[0] - pair[1], "a - b", [a, b]),
        ):  # fmt: skip
            text = {"left": self.left, "right": self.right, "change": "difference"}[side]
            self.add(f"{key}_{side}", f"{label}, {text}", amount, formula, inputs)

    def add(
        self, key: str, label: str, amount: Decimal, formula: str, inputs: list[dict[str, Any]], unit: str = ""
    ) -> None:
        """Records a figure once."""
        if all(figure["id"] != key for figure in self.figures):
            self.figures.append(
                {"id": key, "label": label, "value": f"{amount:f}", "unit": unit, "formula": formula,
                 "inputs": inputs}
            )  # fmt: skip

    def totals(self) -> None:
        """Totals per type, from the departments' sums."""
        self.by_department = sums(self.sides, "department")
        self.keep("departments.csv", "department", self.by_department)
        totals: dict[str, tuple[Decimal, Decimal]] = {}
        for (kind, _), (left, right) in self.by_department.items():
            before = totals.get(kind, (ZERO, ZERO))
            totals[kind] = (before[0] + left, before[1] + right)
        self.total = totals
        self.keep("totals.csv", "name", {(kind, "total"): pair for kind, pair in totals.items()})
        table = f"## Totals\n\n| | {self.left} | {self.right} | Difference | Share |\n|---|---|---|---|---|"
        for kind, (left, right) in totals.items():
            rows = [(name, pair) for (k, name), pair in self.by_department.items() if k == kind]
            a = [self.cell("departments.csv", kind, n, "left", p[0], f"a{i}") for i, (n, p) in enumerate(rows)]
            b = [self.cell("departments.csv", kind, n, "right", p[1], f"b{i}") for i, (n, p) in enumerate(rows)]
            plus, minus = (f"sum({', '.join(i['as'] for i in inputs)})" for inputs in (a, b))
            label = kind.capitalize()
            self.add(f"{kind}_left", f"{label}, {self.left}", left, plus, a)
            self.add(f"{kind}_right", f"{label}, {self.right}", right, minus, b)
            self.add(f"{kind}_change", f"{label}, difference", left - right, f"{plus} - {minus}", [*a, *b])
            share = ""
            if right:
                rate = ((left - right) / abs(right) * 100).quantize(Decimal("0.1"), ROUND_HALF_UP)
                formula = f"round(({plus} - {minus}) / abs({minus}) * 100, 1)"
                self.add(f"{kind}_percent", f"{label}, difference in percent", rate, formula, [*a, *b], "%")
                share = fig(f"{kind}_percent")
            self.reply.append(
                f"{label}: {fig(kind + '_left')} against {fig(kind + '_right')}, "
                f"{fig(kind + '_change')}{' or ' + share if share else ''}."
            )
            cells = (label, *(fig(f"{kind}_{side}") for side in ("left", "right", "change")), share)
            table += "\n| " + " | ".join(cells) + " |"
        self.parts.append(table)

    def balance(self) -> None:
        """Whether revenue and expense are equal on each side; a difference is a finding."""
        if not {"revenue", "expense"} <= self.total.keys():
            self.reply.append("The tables do not tell revenue from expense, so no balance was checked.")
            return
        texts = []
        for at, side in enumerate(("left", "right")):
            label, period = self.sides[at].label, self.sides[at].period
            expense, revenue = self.total["expense"][at], self.total["revenue"][at]
            if expense == revenue:
                texts.append(f"{label} balances exactly: revenue equals expense.")
                continue
            inputs = [
                self.cell("totals.csv", kind, "total", side, self.total[kind][at], name)
                for kind, name in (("expense", "x"), ("revenue", "r"))
            ]
            self.add(f"imbalance_{side}", f"Expense less revenue, {label}", expense - revenue, "x - r", inputs)
            more = "exceeds" if expense > revenue else "is below"
            text = f"{label} does not balance: expense {more} revenue, a difference of {fig(f'imbalance_{side}')}."
            texts.append(text)
            self.findings.append(
                {"kind": "imbalance", "account": "", "department": "", "period": period,
                 "amount": f"{expense - revenue:f}", "entries": [], "inputs": inputs,
                 "text": f"{label} does not balance: expense {more} revenue."}
            )  # fmt: skip
        self.reply += texts
        self.parts.append("## Balance\n\n" + "\n".join(f"- {text}" for text in texts))

    def changes(self, attribute: str, name: str) -> None:
        """The largest differences of an attribute that both sides have, and the names only one side has."""
        table = self.by_department if attribute == "department" else sums(self.sides, attribute)
        if attribute != "department":
            self.keep(name, attribute, table)
        names = [{getattr(line, attribute) for line in side.lines} for side in self.sides]
        both = names[0] & names[1]
        shared = [(key, pair) for key, pair in table.items() if key[1] in both and key[1] and pair[0] != pair[1]]
        shared.sort(key=lambda item: (-abs(item[1][0] - item[1][1]), item[0]))
        points = []
        for (kind, value), pair in shared[: LARGEST * 2]:
            key = slug(attribute, kind, value)
            shown = f"FUND-{value}" if attribute == "fund" else value
            self.trio(key, f"{shown}, {kind}", name, kind, value, pair)
            sides = (fig(f"{key}_{side}") for side in ("left", "right", "change"))
            points.append("• {}, {}: {} against {}, {}.".format(shown, kind, *sides))
        self.reply += points[: LARGEST if attribute == "department" else 1]
        body = "\n".join(point.replace("• ", "- ") for point in points) or "None."
        self.parts.append(f"## Largest changes by {attribute}, among names both sides have\n\n{body}")
        alone = [sorted(names[at] - both - {""}) for at in (0, 1)]
        if any(alone):
            shown = ["FUND-" if attribute == "fund" else ""] * 2
            texts = [
                f"- Only in {self.sides[at].label}: {', '.join(shown[at] + value for value in alone[at])}."
                for at in (0, 1) if alone[at]
            ]  # fmt: skip
            self.parts.append(f"## Names on one side only ({attribute}), not matched\n\n" + "\n".join(texts))
            self.one_sided.append(f"{attribute}s")

    def oddities(self, readings: list[dict[str, Any]]) -> None:
        """Codes unlike the others and columns that were not understood."""
        texts = []
        if getattr(self, "one_sided", []):
            texts.append(
                f"Some {' and '.join(self.one_sided)} stand on one side only; the report lists them unmatched."
            )
        for side in self.sides:
            codes = {line.fund for line in side.lines if line.fund}
            usual = Counter(len(code) for code in codes).most_common(1)[0][0] if codes else 0
            odd = sorted(code for code in codes if len(code) != usual or not code.isalnum())
            if odd:
                named = ", ".join(f"FUND-{code}" for code in odd[:3])
                texts.append(f"{side.label}: {named} is unlike the other fund codes and was kept as it stands.")
        for reading in readings:
            if reading["long_file"] in {side.path for side in self.sides} and reading.get("unknown_columns"):
                texts.append(f"Columns not understood: {', '.join(reading['unknown_columns'])}.")
        self.reply += texts
        self.parts.append("## Notes\n\n" + ("\n".join(f"- {text}" for text in texts) or "None."))
        while len(self.reply) > 12:
            # changes are the part that the report repeats in full
            self.reply.remove([line for line in self.reply if line.startswith("• ")][-1])

    def report(self) -> str:
        """The report in Markdown."""
        return "\n\n".join(self.parts) + "\n"


if __name__ == "__main__":
    main(work)
