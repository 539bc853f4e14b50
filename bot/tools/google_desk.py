"""Slides, comments and the requester's own calendar to read, and drafts for their mailbox to stage."""

from __future__ import annotations

import asyncio
import datetime

from pydantic import Field

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.tools.base import Args, Outcome, Tool, ToolContext
from bot.tools.google import LIST_ROOM, FileArgs, GoogleTools, slides_text
from bot.tools.google_accounts import patient
from bot.tools.google_writes import GoogleWrites
from bot.types import Json
from bot.workspace import safe_name
from connectors import google as g

SHOWN = 60


class EventArgs(Args):
    since: str = Field(description="A day or a moment, such as 2026-10-05 or 2026-10-05T09:00+02:00.")
    until: str = Field(description="The same; a day counts to its end.")
    words: str = Field(default="", description="Only events with these words.")


class DraftArgs(Args):
    to: list[str] = Field(min_length=1, max_length=50)
    subject: str = Field(min_length=1, max_length=250)
    text: str = Field(description="Plain text; {{f:id}} and {{e:id}} become figures with their links.")
    cc: list[str] = Field(default_factory=list, max_length=50)


class GoogleDesk:
    """google__* around the files."""

    def __init__(self, reads: GoogleTools, writes: GoogleWrites) -> None:
        self._reads, self._writes = reads, writes

    async def slides(self, ctx: ToolContext, args: FileArgs) -> Outcome:
        """The words of a presentation, slide by slide, each with its address."""
        google = await self._reads.ready(ctx)
        _, file = await self._reads.about(ctx, args.file_id)
        slides = await patient(lambda: google.slides(file.id))
        name = await asyncio.to_thread(
            ctx.workspace.write, f"docs/{safe_name(file.name)}.slides.md", slides_text(slides).encode()
        )
        told = [{"slide": s.number, "title": s.title, "text": s.text[:300], "url": s.url} for s in slides[:SHOWN]]
        shown = {"ok": True, "name": file.name, "url": file.url, "file": name, "slides": told, "total": len(slides)}
        return Outcome(shown, files=(name,), labels=_labels(ctx, file.id))

    async def comments(self, ctx: ToolContext, args: FileArgs) -> Outcome:
        google = await self._reads.ready(ctx)
        _, file = await self._reads.about(ctx, args.file_id)
        found = await patient(lambda: google.remarks(file.id))
        told = [
            {"by": c.author, "text": c.text, "about": c.quote, "resolved": c.resolved,
             "answers": [{"by": by, "text": text} for by, text in c.answers]}
            for c in found[:SHOWN]
        ]  # fmt: skip
        shown = {"ok": True, "name": file.name, "comments": told, "total": len(found)}
        return Outcome(shown, labels=_labels(ctx, file.id))

    async def events(self, ctx: ToolContext, args: EventArgs) -> Outcome:
        """The requester's own events; nobody else's calendar is looked into."""
        google = await self._reads.ready(ctx)
        since, until = _moment(args.since, end=False), _moment(args.until, end=True)
        found = await patient(lambda: google.agenda.events(since, until, args.words))
        told = [_event(one) for one in found[: SHOWN * 2]]
        return Outcome({"ok": True, "events": told, "total": len(found)}, labels=_labels(ctx, "calendar"))

    async def draft(self, ctx: ToolContext, args: DraftArgs) -> Outcome:
        """Stage a draft for the requester's mailbox; nothing here sends it."""
        text = await self._writes.cited(ctx, args.text, "The draft")
        change = g.MailDraft(tuple(args.to), args.subject, text, tuple(args.cc))
        cc = f", cc {', '.join(args.cc)}" if args.cc else ""
        post: Json = {"title": args.subject, "summary": f"To {', '.join(args.to)}{cc}. A draft: you send it, or not."}
        post |= {"markdown": text[:6_000], "length": len(text)}
        return await self._writes.stage(ctx, "gmail_draft", change, f"mail:{args.subject}", post)

    def tools(self) -> list[Tool]:
        read = Effect.READ
        return [
            Tool("google__slides_read", "Read a presentation slide by slide, with speaker notes.", read, self.slides,
                 FileArgs, room=LIST_ROOM),
            Tool("google__drive_comments", "Read the comments on a file and their answers.", read, self.comments,
                 FileArgs, room=LIST_ROOM),
            Tool("google__calendar_events", "List the requester's calendar events of a stretch of time.", read,
                 self.events, EventArgs, room=LIST_ROOM),
            Tool("google__gmail_draft", "Stage a draft for the requester's mailbox; it is never sent.", Effect.SHARED,
                 self.draft, DraftArgs),
        ]  # fmt: skip


def _event(one: g.CalendarEvent) -> Json:
    told = {"title": one.title, "start": one.start, "end": one.end, "place": one.place, "people": list(one.people)}
    return {k: v for k, v in {**told, "description": one.description[:300], "url": one.url}.items() if v}


def _moment(text: str, *, end: bool) -> datetime.datetime:
    """A moment of a day or a time as written; without an offset it is UTC. Raises ModelMustRetry."""
    try:
        moment = datetime.datetime.fromisoformat(text.strip())
    except ValueError as error:
        told = f"{text!r} is no day or moment; write 2026-10-05 or 2026-10-05T09:00+02:00."
        raise ModelMustRetry(told) from error
    if end and len(text.strip()) == len("2026-10-05"):
        moment += datetime.timedelta(days=1)
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _labels(ctx: ToolContext, source: str) -> Json:
    return {"integrity": "external", "sources": [f"google:{source}"], "readers": [ctx.requester]}
