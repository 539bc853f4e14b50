"""A spreadsheet: tabs of sparse cells, what was entered in each, and what is shown for it."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from loopback.google import formulas
from loopback.google.a1 import Area
from loopback.google.errors import invalid

Entered = Decimal | str | bool | None
_NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?")


@dataclass(frozen=True)
class Cell:
    """What a person entered, a formula kept apart from text that only looks like one."""

    value: Entered = None
    formula: str | None = None
    format: dict[str, Any] = field(default_factory=dict)
    runs: tuple[dict[str, Any], ...] = ()
    note: str | None = None

    @property
    def blank(self) -> bool:
        """Whether nothing was entered."""
        return self.formula is None and (self.value is None or self.value == "")

    @property
    def link(self) -> str | None:
        """The address the whole cell links to."""
        url = self.format.get("textFormat", {}).get("link", {}).get("uri")
        for run in self.runs:
            url = url or run.get("format", {}).get("link", {}).get("uri")
        return url if isinstance(url, str) else None


@dataclass
class Tab:
    """One sheet of a spreadsheet."""

    id: int
    title: str
    rows: int = 1000
    columns: int = 26
    frozen: int = 0
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    charts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def used(self) -> tuple[int, int]:
        """How many rows and columns hold something."""
        filled = [at for at, cell in self.cells.items() if not cell.blank]
        return max((r + 1 for r, _ in filled), default=0), max((c + 1 for _, c in filled), default=0)

    def area(self, area: Area) -> Area:
        """A range of this tab with known ends; refuses one that begins outside of the grid."""
        full = area.within(self.rows, self.columns)
        if full.row >= self.rows or full.column >= self.columns:
            grid = f"Max rows: {self.rows}, max columns: {self.columns}"
            raise invalid(f"Range ({full.text(self.title)}) exceeds grid limits. {grid}")
        return full


@dataclass
class Workbook:
    """A spreadsheet's tabs and the metadata that programs left in it."""

    tabs: list[Tab] = field(default_factory=lambda: [Tab(0, "Sheet1")])
    metadata: list[dict[str, Any]] = field(default_factory=list)

    def clone(self) -> Workbook:
        """A copy to edit, so that a refused batch leaves no trace; cells are never changed in place."""
        tabs = [
            replace(t, cells=dict(t.cells), properties=dict(t.properties), charts=copy.deepcopy(t.charts))
            for t in self.tabs
        ]
        return Workbook(tabs, copy.deepcopy(self.metadata))

    def tab(self, title: str | None) -> Tab | None:
        """The tab of that name (names ignore case), or the first for None."""
        if title is None:
            return self.tabs[0]
        return next((t for t in self.tabs if t.title.lower() == title.lower()), None)

    def by_id(self, sheet_id: int) -> Tab:
        """The tab with that id."""
        for tab in self.tabs:
            if tab.id == sheet_id:
                return tab
        raise invalid(f"No grid with id: {sheet_id}")


def entered(value: Any, *, parse: bool) -> Cell:
    """The cell for a value of the values collection; `parse` reads it as if typed by a person."""
    if isinstance(value, bool) or value is None:
        return Cell(value)
    if isinstance(value, int | float | Decimal):
        return Cell(Decimal(str(value)))
    text = str(value)
    if not parse:
        return Cell(text)
    if text.startswith("=") and len(text) > 1:
        return Cell(formula=text)
    if text.startswith("'"):
        return Cell(text[1:])
    if text.upper() in ("TRUE", "FALSE"):
        return Cell(text.upper() == "TRUE")
    return _typed_number(text) or Cell(text)


def _typed_number(text: str) -> Cell | None:
    percent = text.endswith("%")
    body = text[:-1] if percent else text
    if not re.search(r"\d", body) or not _NUMBER.fullmatch(body):
        return None
    try:
        number = Decimal(body.replace(",", ""))
    except InvalidOperation:
        return None
    if percent:
        pattern = {"type": "PERCENT", "pattern": "0.00%" if "." in body else "0%"}
        return Cell(number / 100, format={"numberFormat": pattern})
    if "," in body:
        pattern = {"type": "NUMBER", "pattern": "#,##0.00" if "." in body else "#,##0"}
        return Cell(number, format={"numberFormat": pattern})
    return Cell(number)


def from_seed(data: dict[str, Any]) -> Workbook:
    """A workbook from the seed's JSON: {"title", "tabs": [{"title", "rows"}]}."""
    tabs = []
    for number, given in enumerate(data.get("tabs", [])):
        rows = given.get("rows", [])
        width = max((len(r) for r in rows), default=0)
        tab = Tab(0 if number == 0 else 1000 + number, given["title"], max(len(rows) + 20, 100), max(width, 26))
        for r, row in enumerate(rows):
            for c, value in enumerate(row):
                formula = isinstance(value, str) and value.startswith("=") and len(value) > 1
                if value is not None and value != "":
                    tab.cells[r, c] = entered(value, parse=formula)
        _mark_header(tab)
        tabs.append(tab)
    return Workbook(tabs) if tabs else Workbook()


def _mark_header(tab: Tab) -> None:
    """Bold for the first row of several texts, as people have their headers."""
    for number in range(min(tab.used[0], 10)):
        cells = {at: cell for at, cell in tab.cells.items() if at[0] == number}
        if len(cells) > 1 and all(isinstance(cell.value, str) for cell in cells.values()):
            bold = {"textFormat": {"bold": True}}
            tab.cells |= {at: Cell(cell.value, format=bold) for at, cell in cells.items()}
            return


class Values:
    """Computes a workbook's formulas once, on demand."""

    def __init__(self, book: Workbook) -> None:
        self.book = book
        self._done: dict[tuple[int, int, int], Entered | formulas.FormulaError] = {}
        self._open: set[tuple[int, int, int]] = set()
        for tab in book.tabs:  # in reading order, so that long chains of running totals stay shallow
            for row, column in sorted(at for at, cell in tab.cells.items() if cell.formula):
                self.value(tab, row, column)

    def value(self, tab: Tab, row: int, column: int) -> Entered | formulas.FormulaError:
        """The effective value of a cell; an error value instead of raising."""
        cell = tab.cells.get((row, column))
        if cell is None or cell.formula is None:
            return cell.value if cell else None
        key = (tab.id, row, column)
        if key in self._done:
            return self._done[key]
        if key in self._open:
            return formulas.FormulaError("#REF!")
        self._open.add(key)
        try:
            result: Entered | formulas.FormulaError = formulas.evaluate(cell.formula, self._lookup(tab))
        except formulas.NotUnderstood:
            result = cell.formula
        except formulas.FormulaError as error:
            result = error
        finally:
            self._open.discard(key)
        self._done[key] = result
        return result

    def _lookup(self, home: Tab) -> formulas.Lookup:
        def look(title: str | None, row: int, column: int) -> Entered:
            tab = home if title is None else self.book.tab(title)
            if tab is None:
                raise formulas.FormulaError("#REF!")
            value = self.value(tab, row, column)
            if isinstance(value, formulas.FormulaError):
                raise value
            return value

        return look

    def shown(self, tab: Tab, row: int, column: int) -> str:
        """The text a person sees in the cell."""
        value = self.value(tab, row, column)
        cell = tab.cells.get((row, column), Cell())
        if isinstance(value, formulas.FormulaError):
            return str(value)
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, Decimal):
            return formatted(value, cell.format.get("numberFormat", {}).get("pattern"))
        return value or ""


def plain(number: Decimal) -> str:
    """A number without exponent and without zeros that say nothing; at most 15 significant digits."""
    if number and len(number.as_tuple().digits) > 15:
        number = round(number, 14 - number.adjusted())
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def formatted(number: Decimal, pattern: str | None) -> str:
    """A number as a simple pattern shows it (#,##0.00, 0%, with text around); else plainly."""
    found = re.fullmatch(r"([^#0]*)(#,##)?(#*0)(\.0+)?(%?)([^#0]*)", pattern or "")
    if not found:
        return plain(number)
    before, thousands, _, decimals, percent, after = found.groups()
    places = len(decimals or ".") - 1
    scaled = number * 100 if percent else number
    body = f"{abs(scaled):{',' if thousands else ''}.{places}f}"
    sign = "-" if scaled < 0 and re.search(r"[1-9]", body) else ""
    return sign + before.strip('"') + body + (percent or "") + after.strip('"')


def json_number(number: Decimal) -> int | float:
    """A number for JSON: whole numbers stay whole; a double's shortest form adds no noise."""
    whole = number == number.to_integral_value()
    return int(number) if whole and abs(number) < 2**53 else float(number)
