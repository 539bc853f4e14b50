"""Markdown as the requests of documents.batchUpdate that write it into an empty Doc.

Text goes in first, in order, with the indexes it will have; styles follow, and bullets come last and from the end,
because making bullets removes the tabs that say how deep an item is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

Request = dict[str, Any]
_MARKS: dict[str, dict[str, Any]] = {"strong": {"bold": True}, "em": {"italic": True}, "s": {"strikethrough": True}}
_CODE = {"weightedFontFamily": {"fontFamily": "Roboto Mono"}}
_LINKS = ("http://", "https://", "mailto:")


def utf16_length(text: str) -> int:
    """The length of a text as Docs counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass
class _Run:
    text: str
    style: dict[str, Any]


@dataclass
class _Cell:
    runs: list[_Run]
    right: bool
    header: bool


@dataclass
class _Writer:
    """Collects requests; `at` is the index at the end of the last paragraph, before its newline."""

    at: int = 1
    fresh: bool = True  # the last paragraph is still empty
    texts: list[Request] = field(default_factory=list)
    styles: list[Request] = field(default_factory=list)
    bullets: list[Request] = field(default_factory=list)
    bullet_start: int | None = None

    def paragraph(self, runs: Sequence[_Run], named: str, depth: int = 0) -> None:
        if not self.fresh:
            self._insert("\n")
        start = self.at
        self._insert("\t" * depth)
        self._runs(runs)
        self.fresh = self.at == start
        if not self.fresh:
            self._named(start, self.at, {"namedStyleType": named}, "namedStyleType")

    def table(self, rows: list[list[_Cell]]) -> None:
        columns = max(len(row) for row in rows)
        place = {"location": {"index": self.at}, "rows": len(rows), "columns": columns}
        self.texts.append({"insertTable": place})
        self.at += 2  # the newline that goes before a table, and the table's own start
        for row in rows:
            self.at += 1
            for number in range(columns):
                self.at += 1
                self._cell(row[number] if number < len(row) else _Cell([], False, False))
                self.at += 1  # the newline of the cell
        self.at += 1
        self.fresh = True

    def _cell(self, cell: _Cell) -> None:
        start = self.at
        bold = {"bold": True} if cell.header else {}
        self._runs([_Run(run.text, {**run.style, **bold}) for run in cell.runs])
        if cell.right and self.at > start:
            self._named(start, self.at, {"alignment": "END"}, "alignment")

    def _runs(self, runs: Sequence[_Run]) -> None:
        start = self.at
        self._insert("".join(run.text for run in runs))
        for run in runs:
            end = start + utf16_length(run.text)
            if run.style and end > start:
                fields = ",".join(sorted(run.style))
                span = {"startIndex": start, "endIndex": end}
                change = {"range": span, "textStyle": run.style, "fields": fields}
                self.styles.append({"updateTextStyle": change})
            start = end

    def _insert(self, text: str) -> None:
        if text:
            self.texts.append({"insertText": {"location": {"index": self.at}, "text": text}})
            self.at += utf16_length(text)

    def _named(self, start: int, end: int, style: dict[str, Any], fields: str) -> None:
        span = {"startIndex": start, "endIndex": end}
        self.styles.append({"updateParagraphStyle": {"range": span, "paragraphStyle": style, "fields": fields}})

    def begin_list(self) -> None:
        self.bullet_start = self.at + (0 if self.fresh else 1)

    def end_list(self, ordered: bool) -> None:
        if self.bullet_start is not None and self.at > self.bullet_start:
            preset = "NUMBERED_DECIMAL_ALPHA_ROMAN" if ordered else "BULLET_DISC_CIRCLE_SQUARE"
            span = {"startIndex": self.bullet_start, "endIndex": self.at}
            self.bullets.append({"createParagraphBullets": {"range": span, "bulletPreset": preset}})
        self.bullet_start = None


def _inline(tokens: Sequence[Token]) -> list[_Run]:
    runs: list[_Run] = []
    styles: list[dict[str, Any]] = [{}]
    for token in tokens:
        if token.type.endswith("_open"):
            mark = _MARKS.get(token.tag, {})
            url = str(token.attrGet("href") or "")
            if token.tag == "a" and url.startswith(_LINKS):
                mark = {"link": {"url": url}}
            styles.append({**styles[-1], **mark})
        elif token.type.endswith("_close"):
            styles.pop()
        elif token.type in ("softbreak", "hardbreak"):
            runs.append(_Run(" " if token.type == "softbreak" else "\v", styles[-1]))
        elif token.type == "code_inline":
            runs.append(_Run(token.content, {**styles[-1], **_CODE}))
        elif token.type == "image":
            runs.append(_Run(token.content, styles[-1]))  # its words; Docs would fetch the picture from outside
        elif token.content:
            runs.append(_Run(token.content, styles[-1]))
    return runs


def _parsed(markdown: str) -> list[Token]:
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).parse(markdown)


def plain(markdown: str) -> list[str]:
    """The paragraphs of a text without any styles, list items with their sign."""
    lines, signs = [], list[str]()
    for token in _parsed(markdown):
        if token.type in ("bullet_list_open", "ordered_list_open"):
            signs.append("- " if token.type.startswith("bullet") else "1. ")
        elif token.type.endswith("_list_close"):
            signs.pop()
        elif token.type == "inline":
            text = "".join(run.text for run in _inline(token.children or []))
            lines.append(f"{'   ' * (len(signs) - 1)}{signs[-1]}{text}" if signs else text)
        elif token.type in ("fence", "code_block"):
            lines += token.content.rstrip("\n").split("\n")
    return lines


def inline(text: str) -> tuple[str, list[tuple[int, int, dict[str, Any]]]]:
    """Words with bold, italic or links as plain text, and where which style goes, in UTF-16 units."""
    runs = _inline(
        MarkdownIt("commonmark", {"html": False}).enable("strikethrough").parseInline(text)[0].children or []
    )
    at, styles = 0, []
    for run in runs:
        end = at + utf16_length(run.text)
        if run.style:
            styles.append((at, end, run.style))
        at = end
    return "".join(run.text for run in runs), styles


def requests_for(markdown: str, at: int = 1) -> tuple[list[Request], int]:
    """The requests that write into the empty paragraph at an index, the text's before the styles' and the bullets',
    and the index at which the text ends before bullets are made."""
    tokens = _parsed(markdown)
    writer, named = _Writer(at), "NORMAL_TEXT"
    lists: list[str] = []
    rows: list[list[_Cell]] = []
    cell: tuple[bool, bool] | None = None
    for token in tokens:
        if token.type == "heading_open":
            named = f"HEADING_{token.tag[1:]}"
        elif token.type == "heading_close":
            named = "NORMAL_TEXT"
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            if not lists:
                writer.begin_list()
            lists.append(token.type)
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            kind = lists.pop()
            if not lists:
                writer.end_list(kind.startswith("ordered"))
        elif token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            cell = ("right" in str(token.attrGet("style")), token.type == "th_open")
        elif token.type == "inline":
            runs = _inline(token.children or [])
            if cell:
                rows[-1].append(_Cell(runs, *cell))
                cell = None
            else:
                writer.paragraph(runs, named, max(0, len(lists) - 1))
        elif token.type == "table_close":
            writer.table(rows)
            rows = []
        elif token.type in ("fence", "code_block"):
            for line in token.content.rstrip("\n").split("\n"):
                writer.paragraph([_Run(line, dict(_CODE))], "NORMAL_TEXT")
    return [*writer.texts, *writer.styles, *reversed(writer.bullets)], writer.at
