"""The requests of documents.batchUpdate, each a function that edits a document; the table at the end names them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from loopback.google.docmodel import HEADINGS, STRUCTURE, Document, NamedRange, Paragraph, utf16
from loopback.google.errors import GoogleError, invalid

Reply = dict[str, Any]
TAB = "t.0"  # the only tab that a Doc has here
_GLYPHS = {"NUMBERED": {"glyphType": "DECIMAL"}, "BULLET": {"glyphSymbol": "●"}}


def _place(document: Document, request: dict[str, Any]) -> int:
    where = request.get("location")
    if where is not None:
        index = where.get("index", 0)
        if not isinstance(index, int) or index < 1:
            raise invalid("The insertion index must be inside the bounds of an existing paragraph.")
        if index >= document.end:
            end = document.end
            raise invalid(f"Index {index} must be less than the end index of the referenced segment, {end}.")
        return index
    if "endOfSegmentLocation" in request:
        return document.end - 1
    raise invalid("The insertion location is required.")


def span(document: Document, request: dict[str, Any]) -> tuple[int, int]:
    """The range of a request, checked."""
    given = request.get("range")
    if not given:
        raise invalid("The range is required.")
    start, end = given.get("startIndex", 0), given.get("endIndex", 0)
    document.check_range(start, end)
    return start, end


def _masked(current: dict[str, Any], given: dict[str, Any], fields: str) -> dict[str, Any]:
    """A style after an update: a field in the mask without a value is unset."""
    if not fields:
        raise invalid("At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)")
    names = [n.strip() for n in fields.split(",")]
    if names == ["*"]:
        return copy.deepcopy(given)
    out = dict(current)
    for name in names:
        top = name.split(".")[0]
        if top in given:
            out[top] = copy.deepcopy(given[top])
        else:
            out.pop(top, None)
    return out


def _insert_text(document: Document, request: dict[str, Any]) -> Reply:
    document.insert(_place(document, request), request.get("text", ""))
    return {}


def _insert_table(document: Document, request: dict[str, Any]) -> Reply:
    document.insert_table(_place(document, request), request.get("rows", 0), request.get("columns", 0))
    return {}


def _delete(document: Document, request: dict[str, Any]) -> Reply:
    document.delete(*span(document, request))
    return {}


def _text_style(document: Document, request: dict[str, Any]) -> Reply:
    start, end = span(document, request)
    style, fields = request.get("textStyle", {}), request.get("fields", "")
    for unit in document.units[start:end]:
        if unit.char not in STRUCTURE:
            unit.style = _masked(unit.style, style, fields)
    return {}


def _paragraph_style(document: Document, request: dict[str, Any]) -> Reply:
    start, end = span(document, request)
    style, fields = request.get("paragraphStyle", {}), request.get("fields", "")
    if style.get("namedStyleType", "NORMAL_TEXT") not in HEADINGS:
        raise invalid("The named style type is not supported.")
    for _, stop in document.paragraphs_in(start, end):
        paragraph = document.units[stop - 1].paragraph or Paragraph()
        paragraph.style = {"namedStyleType": "NORMAL_TEXT", **_masked(paragraph.style, style, fields)}
        document.units[stop - 1].paragraph = paragraph
    return {}


def _bullets(document: Document, request: dict[str, Any]) -> Reply:
    start, end = span(document, request)
    preset = request.get("bulletPreset", "BULLET_DISC_CIRCLE_SQUARE")
    kind = "NUMBERED" if preset.startswith("NUMBERED") else "BULLET"
    list_id = document.next_id("kix")
    level = {"bulletAlignment": "START", **_GLYPHS[kind]}
    document.lists[list_id] = {"listProperties": {"nestingLevels": [level] * 9}}
    spans = list(document.paragraphs_in(start, end))
    for first, stop in reversed(spans):  # from the end: leading tabs are removed, which moves what follows
        depth = 0
        while document.units[first + depth].char == "\t":
            depth += 1
        paragraph = document.units[stop - 1].paragraph or Paragraph()
        paragraph.bullet = {"listId": list_id, "textStyle": {}} | ({"nestingLevel": depth} if depth else {})
        document.units[stop - 1].paragraph = paragraph
        if depth:
            document.delete(first, first + depth)
    return {}


def _no_bullets(document: Document, request: dict[str, Any]) -> Reply:
    for _, stop in document.paragraphs_in(*span(document, request)):
        paragraph = document.units[stop - 1].paragraph
        if paragraph:
            paragraph.bullet = None
    return {}


def _name(document: Document, request: dict[str, Any]) -> Reply:
    name = request.get("name", "")
    if not 1 <= len(utf16(name)) <= 256:
        raise invalid("The name must be at least 1 and at most 256 characters long.")
    made = NamedRange(document.next_id("kix"), name, *span(document, request))
    document.named.append(made)
    return {"createNamedRange": {"namedRangeId": made.id}}


def _unname(document: Document, request: dict[str, Any]) -> Reply:
    key, name = request.get("namedRangeId"), request.get("name")
    kept = [n for n in document.named if n.id != key and n.name != name]
    if len(kept) == len(document.named) and key:
        raise invalid(f"The named range with ID {key} does not exist.")
    document.named = kept
    return {}


def _replace(document: Document, request: dict[str, Any]) -> Reply:
    wanted = request.get("containsText", {})
    text, match_case = wanted.get("text", ""), wanted.get("matchCase", False)
    if not text:
        raise invalid("The text to find must not be empty.")
    needle, fold = utf16(text), (lambda c: c) if match_case else str.lower
    folded = [fold(c) for c in needle]
    changed, at = 0, 1
    while at + len(needle) < document.end:
        if [fold(u.char) for u in document.units[at : at + len(needle)]] == folded:
            with_ = request.get("replaceText", "")
            document.insert(at + len(needle), with_)
            document.delete(at, at + len(needle))
            at += len(utf16(with_))
            changed += 1
        else:
            at += 1
    return {"replaceAllText": {"occurrencesChanged": changed} if changed else {}}


REQUESTS: dict[str, Callable[[Document, dict[str, Any]], Reply]] = {
    "insertText": _insert_text,
    "insertTable": _insert_table,
    "deleteContentRange": _delete,
    "updateTextStyle": _text_style,
    "updateParagraphStyle": _paragraph_style,
    "createParagraphBullets": _bullets,
    "deleteParagraphBullets": _no_bullets,
    "createNamedRange": _name,
    "deleteNamedRange": _unname,
    "replaceAllText": _replace,
}


def _suggest_text(document: Document, request: dict[str, Any], suggestion: str) -> None:
    document.insert(_place(document, request), request.get("text", ""), suggestion)


def _suggest_deletion(document: Document, request: dict[str, Any], suggestion: str) -> None:
    start, end = span(document, request)
    if end == document.end or any(unit.char in STRUCTURE for unit in document.units[start:end]):
        raise invalid("Cannot delete the requested range.")
    document.units[start:end] = [replace(unit, deleted=suggestion) for unit in document.units[start:end]]


SUGGESTED = {"insertText": _suggest_text, "deleteContentRange": _suggest_deletion}
SETTLED = {
    "acceptSuggestion": "acceptedSuggestionIds",
    "rejectSuggestion": "rejectedSuggestionIds",
    "deleteSuggestion": "deletedSuggestionIds",
}
Others = Callable[[str, Document, dict[str, Any]], Reply | None]


def _settle(document: Document, kind: str, request: dict[str, Any], user: str) -> Reply:
    suggestion = request.get("suggestionId", "")
    if kind == "deleteSuggestion" and document.suggestions.get(suggestion, user) != user:
        raise GoogleError(403, "The caller is not the author of the suggestion.")
    document.settle(suggestion, kind == "acceptSuggestion")
    return {SETTLED[kind]: [suggestion]}


def _one(document: Document, kind: str, body: dict[str, Any], user: str, suggest: bool) -> tuple[Reply, Reply]:
    """One request done or suggested: its reply, and what became of suggestions."""
    if kind in SETTLED:
        return {}, _settle(document, kind, body, user)
    if suggest:
        if kind not in SUGGESTED:
            raise GoogleError(501, f"{kind} cannot be suggested on this local server.")
        made = document.next_id("suggest")
        document.suggestions[made] = user
        SUGGESTED[kind](document, body, made)
        return {}, {"createdSuggestionIds": [made]}
    if kind not in REQUESTS:
        raise GoogleError(501, f"{kind} is not available on this local server.")
    return REQUESTS[kind](document, body), {}


def _check_tab(body: dict[str, Any]) -> None:
    for key in ("location", "range", "endOfSegmentLocation"):
        tab = (body.get(key) or {}).get("tabId", TAB)
        if tab != TAB:
            raise invalid(f"The tab with ID {tab} does not exist.")


def run(
    document: Document,
    requests: list[dict[str, Any]],
    *,
    user: str = "",
    suggest: bool = False,
    others: Others | None = None,
) -> tuple[Document, list[Reply], list[Reply]]:
    """A new document with all requests applied, their replies and what became of suggestions; or the error of the
    first that cannot be. `others` answers requests that are not about the text."""
    edited, replies, suggested = document.clone(), [], []
    for number, request in enumerate(requests):
        if len(request) != 1:
            raise invalid(f"Invalid requests[{number}]: exactly one request must be set.")
        kind, body = next(iter(request.items()))
        try:
            _check_tab(body)
            reply, told = others(kind, edited, body) if others else None, dict[str, Any]()
            if reply is None:
                reply, told = _one(edited, kind, body, user, suggest)
            replies.append(reply)
            suggested.append(told)
        except GoogleError as error:
            raise GoogleError(
                error.code, f"Invalid requests[{number}].{kind}: {error.message}", reason=error.reason
            ) from error
    return edited, replies, suggested
