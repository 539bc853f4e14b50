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
        computed = [sums for path in sources for sums in again(str(path), attribute)]
        matches = {}
        for side in ("left", "right"):
            stated = {(row["type"], row[attribute]): Decimal(row[side]) for row in rows if Decimal(row[side])}
            matches[side] = {at for at, sums in enumerate(computed) if sums == stated}
        # the two sides must be two data sets, not one compared with itself
        passed = any(left != right for left in matches["left"] for right in matches["right"])
        detail = f"{len(rows)} sums per {attribute} " + ("equal" if passed else "do not equal") + " two source tables"
        checks.append({"name": f"sums_{attribute}", "passed": passed, "detail": detail})
    return {"checks": checks}


def again(path: str, attribute: str) -> list[Side]:
    """Sums by type and attribute for each year and version that a table holds."""
    groups: dict[tuple[str, str], Side] = defaultdict(lambda: defaultdict(Decimal))
    for line in read_lines(path)[0]:
        groups[line.period, line.measure][kind_of(line.kind), getattr(line, attribute)] += line.amount
    return [{key: amount for key, amount in sums.items() if amount} for sums in groups.values()]


if __name__ == "__main__":
    main(work)
