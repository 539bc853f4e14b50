"""The one way out to Slack: budgets per workspace and method, priorities, one post per second and channel.

A call ends in a typed outcome, never in a second attempt that nobody asked for: the SDK's own retries post twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack import lint
from bot.slack.budgets import RESERVE, Bucket, Budgets
from bot.store import points
from bot.types import Json

READS = (
    "auth.test",
    "chat.getPermalink",
    "conversations.history",
    "conversations.info",
    "conversations.replies",
    "files.getUploadURLExternal",  # takes no JSON, and nobody sees what it makes
    "files.info",
    "usergroups.users.list",
    "users.info",
)
PATIENCE_S = 5.0  # a longer Retry-After is the caller's to wait out
TIMEOUT_S = 15
RATE_LIMITED = "ratelimited"
TRANSIENT = (RATE_LIMITED, "rate_limited", "accesslimited")
UNCLEAR = ("internal_error", "fatal_error", "service_unavailable", "request_timeout")


class Priority(IntEnum):
    """What goes first when the budget is short."""

    URGENT = 0  # stops, approvals, the first words in a thread
    RESULT = 1  # results, private answers
    UPDATE = 2  # plan updates
    STATUS = 3  # status lines


@dataclass(frozen=True)
class Done:
    """Slack did it."""

    data: Json


@dataclass(frozen=True)
class Refused:
    """Slack understood and said no; nothing was changed."""

    error: str


@dataclass(frozen=True)
class NotSent:
    """Surely nothing was changed; a later attempt is right."""

    reason: str
    retry_after: float


@dataclass(frozen=True)
class Unclear:
    """It may have been done: the answer was lost."""

    reason: str


@dataclass(frozen=True)
class Superseded:
    """A newer payload under the same key took this one's place."""


Outcome = Done | Refused | NotSent | Unclear | Superseded


@dataclass
class _Call:
    team: str
    method: str
    payload: Json
    priority: Priority
    place: str
    key: str
    number: int
    done: asyncio.Future[Outcome]


class Scheduler:
    """Orders and paces all calls of one bot token. Use it from one event loop."""

    def __init__(
        self, client: AsyncWebClient, now: Callable[[], float] = time.monotonic, *, counted: bool = True
    ) -> None:
        self.client = client
        self._now = now
        self._waiting: list[_Call] = []
        self._budgets = Budgets(counted=counted)
        self._numbers = 0
        self._news = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def call(
        self,
        team: str,
        method: str,
        payload: Json,
        *,
        priority: Priority = Priority.RESULT,
        key: str = "",
    ) -> Outcome:
        """Make one call when its budget allows. Of waiting calls with the same key only the latest is made."""
        place = payload.get("channel", "") if method == "chat.postMessage" else ""
        self._numbers += 1
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        mine = _Call(team, method, payload, priority, place, key, self._numbers, done)
        for older in [c for c in self._waiting if key and c.key == key and c.team == team and c.method == method]:
            self._waiting.remove(older)
            mine.number, mine.priority = older.number, min(priority, older.priority)
            if not older.done.done():
                older.done.set_result(Superseded())
        self._enqueue(mine)
        try:
            return await done
        finally:
            if mine in self._waiting:
                self._waiting.remove(mine)  # whoever asked has gone

    def turn(self, team: str, method: str, holder: str, *, after: float = 0.0) -> float:
        """Seconds until the holder may make a call of its own kind again; 0: now, and the turn is used up.

        Who keeps many messages current asks before drawing one. Every holder gets its share of the method's budget,
        the first not before `after` seconds from now.
        """
        now = self._now()
        wait = self._budgets.method(team, method, now).wait(now, RESERVE)
        return self._budgets.turns(team, method, now).ask(holder, now, now + after, wait)

    def in_line(self, team: str, method: str, holder: str) -> bool:
        """Whether the holder waits for its turn."""
        return holder in self._budgets.turns(team, method, self._now()).line

    def no_turn(self, team: str, method: str, holder: str) -> None:
        """The holder has nothing more to show."""
        self._budgets.turns(team, method, self._now()).leave(holder)

    @property
    def under_way(self) -> int:
        """Calls that Slack has not answered yet."""
        return len(self._running)

    async def close(self) -> None:
        """Stop; what still waits is told that it was not sent, what runs is cancelled."""
        for call in self._waiting:
            if not call.done.done():
                call.done.set_result(NotSent("closing", 1.0))
        tasks = [*self._running, *([self._pump] if self._pump else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _enqueue(self, call: _Call) -> None:
        self._waiting.append(call)
        self._news.set()
        if self._pump is None or self._pump.done():
            self._pump = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        while self._waiting:
            self._news.clear()
            wait = self._start_ready()
            if wait is not None:
                try:
                    await asyncio.wait_for(self._news.wait(), wait)
                except TimeoutError:
                    continue

    def _start_ready(self) -> float | None:
        """Start what the budgets allow, best first; returns the seconds until the next could start, if any waits."""
        soonest: float | None = None
        now = self._now()
        for call in sorted(self._waiting, key=lambda c: (c.priority, c.number)):
            wait = self._wait(call, now)
            if wait > 0:
                soonest = wait if soonest is None else min(soonest, wait)
                continue
            for bucket in self._buckets_of(call):
                bucket.take()
            self._waiting.remove(call)
            task = asyncio.get_running_loop().create_task(self._run(call))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return soonest

    def _wait(self, call: _Call, now: float) -> float:
        keep = 0.0 if call.priority <= Priority.RESULT else RESERVE
        method, *places = self._buckets_of(call)
        return max([method.wait(now, keep), *(bucket.wait(now, 0.0) for bucket in places)])

    def _buckets_of(self, call: _Call) -> list[Bucket]:
        now = self._now()
        found = [self._budgets.method(call.team, call.method, now)]
        if call.place:
            found.append(self._budgets.channel(call.team, call.place, now))
        return found

    async def _run(self, call: _Call) -> None:
        try:
            outcome = await self._send(call.method, call.payload)
        except asyncio.CancelledError:
            outcome = Unclear("cut off while it was on its way")
        except Exception as error:  # the caller gets it
            if not call.done.done():
                call.done.set_exception(error)
            return
        if call.place:
            self._budgets.channel(call.team, call.place, self._now()).restart(self._now())
        if isinstance(outcome, NotSent) and outcome.reason == RATE_LIMITED:
            for bucket in self._buckets_of(call):
                bucket.empty_until(self._now() + outcome.retry_after)
            if outcome.retry_after <= PATIENCE_S and not call.done.done():
                self._enqueue(call)  # surely not applied: as long as Slack said, then again
                return
        if not call.done.done():
            call.done.set_result(outcome)

    async def _send(self, method: str, payload: Json) -> Outcome:
        effectful = method not in READS
        lint.check(method, payload)
        if effectful:
            points.reached(f"slack:{method}:before", _operation(payload))
        outcome = await self._ask(method, payload, effectful)
        if effectful:
            points.reached(f"slack:{method}:after", _operation(payload))
        return outcome

    async def _ask(self, method: str, payload: Json, effectful: bool) -> Outcome:
        try:
            if effectful:
                reply = await self.client.api_call(method, json=payload)
            else:
                params = {k: str(v).lower() if isinstance(v, bool) else v for k, v in payload.items()}
                reply = await self.client.api_call(method, http_verb="GET", params=params)
        except SlackApiError as error:
            return _refusal(error)
        except aiohttp.ClientConnectorError as error:
            return NotSent(f"no connection: {error}", 1.0)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Unclear(f"{type(error).__name__}: {error}")
        return Done(dict(reply.data) if isinstance(reply.data, dict) else {})


def _operation(payload: Json) -> str:
    """The operation key that a post carries in its metadata, or ""."""
    return str(payload.get("metadata", {}).get("event_payload", {}).get("op", ""))


def _refusal(error: SlackApiError) -> Outcome:
    """What an answer other than ok means."""
    response: Any = error.response
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0))
    data = getattr(response, "data", None)
    code = str(data.get("error", "")) if isinstance(data, dict) else ""
    if status == 429 or code in TRANSIENT:
        return NotSent(RATE_LIMITED, _retry_after(getattr(response, "headers", None)))
    if status >= 500 or code in UNCLEAR or not code:
        return Unclear(f"HTTP {status} {code}".strip())
    return Refused(code)


def _retry_after(headers: Any) -> float:
    for name, value in dict(headers or {}).items():
        if name.lower() == "retry-after":
            try:
                return max(0.1, float(value[0] if isinstance(value, list) else value))
            except ValueError:
                return 1.0
    return 1.0
