"""Files that come into the Drive: uploads, folders and copies, each made exactly once.

Their ids are made beforehand and kept with the change; for Google's own kinds, which take no such ids, the
operation's key goes with the file and is looked up.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from googleapiclient.http import MediaIoBaseUpload

from connectors.errors import BadInput, ConflictError, NotFound
from connectors.google.changes import Applied, FileCopy, FileUpload, FolderCreate, Preview
from connectors.google.docs import OP_PROPERTY, digest, made_by, trash
from connectors.google.services import Services

FOLDER = "application/vnd.google-apps.folder"
_OWN_KINDS = "application/vnd.google-apps."
_FIELDS = "id,name,mimeType,webViewLink,modifiedTime,sha256Checksum,trashed,appProperties"
_New = FileUpload | FolderCreate | FileCopy


class NewFiles:
    """Writes of kinds FileUpload, FolderCreate and FileCopy."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def new_id(self) -> str:
        """An id for a file that is not there yet."""
        made = await self._services.read("drive", lambda s: s.files().generateIds(count=1, type="files"), "the Drive")
        return str(made["ids"][0])

    async def preview(self, change: _New, sha256: str) -> Preview:
        """A new file: there is nothing yet that could change under it; a copy depends on what is copied."""
        if not change.title.strip():
            raise BadInput("A file needs a name.")
        if isinstance(change, FileUpload) and not change.data:
            raise BadInput(f"{change.title} is empty.")
        post: dict[str, Any] = {"title": change.title}
        if not isinstance(change, FileCopy):
            what = "new folder" if isinstance(change, FolderCreate) else "new file"
            return Preview(what, change.title, None, None, {}, post, sha256)
        origin = await self._get(change.file_id)
        if origin["mimeType"] == FOLDER:
            raise BadInput("A folder cannot be copied; copy the files in it.")
        post["copy_of"] = origin["name"]
        return Preview("new copy", change.title, origin.get("webViewLink"), _content(origin), {}, post, sha256)

    async def _get(self, file_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self._services.read(
            "drive", lambda s: s.files().get(fileId=file_id, fields=_FIELDS, supportsAllDrives=True), file_id
        )
        return found

    async def find(self, op_key: str, change: _New) -> Applied | None:
        """The file that this operation made; name and content come in one request, so it is whole."""
        if made_id := _id(change):
            try:
                found = [await self._get(made_id)]
            except NotFound:
                found = []
        else:
            found = await made_by(self._services, op_key, _FIELDS)
        ours = [f for f in found if f.get("appProperties", {}).get(OP_PROPERTY) == digest(op_key)]
        return _applied(ours[0], already=True) if ours else None

    async def apply(self, change: _New, op_key: str, expected: str | None) -> Applied:
        """Makes the file unless it is there."""
        if done := await self.find(op_key, change):
            return done
        if isinstance(change, FileCopy) and expected and _content(await self._get(change.file_id)) != expected:
            raise ConflictError(f"What is to be copied as {change.title} was changed since the preview.")
        body: dict[str, Any] = {"name": change.title, "appProperties": {OP_PROPERTY: digest(op_key)}}
        if made_id := _id(change):
            body["id"] = made_id
        if change.folder:
            body["parents"] = [change.folder]
        try:
            made = await self._services.write("drive", _request(change, body), change.title)
        except ConflictError:
            if done := await self.find(op_key, change):
                return done
            raise
        if not made_id:
            oldest = await self.find(op_key, change)
            if oldest is not None and oldest.file_id != made["id"]:  # somebody with the same key was faster
                raise ConflictError(f"{change.title} was made twice at once; the later one is {made['webViewLink']}.")
        return _applied(made, already=False)

    async def undo(self, change: _New, op_key: str, done: Applied, pre_image: dict[str, Any]) -> None:
        """Puts it into the trash, from which people can take it back; a folder that is used stays."""

        async def as_left(now: dict[str, Any]) -> bool:
            if isinstance(change, FolderCreate):
                query = f"'{done.file_id}' in parents and trashed = false"
                found = await self._services.read(
                    "drive",
                    lambda s: s.files().list(
                        q=query, fields="files(id)", supportsAllDrives=True, includeItemsFromAllDrives=True
                    ),
                    change.title,
                )
                return not found.get("files")
            return _content(now) == done.revision

        await trash(self._services, done.file_id, change.title, as_left)


def _id(change: _New) -> str:
    return change.copy_id if isinstance(change, FileCopy) else change.file_id


def takes_ids(mime: str) -> bool:
    """Whether a file of this type can be made with an id chosen beforehand."""
    return mime == FOLDER or not mime.startswith(_OWN_KINDS)


def _request(change: _New, body: dict[str, Any]) -> Callable[[Any], Any]:
    if isinstance(change, FileCopy):
        origin = change.file_id
        return lambda s: s.files().copy(fileId=origin, body=body, fields=_FIELDS, supportsAllDrives=True)
    if isinstance(change, FolderCreate):
        body = {**body, "mimeType": FOLDER}
        return lambda s: s.files().create(body=body, fields=_FIELDS, supportsAllDrives=True)
    data, mime = change.data, change.mime

    def create(service: Any) -> Any:
        media = MediaIoBaseUpload(io.BytesIO(data), mime, resumable=False)
        return service.files().create(body=body, media_body=media, fields=_FIELDS, supportsAllDrives=True)

    return create


def _content(file: dict[str, Any]) -> str:
    """What changes with a file's content: its checksum, or when one of Google's own kinds was last edited."""
    return str(file.get("sha256Checksum") or file.get("modifiedTime", ""))


def _applied(file: dict[str, Any], *, already: bool) -> Applied:
    return Applied(file["id"], file.get("webViewLink", ""), _content(file), already)
