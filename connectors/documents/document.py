"""A document as text in reading order, with a name for every place in it: page, line, row, or a transcript's turn."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from connectors.documents.tables import column_letters
from connectors.documents.turns import Turn, turns_of
from connectors.errors import Empty, TooLarge

PART = 600  # characters of one passage; nine in ten marked clauses are shorter
MAX_TEXT = 64 * 1024 * 1024  # characters

_LINE = re.compile(r"[^\n\f\r]+|\f")
_BREAK = re.compile(r"\r\n|[\n\r]")
_SENTENCE_END = re.compile(r"[.;:!?][\"'”’)\]]*\s+")
_NOBODY = Turn(0, 0)
# how a place is called and where its numbers come from
_UNITS = {"docx": "paragraph", "html": "line", "xlsx": "row", "csv": "row", "json": "line"}
_LEAVES = {"pptx": "slide"}


@dataclass(frozen=True)
class Anchor:
    """The name of a place. `label` is unique in its document and stable for the same bytes.

    Labels: "l12" line 12, "p3.2" page 3 line 2, "s2.14" sheet 2 row 14, "t17" turn 17; the second, third … part of a
    long line or turn adds ".2", ".3" ….
    """

    label: str
    line: int  # 1-based; on its page or sheet where there are any
    part: int = 1  # 1-based, of a long line or of a turn with several lines
    page: int | None = None  # 1-based
    sheet: str = ""
    turn: int | None = None  # 1-based unless the transcript numbers its turns itself
    speaker: str = ""
    stamp: str = ""  # the time of the turn as the transcript writes it
    seconds: int | None = None  # the same in seconds
    unit: str = "line"
    leaf: str = "page"  # what pages are called
    within: str = ""  # the file in a file: of an archive, attached to a message
    cell: str = ""  # of a sheet, where one cell is meant and not its row

    @property
    def place(self) -> str:
        """Words for people: "page 3, line 2", "turn 17, Ann, 00:12:31", "sheet Actuals, row 14"."""
        return f"{self.within}, {self._here}" if self.within else self._here

    @property
    def _here(self) -> str:
        if self.turn is not None:
            return ", ".join(filter(None, (f"turn {self.turn}", self.speaker, self.stamp)))
        where = f"{self.unit} {self.line}"
        if self.cell:
            where = f"cell {self.cell}"
        elif self.part > 1:
            where += f", part {self.part}"
        if self.sheet:
            return f"sheet {self.sheet}, {where}"
        return f"{self.leaf} {self.page}, {where}" if self.page else where


@dataclass(frozen=True)
class Passage:
    """A line, or a part of a long one cut at a sentence end; never blank, without a line break."""

    start: int  # offsets into Document.text
    end: int
    anchor: Anchor


@dataclass(frozen=True, eq=False)
class Document:
    """What was read of a file. `unread` says in sentences what could not be read although the rest could."""

    name: str
    kind: str  # text, html, docx, pdf, pptx, xlsx, csv, json, transcript, mail, zip, picture
    text: str  # pages, sheets and files in a file are separated by a form feed
    passages: tuple[Passage, ...]
    pages: int  # 0 when the format has none
    unread: tuple[str, ...]
    sha256: str  # of the bytes

    def anchor(self, offset: int) -> Anchor:
        """The place of a character: the passage it stands in, or the one before it; in a sheet its cell."""
        anchor = self.passages[max(0, bisect_right(self._starts, offset) - 1)].anchor
        if anchor.unit != "row" or not anchor.sheet:
            return anchor
        row = max(self.text.rfind("\n", 0, offset), self.text.rfind("\f", 0, offset)) + 1
        return replace(anchor, cell=f"{column_letters(self.text.count(chr(9), row, offset) + 1)}{anchor.line}")

    def passage(self, label: str) -> Passage | None:
        """The passage of this label, with or without brackets; None when there is none."""
        return self._labels.get(label.strip().strip("[]"))

    @cached_property
    def _starts(self) -> list[int]:
        return [passage.start for passage in self.passages]

    @cached_property
    def _labels(self) -> dict[str, Passage]:
        return {passage.anchor.label: passage for passage in self.passages}


def from_text(name: str, text: str, kind: str = "text") -> Document:
    """A document of text that is already there; its offsets are those of `text`. Empty when it holds only blanks."""
    return assemble(name, kind, text, text.encode("utf-8", "replace"))


def assemble(
    name: str,
    kind: str,
    text: str,
    data: bytes,
    *,
    sheets: Sequence[str] = (),
    numbers: Sequence[int] = (),
    turns: Sequence[Turn] = (),
    unread: Sequence[str] = (),
) -> Document:
    """A document with its passages. `sheets` names the form-feed sections, `numbers` the rows of the lines.

    `turns` are given where the format says what a turn is; in plain text they are recognised.
    """
    if len(text) > MAX_TEXT:
        raise TooLarge(f"{name} holds more than {MAX_TEXT:,} characters and was not read.", name=name)
    if not text.strip():
        raise Empty(f"{name} holds no text.", name=name)
    found = tuple(turns) or (turns_of(text) if kind in ("text", "docx", "pdf") else ())
    pages = 0 if sheets or "\f" not in text.strip("\f") else text.rstrip("\f").count("\f") + 1
    lines = _lines(text, sheets, numbers, paged=kind in ("pdf", "pptx") or pages > 0)
    return Document(
        name=name,
        kind="transcript" if found and kind == "text" else kind,
        text=text,
        passages=tuple(_parts(text, _UNITS.get(kind, "line"), _LEAVES.get(kind, "page"), lines, found)),
        pages=text.count("\f") + 1 if kind in ("pdf", "pptx") else pages,
        unread=tuple(unread),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _lines(
    text: str, sheets: Sequence[str], numbers: Sequence[int], *, paged: bool
) -> Iterator[tuple[int, int, str, int, int | None, str]]:
    """Start and end of each line that is not blank, its label, number, page and sheet."""
    section, line, count, last = 1, 1, 0, 0
    for match in _LINE.finditer(text):
        start, end = match.span()
        line += 1 if start == last + 1 and text[last] == "\n" else len(_BREAK.findall(text, last, start))
        last = end
        if text[start] == "\f":
            section, line = section + 1, line if not (paged or sheets) else 1
            continue
        number = numbers[count] if count < len(numbers) else line
        count += 1
        if text[start:end].isspace():
            continue
        if sheets:
            sheet = sheets[section - 1] if len(sheets) > 1 or sheets[0] else ""
            yield start, end, f"s{section}.{number}", number, None, sheet
        elif paged:
            yield start, end, f"p{section}.{number}", number, section, ""
        else:
            yield start, end, f"l{number}", number, None, ""


def _parts(
    text: str,
    unit: str,
    leaf: str,
    lines: Iterator[tuple[int, int, str, int, int | None, str]],
    turns: Sequence[Turn],
) -> Iterator[Passage]:
    starts = [turn.start for turn in turns]
    counted: dict[str, int] = {}
    for start, end, label, line, page, sheet in lines:
        at = bisect_right(starts, start + len(text[start:end]) - len(text[start:end].lstrip())) - 1 if turns else -1
        turn = turns[at] if at >= 0 else None
        said = turn or _NOBODY
        base = f"t{turn.number}" if turn else label
        for first, last in _cut(text, start, end):
            part = counted[base] = counted.get(base, 0) + 1
            name = base if part == 1 else f"{base}.{part}"
            number = said.number if turn else None
            place = Anchor(name, line, part, page, sheet, number, said.speaker, said.stamp, said.seconds, unit, leaf)
            yield Passage(first, last, place)


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Parts of a line without blanks at their ends, each of PART characters at most."""
    while start < end:
        while start < end and text[start].isspace():
            start += 1
        last = end
        if end - start > PART:
            breaks = [m.end() for m in _SENTENCE_END.finditer(text, start + PART // 4, start + PART)]
            space = text.rfind(" ", start + PART // 2, start + PART) + 1
            last = breaks[-1] if breaks else space or start + PART
        stop = last
        while stop > start and text[stop - 1].isspace():
            stop -= 1
        if stop > start:
            yield start, stop
        start = last
