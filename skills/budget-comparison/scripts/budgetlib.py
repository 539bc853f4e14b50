"""Budget lines as the scripts read them, and the sides a request names."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn

YEAR = re.compile(r"(?i)\bFY\s?(\d{2,4})(?:\s?[-/–]\s?(\d{2,4}))?")


class WrongInput(Exception):
    """Input that cannot be used; the message names what and where."""


@dataclass(frozen=True)
class BudgetLine:
    """One amount of a budget."""

    period: str
    kind: str
    department: str
    fund: str
    measure: str
    amount: Decimal


@dataclass(frozen=True)
class Side:
    """One data set of the comparison."""

    label: str
    period: str
    path: str
    ref: str
    url: str
    lines: tuple[BudgetLine, ...]


def main(work: Callable[[dict[str, Any]], dict[str, Any]]) -> NoReturn:
    """Runs a script's work on the arguments from standard input and prints one JSON object."""
    try:
        answer = {"ok": True, "files": [], "figures": [], "findings": [], "checks": []}
        answer |= work(json.loads(sys.stdin.read() or "{}"))
    except WrongInput as wrong:
        answer = {"ok": False, "error": str(wrong)}
    print(json.dumps(answer, ensure_ascii=False))
    sys.exit(0)


def year(text: str) -> str:
    """The fiscal year a text names, in the spelling of the long tables; empty when it names none."""
    match = YEAR.search(text)
    if not match:
        return ""
    return f"FY{match[1][-2:]}-{match[2][-2:]}" if match[2] else f"FY20{match[1][-2:]}"


def version(text: str) -> str:
    """The word beside the year, such as adopted."""
    words = [w for w in re.findall(r"[a-z]+", YEAR.sub(" ", text).lower()) if w not in ("the", "budget", "of", "for")]
    return words[0] if words else ""


def read_lines(path: str) -> tuple[list[BudgetLine], str, str]:
    """The lines of a long table with the reference and address of its document."""
    if not Path(path).is_file():
        raise WrongInput(f"There is no file {path}.")
    lines = []
    ref = url = ""
    with open(path, encoding="utf-8", newline="") as source:
        for number, row in enumerate(csv.DictReader(source), 1):
            try:
                amount = Decimal(row["amount"])
            except (KeyError, InvalidOperation):
                raise WrongInput(
                    f'{path}, row {number}: "{row.get("amount", "")}" stands where a number belongs.'
                ) from None
            ref, url = ref or row.get("ref", "").split("#")[0].split("!")[0], url or row.get("url", "")
            values = (row.get(k) or "" for k in ("period", "type", "department", "fund", "measure"))
            lines.append(BudgetLine(*values, amount))
    return lines, ref, url


def kind_of(text: str) -> str:
    """revenue or expense where the type column says so, else its own word."""
    word = text.strip().lower()
    if word.startswith(("rev", "income", "source")):
        return "revenue"
    if word.startswith(("exp", "cost", "spend", "use")):
        return "expense"
    return word or "amount"
