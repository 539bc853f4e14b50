"""What can be written: each kind of change as a value, and what its preview, its doing and its undoing come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from connectors.google.types import CellInput


@dataclass(frozen=True)
class DocCreate:
    """A new Doc made from Markdown."""

    title: str
    markdown: str


@dataclass(frozen=True)
class Replacement:
    """Words of one paragraph that stand once in the Doc, and what takes their place; nothing deletes them."""

    find: str
    replace: str


@dataclass(frozen=True)
class Insertion:
    """Markdown as paragraphs, lists and tables after the paragraph with these words; no words mean the end."""

    after: str
    markdown: str


@dataclass(frozen=True)
class DocEdit:
    """Edits of an existing Doc, done together or not at all; suggested ones wait there to be accepted."""

    file_id: str
    edits: tuple[Replacement | Insertion, ...]
    suggest: bool = False


@dataclass(frozen=True)
class Comment:
    """A remark on a file, in a Doc at the words it is about."""

    file_id: str
    text: str
    quote: str = ""


@dataclass(frozen=True)
class SheetTabWrite:
    """A tab of an existing spreadsheet: new, or with all its content replaced.

    Texts are never read as formulas. A text that is a plain number becomes a number shown with the same decimals;
    {"text", "url"} becomes a linked text.
    """

    file_id: str
    tab: str
    rows: tuple[tuple[CellInput, ...], ...]


@dataclass(frozen=True)
class SheetCells:
    """Cells of an existing tab from one corner on, such as B4; what else the tab holds stays as it is."""

    file_id: str
    tab: str
    at: str
    rows: tuple[tuple[CellInput, ...], ...]


@dataclass(frozen=True)
class SheetChart:
    """A chart over columns of a tab: labels from the first of them, one series from each other."""

    file_id: str
    tab: str
    source: str  # such as A1:C12, with the header row
    kind: str  # COLUMN, BAR, LINE, AREA
    title: str
    at: str  # the cell at which it lies


@dataclass(frozen=True)
class FileUpload:
    """A new file with these bytes, in a folder when one is given by id.

    `file_id` is an id made beforehand and kept with the change, so that a second try meets the first.
    """

    title: str
    data: bytes = field(repr=False)
    mime: str
    folder: str = ""
    file_id: str = ""


@dataclass(frozen=True)
class FolderCreate:
    """A new folder, with an id made beforehand."""

    title: str
    folder: str = ""
    file_id: str = ""


@dataclass(frozen=True)
class FileCopy:
    """A copy of a file under another name; `copy_id` was made beforehand for what takes such ids."""

    file_id: str
    title: str
    folder: str = ""
    copy_id: str = ""


@dataclass(frozen=True)
class FileMove:
    """A file put into another folder, under another name, or both; what is empty stays."""

    file_id: str
    folder: str = ""
    title: str = ""


@dataclass(frozen=True)
class FileShare:
    """Access for a person or group by e-mail address, a whole domain, or `anyone` who has the link."""

    file_id: str
    who: str
    role: str  # reader, commenter, writer


@dataclass(frozen=True)
class MailDraft:
    """A draft in the person's own mailbox; nothing here can send it."""

    to: tuple[str, ...]
    subject: str
    text: str
    cc: tuple[str, ...] = ()


Change = (
    DocCreate
    | DocEdit
    | Comment
    | SheetTabWrite
    | SheetCells
    | SheetChart
    | FileUpload
    | FolderCreate
    | FileCopy
    | FileMove
    | FileShare
    | MailDraft
)


@dataclass(frozen=True)
class Preview:
    """What a change would do, bound to the state of its target: `revision` is what apply() expects to find.

    `pre_image` is what undo() needs to bring the target back.
    """

    target: str
    title: str
    url: str | None
    revision: str | None
    pre_image: dict[str, Any]
    post_image: dict[str, Any]
    sha256: str


@dataclass(frozen=True)
class Applied:
    """A change that has happened; `already` when it had happened before this call.

    `revision` is the state in which it left its target: undo() touches nothing that is no longer so.
    """

    file_id: str
    url: str
    revision: str
    already: bool


class Writes(Protocol):
    """One kind of change: each is done once per operation key, and undone once, however often it is asked for."""

    async def preview(self, change: Any, sha256: str) -> Preview:
        """What it would do; nothing is written."""
        ...

    async def apply(self, change: Any, op_key: str, expected: str | None) -> Applied:
        """Does it once. Raises ConflictError when the target is not as previewed."""
        ...

    async def find(self, op_key: str, change: Any) -> Applied | None:
        """What it came to if it has happened."""
        ...

    async def undo(self, change: Any, op_key: str, done: Applied, pre_image: dict[str, Any]) -> None:
        """Brings the target back. Raises ConflictError when somebody changed it since."""
        ...
