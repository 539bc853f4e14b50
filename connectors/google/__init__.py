"""Google Drive, Docs and Sheets: exact reads, and writes that happen exactly once."""

from connectors.google.types import (
    Applied,
    CellInput,
    Change,
    DocCreate,
    DriveFile,
    FileUpload,
    Passage,
    Preview,
    SheetGrid,
    SheetTab,
    SheetTabWrite,
)
from connectors.google.workspace import GoogleWorkspace

__all__ = [
    "Applied",
    "CellInput",
    "Change",
    "DocCreate",
    "DriveFile",
    "FileUpload",
    "GoogleWorkspace",
    "Passage",
    "Preview",
    "SheetGrid",
    "SheetTab",
    "SheetTabWrite",
]
