"""The totals of a comparison equal its source tables, added up again from their rows."""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from budgetlib import WrongInput, kind_of, main, read_lines

TABLES = {"departments.csv": "department", "funds.csv": "fund"}
Side = dict[tuple[str, str], Decimal]


def work(args: dict[str, Any]) -> dict[str, Any]:
    """Adds up each source table once more and looks for both sides among the results."""
    checks = []
    sources = sorted(Path().rglob("*.long.csv"))
    for name, attribute in TABLES.items():
        found = sorted(Path().rglob(name))
        if not found:
            raise WrongInput(f"{name} is not among the outputs.")
        with found[0].open(encoding="utf-8", newline="") as table:
            rows = list(csv.DictReader(table))
        computed = [again(str(path), attribute) for path in sources]
        for side in ("left", "right"):
            stated = {(row["type"], row[attribute]): Decimal(row[side]) for row in rows}
            stated = {key: amount for key, amount in stated.items() if amount}
            passed = any(stated == one for sums in computed for one in sums)
            detail = f"{len(stated)} sums per {attribute} {'equal' if passed else 'equal no'} source table"
            checks.append({"name": f"sums_{attribute}_{side}", "passed": passed, "detail": detail})
    return {"checks": checks}


def again(path: str, attribute: str) -> list[Side]:
    """Sums by type and attribute for each year and version that a table holds."""
    groups: dict[tuple[str, str], Side] = defaultdict(lambda: defaultdict(Decimal))
    for line in read_lines(path)[0]:
        groups[line.period, line.measure][kind_of(line.kind), getattr(line, attribute)] += line.amount
    return [{key: amount for key, amount in sums.items() if amount} for sums in groups.values()]


if __name__ == "__main__":
    main(work)
