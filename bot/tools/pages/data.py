"""A page as data: what agents and scripts may put on it. Words of others are marked as such; the rest is ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

ANCHOR = r"^[A-Za-z][\w.-]{0,79}$"
ADDRESS = r"^(https?://[^\s\"<>]+|#[A-Za-z][\w.-]{0,79})$"
CODE = re.compile(r"`[^`\n]*`")  # words of others within a sentence of ours
LINK = re.compile(r"\[[^\]\n]+\]\((?:https?://|#)[^)\s]+\)")


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(Part):
    """A paragraph."""

    type: Literal["text"]
    text: str
    id: str = Field("", pattern=ANCHOR + "|^$")


class Points(Part):
    """A list."""

    type: Literal["list"]
    items: tuple[str, ...]
    ordered: bool = False
    id: str = Field("", pattern=ANCHOR + "|^$")


class Column(Part):
    label: str
    align: Literal["left", "right"] = "left"
    verbatim: bool = False  # words of a source, kept as they are


Tone = Literal["", "good", "warn", "bad", "none"]  # how a reader should take it


class Cell(Part):
    """A cell of a table with a tone."""

    text: str
    tone: Tone = ""
    verbatim: bool = False  # words of a source, kept as they are


class Table(Part):
    """Rows under named columns."""

    type: Literal["table"]
    columns: tuple[Column, ...] = Field(min_length=1)
    rows: tuple[tuple[str | Cell, ...], ...]
    caption: str = ""
    sort: bool = False  # people may sort it by a column
    id: str = Field("", pattern=ANCHOR + "|^$")


class Bar(Part):
    """One row of bars; a figure per series, or none where there is nothing to show."""

    label: str
    figures: tuple[str | None, ...]
    note: str = ""


class Bars(Part):
    """Bars whose lengths are recorded figures."""

    type: Literal["bars"]
    series: tuple[str, ...] = Field(min_length=1, max_length=4)
    rows: tuple[Bar, ...]
    caption: str = ""
    missing: str = ""  # what stands where a row has no figure
    max: str = Field("", pattern=r"^(\d+(\.\d+)?)?$")  # the value of a full bar; else the largest figure
    id: str = Field("", pattern=ANCHOR + "|^$")


class Quote(Part):
    """Words of others with their place."""

    text: str
    place: str = ""
    url: str = Field("", pattern=ADDRESS + "|^$")
    note: str = ""


class Quotes(Part):
    type: Literal["quotes"]
    items: tuple[Quote, ...]
    id: str = Field("", pattern=ANCHOR + "|^$")


class Side(Part):
    label: str
    text: str
    quotes: tuple[Quote, ...] = ()


class Sides(Part):
    """Views side by side."""

    type: Literal["sides"]
    items: tuple[Side, ...] = Field(min_length=1)
    caption: str = ""
    id: str = Field("", pattern=ANCHOR + "|^$")


class Passage(Part):
    """A piece of the source, to be linked to."""

    id: str = Field(pattern=ANCHOR)
    place: str = ""
    text: str
    marks: tuple[tuple[int, int], ...] = ()  # characters of the text that are cited, from and up to


class Passages(Part):
    type: Literal["passages"]
    items: tuple[Passage, ...]
    id: str = Field("", pattern=ANCHOR + "|^$")


class Tile(Part):
    """One number that people look for, and what it is."""

    label: str
    text: str
    tone: Tone = ""


class Tiles(Part):
    type: Literal["tiles"]
    items: tuple[Tile, ...] = Field(min_length=1, max_length=8)
    id: str = Field("", pattern=ANCHOR + "|^$")


class Details(Part):
    """Blocks folded away."""

    type: Literal["details"]
    summary: str
    blocks: tuple[Block, ...]
    id: str = Field("", pattern=ANCHOR + "|^$")


Block = Annotated[
    Text | Points | Table | Bars | Quotes | Sides | Passages | Tiles | Details, Field(discriminator="type")
]


class Section(Part):
    title: str
    blocks: tuple[Block, ...]
    id: str = Field("", pattern=ANCHOR + "|^$")


class Page(Part):
    """A whole page: the lines people read first, sections, and how it came about."""

    title: str = Field(min_length=1, max_length=200)
    kicker: str = ""
    wide: bool = False  # for tables of many columns
    lead: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = ()


Details.model_rebuild()


def own_words(page: Page) -> Iterator[str]:
    """Every text of a page that is not somebody else's: what may state no number of its own."""
    yield from (page.title, page.kicker, *page.lead, *page.notes)
    for section in page.sections:
        yield section.title
        for block in section.blocks:
            yield from _own(block)


def _own(block: Block) -> Iterator[str]:
    match block:
        case Text(text=text):
            yield text
        case Points(items=items):
            yield from items
        case Table():
            yield block.caption
            for row in block.rows:
                for cell, column in zip(row, block.columns, strict=False):
                    if isinstance(cell, str) and not column.verbatim:
                        yield cell
                    elif isinstance(cell, Cell) and not (cell.verbatim or column.verbatim):
                        yield cell.text
        case Bars():
            yield from (block.caption, *(row.note for row in block.rows))
        case Quotes(items=quotes):
            yield from (quote.note for quote in quotes)
        case Sides():
            yield block.caption
            for side in block.items:
                yield from (side.text, *(quote.note for quote in side.quotes))
        case Tiles():
            yield from (word for tile in block.items for word in (tile.label, tile.text))
        case Details():
            yield block.summary
            for inner in block.blocks:
                yield from _own(inner)


def bare(text: str) -> str:
    """A text of ours without the words of others in it, and without links: both lead to where they come from."""
    return LINK.sub(" ", CODE.sub(" ", text))


def blocks(page: Page) -> Iterator[Block]:
    """Every block, also the folded ones."""
    open_ = [block for section in reversed(page.sections) for block in reversed(section.blocks)]
    while open_:
        block = open_.pop()
        yield block
        if isinstance(block, Details):
            open_ += reversed(block.blocks)
