"""Google Workspace: exact reads, and writes that happen exactly once and can be undone."""

from connectors.google.accounts import Accounts
from connectors.google.changes import (
    Applied,
    Change,
    Comment,
    DocCreate,
    DocEdit,
    FileCopy,
    FileMove,
    FileShare,
    FileUpload,
    FolderCreate,
    Insertion,
    MailDraft,
    Preview,
    Replacement,
    SheetCells,
    SheetChart,
    SheetTabWrite,
)
from connectors.google.feed import FileChange
from connectors.google.newfiles import takes_ids
from connectors.google.signin import client_of, signing_in
from connectors.google.types import CalendarEvent, CellInput, DriveFile, Passage, Remark, SheetGrid, SheetTab, Slide
from connectors.google.workspace import GoogleWorkspace

__all__ = [
    "Accounts",
    "Applied",
    "CalendarEvent",
    "CellInput",
    "Change",
    "Comment",
    "DocCreate",
    "DocEdit",
    "DriveFile",
    "FileChange",
    "FileCopy",
    "FileMove",
    "FileShare",
    "FileUpload",
    "FolderCreate",
    "GoogleWorkspace",
    "Insertion",
    "MailDraft",
    "Passage",
    "Preview",
    "Remark",
    "Replacement",
    "SheetCells",
    "SheetChart",
    "SheetGrid",
    "SheetTab",
    "SheetTabWrite",
    "Slide",
    "client_of",
    "signing_in",
    "takes_ids",
]
