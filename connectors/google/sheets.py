"""Sheets: exact values with their formulas, formats and places."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.errors import NotFound
from connectors.google.services import Services
from connectors.google.types import SheetGrid, SheetTab, column_name, sheet_url

PROPERTIES = "properties(sheetId,title,gridProperties(rowCount,columnCount,frozenRowCount)),developerMetadata"
_STATE_FIELDS = (
    f"properties.title,sheets({PROPERTIES},data(rowData(values(userEnteredValue,effectiveValue,"
    "effectiveFormat.numberFormat,userEnteredFormat.numberFormat,hyperlink))))"
)
_DAY_0 = datetime.datetime(1899, 12, 30)


class Sheets:
    """The Sheets part of a workspace."""

    def __init__(self, services: Services, base: str) -> None:
        self._services = services
        self._base = base

    async def tabs(self, file_id: str) -> tuple[SheetTab, ...]:
        """The tabs in the order people see them."""
        found = await self._services.read(
            "sheets",
            lambda s: s.spreadsheets().get(spreadsheetId=file_id, fields=f"sheets({PROPERTIES})"),
            file_id,
        )
        return tuple(self._tab(file_id, sheet["properties"]) for sheet in found["sheets"])

    def _tab(self, file_id: str, given: Mapping[str, Any]) -> SheetTab:
        grid, gid = given.get("gridProperties", {}), given.get("sheetId", 0)
        url = sheet_url(self._base, file_id, gid)
        return SheetTab(gid, given["title"], grid.get("rowCount", 0), grid.get("columnCount", 0), url)

    async def read(self, file_id: str, tab: str | None) -> tuple[SheetGrid, ...]:
        """All tabs, or the named one, with values as exact texts."""
        state = await self.state(file_id)
        # A large one takes seconds, in which nothing else of the process would go on.
        grids = await asyncio.to_thread(lambda: tuple(self.grid(file_id, sheet) for sheet in state["sheets"]))
        if tab is None:
            return grids
        chosen = tuple(g for g in grids if g.title.lower() == tab.lower())
        if not chosen:
            have = ", ".join(g.title for g in grids)
            raise NotFound(f"The spreadsheet has no tab {tab!r}; it has {have}.")
        return chosen

    def grid(self, file_id: str, sheet: Mapping[str, Any]) -> SheetGrid:
        """A tab as exact texts, with its formulas, and how its numbers are shown."""
        tab = self._tab(file_id, sheet["properties"])
        rows, formulas, formats, links = [], dict[str, str](), dict[str, str](), dict[str, str]()
        for number, row in enumerate(row_data(sheet)):
            values = row.get("values", [])
            rows.append(tuple(map(_read, values)))
            for column, cell in enumerate(values):
                name = f"{column_name(column)}{number + 1}"
                if formula := cell.get("userEnteredValue", {}).get("formulaValue"):
                    formulas[name] = formula
                if shown := _format(cell):
                    formats[name] = shown.get("pattern") or shown.get("type", "")
                if link := cell.get("hyperlink"):
                    links[name] = link
        while rows and not any(rows[-1]):
            rows.pop()
        return SheetGrid(file_id, tab.title, tab.id, tab.url, tuple(rows), formulas, formats, links, self._base)

    async def state(self, file_id: str) -> Any:
        """A spreadsheet with what every cell holds, as writes to it are reckoned."""
        return await self._services.read(
            "sheets",
            lambda s: s.spreadsheets().get(spreadsheetId=file_id, includeGridData=True, fields=_STATE_FIELDS),
            file_id,
        )


def row_data(sheet: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a tab that was read whole."""
    data = sheet.get("data") or [{}]
    rows: list[dict[str, Any]] = data[0].get("rowData", [])
    return rows


def tab_of(state: Mapping[str, Any], tab: str) -> Mapping[str, Any] | None:
    """The tab of that name; names ignore case."""
    return next((s for s in state["sheets"] if s["properties"]["title"].lower() == tab.lower()), None)


def _format(cell: Mapping[str, Any]) -> dict[str, str]:
    """How a cell's number is shown, when somebody or Sheets chose it."""
    found: dict[str, str] = cell.get("effectiveFormat", {}).get("numberFormat") or {}
    return found or cell.get("userEnteredFormat", {}).get("numberFormat") or {}


def _read(cell: Mapping[str, Any]) -> str:
    """A cell's value; what is shown as a date or time is one here too, and not the count of days behind it."""
    value = cell.get("effectiveValue", {})
    kind = _format(cell).get("type", "")
    if "numberValue" in value and kind in ("DATE", "DATE_TIME", "TIME"):
        try:
            days = Decimal(str(value["numberValue"]))
            seconds = int((days % 1 * 86_400).to_integral_value())
            moment = _DAY_0 + datetime.timedelta(days=int(days // 1), seconds=seconds)
        except (OverflowError, InvalidOperation):
            return exact(value)  # no day of the calendar, such as 20260131 in a column of dates
        if kind == "TIME":
            return moment.time().isoformat()
        return moment.date().isoformat() if kind == "DATE" else moment.isoformat(sep=" ")
    return exact(value)


def exact(value: Mapping[str, Any]) -> str:
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
