"""What Cadre listens to. A listener acknowledges, hands over and returns; the inbox has kept the work before.

Bolt forgets an acknowledgement when its listener raises soon after, so none of these raises past its ack.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Coroutine
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext
from sqlalchemy import select

from bot.coordinator import control
from bot.coordinator.control import Place
from bot.slack import messages
from bot.slack.cards import section
from bot.slack.inbox import TAKEN, Inbox, Taken
from bot.slack.scheduler import Done, Priority, Scheduler
from bot.store.database import Database, Tx
from bot.store.schema import approval, run
from bot.types import Json

log = structlog.get_logger()

COMMANDS = ("/cadre", "/quarter-close")


class Listeners:
    """The listeners and the small private answers they give, which no run depends on."""

    def __init__(self, db: Database, scheduler: Scheduler) -> None:
        self.db, self.scheduler = db, scheduler
        self._later: set[asyncio.Task[None]] = set()

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something small after the listener has returned."""
        task = asyncio.get_running_loop().create_task(_logged(work))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def close(self) -> None:
        """Let the small answers under way go out."""
        await asyncio.gather(*self._later, return_exceptions=True)

    # -- events and commands -----------------------------------------------------------------------------------------

    async def said(self, body: Json, context: AsyncBoltContext) -> None:
        """A mention or message: the inbox has it; only a word without a run is answered from here."""
        taken: Taken = context[TAKEN]
        request = taken.request
        if request is None or not taken.fresh:
            return
        if taken.reason == "help" and body["event"]["type"] == "app_mention":
            self.later(self.post(request.team, request.channel, messages.HELP, request.thread))
        elif taken.told is not None:
            thread = request.thread if request.thread != request.key else ""
            words = messages.controlled(taken.told, here=bool(thread))
            if words:
                self.later(self.whisper(request.team, request.channel, request.user, words, thread))

    async def joined(self, context: AsyncBoltContext) -> None:
        taken: Taken = context[TAKEN]
        if taken.reason == "joined" and taken.fresh and taken.request is not None:
            self.later(self.post(taken.request.team, taken.request.channel, messages.HELLO))

    async def home(self, body: Json) -> None:
        if body["event"].get("tab") == "home":
            view = {"type": "home", "blocks": [section(messages.HOME)]}
            payload = {"user_id": body["event"]["user"], "view": view}
            self.later(self._call(body.get("team_id", ""), "views.publish", payload))

    async def other(self) -> None:
        """An event nobody asked for: acknowledged, so that Slack does not send it again."""

    async def command(self, ack: AsyncAck, body: Json, context: AsyncBoltContext) -> None:
        """A slash command: a private line at once, the work in the channel."""
        taken: Taken = context[TAKEN]
        if not taken.member:
            text = messages.not_member(f"{body['command']} {body.get('text', '')}".strip())
        elif taken.request is None:
            text = messages.HELP
        elif taken.reason == "control":
            text = messages.controlled(taken.told, here=False) if taken.told else messages.ALREADY_SAID
        else:
            text = messages.command_taken(taken.request.text)
        await ack(text=text, response_type="ephemeral")

    # -- buttons -----------------------------------------------------------------------------------------------------

    async def decide(self, ack: AsyncAck, body: Json, action: Json) -> None:
        """Approve or Reject: on disk, then acknowledged."""
        value, user = _value(action), body["user"]["id"]
        approved = action["action_id"] == "approve"
        told = await self._write(
            lambda tx: (
                _ours(tx, value, body)
                or control.decide(tx, value.get("id", ""), user, approved, value.get("sha", ""))
            )
        )
        await self._decided(ack, body, told)

    async def answer(self, ack: AsyncAck, body: Json, action: Json) -> None:
        """One of the answers an agent offered."""
        value, user = _value(action), body["user"]["id"]
        told = await self._write(
            lambda tx: _ours(tx, value, body) or control.answer(tx, value.get("id", ""), user, value.get("text", ""))
        )
        await self._decided(ack, body, told)

    async def control(self, ack: AsyncAck, body: Json, action: Json) -> None:
        """A button of the plan: stop, pause or resume this run."""
        team, channel, thread, user = _team(body), _channel(body), _thread(body), body["user"]["id"]
        place = Place(team, channel, thread, user, str(_value(action).get("run", "")))
        told = await self._write(lambda tx: control.say(tx, action["action_id"], place))
        if told is None:
            return
        await ack()
        words = messages.controlled(told, here=True)
        if words:
            self.later(self.whisper(team, channel, user, words, thread))

    async def _write(self, work: Any) -> Any:
        """The outcome, or None when nothing could be kept: then Slack shows the person that the button failed."""
        try:
            return await self.db.write(work)
        except Exception:
            log.exception("a button's press could not be kept")
            return None

    async def _decided(self, ack: AsyncAck, body: Json, told: str | None) -> None:
        if told is None:
            return
        await ack()
        if told in messages.DECISIONS:
            words = messages.DECISIONS[told]
            self.later(self.whisper(_team(body), _channel(body), body["user"]["id"], words, _thread(body)))

    # -- small answers -----------------------------------------------------------------------------------------------

    async def post(self, team: str, channel: str, text: str, thread: str = "") -> None:
        payload: Json = {"channel": channel, "text": text, "unfurl_links": False, "unfurl_media": False}
        await self._call(team, "chat.postMessage", {**payload, **({"thread_ts": thread} if thread else {})})

    async def whisper(self, team: str, channel: str, user: str, text: str, thread: str = "") -> None:
        """A line that one person sees."""
        payload: Json = {"channel": channel, "user": user, "text": text}
        await self._call(team, "chat.postEphemeral", {**payload, **({"thread_ts": thread} if thread else {})})

    async def _call(self, team: str, method: str, payload: Json) -> None:
        outcome = await self.scheduler.call(team, method, payload, priority=Priority.UPDATE)
        if not isinstance(outcome, Done):
            log.warning("a small answer was not given", method=method, why=str(outcome))


def register_listeners(app: AsyncApp, db: Database, scheduler: Scheduler) -> Listeners:
    """Make the app keep what it hears and listen to it."""
    listeners = Listeners(db, scheduler)
    app.use(Inbox(db, scheduler).keep)
    app.event("app_mention")(listeners.said)
    app.event("message")(listeners.said)
    app.event("agent_session_stopped")(listeners.other)
    app.event("member_joined_channel")(listeners.joined)
    app.event("app_home_opened")(listeners.home)
    app.event(re.compile(".*"))(listeners.other)
    for command in COMMANDS:
        app.command(command)(listeners.command)
    app.action("approve")(listeners.decide)
    app.action("reject")(listeners.decide)
    app.action(re.compile(r"answer:\d+"))(listeners.answer)
    for word in ("stop", "pause", "resume"):
        app.action(word)(listeners.control)
    return listeners


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        log.exception("a small answer failed")


def _value(action: Json) -> Json:
    try:
        value = json.loads(action.get("value") or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _ours(tx: Tx, value: Json, body: Json) -> str:
    """An approval belongs to one workspace and channel; a value from elsewhere is void."""
    place = tx.execute(
        select(run.c.team_id, run.c.channel)
        .join(approval, approval.c.run_id == run.c.id)
        .where(approval.c.id == str(value.get("id", "")))
    ).first()
    if place is None or (place.team_id, place.channel) != (_team(body), _channel(body)):
        return "void"
    return ""


def _team(body: Json) -> str:
    return str((body.get("team") or {}).get("id") or (body.get("user") or {}).get("team_id") or "")


def _channel(body: Json) -> str:
    return str((body.get("channel") or {}).get("id") or (body.get("container") or {}).get("channel_id") or "")


def _thread(body: Json) -> str:
    message = body.get("message") or {}
    container = body.get("container") or {}
    return str(message.get("thread_ts") or container.get("thread_ts") or message.get("ts") or "")
