"""The team's Drive, Docs and Sheets: reads at once, writes only as staged changes with an exact preview."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import mimetypes
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from bot.errors import DependencyFailed, ModelMustRetry, RunFailed
from bot.policy.gate import GOOGLE, Effect, reaches
from bot.store import journal, reads, staging
from bot.store.database import Database, Tx
from bot.tools import render
from bot.tools.base import Args, Outcome, Tool, ToolContext, refused
from bot.tools.redline import contents
from bot.tools.results import shared
from bot.types import Json
from bot.workspace import safe_name
from connectors import errors as e
from connectors.documents import confined
from connectors.documents.columns import understand, write_long
from connectors.documents.tables import DocumentError, Grid, grid_from_rows, write_grid
from connectors.google import CellInput, Change, DocCreate, DriveFile, FileUpload, GoogleWorkspace, SheetTabWrite

T = TypeVar("T")
PREVIEW_ROWS = 25
PREVIEW_TEXT = 6_000
DOC_HEAD = 1_200  # characters of a document shown at once
LIST_ROOM = 16_000  # lists of files and of tables stay whole, up to this
READ_PAUSES_S = (0.3, 1.0, 3.0)
SOURCE = "google"
SHEET = "application/vnd.google-apps.spreadsheet"
DOC = "application/vnd.google-apps.document"


def connect(base_url: str, credentials: str) -> GoogleWorkspace | None:
    """Google as configured: the stand-in or another endpoint by URL, a service account by file, or nothing."""
    if not base_url and not credentials:
        return None
    return GoogleWorkspace.open(base_url=base_url or None, credentials_file=credentials or None)


async def patient(read: Callable[[], Awaitable[T]]) -> T:
    """A read, repeated while Google is busy. Raises ModelMustRetry or DependencyFailed with Google's own reason."""
    for pause in (*READ_PAUSES_S, None):
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


class UploadArgs(Args):
    file: str = Field(description="A file of your workspace; it is uploaded as it is.")
    title: str = Field(min_length=1, max_length=200, description="Its name in the Drive, with the ending.")
    folder: str = Field(default="", description="The id of the folder it goes into.")


class GoogleTools:
    """google__* for agents."""

    def __init__(self, workspace: GoogleWorkspace | None, figure_page: str) -> None:
        self._google = workspace
        self._page = figure_page
        self._reads = reads.SharedReads()

    def _ready(self) -> GoogleWorkspace:
        if self._google is None:
            raise ModelMustRetry("Google is not connected; the operator sets GOOGLE_APPLICATION_CREDENTIALS.")
        return self._google

    async def list_files(self, ctx: ToolContext, args: ListArgs) -> Outcome:
        google = self._ready()
        found = await self._within(ctx, await patient(lambda: google.list_files(args.folder or None)))
        return Outcome({"ok": True, "files": [_shown(f) for f in found], "total": len(found)})

    async def search(self, ctx: ToolContext, args: SearchArgs) -> Outcome:
        google = self._ready()
        found = await self._within(ctx, await patient(lambda: google.search(args.query)))
        words = args.query.casefold().split()
        found.sort(key=lambda file: not all(word in file.name.casefold() for word in words))  # those named so first
        return Outcome({"ok": True, "files": [_shown(f) for f in found], "total": len(found)})

    async def read_file(self, ctx: ToolContext, args: FileArgs) -> Outcome:
        """An uploaded file: tables become CSV files of the workspace, text comes back as it is."""
        google = self._ready()
        reader, file = await self._about(ctx, args.file_id)
        if file.mime_type == SHEET:
            return await self._sheet(ctx, reader, file, "")
        answer = await self._shared(ctx, reader, file, "google__drive_read", lambda: google.download(file.id))
        try:
            grids = await confined.grids(file.name, answer.data)
        except (DocumentError, e.Unreadable) as error:
            return refused(str(error))
        kept = await asyncio.to_thread(
            _keep_grids, ctx, file, grids, lambda _tab, row, _cell: google.row_url(file, row)
        )
        shown = {"ok": True, "name": file.name, "files": kept}
        return Outcome(shown, files=_names(kept), labels=shared(ctx, answer))

    async def fetch_file(self, ctx: ToolContext, args: FileArgs) -> Outcome:
        """A file of the Drive as it is, for work_through and scripts; a document comes as Markdown."""
        google = self._ready()
        reader, file = await self._about(ctx, args.file_id)
        if file.mime_type == SHEET:
            raise ModelMustRetry(f"{file.name} is a spreadsheet; google__sheets_read reads it.")

        async def fetch() -> bytes:
            is_doc = file.mime_type == DOC
            return (await google.read_doc(file.id)).encode() if is_doc else await google.download(file.id)

        answer = await self._shared(ctx, reader, file, "google__drive_fetch", fetch)
        plain = safe_name(file.name) + (".md" if file.mime_type == DOC else "")
        name = await asyncio.to_thread(ctx.workspace.write, f"files/{plain}", answer.data)
        shown = {"ok": True, "name": file.name, "url": file.url, "file": name, "bytes": len(answer.data)}
        return Outcome(shown, files=(name,), labels=shared(ctx, answer))

    async def read_sheet(self, ctx: ToolContext, args: SheetArgs) -> Outcome:
        return await self._sheet(ctx, *await self._about(ctx, args.file_id), args.tab)

    async def _sheet(self, ctx: ToolContext, reader: reads.Reader, file: DriveFile, tab: str) -> Outcome:
        """Google gives a spreadsheet whole, so that is how it is kept."""
        google = self._ready()

        async def fetch() -> bytes:
            tabs = await google.read_sheet(file.id)
            return json.dumps([{"title": one.title, "url": one.url, "rows": one.rows} for one in tabs]).encode()

        answer = await self._shared(ctx, reader, file, "google__sheets_read", fetch)
        tabs = {one["title"]: one for one in json.loads(answer.data)}
        if tab:
            chosen = {title: one for title, one in tabs.items() if title.lower() == tab.lower()}
            if not chosen:
                raise ModelMustRetry(f"The spreadsheet has no tab {tab!r}; it has {', '.join(tabs)}.")
            tabs = chosen
        grids = [grid_from_rows(file.name, title, one["rows"]) for title, one in tabs.items()]

        def cell_url(title: str, _row: int, cell: str) -> str:
            url = tabs[title]["url"]
            return f"{url}{'&' if '#' in url else '#'}range={cell}"

        kept = await asyncio.to_thread(_keep_grids, ctx, file, grids, cell_url)
        shown = {"ok": True, "name": file.name, "url": file.url, "files": kept}
        return Outcome(shown, files=_names(kept), labels=shared(ctx, answer))

    async def read_doc(self, ctx: ToolContext, args: FileArgs) -> Outcome:
        google = self._ready()
        reader, file = await self._about(ctx, args.file_id)

        async def fetch() -> bytes:
            return (await google.read_doc(file.id)).encode()

        answer = await self._shared(ctx, reader, file, "google__docs_read", fetch)
        text = answer.data.decode()
        name = ctx.workspace.write(f"docs/{safe_name(file.name)}.md", answer.data)
        shown: Json = {"ok": True, "name": file.name, "url": file.url, "file": name, "characters": len(text)}
        shown["text"] = text[:DOC_HEAD]
        if len(text) > DOC_HEAD:
            shown["next_offset"] = DOC_HEAD  # read_file goes on from there
        return Outcome(shown, files=(name,), labels=shared(ctx, answer))

    async def _about(self, ctx: ToolContext, file_id: str) -> tuple[reads.Reader, DriveFile]:
        """For whom this reads, and the file as it is now; whether it may be read is Google's answer each time."""
        google = self._ready()
        reader = await ctx.db.read(lambda c: reads.reader(c, ctx.run_id, SOURCE))
        file = await patient(lambda: google.file(file_id))
        if not await self._within(ctx, [file]):
            raise ModelMustRetry(f"{file.name} is outside the data of your role: {', '.join(ctx.data or ())}.")
        return reader, file

    async def _within(self, ctx: ToolContext, files: Iterable[DriveFile]) -> list[DriveFile]:
        """Those that the role may read: named themselves, or below a folder that is."""
        google, above = self._ready(), dict[str, DriveFile]()
        kept = []
        for file in files:
            names, folders = [file.id, file.name], list(file.parents)
            while folders and not reaches(ctx.data, GOOGLE, names):
                at = folders.pop()
                if at not in above:
                    above[at] = await patient(lambda at=at: google.file(at))  # type: ignore[misc]
                names += [at, above[at].name]
                folders += [one for one in above[at].parents if one not in names]
            if reaches(ctx.data, GOOGLE, names):
                kept.append(file)
        return kept

    async def _shared(
        self,
        ctx: ToolContext,
        reader: reads.Reader,
        file: DriveFile,
        tool: str,
        fetch: Callable[[], Awaitable[bytes]],
    ) -> reads.Answer:
        """A file's content, read again only when the file is another than when it was read before."""
        key = reads.Key.of(reader, tool, {"file_id": file.id}, f"{file.version}/{file.modified}")
        labels = {"integrity": "external", "sources": [f"google:{file.id}"], "readers": [ctx.requester]}
        call = f"{ctx.agent_id}/{ctx.call_id}"
        return await self._reads.read(
            ctx.db, key, lambda: patient(fetch), call=call, labels=labels, anew=not file.version
        )

    async def create_doc(self, ctx: ToolContext, args: DocArgs) -> Outcome:
        """Stage a new document; its text is final, with every placeholder filled by code."""
        google = self._ready()
        source = ctx.workspace.text(args.file)
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
        lines = ctx.workspace.text(args.file)
        rows = list(csv.reader(io.StringIO(lines)))
        shown = await ctx.db.read(lambda c: render.lookup(c, ctx.run_id, self._page))
        filled = [[shown.fill(cell, _label_only) for cell in row] for row in rows]
        unknown = [name for row in filled for _, missing in row for name in missing]
        if unknown:
            return refused(f"{args.file} cites what this run does not have: {', '.join(unknown[:8])}.")
        texts = [[text for text, _ in row] for row in filled]
        cells = [
            [_linked(*both, shown) for both in zip(*pair, strict=True)] for pair in zip(rows, texts, strict=True)
        ]
        change = SheetTabWrite(file_id=args.file_id, tab=args.tab, rows=tuple(tuple(row) for row in cells))
        preview = await patient(lambda: google.preview(change))
        post = {"title": f"{preview.title}, tab {args.tab}", "rows": texts[:PREVIEW_ROWS], "rows_total": len(rows)}
        stored = {"file_id": args.file_id, "tab": args.tab, "rows": cells}
        return self._staged(ctx, "sheets_write", stored, f"sheet:{args.file_id}/{args.tab}", preview, post)

    async def upload(self, ctx: ToolContext, args: UploadArgs) -> Outcome:
        """Stage a new file with what it holds; tracked changes are shown one by one."""
        google = self._ready()
        data = await asyncio.to_thread(ctx.workspace.read, args.file)
        if args.folder:
            await self._about(ctx, args.folder)
        mime = mimetypes.guess_type(args.title)[0] or "application/octet-stream"
        preview = await patient(lambda: google.preview(FileUpload(args.title, data, mime, args.folder)))
        text = await contents(args.title, data)
        digest = hashlib.sha256(data).hexdigest()
        post = {"title": args.title, "markdown": text[:PREVIEW_TEXT], "length": len(text)}
        stored = {"title": args.title, "mime": mime, "folder": args.folder, "blob": digest}
        staged = self._staged(ctx, "drive_upload", stored, f"file:{args.title}", preview, post)
        commit = staged.commit

        def keep(tx: Tx) -> Json | None:
            journal.put_blob(tx, ctx.team, data)
            return commit(tx) if commit else None

        return replace(staged, commit=keep)

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
            Tool("google__drive_list", "List the files of the team's Drive.", read, self.list_files, ListArgs,
                 room=LIST_ROOM),
            Tool("google__drive_search", "Find files by words in name or text.", read, self.search, SearchArgs,
                 room=LIST_ROOM),
            Tool("google__drive_read", "Read an uploaded CSV, XLSX or Markdown file; tables become files of your "
                 "workspace.", read, self.read_file, FileArgs, room=LIST_ROOM),
            Tool("google__drive_fetch", "Bring a file of the Drive into your workspace as it is, to work through it.",
                 read, self.fetch_file, FileArgs),
            Tool("google__sheets_read", "Read a spreadsheet; each tab becomes files of your workspace.", read,
                 self.read_sheet, SheetArgs, room=LIST_ROOM),
            Tool("google__docs_read", "Read a document as text.", read, self.read_doc, FileArgs),
            Tool("google__docs_create", "Stage a new document from Markdown.", shared, self.create_doc, DocArgs),
            Tool("google__sheets_write", "Stage a tab of a spreadsheet from a CSV file.", shared, self.write_sheet,
                 SheetWriteArgs),
            Tool("google__drive_upload", "Stage a file of your workspace as a new file of the Drive.", shared,
                 self.upload, UploadArgs),
        ]  # fmt: skip


def _label_only(label: str, _url: str) -> str:
    return label


def _linked(cell: str, text: str, shown: render.Lookup) -> CellInput:
    """A cell that cites one source opens it; a cell has one link, so of several sources the first."""
    found = render.PLACEHOLDER.search(cell)
    source = shown.get(found[1], found[2]) if found else None
    return {"text": text, "url": source.url} if source is not None and source.url else text


def _shown(file: DriveFile) -> Json:
    return {"id": file.id, "name": file.name, "mime_type": file.mime_type, "modified": file.modified, "url": file.url}


def _names(kept: list[Json]) -> tuple[str, ...]:
    return tuple(item[key] for item in kept for key in ("file", "long_file") if key in item)


def _keep_grids(
    ctx: ToolContext, file: DriveFile, grids: list[Grid], address: Callable[[str, int, str], str]
) -> list[Json]:
    """Keep each table as it stands, and as long rows with each amount's place where its columns are understood."""
    kept: list[Json] = []
    stems: list[str] = []
    for grid in grids:
        title = f"{safe_name(file.name)[:45]}_{safe_name(grid.tab)[:30]}" if grid.tab else safe_name(file.name)
        stem = f"{title}_{file.id[-5:]}"  # two files may share a title
        stems.append(stem)
        stem += f"_{stems.count(stem)}" if stems.count(stem) > 1 else ""  # and two tabs may look alike
        raw, long = f"tables/{stem}.csv", f"tables/{stem}.long.csv"
        _written(ctx, raw, partial(write_grid, grid=grid))
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
            source = f"{'sheet' if file.mime_type == SHEET else 'file'}:{file.id}"
            write = partial(
                write_long, grid=grid, understood=understood, source=source, address=partial(address, grid.tab)
            )
            _written(ctx, long, write)
            item["long_file"] = long
        kept.append(item)
    return kept


def _written(ctx: ToolContext, name: str, write: Callable[[Path], int]) -> None:
    """Let the connector write its file elsewhere, then put it into the workspace whole."""
    with tempfile.TemporaryDirectory(prefix="cadre-") as folder:
        place = Path(folder) / "table.csv"
        write(place)
        ctx.workspace.write(name, place.read_bytes())


class GoogleWriter:
    """Applies approved changes: the coordinator's hand on shared documents."""

    def __init__(self, workspace: GoogleWorkspace | None, db: Database) -> None:
        self._google, self._db = workspace, db

    async def apply(self, change: Json, op_key: str, precondition: str) -> Json:
        """Apply once. Raises DependencyFailed when it may be tried again after looking, RunFailed when it may not."""
        google = self._connected()
        try:
            done = await google.apply(await self._change(change), op_key, precondition or None)
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
            done = await google.find(op_key, await self._change(change))
        except e.ConnectorError as error:
            raise DependencyFailed(str(error)) from error
        return None if done is None else {"url": done.url, "target": done.file_id, "revision": done.revision}

    def _connected(self) -> GoogleWorkspace:
        if self._google is None:
            raise RunFailed("google", "Google is no longer connected, so the approved changes were not written.")
        return self._google

    async def _change(self, stored: Json) -> Change:
        args = stored["args"]
        if stored["kind"] == "docs_create":
            return DocCreate(title=args["title"], markdown=args["markdown"])
        if stored["kind"] == "drive_upload":
            data = await self._db.read(lambda c: journal.get_blob(c, args["blob"]))
            return FileUpload(args["title"], data, args["mime"], args["folder"])
        rows = tuple(tuple(row) for row in args["rows"])
        return SheetTabWrite(file_id=args["file_id"], tab=args["tab"], rows=rows)
