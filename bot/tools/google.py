"""The team's Drive, Docs and Sheets: reads at once, writes only as staged changes with an exact preview."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from bot.errors import ModelMustRetry
from bot.policy.gate import GOOGLE, Effect, reaches
from bot.store import reads
from bot.tools.base import Args, Outcome, Tool, ToolContext, refused
from bot.tools.google_accounts import GoogleAccounts, opened, patient
from bot.tools.results import shared
from bot.types import Json
from bot.workspace import safe_name
from connectors import errors as e
from connectors.documents import confined
from connectors.documents.columns import understand, write_long
from connectors.documents.tables import DocumentError, Grid, grid_from_rows, write_grid
from connectors.google import DriveFile, GoogleWorkspace, Passage, SheetGrid, Slide

T = TypeVar("T")
DOC_HEAD = 1_200  # characters of a document shown at once
LIST_ROOM = 16_000  # lists of files and of tables stay whole, up to this
SOURCE = "google"
SHEET = "application/vnd.google-apps.spreadsheet"
DOC = "application/vnd.google-apps.document"
SLIDES = "application/vnd.google-apps.presentation"


class ListArgs(Args):
    folder: str = ""


class SearchArgs(Args):
    query: str


class FileArgs(Args):
    file_id: str


class SheetArgs(Args):
    file_id: str
    tab: str = ""


class GoogleTools:
    """google__* for agents."""

    def __init__(self, accounts: GoogleAccounts | None, figure_page: str) -> None:
        self._accounts = accounts
        self.page = figure_page
        self._reads = reads.SharedReads()

    async def ready(self, ctx: ToolContext) -> GoogleWorkspace:
        """The account that this run works with. Raises ModelMustRetry when there is none."""
        return await opened(self._accounts, ctx.team, ctx.requester)

    async def list_files(self, ctx: ToolContext, args: ListArgs) -> Outcome:
        google = await self.ready(ctx)
        found = await self._within(ctx, await patient(lambda: google.list_files(args.folder or None)))
        return Outcome({"ok": True, "files": [_shown(f) for f in found], "total": len(found)})

    async def search(self, ctx: ToolContext, args: SearchArgs) -> Outcome:
        google = await self.ready(ctx)
        found = await self._within(ctx, await patient(lambda: google.search(args.query)))
        words = args.query.casefold().split()
        found.sort(key=lambda file: not all(word in file.name.casefold() for word in words))  # those named so first
        return Outcome({"ok": True, "files": [_shown(f) for f in found], "total": len(found)})

    async def read_file(self, ctx: ToolContext, args: FileArgs) -> Outcome:
        """An uploaded file: tables become CSV files of the workspace, text comes back as it is."""
        google = await self.ready(ctx)
        reader, file = await self.about(ctx, args.file_id)
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
        google = await self.ready(ctx)
        reader, file = await self.about(ctx, args.file_id)
        if file.mime_type == SHEET:
            raise ModelMustRetry(f"{file.name} is a spreadsheet; google__sheets_read reads it.")

        async def fetch() -> bytes:
            if file.mime_type == SLIDES:
                return slides_text(await google.slides(file.id)).encode()
            is_doc = file.mime_type == DOC
            return (await google.read_doc(file.id)).encode() if is_doc else await google.download(file.id)

        answer = await self._shared(ctx, reader, file, "google__drive_fetch", fetch)
        plain = safe_name(file.name) + (".md" if file.mime_type in (DOC, SLIDES) else "")
        name = await asyncio.to_thread(ctx.workspace.write, f"files/{plain}", answer.data)
        shown = {"ok": True, "name": file.name, "url": file.url, "file": name, "bytes": len(answer.data)}
        return Outcome(shown, files=(name,), labels=shared(ctx, answer))

    async def read_sheet(self, ctx: ToolContext, args: SheetArgs) -> Outcome:
        return await self._sheet(ctx, *await self.about(ctx, args.file_id), args.tab)

    async def _sheet(self, ctx: ToolContext, reader: reads.Reader, file: DriveFile, tab: str) -> Outcome:
        """Google gives a spreadsheet whole, so that is how it is kept."""
        google = await self.ready(ctx)

        async def fetch() -> bytes:
            tabs = await google.read_sheet(file.id)
            return await asyncio.to_thread(lambda: json.dumps([_tab(one) for one in tabs]).encode())

        answer = await self._shared(ctx, reader, file, "google__sheets_read", fetch)
        tabs = {one["title"]: one for one in await asyncio.to_thread(json.loads, answer.data)}
        if tab:
            chosen = {title: one for title, one in tabs.items() if title.lower() == tab.lower()}
            if not chosen:
                raise ModelMustRetry(f"The sheet {file.name!r} has no tab {tab!r}; its tabs are {', '.join(tabs)}.")
            tabs = chosen
        grids = await asyncio.to_thread(
            lambda: [grid_from_rows(file.name, title, one["rows"]) for title, one in tabs.items()]
        )

        def cell_url(title: str, _row: int, cell: str) -> str:
            url = tabs[title]["url"]
            return f"{url}{'&' if '#' in url else '#'}range={cell}"

        kept = await asyncio.to_thread(_keep_grids, ctx, file, grids, cell_url)
        for item in kept:
            cells = [[cell, *one] for cell, one in tabs[item["tab"]]["cells"].items()]
            if cells:
                item["cells_file"] = f"{item['file'].removesuffix('.csv')}.cells.csv"
                head = ["cell", "formula", "format", "link"]
                await asyncio.to_thread(_write_csv, ctx, item["cells_file"], head, cells)
        shown = {"ok": True, "name": file.name, "url": file.url, "files": kept}
        return Outcome(shown, files=_names(kept), labels=shared(ctx, answer))

    async def read_doc(self, ctx: ToolContext, args: FileArgs) -> Outcome:
        google = await self.ready(ctx)
        reader, file = await self.about(ctx, args.file_id)

        async def fetch() -> bytes:
            text, passages = await google.read_doc(file.id), await google.passages(file.id)
            return json.dumps({"text": text, "places": [_passage(one) for one in passages]}).encode()

        answer = await self._shared(ctx, reader, file, "google__docs_read", fetch)
        told = json.loads(answer.data)
        text, stem = told["text"], f"docs/{safe_name(file.name)}"
        name = ctx.workspace.write(f"{stem}.md", text.encode())
        _write_csv(ctx, f"{stem}.places.csv", ["style", "text", "url"], told["places"])
        shown: Json = {"ok": True, "name": file.name, "url": file.url, "file": name, "characters": len(text)}
        shown["places_file"] = f"{stem}.places.csv"
        shown["text"] = text[:DOC_HEAD]
        if len(text) > DOC_HEAD:
            shown["next_offset"] = DOC_HEAD  # read_file goes on from there
        return Outcome(shown, files=(name, shown["places_file"]), labels=shared(ctx, answer))

    async def about(self, ctx: ToolContext, file_id: str) -> tuple[reads.Reader, DriveFile]:
        """For whom this reads, and the file as it is now; whether it may be read is Google's answer each time."""
        google = await self.ready(ctx)
        reader = await ctx.db.read(lambda c: reads.reader(c, ctx.run_id, SOURCE))
        file = await patient(lambda: google.file(file_id))
        if not await self._within(ctx, [file]):
            raise ModelMustRetry(f"{file.name} is outside the data of your role: {', '.join(ctx.data or ())}.")
        return reader, file

    async def _within(self, ctx: ToolContext, files: Iterable[DriveFile]) -> list[DriveFile]:
        """Those that the role may read: named themselves, or below a folder that is."""
        google, above = await self.ready(ctx), dict[str, DriveFile]()
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

    def tools(self) -> list[Tool]:
        read = Effect.READ
        return [
            Tool("google__drive_list", "List the files of the team's Drive.", read, self.list_files, ListArgs,
                 room=LIST_ROOM),
            Tool("google__drive_search", "Find files by words in name or text.", read, self.search, SearchArgs,
                 room=LIST_ROOM),
            Tool("google__drive_read", "Read an uploaded CSV, XLSX or Markdown file; tables become files of your "
                 "workspace.", read, self.read_file, FileArgs, room=LIST_ROOM),
            Tool("google__drive_fetch", "Bring a file of the Drive into your workspace as it is, to work through it.",
                 read, self.fetch_file, FileArgs),
            Tool("google__sheets_read", "Read a spreadsheet; each tab becomes files of your workspace, formulas "
                 "and formats in one of their own.", read,
                 self.read_sheet, SheetArgs, room=LIST_ROOM),
            Tool("google__docs_read", "Read a document as text; its paragraphs with the address of each go to "
                 "a file.", read, self.read_doc, FileArgs),
        ]  # fmt: skip


def _shown(file: DriveFile) -> Json:
    return {"id": file.id, "name": file.name, "mime_type": file.mime_type, "modified": file.modified, "url": file.url}


def _names(kept: list[Json]) -> tuple[str, ...]:
    return tuple(item[key] for item in kept for key in ("file", "long_file", "cells_file") if key in item)


def _tab(grid: SheetGrid) -> Json:
    """A tab as it is kept: its values, and what stands behind and on its cells."""
    names = {**grid.formulas, **grid.formats, **grid.links}
    cells = {n: [grid.formulas.get(n, ""), grid.formats.get(n, ""), grid.links.get(n, "")] for n in names}
    return {"title": grid.title, "url": grid.url, "rows": grid.rows, "cells": cells}


def _passage(one: Passage) -> list[str]:
    return [one.style, one.text, one.url]


def slides_text(slides: Iterable[Slide]) -> str:
    """A presentation as Markdown: a heading with its link for each slide, its words, its notes."""
    parts = []
    for one in slides:
        notes = f"\n\nNotes: {one.notes}" if one.notes else ""
        parts.append(f"## [Slide {one.number}]({one.url}) {one.title}".rstrip() + f"\n\n{one.text}{notes}")
    return "\n\n".join(parts) + "\n"


def _write_csv(ctx: ToolContext, name: str, head: list[str], rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([head, *rows])
    ctx.workspace.write(name, out.getvalue().encode())


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
