"""What the Google connector takes and gives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

GOOGLE = "https://docs.google.com"

CellInput = str | int | Decimal | bool | None | Mapping[str, str]


@dataclass(frozen=True)
class DriveFile:
    """A file's metadata; `version` grows with every change of the file."""

    id: str
    name: str
    mime_type: str
    modified: str
    url: str
    parents: tuple[str, ...] = ()
    version: str = ""
    owner: str = ""
    ours: bool = False  # it belongs to the account, or was made by Cadre


@dataclass(frozen=True)
class Passage:
    """A paragraph or a table row of a Doc with the address that leads to it."""

    text: str
    start: int
    end: int
    style: str
    url: str


@dataclass(frozen=True)
class Slide:
    """The words of one slide."""

    number: int
    title: str
    text: str
    notes: str
    url: str


@dataclass(frozen=True)
class CalendarEvent:
    """An event as its owner sees it; a whole day has dates, anything else moments with their offset."""

    id: str
    title: str
    start: str
    end: str
    place: str
    description: str
    people: tuple[str, ...]
    url: str


@dataclass(frozen=True)
class Remark:
    """A comment on a file with its answers, each a name and words."""

    id: str
    author: str
    text: str
    quote: str
    resolved: bool
    answers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SheetTab:
    """One tab of a spreadsheet."""

    id: int
    title: str
    rows: int
    columns: int
    url: str


@dataclass(frozen=True)
class SheetGrid:
    """A tab's values as exact texts, as far as it is filled; formulas, formats and links by cell, such as C12."""

    file_id: str
    title: str
    gid: int
    url: str
    rows: tuple[tuple[str, ...], ...]
    formulas: Mapping[str, str] = field(default_factory=dict)
    formats: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    base: str = ""

    def cell_url(self, cell: str) -> str:
        """The address that opens the sheet at a cell or range."""
        return cell_url(self.base, self.file_id, self.gid, cell)

    def ref(self, cell: str) -> str:
        """The stable reference of a cell."""
        return f"sheet:{self.file_id}/{self.title}!{cell}"

    def value(self, cell: str) -> str:
        """The text of a cell such as C12; empty outside of the filled area."""
        row, column = a1_to_index(cell)
        inside = row < len(self.rows) and column < len(self.rows[row])
        return self.rows[row][column] if inside else ""


def column_name(index: int) -> str:
    """0 is A, 26 is AA."""
    name, index = "", index + 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(65 + rest) + name
    return name


def a1_to_index(cell: str) -> tuple[int, int]:
    """Row and column, counted from 0, of a cell such as C12."""
    found = re.fullmatch(r"\$?([A-Za-z]{1,3})\$?([1-9]\d{0,6})", cell)
    if found is None:
        raise ValueError(f"{cell!r} is not a cell")
    column = 0
    for char in found[1].upper():
        column = column * 26 + ord(char) - 64
    return int(found[2]) - 1, column - 1


def sheet_url(base: str, file_id: str, gid: int) -> str:
    """The address of a tab; Google's own keeps it after the # sign, the stand-in reads it as a query."""
    if base:
        return f"{base}/spreadsheets/d/{file_id}/edit?gid={gid}"
    return f"{GOOGLE}/spreadsheets/d/{file_id}/edit#gid={gid}"


def cell_url(base: str, file_id: str, gid: int, cell: str) -> str:
    """The address of a cell or range of a tab."""
    return f"{sheet_url(base, file_id, gid)}&range={cell}"


def doc_url(base: str, file_id: str) -> str:
    """The address of a Doc."""
    return f"{base or GOOGLE}/document/d/{file_id}/edit"
