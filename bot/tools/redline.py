"""redline: proposed changes become tracked changes of a Word file, and code proves what they come to."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.store import people
from bot.tools.base import Args, Outcome, Tool, ToolContext, refused
from bot.workspace import Workspace
from connectors import errors as e
from connectors.documents import confined
from connectors.documents.redline import Change

MOST = 200  # changes of one document
SHOWN = 60  # changed lines of a preview


class Proposal(BaseModel):
    """One change as an agent proposes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    quote: str = Field(min_length=1, description="Words of the document, verbatim, that stand there once.")
    new: str = Field(description="What shall stand there; empty deletes; the same words leave only the comment.")
    reason: str = Field(default="", max_length=2_000, description="The comment beside it.")


class RedlineArgs(Args):
    file: str = Field(description="A Word file or a plain text of your workspace.")
    changes: list[Proposal] = Field(default=[], max_length=MOST)
    changes_file: str = Field(default="", description="Instead: a JSON file with the list of changes.")
    save_as: str = Field(description="The Word file with tracked changes, ending in .docx.")


_SPELLING = str.maketrans("“”„’‘\u00a0", '"""\'\' ')
_PROPOSALS = TypeAdapter(list[Proposal])


async def redline(ctx: ToolContext, args: RedlineArgs) -> Outcome:
    """Makes the file, the original's text and the proposed text; refused when accepting does not give the latter."""
    if not args.save_as.endswith(".docx"):
        raise ModelMustRetry("save_as is the name of a .docx file.")
    proposals = _proposals(ctx.workspace, args)
    source = ctx.workspace.read(args.file)
    original = source if source[:2] == b"PK" else ctx.workspace.text(args.file)
    changes = [Change(p.quote, p.new, p.reason) for p in proposals]
    known = await ctx.db.read(lambda c: people.get(c, ctx.team, ctx.requester))
    author = f"Cadre for {known.person.name if known and known.person.name else ctx.requester}"
    try:
        made, before, after = await _made(
            original, changes, author, datetime.fromtimestamp(ctx.db.now(), UTC), args.file
        )
    except e.Misplaced as error:
        return refused(str(error))
    except e.Unreadable as error:
        raise ModelMustRetry(str(error)) from error
    stem = args.save_as.removesuffix(".docx")
    files = (
        ctx.workspace.write(args.save_as, made),
        ctx.workspace.write(f"{stem}.original.txt", before.encode()),
        ctx.workspace.write(f"{stem}.proposed.txt", after.encode()),
    )
    shown = {"ok": True, "file": files[0], "original": files[1], "proposed": files[2], "changes": len(changes)}
    return Outcome(shown, files=files)


def _proposals(workspace: Workspace, args: RedlineArgs) -> list[Proposal]:
    if bool(args.changes) == bool(args.changes_file):
        raise ModelMustRetry("Give either changes or changes_file.")
    if args.changes:
        return args.changes
    try:
        found = _PROPOSALS.validate_json(workspace.read(args.changes_file))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelMustRetry(f"{args.changes_file} is no list of changes: {where}: {first['msg']}.") from error
    if not 0 < len(found) <= MOST:
        raise ModelMustRetry(f"{args.changes_file} has {len(found)} changes; give 1 to {MOST}.")
    return found


async def _made(
    original: bytes | str, changes: list[Change], author: str, date: datetime, name: str
) -> tuple[bytes, str, str]:
    """The redline, the text without its changes and the text with them. Raises ModelMustRetry when they disagree."""
    made = await confined.redline(original, changes, author, date, name)
    today, before = await confined.views(original, name) if isinstance(original, bytes) else (original, original)
    after, rejected = await confined.views(made, name)
    return await asyncio.to_thread(_proven, made, before, rejected, after, _Asked(today, changes, name))


@dataclass(frozen=True)
class _Asked:
    """What a redline was asked for."""

    today: str  # the text with the changes of others that are in it
    changes: list[Change]
    name: str


def _proven(made: bytes, before: str, rejected: str, after: str, asked: _Asked) -> tuple[bytes, str, str]:
    if _same(rejected) != _same(before):
        raise ModelMustRetry(
            f"{asked.name}: without the changes the text is not the original's; nothing was written."
        )
    if _same(after) != _proposed(asked.today, asked.changes):
        raise ModelMustRetry(
            f"{asked.name}: with the changes accepted the text is not the proposed one; quote whole words."
        )
    return made, before, after


def _proposed(today: str, changes: list[Change]) -> str:
    """The original with each quote replaced, as text alone."""
    text = _same(today)
    spans = []
    for change in changes:
        quote = _same(change.quote)
        start = text.find(quote)
        if start < 0 or text.find(quote, start + 1) >= 0:
            raise ModelMustRetry(f"The words “{change.quote[:120]}” must stand in the document once.")
        spans.append((start, start + len(quote), _same(change.new)))
    for start, end, new in sorted(spans, reverse=True):
        text = text[:start] + new + text[end:]
    return _same(text)


def _same(text: str) -> str:
    """A text without what a change of wording does not touch: blanks and the shape of quote marks."""
    plain = text.translate(_SPELLING)
    return re.sub(r"\s+", " ", plain).strip()


async def contents(name: str, data: bytes) -> str:
    """What a file holds, for the person who approves it: its changed lines when changes are tracked in it."""
    try:
        if name.lower().endswith(".docx"):
            after, before = await confined.views(data, name)
            lines = await asyncio.to_thread(lambda: list(_changed(before.splitlines(), after.splitlines())))
            if lines:
                more = f"\n- and {len(lines) - SHOWN} more lines" if len(lines) > SHOWN else ""
                return "Tracked changes, old words struck out:\n\n" + "\n".join(lines[:SHOWN]) + more
        return (await confined.read(name, data)).text
    except e.Unreadable as error:
        return str(error)


def _changed(before: list[str], after: list[str]) -> Iterator[str]:
    """Each changed line, the old one before the new one."""
    # blank lines are alike and many: each of them would be compared with each other one
    before, after = ([line for line in lines if line.strip()] for lines in (before, after))
    same = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, a, b, c, d in same.get_opcodes():
        if tag != "equal":
            for old, new in zip_longest(before[a:b], after[c:d]):
                if old:
                    yield f"- ~~{_plain(old)}~~"
                if new:
                    yield f"- **{_plain(new)}**"


def _plain(line: str) -> str:
    return " ".join(line.split()).replace("*", "∗").replace("~", "∼")


def redline_tools() -> list[Tool]:
    return [
        Tool(
            "redline",
            "Make a Word file with tracked changes from an original and changes, each {quote, new, reason}; "
            "the reason becomes a comment. Code checks that accepting all gives the proposed text and rejecting "
            "all the original.",
            Effect.WORKSPACE, redline, RedlineArgs,
        )
    ]  # fmt: skip
