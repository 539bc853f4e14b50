"""The team's Drive, Docs and Sheets: reads at once, writes only as staged changes with an exact preview."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pydantic import Field

from bot.errors import DependencyFailed, ModelMustRetry, RunFailed
from bot.policy.gate import Effect
from bot.store import points, staging
from bot.store.database import Tx
from bot.tools import render
from bot.tools.base import Args, Outcome, Tool, ToolContext, refused
from bot.types import Json
from bot.workspace import safe_name
from connectors import errors as e
from connectors.documents.columns import understand, write_long
from connectors.documents.tables import DocumentError, Grid, grid_from_rows, read_grid, write_grid
from connectors.google import Change, DocCreate, DriveFile, GoogleWorkspace, SheetTabWrite

T = TypeVar("T")
PREVIEW_ROWS = 25
PREVIEW_TEXT = 6_000
READ_PAUSES_S = (0.3, 1.0, 3.0)
SHEET = "application/vnd.google-apps.spreadsheet"


def connect(base_url: str, credentials: str) -> GoogleWorkspace | None:
    """Google as configured: the stand-in or another endpoint by URL, a service account by file, or nothing."""
    if not base_url and not credentials:
        return None
    return GoogleWorkspace.open(base_url=base_url or None, credentials_file=credentials or None)


async def patient(read: Callable[[], Awaitable[T]]) -> T:
    """A read, repeated while Google is busy. Raises ModelMustRetry or DependencyFailed with Google's own reason."""
    for pause in (*READ_PAUSES_S, None):
        points.reached("google:read:before")
        try:
            return await read()
        except (e.RateLimited, e.Unavailable, e.AmbiguousOutcome) as error:
            if pause is None:
                raise DependencyFailed(str(error)) from error
            await asyncio.sleep(pause)
        except e.ConnectorError as error:
            raise ModelMustRetry(str(error)) from error
    raise AssertionError("the last try returns or raises")


class ListArgs(Args):
    folder: str = ""


class SearchArgs(Args):
    query: str


class FileArgs(Args):
    file_id: str


class SheetArgs(Args):
    file_id: str
    tab: str = ""


class DocArgs(Args):
    title: str = Field(max_length=200)
    file: str = Field(description="A Markdown file of your workspace; {{f:id}} and {{e:id}} become linked figures.")


class SheetWriteArgs(Args):
    file_id: str
    tab: str = Field(max_length=90, description="A new tab, or one that Cadre wrote before.")
    file: str = Field(description="A CSV file of your workspace; its header becomes the first row.")


class GoogleTools:
    """google__* for agents."""

    def __init__(self, workspace: GoogleWorkspace | None, figure_page: str) -> None:
        self._google = workspace
        self._page = figure_page

    def _ready(self) -> GoogleWorkspace:
        if self._google is None:
            raise ModelMustRetry("Google is not connected; the operator sets GOOGLE_APPLICATION_CREDENTIALS.")
        return self._google

    async def list_files(self, _ctx: ToolContext, args: ListArgs) -> Outcome:
        google = self._ready()
        found = await patient(lambda: google.list_files(args.folder or None))
        return Outcome({"ok": True, "files": [_shown(f) for f in found], "total": len(found)})

    async def search(self, _ctx: ToolContext, args: SearchArgs) -> Outcome:
        google = self._ready()
        found = await patient(lambda: google.search(args.query))
        return Outcome({"ok": True, "files": [_shown(f) for f in found], "total": len(found)})

    async def read_file(self, ctx: ToolContext, args: FileArgs) -> Outcome:
        """An uploaded file: tables become CSV files of the workspace, text comes back as it is."""
        google = self._ready()
        file = await patient(lambda: google.file(args.file_id))
        if file.mime_type == SHEET:
            return await self.read_sheet(ctx, SheetArgs(file_id=args.file_id))
        data = await patient(lambda: google.download(args.file_id))
        try:
            grids = await asyncio.to_thread(read_grid, data, file.name)
        except DocumentError as error:
            return refused(str(error))
        kept = await asyncio.to_thread(_keep_grids, ctx, file, grids, "file")
        return Outcome({"ok": True, "name": file.name, "files": kept}, files=_names(kept))

    async def read_sheet(self, ctx: ToolContext, args: SheetArgs) -> Outcome:
        google = self._ready()
        file = await patient(lambda: google.file(args.file_id))
        tabs = await patient(lambda: google.read_sheet(args.file_id, args.tab or None))
        grids = [grid_from_rows(file.name, tab.title, tab.rows) for tab in tabs]
        urls = {tab.title: tab.url for tab in tabs}
        kept = await asyncio.to_thread(_keep_grids, ctx, file, grids, "sheet", urls)
        return Outcome({"ok": True, "name": file.name, "url": file.url, "files": kept}, files=_names(kept))

    async def read_doc(self, ctx: ToolContext, args: FileArgs) -> Outcome:
        google = self._ready()
        file = await patient(lambda: google.file(args.file_id))
        text = await patient(lambda: google.read_doc(args.file_id))
        name = ctx.workspace.write(f"docs/{safe_name(file.name)}.md", text.encode())
        return Outcome({"ok": True, "name": file.name, "url": file.url, "file": name, "text": text}, files=(name,))

    async def create_doc(self, ctx: ToolContext, args: DocArgs) -> Outcome:
        """Stage a new document; its text is final, with every placeholder filled by code."""
        google = self._ready()
        source = ctx.workspace.existing(args.file).read_text(encoding="utf-8")
        shown = await ctx.db.read(lambda c: render.lookup(c, ctx.run_id, self._page))
        text, unknown = shown.fill(source, render.markdown_link)
        if unknown:
            return refused(f"{args.file} cites what this run does not have: {', '.join(unknown[:8])}.")
        bare = render.uncited_numbers(source, await ctx.db.read(lambda c: render.requested(c, ctx.run_id)))
        if bare:
            return refused(f"{args.file} states numbers without a source: {', '.join(bare[:8])}. Use placeholders.")
        change = DocCreate(title=args.title, markdown=text)
        preview = await patient(lambda: google.preview(change))
        post = {"title": args.title, "markdown": text[:PREVIEW_TEXT], "length": len(text)}
        return self._staged(
            ctx, "docs_create", {"title": args.title, "markdown": text}, f"doc:{args.title}", preview, post
        )

    async def write_sheet(self, ctx: ToolContext, args: SheetWriteArgs) -> Outcome:
        """Stage a tab of a spreadsheet: new, or a full replacement of the tab of that name."""
        google = self._ready()
        lines = ctx.workspace.existing(args.file).read_text(encoding="utf-8")
        rows = list(csv.reader(io.StringIO(lines)))
        shown = await ctx.db.read(lambda c: render.lookup(c, ctx.run_id, self._page))
        rows = [[shown.fill(cell, _label_only)[0] for cell in row] for row in rows]
        change = SheetTabWrite(file_id=args.file_id, tab=args.tab, rows=tuple(tuple(row) for row in rows))
        preview = await patient(lambda: google.preview(change))
        post = {"title": f"{preview.title}, tab {args.tab}", "rows": rows[:PREVIEW_ROWS], "rows_total": len(rows)}
        stored = {"file_id": args.file_id, "tab": args.tab, "rows": rows}
        return self._staged(ctx, "sheets_write", stored, f"sheet:{args.file_id}/{args.tab}", preview, post)

    def _staged(self, ctx: ToolContext, kind: str, args: Json, target: str, preview: Any, post: Json) -> Outcome:
        def commit(tx: Tx) -> Json:
            change_id = staging.stage(
                tx, ctx.run_id, ctx.team, ctx.agent_id, kind=kind, args=args, op_key=f"{ctx.agent_id}/{ctx.call_id}",
                target=target, url=preview.url or "", precondition=preview.revision or "",
                pre_image=preview.pre_image, post_image={**post, "sha256": preview.sha256},
            )  # fmt: skip
            return {"ok": True, "staged": change_id, "note": "Nothing is written before the requester approves it."}

        return Outcome({}, commit=commit)

    def tools(self) -> list[Tool]:
        read, shared = Effect.READ, Effect.SHARED
        return [
            Tool("google__drive_list", "List the files of the team's Drive.", read, self.list_files, ListArgs),
            Tool("google__drive_search", "Find files by words in name or text.", read, self.search, SearchArgs),
            Tool("google__drive_read", "Read an uploaded CSV, XLSX or Markdown file; tables become files of your "
                 "workspace.", read, self.read_file, FileArgs),
            Tool("google__sheets_read", "Read a spreadsheet; each tab becomes files of your workspace.", read,
                 self.read_sheet, SheetArgs),
            Tool("google__docs_read", "Read a document as text.", read, self.read_doc, FileArgs),
            Tool("google__docs_create", "Stage a new document from Markdown.", shared, self.create_doc, DocArgs),
            Tool("google__sheets_write", "Stage a tab of a spreadsheet from a CSV file.", shared, self.write_sheet,
                 SheetWriteArgs),
        ]  # fmt: skip


def _label_only(label: str, _url: str) -> str:
    return label


def _shown(file: DriveFile) -> Json:
    return {"id": file.id, "name": file.name, "mime_type": file.mime_type, "modified": file.modified, "url": file.url}


def _names(kept: list[Json]) -> tuple[str, ...]:
    return tuple(item[key] for item in kept for key in ("file", "long_file") if key in item)


def _keep_grids(
    ctx: ToolContext, file: DriveFile, grids: list[Grid], kind: str, urls: dict[str, str] | None = None
) -> list[Json]:
    """Keep each table as it stands, and as long rows with each amount's place where its columns are understood."""
    kept = []
    for grid in grids:
        title = f"{file.name}_{grid.tab}" if grid.tab else file.name
        stem = f"{safe_name(title)}_{file.id[-5:]}"  # two files may share a title
        raw, long = f"tables/{stem}.csv", f"tables/{stem}.long.csv"
        write_grid(ctx.workspace.path(raw), grid)
        understood = understand(grid)
        item: Json = {
            "tab": grid.tab,
            "file": raw,
            "rows": len(grid.rows),
            "columns": understood.described(),
            "unknown_columns": list(understood.unknown),
            "problems": list(understood.problems),
        }
        if understood.rows:
            url = (urls or {}).get(grid.tab, file.url)
            write_long(ctx.workspace.path(long), grid, understood, f"{kind}:{file.id}", url)
            item["long_file"] = long
        kept.append(item)
    return kept


class GoogleWriter:
    """Applies approved changes: the coordinator's hand on shared documents."""

    def __init__(self, workspace: GoogleWorkspace | None) -> None:
        self._google = workspace

    async def apply(self, change: Json, op_key: str, precondition: str) -> Json:
        """Apply once. Raises DependencyFailed when it may be tried again after looking, RunFailed when it may not."""
        google = self._connected()
        try:
            done = await google.apply(_change(change), op_key, precondition or None)
        except e.ConflictError as error:
            raise staging.Conflict(change["target"]) from error
        except (e.RateLimited, e.Unavailable, e.AmbiguousOutcome) as error:
            raise DependencyFailed(str(error)) from error
        except e.ConnectorError as error:
            raise RunFailed("google", f"Google refused an approved change: {error}") from error
        return {"url": done.url, "target": done.file_id, "revision": done.revision}

    async def find(self, change: Json, op_key: str) -> Json | None:
        """The answer of a change that already happened, or None. Raises DependencyFailed when it cannot be known."""
        google = self._connected()
        try:
            done = await google.find(op_key, _change(change))
        except e.ConnectorError as error:
            raise DependencyFailed(str(error)) from error
        return None if done is None else {"url": done.url, "target": done.file_id, "revision": done.revision}

    def _connected(self) -> GoogleWorkspace:
        if self._google is None:
            raise RunFailed("google", "Google is no longer connected, so the approved changes were not written.")
        return self._google


def _change(stored: Json) -> Change:
    args = stored["args"]
    if stored["kind"] == "docs_create":
        return DocCreate(title=args["title"], markdown=args["markdown"])
    return SheetTabWrite(file_id=args["file_id"], tab=args["tab"], rows=tuple(tuple(row) for row in args["rows"]))
