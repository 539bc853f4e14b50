"""Cuts a long document into windows that share a margin, and writes a window so that every place in it has a name."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace

from connectors.documents.document import Anchor, Document, Passage
from connectors.errors import BadInput

SIZE = 48_000
OVERLAP = 600  # covers nine in ten marked clauses of commercial contracts

_BREAK = re.compile(r"\r\n|[\n\r]")
_LABEL = re.compile(r"(?m)^\[[lpst]\d+(?:\.\d+)*\] ?")


@dataclass(frozen=True)
class Window:
    """A stretch of a document's text."""

    number: int  # 1-based
    of: int
    start: int  # offsets into Document.text
    end: int
    passages: tuple[Passage, ...]  # clipped to the window where a passage had to be cut; empty when all is blank

    @property
    def first(self) -> Anchor | None:
        """The place where the window begins."""
        return self.passages[0].anchor if self.passages else None

    @property
    def last(self) -> Anchor | None:
        """The place where it ends."""
        return self.passages[-1].anchor if self.passages else None


def windows(document: Document, size: int = SIZE, overlap: int = OVERLAP) -> tuple[Window, ...]:
    """Windows of at most `size` characters that together hold every character; neighbours share `overlap` or more.

    They begin and end where a passage begins, at a paragraph, page or turn where one is near. BadInput when the
    overlap leaves less than half of a window for new text.
    """
    if overlap < 0 or size < 1 or overlap * 2 > size:
        raise BadInput("A window must be at least twice as long as what it shares with its neighbour.")
    starts = [passage.start for passage in document.passages]
    strong = _strong(document)
    length = len(document.text)
    spans = []
    start = 0
    while True:
        if start + size >= length:
            spans.append((start, length))
            break
        low, high = start + max(overlap + 1, size // 2), start + size
        end = _last(strong, max(low, high - size // 5), high) or _last(starts, low, high) or high
        spans.append((start, end))
        start = _last(starts, start + 1, end - overlap) or end - overlap
    return tuple(
        Window(number, len(spans), first, last, _clipped(document.passages, starts, first, last))
        for number, (first, last) in enumerate(spans, start=1)
    )


def rendition(document: Document, window: Window) -> str:
    """The window for a model: each passage on a line of its own that begins with its label, "[p3.2] text"."""
    return "\n".join(f"[{p.anchor.label}] {document.text[p.start : p.end]}" for p in window.passages)


def unlabelled(text: str) -> str:
    """A rendition, or a piece copied out of one, without the labels."""
    return _LABEL.sub("", text)


def _strong(document: Document) -> list[int]:
    """Where a paragraph, page or turn begins."""
    found = []
    before: Passage | None = None
    for passage in document.passages:
        gap = document.text[before.end : passage.start] if before else ""
        if before is None or (
            passage.anchor.part == 1
            and (passage.anchor.turn is not None or "\f" in gap or (gap != "\n" and len(_BREAK.findall(gap)) > 1))
        ):
            found.append(passage.start)
        before = passage
    return found


def _last(values: list[int], low: int, high: int) -> int | None:
    """The greatest of the sorted values within low..high; never 0."""
    at = bisect_right(values, high) - 1
    return values[at] if at >= 0 and values[at] >= low else None


def _clipped(passages: tuple[Passage, ...], starts: list[int], first: int, last: int) -> tuple[Passage, ...]:
    at = max(0, bisect_right(starts, first) - 1)
    kept = []
    for passage in passages[at : bisect_left(starts, last)]:
        start, end = max(passage.start, first), min(passage.end, last)
        if start < end:
            whole = (start, end) == (passage.start, passage.end)
            kept.append(passage if whole else replace(passage, start=start, end=end))
    return tuple(kept)
