"""Docs v1: documents.get, create and batchUpdate."""

from __future__ import annotations

from typing import Any

from loopback.google import docrequests
from loopback.google.calls import Answer, Call, Handler
from loopback.google.docmodel import Document, structure
from loopback.google.errors import GoogleError, invalid
from loopback.google.files import DOC, File


def _file(call: Call, *, write: bool) -> tuple[File, Document]:
    drive, file_id = call.drive, call.params["documentId"]
    try:
        file = drive.writable(file_id, call.user) if write else drive.readable(file_id, call.user)
    except GoogleError as error:
        if error.code == 404:
            raise GoogleError(404, "Requested entity was not found.") from error
        raise GoogleError(403, "The caller does not have permission") from error
    if file.doc is None:
        raise GoogleError(400, "This operation is not supported for this document")
    return file, file.doc


def _named_ranges(document: Document) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for named in document.named:
        entry = out.setdefault(named.name, {"name": named.name, "namedRanges": []})
        span = {"startIndex": named.start, "endIndex": named.end}
        entry["namedRanges"].append({"namedRangeId": named.id, "name": named.name, "ranges": [span]})
    return out


def shown(file: File, document: Document, *, tabs: bool) -> dict[str, Any]:
    """A document as documents.get answers, with its content in the body or in its only tab."""
    styles = [{"namedStyleType": "NORMAL_TEXT"}, {"namedStyleType": "HEADING_1"}]
    content = {
        "body": {"content": structure(document)},
        "lists": document.lists,
        "namedRanges": _named_ranges(document),
        "documentStyle": {"pageSize": {}},
        "namedStyles": {"styles": styles},
    }
    out: dict[str, Any] = {"documentId": file.id, "title": file.name, "revisionId": file.revision_id}
    if tabs:
        first = {"tabId": "t.0", "title": "Tab 1", "index": 0}
        return {**out, "tabs": [{"tabProperties": first, "documentTab": content}]}
    return {**out, "suggestionsViewMode": "SUGGESTIONS_INLINE", **content}


def _get(call: Call) -> Answer:
    file, document = _file(call, write=False)
    return shown(file, document, tabs=call.params.get("includeTabsContent", False))


def _create(call: Call) -> Answer:
    name = call.body.get("title") or "Untitled document"
    file = call.drive.create(call.user, name, DOC, [], None)
    return shown(file, file.doc or Document(), tabs=False)


def _batch(call: Call) -> Answer:
    file, document = _file(call, write=True)
    requests = call.body.get("requests") or []
    if not requests:
        raise invalid("Must specify at least one request.")
    control = call.body.get("writeControl") or {}
    if control.get("writeMode", "WRITE_MODE_UNSPECIFIED") not in ("WRITE_MODE_UNSPECIFIED", "EDIT"):
        raise GoogleError(501, "Suggestions are not available on this local server.")
    required = control.get("requiredRevisionId")
    if required is not None and required != file.revision_id:
        text = f"The required revision ID '{required}' does not match the latest revision."
        raise GoogleError(400, text, reason="failedPrecondition")
    file.doc, replies = docrequests.run(document, requests)
    call.drive.touch(file, call.user, content=True)
    control = {"requiredRevisionId": file.revision_id}
    return {"documentId": file.id, "replies": replies, "writeControl": control}


HANDLERS: dict[str, Handler] = {
    "docs.documents.batchUpdate": _batch,
    "docs.documents.create": _create,
    "docs.documents.get": _get,
}
