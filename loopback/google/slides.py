"""Slides v1: reading presentations, and making empty ones; a seed says what is on each slide."""

from __future__ import annotations

from typing import Any

from loopback.google.calls import Answer, Call, Handler
from loopback.google.docmodel import utf16
from loopback.google.errors import GoogleError
from loopback.google.files import SLIDES, File

_PAGE = {"width": {"magnitude": 9144000, "unit": "EMU"}, "height": {"magnitude": 5143500, "unit": "EMU"}}


def _file(call: Call) -> File:
    try:
        file = call.drive.readable(call.params["presentationId"], call.user)
    except GoogleError as error:
        raise GoogleError(404, "Requested entity was not found.") from error
    if file.slides is None:
        raise GoogleError(400, "This operation is not supported for this document", reason="failedPrecondition")
    return file


def _shape(number: str, kind: str, text: str) -> dict[str, Any]:
    elements, at = [], 0
    for line in text.split("\n") if text else []:
        end = at + len(utf16(line)) + 1
        mark = {"endIndex": end, "paragraphMarker": {"style": {"direction": "LEFT_TO_RIGHT"}}}
        run = {"endIndex": end, "textRun": {"content": f"{line}\n", "style": {}}}
        elements += [mark, run] if not at else [{**mark, "startIndex": at}, {**run, "startIndex": at}]
        at = end
    shape: dict[str, Any] = {"shapeType": "TEXT_BOX", "placeholder": {"type": kind}}
    return {"objectId": number, "shape": shape | ({"text": {"textElements": elements}} if elements else {})}


def _table(number: str, rows: list[list[Any]]) -> dict[str, Any]:
    def cell(value: Any) -> dict[str, Any]:
        return {"text": _shape("", "", str(value))["shape"].get("text", {})}

    told = [{"tableCells": [cell(value) for value in row]} for row in rows]
    return {"objectId": number, "table": {"rows": len(rows), "columns": max(map(len, rows)), "tableRows": told}}


def _slide(number: int, given: dict[str, Any]) -> dict[str, Any]:
    name = f"p{number}"
    elements = []
    if given.get("title"):
        elements.append(_shape(f"{name}_t", "TITLE", given["title"]))
    if given.get("body"):
        elements.append(_shape(f"{name}_b", "BODY", "\n".join(given["body"])))
    if given.get("table"):
        elements.append(_table(f"{name}_x", given["table"]))
    notes = {
        "objectId": f"{name}_n",
        "pageType": "NOTES",
        "notesProperties": {"speakerNotesObjectId": f"{name}_s"},
        "pageElements": [_shape(f"{name}_s", "BODY", given.get("notes", ""))],
    }
    return {"objectId": name, "pageElements": elements, "slideProperties": {"notesPage": notes}}


def _shown(file: File) -> dict[str, Any]:
    slides = [_slide(number, given) for number, given in enumerate(file.slides or [], 1)]
    out = {"presentationId": file.id, "title": file.name, "locale": "en", "pageSize": _PAGE}
    return {**out, "slides": slides, "revisionId": file.revision_id}


def _get(call: Call) -> Answer:
    return _shown(_file(call))


def _create(call: Call) -> Answer:
    name = call.body.get("title") or "Untitled presentation"
    return _shown(call.drive.create(call.user, name, SLIDES, [], None))


HANDLERS: dict[str, Handler] = {
    "slides.presentations.create": _create,
    "slides.presentations.get": _get,
}
