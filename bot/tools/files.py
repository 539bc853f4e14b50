"""The agent's own files: read in slices, write, edit, list, search."""

from __future__ import annotations

import re

from pydantic import Field

from bot.policy.gate import Effect
from bot.tools.base import WHOLE, Args, Outcome, Tool, ToolContext, refused
from bot.tools.child import INSIDE, run_child

SLICE = 20_000  # characters of a file shown at once, at most
USUAL = 6_000
SEARCH_S = 10.0


class ReadArgs(Args):
    path: str
    offset: int = Field(default=0, ge=0, description="Characters to skip.")
    limit: int = Field(default=USUAL, ge=1, le=SLICE, description="Characters to show.")


async def read_file(ctx: ToolContext, args: ReadArgs) -> Outcome:
    text = ctx.workspace.text(args.path)
    piece = text[args.offset : args.offset + args.limit]
    end = args.offset + len(piece)
    more = {"next_offset": end} if end < len(text) else {}
    return Outcome({"ok": True, "text": piece, "characters": len(text), **more})


class WriteArgs(Args):
    path: str
    text: str


async def write_file(ctx: ToolContext, args: WriteArgs) -> Outcome:
    name = ctx.workspace.write(args.path, args.text.encode())
    return Outcome({"ok": True, "path": name, "characters": len(args.text)}, files=(name,))


class EditArgs(Args):
    path: str
    old: str = Field(min_length=1, description="Text that stands in the file exactly once.")
    new: str


async def edit_file(ctx: ToolContext, args: EditArgs) -> Outcome:
    try:
        text = ctx.workspace.read(args.path).decode()
    except UnicodeDecodeError:
        return refused(f"{args.path} is not a text file.")
    found = text.count(args.old)
    if found == 0 and args.new and args.new in text:
        return Outcome({"ok": True, "path": args.path, "already": True}, files=(args.path,))  # a repeat after a crash
    if found != 1:
        return refused(f"The text to replace stands {found} times in {args.path}; it must stand there once.")
    name = ctx.workspace.write(args.path, text.replace(args.old, args.new).encode())
    return Outcome({"ok": True, "path": name}, files=(name,))


class ListArgs(Args):
    below: str = ""


async def list_files(ctx: ToolContext, args: ListArgs) -> Outcome:
    found = sorted((n, about.st_size) for n, about in ctx.workspace.files() if n.startswith(args.below))
    return Outcome({"ok": True, "files": [{"path": n, "bytes": size} for n, size in found], "total": len(found)})


class SearchArgs(Args):
    pattern: str = Field(description="A regular expression.")
    below: str = ""


async def search_files(ctx: ToolContext, args: SearchArgs) -> Outcome:
    """In a cell, since a regular expression can take forever."""
    try:
        re.compile(args.pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return refused(f"{args.pattern!r} is not a regular expression: {error}.")
    names = [name for name in ctx.workspace.names() if name.startswith(args.below)]
    if not names:
        return Outcome({"ok": True, "hits": [], "total": 0})
    given = {"pattern": args.pattern, "files": names}
    place = ctx.workspace.made()
    return Outcome(await run_child(INSIDE / "search_files.py", given, place, seconds=SEARCH_S, beside=INSIDE))


def file_tools() -> list[Tool]:
    return [
        Tool("read_file", "Read a text file of your workspace, a slice at a time.", Effect.READ, read_file, ReadArgs,
             room=WHOLE),
        Tool("write_file", "Write a whole text file.", Effect.WORKSPACE, write_file, WriteArgs),
        Tool("edit_file", "Replace one piece of a text file.", Effect.WORKSPACE, edit_file, EditArgs),
        Tool("list_files", "List the files of your workspace.", Effect.READ, list_files, ListArgs),
        Tool("search_files", "Find lines by a regular expression.", Effect.READ, search_files, SearchArgs),
    ]  # fmt: skip
