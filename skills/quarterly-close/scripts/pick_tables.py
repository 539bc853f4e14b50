"""Which of several understood tables holds the forecast and which the drivers, by columns and periods alone.

Arguments: period; readings (the `files` of what sheets and tables were read: long_file, columns, problems,
unknown_columns); optional documents (Markdown). Answers with forecast, drivers, conventions (the document that states
materiality), kinds and files in the same order, workbook (the id of the sheet with the forecast) and notes. A chosen
table with a problem in the period is an error that names the cell.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from closelib import Answer, WrongInput, main, materiality, quarter_bounds, read_rows, wanted
from outputs import header


def work(args: dict[str, Any]) -> Answer:
    """Takes the one table with accounts and amounts for the period, and the one with units and unit prices."""
    period = wanted(args, "period")
    quarter_bounds(period)
    found: dict[str, list[str]] = {"forecast": [], "drivers": []}
    seen: set[str] = set()
    readings = {r["long_file"]: r for r in args.get("readings") or [] if r.get("long_file")}
    for path in readings:
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
        also = " ".join(["", *(p for r in args.get("readings") or [] for p in r.get("problems") or [])])
        raise WrongInput(
            f"No table with accounts and a column for {period} was found among the shared files{known}.{also}"
        )
    for kind, paths in found.items():
        if len(paths) > 1:
            raise WrongInput(f"Several tables could be the {kind} for {period}: {', '.join(paths)}. Name one.")
    chosen = {kind: paths[0] for kind, paths in found.items() if paths}
    for path in chosen.values():
        wrong = [
            problem for problem in readings[path].get("problems") or [] if matters(problem, readings[path], period)
        ]
        if wrong:
            raise WrongInput(" ".join(wrong[:3]))
    unknown = [column for path in chosen.values() for column in readings[path].get("unknown_columns") or []]
    rules = [path for path in args.get("documents") or [] if states_materiality(path)]
    if len(rules) == 1:
        chosen["conventions"] = rules[0]
    first = read_rows(chosen["forecast"], ("ref",), "forecast")[0]["ref"]
    answer = Answer()
    answer.more = {
        "drivers": "",
        "conventions": "",
        **chosen,
        "kinds": list(chosen),
        "notes": [f"Columns of the forecast that were not understood: {', '.join(unknown)}."] if unknown else [],
        "chosen": list(chosen.values()),
        "workbook": first.removeprefix("sheet:").split("/")[0] if first.startswith("sheet:") else "",
    }
    return answer


def matters(problem: str, reading: dict[str, Any], period: str) -> bool:
    """Whether a problem touches the period: one in a column of another period does not."""
    others = [c["name"] for c in reading.get("columns") or [] if c.get("period") not in (None, "", period)]
    return not any(f"(column {name})" in problem for name in others)


def states_materiality(path: str) -> bool:
    """Whether a document gives both an amount and a percentage of materiality."""
    text = Path(path).read_text("utf-8") if Path(path).is_file() else ""
    return {"material_amount", "material_percent"} <= materiality(text).keys()


if __name__ == "__main__":
    main(work)
