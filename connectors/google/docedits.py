"""Edits of an existing Doc: all in one batch on the revision that was read, marked so that they can be found again.

Where a Doc is somebody else's, the same edits go in as suggestions, which they accept or reject in the Doc.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from connectors.errors import BadInput, ConflictError, Misplaced
from connectors.google import doctext
from connectors.google.changes import Applied, DocEdit, Insertion, Preview, Replacement
from connectors.google.docs import Docs, digest
from connectors.google.doctext import Paragraph
from connectors.google.markdown import Request, inline, plain, requests_for, utf16_length
from connectors.google.services import Services
from connectors.google.types import doc_url

MOST_EDITS = 50
_READ_ONLY = ("headingId",)
_REPLACED, _BEFORE_NEXT, _AT_END = "replaced", "before next", "at end"


@dataclass(frozen=True)
class _Region:
    """What an edit takes away and where it writes, by the indexes of the Doc as read; rows keep it for the undo."""

    tab: str
    start: int
    end: int
    kind: str
    old: list[dict[str, Any]]
    style: dict[str, Any]
    bullet: bool


class DocEdits:
    """Writes of kind DocEdit."""

    def __init__(self, services: Services, docs: Docs, base: str) -> None:
        self._services, self._docs, self._base = services, docs, base

    async def preview(self, change: DocEdit, sha256: str) -> Preview:
        """The words before and after, each edit at its one place."""
        document = await self._docs.read(change.file_id)
        regions = _regions(document, change)
        _check(change)
        edits = [
            {"before": e.find, "after": inline(e.replace)[0]}
            if isinstance(e, Replacement)
            else {"after_words": e.after, "added": e.markdown}
            for e in change.edits
        ]
        title, url = document.get("title", ""), doc_url(self._base, change.file_id)
        pre = {"regions": [asdict(region) for region in regions]}
        post = {"edits": edits, "suggested": change.suggest}
        return Preview(title, title, url, doctext.digest(document), pre, post, sha256)

    async def find(self, op_key: str, change: DocEdit) -> Applied | None:
        """The Doc if it has these edits by this operation; suggestions are known by their words."""
        document = await self._docs.read(change.file_id)
        done = bool(_suggested(document, change)) if change.suggest else bool(_marks(document, op_key))
        return self._docs.applied(document, already=True) if done else None

    async def apply(self, change: DocEdit, op_key: str, expected: str | None) -> Applied:
        """All edits at once; a Doc that is not as previewed is left alone."""
        if done := await self.find(op_key, change):
            return done
        document = await self._docs.read(change.file_id)
        title = document.get("title", change.file_id)
        if expected and doctext.digest(document) != expected:
            raise ConflictError(f"{title} was changed since the preview.")
        regions = _regions(document, change)
        write = _suggestions if change.suggest else _edits
        control: dict[str, Any] = {"writeMode": "SUGGEST"} if change.suggest else {}
        requests = write(change, regions, _mark(op_key))
        return await self._batch(document, requests, control, lambda: self.find(op_key, change))

    async def _batch(
        self, document: Any, requests: list[Request], control: dict[str, Any], found: Callable[[], Any]
    ) -> Applied:
        """One batch on the revision that was read, or nothing."""
        file_id, title = document["documentId"], document.get("title", "")
        if document.get("revisionId"):
            control = {**control, "requiredRevisionId": document["revisionId"]}
        body = {"requests": requests, "writeControl": control}
        try:
            answer = await self._services.write(
                "docs", lambda s: s.documents().batchUpdate(documentId=file_id, body=body), title
            )
        except BadInput as error:
            if done := await found():
                return done  # type: ignore[no-any-return]
            if (await self._docs.read(file_id)).get("revisionId") != document.get("revisionId"):
                raise ConflictError(f"{title} was changed while it was written to.") from error
            raise
        return self._docs.applied(await self._docs.read(file_id), already=False, answer=answer)

    async def undo(self, change: DocEdit, op_key: str, done: Applied, pre_image: dict[str, Any]) -> None:
        """The words that stood there before come back with their styles; open suggestions are withdrawn."""
        document = await self._docs.read(change.file_id)
        if change.suggest:
            await self._withdraw(document, change)
            return
        if doctext.named(document, _undone(op_key)):
            return
        title = document.get("title", change.file_id)
        if doctext.digest(document) != done.revision:
            raise ConflictError(f"{title} was changed by someone since it was written to, so it stays as it is.")
        regions = [_Region(**one) for one in pre_image["regions"]]
        marks = doctext.named(document, f"{_mark(op_key)}-")
        requests: list[Request] = []
        for number in sorted(range(len(regions)), key=lambda n: marks[str(n)][1], reverse=True):
            requests += _back(regions[number], change.edits[number], marks[str(number)])
            requests.append({"deleteNamedRange": {"name": f"{_mark(op_key)}-{number}"}})
        mark = {"name": _undone(op_key), "range": {"startIndex": 1, "endIndex": 2}}
        requests.append({"createNamedRange": mark})

        async def found() -> Applied | None:
            now = await self._docs.read(change.file_id)
            return self._docs.applied(now, already=True) if doctext.named(now, _undone(op_key)) else None

        await self._batch(document, requests, {}, found)

    async def _withdraw(self, document: Any, change: DocEdit) -> None:
        ids = _suggested(document, change)
        if ids:
            requests: list[Request] = [{"deleteSuggestion": {"suggestionId": one}} for one in sorted(ids)]

            async def found() -> Applied | None:
                now = await self._docs.read(change.file_id)
                return None if _suggested(now, change) else self._docs.applied(now, already=True)

            await self._batch(document, requests, {}, found)
            return
        try:
            _regions(document, change)
        except Misplaced as error:
            title = document.get("title", change.file_id)
            raise ConflictError(
                f"The suggestions in {title} were accepted or changed since they were made."
            ) from error


def _mark(op_key: str) -> str:
    return f"cadre-{digest(op_key)}"


def _undone(op_key: str) -> str:
    return f"cadre-undone-{digest(op_key)}"


def _marks(document: Any, op_key: str) -> dict[str, tuple[str, int, int]]:
    return doctext.named(document, f"{_mark(op_key)}-") or doctext.named(document, _undone(op_key))


def _check(change: DocEdit) -> None:
    for edit in change.edits:
        if isinstance(edit, Insertion) and change.suggest and "\n|" in f"\n{edit.markdown}":
            raise BadInput("A table cannot be suggested; suggest the words, or edit a copy of the document.")
        if isinstance(edit, Replacement) and "\n" in edit.replace:
            raise BadInput("A replacement stays within its paragraph; use an insertion for more paragraphs.")
        if isinstance(edit, Replacement) and inline(edit.replace)[0] == edit.find:
            raise BadInput(f"The words “{edit.find[:80]}” would be replaced by themselves.")


def _regions(document: Any, change: DocEdit) -> list[_Region]:
    """Where each edit goes. Raises Misplaced, or BadInput when two edits meet."""
    if not 0 < len(change.edits) <= MOST_EDITS:
        raise BadInput(f"One change takes 1 to {MOST_EDITS} edits of a document.")
    found = [_region(document, edit) for edit in change.edits]
    placed = sorted(found, key=lambda r: (r.tab, r.start, r.end))
    for one, following in pairwise(placed):
        if one.tab == following.tab and (following.start < one.end or following.start == one.start):
            raise BadInput("Two edits of this change are for the same place; make them one.")
    return found


def _region(document: Any, edit: Replacement | Insertion) -> _Region:
    if isinstance(edit, Replacement):
        if not edit.find.strip() or "\n" in edit.find:
            raise BadInput("An edit names the words it replaces, of one paragraph.")
        at = doctext.spot(document, edit.find)
        return _Region(at.paragraph.tab, at.start, at.end, _REPLACED, at.runs(), {}, bullet=False)
    if not edit.markdown.strip():
        raise BadInput("There is nothing to insert.")
    anchor = doctext.spot(document, edit.after).paragraph if edit.after else doctext.paragraphs(document)[-1]
    style = {k: v for k, v in anchor.style.items() if k not in _READ_ONLY}
    if anchor.before_paragraph:
        following = _next(document, anchor)
        return _Region(anchor.tab, anchor.end, anchor.end, _BEFORE_NEXT, [], {}, following.bullet is not None)
    return _Region(anchor.tab, anchor.end - 1, anchor.end - 1, _AT_END, [], style, anchor.bullet is not None)


def _next(document: Any, paragraph: Paragraph) -> Paragraph:
    return next(p for p in doctext.paragraphs(document) if p.tab == paragraph.tab and p.start == paragraph.end)


def _edits(change: DocEdit, regions: list[_Region], mark: str) -> list[Request]:
    """The requests from the end of the Doc to its beginning, so that every index is that of the Doc as read."""
    requests: list[Request] = []
    for number in sorted(range(len(regions)), key=lambda n: (regions[n].tab, regions[n].start), reverse=True):
        edit, region, name = change.edits[number], regions[number], f"{mark}-{number}"
        made = (
            _replaced(edit.replace, region, name)
            if isinstance(edit, Replacement)
            else _inserted(edit.markdown, region, name)
        )
        requests += [_in_tab(request, region.tab) for request in made]
    return requests


def _replaced(text: str, region: _Region, name: str) -> list[Request]:
    words, styles = inline(text)
    length = utf16_length(words)
    requests: list[Request] = []
    if words:  # put in behind the old words, it takes their style
        requests.append({"insertText": {"location": {"index": region.end}, "text": words}})
    requests.append({"deleteContentRange": {"range": _span(region.start, region.end)}})
    for start, end, style in styles:
        span, fields = _span(region.start + start, region.start + end), ",".join(sorted(style))
        requests.append({"updateTextStyle": {"range": span, "textStyle": style, "fields": fields}})
    marked = _span(region.start, region.start + max(length, 1))
    return [*requests, {"createNamedRange": {"name": name, "range": marked}}]


def _inserted(markdown: str, region: _Region, name: str) -> list[Request]:
    """A plain paragraph of its own first, so that nothing of its neighbours' looks comes along."""
    at = region.start + (region.kind == _AT_END)
    written, end = requests_for(markdown, at)
    texts = [r for r in written if "insertText" in r or "insertTable" in r]
    styles = [r for r in written if "updateTextStyle" in r or "updateParagraphStyle" in r]
    bullets = [r for r in written if "createParagraphBullets" in r]
    fresh = _span(at, at + 1)
    head: list[Request] = [{"insertText": {"location": {"index": region.start}, "text": "\n"}}]
    if region.bullet:
        head.append({"deleteParagraphBullets": {"range": fresh}})
    normal = {"range": fresh, "paragraphStyle": {"namedStyleType": "NORMAL_TEXT"}, "fields": "*"}
    last = end + (region.kind == _BEFORE_NEXT)
    unstyled = {"range": _span(at, max(last, at + 1)), "textStyle": {}, "fields": "*"}
    marked = {"createNamedRange": {"name": name, "range": _span(region.start, last)}}
    return [*head, {"updateParagraphStyle": normal}, *texts, {"updateTextStyle": unstyled}, *styles, marked, *bullets]


def _back(region: _Region, edit: Replacement | Insertion, mark: tuple[str, int, int]) -> list[Request]:
    tab, start, end = mark
    requests: list[Request] = []
    if isinstance(edit, Insertion):
        requests.append({"deleteContentRange": {"range": _span(start, end)}})
        if region.kind == _AT_END:  # the paragraph's own newline took the look of what was inserted
            style = {"range": _span(start, start + 1), "paragraphStyle": region.style, "fields": "*"}
            requests.append({"updateParagraphStyle": style})
        return [_in_tab(request, tab) for request in requests]
    at = start
    if inline(edit.replace)[0]:
        at = end
    requests.append({"insertText": {"location": {"index": at}, "text": "".join(r["text"] for r in region.old)}})
    if at == end:
        requests.append({"deleteContentRange": {"range": _span(start, end)}})
    at = start
    for run in region.old:
        stop = at + utf16_length(run["text"])
        change = {"range": _span(at, stop), "textStyle": run["style"], "fields": "*"}
        requests.append({"updateTextStyle": change})
        at = stop
    return [_in_tab(request, tab) for request in requests]


def _suggestions(change: DocEdit, regions: list[_Region], mark: str) -> list[Request]:
    """The same edits as words only: what a suggestion holds, others are to see at a glance."""
    requests: list[Request] = []
    for number in sorted(range(len(regions)), key=lambda n: (regions[n].tab, regions[n].start), reverse=True):
        edit, region = change.edits[number], regions[number]
        made: list[Request] = []
        if isinstance(edit, Insertion):
            made.append({"insertText": {"location": {"index": region.start}, "text": _added(edit, region)}})
        else:
            if words := inline(edit.replace)[0]:
                made.append({"insertText": {"location": {"index": region.end}, "text": words}})
            made.append({"deleteContentRange": {"range": _span(region.start, region.end)}})
        requests += [_in_tab(request, region.tab) for request in made]
    return requests


def _added(edit: Insertion, region: _Region) -> str:
    text = "\n".join(plain(edit.markdown))
    return f"\n{text}" if region.kind == _AT_END else f"{text}\n"


def _suggested(document: Any, change: DocEdit) -> set[str]:
    """The ids of open suggestions that say what this change says; none unless all of it is suggested."""
    runs = [run for one in doctext.paragraphs(document) for run in one.runs]
    added, gone = _pieces(runs, "inserted"), _pieces(runs, "deleted")
    ids: set[str] = set()
    for edit in change.edits:
        if isinstance(edit, Insertion):
            wanted = "\n".join(plain(edit.markdown))
            found = [ids_ for text, ids_ in added if text.strip("\n") == wanted]
        else:
            words = inline(edit.replace)[0]
            found = [ids_ for text, ids_ in gone if text == edit.find]
            new = [ids_ for text, ids_ in added if text == words]
            if words and not new:
                return set()
            found += new if found else []
        if not found:
            return set()
        ids |= {one for ids_ in found for one in ids_}
    return ids


def _pieces(runs: list[doctext.Run], kind: str) -> list[tuple[str, tuple[str, ...]]]:
    """Neighbouring runs of the same suggestion put together."""
    found: list[tuple[str, tuple[str, ...]]] = []
    last: tuple[str, ...] = ()
    for run in runs:
        ids: tuple[str, ...] = getattr(run, kind)
        if ids and ids == last:
            found[-1] = (found[-1][0] + run.text, ids)
        elif ids:
            found.append((run.text, ids))
        last = ids
    return found


def _span(start: int, end: int) -> dict[str, Any]:
    return {"startIndex": start, "endIndex": end}


def _in_tab(request: Request, tab: str) -> Request:
    """The request with the tab it is for."""
    kind, body = next(iter(request.items()))
    named = {key: {**body[key], "tabId": tab} for key in ("location", "range") if key in body}
    return {kind: {**body, **named}}
