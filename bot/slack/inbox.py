"""What happens before Slack hears that something arrived: it is judged and on disk, or Slack sends it again."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.response import BoltResponse
from sqlalchemy import Connection, select

from bot.coordinator import control
from bot.coordinator.control import Place
from bot.coordinator.intake import receive, taken
from bot.coordinator.limits import own
from bot.policy.access import Role
from bot.slack import delegate, heard, presses, requests
from bot.slack.door import Door, Unknown, look_at
from bot.slack.following import follow
from bot.slack.requests import Changed, Ignored, Word, id_of, mapping, words_of
from bot.slack.scheduler import Done, Refused, Scheduler
from bot.slack.taken import ROLES, Ask, Taken
from bot.store import people
from bot.store.database import Database, Tx
from bot.store.schema import approval, inbox, run, seen_message
from bot.types import Json, Request

log = structlog.get_logger()

TAKEN = "cadre_taken"  # context key: what became of the payload, for the listener
DEEP = 60  # levels of a payload that are read
AGAIN_S = 2.0  # between two looks at what waits for an answer about a person
DENIED_MOST = 1_000  # messages of which it is known that their writer was told why not
LATE_S = 120.0  # then what was known of the person before is taken


class Inbox:
    """Bolt's global middleware. It raises when a payload could not be kept, so that it is not acknowledged."""

    def __init__(self, db: Database, scheduler: Scheduler, door: Door) -> None:
        self.db, self.scheduler, self.door = db, scheduler, door
        self._denied: dict[tuple[str, str, str], None] = {}  # the latest; what strangers write is not stored
        self._waits = asyncio.Event()  # something is held until it is known who sent it
        self._waits.set()

    async def keep(
        self, body: Json, context: AsyncBoltContext, next: Callable[[], Awaitable[BoltResponse]]
    ) -> BoltResponse | None:
        """Keep what the payload asks for, then let Bolt acknowledge it."""
        context[TAKEN] = await self.take(body, context.bot_user_id or "")
        return await next()

    async def take(self, body: Json, bot_user: str) -> Taken:
        """Judge and keep one payload; what cannot be judged in time is kept until it can."""
        body = sane(body)
        if _is_noise(body, bot_user):
            return Taken(reason="its own change of a message")
        member = await self._is_member(body)
        ask = Ask(body, bot_user, self.door, member=member)
        try:
            return self._denied_once(body, await self.db.write(lambda tx: _take(tx, ask)))
        except Unknown as who:
            unknown = who
        await self.door.learn(unknown.team, unknown.user)
        try:
            return self._denied_once(body, await self.db.write(lambda tx: _take(tx, ask.again())))
        except Unknown:
            if body.get("type") in ("message_action", "shortcut"):  # what they open cannot wait
                return Taken(reason="held")
            kept = {"body": body, "bot_user": bot_user}
            await self.db.write(lambda tx: people.hold(tx, unknown.team, unknown.user, kept))
            self._waits.set()
            return Taken(reason="held")

    async def follow(self, tell: Callable[[Json, Taken], None]) -> None:
        """Take what was held once it is known who sent it, and tell them; runs as long as the surface."""
        await follow(partial(self._release, tell), "what is held")

    async def _release(self, tell: Callable[[Json, Taken], None]) -> None:
        await self._waits.wait()
        self._waits.clear()
        try:
            left = await self._take_held(tell)
        except Exception:
            self._waits.set()
            raise
        if left:
            await asyncio.sleep(AGAIN_S)
            self._waits.set()

    async def _take_held(self, tell: Callable[[Json, Taken], None]) -> bool:
        """Take what can be taken by now; returns whether something is left."""
        for row in await self.db.read(people.held):
            try:
                await self.door.learn(row["team_id"], row["user"])
                taken = await self._released(row)
                if taken is not None:
                    tell(row["body"]["body"], taken)
            except Exception:  # the others do not wait for this one
                log.exception("what is held could not be taken", user=row["user"])
        return bool(await self.db.read(people.held))

    async def _released(self, row: Any) -> Taken | None:
        body, bot_user = row["body"]["body"], row["body"]["bot_user"]
        ask = Ask(body, bot_user, self.door, late=self.db.now() > row["at"] + LATE_S)

        def work(tx: Tx) -> Taken:
            people.release(tx, row["id"])
            return _take(tx, ask)

        try:
            return self._denied_once(body, await self.db.write(work))
        except Unknown:
            return None

    def _denied_once(self, body: Json, taken: Taken) -> Taken:
        """A mention comes as two events, and each of them maybe twice: why not is said to its writer once."""
        event = mapping(body.get("event"))
        if not taken.denied or event.get("type") not in ("app_mention", "message"):
            return taken
        key = (requests.team_of(body), id_of(event.get("channel")), requests.ts_of(event.get("ts")))
        if key in self._denied:
            return Taken(reason="its writer was told why not")
        self._denied[key] = None
        if len(self._denied) > DENIED_MOST:
            del self._denied[next(iter(self._denied))]
        return taken

    async def _is_member(self, body: Json) -> bool:
        """Whether Cadre can post where a command or a form wants work. When Slack does not say in time, trying is
        right: the run tells."""
        team, channel = _wanted(body)
        if not channel:
            return True
        outcome = await look_at(self.scheduler, team, channel)
        if isinstance(outcome, Done):
            about: Any = outcome.data.get("channel") or {}
            return bool(about.get("is_member", False) or about.get("is_im", False))
        return not (isinstance(outcome, Refused) and outcome.error == "channel_not_found")


def sane(value: Any, depth: int = 0) -> Any:
    """A payload that every store can keep: no half characters, no zero bytes, nothing endlessly deep."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode() if not value.isascii() or (
            "\x00" in value
        ) else value  # fmt: skip
    if depth > DEEP:
        return None
    if isinstance(value, dict):
        return {sane(key): sane(one, depth + 1) for key, one in value.items() if isinstance(key, str)}
    if isinstance(value, list):
        return [sane(one, depth + 1) for one in value]
    return value


def _is_noise(body: Json, bot_user: str) -> bool:
    """Whether this only tells that Cadre changed a message of its own, which happens all the time."""
    event = mapping(body.get("event"))
    message = mapping(event.get("message"))
    return event.get("subtype") == "message_changed" and bool(bot_user) and message.get("user") == bot_user


def _wanted(body: Json) -> tuple[str, str]:
    """The workspace and channel that a command or a form wants work in, when there is work."""
    if body.get("type") == "view_submission":
        return delegate.place_of(body)
    asked = requests.from_command(body) if body.get("command") else None
    if not isinstance(asked, Request) or requests.control_word(asked.text) is not None:
        return "", ""
    return asked.team, asked.channel


def _take(tx: Tx, ask: Ask) -> Taken:
    """One payload in one transaction."""
    body = ask.body
    if body.get("command"):
        return _command(tx, ask)
    match body.get("type"):
        case "block_actions":
            return presses.take(tx, ask)
        case "view_submission":
            return delegate.take(tx, ask)
        case "message_action" | "shortcut":
            return delegate.opened(tx, ask)
    if isinstance(body.get("event"), dict):
        return _event(tx, ask)
    return Taken(reason="nothing that is listened to")


def _command(tx: Tx, ask: Ask) -> Taken:
    body = ask.body
    request = requests.from_command(body)
    team, user, channel = requests.team_of(body), id_of(body.get("user_id")), id_of(body.get("channel_id"))
    if not (team and user and channel):
        return Taken(reason="it does not say who asks")
    denied = ask.why_not(tx, team, user, channel, Role.SEE)
    if denied:
        return Taken(denied=denied)
    if isinstance(request, Ignored):
        return Taken(reason=request.reason)
    word = requests.control_word(request.text)
    if word is not None:
        return _controlled(tx, ask, request, word)
    denied = ask.why_not(tx, team, user, channel, Role.ASK)
    if denied:
        return Taken(denied=denied)
    if not ask.member:
        return Taken(reason="not a member", member=False)
    return Taken(request, fresh=receive(tx, request))


def _event(tx: Tx, ask: Ask) -> Taken:
    """One event: the channel's history, and the request or word of control in it."""
    body, bot_user = ask.body, ask.bot_user
    event = mapping(body.get("event"))
    team, channel, user = requests.team_of(body), id_of(event.get("channel")), id_of(event.get("user"))
    message = heard.seen(body, bot_user)
    if message is not None:
        heard.remember(tx, message)
    match event.get("type"):
        case "agent_session_stopped" if team and channel and user:
            denied = ask.why_not(tx, team, user, channel, Role.ASK)
            if not denied:
                control.stop(tx, team, channel, requests.ts_of(event.get("thread_ts")), user)
            return Taken(reason="stop", denied=denied, place=(team, channel, user, ""))
        case "member_joined_channel" if team and channel and bot_user and user == bot_user:
            return _joined(tx, body, channel)
        case "reaction_added":
            return presses.reacted(tx, ask)
        case "app_context_changed" if team and user:
            viewing = requests.viewing(event.get("context"))
            people.visit(tx, team, user, viewing=viewing, viewing_at=tx.now())
            return Taken(reason="what somebody looks at")
        case "app_home_opened" if team and user:
            return _home(tx, ask, team, user)
    change = requests.changed(body, bot_user)
    if change is not None:
        return _changed(tx, ask, change)
    request = requests.from_event(body, bot_user)
    if isinstance(request, Ignored):
        return Taken(reason=request.reason)
    latest = _as_it_reads(tx, ask, request)
    return _request(tx, ask, latest) if latest is not None else Taken(reason="deleted before it came")


def _as_it_reads(tx: Tx, ask: Ask, request: Request) -> Request | None:
    """The request as its message reads by now, for an edit or a deletion can overtake it; None when it is gone."""
    s = seen_message.c
    where = s.team_id == request.team, s.channel == request.channel, s.ts == request.key
    row = tx.execute(select(s.text, s.deleted).where(*where)).first()
    if row is None or (not row.deleted and row.text == requests.whole(ask.body["event"], "")):
        return request
    if row.deleted:
        return None
    return dataclasses.replace(request, text=requests.without_mention(row.text, ask.bot_user))


def _home(tx: Tx, ask: Ask, team: str, user: str) -> Taken:
    denied = ask.why_not(tx, team, user, "", Role.SEE)
    event = ask.body["event"]
    people.visit(tx, team, user, opened_at=tx.now(), home_sha="")  # Slack may show an old one: publish anew
    if isinstance(event.get("context"), dict):
        viewing = requests.viewing(event["context"])
        people.visit(tx, team, user, viewing=viewing, viewing_at=tx.now())
    return Taken(reason="home", denied=denied, place=(team, id_of(event.get("channel")), user, ""))


def _request(tx: Tx, ask: Ask, request: Request) -> Taken:
    word = requests.control_word(request.text)
    place = Place(request.team, request.channel, _thread(request), request.user)
    if request.kind == "reply":
        silent = _not_to_cadre(tx, request, word, place)
        if silent:
            return Taken(reason=silent)
    where = (request.team, request.channel, request.user, _thread(request))
    denied = ask.why_not(tx, request.team, request.user, request.channel, Role.SEE)
    if denied:
        return Taken(denied=denied, place=where)
    if requests.asks_for_help(request.text):
        return Taken(request, reason="help", fresh=_once(tx, dataclasses.replace(request, kind="help", thread="")))
    if word is not None and (word.name != "resume" or control.paused(tx, place)):
        return _controlled(tx, ask, request, word)
    denied = ask.why_not(tx, request.team, request.user, request.channel, Role.ASK)
    if denied:
        return Taken(denied=denied, place=where)
    request = _with_view(tx, ask, request)
    if not receive(tx, request):
        return Taken(request, fresh=False)
    if request.thread != request.key and control.answer_in_thread(tx, place, request.text, ask.access):
        taken(tx, request, None)
        return Taken(request, reason="answer")
    new = request.thread != request.key and not heard.known(tx, request.team, request.channel, request.thread)
    return Taken(request, reason="an unread thread" if new else "")


def _not_to_cadre(tx: Tx, request: Request, word: Word | None, place: Place) -> str:
    """Why a plain reply is not for Cadre, by rules; "" when it is.

    Among people a plain reply is for people: there only a bare stop, pause, resume or status and an answer to an
    open question count. Where nobody but its writer and Cadre talk, everything does that asks for something, and so
    it does below whatever was said to one person directly.
    """
    if not _direct(request):
        if not _takes_part(tx.connection, request):
            return "a thread without Cadre"
        if request.text.startswith("@"):
            return "said to somebody else"
    others = heard.people_of(tx, request.team, request.channel, request.thread) - {request.user}
    if word is not None and (word.name != "resume" or control.paused(tx, place)):
        return "said among people" if others and not requests.is_bare(request.text) else ""
    asked = control.asks(tx, place)
    if requests.to_nobody(request.text.lstrip("@")) and not (
        asked and requests.could_answer(request.text) and _is_asked(tx, place)
    ):
        return "asks for nothing"
    return "said among people" if others and not asked else ""


def _is_asked(tx: Tx, place: Place) -> bool:
    """Whether it is this person's answer that something in the thread waits for."""
    a, r = approval.c, run.c
    query = (
        select(a.id)
        .join(run, r.id == a.run_id)
        .where(r.team_id == place.team, r.channel == place.channel, r.thread == place.thread)
        .where(a.status == "pending", a.person == place.user)
    )
    return tx.execute(query).first() is not None


def _with_view(tx: Tx, ask: Ask, request: Request) -> Request:
    """A direct request comes with what its writer looks at: Slack says so with the message, or said so before."""
    if not _direct(request):
        return request
    told = ask.body["event"].get("app_context")
    viewing = requests.viewing(told) if isinstance(told, dict) else None
    if viewing is None:
        row = people.visitor(tx.connection, request.team, request.user)
        viewing = row["viewing"] if row is not None else []
    return request.on({"viewing": viewing}) if viewing else request


def _direct(request: Request) -> bool:
    return request.channel.startswith("D")


def _controlled(tx: Tx, ask: Ask, request: Request, word: Word) -> Taken:
    """A word of control counts in the transaction that keeps it: it waits for nobody."""
    wanted = ROLES.get(word.name, Role.ASK)
    denied = ask.why_not(tx, request.team, request.user, request.channel, wanted)
    if denied:
        return Taken(denied=denied, place=(request.team, request.channel, request.user, _thread(request)))
    if not receive(tx, request):
        return Taken(request, reason="control", fresh=False)
    taken(tx, request, None)
    place = Place(request.team, request.channel, _thread(request), request.user, word.run_id)
    return Taken(request, reason="control", told=control.say(tx, word.name, place))


def _thread(request: Request) -> str:
    """The thread that a request was said in; one that opens a thread of its own is about the channel."""
    return request.thread if request.thread != request.key else ""


def _changed(tx: Tx, ask: Ask, change: Changed) -> Taken:
    """An edit of a request changes the course of its run; its deletion stops it."""
    origin = control.requested_by(tx, change.team, change.channel, change.ts)
    if origin is None:
        return Taken(reason="a message to others")
    denied = ask.why_not(tx, change.team, change.user, change.channel, Role.ASK)
    if denied:
        return Taken(denied=denied, place=(change.team, change.channel, change.user, change.thread))
    if change.deleted:
        stopped = control.withdraw(tx, change.team, change.channel, change.ts, change.user)
        return Taken(reason="deleted" if stopped else "a message to others")
    if not change.text or own(origin["text"]) == own(change.text):  # what it quotes is nothing that somebody edits
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


def _joined(tx: Tx, body: Json, channel: str) -> Taken:
    """Cadre came into a channel: a row of the inbox, so that a second delivery says no second hello."""
    event = body["event"]
    request = Request(
        team=requests.team_of(body),
        channel=channel,
        thread="",
        key=requests.ts_of(event.get("event_ts")) or words_of(body.get("event_id"))[:64],
        kind="joined",
        user=id_of(event.get("inviter")) or id_of(event.get("user")),
        text="",
    )
    return Taken(request, reason="joined", fresh=_once(tx, request))


def _once(tx: Tx, request: Request) -> bool:
    """Keep what is answered without a run; False when it was kept before, for another event or delivery of it."""
    fresh = receive(tx, request)
    if fresh:
        taken(tx, request, None)
    return fresh
