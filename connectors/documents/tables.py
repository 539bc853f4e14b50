"""Reads CSV, CSV.gz, XLSX and Markdown tables into grids and writes CSV files."""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from connectors.documents.words import is_header, is_number

MAX_BYTES = 32 * 1024 * 1024
MAX_UNPACKED = 200 * 1024 * 1024
MAX_ROWS = 1_000_000
MAX_CELLS = 1_500_000  # of one workbook: what is read of it in some seconds
MAX_COLUMNS = 2_000
HEADER_SEARCH = 25
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class DocumentError(ValueError):
    """A document that cannot be read as tables; the message is a sentence for a person."""


@dataclass(frozen=True)
class Grid:
    """One table of a document as text, with the place of every cell in its source."""

    name: str  # the document, for messages only: nothing is decided by it
    tab: str
    header_row: int  # row number in the source, 0 when no header was found
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    row_numbers: tuple[int, ...]
    titles: tuple[str, ...] = ()  # text standing above the header

    def cell(self, row: int, column: int) -> str:
        """The A1 name of a data cell given by its indexes in `rows` and `columns`."""
        return f"{column_letters(column + 1)}{self.row_numbers[row]}"

    @property
    def place(self) -> str:
        """How messages name this table."""
        return f"{self.name}, tab {self.tab}" if self.tab else self.name


def column_letters(number: int) -> str:
    """1 -> A, 27 -> AA."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


@dataclass(frozen=True)
class Sheet:
    """The rows of one table that are not blank, with their numbers in the source; blanks at a row's end are cut."""

    tab: str
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def read_grid(data: bytes, name: str) -> list[Grid]:
    """All tables of a document; what the bytes are is decided by the bytes, the name only labels messages."""
    return [_grid(name, sheet) for sheet in read_sheets(data, name)]


def read_sheets(data: bytes, name: str) -> list[Sheet]:
    """All tables of a document row by row. Raises DocumentError."""
    data = unpacked(data, name)
    if data[:4] == b"PK\x03\x04":
        return _read_xlsx(data, name)
    return text_sheets(decode_text(data, name), name)


def text_sheets(text: str, name: str) -> list[Sheet]:
    """All tables of a text: those of Markdown, or the rows of a CSV file. Raises DocumentError."""
    if not text.strip():
        return [Sheet("", ())]
    tables = _markdown_tables(text)
    if tables:
        return [Sheet(tab, _filled(name, rows)) for tab, rows in tables]
    return [Sheet("", _filled(name, _read_csv(text, name)))]


def grid_from_rows(name: str, tab: str, rows: Iterable[Sequence[Any]]) -> Grid:
    """A grid from rows of cells: finds the header below title rows and drops blank rows."""
    return _grid(name, Sheet(tab, _filled(name, rows)))


def _filled(name: str, rows: Iterable[Sequence[Any]]) -> tuple[tuple[int, tuple[str, ...]], ...]:
    table: list[tuple[int, tuple[str, ...]]] = []
    for number, row in enumerate(rows, start=1):
        if not any(cell is not None and cell != "" for cell in row):
            continue
        cells = [cell_text(cell) for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if len(cells) > MAX_COLUMNS:
            raise DocumentError(f"{name}, row {number} has more than {MAX_COLUMNS:,} columns and was not read.")
        if cells:
            table.append((number, tuple(cells)))
        if len(table) > MAX_ROWS:
            raise DocumentError(f"{name} has more than {MAX_ROWS:,} rows and was not read.")
    return tuple(table)


def _grid(name: str, sheet: Sheet) -> Grid:
    table, tab = sheet.rows, sheet.tab
    at = _find_header(table)
    if at is None:
        titles = tuple(" ".join(cell for cell in cells if cell) for _, cells in table[:HEADER_SEARCH])
        return Grid(name, tab, 0, (), (), (), titles)
    header_row, header = table[at]
    body = table[at + 1 :]
    width = max([len(header), *(len(cells) for _, cells in body)])
    padded = tuple(cells + ("",) * (width - len(cells)) for _, cells in body)
    titles = tuple(" ".join(cell for cell in cells if cell) for _, cells in table[:at])
    return Grid(name, tab, header_row, _labels(header, width), padded, tuple(number for number, _ in body), titles)


def cell_text(value: Any) -> str:
    """A cell as text: numbers without exponent or float noise, dates in ISO form."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        number = Decimal(repr(value))
        return str(int(number)) if number == number.to_integral_value() else format(number, "f")
    if isinstance(value, datetime):
        return value.date().isoformat() if not (value.hour or value.minute) else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value).strip()


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Writes an RFC 4180 file with a header row and returns the number of data rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([format(cell, "f") if isinstance(cell, Decimal) else cell_text(cell) for cell in row])
            count += 1
    return count


def write_grid(path: Path, grid: Grid) -> int:
    """Keeps a grid as a CSV file whose first column is the row number in the source."""
    rows = ((number, *row) for number, row in zip(grid.row_numbers, grid.rows, strict=True))
    return write_csv(path, ("_row", *grid.columns), rows)


def unpacked(data: bytes, name: str) -> bytes:
    """The bytes of a file, unpacked where it is a gzip file. Raises DocumentError for one too large or damaged."""
    if len(data) > MAX_BYTES:
        raise DocumentError(f"{name} is larger than {MAX_BYTES // 1024 // 1024} MB and was not read.")
    return _gunzip(data, name) if data[:2] == b"\x1f\x8b" else data


def decode_text(data: bytes, name: str) -> str:
    """Text of a file in UTF-8, UTF-16 or UTF-32 (with or without a mark), or Windows-1252."""
    wide = marked_text(data)
    if wide is not None:
        return wide
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        if b"\x00" in data:
            raise DocumentError(f"{name} is not a text, CSV or XLSX file.") from None
        return data.decode("cp1252", errors="replace")


def marked_text(data: bytes) -> str | None:
    """Text whose bytes say how it is written: by a mark, or as UTF-16 and UTF-32 by their zeros; else None."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    sample = data[:4096]
    if b"\x00" not in sample or len(sample) < 8:  # a few bytes prove nothing
        return None
    zeros = [
        sample[at::4].count(0) * 40 > len(sample) * 9 for at in range(4)
    ]  # nearly all of the four bytes of a sign
    if zeros in ([False, True, True, True], [True, True, True, False]):
        return data.decode("utf-32-be" if zeros[0] else "utf-32-le", "replace")
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if max(even, odd) * 10 > len(sample) and min(even, odd) * 10 < max(even, odd):
        return data.decode("utf-16-le" if odd > even else "utf-16-be", "replace")
    return None


def _gunzip(data: bytes, name: str) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(data, MAX_UNPACKED + 1)
    except zlib.error as error:
        raise DocumentError(f"{name} is not a readable gzip file: {error}.") from error
    if len(plain) > MAX_UNPACKED:
        raise DocumentError(f"{name} unpacks to more than {MAX_UNPACKED // 1024 // 1024} MB and was not read.")
    if not unpacker.eof:
        raise DocumentError(f"{name} is a gzip file that ends too early.")
    return plain


def _read_xlsx(data: bytes, name: str) -> list[Sheet]:
    import openpyxl  # brings NumPy with it: only who reads a workbook waits for both

    try:
        _measure(data, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns about styles and validations it leaves out
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            try:
                sheets = []
                for sheet in book.worksheets:
                    sheet.reset_dimensions()  # what a writer stamped on the sheet cuts off the rows beyond it
                    sheets.append(Sheet(sheet.title, _filled(name, sheet.iter_rows(values_only=True))))
                return sheets
            finally:
                book.close()
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(f"{name} is not a readable XLSX file: {error}.") from error


def _measure(data: bytes, name: str) -> None:
    """Raises DocumentError for a workbook that would take too long: openpyxl reads some 100,000 cells a second."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if sum(item.file_size for item in entries) > MAX_UNPACKED:
            raise DocumentError(f"{name} unpacks to more than {MAX_UNPACKED // 1024 // 1024} MB and was not read.")
        cells = 0
        for item in entries:
            if item.filename.startswith("xl/worksheets/") and item.filename.endswith(".xml"):
                with archive.open(item) as part:
                    while piece := part.read(1 << 20):
                        cells += piece.count(b"<c ") + piece.count(b"<c>") + piece.count(b"<row")
                        if cells > MAX_CELLS:
                            raise DocumentError(
                                f"{name} has more than {MAX_CELLS:,} rows and cells and was not read; "
                                "give it in parts, or as CSV."
                            )


def _read_csv(text: str, name: str) -> list[list[str]]:
    lines = [line for line in text.splitlines()[:50] if line.strip()]
    # the delimiter is the one that cuts the most lines into the same number of cells, two or more
    best = (0, 1, ",")
    for delimiter in ",;\t|":
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        usual = max(set(counts), key=counts.count)
        if usual > 1:
            best = max(best, (counts.count(usual), usual, delimiter))
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=best[2]))
    except csv.Error as error:
        raise DocumentError(f"{name} is not a readable CSV file: {error}.") from error


def _markdown_tables(text: str) -> list[tuple[str, list[list[str]]]]:
    """Pipe tables of a Markdown text with the heading above each; row numbers are line numbers."""
    lines = text.splitlines()
    tables: list[tuple[str, list[list[str]]]] = []
    heading = ""
    index = 0
    while index < len(lines):
        line = lines[index].strip()
        if line.startswith("#"):
            heading = line.lstrip("#").strip()
        rule = lines[index + 1].strip() if index + 1 < len(lines) else ""
        if "|" in line and "-" in rule and re.fullmatch(r"\|?[\s:|-]+\|?", rule) and "|" in rule:
            rows: list[list[str]] = [[] for _ in range(index)] + [_pipe_cells(line), []]
            index += 2
            while index < len(lines) and "|" in lines[index]:
                rows.append(_pipe_cells(lines[index]))
                index += 1
            tables.append((heading or f"Table {len(tables) + 1}", rows))
            continue
        index += 1
    return tables


def _pipe_cells(line: str) -> list[str]:
    body = line.strip().removeprefix("|")
    body = body[:-1] if body.endswith("|") and not body.endswith("\\|") else body
    return [cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", body)]


def _find_header(table: Sequence[tuple[int, tuple[str, ...]]]) -> int | None:
    """The row with the most known header words; without any, the first row of several texts."""
    top = [[cell for cell in cells if cell] for _, cells in table[:HEADER_SEARCH]]
    scores = [sum(1 for cell in filled if is_header(cell)) for filled in top]
    # a row of one cell is a title; a row with plain numbers is data
    plain = [any(is_number(cell) and not is_header(cell) for cell in filled) for filled in top]
    able = [at for at, filled in enumerate(top) if len(filled) > 1 and not plain[at]]
    best = max((at for at in able if scores[at]), key=lambda at: (scores[at], -at), default=None)
    if best is None:
        return next((at for at in able if not any(is_number(cell) for cell in top[at])), None)
    usual = Counter(len(cells) for _, cells in table[:HEADER_SEARCH]).most_common(1)[0][0]
    first = next((at for at in able if len(top[at]) >= usual), best)
    if best <= first:
        return best
    # answers hold header words as well: a later row is the header only as a row of them, above the first numbers
    numbers = any(is_number(cell) for _, cells in table[best + 1 : best + HEADER_SEARCH] for cell in cells)
    told = scores[best] * 4 >= len(top[best]) * 3 and numbers and not any(plain[first:best])
    return best if told else first


def _labels(header: tuple[str, ...], width: int) -> tuple[str, ...]:
    """Header labels, made unique; a column without one is called by its letters."""
    labels: list[str] = []
    taken: set[str] = set()
    copies: Counter[str] = Counter()
    for index in range(width):
        label = re.sub(r"\s+", " ", header[index] if index < len(header) else "") or (
            f"column {column_letters(index + 1)}"
        )
        candidate = label
        while candidate in taken:
            copies[label] += 1
            candidate = f"{label} ({copies[label] + 1})"
        labels.append(candidate)
        taken.add(candidate)
    return tuple(labels)
