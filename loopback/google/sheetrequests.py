"""The requests of spreadsheets.batchUpdate, each a function that edits a workbook; REQUESTS names them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from loopback.google import masks
from loopback.google.a1 import Area
from loopback.google.discovery import schemas
from loopback.google.errors import GoogleError, invalid
from loopback.google.files import File, stable_id
from loopback.google.sheetmodel import Cell, Tab, Workbook

Reply = dict[str, Any]
MAX_CELLS = 10_000_000


def properties(book: Workbook, tab: Tab) -> dict[str, Any]:
    """A tab's properties as the service shows them."""
    grid = {"rowCount": tab.rows, "columnCount": tab.columns}
    if tab.frozen:
        grid["frozenRowCount"] = tab.frozen
    index = book.tabs.index(tab)
    base = {"sheetId": tab.id, "title": tab.title, "index": index, "sheetType": "GRID"}
    return {**tab.properties, **base, "gridProperties": grid}


def grid_area(book: Workbook, given: dict[str, Any]) -> tuple[Tab, Area]:
    """A GridRange as a tab and a rectangle of it."""
    tab = book.by_id(given.get("sheetId", 0))
    area = Area(
        tab.title,
        given.get("startRowIndex", 0),
        given.get("startColumnIndex", 0),
        given.get("endRowIndex"),
        given.get("endColumnIndex"),
    )
    full = tab.area(area)
    assert full.row_end is not None and full.column_end is not None
    if full.row_end > tab.rows or full.column_end > tab.columns:
        text = f"GridRange exceeds grid limits. Max rows: {tab.rows}, max columns: {tab.columns}"
        raise invalid(text)
    return tab, full


def _mask(text: str, schema: str) -> masks.Mask:
    if not text:
        raise invalid("At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)")
    mask = masks.parse(text)
    known = schemas("sheets")
    masks.check(mask, known[schema], known)
    return mask


def masked(current: dict[str, Any], given: dict[str, Any], mask: masks.Mask) -> dict[str, Any]:
    """A message after an update of the fields in a mask; a named field without a value is cleared."""
    if not mask or "*" in mask:
        return copy.deepcopy(given)
    out = dict(current)
    for name, inner in mask.items():
        if inner and "*" not in inner:
            out[name] = masked(out.get(name, {}), given.get(name, {}), inner)
        elif name in given:
            out[name] = copy.deepcopy(given[name])
        else:
            out.pop(name, None)
        if out.get(name) == {}:
            del out[name]
    return out


def _updated(cell: Cell, given: dict[str, Any], mask: masks.Mask) -> Cell:
    everything = "*" in mask
    if everything or "userEnteredValue" in mask:
        cell = replace(cell, value=None, formula=None)
        entered = given.get("userEnteredValue") or {}
        if "formulaValue" in entered:
            cell = replace(cell, formula=entered["formulaValue"])
        elif "numberValue" in entered:
            cell = replace(cell, value=Decimal(str(entered["numberValue"])))
        elif "boolValue" in entered:
            cell = replace(cell, value=entered["boolValue"])
        elif "stringValue" in entered:
            cell = replace(cell, value=entered["stringValue"])
    if everything or "userEnteredFormat" in mask:
        inner = {} if everything else mask["userEnteredFormat"]
        cell = replace(cell, format=masked(cell.format, given.get("userEnteredFormat", {}), inner))
    if everything or "textFormatRuns" in mask:
        cell = replace(cell, runs=tuple(copy.deepcopy(given.get("textFormatRuns", []))))
    if everything or "note" in mask:
        cell = replace(cell, note=given.get("note"))
    return cell


def _put(tab: Tab, row: int, column: int, cell: Cell) -> None:
    if cell == Cell():
        tab.cells.pop((row, column), None)
    else:
        tab.cells[row, column] = cell


def _update_cells(book: Workbook, request: dict[str, Any], file: File) -> Reply:
    mask = _mask(request.get("fields", ""), "CellData")
    rows = [row.get("values", []) for row in request.get("rows", [])]
    height, width = len(rows), max((len(r) for r in rows), default=0)
    if "start" in request:
        start = request["start"]
        row, column = start.get("rowIndex", 0), start.get("columnIndex", 0)
        given = {"sheetId": start.get("sheetId", 0), "startRowIndex": row, "startColumnIndex": column}
        given |= {"endRowIndex": row + height, "endColumnIndex": column + width}
        tab, area = grid_area(book, given)
    elif "range" in request:
        tab, area = grid_area(book, request["range"])
    else:
        raise invalid("Must specify either start or range.")
    assert area.row_end is not None and area.column_end is not None
    if height > area.row_end - area.row or width > area.column_end - area.column:
        raise invalid("Attempting to write outside of the requested range.")
    sparse = [at for at in tab.cells if area.row <= at[0] < area.row_end]
    for at in [at for at in sparse if area.column <= at[1] < area.column_end]:
        _put(tab, *at, _updated(tab.cells[at], {}, mask))
    for r, row_cells in enumerate(rows):
        for c, cell in enumerate(row_cells):
            at = (area.row + r, area.column + c)
            _put(tab, *at, _updated(tab.cells.get(at, Cell()), cell, mask))
    return {}


def _repeat_cell(book: Workbook, request: dict[str, Any], file: File) -> Reply:
    mask = _mask(request.get("fields", ""), "CellData")
    tab, area = grid_area(book, request.get("range", {}))
    assert area.row_end is not None and area.column_end is not None
    for r in range(area.row, area.row_end):
        for c in range(area.column, area.column_end):
            _put(tab, r, c, _updated(tab.cells.get((r, c), Cell()), request.get("cell", {}), mask))
    return {}


def _title_is_free(book: Workbook, title: str, but: Tab | None = None) -> None:
    if not title:
        raise invalid("You must specify a sheet name.")
    taken = book.tab(title)
    if taken is not None and taken is not but:
        text = f'A sheet with the name "{title}" already exists. Please enter another name.'
        raise invalid(text)


def _resize(tab: Tab, grid: dict[str, Any]) -> None:
    rows, columns = grid.get("rowCount", tab.rows), grid.get("columnCount", tab.columns)
    if rows < 1 or columns < 1 or rows * columns > MAX_CELLS:
        raise invalid("This action would increase the number of cells in the workbook above the limit.")
    if grid.get("frozenRowCount", tab.frozen) >= rows:
        raise invalid("You can't freeze all visible rows on the sheet.")
    tab.rows, tab.columns = rows, columns
    tab.frozen = grid.get("frozenRowCount", tab.frozen)
    tab.cells = {at: c for at, c in tab.cells.items() if at[0] < rows and at[1] < columns}


def _add_sheet(book: Workbook, request: dict[str, Any], file: File) -> Reply:
    given = request.get("properties", {})
    number = len(book.tabs) + 1
    title = given.get("title") or f"Sheet{number}"
    _title_is_free(book, title)
    sheet_id = given.get("sheetId")
    if sheet_id is None:
        sheet_id = int(stable_id(f"{file.id}/{title}/{number}").encode().hex()[-7:], 16)
    if sheet_id < 0 or any(t.id == sheet_id for t in book.tabs):
        raise invalid(f"A sheet with the id {sheet_id} already exists." if sheet_id >= 0 else "Invalid sheetId.")
    tab = Tab(sheet_id, title)
    _resize(tab, given.get("gridProperties", {}))
    index = given.get("index", len(book.tabs))
    if not 0 <= index <= len(book.tabs):
        raise invalid("Index out of bounds.")
    book.tabs.insert(index, tab)
    return {"addSheet": {"properties": properties(book, tab)}}


def _delete_sheet(book: Workbook, request: dict[str, Any], file: File) -> Reply:
    tab = book.by_id(request.get("sheetId", 0))
    if len(book.tabs) == 1:
        raise invalid("You can't remove all the sheets in a document.")
    book.tabs.remove(tab)
    book.metadata = [m for m in book.metadata if m["location"].get("sheetId") != tab.id]
    return {}


def _sheet_properties(book: Workbook, request: dict[str, Any], file: File) -> Reply:
    mask = _mask(request.get("fields", ""), "SheetProperties")
    given = request.get("properties", {})
    tab = book.by_id(given.get("sheetId", 0))
    if "title" in mask or ("*" in mask and "title" in given):
        _title_is_free(book, given.get("title", ""), but=tab)
        tab.title = given["title"]
    if "gridProperties" in mask or "*" in mask:
        inner = mask.get("gridProperties", {})
        grid = given.get("gridProperties", {})
        _resize(tab, {k: v for k, v in grid.items() if not inner or "*" in inner or k in inner})
    if "index" in mask and "index" in given:
        book.tabs.remove(tab)
        book.tabs.insert(given["index"], tab)
    for name in ("tabColor", "tabColorStyle", "hidden"):
        if name in mask and name in given:
            tab.properties[name] = given[name]
    return {}


def _metadata(book: Workbook, request: dict[str, Any], file: File) -> Reply:
    given = copy.deepcopy(request.get("developerMetadata", {}))
    if not given.get("metadataKey"):
        raise invalid("developerMetadata.metadataKey must be set.")
    if given.get("visibility") not in ("DOCUMENT", "PROJECT"):
        raise invalid("developerMetadata.visibility must be set.")
    location = given.get("location") or {}
    if "sheetId" in location:
        book.by_id(location["sheetId"])
        location["locationType"] = "SHEET"
    elif location.get("spreadsheet"):
        location["locationType"] = "SPREADSHEET"
    else:
        raise invalid("developerMetadata.location must be a sheet or the spreadsheet on this local server.")
    taken = {m["metadataId"] for m in book.metadata}
    number = given.get("metadataId")
    if number is None:
        number = 1 + max(taken, default=1000)
    if number < 0:
        raise invalid("Invalid metadataId.")
    if number in taken:
        raise invalid(f"Developer metadata with ID {number} already exists.")
    given |= {"metadataId": number, "location": location}
    book.metadata.append(given)
    return {"createDeveloperMetadata": {"developerMetadata": given}}


def _delete_metadata(book: Workbook, request: dict[str, Any], file: File) -> Reply:
    lookup = (request.get("dataFilter") or {}).get("developerMetadataLookup") or {}
    names = ("metadataId", "metadataKey", "metadataValue")
    if not any(name in lookup for name in names):
        raise invalid("Must specify a developer metadata lookup on this local server.")
    gone = [m for m in book.metadata if all(lookup[n] == m.get(n) for n in names if n in lookup)]
    book.metadata = [m for m in book.metadata if m not in gone]
    return {"deleteDeveloperMetadata": {"deletedDeveloperMetadata": gone}}


def _add_chart(book: Workbook, request: dict[str, Any], file: File) -> Reply:
    chart = copy.deepcopy(request.get("chart") or {})
    spec = chart.get("spec") or {}
    kinds = [name for name in spec if name.endswith("Chart")]
    if len(kinds) != 1:
        raise invalid("Exactly one kind of chart must be specified.")
    for source in _sources(spec):
        grid_area(book, source)
    taken = {one["chartId"] for tab in book.tabs for one in tab.charts}
    number = chart.setdefault("chartId", 1 + max(taken, default=1000))
    if number in taken:
        raise invalid(f"An embedded object with ID {number} already exists.")
    anchor = ((chart.get("position") or {}).get("overlayPosition") or {}).get("anchorCell") or {}
    book.by_id(anchor.get("sheetId", 0)).charts.append(chart)
    return {"addChart": {"chart": chart}}


def _sources(spec: Any) -> list[dict[str, Any]]:
    """Every range that a chart is drawn from."""
    if isinstance(spec, list):
        return [found for item in spec for found in _sources(item)]
    if not isinstance(spec, dict):
        return []
    own = (spec.get("sourceRange") or {}).get("sources", [])
    return [*own, *(found for item in spec.values() for found in _sources(item))]


def _delete_object(book: Workbook, request: dict[str, Any], file: File) -> Reply:
    number = request.get("objectId", 0)
    for tab in book.tabs:
        for chart in tab.charts:
            if chart["chartId"] == number:
                tab.charts.remove(chart)
                return {}
    raise invalid(f"No embedded object with id: {number}")


def _auto_resize(book: Workbook, request: dict[str, Any], file: File) -> Reply:
    book.by_id(request.get("dimensions", {}).get("sheetId", 0))
    return {}


def _spreadsheet_properties(book: Workbook, request: dict[str, Any], file: File) -> Reply:
    mask = _mask(request.get("fields", ""), "SpreadsheetProperties")
    if "title" in mask:
        file.name = request.get("properties", {}).get("title") or file.name
    return {}


REQUESTS: dict[str, Callable[[Workbook, dict[str, Any], File], Reply]] = {
    "addSheet": _add_sheet,
    "deleteSheet": _delete_sheet,
    "updateCells": _update_cells,
    "repeatCell": _repeat_cell,
    "updateSheetProperties": _sheet_properties,
    "updateSpreadsheetProperties": _spreadsheet_properties,
    "createDeveloperMetadata": _metadata,
    "deleteDeveloperMetadata": _delete_metadata,
    "addChart": _add_chart,
    "deleteEmbeddedObject": _delete_object,
    "autoResizeDimensions": _auto_resize,
}


def run(book: Workbook, requests: list[dict[str, Any]], file: File) -> tuple[Workbook, list[Reply]]:
    """A new workbook with all requests applied, or the error of the first that cannot be."""
    edited, replies, name = book.clone(), [], file.name
    for number, request in enumerate(requests):
        if len(request) != 1:
            raise invalid(f"Invalid requests[{number}]: exactly one request must be set.")
        kind, body = next(iter(request.items()))
        if kind not in REQUESTS:
            raise GoogleError(501, f"requests[{number}].{kind} is not available on this local server.")
        try:
            replies.append(REQUESTS[kind](edited, body, file))
        except GoogleError as error:
            file.name = name
            text = f"Invalid requests[{number}].{kind}: {error.message}"
            raise GoogleError(error.code, text, reason=error.reason) from error
    return edited, replies
