"""Finds the causes of the material variances in the entries behind them; what no rule explains stays unexplained.

Arguments: period; variance; activity and counterparties (CSV files of journal lines that colleagues sent);
accounts; optional drivers, imbalances, conventions, currency.
Writes causes.csv, cause_entries.csv and decomposition.csv.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from closelib import (
    PROFIT_TYPES,
    Answer,
    Row,
    as_list,
    is_credit,
    main,
    quarter_bounds,
    read_rows,
    slug,
    thresholds,
    wanted,
    write_rows,
)  # fmt: skip
from entries import Entry, imbalance_claims, read_entries
from products import ProductEffect, decompose

LineKey = tuple[str, str]
CAUSE_COLUMNS = (
    "cause", "kind", "account", "name", "department", "period", "amount", "counterparty", "entries", "sentence",
)  # fmt: skip
ENTRY_COLUMNS = ("cause", "kind", "account", "department", "entry_id", "line", "effect", "file", "row", "ref", "url")
DECOMPOSITION_COLUMNS = (
    "account", "department", "product", "planned_units", "planned_price", "actual_units", "planned_amount",
    "actual_amount", "volume", "price", "total",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A material line of variance.csv."""

    account: str
    department: str
    name: str
    sign: int  # turns debit minus credit into the line's own direction
    variance: Decimal
    row: Row

    @property
    def key(self) -> LineKey:
        return self.account, self.department


@dataclass
class Cause:
    """A cause with what proves it."""

    kind: str
    line: Line
    amount: Decimal
    counterparty: str
    sentence: str
    entries: list[Entry]
    formula: str
    inputs: list[dict[str, Any]]
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Books:
    """Everything the analyst was given."""

    period: str
    limits: dict[str, Decimal]
    lines: dict[LineKey, Line]
    activity: list[Entry]
    known: dict[str, list[Entry]]  # a party's profit lines anywhere in the ledger
    drivers: list[Row]

    def of(self, key: LineKey) -> list[Entry]:
        """The journal lines of one account and department."""
        return [entry for entry in self.activity if entry.line == key]

    def counts(self, line: Line, amount: Decimal) -> bool:
        """Whether an effect is large enough to be named."""
        return abs(amount) * 100 >= self.limits["cause_percent"] * abs(line.variance) and amount != 0


def work(args: dict[str, Any]) -> Answer:
    """Applies the rules line by line and writes what they found."""
    books = read(args)
    causes: list[Cause] = []
    effects: list[ProductEffect] = []
    for line in books.lines.values():
        if line.row["material"] != "yes":
            continue
        taken: set[tuple[str, str]] = set()
        for rule in (timing, misposting, one_off):
            for cause in rule(books, line, taken):
                causes.append(cause)
                taken |= {(entry.id, entry.number) for entry in cause.entries}
        found, parts = sold(books, line, taken)
        causes += found
        effects += parts
    causes += counterparts(books, causes)
    causes += unexplained(books, causes)
    return report(args, books, causes, effects)


def read(args: dict[str, Any]) -> Books:
    """The analyst's files as books."""
    period = wanted(args, "period")
    accounts = {row["account"]: row for row in read_rows(wanted(args, "accounts"), ("account", "type"), "accounts")}
    lines = {}
    for row in read_rows(wanted(args, "variance"), ("account", "department", "variance", "material"), "variance"):
        sign = -1 if is_credit(row["type"], row["normal"]) else 1
        line = Line(row["account"], row["department"], row["name"], sign, row.amount("variance"), row)
        lines[line.key] = line
    known: dict[str, list[Entry]] = defaultdict(list)
    for entry in read_entries(as_list(args.get("counterparties") or []), "counterparties"):
        if entry.account in accounts and accounts[entry.account]["type"] in PROFIT_TYPES:
            known[entry.counterparty].append(entry)
    drivers = []
    if args.get("drivers"):
        needed = ("product", "account", "department", "period", "quantity", "unit_price")
        drivers = [row for row in read_rows(args["drivers"], needed, "drivers") if row["period"] == period]
    activity = read_entries(as_list(args.get("activity") or []), "activity")
    return Books(period, thresholds(args.get("conventions")), lines, activity, known, drivers)


def by_party(entries: list[Entry]) -> dict[str, list[Entry]]:
    """Entries grouped by counterparty, in order of name."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.counterparty].append(entry)
    return dict(sorted(groups.items()))


def from_entries(kind: str, line: Line, party: str, sentence: str, entries: list[Entry], factor: int) -> Cause:
    """A cause whose amount is the sum of its entries, as they stand or reversed."""
    inputs = [entry.row.input(f"j{n}", "ledger_entry", "amount") for n, entry in enumerate(entries, 1)]
    amount = line.sign * factor * sum((entry.amount for entry in entries), Decimal(0))
    total = f"sum({', '.join(i['as'] for i in inputs)})"
    return Cause(
        kind, line, amount, party, sentence, entries, total if line.sign * factor > 0 else f"-{total}", inputs
    )


def timing(books: Books, line: Line, taken: set[tuple[str, str]]) -> list[Cause]:
    """Entries of this quarter for service wholly outside it, and entries elsewhere for service wholly inside."""
    first, last = quarter_bounds(books.period)
    booked_here, booked_elsewhere = [], []
    for entry in books.of(line.key):
        if entry.service is None:
            continue
        start, end = entry.service
        if entry.period == books.period and (end < first or start > last):
            booked_here.append(entry)
        elif entry.period != books.period and first <= start and end <= last:
            booked_elsewhere.append(entry)
    found = []
    for party, entries in by_party(booked_here).items():
        when = "an earlier" if entries[0].service and entries[0].service[1] < first else "a later"
        sentence = f"{party or 'An entry'} was booked in {books.period} for service of {when} quarter."
        found.append(from_entries("timing", line, party, sentence, entries, 1))
    for party, entries in by_party(booked_elsewhere).items():
        sentence = f"{party or 'An entry'} for service of {books.period} was booked in {entries[0].period}."
        found.append(from_entries("timing", line, party, sentence, entries, -1))
    return [cause for cause in found if books.counts(line, cause.amount)]


def newcomers(books: Books, line: Line, taken: set[tuple[str, str]]) -> dict[str, list[Entry]]:
    """This quarter's entries of parties that this line never had before, leaving out sales of products."""
    here = books.of(line.key)
    before = {entry.counterparty for entry in here if entry.period < books.period}
    fresh = [
        entry for entry in here
        if entry.period == books.period and entry.counterparty and entry.counterparty not in before
        and not entry.product and (entry.id, entry.number) not in taken
    ]  # fmt: skip
    return by_party(fresh) if before else {}  # a line without any history has no newcomers


def home(books: Books, party: str, line: Line) -> LineKey | None:
    """Where a party was always booked before this quarter, when that is elsewhere."""
    earlier = Counter(entry.line for entry in books.known.get(party, []) if entry.period < books.period)
    if not earlier or line.key in earlier:
        return None
    return earlier.most_common(1)[0][0]


def misposting(books: Books, line: Line, taken: set[tuple[str, str]]) -> list[Cause]:
    """A party known elsewhere that is booked in this line for the first time."""
    found = []
    for party, entries in newcomers(books, line, taken).items():
        right = home(books, party, line)
        if right is None:
            continue
        name = books.lines[right].name if right in books.lines else right[0]
        sentence = f"{party} was booked here; until now it always stood in {name}, {right[1]}."
        cause = from_entries("misposting", line, party, sentence, entries, 1)
        cause.extra["home"] = right
        found.append(cause)
    return [cause for cause in found if books.counts(line, cause.amount)]


def counterparts(books: Books, causes: list[Cause]) -> list[Cause]:
    """The other side of each misposting: the amount is missing where the party belongs."""
    found = []
    for cause in causes:
        right = books.lines.get(cause.extra.get("home", ("", "")))
        if cause.kind != "misposting" or right is None:
            continue
        sentence = (
            f"{cause.counterparty} is missing here; it was booked in {cause.line.name}, {cause.line.department}."
        )
        found.append(from_entries("misposting", right, cause.counterparty, sentence, cause.entries, -1))
    return found


def one_off(books: Books, line: Line, taken: set[tuple[str, str]]) -> list[Cause]:
    """Bills of a party that no earlier entry of the whole ledger names."""
    found = []
    for party, entries in newcomers(books, line, taken).items():
        if party not in books.known or any(entry.period < books.period for entry in books.known[party]):
            continue
        sentence = f"{party} is in the books for the first time: {entries[0].row['description'] or 'no description'}."
        found.append(from_entries("one_off", line, party, sentence, entries, 1))
    return [cause for cause in found if books.counts(line, cause.amount)]


def sold(books: Books, line: Line, taken: set[tuple[str, str]]) -> tuple[list[Cause], list[ProductEffect]]:
    """Price and volume against the drivers for every product of a line."""
    effects = decompose(
        [row for row in books.drivers if (row["account"], row["department"]) == line.key],
        [entry for entry in books.of(line.key) if (entry.id, entry.number) not in taken],
        books.period,
        line.sign,
        books.limits["price_tolerance_percent"],
    )
    found: list[Cause] = []
    for effect in effects:
        for kind, amount, party, entries in effect.causes():
            if not books.counts(line, amount):
                continue
            formula, inputs = effect.proof(kind, entries)
            sentence = effect.sentence(kind, party, books.period)
            found.append(Cause(kind, line, amount, party, sentence, entries, formula, inputs))
    return found, effects


def unexplained(books: Books, causes: list[Cause]) -> list[Cause]:
    """What the causes of a material line leave over, where it is more than the threshold allows."""
    found = []
    for line in books.lines.values():
        if line.row["material"] != "yes":
            continue
        named = sum((cause.amount for cause in causes if cause.line.key == line.key), Decimal(0))
        rest = line.variance - named
        if abs(rest) * 100 > books.limits["unexplained_percent"] * abs(line.variance):
            source = line.row.input("v", "figure", "variance")
            source["ref"] = f"variance:{line.account}/{line.department}"
            sentence = "No rule explains this part; it needs a person."
            found.append(Cause("unexplained", line, rest, "", sentence, [], "", [source]))
    return found


def report(args: dict[str, Any], books: Books, causes: list[Cause], effects: list[ProductEffect]) -> Answer:
    """Files, findings and figures."""
    answer = Answer()
    unit = args.get("currency", "")
    rows: list[dict[str, Any]] = []
    proofs: list[dict[str, Any]] = []
    for number, cause in enumerate(causes, 1):
        name = slug("cause", str(number), cause.kind, cause.line.account, cause.line.department)
        ids = list(dict.fromkeys(entry.id for entry in cause.entries))
        common = {"kind": cause.kind, "account": cause.line.account, "department": cause.line.department}
        amount = f"{cause.amount:.2f}" if cause.amount == round(cause.amount, 2) else f"{cause.amount:f}"
        rows.append(
            {"cause": name, "name": cause.line.name, "period": books.period, "amount": amount, **common,
             "counterparty": cause.counterparty, "entries": " ".join(ids), "sentence": cause.sentence}
        )  # fmt: skip
        proofs += [entry_row(name, cause, entry, common) for entry in cause.entries]
        answer.findings.append(
            {**common, "period": books.period, "amount": amount, "entries": ids, "text": cause.sentence,
             "inputs": [i for i in cause.inputs if i["kind"] in ("ledger_entry", "figure")]}
        )  # fmt: skip
        if cause.formula:
            label = f"{cause.kind.replace('_', '-')}: {cause.line.name}, {cause.line.department}"
            answer.figures.append(
                {"id": name, "label": label, "value": amount, "unit": unit, "formula": cause.formula,
                 "inputs": cause.inputs}
            )  # fmt: skip
    imbalances(args, books.period, unit, rows, proofs, answer)
    answer.files = [
        write_rows("causes.csv", CAUSE_COLUMNS, rows),
        write_rows("cause_entries.csv", ENTRY_COLUMNS, proofs),
        write_rows("decomposition.csv", DECOMPOSITION_COLUMNS, (effect.table_row() for effect in effects)),
    ]
    answer.more = {
        "sources": sorted({proof["file"] for proof in proofs} | {row.file for row in books.drivers}),
        "causes": [{k: row.get(k, "") for k in ("kind", "account", "department", "sentence")} for row in rows],
    }
    return answer


def entry_row(name: str, cause: Cause, entry: Entry, common: dict[str, str]) -> dict[str, Any]:
    """Where one cited journal line stands."""
    return {
        "cause": name, **common, "entry_id": entry.id, "line": entry.number, "effect": f"{entry.amount:f}",
        "file": entry.row.file, "row": entry.row.number, "ref": entry.row["ref"], "url": entry.row["url"],
    }  # fmt: skip


def imbalances(
    args: dict[str, Any], period: str, unit: str, rows: list[dict[str, Any]], proofs: list[dict[str, Any]],
    answer: Answer,
) -> None:  # fmt: skip
    """Entries whose sides differ are reported, whatever account they stand in."""
    for row, figure, finding in imbalance_claims(as_list(args.get("imbalances") or []), period, unit):
        common = {"cause": figure["id"], "kind": "imbalance"}
        rows.append(
            {**common, "period": period, "amount": figure["value"], "entries": row["entry_id"],
             "sentence": finding["text"]}
        )  # fmt: skip
        proofs.append(
            {**common, "entry_id": row["entry_id"], "effect": figure["value"], "file": row.file, "row": row.number,
             "ref": row["ref"], "url": row["url"]}
        )  # fmt: skip
        answer.findings.append(finding)
        answer.figures.append(figure)


if __name__ == "__main__":
    main(work)
