"""Sentences of the report: periods as people say them, figures as placeholders, names without stray numbers."""

from __future__ import annotations

import re
from decimal import Decimal

from closelib import Row, is_credit

# what may stand in a text without a source: quarters, years, and codes such as JE-000123 or BROOK-2
FREE = re.compile(r"\b(?:Q[1-4]|20\d\d(?:-Q[1-4])?|[A-Za-z]+[-_][A-Za-z0-9-]*\d[\w-]*)\b")
WEIGHTS = {
    "revenue": {"revenue": 1},
    "cogs": {"cogs": 1},
    "gross_margin": {"revenue": 1, "cogs": -1},
    "opex": {"expense": 1},
    "operating_result": {"revenue": 1, "cogs": -1, "expense": -1},
}
LABELS = {
    "revenue": "Revenue", "cogs": "Cost of sales", "gross_margin": "Gross margin", "opex": "Operating expense",
    "operating_result": "Operating result",
}  # fmt: skip
KINDS = {
    "timing": "Timing", "one_off": "One-off", "misposting": "Misposting", "price": "Price", "volume": "Volume",
    "imbalance": "Imbalance", "unexplained": "Unexplained",
}  # fmt: skip
WORDS = {"F": "favourable", "U": "unfavourable", "": "on forecast"}


def spoken(period: str) -> str:
    """2026-Q3 as Q3 2026."""
    year, quarter = period.split("-")
    return f"{quarter} {year}"


def fig(name: str) -> str:
    """The placeholder of a figure."""
    return "{{f:" + name + "}}"


def cite(entries: list[str]) -> str:
    """The placeholders of entries."""
    return ", ".join("{{e:" + entry + "}}" for entry in entries)


def without_numbers(text: str) -> str:
    """A text from the books with numbers left out that nothing in the report accounts for."""
    kept: list[str] = []
    at = 0
    for match in FREE.finditer(text):
        kept += [re.sub(r"\d[\d.,]*", "…", text[at : match.start()]), match[0]]
        at = match.end()
    return "".join(kept) + re.sub(r"\d[\d.,]*", "…", text[at:])


def headline(measure: str, lines: list[Row]) -> tuple[bool, str]:
    """Whether a percentage exists for a line of the statement, and the word for its variance."""
    weights = WEIGHTS[measure]
    forecast = variance = Decimal(0)
    for line in lines:
        weight = weights.get(line["type"], 0)
        forecast += weight * line.amount("forecast")
        variance += weight * line.amount("variance")
    good = variance if measure not in ("cogs", "opex") else -variance
    return forecast != 0, WORDS["" if good == 0 else "F" if good > 0 else "U"]


def statement(measure: str, lines: list[Row]) -> str:
    """One measure in a sentence."""
    has_percent, word = headline(measure, lines)
    share = f", {fig(measure + '_percent')}" if has_percent else ""
    return (
        f"{LABELS[measure]} {fig(measure + '_actual')} against a forecast of {fig(measure + '_forecast')}: "
        f"{fig(measure + '_variance')}{share}, {word}."
    )


def better(line: Row, amount: Decimal) -> str:
    """Favourable or unfavourable for an amount in a line."""
    good = amount if is_credit(line["type"], line["normal"]) else -amount
    return WORDS["F" if good > 0 else "U"]
