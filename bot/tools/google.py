"""The team's Drive, Docs and Sheets: reads at once, writes only as staged changes with an exact preview."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any

from pydantic import Field

from bot.errors import CadreError, DependencyFailed, ModelMustRetry, OperatorMustFix
from bot.policy.gate import Effect
from bot.store.database import Tx
from bot.store.staging import Conflict, stage
from bot.tools import render
from bot.tools.base import Args, Outcome, Tool, ToolContext, refused
from bot.tools.tables import keep_rows
from bot.types import Json
from bot.workspace import safe_name
from connectors.documents.tables import DocumentError, Grid, read_grid
from connectors.documents.tables import write_csv as grid_csv
from connectors.google import (
    BadInput,
    ConflictError,
    ConnectorError,
    DocCreate,
    GoogleWorkspace,
    SheetTabWrite,
    Unavailable,
)

PREVIEW_ROWS = 40
READ_TRIES = 4


def connect(base_url: str, credentials: str) -> GoogleWorkspace | None:
    """Google as configured: the stand-in or another endpoint by URL, a service account by file, or nothing."""
    if not base_url and not credentials:
        return None
    return GoogleWorkspace(credentials_file=credentials or None, base_url=base_url or None)


class GoogleTools:
    """google__* for agents."""

    def __init__(self, workspace: GoogleWorkspace | None, figure_page: str) -> None:
        self._google = workspace
        self._page = figure_page

    def _ready(self) -> GoogleWorkspace:
        if self._google is None:
            raise ModelMustRetry("Google is not connected; the operator sets GOOGLE_APPLICATION_CREDENTIALS.")
        return self._google
