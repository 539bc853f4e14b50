"""What Cadre listens to. A listener acknowledges, hands over and returns; the inbox has kept the work before.

Bolt forgets an acknowledgement when its listener raises soon after, so none of these raises past its ack.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Coroutine
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bot.errors import CadreError
from bot.policy.access import Access
from bot.slack import delegate, document_words, heard, home, messages, requests
from bot.slack import ways_words as words
from bot.slack.door import Door
from bot.slack.home import Homes
from bot.slack.inbox import TAKEN, Inbox
from bot.slack.posting import EARLIER_S, Unreachable, find
from bot.slack.scheduler import Done, NotSent, Priority, Scheduler, Unclear
from bot.slack.taken import Taken
from bot.store import people
from bot.store.database import Database, Tx
from bot.types import Json, Person, Request

log = structlog.get_logger()

COMMANDS = ("/cadre", "/quarter-close")
EVENTS = (
    "app_mention", "message", "agent_session_stopped", "member_joined_channel", "app_home_opened",
    "app_context_changed", "reaction_added",
)  # fmt: skip
SHORTCUTS = {delegate.OF_MESSAGE: "message", delegate.ANYWHERE: "global"}
LAST_WORDS_S = 5.0  # that small answers have to go out in when the app closes
TRIES, WITHIN_S = 5, 180.0  # at a small answer that Slack does not take at once
AGAIN_S = 2.0  # after an answer that was lost
THREAD_MOST = 200  # messages of a thread that are read when Cadre comes into it


class Listeners:
    """The listeners and the small private answers they give, which no run depends on."""

    def __init__(self, db: Database, scheduler: Scheduler, access: Access) -> None:
        self.db, self.scheduler, self.access = db, scheduler, access
        self.door = Door(db, scheduler, access)
        self.inbox = Inbox(db, scheduler, self.door)
        self.homes = Homes(db, scheduler, access)
        self._later: set[asyncio.Task[None]] = set()
        self._following: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to follow what happens beside the events: homes, and what waits for an answer about a person."""
        loop = asyncio.get_running_loop()
        for work in (self.homes.follow(), self.inbox.follow(self.tell_late)):
            self._following.append(loop.create_task(work))

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something small after the listener has returned."""
        task = asyncio.get_running_loop().create_task(_logged(work))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def close(self) -> None:
        """Let the small answers under way go out; what Slack's budgets hold back does not hold the end."""
        for task in self._following:
            task.cancel()
        if self._later:
            _, late = await asyncio.wait(self._later, timeout=LAST_WORDS_S)
            for task in late:
                task.cancel()
        await asyncio.gather(*self._following, *self._later, return_exceptions=True)
        await self.door.close()

    # -- listeners ---------------------------------------------------------------------------------------------------

    async def event(self, body: Json, context: AsyncBoltContext) -> None:
        """An event: the inbox has it; only what has no run to answer it is answered from here."""
        self.tell(body, context[TAKEN], context.bot_user_id or "")

    async def other(self) -> None:
        """An event nobody asked for: acknowledged, so that Slack does not send it again."""

    async def command(self, ack: AsyncAck, body: Json, context: AsyncBoltContext) -> None:
        """A slash command: a private line at once, the work in the channel."""
        await ack(text=self._of_command(body, context[TAKEN]), response_type="ephemeral")

    async def press(self, ack: AsyncAck, body: Json, context: AsyncBoltContext) -> None:
        """A button, in a message or at home."""
        await ack()
        taken: Taken = context[TAKEN]
        action = requests.mapping(next(iter(requests.listing(body.get("actions"))), None))
        trigger = requests.words_of(body.get("trigger_id"))
        if taken.reason == "opens something" and trigger:
            self.later(self._open(requests.words_of(action.get("action_id")), taken, trigger))
        self.tell(body, taken)

    async def shortcut(self, ack: AsyncAck, body: Json, context: AsyncBoltContext) -> None:
        """ "Delegate this": the form, or a private line why not."""
        await ack()
        taken: Taken = context[TAKEN]
        trigger = requests.words_of(body.get("trigger_id"))
        if taken.view and trigger:
            self.later(self._show(taken, taken.view, trigger))
        elif taken.reason == "held":
            team, user = delegate.who(body)
            self.later(self._say((team, "", user, ""), words.FORM_LATE))
        self.tell(body, taken)

    async def form(self, ack: AsyncAck, context: AsyncBoltContext) -> None:
        """A submitted form: its errors beside the fields, else it closes."""
        taken: Taken = context[TAKEN]
        if taken.errors:
            await ack(response_action="errors", errors=taken.errors)
            return
        await ack()
        request = taken.request
        if request is not None and taken.fresh and request.thread:
            self.later(self._read_thread(request, context.bot_user_id or ""))

    # -- what is said without a run ----------------------------------------------------------------------------------

    def tell(self, body: Json, taken: Taken, bot_user: str = "") -> None:
        """The small answer that something needs, if it needs one."""
        request, place = taken.request, taken.place
        if body.get("command") or body.get("type") == "view_submission":
            return  # answered by its acknowledgement
        if taken.denied and place[2]:
            self._deny(taken)
        elif taken.reason == "home":
            self._home(taken, body)
        elif taken.decided:
            told = {**messages.DECISIONS, "role": words.ROLE_APPROVES}.get(taken.decided, "")
            if told:
                self.later(self._say(place, told))
        elif taken.reason.startswith("feedback ") and place[1]:
            self.later(self._say(place, words.THANKS[taken.reason.partition(" ")[2]]))
        elif taken.told is not None:
            self._controlled(taken)
        elif request is not None and taken.fresh:
            self._said(taken, request, bot_user)

    def tell_late(self, body: Json, taken: Taken) -> None:
        """The answer to something that was held, when its acknowledgement is long gone."""
        team, user = requests.team_of(body), requests.id_of(body.get("user_id"))
        if body.get("command"):
            text = self._of_command(body, taken)
            self.later(self._say((team, requests.id_of(body.get("channel_id")), user, ""), text))
        elif body.get("type") == "view_submission" and taken.errors:
            team, user = delegate.who(body)
            self.later(self._say((team, "", user, ""), " ".join(taken.errors.values())))
        else:
            self.tell(body, taken)

    def _said(self, taken: Taken, request: Request, bot_user: str) -> None:
        if taken.reason == "help":
            self.later(self.post(request.team, request.channel, messages.HELP, request.thread))
        elif taken.reason == "joined":
            self.later(self.post(request.team, request.channel, messages.HELLO))
        elif taken.reason == "an unread thread":
            self.later(self._read_thread(request, bot_user))

    def _controlled(self, taken: Taken) -> None:
        request, told = taken.request, taken.told
        if told is None or (request is not None and not taken.fresh):
            return
        if request is not None:
            thread = request.thread if request.thread != request.key else ""
            place = (request.team, request.channel, request.user, thread)
        else:
            place = taken.place
        undo = told.word == "undo"
        text = document_words.not_undone(told) if undo else messages.controlled(told, here=bool(place[3]))
        if text:
            self.later(self._say(place, text))

    def _deny(self, taken: Taken) -> None:
        if taken.reason == "home":
            self.homes.opened(taken.place[0], taken.place[2])
            return
        self.later(self._say(taken.place, words.denied(taken.denied)))

    def _home(self, taken: Taken, body: Json) -> None:
        team, channel, user, _ = taken.place
        if body["event"].get("tab") == "messages":
            if channel:
                self.later(self._call(team, "assistant.threads.setSuggestedPrompts", prompts(channel)))
            return
        self.homes.opened(team, user)

    def _of_command(self, body: Json, taken: Taken) -> str:
        if taken.denied:
            return words.denied(taken.denied)
        if taken.reason == "held":
            return words.HELD
        if not taken.member:
            return messages.not_member(f"{body['command']} {body.get('text') or ''}".strip())
        if taken.request is None:
            return messages.HELP
        if taken.reason == "control":
            return messages.controlled(taken.told, here=False) if taken.told else messages.ALREADY_SAID
        return messages.command_taken(taken.request.text)

    # -- forms and homes ---------------------------------------------------------------------------------------------

    async def _open(self, action: str, taken: Taken, trigger: str) -> None:
        """What a button at home opens."""
        team, _, user, _ = taken.place
        if action == "home:ask":
            await self._show(taken, delegate.form(""), trigger)
        elif action == "home:rules":
            known = await self.db.read(lambda c: people.get(c, team, user))
            person = known.person if known is not None else Person(user, "unseen")
            await self._show(taken, home.rules(self.access, person), trigger)

    async def _show(self, taken: Taken, view: Json, trigger: str) -> None:
        told = await self.scheduler.call(taken.place[0], "views.open", {"trigger_id": trigger, "view": view})
        if not isinstance(told, Done):
            log.warning("a form was not opened", why=str(told))
            await self._say(taken.place, words.FORM_LATE)

    async def _read_thread(self, request: Request, bot_user: str) -> None:
        """Cadre was called into a thread that went on without it: read once what was said there."""
        query = {"channel": request.channel, "ts": request.thread, "limit": THREAD_MOST}
        told = await self.scheduler.call(request.team, "conversations.replies", query, priority=Priority.UPDATE)
        if not isinstance(told, Done):
            log.warning("a thread was not read", why=str(told))
            return
        said = [
            heard.message_of(request.team, request.channel, requests.mapping(one), bot_user)
            for one in requests.listing(told.data.get("messages"))
        ]

        def keep(tx: Tx) -> None:
            for message in said:
                if message is not None:
                    heard.remember(tx, message)

        await self.db.write(keep)

    # -- small answers -----------------------------------------------------------------------------------------------

    async def post(self, team: str, channel: str, text: str, thread: str = "") -> None:
        payload: Json = {"channel": channel, "text": text, "unfurl_links": False, "unfurl_media": False}
        told = {"op": f"small/{uuid.uuid4().hex}"}  # by which it is found when its answer is lost
        payload["metadata"] = {"event_type": "cadre_post", "event_payload": told}
        await self._call(team, "chat.postMessage", {**payload, **({"thread_ts": thread} if thread else {})})

    async def whisper(self, team: str, channel: str, user: str, text: str, thread: str = "") -> None:
        """A line that one person sees."""
        payload: Json = {"channel": channel, "user": user, "text": text}
        await self._call(team, "chat.postEphemeral", {**payload, **({"thread_ts": thread} if thread else {})})

    async def _say(self, place: tuple[str, str, str, str], text: str) -> None:
        """A line for one person where they are; directly where there is no channel or it is their own with Cadre."""
        team, channel, user, thread = place
        if not channel.startswith(("C", "G")):
            await self.post(team, channel or user, text, thread)
            return
        await self.whisper(team, channel, user, text, thread)

    async def _call(self, team: str, method: str, payload: Json) -> None:
        """Give a small answer, again when Slack did not take it, for some minutes at most."""
        loop = asyncio.get_running_loop()
        until = loop.time() + WITHIN_S
        for number in range(TRIES):
            outcome = await self.scheduler.call(team, method, payload, priority=Priority.UPDATE)
            if not isinstance(outcome, NotSent | Unclear):
                break
            wait = outcome.retry_after if isinstance(outcome, NotSent) else AGAIN_S * 2**number
            if loop.time() + wait > until:
                break
            await asyncio.sleep(wait)
            if isinstance(outcome, Unclear) and await self._may_be_there(team, payload):
                return
        if not isinstance(outcome, Done):
            log.warning("a small answer was not given", method=method, why=str(outcome))

    async def _may_be_there(self, team: str, payload: Json) -> bool:
        """Whether a post whose answer was lost is in its place, or that cannot be told. What one person sees alone
        cannot be looked up, and twice is better than never."""
        if "metadata" not in payload or not payload["channel"].startswith(("C", "G", "D")):
            return False
        place: Json = {key: payload[key] for key in ("channel", "thread_ts") if key in payload}
        op = payload["metadata"]["event_payload"]["op"]
        try:
            return bool(await find(self.scheduler, team, op, place, since=self.db.now() - EARLIER_S))
        except (CadreError, Unreachable):
            return True


def prompts(channel: str) -> Json:
    """What the empty conversation with Cadre suggests."""
    told = [{"title": title, "message": message} for title, message in words.PROMPTS]
    return {"channel_id": channel, "title": words.PROMPTS_TITLE, "prompts": told}


def register_listeners(app: AsyncApp, db: Database, scheduler: Scheduler, access: Access) -> Listeners:
    """Make the app keep what it hears and listen to it. What nobody listens to is acknowledged all the same."""
    listeners = Listeners(db, scheduler, access)
    app.use(listeners.inbox.keep)
    anything = re.compile(".*", re.DOTALL)
    for event in EVENTS:
        app.event(event)(listeners.event)
    app.event(anything)(listeners.other)
    for command in COMMANDS:
        app.command(command)(listeners.command)
    for callback in SHORTCUTS:
        app.shortcut(callback)(listeners.shortcut)
    app.action(anything)(listeners.press)
    app.view_submission(delegate.FORM)(listeners.form)
    return listeners


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        log.exception("a small answer failed")
