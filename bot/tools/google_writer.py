"""Approved changes of shared documents, from their rows to Google and back again."""

from __future__ import annotations

import dataclasses
from typing import Any

from sqlalchemy import select

from bot.errors import DependencyFailed, RunFailed
from bot.store import journal, staging
from bot.store import schema as t
from bot.store.database import Database
from bot.tools.google_accounts import GoogleAccounts
from bot.types import Json
from connectors import errors as e
from connectors import google as g
from connectors.mcp import AuthorizationRequired

KINDS: dict[str, type[Any]] = {
    "docs_create": g.DocCreate,
    "docs_edit": g.DocEdit,
    "docs_suggest": g.DocEdit,
    "drive_comment": g.Comment,
    "sheets_write": g.SheetTabWrite,
    "sheets_update": g.SheetCells,
    "sheets_chart": g.SheetChart,
    "drive_upload": g.FileUpload,
    "drive_folder": g.FolderCreate,
    "drive_copy": g.FileCopy,
    "drive_move": g.FileMove,
    "drive_share": g.FileShare,
    "gmail_draft": g.MailDraft,
}


def stored(change: g.Change) -> Json:
    """A change as its row keeps it; the bytes of a file are a blob of their own."""
    args = dataclasses.asdict(change)
    args.pop("data", None)
    return args


def restored(kind: str, args: Json, data: bytes = b"") -> g.Change:
    """The change that a row keeps."""
    given = {k: _tuples(v) for k, v in args.items() if k != "blob"}
    if kind == "drive_upload":
        given["data"] = data
    if "edits" in given:
        given["edits"] = tuple(g.Replacement(**x) if "find" in x else g.Insertion(**x) for x in given["edits"])
    change: g.Change = KINDS[kind](**given)
    return change


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


class GoogleWriter:
    """The coordinator's hand on shared documents, with the rights of the run's requester."""

    def __init__(self, accounts: GoogleAccounts | None, db: Database) -> None:
        self._accounts, self._db = accounts, db

    async def apply(self, change: Json, op_key: str, precondition: str) -> Json:
        """Apply once. Raises DependencyFailed when it may be tried again after looking, RunFailed when it may not."""
        try:
            google = await self._connected(op_key)
            done = await google.apply(await self._change(change), op_key, precondition or None)
        except e.ConflictError as error:
            raise staging.Conflict(change["title"]) from error
        except (e.RateLimited, e.Unavailable, e.AmbiguousOutcome) as error:
            raise DependencyFailed(str(error)) from error
        except e.ConnectorError as error:
            raise RunFailed("google", f"Google refused an approved change: {error}") from error
        return {"url": done.url, "target": done.file_id, "revision": done.revision}

    async def find(self, change: Json, op_key: str) -> Json | None:
        """The answer of a change that already happened, or None. Raises DependencyFailed when it cannot be known."""
        try:
            google = await self._connected(op_key)
            done = await google.find(op_key, await self._change(change))
        except e.ConnectorError as error:
            raise DependencyFailed(str(error)) from error
        return None if done is None else {"url": done.url, "target": done.file_id, "revision": done.revision}

    async def undo(self, change: Json, op_key: str, result: Json, pre_image: Json) -> str:
        """Bring back what a change found; "" or why its target stays. Raises DependencyFailed to be called again."""
        done = g.Applied(result["target"], result["url"], result["revision"], already=True)
        try:
            google = await self._connected(op_key)
            await google.undo(await self._change(change), op_key, done, pre_image)
        except (e.RateLimited, e.Unavailable, e.AmbiguousOutcome) as error:
            raise DependencyFailed(str(error)) from error
        except (e.ConnectorError, RunFailed) as error:
            return str(error)
        return ""

    async def _connected(self, op_key: str) -> g.GoogleWorkspace:
        """The account of whoever asked for the run of this operation."""
        if self._accounts is None:
            raise RunFailed("google", "Google is no longer connected, so the approved changes were not written.")
        run_id = op_key.partition("/")[0]
        query = select(t.run.c.team_id, t.run.c.credential_owner).where(t.run.c.id == run_id)
        owner = await self._db.read(lambda c: c.execute(query).one())
        try:
            return await self._accounts.of(owner.team_id, owner.credential_owner)
        except AuthorizationRequired as error:
            words = "The account that this was to be written with is not connected any more."
            raise RunFailed("google", words) from error

    async def _change(self, kept: Json) -> g.Change:
        args = kept["args"]
        data = b""
        if "blob" in args:
            data = await self._db.read(lambda c: journal.get_blob(c, args["blob"]))
        return restored(kept["kind"], args, data)
