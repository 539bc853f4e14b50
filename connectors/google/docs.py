"""Docs: reading with places, and creating one exactly once."""

from __future__ import annotations

import hashlib
from typing import Any

from connectors.errors import BadInput, ConflictError
from connectors.google.markdown import requests_for
from connectors.google.services import Services
from connectors.google.types import Applied, DocCreate, Passage, Preview, doc_url

MIME = "application/vnd.google-apps.document"
OP_PROPERTY = "cadreOp"


def digest(op_key: str) -> str:
    """The operation key as it is left in Google: short, and telling nothing."""
    return hashlib.sha256(op_key.encode()).hexdigest()[:40]


class Docs:
    """The Docs part of a workspace."""

    def __init__(self, services: Services, base: str) -> None:
        self._services = services
        self._base = base

    async def passages(self, file_id: str) -> tuple[Passage, ...]:
        """Paragraphs and table rows in order, each with the address of its place."""
        document = await self._services.read("docs", lambda s: s.documents().get(documentId=file_id), file_id)
        found: list[Passage] = []
        heading = ""
        for element in document.get("body", {}).get("content", []):
            if "paragraph" in element:
                style = element["paragraph"].get("paragraphStyle", {})
                heading = style.get("headingId", heading)
                text = _text(element["paragraph"])
                named = style.get("namedStyleType", "NORMAL_TEXT")
                found.append(self._passage(file_id, element, text, named, heading))
            for row in element.get("table", {}).get("tableRows", []):
                cells = [" ".join(map(_paragraph_text, c.get("content", []))) for c in row.get("tableCells", [])]
                found.append(self._passage(file_id, row, " | ".join(cells), "TABLE_ROW", heading))
        return tuple(p for p in found if p.text)

    def _passage(self, file_id: str, at: dict[str, Any], text: str, style: str, heading: str) -> Passage:
        start, end = at.get("startIndex", 0), at.get("endIndex", 0)
        url = doc_url(self._base, file_id)
        if self._base:
            url += f"#i{start}"
        elif heading:
            url += f"#heading={heading}"
        return Passage(text, start, end, style, url)

    def preview(self, change: DocCreate, sha256: str) -> Preview:
        """A new Doc: there is nothing yet that could change under it."""
        if not change.title.strip():
            raise BadInput("A document needs a title.")
        post = {"title": change.title, "markdown": change.markdown}
        return Preview("new document", change.title, None, None, {}, post, sha256)

    async def find(self, op_key: str) -> Applied | None:
        """The Doc this operation wrote, when it is whole."""
        for file_id in await self._made(op_key):
            document = await self._read(file_id)
            if self._mark(op_key) in document.get("namedRanges", {}):
                return self._applied(document)
        return None

    async def apply(self, change: DocCreate, op_key: str) -> Applied:
        """Makes the Doc and writes its text; goes on where an earlier try ended."""
        if done := await self.find(op_key):
            return done
        made = await self._made(op_key)
        file_id = made[0] if made else await self._create(change, op_key)
        document = await self._read(file_id)
        if self._mark(op_key) in document.get("namedRanges", {}):
            return self._applied(document)
        if _end(document) > 2:
            raise ConflictError(f"Somebody wrote into the new document {change.title!r} before it was finished.")
        requests, end = requests_for(change.markdown)
        marker = {"name": self._mark(op_key), "range": {"startIndex": 1, "endIndex": max(2, end)}}
        # The mark goes in with the text, before bullets shorten it: both are there, or neither is.
        cut = next((i for i, r in enumerate(requests) if "createParagraphBullets" in r), len(requests))
        requests.insert(cut, {"createNamedRange": marker})
        control = {"requiredRevisionId": document["revisionId"]}
        body = {"requests": requests, "writeControl": control}
        try:
            answer = await self._services.write(
                "docs", lambda s: s.documents().batchUpdate(documentId=file_id, body=body), change.title
            )
        except BadInput as error:
            if done := await self.find(op_key):
                return done
            if (await self._read(file_id))["revisionId"] != document["revisionId"]:
                raise ConflictError(f"The document {change.title!r} was changed while it was written.") from error
            raise
        revision = answer.get("writeControl", {}).get("requiredRevisionId", "")
        return Applied(file_id, doc_url(self._base, file_id), revision, already=False)

    async def _create(self, change: DocCreate, op_key: str) -> str:
        # Docs refuse ids made beforehand, so the key goes with the file and is looked up before another is made.
        body = {"name": change.title, "mimeType": MIME, "appProperties": {OP_PROPERTY: digest(op_key)}}
        made = await self._services.write(
            "drive", lambda s: s.files().create(body=body, fields="id", supportsAllDrives=True), change.title
        )
        file_id: str = made["id"]
        oldest = next(iter(await self._made(op_key)), file_id)
        if oldest != file_id:  # somebody with the same key was faster; this empty one must not stay beside it
            trash = {"trashed": True}
            await self._services.write(
                "drive", lambda s: s.files().update(fileId=file_id, body=trash, supportsAllDrives=True), change.title
            )
        return oldest

    async def _made(self, op_key: str) -> list[str]:
        query = f"appProperties has {{ key='{OP_PROPERTY}' and value='{digest(op_key)}' }}"
        found = await self._services.read(
            "drive",
            lambda s: s.files().list(
                q=query,
                orderBy="createdTime",
                fields="files(id)",
                supportsAllDrives=True,
                includeItemsFromAllDrives=True,
            ),
            "the search for an earlier try",
        )
        return [f["id"] for f in found.get("files", [])]

    async def _read(self, file_id: str) -> Any:
        return await self._services.read("docs", lambda s: s.documents().get(documentId=file_id), file_id)

    def _mark(self, op_key: str) -> str:
        return f"cadre-{digest(op_key)}"

    def _applied(self, document: Any) -> Applied:
        file_id = document["documentId"]
        return Applied(file_id, doc_url(self._base, file_id), document.get("revisionId", ""), already=True)


def _end(document: Any) -> int:
    content = document.get("body", {}).get("content", [])
    return int(content[-1].get("endIndex", 0)) if content else 0


def _text(paragraph: dict[str, Any]) -> str:
    runs = (e.get("textRun", {}).get("content", "") for e in paragraph.get("elements", []))
    return "".join(runs).rstrip("\n")


def _paragraph_text(element: dict[str, Any]) -> str:
    return _text(element.get("paragraph", {}))
