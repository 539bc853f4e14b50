"""Each line of variance.csv equals the ledger and forecast rows it names, to the cent; no ledger row is left out."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from closelib import PROFIT_TYPES, Answer, Row, is_credit, main, read_rows
from outputs import find, rows_of

LINES = ("account", "type", "normal", "department", "forecast", "actual", "variance", "actual_refs", "forecast_refs")


def work(args: dict[str, Any]) -> Answer:
    """Recomputes both sides of each line from the files the analyst received."""
    base, lines = rows_of(LINES, "variance")
    balances = by_ref(find(("account", "type", "department", "balance", "ref"), "trial balance", inbox=True), base)
    planned = by_ref(find(("account", "period", "amount", "ref"), "forecast", inbox=True), base)
    wrong: list[str] = []
    used: set[str] = set()
    for line in lines:
        place = f"{line['account']}/{line['department']}"
        sign = -1 if is_credit(line["type"], line["normal"]) else 1
        for side, table, column, separator, factor in (
            ("actual", balances, "balance", " ", sign), ("forecast", planned, "amount", " | ", 1),
        ):  # fmt: skip
            refs = [ref for ref in line[f"{side}_refs"].split(separator) if ref]
            missing = [ref for ref in refs if ref not in table]
            if missing:
                wrong.append(f"{place}: {missing[0]} is in no file that was handed in")
                continue
            total = factor * sum((table[ref].amount(column) for ref in refs), Decimal(0))
            used |= set(refs)
            if total != line.amount(side):
                wrong.append(f"{place}: {side} says {line[side]}, its sources add up to {total:f}")
        if line.amount("actual") - line.amount("forecast") != line.amount("variance"):
            wrong.append(f"{place}: variance {line['variance']} is not actual minus forecast")
    periods = {ref.split("/")[1] for ref in used & balances.keys() if "/" in ref}
    for ref, row in balances.items():
        if ref not in used and row["type"] in PROFIT_TYPES and ref.split("/")[1:2] and ref.split("/")[1] in periods:
            wrong.append(f"{ref} is in the trial balance and in no line")
    answer = Answer()
    detail = "; ".join(wrong[:8]) or f"{len(lines)} lines equal their sources to the cent"
    answer.check("tie_out", not wrong and bool(lines), detail if lines else "variance.csv has no lines")
    return answer


def by_ref(paths: list[Path], base: Path) -> dict[str, Row]:
    """Rows of the received files by reference; the analyst's own inbox counts before a colleague's."""
    rows: dict[str, Row] = {}
    for path in sorted(paths, key=lambda p: not p.is_relative_to(base)):
        for row in read_rows(str(path), ("ref",), "source"):
            rows.setdefault(row["ref"], row)
    return rows


if __name__ == "__main__":
    main(work)
