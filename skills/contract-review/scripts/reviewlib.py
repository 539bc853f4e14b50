"""Comparing what contracts say with the team's standard positions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import yaml
from evidence import Row, WrongInput, plain

STANDARDS = Path(__file__).parents[1] / "standards.yml"
HOURS = {"hours": 1, "days": 24, "months": 30 * 24, "years": 365 * 24}
WEIGHTS = ("high", "medium")


@dataclass(frozen=True)
class Deviation:
    """One place where a contract is not as the team wants it; `row` is the result that shows it."""

    weight: str  # high | medium
    row: Row
    found: str  # what the contract says, in few words
    standard: str


def positions() -> dict[str, Row]:
    """The standard positions by question. Raises WrongInput naming the first that is no position."""
    told = yaml.safe_load(STANDARDS.read_text(encoding="utf-8"))["positions"]
    for name, one in told.items():
        weights = {one[key] for key in ("otherwise", "present", "absent") if key in one}
        if "standard" not in one or not weights or not weights <= set(WEIGHTS):
            raise WrongInput(f"standards.yml: {name} needs a standard, and high or medium for what deviates from it.")
    return told


def said(row: Row) -> str:
    """The value of a result in a few words, as the contract prints it."""
    value = row.get("value")
    if isinstance(value, dict):
        return " ".join(str(value[key]) for key in ("number", "unit") if key in value)
    return plain(str(value)) if value not in (None, "") else "yes"


def deviations(rows: list[Row]) -> list[Deviation]:
    """Everything that deviates, high before medium, each in the order of the results."""
    told: list[Deviation] = []
    known = positions()
    by_place: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["status"] == "done" and row["question"] in known:
            by_place[row["item"], row["question"]].append(row)
    for (_, question), answers in by_place.items():
        one = known[question]
        found = [row for row in answers if row["found"]]
        if not found and "absent" in one:
            told.append(Deviation(one["absent"], answers[0], "not in the contract", one["standard"]))
        for row in found:
            weight = one.get("present") or ("" if within(one, row) else one.get("otherwise", ""))
            if weight:
                told.append(Deviation(weight, row, said(row), one["standard"]))
    return sorted(told, key=lambda d: WEIGHTS.index(d.weight))


def within(position: Row, row: Row) -> bool:
    """Whether a value is one that the position takes."""
    if "allow" in position:
        words = said(row).casefold()
        return any(word.casefold() in words for word in position["allow"])
    for key in ("at_most", "at_least"):
        if key in position:
            number, unit = position[key].split()
            limit, value = (
                Decimal(number) * HOURS[unit],
                Decimal(row["value"]["number"]) * HOURS[row["value"]["unit"]],
            )
            return value <= limit if key == "at_most" else value >= limit
    return True
