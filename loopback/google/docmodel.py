"""The text of a Doc as Google numbers it: a flat run of UTF-16 units in which tables are marked by units too.

Paragraph properties sit on the newline that ends the paragraph; so inserting and deleting are list operations
and every index in a request is an index of this list. Unit 0 is the section break, the body begins at 1.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from loopback.google.errors import invalid

SECTION, TABLE, ROW, CELL, TABLE_END = "\ue000", "\ue001", "\ue002", "\ue003", "\ue004"
STRUCTURE = frozenset((SECTION, TABLE, ROW, CELL, TABLE_END))
_DROPPED = re.compile("[\x00-\x08\x0c-\x1f\ue000-\uf8ff]")  # what Docs drops from inserted text
HEADINGS = ("NORMAL_TEXT", "TITLE", "SUBTITLE", *(f"HEADING_{n}" for n in range(1, 7)))


@dataclass
class Paragraph:
    """What a paragraph's newline carries."""

    style: dict[str, Any] = field(default_factory=lambda: {"namedStyleType": "NORMAL_TEXT"})
    bullet: dict[str, Any] | None = None


@dataclass
class Unit:
    """One UTF-16 unit with its text style; a newline has a paragraph too."""

    char: str
    style: dict[str, Any] = field(default_factory=dict)
    paragraph: Paragraph | None = None
    inserted: str = ""  # the suggestion that would add it
    deleted: str = ""  # the suggestion that would take it away


@dataclass
class NamedRange:
    """A name over a stretch of the text; the stretch moves with edits."""

    id: str
    name: str
    start: int
    end: int


def utf16(text: str) -> list[str]:
    """The UTF-16 units of a text, lone surrogates included."""
    raw = text.encode("utf-16-le", "surrogatepass")
    return [raw[i : i + 2].decode("utf-16-le", "surrogatepass") for i in range(0, len(raw), 2)]


def joined(units: list[Unit]) -> str:
    """The text of units, surrogate pairs put together again."""
    raw = "".join(u.char for u in units).encode("utf-16-le", "surrogatepass")
    return raw.decode("utf-16-le", "replace")


@dataclass
class Document:
    """A Doc's content, its lists and its named ranges."""

    units: list[Unit] = field(default_factory=lambda: [Unit(SECTION), Unit("\n", paragraph=Paragraph())])
    lists: dict[str, dict[str, Any]] = field(default_factory=dict)
    named: list[NamedRange] = field(default_factory=list)
    made: int = 0  # names, lists and suggestions made so far, for ids
    suggestions: dict[str, str] = field(default_factory=dict)  # open ones, by id: who made them

    def clone(self) -> Document:
        """A copy to edit, so that a refused batch leaves no trace."""
        units = [replace(u, paragraph=copy.deepcopy(u.paragraph)) for u in self.units]  # styles are replaced
        return Document(units, dict(self.lists), copy.deepcopy(self.named), self.made, dict(self.suggestions))

    def view(self, accepted: bool) -> Document:
        """A copy as it reads with all suggestions accepted, or without any."""
        seen = self.clone()
        for suggestion in list(seen.suggestions):
            seen.settle(suggestion, accepted)
        return seen

    def settle(self, suggestion: str, accepted: bool) -> None:
        """Ends a suggestion: what it adds or takes away is so, or is as it was."""
        if suggestion not in self.suggestions:
            raise invalid(f"The suggestion with ID {suggestion} does not exist.")
        del self.suggestions[suggestion]
        for at in range(self.end - 1, 0, -1):
            unit = self.units[at]
            if suggestion == (unit.deleted if accepted else unit.inserted):
                self.delete(at, at + 1)
            elif suggestion in (unit.inserted, unit.deleted):
                inserted = "" if unit.inserted == suggestion else unit.inserted
                deleted = "" if unit.deleted == suggestion else unit.deleted
                self.units[at] = replace(unit, inserted=inserted, deleted=deleted)

    @property
    def end(self) -> int:
        """One past the last index."""
        return len(self.units)

    def next_id(self, kind: str) -> str:
        """A new id for a list or a named range, unique within the document."""
        self.made += 1
        return f"{kind}.{self.made:012x}"

    def paragraph_at(self, index: int) -> tuple[int, int]:
        """Start and end (past the newline) of the paragraph around an index."""
        if not 1 <= index < self.end or self.units[index].char in STRUCTURE:
            raise invalid("The insertion index must be inside the bounds of an existing paragraph.")
        start = index
        while self.units[start - 1].char != "\n" and self.units[start - 1].char not in STRUCTURE:
            start -= 1
        stop = index
        while self.units[stop].char != "\n":
            stop += 1
        return start, stop + 1

    def paragraphs_in(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The paragraphs that overlap a range, in order."""
        index = start
        while index < end:
            if self.units[index].char in STRUCTURE:
                index += 1
                continue
            first, last = self.paragraph_at(index)
            yield first, last
            index = last

    def insert(self, index: int, text: str, suggestion: str = "") -> None:
        """Insert or suggest text; new paragraphs take the properties of the one they split."""
        start, stop = self.paragraph_at(index)
        paragraph = self.units[stop - 1].paragraph or Paragraph()
        style = self.units[index - 1].style if index > start else self.units[index].style
        units = []
        for char in utf16(_DROPPED.sub("", text)):
            own = copy.deepcopy(paragraph) if char == "\n" else None
            units.append(Unit(char, dict(style), own, suggestion))
        self._splice(index, units)

    def insert_table(self, index: int, rows: int, columns: int) -> None:
        """Insert an empty table; as in Docs, a newline goes before it."""
        if rows < 1 or columns < 1:
            raise invalid("The number of rows and columns of a table must be at least 1.")
        self.insert(index, "\n")
        units = [Unit(TABLE)]
        for _ in range(rows):
            units.append(Unit(ROW))
            for _ in range(columns):
                units += [Unit(CELL), Unit("\n", paragraph=Paragraph())]
        units.append(Unit(TABLE_END))
        self._splice(index + 1, units)

    def delete(self, start: int, end: int) -> None:
        """Delete a range that leaves the structure whole."""
        self.check_range(start, end)
        if end == self.end:
            raise invalid("The range cannot include the newline character at the end of the segment.")
        depth = 0
        for at in range(start, end):
            char = self.units[at].char
            depth += (char == TABLE) - (char == TABLE_END)
            if depth < 0 or (char in (ROW, CELL) and depth == 0):
                raise invalid("The range should not partially overlap a table.")
        after = self.units[end].char
        if depth or (after in STRUCTURE and self.units[start - 1].char != "\n"):
            raise invalid("Cannot delete the requested range.")
        if after in (ROW, CELL, TABLE_END) and self.units[start - 1].char == CELL:
            raise invalid("Cannot delete the last newline of a table cell.")
        del self.units[start:end]
        for name in self.named:
            name.start = min(max(name.start - (end - start), start), name.start)
            name.end = min(max(name.end - (end - start), start), name.end)
        self.named = [n for n in self.named if n.end > n.start]

    def check_range(self, start: int, end: int) -> None:
        """Refuse an empty range or one outside of the body."""
        if end <= start:
            raise invalid("The range should not be empty.")
        if start < 1 or end > self.end:
            at = end - 1 if start >= 1 else start
            text = f"Index {at} must be less than the end index of the referenced segment, {self.end}."
            raise invalid(text)

    def _splice(self, index: int, units: list[Unit]) -> None:
        self.units[index:index] = units
        for name in self.named:
            if name.start >= index:
                name.start += len(units)
            if name.end > index:
                name.end += len(units)


def structure(document: Document) -> list[dict[str, Any]]:
    """The body's structural elements as documents.get shows them."""
    first = {"endIndex": 1, "sectionBreak": {"sectionStyle": {"sectionType": "CONTINUOUS"}}}
    content, _ = _content(document, 1, document.end)
    return [first, *content]


def _content(document: Document, at: int, end: int) -> tuple[list[dict[str, Any]], int]:
    """Elements from `at` until the end or until the unit that closes this cell."""
    elements: list[dict[str, Any]] = []
    while at < end and document.units[at].char not in (ROW, CELL, TABLE_END):
        if document.units[at].char == TABLE:
            table, stop = _table(document, at, end)
            elements.append({"startIndex": at, "endIndex": stop, "table": table})
        else:
            stop = at
            while document.units[stop].char != "\n":
                stop += 1
            stop += 1
            elements.append({"startIndex": at, "endIndex": stop, "paragraph": _paragraph(document, at, stop)})
        at = stop
    return elements, at


def _table(document: Document, at: int, end: int) -> tuple[dict[str, Any], int]:
    rows: list[dict[str, Any]] = []
    at += 1
    while document.units[at].char == ROW:
        row_start, cells = at, []
        at += 1
        while document.units[at].char == CELL:
            content, stop = _content(document, at + 1, end)
            style = {"rowSpan": 1, "columnSpan": 1}
            cells.append({"startIndex": at, "endIndex": stop, "content": content, "tableCellStyle": style})
            at = stop
        rows.append({"startIndex": row_start, "endIndex": at, "tableCells": cells})
    columns = max(len(r["tableCells"]) for r in rows)
    return {"rows": len(rows), "columns": columns, "tableRows": rows}, at + 1


def _look(unit: Unit) -> tuple[dict[str, Any], str, str]:
    return unit.style, unit.inserted, unit.deleted


def _paragraph(document: Document, start: int, end: int) -> dict[str, Any]:
    elements: list[dict[str, Any]] = []
    at = start
    while at < end:
        stop = at + 1
        first = document.units[at]
        while stop < end and _look(document.units[stop]) == _look(first):
            stop += 1
        run: dict[str, Any] = {"content": joined(document.units[at:stop]), "textStyle": first.style}
        if first.inserted:
            run["suggestedInsertionIds"] = [first.inserted]
        if first.deleted:
            run["suggestedDeletionIds"] = [first.deleted]
        elements.append({"startIndex": at, "endIndex": stop, "textRun": run})
        at = stop
    properties = document.units[end - 1].paragraph or Paragraph()
    out: dict[str, Any] = {
        "elements": elements,
        "paragraphStyle": {"direction": "LEFT_TO_RIGHT", **properties.style},
    }
    if properties.bullet:
        out["bullet"] = properties.bullet
    return out
