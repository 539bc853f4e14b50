"""Docs v1: documents.get, create and batchUpdate, with suggestions and comments."""

from __future__ import annotations

from typing import Any

from loopback.google import comments, docrequests
from loopback.google.calls import Answer, Call, Handler
from loopback.google.docmodel import Document, joined, structure
from loopback.google.errors import GoogleError, invalid
from loopback.google.files import DOC, File, rfc3339

INLINE, WITHOUT, ACCEPTED = "SUGGESTIONS_INLINE", "PREVIEW_WITHOUT_SUGGESTIONS", "PREVIEW_SUGGESTIONS_ACCEPTED"


def _file(call: Call, role: str) -> tuple[File, Document]:
    drive, file_id = call.drive, call.params["documentId"]
    try:
        file = drive.at_least(file_id, call.user, role)
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


def shown(file: File, document: Document, *, tabs: bool, view: str = INLINE, edits: bool = True) -> dict[str, Any]:
    """A document as documents.get answers, with its content in the body or in its only tab."""
    styles = [{"namedStyleType": "NORMAL_TEXT"}, {"namedStyleType": "HEADING_1"}]
    content = {
        "body": {"content": structure(document)},
        "lists": document.lists,
        "namedRanges": _named_ranges(document),
        "documentStyle": {"pageSize": {}},
        "namedStyles": {"styles": styles},
    }
    out: dict[str, Any] = {"documentId": file.id, "title": file.name, "suggestionsViewMode": view}
    if edits:
        out["revisionId"] = file.revision_id
    if tabs:
        first = {"tabId": docrequests.TAB, "title": "Tab 1", "index": 0}
        return {**out, "tabs": [{"tabProperties": first, "documentTab": content}]}
    return {**out, **content}


def _get(call: Call) -> Answer:
    file, document = _file(call, "reader")
    role = call.drive.role(file, call.user)
    view = call.params.get("suggestionsViewMode", "DEFAULT_FOR_CURRENT_ACCESS")
    if view == "DEFAULT_FOR_CURRENT_ACCESS":
        view = WITHOUT if role == "reader" else INLINE
    if role == "reader" and view != WITHOUT:
        raise GoogleError(403, "The caller does not have permission")
    if view != INLINE:
        document = document.view(view == ACCEPTED)
    edits = role not in ("reader", "commenter")
    tabs = call.params.get("includeTabsContent", False)
    out = shown(file, document, tabs=tabs, view=view, edits=edits)
    if call.params.get("commentsViewMode") == "COMMENTS_VIEW_MODE_INCLUDED":
        if not tabs or call.params.get("suggestionsViewMode") != INLINE:
            raise invalid(
                "comments_view_mode needs include_tabs_content and suggestions_view_mode SUGGESTIONS_INLINE."
            )
        out["comments"] = [_thread(one) for one in file.comments]
    return out


def _thread(comment: comments.Comment) -> dict[str, Any]:
    def post(one: comments.Post) -> dict[str, Any]:
        author = {"displayName": one.author}
        return {"postId": one.id, "author": author, "content": one.content, "createTime": rfc3339(one.at)}

    status = "RESOLVED" if comment.resolved else "OPEN"
    out = {"commentId": comment.id, "headPost": post(comment), "replies": [post(one) for one in comment.replies]}
    return {**out, "status": status, "plainTextQuote": comment.quote}


def _create(call: Call) -> Answer:
    name = call.body.get("title") or "Untitled document"
    file = call.drive.create(call.user, name, DOC, [], None)
    return shown(file, file.doc or Document(), tabs=False)


def _batch(call: Call) -> Answer:
    requests = call.body.get("requests") or []
    if not requests:
        raise invalid("Must specify at least one request.")
    control = call.body.get("writeControl") or {}
    suggest = control.get("writeMode") == "SUGGEST"
    only_beside = all("insertComment" in request for request in requests)
    file, document = _file(call, "commenter" if suggest or only_beside else "writer")
    required = control.get("requiredRevisionId")
    if required is not None and required != file.revision_id:
        text = f"The required revision ID '{required}' does not match the latest revision."
        raise GoogleError(400, text, reason="failedPrecondition")
    made: list[tuple[str, str]] = []

    def beside(kind: str, edited: Document, body: dict[str, Any]) -> dict[str, Any] | None:
        if kind != "insertComment":
            return None
        start, end = docrequests.span(edited, body)
        made.append((body.get("content", ""), joined(edited.units[start:end])))
        return {"insertComment": {}}

    file.doc, replies, suggested = docrequests.run(document, requests, user=call.user, suggest=suggest, others=beside)
    for content, quote in made:
        comment = comments.add(call.drive, file, call.user, content, quote)
        at = next(i for i, reply in enumerate(replies) if reply == {"insertComment": {}})
        replies[at] = {"insertComment": {"commentThread": _thread(comment)}}
    call.drive.touch(file, call.user, content=True)
    out = {"documentId": file.id, "replies": replies, "writeControl": {"requiredRevisionId": file.revision_id}}
    return out | ({"suggestionResponses": suggested} if any(suggested) else {})


HANDLERS: dict[str, Handler] = {
    "docs.documents.batchUpdate": _batch,
    "docs.documents.create": _create,
    "docs.documents.get": _get,
}
