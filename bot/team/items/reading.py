"""A document as an item's calls read it: windows with anchors, where a quote stands in it, and how it is kept."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from bot.store.documents import Kept
from connectors.documents import confined, quotes, windows
from connectors.documents.document import Document
from connectors.documents.reading import is_plain, read
from connectors.errors import Empty, Encrypted, TooLarge, Unreadable

REASONS = ((Empty, "empty"), (Encrypted, "encrypted"), (TooLarge, "too large"), (Unreadable, "unreadable"))


class Unread(Exception):
    """The document cannot be read; the message is the reason a person reads."""


@dataclass(frozen=True)
class Window:
    """One piece of a document as a call sees it."""

    number: int
    of: int
    start: int
    end: int
    first: str
    last: str
    shown: str  # its passages, each on a line that begins with its anchor


@dataclass(frozen=True)
class Reading:
    """A document that was read."""

    document: Document
    windows: tuple[Window, ...]

    @property
    def text(self) -> str:
        return self.document.text

    def place(self, offset: int) -> tuple[str, str]:
        """The anchor and the words for people of the passage at an offset."""
        anchor = self.document.anchor(offset)
        return anchor.label, anchor.place

    def find(self, quote: str, at: str, window: Window) -> list[tuple[int, int]]:
        """The spans of a quote's pieces inside the window, at the cited place if it stands there; [] when nowhere."""
        found = quotes.find(self.document, quote, at, within=(window.start, window.end))
        return [(piece.start, piece.end) for piece in found.pieces] if found else []

    def kept(self) -> bytes:
        """The text with its places, as it is stored."""
        passages = [(p.start, p.end, p.anchor.label, p.anchor.place) for p in self.document.passages]
        return Kept(self.document.name, self.document.text, tuple(passages)).dump()


@dataclass(frozen=True)
class Prepared:
    """A document that was read, and its text as it is stored."""

    reading: Reading
    kept: bytes


async def prepare(name: str, data: bytes, characters: int, overlap: int) -> Prepared:
    """Read a document whole, beside the loop, and cut it into windows. Raises Unread naming what it is."""
    try:
        if is_plain(data):
            return await asyncio.to_thread(lambda: _prepared(read(name, data), characters, overlap))
        document = await confined.read(name, data)
    except Unreadable as error:
        kind = next(words for kind, words in REASONS if isinstance(error, kind))
        raise Unread(f"{kind}: {error}") from error
    return await asyncio.to_thread(_prepared, document, characters, overlap)


def _prepared(document: Document, characters: int, overlap: int) -> Prepared:
    reading = Reading(
        document,
        tuple(
            Window(
                one.number, one.of, one.start, one.end, document.anchor(one.start).label,
                document.anchor(one.end - 1).label, windows.rendition(document, one),
            )
            for one in windows.windows(document, characters, overlap)
        ),
    )  # fmt: skip
    return Prepared(reading, reading.kept())


def opening(name: str, sha256: str, window: Window) -> str:
    """What a window is, as the first block of a request."""
    told = {
        "name": name, "sha256": sha256, "window": window.number, "of": window.of, "first": window.first,
        "last": window.last,
    }  # fmt: skip
    return f"<item>{json.dumps(told, ensure_ascii=False)}</item>"
