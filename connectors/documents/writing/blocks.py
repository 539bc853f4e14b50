"""Markdown as blocks of styled words, the same for every kind of file that is written from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

_LINKS = ("http://", "https://", "mailto:")


@dataclass(frozen=True)
class Span:
    """Words of one style."""

    text: str
    bold: bool = False
    italic: bool = False
    code: bool = False
    struck: bool = False
    link: str = ""


@dataclass(frozen=True)
class Cell:
    spans: tuple[Span, ...]
    right: bool = False


@dataclass(frozen=True)
class Block:
    """One block. `kind` is heading, paragraph, item, quote, code, table or rule; what does not apply is empty."""

    kind: str
    spans: tuple[Span, ...] = ()
    level: int = 0  # of a heading from 1, of an item from 0
    number: int = 0  # of an item in an ordered list; 0: a bullet
    rows: tuple[tuple[Cell, ...], ...] = ()  # the first is the header


def blocks(markdown: str) -> list[Block]:
    """The blocks of a Markdown text. HTML in it is text, pictures are their words: nothing is fetched."""
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    return list(_Walk(parser.parse(markdown)).run())


@dataclass
class _Walk:
    tokens: Iterable[Token]  # walked once, in order
    lists: list[int] = field(default_factory=list)  # the next number of each open list; 0: bullets
    quoted: int = 0
    opened: bool = False  # an item begins with the next words
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    right: bool = False

    def run(self) -> Iterator[Block]:
        heading = 0
        before = ""  # the kind of the token before
        for token in self.tokens:
            match token.type:
                case "heading_open":
                    heading = int(token.tag[1:])
                case "heading_close":
                    heading = 0
                case "bullet_list_open":
                    self.lists.append(0)
                case "ordered_list_open":
                    self.lists.append(int(token.attrGet("start") or 1))
                case "bullet_list_close" | "ordered_list_close":
                    self.lists.pop()
                case "list_item_open":
                    self.opened = True
                case "blockquote_open" | "blockquote_close":
                    self.quoted += 1 if token.nesting > 0 else -1
                case "fence" | "code_block":
                    yield Block("code", (Span(token.content.rstrip("\n"), code=True),))
                case "hr":
                    yield Block("rule")
                case "th_open" | "td_open":
                    self.right = "right" in str(token.attrGet("style") or "")
                case "tr_close":
                    self.rows.append(tuple(self.cells))
                    self.cells = []
                case "table_close":
                    yield Block("table", rows=tuple(self.rows))
                    self.rows = []
                case "inline":
                    yield from self._words(tuple(_spans(token.children or [])), heading, before)
            before = token.type

    def _words(self, spans: tuple[Span, ...], heading: int, before: str) -> Iterator[Block]:
        if before in ("th_open", "td_open"):
            self.cells.append(Cell(spans, self.right))
        elif heading:
            yield Block("heading", spans, level=heading)
        elif self.lists:
            number = self.lists[-1] if self.opened else -1
            if self.opened and self.lists[-1]:
                self.lists[-1] += 1
            self.opened = False
            yield Block(
                "item" if number >= 0 else "paragraph", spans, level=len(self.lists) - 1, number=max(number, 0)
            )
        else:
            yield Block("quote" if self.quoted else "paragraph", spans)


def _spans(tokens: Sequence[Token]) -> Iterator[Span]:
    style = Span("")
    for token in tokens:
        match token.type:
            case "strong_open" | "strong_close":
                style = replace(style, bold=token.nesting > 0)
            case "em_open" | "em_close":
                style = replace(style, italic=token.nesting > 0)
            case "s_open" | "s_close":
                style = replace(style, struck=token.nesting > 0)
            case "link_open":
                target = str(token.attrGet("href") or "")
                style = replace(style, link=target if target.startswith(_LINKS) else "")
            case "link_close":
                style = replace(style, link="")
            case "softbreak":
                yield replace(style, text=" ")
            case "hardbreak":
                yield replace(style, text="\n")
            case "code_inline":
                yield replace(style, text=token.content, code=True)
            case _ if token.content:
                yield replace(style, text=token.content)
