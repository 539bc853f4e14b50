"""Tables that came with the request, kept as tables of the workspace like those of the Drive."""

from __future__ import annotations

import csv
import gzip
import io
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from surveylib import ROW, WrongInput

DELIMITERS = ",;\t|"


def keep(file: str) -> None:
    """Write one file's table below tables/; what is no table is left alone. Raises WrongInput for a damaged one."""
    place = Path(file)
    name = place.name.lower()
    if not name.endswith((".csv", ".csv.gz", ".tsv", ".xlsx")):
        return
    try:
        data = place.read_bytes()
        rows = (
            workbook(data)
            if name.endswith(".xlsx")
            else lines(gzip.decompress(data) if name.endswith(".gz") else data)
        )
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise WrongInput(f"{place.name} cannot be read as a table: {error}.") from error
    rows = [row for row in rows if any(row)]
    if not rows:
        return
    target = Path("tables") / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', place.name)}.csv"
    target.parent.mkdir(exist_ok=True)
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow((ROW, *rows[0]))
        writer.writerows((number, *row) for number, row in enumerate(rows[1:], start=2))


def lines(data: bytes) -> list[list[str]]:
    """The rows of a CSV file, whatever separates its cells."""
    text = data.decode("utf-8-sig")
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    csv.field_size_limit(2**24)
    return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)]


def workbook(data: bytes) -> list[list[str]]:
    """The rows of a workbook's longest sheet."""
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    try:
        for sheet in book:
            sheet.reset_dimensions()  # what a writer stamped on the sheet cuts off the rows beyond it
        sheets = [[[told(cell) for cell in row] for row in sheet.iter_rows(values_only=True)] for sheet in book]
    finally:
        book.close()
    return max(sheets, key=len, default=[])


def told(cell: Any) -> str:
    """A cell as text, numbers without a false fraction."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{Decimal(repr(cell)).normalize():f}"
    return cell.isoformat() if isinstance(cell, date) else str(cell).strip()
