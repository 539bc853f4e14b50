"""Docs: reading with places, and creating one exactly once."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from connectors.errors import BadInput, ConflictError
from connectors.google import doctext
from connectors.google.changes import Applied, DocCreate, Preview
from connectors.google.markdown import requests_for
from connectors.google.services import Services
from connectors.google.types import Passage, doc_url

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
        """Paragraphs and table rows of every tab in order, each with the address of its place."""
        document = await self._services.read(
            "docs", lambda s: s.documents().get(documentId=file_id, includeTabsContent=True), file_id
        )
        found: list[Passage] = []
        for number, (tab, content) in enumerate(doctext.tabs(document)):
            where, heading = "" if number == 0 else tab, ""
            for element in content.get("body", {}).get("content", []):
                if "paragraph" in element:
                    style = element["paragraph"].get("paragraphStyle", {})
                    heading = style.get("headingId", heading)
                    text = _text(element["paragraph"])
                    named = style.get("namedStyleType", "NORMAL_TEXT")
                    found.append(self._passage(file_id, element, text, named, heading, where))
                for row in element.get("table", {}).get("tableRows", []):
                    cells = [" ".join(map(_paragraph_text, c.get("content", []))) for c in row.get("tableCells", [])]
                    found.append(self._passage(file_id, row, " | ".join(cells), "TABLE_ROW", heading, where))
        return tuple(p for p in found if p.text)

    def _passage(self, file_id: str, at: dict[str, Any], text: str, style: str, heading: str, tab: str) -> Passage:
        start, end = at.get("startIndex", 0), at.get("endIndex", 0)
        url = doc_url(self._base, file_id) + (f"?tab={tab}" if tab else "")
        if self._base:
            url += f"#i{start}"
        elif heading:
            url += f"#heading={heading}"
        return Passage(text, start, end, style, url)

    async def read(self, file_id: str) -> Any:
        """A Doc with all tabs, suggestions in their places, as edits are reckoned."""
        return await self._services.read(
            "docs",
            lambda s: s.documents().get(
                documentId=file_id, includeTabsContent=True, suggestionsViewMode="SUGGESTIONS_INLINE"
            ),
            file_id,
        )

    async def preview(self, change: DocCreate, sha256: str) -> Preview:
        """A new Doc: there is nothing yet that could change under it."""
        if not change.title.strip():
            raise BadInput("A document needs a title.")
        post = {"title": change.title, "markdown": change.markdown}
        return Preview("new document", change.title, None, None, {}, post, sha256)

    async def find(self, op_key: str, change: DocCreate) -> Applied | None:
        """The Doc this operation wrote, when it is whole."""
        for file_id in await self._made(op_key):
            document = await self.read(file_id)
            if doctext.named(document, _mark(op_key)):
                return self.applied(document, already=True)
        return None

    async def apply(self, change: DocCreate, op_key: str, expected: str | None) -> Applied:
        """Makes the Doc and writes its text; goes on where an earlier try ended."""
        if done := await self.find(op_key, change):
            return done
        made = await self._made(op_key)
        file_id = made[0] if made else await self._create(change, op_key)
        document = await self.read(file_id)
        if doctext.named(document, _mark(op_key)):
            return self.applied(document, already=True)
        if any(one.text for one in doctext.paragraphs(document)):
            raise ConflictError(f"Somebody wrote into the new document {change.title!r} before it was finished.")
        requests, end = requests_for(change.markdown)
        marker = {"name": _mark(op_key), "range": {"startIndex": 1, "endIndex": max(2, end)}}
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
            if done := await self.find(op_key, change):
                return done
            if (await self.read(file_id))["revisionId"] != document["revisionId"]:
                raise ConflictError(f"The document {change.title!r} was changed while it was written.") from error
            raise
        return self.applied(await self.read(file_id), already=False, answer=answer)

    async def undo(self, change: DocCreate, op_key: str, done: Applied, pre_image: dict[str, Any]) -> None:
        """Puts the Doc into the trash, from which people can take it back."""

        async def as_left(_: dict[str, Any]) -> bool:
            return doctext.digest(await self.read(done.file_id)) == done.revision

        await trash(self._services, done.file_id, change.title, as_left)

    async def _create(self, change: DocCreate, op_key: str) -> str:
        # Docs refuse ids made beforehand, so the key goes with the file and is looked up before another is made.
        body = {"name": change.title, "mimeType": MIME, "appProperties": {OP_PROPERTY: digest(op_key)}}
        made = await self._services.write(
            "drive", lambda s: s.files().create(body=body, fields="id", supportsAllDrives=True), change.title
        )
        file_id: str = made["id"]
        oldest = next(iter(await self._made(op_key)), file_id)
        if oldest != file_id:  # somebody with the same key was faster; this empty one must not stay beside it
            gone = {"trashed": True}
            await self._services.write(
                "drive", lambda s: s.files().update(fileId=file_id, body=gone, supportsAllDrives=True), change.title
            )
        return oldest

    async def _made(self, op_key: str) -> list[str]:
        return [f["id"] for f in await made_by(self._services, op_key, "id")]

    def applied(self, document: Any, *, already: bool, answer: Any = None) -> Applied:
        """A Doc read after a change, as what the change came to. When somebody wrote between the change's answer and
        that reading, how the change left it is not known, and undo() will not touch it."""
        file_id = document["documentId"]
        left = doctext.digest(document)
        wrote = (answer or {}).get("writeControl", {}).get("requiredRevisionId")
        if wrote and wrote != document.get("revisionId"):
            left = ""
        return Applied(file_id, doc_url(self._base, file_id), left, already)


async def made_by(services: Services, op_key: str, fields: str) -> list[dict[str, Any]]:
    """The files that carry an operation's key, the oldest first."""
    query = f"appProperties has {{ key='{OP_PROPERTY}' and value='{digest(op_key)}' }}"
    found = await services.read(
        "drive",
        lambda s: s.files().list(
            q=query,
            orderBy="createdTime",
            fields=f"files({fields})",
            supportsAllDrives=True,
            includeItemsFromAllDrives=True,
        ),
        "the search for an earlier try",
    )
    return list(found.get("files", []))


async def trash(
    services: Services, file_id: str, title: str, as_left: Callable[[dict[str, Any]], Awaitable[bool]]
) -> None:
    """Puts a file that is as it was left into the trash. Raises ConflictError when somebody changed it."""
    fields = "id,trashed,name,modifiedTime,sha256Checksum,mimeType"
    now = await services.read(
        "drive", lambda s: s.files().get(fileId=file_id, fields=fields, supportsAllDrives=True), title
    )
    if now.get("trashed"):
        return
    if not await as_left(now):
        raise ConflictError(f"{now['name']} was changed by someone since it was made, so it stays.")
    await services.write(
        "drive",
        lambda s: s.files().update(fileId=file_id, body={"trashed": True}, fields="id", supportsAllDrives=True),
        title,
    )


def _mark(op_key: str) -> str:
    return f"cadre-{digest(op_key)}"


def _text(paragraph: dict[str, Any]) -> str:
    runs = (e.get("textRun", {}).get("content", "") for e in paragraph.get("elements", []))
    return "".join(runs).rstrip("\n")


def _paragraph_text(element: dict[str, Any]) -> str:
    return _text(element.get("paragraph", {}))
