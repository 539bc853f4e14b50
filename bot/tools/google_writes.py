"""What agents may propose to write to the team's Google: staged with an exact preview, done after approval."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import mimetypes
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import select

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.store import journal, staging
from bot.store import schema as t
from bot.store.database import Tx
from bot.tools import render
from bot.tools.base import Args, Outcome, Tool, ToolContext
from bot.tools.google import GoogleTools
from bot.tools.google_accounts import patient
from bot.tools.google_writer import stored
from bot.tools.redline import contents
from bot.tools.results import INERT, for_people
from bot.types import Json
from connectors import google as g

PREVIEW_ROWS = 25
PREVIEW_TEXT = 6_000
NOTE = "Nothing is written before the requester approves it."


class DocArgs(Args):
    title: str = Field(max_length=200)
    file: str = Field(description="A Markdown file of your workspace; {{f:id}} and {{e:id}} become linked figures.")


class EditArgs(Args):
    find: str = Field(default="", description="Words of one paragraph, exactly as they stand there, once.")
    replace: str = Field(default="", description="What takes their place; empty deletes them.")
    after: str = Field(default="", description="For an insertion: words of the paragraph it follows; empty: the end.")
    insert: str = Field(default="", description="Markdown to insert.")


class DocEditArgs(Args):
    file_id: str
    edits: list[EditArgs] = Field(min_length=1, max_length=50)
    how: Literal["auto", "edit", "suggest"] = Field(
        default="auto", description="auto edits the requester's own documents and suggests in those of others."
    )


class CommentArgs(Args):
    file_id: str
    text: str = Field(min_length=1, max_length=1_900)
    quote: str = Field(default="", description="The words it is about.")


class SheetWriteArgs(Args):
    file_id: str
    tab: str = Field(max_length=90, description="A new tab, or one that Cadre wrote before.")
    file: str = Field(description="A CSV file of your workspace; its header becomes the first row.")


class CellsArgs(Args):
    file_id: str
    tab: str
    at: str = Field(description="The upper left cell, such as B4.")
    rows: list[list[str]] = Field(min_length=1, max_length=200, description="{{f:id}} and {{e:id}} become linked.")


class ChartArgs(Args):
    file_id: str
    tab: str
    source: str = Field(description="A range such as A1:C12: a header row, labels first, then one column per series.")
    kind: Literal["COLUMN", "BAR", "LINE", "AREA"]
    title: str = Field(max_length=200)
    at: str = Field(description="The cell at which it lies, such as E2.")


class UploadArgs(Args):
    file: str = Field(description=f"A file of your workspace; it is uploaded as it is. {INERT}")
    title: str = Field(min_length=1, max_length=200, description="Its name in the Drive, with the ending.")
    folder: str = Field(default="", description="The id of the folder it goes into.")


class FolderArgs(Args):
    title: str = Field(min_length=1, max_length=200)
    folder: str = Field(default="", description="The id of the folder it goes into.")


class CopyArgs(FolderArgs):
    file_id: str


class MoveArgs(Args):
    file_id: str
    folder: str = Field(default="", description="The id of the folder it goes into; empty: it stays.")
    title: str = Field(default="", max_length=200, description="A new name; empty: the old one.")


class ShareArgs(Args):
    file_id: str = Field(description="A file's id, or the id of a staged change that makes one.")
    who: str = Field(description="An e-mail address, a domain, or anyone.")
    role: Literal["reader", "commenter", "writer"]


class GoogleWrites:
    """google__* that change something."""

    def __init__(self, reads: GoogleTools) -> None:
        self._reads = reads

    async def create_doc(self, ctx: ToolContext, args: DocArgs) -> Outcome:
        """Stage a new document; its text is final, with every placeholder filled by code."""
        text = await self.cited(ctx, ctx.workspace.text(args.file), args.file)
        change = g.DocCreate(title=args.title, markdown=text)
        post = {"title": args.title, "markdown": text[:PREVIEW_TEXT], "length": len(text)}
        return await self.stage(ctx, "docs_create", change, f"doc:{args.title}", post)

    async def cited(self, ctx: ToolContext, source: str, name: str, known: str = "") -> str:
        """The text with its placeholders filled. Raises ModelMustRetry for numbers that nothing accounts for."""
        shown = await ctx.db.read(lambda c: render.lookup(c, ctx.run_id, self._reads.page))
        text, unknown = shown.fill(source, render.markdown_link)
        if unknown:
            raise ModelMustRetry(f"{name} cites what this run does not have: {', '.join(unknown[:8])}.")
        asked = await ctx.db.read(lambda c: render.requested(c, ctx.run_id))
        bare = render.uncited_numbers(source, f"{asked}\n{known}", shown.messages)
        if bare:
            told = f"{name} states numbers without a source: {', '.join(bare[:8])}"
            raise ModelMustRetry(f"{told}. Use placeholders.")
        return text

    async def edit_doc(self, ctx: ToolContext, args: DocEditArgs) -> Outcome:
        """Stage edits of an existing document, or suggestions where it is somebody else's."""
        _, file = await self._reads.about(ctx, args.file_id)
        ours = file.ours
        suggest = args.how == "suggest" or (args.how == "auto" and not ours)
        edits: list[g.Replacement | g.Insertion] = []
        for number, one in enumerate(args.edits, 1):
            if bool(one.find) == bool(one.insert):
                raise ModelMustRetry(f"Edit {number} needs either find (with replace) or insert (with after).")
            if one.find:
                text = await self.cited(ctx, one.replace, f"edit {number}", one.find)
                edits.append(g.Replacement(one.find, text))
            else:
                edits.append(g.Insertion(one.after, await self.cited(ctx, one.insert, f"edit {number}")))
        change = g.DocEdit(file.id, tuple(edits), suggest)
        owner = f" to {file.owner}" if file.owner else " to somebody else"
        why = f"As suggestions in the document, which belongs{owner}." if suggest and not ours else ""
        shown = "\n".join(_edit_line(one) for one in edits)
        post = {"title": file.name, "summary": why, "markdown": shown[:PREVIEW_TEXT], "length": len(shown)}
        kind = "docs_suggest" if suggest else "docs_edit"
        return await self.stage(ctx, kind, change, f"doc:{file.id}", post)

    async def comment(self, ctx: ToolContext, args: CommentArgs) -> Outcome:
        _, file = await self._reads.about(ctx, args.file_id)
        text = await self.cited(ctx, args.text, "The comment", args.quote)
        change = g.Comment(file.id, text, args.quote)
        about = f" on “{args.quote[:300]}”" if args.quote else ""
        post = {"title": file.name, "summary": f"“{text}”{about}"}
        digest = hashlib.sha256(f"{args.quote}/{text}".encode()).hexdigest()[:8]
        return await self.stage(ctx, "drive_comment", change, f"comment:{file.id}/{digest}", post)

    async def write_sheet(self, ctx: ToolContext, args: SheetWriteArgs) -> Outcome:
        """Stage a tab of a spreadsheet: new, or a full replacement of the tab of that name."""
        await self._reads.about(ctx, args.file_id)
        rows = list(csv.reader(io.StringIO(ctx.workspace.text(args.file))))
        texts, cells = await self._cells(ctx, rows, args.file)
        change = g.SheetTabWrite(file_id=args.file_id, tab=args.tab, rows=cells)
        post = {"rows": texts[:PREVIEW_ROWS], "rows_total": len(rows)}
        return await self.stage(
            ctx, "sheets_write", change, f"sheet:{args.file_id}/{args.tab}", post, f"tab {args.tab}"
        )

    async def write_cells(self, ctx: ToolContext, args: CellsArgs) -> Outcome:
        """Stage some cells of a tab; the rest of it stays. The preview has what they hold now, too."""
        await self._reads.about(ctx, args.file_id)
        google = await self._reads.ready(ctx)
        texts, cells = await self._cells(ctx, args.rows, "The cells")
        change = g.SheetCells(args.file_id, args.tab, args.at, cells)
        preview = await patient(lambda: google.preview(change))
        before = "; ".join(" | ".join(row) for row in preview.pre_image["rows"] if any(row))
        post: Json = {"title": f"{preview.title}, tab {args.tab} from {args.at}", "rows": texts[:PREVIEW_ROWS]}
        post |= {"rows_total": len(texts), "summary": f"Now there: {before or 'nothing'}"}
        target = f"sheet:{args.file_id}/{args.tab}!{args.at}"
        return _staged(ctx, "sheets_update", stored(change), target, preview, post)

    async def _cells(
        self, ctx: ToolContext, rows: list[list[str]], name: str
    ) -> tuple[list[list[str]], tuple[tuple[g.CellInput, ...], ...]]:
        """What is shown of the cells and what is written: a cell that cites one source opens it."""
        shown = await ctx.db.read(lambda c: render.lookup(c, ctx.run_id, self._reads.page))
        filled = [[shown.fill(cell, _label_only) for cell in row] for row in rows]
        unknown = [name for row in filled for _, missing in row for name in missing]
        if unknown:
            raise ModelMustRetry(f"{name} cites what this run does not have: {', '.join(unknown[:8])}.")
        texts = [[text for text, _ in row] for row in filled]
        pairs = [zip(*pair, strict=True) for pair in zip(rows, texts, strict=True)]
        return texts, tuple(tuple(_linked(*both, shown) for both in row) for row in pairs)

    async def chart(self, ctx: ToolContext, args: ChartArgs) -> Outcome:
        """Stage a chart, also over a tab that this run has staged."""
        await self._reads.about(ctx, args.file_id)
        change = g.SheetChart(args.file_id, args.tab, args.source, args.kind, args.title, args.at)
        target = f"sheet:{args.file_id}/{args.tab}"
        words = f"{args.kind.lower()} chart of {args.tab} {args.source}"
        post = {"title": args.title, "summary": words[0].upper() + words[1:]}
        if await ctx.db.read(lambda c: _is_staged(c, ctx.run_id, t.change.c.target == target)):
            return _staged(
                ctx, "sheets_chart", stored(change), f"chart:{target}/{args.title}", _unseen(args.title), post
            )
        return await self.stage(ctx, "sheets_chart", change, f"chart:{target}/{args.title}", post)

    async def upload(self, ctx: ToolContext, args: UploadArgs) -> Outcome:
        """Stage a new file with what it holds; tracked changes are shown one by one."""
        google = await self._reads.ready(ctx)
        data = await asyncio.to_thread(lambda: for_people(args.title, ctx.workspace.read(args.file)))
        if args.folder:
            await self._reads.about(ctx, args.folder)
        mime = mimetypes.guess_type(args.title)[0] or "application/octet-stream"
        change = g.FileUpload(args.title, data, mime, args.folder, await patient(google.new_id))
        preview = await patient(lambda: google.preview(change))
        text = await contents(args.title, data)
        post = {"title": args.title, "markdown": text[:PREVIEW_TEXT], "length": len(text)}
        kept = {**stored(change), "blob": hashlib.sha256(data).hexdigest()}
        staged = _staged(ctx, "drive_upload", kept, f"file:{args.title}", preview, post)
        commit = staged.commit

        def keep(tx: Tx) -> Json | None:
            journal.put_blob(tx, ctx.team, data)
            return commit(tx) if commit else None

        return replace(staged, commit=keep)

    async def folder(self, ctx: ToolContext, args: FolderArgs) -> Outcome:
        google = await self._reads.ready(ctx)
        if args.folder:
            await self._reads.about(ctx, args.folder)
        change = g.FolderCreate(args.title, args.folder, await patient(google.new_id))
        return await self.stage(ctx, "drive_folder", change, f"folder:{args.title}", {"title": args.title})

    async def copy(self, ctx: ToolContext, args: CopyArgs) -> Outcome:
        google = await self._reads.ready(ctx)
        _, file = await self._reads.about(ctx, args.file_id)
        if args.folder:
            await self._reads.about(ctx, args.folder)
        made = await patient(google.new_id) if g.takes_ids(file.mime_type) else ""
        change = g.FileCopy(file.id, args.title, args.folder, made)
        post = {"title": args.title, "summary": f"A copy of {file.name}"}
        return await self.stage(ctx, "drive_copy", change, f"copy:{file.id}/{args.title}", post)

    async def move(self, ctx: ToolContext, args: MoveArgs) -> Outcome:
        _, file = await self._reads.about(ctx, args.file_id)
        words = [f"To be named {args.title}"] if args.title else []
        if args.folder:
            words.append(f"Into the folder {(await self._reads.about(ctx, args.folder))[1].name}")
        change = g.FileMove(file.id, args.folder, args.title)
        post = {"title": file.name, "summary": ". ".join(words)}
        return await self.stage(ctx, "drive_move", change, f"move:{file.id}", post)

    async def share(self, ctx: ToolContext, args: ShareArgs) -> Outcome:
        """Stage access to a file, also to one that a staged change makes; it is always asked about apart."""
        change = g.FileShare(args.file_id, args.who.strip(), args.role)
        can = {"reader": "can read", "commenter": "can comment", "writer": "can edit"}[args.role]
        who = "Everybody who has the link" if args.who == "anyone" else args.who
        kind, target = staging.ACCESS, f"share:{args.file_id}/{args.who.casefold()}"
        made = await ctx.db.read(lambda c: _is_staged(c, ctx.run_id, t.change.c.id == args.file_id))
        if made:
            return _staged(
                ctx, kind, stored(change), target, _unseen(made), {"title": made, "summary": f"{who} {can}"}
            )
        _, file = await self._reads.about(ctx, args.file_id)
        return await self.stage(ctx, kind, change, target, {"title": file.name, "summary": f"{who} {can}"})

    async def stage(
        self, ctx: ToolContext, kind: str, change: g.Change, target: str, post: Json, place: str = ""
    ) -> Outcome:
        """Put a change into the run's change set, with its preview as Google's state is now."""
        google = await self._reads.ready(ctx)
        preview = await patient(lambda: google.preview(change))
        shown = {"title": f"{preview.title}, {place}" if place else preview.title, **post}
        return _staged(ctx, kind, stored(change), target, preview, shown)

    def tools(self) -> list[Tool]:
        shared = Effect.SHARED
        return [
            Tool("google__docs_create", "Stage a new document from Markdown.", shared, self.create_doc, DocArgs),
            Tool("google__docs_edit", "Stage edits of a document: words replaced, paragraphs inserted.", shared,
                 self.edit_doc, DocEditArgs),
            Tool("google__drive_comment", "Stage a comment on a file, at words of it.", shared, self.comment,
                 CommentArgs),
            Tool("google__sheets_write", "Stage a tab of a spreadsheet from a CSV file.", shared, self.write_sheet,
                 SheetWriteArgs),
            Tool("google__sheets_update", "Stage cells of a tab; the rest of it stays.", shared, self.write_cells,
                 CellsArgs),
            Tool("google__sheets_chart", "Stage a chart in a tab.", shared, self.chart, ChartArgs),
            Tool("google__drive_upload", "Stage a file of your workspace as a new file of the Drive.", shared,
                 self.upload, UploadArgs),
            Tool("google__drive_folder", "Stage a new folder.", shared, self.folder, FolderArgs),
            Tool("google__drive_copy", "Stage a copy of a file.", shared, self.copy, CopyArgs),
            Tool("google__drive_move", "Stage moving or renaming a file.", shared, self.move, MoveArgs),
            Tool("google__drive_share", "Stage access to a file for somebody; it is asked about apart.", shared,
                 self.share, ShareArgs),
        ]  # fmt: skip


def _staged(ctx: ToolContext, kind: str, args: Json, target: str, preview: g.Preview, post: Json) -> Outcome:
    def commit(tx: Tx) -> Json:
        change_id = staging.stage(
            tx, ctx.run_id, ctx.team, ctx.agent_id, kind=kind, args=args, op_key=f"{ctx.agent_id}/{ctx.call_id}",
            target=target, url=preview.url or "", precondition=preview.revision or "",
            pre_image=preview.pre_image, post_image={**post, "sha256": preview.sha256},
        )  # fmt: skip
        return {"ok": True, "staged": change_id, "note": NOTE}

    return Outcome({}, commit=commit)


def _unseen(title: str) -> g.Preview:
    """The preview of a change to what another staged change makes: there is nothing yet to compare."""
    return g.Preview(title, title, None, None, {"permission": None}, {}, "")


def _is_staged(connection: Any, run_id: str, which: Any) -> str:
    """The title of a staged change of this run, or ""."""
    query = select(t.change.c.post_image).where(t.change.c.run_id == run_id, which)
    image = connection.execute(query).scalars().first()
    return str(image.get("title") or "a staged change") if image else ""


def _edit_line(edit: g.Replacement | g.Insertion) -> str:
    if isinstance(edit, g.Insertion):
        where = f"after “{edit.after}”" if edit.after else "at the end"
        return f"\n*New {where}:*\n\n{edit.markdown}\n"
    return f"- ~~{edit.find}~~ → **{edit.replace}**" if edit.replace else f"- ~~{edit.find}~~"


def _label_only(label: str, _url: str) -> str:
    return label


def _linked(cell: str, text: str, shown: render.Lookup) -> g.CellInput:
    """A cell that cites one source opens it; a cell has one link, so of several sources the first."""
    found = render.PLACEHOLDER.search(cell)
    source = shown.get(found[1], found[2]) if found else None
    return {"text": text, "url": source.url} if source is not None and source.url else text
