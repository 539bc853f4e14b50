"""A workbook out of tables: numbers as numbers, dates as dates, and no text that a spreadsheet would compute."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

MAX_ROWS = 100_000
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,10})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_PERCENT = re.compile(r"(-?\d{1,9}(?:\.\d{1,8})?)\s?%")
_TITLE = re.compile(r"[\[\]:*?/\\\x00-\x1f]")


@dataclass(frozen=True)
class Table:
    """A tab: its name, and rows of text of which the first is the header."""

    title: str
    rows: Sequence[Sequence[str]]


def to_xlsx(tables: Sequence[Table], written: datetime) -> bytes:
    """The file. A cell that reads like a plain number or an ISO date is one; all else stays text."""
    book = Workbook()
    book.properties.creator = "Cadre"
    book.properties.created = book.properties.modified = written.replace(tzinfo=None)
    if book.active is not None:
        book.remove(book.active)
    used: set[str] = set()
    for table in tables:
        sheet = book.create_sheet(_free(table.title, used))
        _fill(sheet, table.rows)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _fill(sheet: Worksheet, rows: Sequence[Sequence[str]]) -> None:
    widths: dict[int, int] = {}
    for number, row in enumerate(rows, start=1):
        for place, text in enumerate(row, start=1):
            cell = sheet.cell(number, place)
            assert isinstance(cell, Cell)
            _set(cell, text, head=number == 1)
            widths[place] = max(widths.get(place, 0), min(max(map(len, text.split("\n"))), 60))
    for place, width in widths.items():
        sheet.column_dimensions[get_column_letter(place)].width = max(8, width + 2)
    if rows:
        sheet.freeze_panes = "A2"
        sheet.auto_filter.ref = sheet.dimensions


def _set(cell: Cell, text: str, *, head: bool) -> None:
    if head:
        cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor="EDEDED")
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    plain = text.strip()
    percent = _PERCENT.fullmatch(plain)
    if not head and _NUMBER.fullmatch(plain):
        number = Decimal(plain)
        cell.value = int(number) if "." not in plain else number
        decimals = len(plain.partition(".")[2])
        cell.number_format = (
            "#,##0" + ("." + "0" * decimals if decimals else "") if abs(number) >= 10_000 or decimals else "0"
        )
    elif not head and percent:
        decimals = len(percent[1].partition(".")[2])
        cell.value, cell.number_format = (
            Decimal(percent[1]) / 100,
            "0" + ("." + "0" * decimals if decimals else "") + "%",
        )
    elif not head and _DATE.fullmatch(plain) and _is_date(plain):
        cell.value, cell.number_format = date.fromisoformat(plain), "yyyy-mm-dd"
    elif text:
        cell.value = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", " ", text)[:32_767]
        cell.data_type = "s"  # also what begins with = + - @
        cell.alignment = Alignment(wrap_text=len(text) > 60 or "\n" in text or head, vertical="top")


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).year >= 1900
    except ValueError:
        return False


def _free(title: str, used: set[str]) -> str:
    """A tab's name as a workbook allows it, once."""
    base = _TITLE.sub(" ", title).strip("' ")[:28] or "Table"
    name, count = base, 2
    while name.lower() in used:
        name, count = f"{base[:25]} {count}", count + 1
    used.add(name.lower())
    return name
