"""A1 notation: `C12`, `A1:D`, `'Q3 plan'!B2:C9`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PART = re.compile(r"\$?([A-Za-z]{1,3})?\$?(\d{1,7})?")


def column_name(index: int) -> str:
    """0 is A, 26 is AA."""
    name, index = "", index + 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(65 + rest) + name
    return name


def column_index(name: str) -> int:
    """The reverse of column_name."""
    value = 0
    for char in name.upper():
        value = value * 26 + ord(char) - 64
    return value - 1


def quoted(tab: str) -> str:
    """A tab's name as it stands before the exclamation mark."""
    return tab if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", tab) else "'" + tab.replace("'", "''") + "'"


@dataclass(frozen=True)
class Area:
    """A rectangle on a tab, half-open; None as an end means as far as the grid goes."""

    tab: str | None
    row: int = 0
    column: int = 0
    row_end: int | None = None
    column_end: int | None = None

    def within(self, rows: int, columns: int) -> Area:
        """The same rectangle with its open ends put at the grid's."""
        row_end = rows if self.row_end is None else self.row_end
        column_end = columns if self.column_end is None else self.column_end
        return Area(self.tab, self.row, self.column, row_end, column_end)

    def text(self, tab: str) -> str:
        """The rectangle in A1 notation; both ends must be known."""
        assert self.row_end is not None and self.column_end is not None
        first = f"{column_name(self.column)}{self.row + 1}"
        last = f"{column_name(self.column_end - 1)}{self.row_end}"
        return f"{quoted(tab)}!{first}" + (f":{last}" if last != first else "")


def split_tab(text: str) -> tuple[str | None, str]:
    """The tab's name, unquoted, and the rest."""
    if text.startswith("'"):
        if found := re.fullmatch(r"'((?:[^']|'')*)'(?:!(.*))?", text, re.S):
            return found[1].replace("''", "'"), found[2] or ""
        return None, text
    tab, mark, rest = text.rpartition("!")
    return (tab, rest) if mark else (None, rest)


def parse(text: str, tabs: list[str]) -> Area | None:
    """The area a range names, or None when it names nothing; a bare tab name means the whole tab."""
    tab, rest = split_tab(text)
    if tab is None and rest in tabs:
        return Area(rest)
    if not rest:
        return Area(tab)
    ends = rest.split(":")
    if len(ends) > 2:
        return None
    parts = [_PART.fullmatch(end) for end in ends]
    if any(p is None or not (p[1] or p[2]) for p in parts):
        return None
    spots = [(column_index(p[1]) if p[1] else None, int(p[2]) - 1 if p[2] else None) for p in parts if p]
    (column, row), (last_column, last_row) = spots[0], spots[-1]
    if -1 in (row, last_row) or (len(ends) == 1 and (column is None or row is None)):
        return None
    row_end = None if last_row is None else last_row + 1
    column_end = None if last_column is None else last_column + 1
    if (row_end is not None and row_end <= (row or 0)) or (column_end is not None and column_end <= (column or 0)):
        return None
    return Area(tab, row or 0, column or 0, row_end, column_end)
