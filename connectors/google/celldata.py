"""Cells as Sheets takes them: values as they are typed, and what is laid over them where it was."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.google.changes import SheetCells
from connectors.google.types import CellInput

# What people laid over a cell (its note, its colours) stays when it is written.
WRITTEN = "userEnteredValue,textFormatRuns,userEnteredFormat.numberFormat,userEnteredFormat.textFormat.link"
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.(\d+))?")
_MOST_DIGITS = 15  # what a double holds exactly
Cells = list[list[dict[str, Any]]]


def shown(cell: CellInput) -> str:
    """A cell's text as a preview shows it."""
    if isinstance(cell, Mapping):
        return str(cell["text"])
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    return "" if cell is None else str(cell)


def cell_data(cell: CellInput) -> dict[str, Any]:
    """A cell to write; a text never becomes a formula."""
    if isinstance(cell, Mapping):
        url = {"textFormat": {"link": {"uri": cell["url"]}}} if cell.get("url") else {}
        out = cell_data(cell["text"])
        out["userEnteredFormat"] = {**out.get("userEnteredFormat", {}), **url}
        return out
    if isinstance(cell, bool):
        return {"userEnteredValue": {"boolValue": cell}}
    text = shown(cell)
    found = _NUMBER.fullmatch(text)
    if found and text != "-0" and len(re.sub(r"\D", "", text)) <= _MOST_DIGITS:
        value: dict[str, Any] = {"userEnteredValue": {"numberValue": float(text) if found[1] else int(text)}}
        if found[1]:
            pattern = {"type": "NUMBER", "pattern": "#,##0." + "0" * len(found[1])}
            value["userEnteredFormat"] = {"numberFormat": pattern}
        return value
    return {"userEnteredValue": {"stringValue": text}} if text else {}


def width(change: SheetCells) -> int:
    return max(len(row) for row in change.rows)


def written(change: SheetCells, before: Cells) -> Cells:
    """The cells to write: a number looks as the cell's numbers did, and as it was given where nothing says how."""
    return [
        [
            _numbered(cell_data(row[x]) if x < len(row) else {}, _number_format(_at(before, y, x)))
            for x in range(width(change))
        ]
        for y, row in enumerate(change.rows)
    ]


def brought_back(change: SheetCells, before: Cells, now: Cells) -> Cells:
    """The cells as they were, but for the looks of numbers that somebody chose since."""
    ours = written(change, before)

    def one(y: int, x: int) -> dict[str, Any]:
        chosen, old = _number_format(_at(now, y, x)), _at(before, y, x)
        if chosen == _number_format(ours[y][x]):
            return old
        own = {k: v for k, v in old.get("userEnteredFormat", {}).items() if k != "numberFormat"}
        return _numbered({**old, "userEnteredFormat": own}, chosen)

    return [[one(y, x) for x in range(width(change))] for y in range(len(change.rows))]


def _at(rows: Cells, y: int, x: int) -> dict[str, Any]:
    return rows[y][x] if y < len(rows) and x < len(rows[y]) else {}


def _number_format(cell: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = cell.get("userEnteredFormat", {}).get("numberFormat") or {}
    return found


def _numbered(cell: dict[str, Any], shown_as: dict[str, Any]) -> dict[str, Any]:
    if not shown_as:
        return cell
    return {**cell, "userEnteredFormat": {**cell.get("userEnteredFormat", {}), "numberFormat": shown_as}}
