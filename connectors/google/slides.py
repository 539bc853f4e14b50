"""Slides: the words of each slide, its tables and speaker notes, with the address of the slide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.google.services import Services
from connectors.google.types import GOOGLE, Slide

MIME = "application/vnd.google-apps.presentation"
_TITLES = ("TITLE", "CENTERED_TITLE")


class Slides:
    """The Slides part of a workspace."""

    def __init__(self, services: Services, base: str) -> None:
        self._services, self._base = services, base

    async def read(self, file_id: str) -> tuple[Slide, ...]:
        """The slides in order."""
        found = await self._services.read("slides", lambda s: s.presentations().get(presentationId=file_id), file_id)
        at = f"{self._base or GOOGLE}/presentation/d/{file_id}/edit#slide=id."
        return tuple(_slide(n, page, f"{at}{page['objectId']}") for n, page in enumerate(found.get("slides", []), 1))


def _slide(number: int, page: dict[str, Any], url: str) -> Slide:
    title, lines = "", list[str]()
    for element in _inside(page.get("pageElements", [])):
        shape = element.get("shape", {})
        text = _text(shape.get("text", {}))
        if text and not title and shape.get("placeholder", {}).get("type") in _TITLES:
            title = " ".join(text.split())
        elif text:
            lines.append(text)
        for row in element.get("table", {}).get("tableRows", []):
            cells = [" ".join(_text(cell.get("text", {})).split()) for cell in row.get("tableCells", [])]
            lines.append(" | ".join(cells))
    notes = page.get("slideProperties", {}).get("notesPage", {})
    own = notes.get("notesProperties", {}).get("speakerNotesObjectId")
    told = [_text(e.get("shape", {}).get("text", {})) for e in notes.get("pageElements", []) if e["objectId"] == own]
    return Slide(number, title, "\n".join(lines), "\n".join(told), url)


def _inside(elements: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The elements of a page, those of groups too."""
    for element in elements:
        yield element
        yield from _inside(element.get("elementGroup", {}).get("children", []))


def _text(content: dict[str, Any]) -> str:
    parts = (e.get("textRun", e.get("autoText", {})).get("content", "") for e in content.get("textElements", []))
    return "".join(parts).replace("\v", "\n").strip()
