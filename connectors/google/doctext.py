"""A Doc's text with its places: tabs, paragraphs, where words stand, and a digest of all that people see."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from connectors.errors import Misplaced
from connectors.google.markdown import utf16_length

OTHER = "\ue907"  # what Docs puts where something else than text stands
_ALIKE = str.maketrans({"\u00a0": " ", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})


@dataclass(frozen=True)
class Run:
    """Text of one style; suggested when somebody proposes it, or proposes to delete it."""

    text: str
    style: dict[str, Any]
    inserted: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Paragraph:
    """One paragraph with its indexes in the Doc; `end` is past its newline."""

    tab: str
    start: int
    end: int
    runs: tuple[Run, ...]
    style: dict[str, Any]
    bullet: dict[str, Any] | None
    before_paragraph: bool  # another paragraph follows in the same place

    @property
    def text(self) -> str:
        """Its text without the newline."""
        return "".join(run.text for run in self.runs).removesuffix("\n")


@dataclass(frozen=True)
class Spot:
    """Words in a paragraph, by index."""

    paragraph: Paragraph
    start: int
    end: int

    def runs(self) -> list[dict[str, Any]]:
        """The words with their styles, as rows keep them."""
        found, at = [], self.paragraph.start
        for run in self.paragraph.runs:
            cut_from, cut_to = max(self.start, at), min(self.end, at + utf16_length(run.text))
            if cut_from < cut_to:
                found.append({"text": _part(run.text, cut_from - at, cut_to - at), "style": run.style})
            at += utf16_length(run.text)
        return found


def tabs(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each tab's id and content, in the order of the Doc, inner tabs after the one that holds them."""
    waiting = list(document.get("tabs", []))
    while waiting:
        tab = waiting.pop(0)
        yield tab["tabProperties"]["tabId"], tab.get("documentTab", {})
        waiting = [*tab.get("childTabs", []), *waiting]


def paragraphs(document: dict[str, Any]) -> list[Paragraph]:
    """Every paragraph, those of table cells too."""
    return [one for tab, content in tabs(document) for one in _of(tab, content.get("body", {}).get("content", []))]


def _of(tab: str, content: list[dict[str, Any]]) -> Iterator[Paragraph]:
    for number, element in enumerate(content):
        if "paragraph" in element:
            given = element["paragraph"]
            following = content[number + 1] if number + 1 < len(content) else {}
            yield Paragraph(
                tab, element.get("startIndex", 0), element["endIndex"], tuple(_runs(given)),
                given.get("paragraphStyle", {}), given.get("bullet"), "paragraph" in following,
            )  # fmt: skip
        for row in element.get("table", {}).get("tableRows", []):
            for cell in row.get("tableCells", []):
                yield from _of(tab, cell.get("content", []))


def _runs(paragraph: dict[str, Any]) -> Iterator[Run]:
    for element in paragraph.get("elements", []):
        run = element.get("textRun")
        if run is None:
            yield Run(OTHER * (element["endIndex"] - element.get("startIndex", 0)), {})
        else:
            yield Run(
                run.get("content", ""), run.get("textStyle", {}), tuple(run.get("suggestedInsertionIds", ())),
                tuple(run.get("suggestedDeletionIds", ())),
            )  # fmt: skip


def spot(document: dict[str, Any], words: str) -> Spot:
    """Where these words stand, once. Raises Misplaced when they stand nowhere or more than once."""
    wanted, found = words.translate(_ALIKE), []
    for paragraph in paragraphs(document):
        text = paragraph.text.translate(_ALIKE)
        at = text.find(wanted)
        while at >= 0:
            start = paragraph.start + utf16_length(paragraph.text[:at])
            found.append(Spot(paragraph, start, start + utf16_length(words)))
            at = text.find(wanted, at + 1)
    quote = words if len(words) <= 80 else f"{words[:79]}…"
    if not found:
        told = f"The document does not have the words “{quote}” in one paragraph."
        raise Misplaced(f"{told} Give them exactly as they stand there.", quote=words)
    if len(found) > 1:
        told = f"The words “{quote}” stand {len(found)} times in the document."
        raise Misplaced(f"{told} Give more of the sentence, so that only one place is meant.", quote=words,
                        places=len(found))  # fmt: skip
    return found[0]


def named(document: dict[str, Any], prefix: str) -> dict[str, tuple[str, int, int]]:
    """Named ranges by the end of their names: the tab, and where they begin and end now."""
    found = {}
    for tab, content in tabs(document):
        for name, entry in content.get("namedRanges", {}).items():
            if name.startswith(prefix):
                spans = [r for one in entry["namedRanges"] for r in one["ranges"]]
                ends = [r["endIndex"] for r in spans]
                found[name.removeprefix(prefix)] = (tab, min(r.get("startIndex", 0) for r in spans), max(ends))
    return found


def digest(document: dict[str, Any]) -> str:
    """The same for the same text, styles and suggestions, whatever marks programs left."""
    seen = [[tab, content.get("body", {}).get("content", [])] for tab, content in tabs(document)]
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:40]


def _part(text: str, start: int, end: int) -> str:
    """A part of a text by UTF-16 indexes."""
    raw = text.encode("utf-16-le", "surrogatepass")
    return raw[start * 2 : end * 2].decode("utf-16-le", "surrogatepass")
