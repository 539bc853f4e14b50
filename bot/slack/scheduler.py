"""The one way out to Slack: budgets per workspace and method, priorities, one post per second and channel.

A call ends in a typed outcome, never in a second attempt that nobody asked for: the SDK's own retries post twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

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
PER_MINUTE = {
    "agents.sessions.setStatus": 50,
    "assistant.threads.setStatus": 60,
    "assistant.threads.setSuggestedPrompts": 50,
    "chat.delete": 50,
    "chat.getPermalink": 60,
    "chat.postEphemeral": 100,
    "chat.postMessage": 200,  # Slack's own limit is per channel, below
    "chat.update": 50,
    "conversations.history": 50,
    "conversations.info": 50,
    "conversations.open": 50,
    "conversations.replies": 50,
    "files.completeUploadExternal": 100,
    "files.getUploadURLExternal": 100,
    "files.info": 100,
    "usergroups.users.list": 20,
    "users.info": 100,
    "views.open": 100,
    "views.publish": 100,
}
DEFAULT_PER_MINUTE = 20
CHANNEL_BURST = 3.0  # posts in one channel at once; after that one per second
RESERVE = 2.0  # what results may still use when progress has spent the rest
PATIENCE_S = 5.0  # a longer Retry-After is the caller's to wait out
TIMEOUT_S = 15
RATE_LIMITED = "ratelimited"
TRANSIENT = (RATE_LIMITED, "rate_limited", "accesslimited")
UNCLEAR = ("internal_error", "fatal_error", "service_unavailable", "request_timeout")


class Priority(IntEnum):
    """What goes first when the budget is short."""

    RESULT = 0  # approvals, results, private answers
    UPDATE = 1  # plan updates
    STATUS = 2  # status lines


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
class Bucket:
    """Tokens that come back evenly; never more than `burst` at once, so that no minute exceeds its limit."""

    burst: float
    per_second: float
    at: float
    tokens: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = self.burst

    def wait(self, now: float, keep: float) -> float:
        """Seconds until one token is free beyond the `keep` reserved ones."""
        self.tokens = min(self.burst, self.tokens + max(0.0, now - self.at) * self.per_second)
        self.at = max(self.at, now)
        return max(0.0, (1.0 + keep - self.tokens) / self.per_second) + (self.at - now)

    def take(self) -> None:
        self.tokens -= 1.0

    def empty_until(self, then: float) -> None:
        """Slack said to wait: nothing before `then`, one call right after."""
        self.at, self.tokens = max(self.at, then), min(self.tokens, 1.0)


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

    def __init__(self, client: AsyncWebClient, now: Callable[[], float] = time.monotonic) -> None:
        self.client = client
        self._now = now
        self._waiting: list[_Call] = []
        self._buckets: dict[tuple[str, str], Bucket] = {}
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
        keep = 0.0 if call.priority is Priority.RESULT else RESERVE
        method, *places = self._buckets_of(call)
        return max([method.wait(now, keep), *(bucket.wait(now, 0.0) for bucket in places)])

    def _buckets_of(self, call: _Call) -> list[Bucket]:
        limit = PER_MINUTE.get(call.method, DEFAULT_PER_MINUTE)
        burst = max(4.0, limit / 5)
        found = [self._bucket(call.team, call.method, burst, (limit - burst) / 60)]
        if call.place:
            found.append(self._bucket(call.team, f"channel:{call.place}", CHANNEL_BURST, 1.0))
        return found

    def _bucket(self, team: str, name: str, burst: float, per_second: float) -> Bucket:
        if (team, name) not in self._buckets:
            self._buckets[team, name] = Bucket(burst, per_second, self._now())
        return self._buckets[team, name]

    async def _run(self, call: _Call) -> None:
        try:
            outcome = await self._send(call.method, call.payload)
        except asyncio.CancelledError:
            outcome = Unclear("cut off while it was on its way")
        except Exception as error:  # the caller gets it
            if not call.done.done():
                call.done.set_exception(error)
            return
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
