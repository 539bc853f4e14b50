"""Signed HTTP: events as JSON, slash commands and interactions as forms, each with Slack's signature."""

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from loopback.control import CallLog
from loopback.slack.envelopes import Envelope, NotAnswered

ANOTHER_TRY_S = 1.0
AGENT = "Slackbot 1.0 (+https://api.slack.com/robots)"
TOKEN = "local-verification-token"


class ChallengeFailed(Exception):
    """The app did not answer `url_verification` with its challenge; the message says what it did instead."""


@dataclass(frozen=True)
class RequestUrls:
    """Where an app takes events, interactions and slash commands; Bolt takes all at one address."""

    events: str
    interactivity: str = ""
    commands: str = ""

    def of(self, kind: str) -> str:
        own = {"interactive": self.interactivity, "slash_commands": self.commands}.get(kind, "")
        return own or self.events


class SignedHttp:
    """Delivery by requests to the app, which has three seconds to answer."""

    def __init__(
        self, log: CallLog, ack_s: float, secret: str, urls: RequestUrls, connected: Callable[[], None]
    ) -> None:
        self._log = log
        self._ack_s = ack_s
        self._secret = secret
        self.urls = urls
        self._connected = connected
        self._verified = False
        self._session = aiohttp.ClientSession(headers={"User-Agent": AGENT, "Accept": "*/*"})

    @property
    def ready(self) -> bool:
        return self._verified

    async def close(self) -> None:
        await self._session.close()

    async def verify(self) -> None:
        """Asks the events address for its challenge, as Slack does when an address is entered."""
        challenge = secrets.token_hex(24)
        body = json.dumps({"token": TOKEN, "challenge": challenge, "type": "url_verification"})
        try:
            status, text, _ = await self._sent(self.urls.events, body, "application/json", {})
        except NotAnswered as error:
            raise ChallengeFailed(f"{self.urls.events} did not answer ({error})") from error
        if status != 200 or challenge not in text:
            raise ChallengeFailed(f"{self.urls.events} answered {status} without the challenge: {text[:200]}")
        self._verified = True
        self._connected()

    async def verify_in_time(self) -> None:
        """Verifies as soon as the app is up."""
        while True:
            try:
                return await self.verify()
            except ChallengeFailed:
                await asyncio.sleep(ANOTHER_TRY_S)

    async def carry(self, envelope: Envelope, attempt: int, reason: str) -> Any:
        """Posts an envelope; the answer's body is the acknowledgement's payload."""
        headers = {}
        if attempt and envelope.kind == "events_api":
            headers = {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason}
        row = {"server": "slack", "kind": "event", "name": envelope.name, "attempt": attempt}
        frame = {"type": envelope.kind, "envelope_id": envelope.id, "payload": envelope.payload}
        retry = {"retry_attempt": attempt, "retry_reason": reason} if envelope.kind == "events_api" else {}
        self._log.append({**row, "body": {**frame, **retry}})
        body, type = _encoded(envelope)
        status, text, told = await self._sent(self.urls.of(envelope.kind), body, type, headers)
        ack = {"envelope_id": envelope.id, "status": status, "payload": text}
        self._log.append({"server": "slack", "kind": "event", "name": "ack", "body": ack, "known": True})
        if not 200 <= status < 300:
            raise NotAnswered("http_error", again=told.get("X-Slack-No-Retry") != "1")
        return _answered(text)

    async def _sent(
        self, url: str, body: str, type: str, headers: dict[str, str]
    ) -> tuple[int, str, Mapping[str, str]]:
        # The signature's time is the machine's: apps compare it with theirs, which no simulated clock moves.
        at = str(int(time.time()))
        signed = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": signature(self._secret, at, body)}
        timeout = aiohttp.ClientTimeout(total=self._ack_s)
        try:
            async with self._session.post(
                url, data=body.encode(), headers={"Content-Type": type, **signed, **headers}, timeout=timeout
            ) as reply:
                return reply.status, await reply.text(), reply.headers
        except TimeoutError as error:
            raise NotAnswered("http_timeout") from error
        except aiohttp.ClientError as error:
            raise NotAnswered("connection_failed") from error


def signature(secret: str, at: str, body: str) -> str:
    """Slack's v0 signature of a request."""
    return "v0=" + hmac.new(secret.encode(), f"v0:{at}:{body}".encode(), hashlib.sha256).hexdigest()


def _encoded(envelope: Envelope) -> tuple[str, str]:
    if envelope.kind == "events_api":
        return json.dumps(envelope.payload), "application/json"
    form = envelope.payload if envelope.kind == "slash_commands" else {"payload": json.dumps(envelope.payload)}
    return urlencode(form), "application/x-www-form-urlencoded"


def _answered(text: str) -> Any:
    """The acknowledgement's payload: a JSON object, a plain text, or nothing."""
    if not text.strip():
        return {}
    try:
        told = json.loads(text)
    except ValueError:
        return text
    return told if isinstance(told, dict) else text
