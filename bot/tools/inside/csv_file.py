"""A CSV file as a table of texts, whole or not at all: what its signs mean is settled over the whole file."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

SIGNS = (",", ";", "\t", "|")
LINES = "delim=?, quote='\"', escape='\"', skip=0, comment='', auto_detect=false"
TELL = "Save it with one header row and as many cells in every row, with a script if need be, and ask again."


class Unreadable(Exception):
    """The file cannot be read as a table without losing something; the message says why."""


def load(db: Any, name: str, path: str) -> None:
    """Make a table of the file, every cell a text. Raises Unreadable when a row or a cell would be lost.

    A file that reads as a table with commas is one: so Cadre writes them. Only others are looked at for their signs.
    """
    try:
        told = _by_width(path)
    except UnicodeDecodeError as error:
        raise Unreadable(
            "its text is not UTF-8. Save it as UTF-8, with a script if need be, and ask again."
        ) from error
    if told is None:
        _by_guess(db, name, path)
        return
    sign, header, rows = told
    columns = dict.fromkeys(names(header), "VARCHAR")
    # All is given, so that nothing is guessed from the first rows.
    db.execute(
        f'CREATE TEMP TABLE "{name}" AS SELECT * FROM read_csv(?, header=true, columns=?, {LINES})',
        [path, columns, sign],
    )
    _compare(db, name, path, rows)


def names(header: list[str]) -> list[str]:
    """Column names as DuckDB makes them of a header: trimmed, none empty, none twice whatever the case."""
    made: list[str] = []
    seen: dict[str, int] = {}
    for at, cell in enumerate(header):
        name = cell.strip() or f"column{at:0{len(str(len(header) - 1))}}"
        while name.lower() in seen:
            seen[name.lower()] += 1
            name = f"{name}_{seen[name.lower()]}"
        seen[name.lower()] = 0
        made.append(name)
    return made


def _by_width(path: str) -> tuple[str, list[str], int] | None:
    """The sign between cells by which all rows are as long as the header, the header, and the number of rows."""
    alone = None
    for sign in SIGNS:
        try:
            found = _measured(path, sign)
        except csv.Error:
            continue
        if found and len(found[0]) > 1:
            return sign, *found
        if found and sign == ",":
            alone = sign, *found
    return alone


def _measured(path: str, sign: str) -> tuple[list[str], int] | None:
    rows = _rows(path, sign)
    header = next(rows, [])
    if not header:
        return None
    count = 0
    for row in rows:
        if len(row) == len(header) or (not row and len(header) == 1):
            count += 1  # an empty line is an empty cell where there is one column, and nothing elsewhere
        elif row:
            return None
    return header, count


def _rows(path: str, sign: str, quote: str = '"', *, strict: bool = True) -> Iterator[list[str]]:
    csv.field_size_limit(sys.maxsize)
    with open(path, encoding="utf-8-sig", newline="") as lines:
        yield from csv.reader(lines, delimiter=sign, quotechar=quote, strict=strict)


def _by_guess(db: Any, name: str, path: str) -> None:
    """A file of somebody else's making: its signs by DuckDB over all of it, its rows counted beside it."""
    how = "all_varchar=true, header=true, sample_size=-1, comment=''"
    sniffed = f"SELECT Delimiter, Quote, SkipRows FROM sniff_csv(?, {how})"
    sign, quote, skipped = db.execute(sniffed, [path]).fetchone()
    db.execute(f'CREATE TEMP TABLE "{name}" AS SELECT * FROM read_csv(?, {how})', [path])
    width = len(db.execute(f'DESCRIBE "{name}"').fetchall())
    rows = _rows(path, sign, quote if len(quote) == 1 else '"', strict=False)
    above = list(islice(rows, skipped))
    header = next(rows, [])
    if any(len(row) >= width for row in above) or len(header) != width or (width == 1 and _several(header[0])):
        raise Unreadable(f"its rows are not of one length, so which of them is the header cannot be told. {TELL}")
    _compare(db, name, path, sum(1 for row in rows if row or width == 1))


def _several(cell: str) -> bool:
    """Whether a lone header is several that were not told apart."""
    return any(sign in cell for sign in SIGNS)


def _compare(db: Any, name: str, path: str, rows: int) -> None:
    (read,) = db.execute(f'SELECT count(*) FROM "{name}"').fetchone()
    if read != rows:
        raise Unreadable(f"it holds {rows} rows below its header, and {read} could be read. {TELL}")
