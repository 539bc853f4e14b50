"""Sheets v4: spreadsheets, values and developer metadata."""

from __future__ import annotations

import copy
from dataclasses import replace
from decimal import Decimal
from typing import Any

from loopback.google import a1, sheetrequests
from loopback.google.calls import Answer, Call, Handler
from loopback.google.errors import GoogleError, invalid
from loopback.google.files import SHEET, File
from loopback.google.formulas import FormulaError
from loopback.google.sheetmodel import Cell, Tab, Values, Workbook, entered, json_number

_ERROR_TYPES = {"#DIV/0!": "DIVIDE_BY_ZERO", "#REF!": "REF", "#VALUE!": "VALUE", "#NUM!": "NUM", "#N/A": "N_A"}


def _file(call: Call, *, write: bool) -> tuple[File, Workbook]:
    drive, file_id = call.drive, call.params["spreadsheetId"]
    try:
        file = drive.writable(file_id, call.user) if write else drive.readable(file_id, call.user)
    except GoogleError as error:
        if error.code == 404:
            raise GoogleError(404, "Requested entity was not found.") from error
        raise GoogleError(403, "The caller does not have permission") from error
    if file.sheet is None:
        text = "This operation is not supported for this document"
        raise GoogleError(400, text, reason="failedPrecondition")
    return file, file.sheet


def _area(book: Workbook, text: str) -> tuple[Tab, a1.Area]:
    area = a1.parse(text, [t.title for t in book.tabs])
    tab = book.tab(area.tab) if area else None
    if area is None or tab is None:
        raise invalid(f"Unable to parse range: {text}")
    return tab, tab.area(area)


def _extended(value: Any) -> dict[str, Any]:
    if isinstance(value, FormulaError):
        kind = _ERROR_TYPES.get(str(value), "ERROR")
        return {"errorValue": {"type": kind, "message": f"The formula gives {value}"}}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, Decimal):
        return {"numberValue": json_number(value)}
    return {"stringValue": value}


def _cell(values: Values, tab: Tab, row: int, column: int) -> dict[str, Any]:
    cell = tab.cells.get((row, column))
    if cell is None:
        return {}
    out: dict[str, Any] = {}
    if not cell.blank:
        out["userEnteredValue"] = {"formulaValue": cell.formula} if cell.formula else _extended(cell.value)
        out["effectiveValue"] = _extended(values.value(tab, row, column))
        out["formattedValue"] = values.shown(tab, row, column)
    if cell.format:
        out["userEnteredFormat"] = cell.format
        out["effectiveFormat"] = cell.format
    if cell.link:
        out["hyperlink"] = cell.link
    if cell.runs:
        out["textFormatRuns"] = list(cell.runs)
    if cell.note:
        out["note"] = cell.note
    return out


def _grid(values: Values, tab: Tab, area: a1.Area) -> dict[str, Any]:
    used_rows, used_columns = tab.used
    row_end = min(area.row_end or 0, used_rows)
    column_end = min(area.column_end or 0, used_columns)
    rows = []
    for r in range(area.row, row_end):
        cells = [_cell(values, tab, r, c) for c in range(area.column, column_end)]
        while cells and not cells[-1]:
            cells.pop()
        rows.append({"values": cells} if cells else {})
    out: dict[str, Any] = {"rowData": rows} if rows else {}
    if area.row:
        out["startRow"] = area.row
    if area.column:
        out["startColumn"] = area.column
    return out


def _spreadsheet(call: Call, file: File, book: Workbook, ranges: list[str], data: bool) -> dict[str, Any]:
    wanted: dict[int, list[a1.Area]] = {}
    for text in ranges:
        tab, area = _area(book, text)
        wanted.setdefault(tab.id, []).append(area)
    values = Values(book)
    sheets = []
    for tab in book.tabs:
        if ranges and tab.id not in wanted:
            continue
        entry: dict[str, Any] = {"properties": sheetrequests.properties(book, tab)}
        if data:
            areas = wanted.get(tab.id) or [a1.Area(tab.title).within(tab.rows, tab.columns)]
            entry["data"] = [_grid(values, tab, area) for area in areas]
        if tab.charts:
            entry["charts"] = tab.charts
        own = [m for m in book.metadata if m["location"].get("sheetId") == tab.id]
        if own:
            entry["developerMetadata"] = own
        sheets.append(entry)
    out: dict[str, Any] = {
        "spreadsheetId": file.id,
        "properties": {"title": file.name, "locale": "en_US", "timeZone": "Etc/UTC"},
        "sheets": sheets,
        "spreadsheetUrl": f"{call.base}/spreadsheets/d/{file.id}/edit",
    }
    whole = [m for m in book.metadata if "sheetId" not in m["location"]]
    return out | ({"developerMetadata": whole} if whole else {})


def _get(call: Call) -> Answer:
    file, book = _file(call, write=False)
    data = call.params.get("includeGridData", False)
    return _spreadsheet(call, file, book, call.params.get("ranges", []), data)


def _create(call: Call) -> Answer:
    name = (call.body.get("properties") or {}).get("title") or "Untitled spreadsheet"
    book, requests = Workbook(), []
    for sheet in call.body.get("sheets") or []:
        requests.append({"addSheet": {"properties": sheet.get("properties", {})}})
    probe = File("new", name, SHEET, call.user, 0, 0, call.user)
    if requests:
        book.tabs = []
        book, _ = sheetrequests.run(book, requests, probe)
    file = call.drive.create(call.user, name, SHEET, [], None)
    file.sheet = book
    return _spreadsheet(call, file, book, [], data=False)


def _batch(call: Call) -> Answer:
    file, book = _file(call, write=True)
    requests = call.body.get("requests") or []
    if not requests:
        raise invalid("Must specify at least one request.")
    file.sheet, replies = sheetrequests.run(book, requests, file)
    call.drive.touch(file, call.user, content=True)
    out: dict[str, Any] = {"spreadsheetId": file.id, "replies": replies}
    if call.body.get("includeSpreadsheetInResponse"):
        ranges, data = call.body.get("responseRanges") or [], call.body.get("responseIncludeGridData", False)
        out["updatedSpreadsheet"] = _spreadsheet(call, file, file.sheet, ranges, data)
    return out


def _rendered(values: Values, tab: Tab, row: int, column: int, option: str) -> Any:
    cell = tab.cells.get((row, column), Cell())
    if option == "FORMULA" and cell.formula:
        return cell.formula
    if option == "FORMATTED_VALUE":
        return values.shown(tab, row, column)
    value = values.value(tab, row, column)
    if isinstance(value, FormulaError):
        return str(value)
    if isinstance(value, Decimal):
        return json_number(value)
    return "" if value is None else value


def _read(book: Workbook, text: str, params: dict[str, Any]) -> dict[str, Any]:
    tab, area = _area(book, text)
    option = params.get("valueRenderOption") or "FORMATTED_VALUE"
    major = params.get("majorDimension") or "ROWS"
    used_rows, used_columns = tab.used
    assert area.row_end is not None and area.column_end is not None
    values = Values(book)
    rows = []
    for r in range(area.row, min(area.row_end, used_rows)):
        columns = range(area.column, min(area.column_end, used_columns))
        rows.append([_rendered(values, tab, r, c, option) for c in columns])
    if major == "COLUMNS":
        rows = [list(column) for column in zip(*rows, strict=True)]
    out: dict[str, Any] = {"range": area.text(tab.title), "majorDimension": major}
    trimmed = _trimmed(rows)
    return out | ({"values": trimmed} if trimmed else {})


def _trimmed(rows: list[list[Any]]) -> list[list[Any]]:
    """Without the empty ends of rows and without empty rows at the end, as the service answers."""
    for row in rows:
        while row and row[-1] == "":
            row.pop()
    while rows and not rows[-1]:
        rows.pop()
    return rows


def _values_get(call: Call) -> Answer:
    _, book = _file(call, write=False)
    return _read(book, call.params["range"], call.params)


def _values_batch_get(call: Call) -> Answer:
    file, book = _file(call, write=False)
    found = [_read(book, text, call.params) for text in call.params.get("ranges", [])]
    return {"spreadsheetId": file.id, "valueRanges": found}


def _write(file: File, book: Workbook, text: str, body: dict[str, Any], option: str | None) -> dict[str, Any]:
    if option not in ("RAW", "USER_ENTERED"):
        raise invalid("'valueInputOption' is required but not specified")
    if body.get("range") and a1.split_tab(body["range"]) != a1.split_tab(text):
        same = _area(book, body["range"]) == _area(book, text)
        if not same:
            raise invalid(f"Requested writing within range [{text}], but the body names [{body['range']}]")
    tab, area = _area(book, text)
    rows = body.get("values") or []
    if body.get("majorDimension") == "COLUMNS":
        height = max((len(r) for r in rows), default=0)
        rows = [[r[i] if i < len(r) else None for r in rows] for i in range(height)]
    assert area.row_end is not None and area.column_end is not None
    width = max((len(r) for r in rows), default=0)
    if len(rows) > area.row_end - area.row or width > area.column_end - area.column:
        single = area.row_end - area.row == 1 and area.column_end - area.column == 1
        fits = area.row + len(rows) <= tab.rows and area.column + width <= tab.columns
        if not (single and fits):
            where = area.text(tab.title)
            raise invalid(f"Requested writing within range [{where}], but tried writing outside of it")
    count = 0
    for r, row in enumerate(rows):
        for c, value in enumerate(row):
            if value is None:
                continue  # null leaves the cell as it is
            at = (area.row + r, area.column + c)
            new = entered(value, parse=option == "USER_ENTERED")
            old = tab.cells.get(at, Cell())
            tab.cells[at] = replace(new, format=new.format or old.format, note=old.note)
            count += 1
    wrote = a1.Area(tab.title, area.row, area.column, area.row + max(len(rows), 1), area.column + max(width, 1))
    out: dict[str, Any] = {"spreadsheetId": file.id, "updatedRange": wrote.text(tab.title)}
    return out | {"updatedRows": len(rows), "updatedColumns": width, "updatedCells": count}


def _commit(call: Call, file: File, book: Workbook) -> None:
    file.sheet = book
    call.drive.touch(file, call.user, content=True)


def _values_update(call: Call) -> Answer:
    file, book = _file(call, write=True)
    edited = book.clone()
    option = call.params.get("valueInputOption")
    out = _write(file, edited, call.params["range"], call.body, option)
    _commit(call, file, edited)
    return out


def _values_batch_update(call: Call) -> Answer:
    file, book = _file(call, write=True)
    edited = book.clone()
    option = call.body.get("valueInputOption")
    parts = [_write(file, edited, d.get("range", ""), d, option) for d in call.body.get("data") or []]
    _commit(call, file, edited)
    return {
        "spreadsheetId": file.id,
        "totalUpdatedRows": sum(p["updatedRows"] for p in parts),
        "totalUpdatedColumns": sum(p["updatedColumns"] for p in parts),
        "totalUpdatedCells": sum(p["updatedCells"] for p in parts),
        "totalUpdatedSheets": len({a1.split_tab(p["updatedRange"])[0] for p in parts}),
        "responses": parts,
    }


def _values_append(call: Call) -> Answer:
    file, book = _file(call, write=True)
    edited = book.clone()
    tab, area = _area(edited, call.params["range"])
    used, width = tab.used
    rows = call.body.get("values") or []
    tab.rows = max(tab.rows, used + len(rows))
    target = a1.Area(tab.title, used, area.column, tab.rows, tab.columns)
    body = {k: v for k, v in call.body.items() if k != "range"}
    done = _write(file, edited, target.text(tab.title), body, call.params.get("valueInputOption"))
    _commit(call, file, edited)
    out: dict[str, Any] = {"spreadsheetId": file.id, "updates": done}
    if used:
        out["tableRange"] = a1.Area(tab.title, 0, 0, used, width).text(tab.title)
    return out


def _values_clear(call: Call) -> Answer:
    file, book = _file(call, write=True)
    edited = book.clone()
    tab, area = _area(edited, call.params["range"])
    assert area.row_end is not None and area.column_end is not None
    for at, cell in list(tab.cells.items()):
        if area.row <= at[0] < area.row_end and area.column <= at[1] < area.column_end:
            tab.cells[at] = Cell(format=cell.format, note=cell.note)
    _commit(call, file, edited)
    return {"spreadsheetId": file.id, "clearedRange": area.text(tab.title)}


def _metadata_get(call: Call) -> Answer:
    _, book = _file(call, write=False)
    for entry in book.metadata:
        if entry["metadataId"] == call.params["metadataId"]:
            return copy.deepcopy(entry)
    raise GoogleError(404, f"No developer metadata with ID {call.params['metadataId']} was found.")


def _metadata_search(call: Call) -> Answer:
    _, book = _file(call, write=False)
    filters = call.body.get("dataFilters") or []
    if not filters:
        raise invalid("Must specify at least one data filter.")
    matched = []
    for entry in book.metadata:
        hit = [f for f in filters if _metadata_fits(entry, f.get("developerMetadataLookup"))]
        if hit:
            matched.append({"developerMetadata": entry, "dataFilters": hit})
    return {"matchedDeveloperMetadata": matched} if matched else {}


def _metadata_fits(entry: dict[str, Any], lookup: dict[str, Any] | None) -> bool:
    if lookup is None:
        raise GoogleError(501, "Only developerMetadataLookup filters are available on this local server.")
    if "locationType" in lookup and lookup["locationType"] != entry["location"]["locationType"]:
        return False
    names = ("metadataId", "metadataKey", "metadataValue", "visibility")
    return all(lookup[n] == entry.get(n) for n in names if n in lookup)


HANDLERS: dict[str, Handler] = {
    "sheets.spreadsheets.batchUpdate": _batch,
    "sheets.spreadsheets.create": _create,
    "sheets.spreadsheets.developerMetadata.get": _metadata_get,
    "sheets.spreadsheets.developerMetadata.search": _metadata_search,
    "sheets.spreadsheets.get": _get,
    "sheets.spreadsheets.values.append": _values_append,
    "sheets.spreadsheets.values.batchGet": _values_batch_get,
    "sheets.spreadsheets.values.batchUpdate": _values_batch_update,
    "sheets.spreadsheets.values.clear": _values_clear,
    "sheets.spreadsheets.values.get": _values_get,
    "sheets.spreadsheets.values.update": _values_update,
}
