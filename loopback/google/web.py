"""Pages for people: a Doc, a Sheet with its tabs, an uploaded table, and the list of files."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from loopback.control import local_only
from loopback.google import a1, markup
from loopback.google.drive import link
from loopback.google.errors import GoogleError
from loopback.google.files import DOC, FOLDER, SHEET, Drive, File
from loopback.google.formulas import FormulaError
from loopback.google.sheetmodel import Cell, Tab, Values

_PAGES = Path(__file__).parent / "pages"
_TEMPLATES = Environment(loader=FileSystemLoader(_PAGES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
_ASSETS = {"style.css": "text/css", "sheet.js": "text/javascript"}
WINDOW = 500  # rows on a page
MOST_COLUMNS = 80
_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'"
_KINDS = {DOC: "Doc", SHEET: "Sheet", FOLDER: "Folder"}


@dataclass(frozen=True)
class Shown:
    """One cell of a page's table."""

    text: str
    number: bool = False
    hit: bool = False
    bold: bool = False
    over: bool = False
    link: str = ""
    ref: str = ""
    formula: str = ""


@dataclass(frozen=True)
class Line:
    """A row with its number."""

    number: int
    cells: tuple[Shown, ...]
    hit: bool = False


@dataclass(frozen=True)
class Window:
    """Which rows of how many a page shows."""

    first: int
    last: int
    total: int
    earlier: str = ""
    later: str = ""


def add_pages(app: web.Application, drive: Drive) -> None:
    """Mounts the pages."""
    pages = _Pages(drive)
    app.router.add_get("/", pages.index)
    app.router.add_get("/drive/folders/{id}", pages.index)
    app.router.add_get("/pages/{name}", pages.asset)
    app.router.add_get("/document/d/{id}/edit", pages.document)
    app.router.add_get("/spreadsheets/d/{id}/edit", pages.sheet)
    app.router.add_get("/file/d/{id}/view", pages.file)
    app.router.add_get("/file/d/{id}/download", pages.download)


class _Pages:
    def __init__(self, drive: Drive) -> None:
        self.drive = drive

    def _file(self, request: web.Request, *mimes: str) -> File:
        local_only(request)
        try:
            found = self.drive.get(request.match_info["id"])
        except GoogleError as error:
            raise _missing() from error
        if mimes and found.mime not in mimes:
            raise web.HTTPFound(link("", found))
        return found

    def _page(self, request: web.Request, template: str, **values: Any) -> web.Response:
        theme = request.query.get("theme", "")
        values |= {"theme": theme if theme in ("light", "dark") else "", "here": request.rel_url.path}
        text = _TEMPLATES.get_template(template).render(values)
        headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _ASSETS:
            raise _missing()
        text = (_PAGES / name).read_text("utf-8")
        return web.Response(text=text, content_type=_ASSETS[name], headers={"X-Content-Type-Options": "nosniff"})

    async def index(self, request: web.Request) -> web.Response:
        local_only(request)
        folder = request.match_info.get("id", self.drive.root)
        inside = [f for f in self.drive.files.values() if folder in f.parents and not f.trashed]
        inside.sort(key=lambda f: (f.mime != FOLDER, f.name.lower()))
        rows = [{"file": f, "kind": _KINDS.get(f.mime, f.mime), "url": link("", f)} for f in inside]
        title = self.drive.files[folder].name if folder in self.drive.files else "Drive"
        return self._page(request, "index.html", title=title, rows=rows)

    async def document(self, request: web.Request) -> web.Response:
        file = self._file(request, DOC)
        assert file.doc is not None
        body = Markup(markup.to_html(file.doc))  # to_html escapes every run itself
        return self._page(request, "document.html", title=file.name, file=file, body=body)

    async def sheet(self, request: web.Request) -> web.Response:
        file = self._file(request, SHEET)
        assert file.sheet is not None
        gid = request.query.get("gid", "")
        tabs = file.sheet.tabs
        tab = next((t for t in tabs if str(t.id) == gid), tabs[0])
        area = a1.parse(request.query.get("range", ""), []) if request.query.get("range") else None
        target = area.within(tab.rows, tab.columns) if area else None
        view = _sheet_view(tab, Values(file.sheet), target, _start(request))
        return self._page(request, "sheet.html", title=file.name, file=file, tabs=tabs, tab=tab, **view)

    async def file(self, request: web.Request) -> web.Response:
        file = self._file(request)
        if file.native:
            raise web.HTTPFound(link("", file))
        names, rows = _table(file, request.query.get("tab"))
        row = int(request.query["row"]) if request.query.get("row", "").isdigit() else 0
        start = _start(request) or (max(1, row - WINDOW // 2) if row > WINDOW else 1)
        window = _window(start, len(rows), {"row": str(row)} if row else {})
        lines = []
        header = len(rows) > 1 and len(rows[0]) > 1  # a table keeps its first row in sight
        shown = range(window.first, window.last + 1)
        for number in [1, *(n for n in shown if n > 1)] if header else shown:
            cells = tuple(Shown(text, number=_numeric(text)) for text in rows[number - 1])
            lines.append(Line(number, cells, number == row))
        width = min(MOST_COLUMNS, max((len(line.cells) for line in lines), default=0))
        values = {"lines": lines, "window": window, "row": row, "width": width, "names": names}
        return self._page(request, "file.html", title=file.name, file=file, size=file.digests()[0], **values)

    async def download(self, request: web.Request) -> web.Response:
        file = self._file(request)
        headers = {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}
        return web.Response(body=file.content, headers=headers)


def _missing() -> web.HTTPNotFound:
    return web.HTTPNotFound(text="There is no such file in this Drive.")


def _start(request: web.Request) -> int:
    given = request.query.get("from", "")
    return int(given) if given.isdigit() else 0


def _numeric(text: str) -> bool:
    body = text.strip().replace(",", "").lstrip("-$€£").removesuffix("%")
    return body.replace(".", "", 1).isdigit()


def _window(start: int, total: int, query: dict[str, str]) -> Window:
    first = max(1, min(start, total or 1))
    last = min(total, first + WINDOW - 1)
    earlier = urlencode({**query, "from": max(1, first - WINDOW)}) if first > 1 else ""
    later = urlencode({**query, "from": last + 1}) if last < total else ""
    return Window(first, last, total, earlier, later)


def _sheet_view(tab: Tab, values: Values, target: a1.Area | None, start: int) -> dict[str, Any]:
    used_rows, used_columns = tab.used
    if target:
        used_rows = max(used_rows, target.row + 1)
        used_columns = max(used_columns, target.column + 1)
        start = start or (max(1, target.row - WINDOW // 2) if target.row >= WINDOW else 1)
    rows = max(min(tab.rows, used_rows + 3), 12)  # some empty rows and columns, as people know it
    columns = min(MOST_COLUMNS, max(min(tab.columns, used_columns + 1), 8))
    query = {"gid": str(tab.id)} | ({"range": target.text("x").partition("!")[2]} if target else {})
    window = _window(start or 1, rows, query)
    lines = []
    for r in range(window.first - 1, window.last):
        cells = tuple(_sheet_cell(tab, values, r, c, target) for c in range(columns))
        last = max((i for i, cell in enumerate(cells) if cell.text), default=-1)
        if last >= 0 and not cells[last].number:  # a long last text runs over the empty cells after it
            cells = (*cells[:last], replace(cells[last], over=True), *cells[last + 1 :])
        lines.append(Line(r + 1, cells, any(cell.hit for cell in cells)))
    focus = tab.cells.get((target.row, target.column), Cell()) if target else Cell()
    bar = focus.formula or (values.shown(tab, target.row, target.column) if target else "")
    return {
        "heads": [
            (a1.column_name(c), bool(target and target.column <= c < (target.column_end or 0)))
            for c in range(columns)
        ],
        "lines": lines,
        "window": window,
        "where": query.get("range", ""),
        "bar": bar,
        "shown": values.shown(tab, target.row, target.column) if target and focus.formula else "",
    }


def _sheet_cell(tab: Tab, values: Values, row: int, column: int, target: a1.Area | None) -> Shown:
    cell = tab.cells.get((row, column))
    hit = bool(
        target and target.row <= row < (target.row_end or 0) and target.column <= column < (target.column_end or 0)
    )
    ref = f"{a1.column_name(column)}{row + 1}"
    if cell is None:
        return Shown("", hit=hit, ref=ref)
    value = values.value(tab, row, column)
    url = cell.link or ""
    return Shown(
        values.shown(tab, row, column),
        number=isinstance(value, Decimal | FormulaError) or cell.format.get("horizontalAlignment") == "RIGHT",
        hit=hit,
        bold=bool(cell.format.get("textFormat", {}).get("bold")),
        link=url if url.startswith(("http://", "https://", "mailto:")) else "",
        ref=ref,
        formula=cell.formula or "",
    )


def _table(file: File, tab: str | None) -> tuple[list[tuple[str, bool]], list[list[str]]]:
    """The names of a file's tables (for workbooks) and the rows of the chosen one."""
    name, content = file.name.lower(), file.content
    if name.endswith(".gz"):
        try:
            name, content = name[:-3], gzip.decompress(content)
        except (OSError, EOFError):
            return [], []
    if name.endswith((".xlsx", ".xlsm")):
        import openpyxl  # brings NumPy with it: only who opens a workbook waits for both

        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        chosen = tab if tab in book.sheetnames else book.sheetnames[0]
        book[chosen].reset_dimensions()  # what a writer stamped on the sheet cuts off the rows beyond it
        rows = [["" if v is None else str(v) for v in row] for row in book[chosen].iter_rows(values_only=True)]
        names = [(n, n == chosen) for n in book.sheetnames]
        book.close()
        return names, rows
    if name.endswith((".csv", ".tsv")):
        text = content.decode("utf-8-sig", "replace")
        return [], list(csv.reader(io.StringIO(text), delimiter="\t" if name.endswith(".tsv") else ","))
    if b"\0" in content[:4096]:
        return [], []
    return [], [[line] for line in content.decode("utf-8", "replace").splitlines()]
