"""Remarks on files, each made exactly once: it ends with a short reference by which it is found again.

In a Doc they go to the words they are about, which only the Docs service can do; on other files Drive takes them.
"""

from __future__ import annotations

from typing import Any

from connectors.errors import BadInput, ConflictError
from connectors.google import doctext
from connectors.google.changes import Applied, Comment, Preview
from connectors.google.docs import MIME as DOC
from connectors.google.docs import Docs, digest
from connectors.google.services import Services
from connectors.google.types import Remark

MOST = 2_000  # characters; a Doc takes 2,048
_FIELDS = "id,content,resolved,author(displayName),quotedFileContent(value),replies(content,author(displayName))"


class Comments:
    """Reading the remarks on a file, and writes of kind Comment."""

    def __init__(self, services: Services, docs: Docs) -> None:
        self._services, self._docs = services, docs

    async def remarks(self, file_id: str) -> tuple[Remark, ...]:
        """What people wrote beside a file's content, the answers below."""
        return tuple(
            Remark(
                one["id"], _author(one), one.get("content", ""),
                one.get("quotedFileContent", {}).get("value", ""), bool(one.get("resolved")),
                tuple((_author(reply), reply.get("content", "")) for reply in one.get("replies", [])),
            )
            for one in await self._list(file_id)
        )  # fmt: skip

    async def _list(self, file_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        asked: dict[str, Any] = {"fileId": file_id, "pageSize": 100, "fields": f"nextPageToken,comments({_FIELDS})"}
        while True:
            page = await self._services.read("drive", lambda s: s.comments().list(**asked), "the comments")
            found += page.get("comments", [])
            if not page.get("nextPageToken"):
                return found
            asked["pageToken"] = page["nextPageToken"]

    async def _file(self, file_id: str) -> dict[str, Any]:
        fields = "id,name,mimeType,webViewLink"
        found: dict[str, Any] = await self._services.read(
            "drive", lambda s: s.files().get(fileId=file_id, fields=fields, supportsAllDrives=True), file_id
        )
        return found

    async def preview(self, change: Comment, sha256: str) -> Preview:
        """The remark and the words it is about."""
        if not change.text.strip() or len(change.text) > MOST - 40:
            raise BadInput(f"A comment has 1 to {MOST - 40} characters.")
        file = await self._file(change.file_id)
        if file["mimeType"] == DOC and change.quote:
            doctext.spot(await self._docs.read(change.file_id), change.quote)
        post = {"title": file["name"], "comment": change.text, "quote": change.quote}
        return Preview(file["name"], file["name"], file.get("webViewLink"), None, {}, post, sha256)

    async def find(self, op_key: str, change: Comment) -> Applied | None:
        """The remark with this operation's reference."""
        return _applied(await self._ours(change, op_key), change, already=True)

    async def _ours(self, change: Comment, op_key: str) -> dict[str, Any] | None:
        found = [one for one in await self._list(change.file_id) if _reference(op_key) in one.get("content", "")]
        return found[0] if found else None

    async def apply(self, change: Comment, op_key: str, expected: str | None) -> Applied:
        """Writes the remark unless it is there."""
        if done := await self.find(op_key, change):
            return done
        file, text = await self._file(change.file_id), f"{change.text}\n{_reference(op_key)}"
        if file["mimeType"] == DOC and change.quote:
            await self._in_doc(change, text, file["name"])
        else:
            body: dict[str, Any] = {"content": text}
            if change.quote:
                body["quotedFileContent"] = {"value": change.quote, "mimeType": "text/plain"}
            await self._services.write(
                "drive", lambda s: s.comments().create(fileId=change.file_id, body=body, fields="id"), file["name"]
            )
        done = await self.find(op_key, change)
        if done is None:
            raise ConflictError(f"The comment on {file['name']} was removed as soon as it was made.")
        return Applied(done.file_id, file.get("webViewLink", ""), done.revision, already=False)

    async def _in_doc(self, change: Comment, text: str, title: str) -> None:
        document = await self._docs.read(change.file_id)
        at = doctext.spot(document, change.quote)
        span = {"startIndex": at.start, "endIndex": at.end, "tabId": at.paragraph.tab}
        control = {"requiredRevisionId": document["revisionId"]} if document.get("revisionId") else {}
        body = {"requests": [{"insertComment": {"content": text, "range": span}}], "writeControl": control}
        try:
            await self._services.write(
                "docs", lambda s: s.documents().batchUpdate(documentId=change.file_id, body=body), title
            )
        except BadInput as error:
            if (await self._docs.read(change.file_id)).get("revisionId") != document.get("revisionId"):
                raise ConflictError(f"{title} was changed while a comment was made.") from error
            raise

    async def undo(self, change: Comment, op_key: str, done: Applied, pre_image: dict[str, Any]) -> None:
        """Takes the remark away unless somebody answered it."""
        now = await self._ours(change, op_key)
        if now is None:
            return
        if _state(now) != done.revision:
            raise ConflictError("The comment was answered or resolved by someone, so it stays.")
        await self._services.write(
            "drive", lambda s: s.comments().delete(fileId=change.file_id, commentId=now["id"]), "the comment"
        )


def _reference(op_key: str) -> str:
    return f"(Cadre {digest(op_key)[:10]})"


def _author(post: dict[str, Any]) -> str:
    return str(post.get("author", {}).get("displayName", ""))


def _state(comment: dict[str, Any]) -> str:
    return f"{comment.get('content', '')}/{bool(comment.get('resolved'))}/{len(comment.get('replies', []))}"


def _applied(comment: dict[str, Any] | None, change: Comment, *, already: bool) -> Applied | None:
    return Applied(change.file_id, "", _state(comment), already) if comment else None
