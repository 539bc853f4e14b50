"""What happened in the Drive since a moment: a page token goes in, changes and the next token come out.

Nothing is kept here; whoever follows keeps the token, and asking twice with one gives the same changes again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connectors.errors import BadInput
from connectors.google.services import Services

_FIELDS = (
    "nextPageToken,newStartPageToken,changes(time,removed,fileId,"
    "file(name,mimeType,trashed,parents,version,webViewLink,modifiedTime,lastModifyingUser(displayName,me)))"
)


@dataclass(frozen=True)
class FileChange:
    """A file that changed, as it is now; one that is gone, or hidden from this account, has no name."""

    file_id: str
    at: str
    gone: bool
    name: str = ""
    mime_type: str = ""
    version: str = ""
    url: str = ""
    parents: tuple[str, ...] = ()
    by: str = ""
    by_us: bool = False  # this account did it, so that nobody answers their own change


class Feed:
    """The changes of all that an account sees, in shared drives too."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def start(self) -> str:
        """The token of now: what happens from here on."""
        found = await self._services.read(
            "drive", lambda s: s.changes().getStartPageToken(supportsAllDrives=True), "the changes"
        )
        return str(found["startPageToken"])

    async def since(self, token: str) -> tuple[tuple[FileChange, ...], str]:
        """What changed since a token, each file once, and the token to go on with."""
        found: dict[str, FileChange] = {}
        asked: dict[str, Any] = {
            "pageToken": token, "pageSize": 1000, "fields": _FIELDS, "includeRemoved": True,
            "supportsAllDrives": True, "includeItemsFromAllDrives": True,
        }  # fmt: skip
        if not token:
            raise BadInput("Changes are asked for with the token of a moment.")
        while True:
            page = await self._services.read("drive", lambda s: s.changes().list(**asked), "the changes")
            for one in page.get("changes", []):
                if one.get("fileId"):
                    found.pop(one["fileId"], None)  # the last change of a file is the one to tell
                    found[one["fileId"]] = _change(one)
            if page.get("newStartPageToken"):
                return tuple(found.values()), str(page["newStartPageToken"])
            asked["pageToken"] = page["nextPageToken"]


def _change(given: dict[str, Any]) -> FileChange:
    file = given.get("file") or {}
    by = file.get("lastModifyingUser", {})
    return FileChange(
        given["fileId"], given.get("time", ""), bool(given.get("removed") or file.get("trashed")),
        file.get("name", ""), file.get("mimeType", ""), file.get("version", ""), file.get("webViewLink", ""),
        tuple(file.get("parents", ())), by.get("displayName", ""), bool(by.get("me")),
    )  # fmt: skip
