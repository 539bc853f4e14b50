"""The Drive: files seeded from a folder, who may do what with them, and what changed when."""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from loopback.control import Clock
from loopback.google import markup
from loopback.google.docmodel import Document
from loopback.google.errors import GoogleError, file_not_found, invalid
from loopback.google.sheetmodel import Workbook, from_seed

FOLDER = "application/vnd.google-apps.folder"
DOC = "application/vnd.google-apps.document"
SHEET = "application/vnd.google-apps.spreadsheet"
SLIDES = "application/vnd.google-apps.presentation"
_ROLES = ("reader", "commenter", "writer", "fileOrganizer", "organizer", "owner")
_MIME = {
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".gz": "application/gzip",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".json": "application/json",
}


def stable_id(seed: str) -> str:
    """An id in the style of Drive's that depends on the seed alone."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(seed.encode()).digest()).decode().rstrip("=")
    return "1" + digest.replace("-", "x").replace("_", "y")[:32]


def rfc3339(epoch: float) -> str:
    """A time as Drive writes it."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def email(user: str) -> str:
    """The address of a person of the sample company."""
    return f"{user.lower()}@example.com"


@dataclass
class Revision:
    """One state of a file; content is kept for uploaded files only."""

    id: str
    at: float
    by: str
    content: bytes | None = None


@dataclass
class File:
    """A file, a folder, a Doc or a Sheet."""

    id: str
    name: str
    mime: str
    owner: str
    created: float
    modified: float
    modified_by: str
    parents: list[str] = field(default_factory=list)
    description: str | None = None
    starred: bool = False
    trashed: bool = False
    version: int = 1
    app_properties: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    permissions: list[dict[str, Any]] = field(default_factory=list)
    inherits: bool = True
    source: Path | None = None
    data: bytes | None = None
    doc: Document | None = None
    sheet: Workbook | None = None
    slides: list[dict[str, Any]] | None = None
    revisions: list[Revision] = field(default_factory=list)
    comments: list[Any] = field(default_factory=list)
    shared_drive: bool = False
    _digests: tuple[int, str, str] | None = None

    def digests(self) -> tuple[int, str, str]:
        """Size, MD5 and SHA-256 of the bytes, computed once per content."""
        if self._digests is None:
            content = self.content
            md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
            self._digests = len(content), md5, hashlib.sha256(content).hexdigest()
        return self._digests

    def write(self, data: bytes) -> None:
        """Replaces the bytes of an uploaded file."""
        self.data, self.source, self._digests = data, None, None

    @property
    def native(self) -> bool:
        """Whether Google holds it as its own kind, without bytes."""
        return self.mime.startswith("application/vnd.google-apps.")

    @property
    def content(self) -> bytes:
        """The bytes of an uploaded file."""
        if self.data is not None:
            return self.data
        return self.source.read_bytes() if self.source else b""

    @property
    def revision_id(self) -> str:
        """The id that changes with each write; a Doc's requiredRevisionId is compared with it."""
        return "ALm37B" + stable_id(f"{self.id}@{len(self.revisions)}")[1:25]


@dataclass(frozen=True)
class Change:
    """One entry of the change feed."""

    number: int
    file_id: str
    at: float


class Drive:
    """All files, the feed of changes, and the folder they come from."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        self.reset()

    def reset(self) -> None:
        """Back to the seed."""
        self.files: dict[str, File] = {}
        self.changes: list[Change] = []
        self.calendars: dict[str, dict[str, Any]] = {}  # events by id, by person
        self.drafts: dict[str, dict[str, Any]] = {}  # by id, by person
        self.made = 0
        self._seed()

    @property
    def root(self) -> str:
        """The id behind the alias `root`."""
        return stable_id("/")

    def _seed(self) -> None:
        now = self.clock.now()
        domain = {"id": "domain", "type": "domain", "role": "writer", "domain": "example.com"}
        top = File(self.root, "My Drive", FOLDER, "owner", now, now, "owner", permissions=[domain])
        self.files[top.id] = top
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.rglob("*")):
            relative = path.relative_to(self.folder)
            if any(part.startswith(".") for part in relative.parts) or path.is_symlink():
                continue
            parent = self.root if relative.parent == Path() else stable_id(relative.parent.as_posix())
            file_id = stable_id(relative.as_posix())
            if path.is_dir():
                made = File(file_id, path.name, FOLDER, "owner", now, now, "owner")
            elif path.is_file():
                made = self._seed_file(file_id, path, now)
            else:
                continue
            made.parents = [parent]
            made.revisions.append(Revision("1", now, "owner"))
            self.files[file_id] = made

    def _seed_file(self, file_id: str, path: Path, now: float) -> File:
        made = File(file_id, path.name, "", "owner", now, now, "owner")
        if path.name.endswith(".sheet.json"):
            seed = json.loads(path.read_text("utf-8"), parse_float=Decimal, parse_int=Decimal)
            made.sheet, made.mime = from_seed(seed), SHEET
            made.name = seed.get("title") or path.name.removesuffix(".sheet.json")
        elif path.name.endswith(".slides.json"):
            seed = json.loads(path.read_text("utf-8"))
            made.slides, made.mime = seed["slides"], SLIDES
            made.name = seed.get("title") or path.name.removesuffix(".slides.json")
        elif path.name.endswith(".doc.md"):
            made.doc, made.mime = markup.from_markdown(path.read_text("utf-8")), DOC
            made.name = path.name.removesuffix(".doc.md")
        else:
            made.source = path
            guess = mimetypes.guess_type(path.name)[0]
            made.mime = _MIME.get(path.suffix.lower()) or guess or "application/octet-stream"
        return made

    def shared_drive(self, name: str, user: str, request: str = "") -> File:
        """A new shared drive, whose files belong to nobody; the same request makes it once."""
        file_id = stable_id(f"drive {request or self.next_number()}")
        if file_id not in self.files:
            now = self.clock.now()
            all_ = {"id": "domain", "type": "domain", "role": "fileOrganizer", "domain": "example.com"}
            made = File(file_id, name, FOLDER, "", now, now, user, permissions=[all_], shared_drive=True)
            self.files[file_id] = made
        return self.files[file_id]

    def drive_of(self, file: File) -> File | None:
        """The shared drive that a file lies in."""
        while True:
            if file.shared_drive:
                return file
            above = [self.files[p] for p in file.parents if p in self.files]
            if not above:
                return None
            file = above[0]

    def next_number(self) -> int:
        """Counts what is made here, for ids."""
        self.made += 1
        return self.made

    def new_id(self) -> str:
        """An id that no file has yet."""
        return stable_id(f"made {self.next_number()} in {len(self.folder.parts)}")

    def get(self, file_id: str) -> File:
        """The file with that id; only for callers that already checked the reader."""
        found = self.files.get(self.root if file_id == "root" else file_id)
        if found is None:
            raise file_not_found(file_id)
        return found

    def role(self, file: File, user: str) -> str | None:
        """The strongest role a person has on a file, inherited from its folders."""
        if file.owner == user:
            return "owner"
        found = [p["role"] for p in self.all_permissions(file) if _covers(p, user)]
        return max(found, key=_ROLES.index, default=None)

    def all_permissions(self, file: File) -> Iterator[dict[str, Any]]:
        """A file's permissions and, unless it is restricted, those of its folders."""
        yield from file.permissions
        if file.inherits:
            for parent in file.parents:
                if parent in self.files:
                    yield from self.all_permissions(self.files[parent])

    def readable(self, file_id: str, user: str) -> File:
        """The file, if the person may read it; otherwise it does not exist for them."""
        file = self.files.get(self.root if file_id == "root" else file_id)
        if file is None or self.role(file, user) is None:
            raise file_not_found(file_id)
        return file

    def writable(self, file_id: str, user: str) -> File:
        """The file, if the person may change it."""
        return self.at_least(file_id, user, "writer")

    def at_least(self, file_id: str, user: str, role: str) -> File:
        """The file, if the person has this role on it or a stronger one."""
        file = self.readable(file_id, user)
        if _ROLES.index(self.role(file, user) or "reader") < _ROLES.index(role):
            raise GoogleError(403, "The user does not have sufficient permissions for this file.")
        return file

    def create(self, user: str, name: str, mime: str, parents: list[str], file_id: str | None) -> File:
        """A new file; a pre-made id works once and never for Google's own kinds."""
        if file_id and mime in (DOC, SHEET, SLIDES):
            raise invalid("Generated IDs are not supported for Docs Editors formats.")
        if file_id and file_id in self.files:
            raise GoogleError(409, "A file already exists with the provided ID.", reason="fileIdInUse")
        if len(parents) > 1:
            raise GoogleError(403, "A file cannot have more than one parent.", reason="cannotAddParent")
        folders = [self.writable(p, user) for p in parents or ["root"]]
        now = self.clock.now()
        made = File(file_id or self.new_id(), name, mime, user, now, now, user)
        made.parents = [f.id for f in folders]
        made.doc = Document() if mime == DOC else None
        made.sheet = Workbook() if mime == SHEET else None
        made.slides = [] if mime == SLIDES else None
        self.files[made.id] = made
        self.touch(made, user, content=True)
        return made

    def touch(self, file: File, user: str, *, content: bool) -> None:
        """Records a change; a change of content is a new revision and moves modifiedTime."""
        now = self.clock.now()
        if content:
            file.revisions.append(Revision(str(len(file.revisions) + 1), now, user, file.data))
            file.modified, file.modified_by = now, user
        file.version += 1
        self.changes.append(Change(len(self.changes) + 1, file.id, now))


def _covers(permission: dict[str, Any], user: str) -> bool:
    if permission["type"] in ("anyone", "domain"):
        return True
    return bool(permission.get("emailAddress", "").lower() == email(user))
