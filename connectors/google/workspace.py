"""Google Workspace for one account: files, Docs and Sheets off the event loop, writes as changes with a preview."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from google.auth.credentials import Credentials
from google.oauth2 import service_account

from connectors.errors import BadInput
from connectors.google import changes as c
from connectors.google.agenda import Agenda
from connectors.google.changes import Applied, Change, Preview, Writes
from connectors.google.comments import Comments
from connectors.google.docedits import DocEdits
from connectors.google.docs import MIME as DOC
from connectors.google.docs import OP_PROPERTY, Docs
from connectors.google.drafts import Drafts
from connectors.google.feed import Feed
from connectors.google.newfiles import NewFiles
from connectors.google.placing import Moves, Shares
from connectors.google.services import Services
from connectors.google.sheets import Sheets
from connectors.google.sheetwrites import Batches, CellWrites, Charts, TabWrites
from connectors.google.slides import Slides
from connectors.google.transport import MORE_SCOPES, Transport, load_credentials
from connectors.google.types import GOOGLE, DriveFile, Passage, Remark, SheetGrid, SheetTab, Slide, doc_url

SHEET = "application/vnd.google-apps.spreadsheet"
LOCAL_TOKEN = "ya29.local-cadre"  # names an account of the stand-in; it is no secret
MOST_FILES = 2000
TIMEOUT_S = 60.0
_FILE = "id,name,mimeType,modifiedTime,parents,version,webViewLink,ownedByMe,appProperties,owners(displayName)"


class GoogleWorkspace:
    """What one account can read, and write once."""

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        base_url: str | None = None,
        access_token: str | None = None,
        timeout: float = TIMEOUT_S,
    ) -> None:
        self._base = (base_url or "").rstrip("/")
        if self._base and credentials is None and access_token is None:
            access_token = LOCAL_TOKEN
        self._credentials, self._token, self._timeout = credentials, access_token, timeout
        self._transports: dict[str, Transport] = {}
        self._services = Services(self._transport, self._base)
        self._docs = Docs(self._services, self._base)
        self._sheets = Sheets(self._services, self._base)
        self._comments = Comments(self._services, self._docs)
        self._new = NewFiles(self._services)
        self._slides = Slides(self._services, self._base)
        self.agenda = Agenda(self._services)
        self.feed = Feed(self._services)
        batches = Batches(self._services, self._sheets, self._base)
        self._writes: dict[type[Change], Writes] = {
            c.DocCreate: self._docs,
            c.DocEdit: DocEdits(self._services, self._docs, self._base),
            c.Comment: self._comments,
            c.SheetTabWrite: TabWrites(batches),
            c.SheetCells: CellWrites(batches),
            c.SheetChart: Charts(batches),
            c.FileUpload: self._new,
            c.FolderCreate: self._new,
            c.FileCopy: self._new,
            c.FileMove: Moves(self._services),
            c.FileShare: Shares(self._services),
            c.MailDraft: Drafts(self._services),
        }

    @classmethod
    def open(
        cls,
        *,
        base_url: str | None = None,
        credentials_file: str | None = None,
        access_token: str | None = None,
        timeout: float = TIMEOUT_S,
    ) -> GoogleWorkspace:
        """A workspace by endpoint, by a service account's or a person's credentials file, or by a ready token."""
        credentials = load_credentials(credentials_file) if credentials_file else None
        return cls(credentials, base_url=base_url, access_token=access_token, timeout=timeout)

    def _transport(self, service: str) -> Transport:
        """The connections of a service; one of more scopes than the rest has credentials of its own."""
        scopes = MORE_SCOPES.get(service)
        credentials, name = self._credentials, ""
        if scopes and isinstance(credentials, service_account.Credentials):
            credentials, name = credentials.with_scopes(scopes), service
        if name not in self._transports:
            self._transports[name] = Transport(
                credentials=credentials, access_token=self._token, timeout=self._timeout, local=bool(self._base)
            )
        return self._transports[name]

    def close(self) -> None:
        """Closes the connections."""
        for transport in self._transports.values():
            transport.close()

    async def list_files(self, folder: str | None = None) -> tuple[DriveFile, ...]:
        """The files of a folder, or all that the account sees."""
        where = f"'{_quoted(folder)}' in parents and " if folder else ""
        return await self._listed(f"{where}trashed = false", "name")

    async def search(self, query: str) -> tuple[DriveFile, ...]:
        """The files whose name or text has all the words."""
        if not query.strip():
            raise BadInput("A search needs at least one word.")
        return await self._listed(f"fullText contains '{_quoted(query)}' and trashed = false", None)

    async def _listed(self, query: str, order: str | None) -> tuple[DriveFile, ...]:
        found: list[DriveFile] = []
        asked: dict[str, Any] = {"q": query, "pageSize": 1000, "fields": f"nextPageToken,files({_FILE})"}
        asked |= {"supportsAllDrives": True, "includeItemsFromAllDrives": True, "corpora": "allDrives"}
        if order:
            asked["orderBy"] = order
        while len(found) < MOST_FILES:
            page = await self._services.read("drive", lambda s: s.files().list(**asked), "the Drive")
            found += [self._file(f) for f in page.get("files", [])]
            if not page.get("nextPageToken"):
                break
            asked["pageToken"] = page["nextPageToken"]
        return tuple(found)

    async def file(self, file_id: str) -> DriveFile:
        """One file's metadata."""
        got = await self._services.read(
            "drive",
            lambda s: s.files().get(fileId=_named(file_id), fields=_FILE, supportsAllDrives=True),
            file_id,
        )
        return self._file(got)

    def _file(self, given: dict[str, Any]) -> DriveFile:
        file_id, mime = given["id"], given["mimeType"]
        if mime == SHEET:
            url = f"{self._base or GOOGLE}/spreadsheets/d/{file_id}/edit"
        elif mime == DOC:
            url = doc_url(self._base, file_id)
        else:
            url = given.get("webViewLink", "")
        owners = given.get("owners") or [{}]
        return DriveFile(
            file_id,
            given["name"],
            mime,
            given.get("modifiedTime", ""),
            url,
            tuple(given.get("parents", ())),
            given.get("version", ""),
            owners[0].get("displayName", ""),
            bool(given.get("ownedByMe")) or OP_PROPERTY in given.get("appProperties", {}),
        )

    def row_url(self, file: DriveFile, row: int) -> str:
        """The address of a row of an uploaded file; Google's own viewer has none, so it is the file's there."""
        return f"{file.url}?row={row}" if self._base else file.url

    async def download(self, file_id: str) -> bytes:
        """The bytes of an uploaded file."""
        data = await self._services.read(
            "drive",
            lambda s: s.files().get_media(fileId=_named(file_id), supportsAllDrives=True),
            file_id,
        )
        return bytes(data)

    async def read_doc(self, file_id: str) -> str:
        """A Doc as Markdown."""
        data = await self._services.read(
            "drive", lambda s: s.files().export(fileId=_named(file_id), mimeType="text/markdown"), file_id
        )
        return bytes(data).decode("utf-8")

    async def passages(self, file_id: str) -> tuple[Passage, ...]:
        """A Doc's paragraphs and table rows, each with the address of its place."""
        return await self._docs.passages(_named(file_id))

    async def sheet_tabs(self, file_id: str) -> tuple[SheetTab, ...]:
        """A spreadsheet's tabs."""
        return await self._sheets.tabs(_named(file_id))

    async def read_sheet(self, file_id: str, tab: str | None = None) -> tuple[SheetGrid, ...]:
        """A spreadsheet's tabs, or the named one, with exact values and formulas."""
        return await self._sheets.read(_named(file_id), tab)

    async def slides(self, file_id: str) -> tuple[Slide, ...]:
        """A presentation's slides."""
        return await self._slides.read(_named(file_id))

    async def remarks(self, file_id: str) -> tuple[Remark, ...]:
        """The comments on a file."""
        return await self._comments.remarks(_named(file_id))

    async def new_id(self) -> str:
        """An id for a file to be made, kept with the change so that a second try meets the first."""
        return await self._new.new_id()

    async def preview(self, change: Change) -> Preview:
        """What a change would do; nothing is written."""
        sha256 = hashlib.sha256(json.dumps(asdict(change), sort_keys=True, default=str).encode()).hexdigest()
        return await self._writes[type(change)].preview(change, sha256)

    async def apply(self, change: Change, op_key: str, expected_revision: str | None = None) -> Applied:
        """Does a change once, however often this is called with the same key.

        Raises ConflictError when the target is not as previewed, AmbiguousOutcome when only find() can tell.
        """
        return await self._writes[type(change)].apply(change, op_key, expected_revision)

    async def find(self, op_key: str, change: Change) -> Applied | None:
        """The change with that key if it has happened."""
        return await self._writes[type(change)].find(op_key, change)

    async def undo(self, change: Change, op_key: str, done: Applied, pre_image: dict[str, Any]) -> None:
        """Brings a change's target back to what it was, once, however often this is called.

        Raises ConflictError when somebody changed it since: then it stays. After AmbiguousOutcome, call again.
        """
        await self._writes[type(change)].undo(change, op_key, done, pre_image)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _named(file_id: str) -> str:
    if not file_id.strip():
        raise BadInput("A file id is needed.")
    return file_id
