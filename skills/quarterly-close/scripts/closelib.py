"""What the scripts of this skill share: arguments and answers as JSON, exact amounts, rows that know their place."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn

CENT = Decimal("0.01")
PROFIT_TYPES = ("revenue", "cogs", "expense", "other")
BALANCE_TYPES = ("asset", "liability", "equity")
# +1 where a higher amount is good for the result; amounts are stated positive in the account's own direction
GOOD = {"revenue": 1, "cogs": -1, "expense": -1, "other": 1}


class WrongInput(Exception):
    """Input that cannot be used; the message names what and where."""


@dataclass(frozen=True)
class Row:
    """A CSV row that knows its file and number (the first row below the header is 1)."""

    file: str
    number: int
    values: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.values.get(column, "")

    def amount(self, column: str) -> Decimal:
        """The exact amount in a column; blank is zero, text is an error naming its place."""
        text = self[column]
        if text == "":
            return Decimal(0)
        try:
            return Decimal(text)
        except InvalidOperation:
            raise WrongInput(
                f'{self.file}, row {self.number}: "{text}" stands where a number belongs (column {column}).'
            ) from None

    def input(self, name: str, kind: str, column: str) -> dict[str, Any]:
        """This cell as the input of a figure or finding."""
        source = {"file": self.file, "row": self.number, "column": column}
        return {
            "as": name, "kind": kind, "ref": self["ref"], "url": self["url"], "value": self[column], "source": source,
        }  # fmt: skip


@dataclass
class Answer:
    """The one JSON object a script prints."""

    files: list[str] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    def check(self, name: str, passed: bool, detail: str) -> None:
        """Adds the result of one check."""
        self.checks.append({"name": name, "passed": passed, "detail": detail})


def main(work: Callable[[dict[str, Any]], Answer]) -> NoReturn:
    """Runs a script's work on the arguments from standard input and prints its answer."""
    try:
        args = json.loads(sys.stdin.read() or "{}")
        answer = work(args)
    except WrongInput as wrong:
        print(json.dumps({"ok": False, "error": str(wrong)}, ensure_ascii=False))
        sys.exit(0)
    body = {
        "ok": True, "files": answer.files, "figures": answer.figures, "findings": answer.findings,
        "checks": answer.checks, **answer.more,
    }  # fmt: skip
    print(json.dumps(body, ensure_ascii=False))
    sys.exit(0)


def wanted(args: dict[str, Any], name: str) -> Any:
    """An argument that must be there."""
    if args.get(name) in (None, "", []):
        raise WrongInput(f"The argument {name} is missing.")
    return args[name]


def read_rows(path: str, columns: Iterable[str], what: str) -> list[Row]:
    """The rows of a CSV file that must have these columns."""
    if not Path(path).is_file():
        raise WrongInput(f"{what}: there is no file {path}.")
    with open(path, encoding="utf-8", newline="") as source:
        reader = csv.DictReader(source)
        missing = [column for column in columns if column not in (reader.fieldnames or [])]
        if missing:
            raise WrongInput(f"{what}: {path} has no column {', '.join(missing)}.")
        return [Row(path, number, {k: v or "" for k, v in row.items() if k}) for number, row in enumerate(reader, 1)]


def write_rows(path: str, columns: Iterable[str], rows: Iterable[dict[str, Any]]) -> str:
    """Writes rows as CSV and returns the path."""
    columns = list(columns)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, extrasaction="ignore", restval="")
        writer.writeheader()
        writer.writerows({k: format(v, "f") if isinstance(v, Decimal) else v for k, v in row.items()} for row in rows)
    return path


def as_list(value: Any) -> list[Any]:
    """One thing or several, as several."""
    return value if isinstance(value, list) else [value]


def cents(amount: Decimal) -> Decimal:
    """An amount to the cent, half up."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def natural(kind: str, normal: str, balance: Decimal) -> Decimal:
    """A debit-minus-credit balance in the direction in which people state the account."""
    credit = kind == "revenue" or (kind == "other" and normal != "debit")
    return -balance if credit else balance


def is_credit(kind: str, normal: str) -> bool:
    """Whether amounts of the account are stated credit minus debit."""
    return kind == "revenue" or (kind == "other" and normal != "debit")


def effect(kind: str, normal: str, variance: Decimal) -> str:
    """F when the variance is good for the result, U when it is bad."""
    good = 1 if is_credit(kind, normal) else -1
    return "" if variance == 0 else "F" if variance * good > 0 else "U"


def slug(*parts: str) -> str:
    """A figure's id from names."""
    return re.sub(r"[^a-z0-9]+", "_", "_".join(part for part in parts if part).lower()).strip("_")


def quarter_bounds(period: str) -> tuple[date, date]:
    """The first and last day of a quarter such as 2026-Q3."""
    match = re.fullmatch(r"(\d{4})-Q([1-4])", period)
    if not match:
        raise WrongInput(f'"{period}" is not a quarter such as 2026-Q3.')
    year, quarter = int(match[1]), int(match[2])
    first = date(year, 3 * quarter - 2, 1)
    after = date(year + quarter // 4, 3 * quarter % 12 + 1, 1)
    return first, date.fromordinal(after.toordinal() - 1)


def thresholds(conventions: str | None = None) -> dict[str, Decimal]:
    """The thresholds file of this skill, with the materiality that the company's conventions state, if they do."""
    found: dict[str, Decimal] = {}
    for line in (Path(__file__).parents[1] / "thresholds.yml").read_text("utf-8").splitlines():
        match = re.match(r"([a-z_]+):\s*([\d.]+)", line)
        if match:
            found[match[1]] = Decimal(match[2])
    if conventions:
        if not Path(conventions).is_file():
            raise WrongInput(f"conventions: there is no file {conventions}.")
        found |= materiality(Path(conventions).read_text("utf-8"))
    return found


def materiality(text: str) -> dict[str, Decimal]:
    """Amount and percentage of the sentences on materiality in a conventions text."""
    found: dict[str, Decimal] = {}
    for sentence in re.split(r"(?<=[.;])\s+|\n+", text):
        if not re.search(r"(?i)\bmaterial", sentence):
            continue
        percent = re.search(r"(\d+(?:\.\d+)?)\s?(?:%|per ?cent)", sentence)
        amount = re.search(r"(\d{1,3}(?:[,\u202f\u00a0 ]\d{3})+|\d{4,})(\.\d+)?", sentence)
        if percent:
            found.setdefault("material_percent", Decimal(percent[1]))
        if amount:
            found.setdefault("material_amount", Decimal(re.sub(r"\D", "", amount[1]) + (amount[2] or "")))
    return found
