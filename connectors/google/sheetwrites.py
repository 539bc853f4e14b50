"""Writing tabs and cells of a spreadsheet exactly once, and bringing back what they held.

Sheets has no revision to compare, so what a write depends on is read and compared right before it; the operation's
number goes into the same batch as metadata, so that a repeat fails as a whole.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from connectors.errors import BadInput, ConflictError, NotFound
from connectors.google.celldata import WRITTEN, Cells, brought_back, cell_data, shown, width, written
from connectors.google.changes import Applied, Preview, SheetCells, SheetChart, SheetTabWrite
from connectors.google.docs import digest
from connectors.google.services import Services
from connectors.google.sheets import Sheets, exact, row_data, tab_of
from connectors.google.types import a1_to_index, cell_url, column_name, sheet_url

OP_KEY = "cadre-op"
CELLS = "userEnteredValue,userEnteredFormat,textFormatRuns,note"
Request = dict[str, Any]
_InTab = SheetTabWrite | SheetCells | SheetChart


class Batches:
    """Batches that carry an operation's number, and the search for it."""

    def __init__(self, services: Services, sheets: Sheets, base: str) -> None:
        self.services, self.sheets, self.base = services, sheets, base

    async def found(self, op_key: str, file_id: str) -> bool:
        """Whether the batch of this operation is in the spreadsheet."""
        lookup = {"dataFilters": [{"developerMetadataLookup": {"metadataId": number_of(op_key)}}]}
        found = await self.services.read(
            "sheets",
            lambda s: s.spreadsheets().developerMetadata().search(spreadsheetId=file_id, body=lookup),
            file_id,
        )
        entries = [match["developerMetadata"] for match in found.get("matchedDeveloperMetadata", [])]
        return any(entry.get("metadataValue") == digest(op_key) for entry in entries)

    async def send(self, op_key: str, file_id: str, requests: list[Request], gid: int | None, what: str) -> bool:
        """The batch with its number, on a tab or on the whole spreadsheet; False when it had been there before."""
        metadata = {
            "metadataId": number_of(op_key),
            "metadataKey": OP_KEY,
            "metadataValue": digest(op_key),
            "location": {"spreadsheet": True} if gid is None else {"sheetId": gid},
            "visibility": "DOCUMENT",
        }
        number = {"createDeveloperMetadata": {"developerMetadata": metadata}}
        body = {"requests": [*requests[:1], number, *requests[1:]]}
        try:
            await self.services.write(
                "sheets", lambda s: s.spreadsheets().batchUpdate(spreadsheetId=file_id, body=body), what
            )
        except BadInput:
            if await self.found(op_key, file_id):
                return False
            raise
        return True

    async def cells(self, file_id: str, area: str) -> list[list[dict[str, Any]]]:
        """An area with all that was entered and how it looks, as it can be written back."""
        fields = f"sheets(data(rowData(values({CELLS}))))"
        found = await self.services.read(
            "sheets",
            lambda s: s.spreadsheets().get(spreadsheetId=file_id, ranges=[area], includeGridData=True, fields=fields),
            area,
        )
        return [row.get("values", []) for row in row_data(found["sheets"][0])]

    def missing(self, state: Mapping[str, Any], tab: str) -> NotFound:
        """The sentence for a tab that is not there."""
        have = ", ".join(sheet["properties"]["title"] for sheet in state["sheets"])
        return NotFound(f"The spreadsheet {state['properties']['title']!r} has no tab {tab!r}; its tabs are {have}.")


class TabWrites:
    """Writes of kind SheetTabWrite."""

    def __init__(self, batches: Batches) -> None:
        self._b = batches

    async def preview(self, change: SheetTabWrite, sha256: str) -> Preview:
        """What the tab holds now and what it would hold."""
        if not change.tab.strip() or len(change.tab) > 100:
            raise BadInput("A tab needs a name of at most 100 characters.")
        state = await self._b.sheets.state(change.file_id)
        title = state["properties"]["title"]
        sheet = tab_of(state, change.tab)
        before = await asyncio.to_thread(self._b.sheets.grid, change.file_id, sheet) if sheet else None
        pre: dict[str, Any] = {
            "exists": before is not None,
            "rows": [list(r) for r in before.rows] if before else [],
        }
        if sheet is not None:
            pre["cells"] = await self._b.cells(change.file_id, quoted(sheet["properties"]["title"]))
            pre["grid"] = sheet["properties"]["gridProperties"]
        post = {"tab": change.tab, "rows": [[shown(c) for c in row] for row in change.rows]}
        url = before.url if before else sheet_url(self._b.base, change.file_id, 0).partition("?")[0].partition("#")[0]
        target = f"{title}, tab {change.tab}"
        return Preview(target, title, url, await _revision(state, change.tab), pre, post, sha256)

    async def find(self, op_key: str, change: SheetTabWrite) -> Applied | None:
        """The tab this operation wrote, if it did."""
        if not await self._b.found(op_key, change.file_id):
            return None
        state = await self._b.sheets.state(change.file_id)
        sheet = tab_of(state, change.tab)
        gid = sheet["properties"].get("sheetId", 0) if sheet else 0
        return self._applied(state, change, gid, already=True)

    async def apply(self, change: SheetTabWrite, op_key: str, expected: str | None) -> Applied:
        """Writes the tab in one batch."""
        if done := await self.find(op_key, change):
            return done
        state = await self._b.sheets.state(change.file_id)
        title = state["properties"]["title"]
        if expected and await _revision(state, change.tab) != expected:
            raise ConflictError(f"{title} was changed since the preview of tab {change.tab}.")
        sheet = tab_of(state, change.tab)
        gid = sheet["properties"].get("sheetId", 0) if sheet else number_of(f"tab {op_key}")
        requests = _whole_tab(change, gid, new=sheet is None)
        new = await self._b.send(op_key, change.file_id, requests, gid, f"{title}, tab {change.tab}")
        return self._applied(state, change, gid, already=not new)

    def _applied(self, state: Mapping[str, Any], change: SheetTabWrite, gid: int, *, already: bool) -> Applied:
        written = [[cell_data(c) for c in row] for row in change.rows]
        revision = _revision_of(_others(state, change.tab), written)
        return Applied(change.file_id, sheet_url(self._b.base, change.file_id, gid), revision, already)

    async def undo(self, change: SheetTabWrite, op_key: str, done: Applied, pre_image: dict[str, Any]) -> None:
        """A new tab goes, a replaced one gets its cells back with their looks."""
        if await self._b.found(_undone(op_key), change.file_id):
            return
        state = await self._b.sheets.state(change.file_id)
        sheet, title = tab_of(state, change.tab), state["properties"]["title"]
        own = (await _revision(state, change.tab)).partition("-")[2]
        if sheet is None or own != done.revision.partition("-")[2]:
            raise ConflictError(
                f"Tab {change.tab} of {title} was changed by someone since it was written, so it stays."
            )
        gid = sheet["properties"].get("sheetId", 0)
        requests: list[Request] = [{"deleteSheet": {"sheetId": gid}}]
        if pre_image["exists"]:
            grid = {"frozenRowCount": 0, **pre_image["grid"]}
            properties = {"sheetId": gid, "gridProperties": grid}
            rows = [{"values": row} for row in pre_image["cells"]]
            requests = [
                {"updateSheetProperties": {"properties": properties, "fields": "gridProperties"}},
                {"updateCells": {"range": {"sheetId": gid}, "rows": rows, "fields": CELLS}},
            ]
        what = f"{title}, tab {change.tab}"
        await self._b.send(_undone(op_key), change.file_id, requests, None, what)


class CellWrites:
    """Writes of kind SheetCells."""

    def __init__(self, batches: Batches) -> None:
        self._b = batches

    async def preview(self, change: SheetCells, sha256: str) -> Preview:
        """The cells before and after."""
        area = _area(change)
        state = await self._b.sheets.state(change.file_id)
        title, sheet = state["properties"]["title"], tab_of(state, change.tab)
        if sheet is None:
            raise self._b.missing(state, change.tab)
        before = await self._b.cells(change.file_id, area)
        rows = [[exact(cell.get("userEnteredValue", {})) for cell in row] for row in before]
        post = {"tab": change.tab, "range": area, "rows": [[shown(c) for c in row] for row in change.rows]}
        url = self._url(change, sheet["properties"].get("sheetId", 0))
        return Preview(area, title, url, _of_cells(before), {"rows": rows, "cells": before}, post, sha256)

    def _url(self, change: SheetCells, gid: int) -> str:
        return cell_url(self._b.base, change.file_id, gid, _area(change).rpartition("!")[2])

    async def find(self, op_key: str, change: SheetCells) -> Applied | None:
        """The cells this operation wrote, if it did."""
        return await self._applied(change, True) if await self._b.found(op_key, change.file_id) else None

    async def apply(self, change: SheetCells, op_key: str, expected: str | None) -> Applied:
        """Writes the cells in one batch."""
        if done := await self.find(op_key, change):
            return done
        gid, title = await self._tab(change)
        before = await self._b.cells(change.file_id, _area(change))
        if expected and _of_cells(before) != expected:
            raise ConflictError(f"{_said(change)} of {title} was changed since the preview.")
        requests = [_update(change, gid, written(change, before))]
        new = await self._b.send(op_key, change.file_id, requests, gid, f"{title}, {_area(change)}")
        return await self._applied(change, not new)

    async def _tab(self, change: _InTab) -> tuple[int, str]:
        state = await self._b.sheets.state(change.file_id)
        sheet = tab_of(state, change.tab)
        if sheet is None:
            raise self._b.missing(state, change.tab)
        return sheet["properties"].get("sheetId", 0), state["properties"]["title"]

    async def _applied(self, change: SheetCells, already: bool) -> Applied:
        gid, _ = await self._tab(change)
        written = [[cell_data(c) for c in row] for row in change.rows]
        return Applied(change.file_id, self._url(change, gid), _of_cells(written), already)

    async def undo(self, change: SheetCells, op_key: str, done: Applied, pre_image: dict[str, Any]) -> None:
        """The cells get back what they held."""
        if await self._b.found(_undone(op_key), change.file_id):
            return
        gid, title = await self._tab(change)
        now = await self._b.cells(change.file_id, _area(change))
        if _of_cells(now) != done.revision:
            told = f"{_said(change)} of {title} was changed by someone since it was written"
            raise ConflictError(f"{told}, so it stays.")
        requests = [_update(change, gid, brought_back(change, pre_image["cells"], now))]
        await self._b.send(_undone(op_key), change.file_id, requests, gid, f"{title}, {_area(change)}")


class Charts:
    """Writes of kind SheetChart."""

    def __init__(self, batches: Batches) -> None:
        self._b = batches

    async def preview(self, change: SheetChart, sha256: str) -> Preview:
        """A new chart over what is there."""
        state = await self._b.sheets.state(change.file_id)
        title, sheet = state["properties"]["title"], tab_of(state, change.tab)
        if sheet is None:
            raise self._b.missing(state, change.tab)
        _chart(change, 0, 1)
        url = cell_url(self._b.base, change.file_id, sheet["properties"].get("sheetId", 0), change.source)
        post = {"tab": change.tab, "chart": change.kind.lower(), "source": change.source, "title": change.title}
        return Preview(f"{title}, tab {change.tab}", title, url, None, {}, post, sha256)

    async def find(self, op_key: str, change: SheetChart) -> Applied | None:
        """The chart this operation drew, if it did."""
        if not await self._b.found(op_key, change.file_id):
            return None
        return await self._applied(change, op_key, already=True)

    async def _applied(self, change: SheetChart, op_key: str, *, already: bool) -> Applied:
        gid, charts = await self._now(change)
        spec = next((c.get("spec") for c in charts if c["chartId"] == number_of(f"chart {op_key}")), None)
        url = cell_url(self._b.base, change.file_id, gid, change.at)
        return Applied(change.file_id, url, _of_spec(spec), already)

    async def _now(self, change: SheetChart) -> tuple[int, list[dict[str, Any]]]:
        found = await self._b.services.read(
            "sheets",
            lambda s: s.spreadsheets().get(
                spreadsheetId=change.file_id, fields="properties.title,sheets(properties,charts)"
            ),
            change.file_id,
        )
        sheet = tab_of(found, change.tab)
        if sheet is None:
            raise self._b.missing(found, change.tab)
        return sheet["properties"].get("sheetId", 0), sheet.get("charts", [])

    async def apply(self, change: SheetChart, op_key: str, expected: str | None) -> Applied:
        """Draws the chart in one batch."""
        if done := await self.find(op_key, change):
            return done
        gid, _ = await self._now(change)
        requests = [_chart(change, gid, number_of(f"chart {op_key}"))]
        new = await self._b.send(op_key, change.file_id, requests, gid, f"the chart {change.title}")
        return await self._applied(change, op_key, already=not new)

    async def undo(self, change: SheetChart, op_key: str, done: Applied, pre_image: dict[str, Any]) -> None:
        """The chart goes."""
        if await self._b.found(_undone(op_key), change.file_id):
            return
        gid, charts = await self._now(change)
        number = number_of(f"chart {op_key}")
        spec = next((c.get("spec") for c in charts if c["chartId"] == number), None)
        if spec is None or _of_spec(spec) != done.revision:
            raise ConflictError(f"The chart {change.title} was changed by someone since it was drawn, so it stays.")
        requests = [{"deleteEmbeddedObject": {"objectId": number}}]
        await self._b.send(_undone(op_key), change.file_id, requests, gid, f"the chart {change.title}")


def number_of(key: str) -> int:
    """A 31-bit number for a key: metadata, tabs and charts have no longer ids."""
    return max(1, int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") & 0x7FFFFFFF)


def quoted(tab: str) -> str:
    """A tab's name as it stands in a range."""
    return "'" + tab.replace("'", "''") + "'"


def _undone(op_key: str) -> str:
    return f"undo {op_key}"


def _area(change: SheetCells) -> str:
    """The range of a change of cells. Raises BadInput when it has none."""
    height, width = len(change.rows), max((len(row) for row in change.rows), default=0)
    if not height or not width:
        raise BadInput("There are no cells to write.")
    try:
        row, column = a1_to_index(change.at)
    except ValueError as error:
        raise BadInput(f"{error}; give a cell such as B4, the upper left corner.") from error
    last = f"{column_name(column + width - 1)}{row + height}"
    return f"{quoted(change.tab)}!{column_name(column)}{row + 1}:{last}"


def _said(change: SheetCells) -> str:
    """The range as people say it."""
    first, _, last = _area(change).rpartition("!")[2].partition(":")
    return f"{change.tab}!{first}" if first == last else f"{change.tab}!{first}:{last}"


def _update(change: SheetCells, gid: int, rows: Cells) -> Request:
    row, column = a1_to_index(change.at)
    span = {"sheetId": gid, "startRowIndex": row, "endRowIndex": row + len(change.rows)}
    span |= {"startColumnIndex": column, "endColumnIndex": column + width(change)}
    return {"updateCells": {"range": span, "rows": [{"values": row} for row in rows], "fields": WRITTEN}}


def _whole_tab(change: SheetTabWrite, gid: int, *, new: bool) -> list[Request]:
    rows: list[dict[str, Any]] = [{"values": [cell_data(c) for c in row]} for row in change.rows]
    for column, head in enumerate(rows[0]["values"] if rows else []):
        if _is_numeric([row["values"][column : column + 1] for row in rows[1:]]):
            head.setdefault("userEnteredFormat", {})["horizontalAlignment"] = "RIGHT"
    width = max((len(row) for row in change.rows), default=1)
    grid = {"rowCount": max(len(rows) + 20, 50), "columnCount": max(width, 8), "frozenRowCount": 1}
    properties = {"sheetId": gid, "title": change.tab, "gridProperties": grid}
    shape: Request = {"addSheet": {"properties": properties}}
    if not new:
        keep = {"sheetId": gid, "gridProperties": grid}
        shape = {"updateSheetProperties": {"properties": keep, "fields": "gridProperties"}}
    bold = {
        "cell": {"userEnteredFormat": {"textFormat": {"bold": True}}},
        "fields": "userEnteredFormat.textFormat.bold",
    }
    columns = {"sheetId": gid, "dimension": "COLUMNS", "startIndex": 0, "endIndex": max(width, 1)}
    return [
        shape,
        {"updateCells": {"range": {"sheetId": gid}, "rows": rows, "fields": CELLS}},
        {"repeatCell": {"range": {"sheetId": gid, "startRowIndex": 0, "endRowIndex": 1}, **bold}},
        {"autoResizeDimensions": {"dimensions": columns}},
    ]


def _is_numeric(column: list[list[dict[str, Any]]]) -> bool:
    """Whether a column holds numbers and nothing else."""
    values = [cell["userEnteredValue"] for cells in column for cell in cells if "userEnteredValue" in cell]
    return bool(values) and all("numberValue" in value for value in values)


def _chart(change: SheetChart, gid: int, number: int) -> Request:
    first, _, last = change.source.partition(":")
    try:
        (row, column), (row_end, column_end) = a1_to_index(first), a1_to_index(last)
        at = a1_to_index(change.at)
    except ValueError as error:
        raise BadInput(f"{error}; a chart needs a range such as A1:C12 and a cell to lie at.") from error
    if column_end <= column or row_end <= row or change.kind not in ("COLUMN", "BAR", "LINE", "AREA"):
        raise BadInput(
            "A chart is COLUMN, BAR, LINE or AREA over a header row, a column of labels and one or more more."
        )

    def source(n: int) -> dict[str, Any]:
        span = {"sheetId": gid, "startRowIndex": row, "endRowIndex": row_end + 1}
        return {"sourceRange": {"sources": [{**span, "startColumnIndex": n, "endColumnIndex": n + 1}]}}

    axis = "BOTTOM_AXIS" if change.kind == "BAR" else "LEFT_AXIS"
    series = [{"series": source(n), "targetAxis": axis} for n in range(column + 1, column_end + 1)]
    basic = {"chartType": change.kind, "legendPosition": "BOTTOM_LEGEND", "headerCount": 1, "series": series}
    spec = {"title": change.title, "basicChart": {**basic, "domains": [{"domain": source(column)}]}}
    anchor = {"sheetId": gid, "rowIndex": at[0], "columnIndex": at[1]}
    position = {"overlayPosition": {"anchorCell": anchor}}
    return {"addChart": {"chart": {"chartId": number, "spec": spec, "position": position}}}


def _of_spec(spec: Any) -> str:
    """A chart as people chose it: what Sheets adds by itself does not count."""
    spec = spec or {}
    seen = [spec.get("title"), spec.get("basicChart", {}).get("chartType"), spec.get("basicChart", {}).get("series")]
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:24]


def _entered(rows: list[list[dict[str, Any]]]) -> list[list[str]]:
    """What was entered, in one form whether it was read or is to be written, without empty ends."""
    out = []
    for row in rows:
        cells = []
        for cell in row:
            value = cell.get("userEnteredValue") or {}
            kind = next(iter(value), "")
            cells.append(f"{kind}:{exact(value)}" if kind and exact(value) != "" else "")
        while cells and not cells[-1]:
            cells.pop()
        out.append(cells)
    while out and not out[-1]:
        out.pop()
    return out


def _of_cells(rows: list[list[dict[str, Any]]]) -> str:
    return hashlib.sha256(json.dumps(_entered(rows)).encode()).hexdigest()[:24]


def _others(state: Mapping[str, Any], tab: str) -> str:
    """What people have in the other tabs. Tabs that Cadre wrote do not count: two approved changes of one
    spreadsheet would otherwise be in each other's way."""
    parts = {}
    for sheet in state["sheets"]:
        ours = any(m.get("metadataKey") == OP_KEY for m in sheet.get("developerMetadata", []))
        title = sheet["properties"]["title"]
        if not ours and title.lower() != tab.lower():
            parts[title] = _entered([r.get("values", []) for r in row_data(sheet)])
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _revision_of(others: str, rows: list[list[dict[str, Any]]] | None) -> str:
    return f"{others[:24]}-{_of_cells(rows) if rows is not None else 'absent'}"


async def _revision(state: Mapping[str, Any], tab: str) -> str:
    """The state of a spreadsheet as a write to that tab depends on it; a large one takes seconds, so in a thread."""

    def reckoned() -> str:
        sheet = tab_of(state, tab)
        rows = [r.get("values", []) for r in row_data(sheet)] if sheet else None
        return _revision_of(_others(state, tab), rows)

    return await asyncio.to_thread(reckoned)
