"""Sheets: exact values with their formulas, and writing a tab exactly once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connectors.errors import BadInput, ConflictError, NotFound
from connectors.google.docs import digest
from connectors.google.services import Services
from connectors.google.types import (
    Applied,
    CellInput,
    Preview,
    SheetGrid,
    SheetTab,
    SheetTabWrite,
    column_name,
    sheet_url,
)

OP_KEY = "cadre-op"
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.(\d+))?")
_MOST_DIGITS = 15  # what a double holds exactly
_CELLS = "userEnteredValue,userEnteredFormat,textFormatRuns,note"
_PROPERTIES = "properties(sheetId,title,gridProperties(rowCount,columnCount)),developerMetadata"
_STATE_FIELDS = f"properties.title,sheets({_PROPERTIES},data(rowData(values(userEnteredValue,effectiveValue))))"


class Sheets:
    """The Sheets part of a workspace."""

    def __init__(self, services: Services, base: str) -> None:
        self._services = services
        self._base = base

    async def tabs(self, file_id: str) -> tuple[SheetTab, ...]:
        """The tabs in the order people see them."""
        found = await self._services.read(
            "sheets",
            lambda s: s.spreadsheets().get(spreadsheetId=file_id, fields=f"sheets({_PROPERTIES})"),
            file_id,
        )
        return tuple(self._tab(file_id, sheet["properties"]) for sheet in found["sheets"])

    def _tab(self, file_id: str, given: Mapping[str, Any]) -> SheetTab:
        grid, gid = given.get("gridProperties", {}), given.get("sheetId", 0)
        url = sheet_url(self._base, file_id, gid)
        return SheetTab(gid, given["title"], grid.get("rowCount", 0), grid.get("columnCount", 0), url)

    async def read(self, file_id: str, tab: str | None) -> tuple[SheetGrid, ...]:
        """All tabs, or the named one, with values as exact texts."""
        state = await self._state(file_id)
        grids = tuple(self._grid(file_id, sheet) for sheet in state["sheets"])
        if tab is None:
            return grids
        chosen = tuple(g for g in grids if g.title.lower() == tab.lower())
        if not chosen:
            have = ", ".join(g.title for g in grids)
            raise NotFound(f"The spreadsheet has no tab {tab!r}; it has {have}.")
        return chosen

    def _grid(self, file_id: str, sheet: Mapping[str, Any]) -> SheetGrid:
        tab = self._tab(file_id, sheet["properties"])
        rows, formulas = [], {}
        for number, row in enumerate(_row_data(sheet)):
            values = row.get("values", [])
            rows.append(tuple(_exact(cell.get("effectiveValue", {})) for cell in values))
            for column, cell in enumerate(values):
                formula = cell.get("userEnteredValue", {}).get("formulaValue")
                if formula:
                    formulas[f"{column_name(column)}{number + 1}"] = formula
        while rows and not any(rows[-1]):
            rows.pop()
        return SheetGrid(file_id, tab.title, tab.id, tab.url, tuple(rows), formulas, self._base)

    async def _state(self, file_id: str) -> Any:
        return await self._services.read(
            "sheets",
            lambda s: s.spreadsheets().get(spreadsheetId=file_id, includeGridData=True, fields=_STATE_FIELDS),
            file_id,
        )

    async def preview(self, change: SheetTabWrite, sha256: str) -> Preview:
        """What the tab holds now and what it would hold."""
        if not change.tab.strip() or len(change.tab) > 100:
            raise BadInput("A tab needs a name of at most 100 characters.")
        state = await self._state(change.file_id)
        title = state["properties"]["title"]
        sheet = _named(state, change.tab)
        before = self._grid(change.file_id, sheet) if sheet else None
        pre = {"exists": before is not None, "rows": [list(r) for r in before.rows] if before else []}
        post = {"tab": change.tab, "rows": [[_shown(c) for c in row] for row in change.rows]}
        url = before.url if before else self._file_url(change.file_id)
        target = f"{title}, tab {change.tab}"
        return Preview(target, title, url, _revision(state, change.tab), pre, post, sha256)

    def _file_url(self, file_id: str) -> str:
        return sheet_url(self._base, file_id, 0).partition("?")[0].partition("#")[0]

    async def find(self, op_key: str, change: SheetTabWrite) -> Applied | None:
        """The tab this operation wrote, if it did."""
        lookup = {"dataFilters": [{"developerMetadataLookup": {"metadataId": _number_of(op_key)}}]}
        found = await self._services.read(
            "sheets",
            lambda s: s.spreadsheets().developerMetadata().search(spreadsheetId=change.file_id, body=lookup),
            change.tab,
        )
        for match in found.get("matchedDeveloperMetadata", []):
            entry = match["developerMetadata"]
            if entry.get("metadataValue") == digest(op_key):
                url = sheet_url(self._base, change.file_id, entry["location"].get("sheetId", 0))
                state = await self._state(change.file_id)
                return Applied(change.file_id, url, _revision(state, change.tab), already=True)
        return None

    async def apply(self, change: SheetTabWrite, op_key: str, expected_revision: str | None) -> Applied:
        """Writes the tab in one batch that carries the operation's number, so a repeat fails as a whole."""
        if done := await self.find(op_key, change):
            return done
        state = await self._state(change.file_id)
        title = state["properties"]["title"]
        if expected_revision and _revision(state, change.tab) != expected_revision:
            raise ConflictError(f"{title} was changed since the preview of tab {change.tab}.")
        sheet = _named(state, change.tab)
        gid = sheet["properties"].get("sheetId", 0) if sheet else _number_of(f"tab {op_key}")
        body = {"requests": _requests(change, op_key, gid, new=sheet is None)}
        try:
            await self._services.write(
                "sheets",
                lambda s: s.spreadsheets().batchUpdate(spreadsheetId=change.file_id, body=body),
                f"{title}, tab {change.tab}",
            )
        except BadInput:
            if done := await self.find(op_key, change):
                return done
            raise
        revision = _revision_of(_others(state, change.tab), [[_cell(c) for c in row] for row in change.rows])
        return Applied(change.file_id, sheet_url(self._base, change.file_id, gid), revision, already=False)


def _row_data(sheet: Mapping[str, Any]) -> list[dict[str, Any]]:
    data = sheet.get("data") or [{}]
    rows: list[dict[str, Any]] = data[0].get("rowData", [])
    return rows


def _named(state: Mapping[str, Any], tab: str) -> Mapping[str, Any] | None:
    return next((s for s in state["sheets"] if s["properties"]["title"].lower() == tab.lower()), None)


def _exact(value: Mapping[str, Any]) -> str:
    """A cell's value as text: numbers in their shortest exact form, without exponent."""
    if "numberValue" in value:
        text = format(Decimal(str(value["numberValue"])), "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    if "boolValue" in value:
        return "TRUE" if value["boolValue"] else "FALSE"
    if "errorValue" in value:
        kinds = {"DIVIDE_BY_ZERO": "#DIV/0!", "N_A": "#N/A", "NAME": "#NAME?", "LOADING": "#LOADING"}
        kind = value["errorValue"].get("type", "ERROR")
        return kinds.get(kind, f"#{kind}!")
    return str(value.get("stringValue", value.get("formulaValue", "")))


def _shown(cell: CellInput) -> str:
    if isinstance(cell, Mapping):
        return str(cell["text"])
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    return "" if cell is None else str(cell)


def _cell(cell: CellInput) -> dict[str, Any]:
    """A cell to write; a text never becomes a formula."""
    if isinstance(cell, Mapping):
        url = {"textFormat": {"link": {"uri": cell["url"]}}} if cell.get("url") else {}
        out = _cell(cell["text"])
        out["userEnteredFormat"] = {**out.get("userEnteredFormat", {}), **url}
        return out
    if isinstance(cell, bool):
        return {"userEnteredValue": {"boolValue": cell}}
    text = _shown(cell)
    found = _NUMBER.fullmatch(text)
    if found and text != "-0" and len(re.sub(r"\D", "", text)) <= _MOST_DIGITS:
        value: dict[str, Any] = {"userEnteredValue": {"numberValue": float(text) if found[1] else int(text)}}
        if found[1]:
            pattern = {"type": "NUMBER", "pattern": "#,##0." + "0" * len(found[1])}
            value["userEnteredFormat"] = {"numberFormat": pattern}
        return value
    return {"userEnteredValue": {"stringValue": text}} if text else {}


def _requests(change: SheetTabWrite, op_key: str, gid: int, *, new: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"values": [_cell(c) for c in row]} for row in change.rows]
    for column, head in enumerate(rows[0]["values"] if rows else []):
        if _is_numeric([row["values"][column : column + 1] for row in rows[1:]]):
            head.setdefault("userEnteredFormat", {})["horizontalAlignment"] = "RIGHT"
    width = max((len(row) for row in change.rows), default=1)
    grid = {"rowCount": max(len(rows) + 20, 50), "columnCount": max(width, 8), "frozenRowCount": 1}
    properties = {"sheetId": gid, "title": change.tab, "gridProperties": grid}
    shape: dict[str, Any] = {"addSheet": {"properties": properties}}
    if not new:
        keep = {"sheetId": gid, "gridProperties": grid}
        shape = {"updateSheetProperties": {"properties": keep, "fields": "gridProperties"}}
    metadata = {
        "metadataId": _number_of(op_key),
        "metadataKey": OP_KEY,
        "metadataValue": digest(op_key),
        "location": {"sheetId": gid},
        "visibility": "DOCUMENT",
    }
    bold = {
        "cell": {"userEnteredFormat": {"textFormat": {"bold": True}}},
        "fields": "userEnteredFormat.textFormat.bold",
    }
    columns = {"sheetId": gid, "dimension": "COLUMNS", "startIndex": 0, "endIndex": max(width, 1)}
    return [
        shape,
        {"createDeveloperMetadata": {"developerMetadata": metadata}},
        {"updateCells": {"range": {"sheetId": gid}, "rows": rows, "fields": _CELLS}},
        {"repeatCell": {"range": {"sheetId": gid, "startRowIndex": 0, "endRowIndex": 1}, **bold}},
        {"autoResizeDimensions": {"dimensions": columns}},
    ]


def _is_numeric(column: list[list[dict[str, Any]]]) -> bool:
    """Whether a column holds numbers and nothing else."""
    values = [cell["userEnteredValue"] for cells in column for cell in cells if "userEnteredValue" in cell]
    return bool(values) and all("numberValue" in value for value in values)


def _number_of(key: str) -> int:
    """A 31-bit number for a key: metadata and tabs have no longer ids."""
    return max(1, int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") & 0x7FFFFFFF)


def _entered(rows: list[list[dict[str, Any]]]) -> list[list[str]]:
    """What was entered, in one form whether it was read or is to be written, without empty ends."""
    out = []
    for row in rows:
        cells = []
        for cell in row:
            value = cell.get("userEnteredValue") or {}
            kind = next(iter(value), "")
            cells.append(f"{kind}:{_exact(value)}" if kind and _exact(value) != "" else "")
        while cells and not cells[-1]:
            cells.pop()
        out.append(cells)
    while out and not out[-1]:
        out.pop()
    return out


def _others(state: Mapping[str, Any], tab: str) -> str:
    """What people have in the other tabs. Tabs that Cadre wrote do not count: two approved changes of one
    spreadsheet would otherwise be in each other's way."""
    parts = {}
    for sheet in state["sheets"]:
        ours = any(m.get("metadataKey") == OP_KEY for m in sheet.get("developerMetadata", []))
        title = sheet["properties"]["title"]
        if not ours and title.lower() != tab.lower():
            parts[title] = _entered([r.get("values", []) for r in _row_data(sheet)])
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _revision_of(others: str, rows: list[list[dict[str, Any]]] | None) -> str:
    own = hashlib.sha256(json.dumps(_entered(rows)).encode()).hexdigest()[:24] if rows is not None else "absent"
    return f"{others[:24]}-{own}"


def _revision(state: Mapping[str, Any], tab: str) -> str:
    """The state of a spreadsheet as a write to that tab depends on it. Sheets itself has no revision to compare."""
    sheet = _named(state, tab)
    rows = [r.get("values", []) for r in _row_data(sheet)] if sheet else None
    return _revision_of(_others(state, tab), rows)
