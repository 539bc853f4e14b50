"""Files put into the Drive as they are, each exactly once."""

from __future__ import annotations

import io
from typing import Any

from googleapiclient.http import MediaIoBaseUpload

from connectors.errors import BadInput, ConflictError
from connectors.google.docs import OP_PROPERTY, digest
from connectors.google.services import Services
from connectors.google.types import Applied, FileUpload, Preview

_FIELDS = "id,webViewLink,version,appProperties,sha256Checksum"


class Uploads:
    """The part of a workspace that uploads files."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def preview(self, change: FileUpload, sha256: str) -> Preview:
        """A new file: there is nothing yet that could change under it."""
        if not change.title.strip():
            raise BadInput("A file needs a name.")
        if not change.data:
            raise BadInput(f"{change.title} is empty.")
        return Preview("new file", change.title, None, None, {}, {"title": change.title}, sha256)

    async def find(self, op_key: str) -> Applied | None:
        """The file that this operation made; name and content come in one request, so it is whole."""
        query = f"appProperties has {{ key='{OP_PROPERTY}' and value='{digest(op_key)}' }} and trashed = false"
        found = await self._services.read(
            "drive",
            lambda s: s.files().list(
                q=query, orderBy="createdTime", fields=f"files({_FIELDS})", supportsAllDrives=True,
                includeItemsFromAllDrives=True,
            ),
            "the search for an earlier try",
        )  # fmt: skip
        files = found.get("files", [])
        return _applied(files[0], already=True) if files else None

    async def apply(self, change: FileUpload, op_key: str) -> Applied:
        """Makes the file unless it is there."""
        if done := await self.find(op_key):
            return done
        body: dict[str, Any] = {"name": change.title, "appProperties": {OP_PROPERTY: digest(op_key)}}
        if change.folder:
            body["parents"] = [change.folder]

        def create(service: Any) -> Any:
            media = MediaIoBaseUpload(io.BytesIO(change.data), change.mime, resumable=False)
            return service.files().create(body=body, media_body=media, fields=_FIELDS, supportsAllDrives=True)

        made = _applied(await self._services.write("drive", create, change.title), already=False)
        oldest = await self.find(op_key)
        if oldest is not None and oldest.file_id != made.file_id:  # somebody with the same key was faster
            raise ConflictError(f"{change.title} was uploaded twice at once; the later copy is {made.url}.")
        return made


def _applied(file: dict[str, Any], *, already: bool) -> Applied:
    return Applied(file["id"], file.get("webViewLink", ""), str(file.get("version", "")), already=already)
