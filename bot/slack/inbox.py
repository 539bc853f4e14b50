"""What happens before Slack hears that an event arrived: it is on disk, or Slack sends it again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.response import BoltResponse
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bot.coordinator import control
from bot.coordinator.control import Place, Told
from bot.coordinator.intake import receive, taken
from bot.slack import requests
from bot.slack.requests import Changed, Ignored, Seen, Word
from bot.slack.scheduler import Done, Refused, Scheduler
from bot.store.database import Database, Tx
from bot.store.schema import inbox, run, seen_message
from bot.types import Json, Request

TAKEN = "cadre_taken"  # context key: what became of the payload, for the listener
LOOK_S = 1.2  # of the three seconds that Slack waits for a command's acknowledgement


@dataclass(frozen=True)
class Taken:
    """What became of a payload: a kept request, a word of control, or nothing (and why)."""

    request: Request | None = None
    reason: str = ""
    member: bool = True  # of the channel a command came from
    fresh: bool = True  # False for a second delivery
    told: Told | None = None  # what became of a word of control


class Inbox:
    """Bolt's global middleware. It raises when a payload could not be kept, so that it is not acknowledged."""

    def __init__(self, db: Database, scheduler: Scheduler) -> None:
        self.db, self.scheduler = db, scheduler

    async def keep(
        self, body: Json, context: AsyncBoltContext, next: Callable[[], Awaitable[BoltResponse]]
    ) -> BoltResponse | None:
        """Keep what the payload asks for, then let Bolt acknowledge it."""
        bot_user = context.bot_user_id or ""
        if body.get("command"):
            context[TAKEN] = await self._command(body)
        elif body.get("event"):
            context[TAKEN] = await self.db.write(lambda tx: _event(tx, body, bot_user))
        return await next()

    async def _command(self, body: Json) -> Taken:
        request = requests.from_command(body)
        if isinstance(request, Ignored):
            return Taken(reason=request.reason)
        word = requests.control_word(request.text)
        if word is not None:
            return await self.db.write(lambda tx: _controlled(tx, request, word))
        if not await self._is_member(request):
            return Taken(reason="not a member", member=False)
        fresh = await self.db.write(lambda tx: receive(tx, request))
        return Taken(request, fresh=fresh)

    async def _is_member(self, request: Request) -> bool:
        """Whether Cadre can post there. When Slack does not say in time, trying is right: the run tells."""
        look = self.scheduler.call(request.team, "conversations.info", {"channel": request.channel})
        try:
            outcome = await asyncio.wait_for(look, LOOK_S)
        except TimeoutError:
            return True
        if isinstance(outcome, Done):
            channel: Any = outcome.data.get("channel") or {}
            return bool(channel.get("is_member", False) or channel.get("is_im", False))
        return not (isinstance(outcome, Refused) and outcome.error == "channel_not_found")


def _event(tx: Tx, body: Json, bot_user: str) -> Taken:
    """One event in one transaction: the channel's history, and the request or word of control in it."""
    event: Any = body["event"]
    message = requests.seen(body, bot_user)
    if message is not None:
        _remember(tx, message)
    if event.get("type") == "agent_session_stopped":
        place = (str(event.get("channel", "")), str(event.get("thread_ts", "")), str(event.get("user", "")))
        control.stop(tx, str(body.get("team_id", "")), *place)
        return Taken(reason="stop")
    if event.get("type") == "member_joined_channel" and event.get("user") == bot_user:
        return _joined(tx, body, event)
    change = requests.changed(body, bot_user)
    if change is not None:
        return _changed(tx, change)
    request = requests.from_event(body, bot_user)
    if isinstance(request, Ignored):
        return Taken(reason=request.reason)
    return _request(tx, request)


def _request(tx: Tx, request: Request) -> Taken:
    if request.kind == "reply" and not _takes_part(tx.connection, request):
        return Taken(reason="a thread without Cadre")
    if not request.text:
        return Taken(request, reason="help")
    word = requests.control_word(request.text)
    place = _place(request)
    if word is not None and (word.name != "resume" or control.paused(tx, place)):
        return _controlled(tx, request, word)
    if request.kind == "reply" and requests.to_nobody(request.text) and not _asked(tx, request):
        return Taken(reason="not said to Cadre")
    if not receive(tx, request):
        return Taken(request, fresh=False)
    if request.thread != request.key and control.answer_in_thread(tx, place, request.text):
        taken(tx, request, None)
        return Taken(request, reason="answer")
    return Taken(request)


def _controlled(tx: Tx, request: Request, word: Word) -> Taken:
    """A word of control counts in the transaction that keeps it: it waits for nobody."""
    if not receive(tx, request):
        return Taken(request, reason="control", fresh=False)
    taken(tx, request, None)
    return Taken(request, reason="control", told=control.say(tx, word.name, _place(request, word.run_id)))


def _place(request: Request, run_id: str = "") -> Place:
    """Where a request was said; one that opens a thread of its own is about the channel."""
    thread = request.thread if request.thread != request.key else ""
    return Place(request.team, request.channel, thread, request.user, run_id)


def _asked(tx: Tx, request: Request) -> bool:
    """Whether an agent waits for an answer in this thread; thanks to a colleague by name is never one."""
    return not request.text.startswith("@") and control.asks(tx, _place(request))


def _changed(tx: Tx, change: Changed) -> Taken:
    """An edit of a request changes the course of its run; its deletion stops it."""
    if change.deleted:
        stopped = control.withdraw(tx, change.team, change.channel, change.ts, change.user)
        return Taken(reason="deleted" if stopped else "a message to others")
    origin = control.requested_by(tx, change.team, change.channel, change.ts)
    if origin is None or origin["text"] == change.text or not change.text:
        return Taken(reason="an edit that changes no request")
    request = Request(
        team=change.team,
        channel=change.channel,
        thread=change.thread,
        key=f"{change.ts}:{change.stamp}",
        kind="edit",
        user=change.user,
        text=change.text,
        channel_name=origin["channel_name"],
    )
    return Taken(request, reason="edit", fresh=receive(tx, request))


def _takes_part(connection: Connection, request: Request) -> bool:
    """Whether Cadre was asked something in this thread before."""
    for table in (run, inbox):
        where = (
            table.c.team_id == request.team,
            table.c.channel == request.channel,
            table.c.thread == request.thread,
        )
        if connection.execute(select(table.c.id).where(*where).limit(1)).first() is not None:
            return True
    return False


def _joined(tx: Tx, body: Json, event: Any) -> Taken:
    """Cadre came into a channel: a row of the inbox, so that a second delivery says no second hello."""
    request = Request(
        team=body.get("team_id", ""),
        channel=event.get("channel", ""),
        thread="",
        key=str(event.get("event_ts") or body.get("event_id", "")),
        kind="joined",
        user=str(event.get("inviter") or event.get("user")),
        text="",
    )
    fresh = receive(tx, request)
    if fresh:
        taken(tx, request, None)
    return Taken(request, reason="joined", fresh=fresh)


def _remember(tx: Tx, message: Seen) -> None:
    """Keep a message for digests, whatever the order in which its events arrive."""
    make = pg_insert if tx.connection.dialect.name == "postgresql" else sqlite_insert
    row = {
        "team_id": message.team,
        "channel": message.channel,
        "ts": message.ts,
        "thread": message.thread,
        "user": message.user,
        "text": message.text,
        "deleted": message.change == "deleted",
    }
    insertion = make(seen_message).values(**row)
    key = ["team_id", "channel", "ts"]
    if message.change == "said":  # an edit or deletion that came first knows better
        tx.execute(insertion.on_conflict_do_nothing(index_elements=key))
        return
    told: Json = {"deleted": True} if message.change == "deleted" else {"text": message.text}
    tx.execute(insertion.on_conflict_do_update(index_elements=key, set_=told))
