"""Which of several understood tables holds the forecast and which the drivers, by columns and periods alone.

Arguments: period; tables (long CSV files of sheets). Answers with forecast, drivers and why others were left out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from closelib import Answer, WrongInput, main, quarter_bounds, read_rows, wanted
from outputs import header


def work(args: dict[str, Any]) -> Answer:
    """Takes the one table with accounts and amounts for the period, and the one with units and unit prices."""
    period = wanted(args, "period")
    quarter_bounds(period)
    found: dict[str, list[str]] = {"forecast": [], "drivers": []}
    seen: set[str] = set()
    for path in wanted(args, "tables"):
        columns = set(header(Path(path))) if Path(path).is_file() else set()
        kind = (
            "forecast" if {"account", "period", "amount"} <= columns and "entry" not in columns
            else "drivers" if {"product", "account", "period", "quantity", "unit_price"} <= columns else ""
        )  # fmt: skip
        if not kind:
            continue
        periods = {row["period"] for row in read_rows(path, ("period",), kind)}
        seen |= periods if kind == "forecast" else set()
        if period in periods:
            found[kind].append(path)
    if not found["forecast"]:
        known = f"; the tables found cover {', '.join(sorted(seen))}" if seen else ""
        raise WrongInput(f"No table with accounts and a column for {period} was found among the shared files{known}.")
    for kind, paths in found.items():
        if len(paths) > 1:
            raise WrongInput(f"Several tables could be the {kind} for {period}: {', '.join(paths)}. Name one.")
    answer = Answer()
    chosen = {kind: paths[0] for kind, paths in found.items() if paths}
    answer.more = {"drivers": "", **chosen, "chosen": list(chosen.values())}
    return answer


if __name__ == "__main__":
    main(work)
