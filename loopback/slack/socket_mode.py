"""Socket Mode: each envelope goes to one of the app's WebSockets, which are told in time to come back anew."""

import asyncio
import itertools
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from loopback.control import CallLog, Clock
from loopback.slack.envelopes import Envelope, NotAnswered
from loopback.slack.seed import APP_ID

MOST_SOCKETS = 10
LIFE_S = 18060.0  # by the clock; Slack says it in `approximate_connection_time`
WARNING_S = 10.0


@dataclass(frozen=True)
class _Awaited:
    """An envelope on its way: who carries it, and the acknowledgement to come."""

    socket: web.WebSocketResponse
    answer: asyncio.Future[Any]


class Sockets:
    """The app's connections."""

    def __init__(self, log: CallLog, clock: Clock, ack_s: float, connected: Callable[[], None]) -> None:
        self._log = log
        self._clock = clock
        self._ack_s = ack_s
        self._tickets: set[str] = set()
        self._taking: list[web.WebSocketResponse] = []  # those that still get envelopes
        self._open: set[web.WebSocketResponse] = set()
        self._turn = itertools.count()
        self._connected = connected
        self._awaited: dict[str, _Awaited] = {}

    @property
    def count(self) -> int:
        return len(self._taking)

    @property
    def ready(self) -> bool:
        return bool(self._taking)

    def ticket(self) -> str:
        """Admission for one connection."""
        ticket = secrets.token_hex(16)
        self._tickets.add(ticket)
        return ticket

    async def link(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket end of `apps.connections.open`; pings are answered with their own payload."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            raise web.HTTPForbidden(text="unknown or used ticket")
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        if len(self._taking) >= MOST_SOCKETS:
            await self._say(socket, "too_many_websockets")
            await socket.close()
            return socket
        debug = {"host": "loopback", "build_number": 1, "approximate_connection_time": int(LIFE_S)}
        info = {"app_id": APP_ID}
        hello = {"type": "hello", "num_connections": len(self._taking) + 1}
        await socket.send_json({**hello, "debug_info": debug, "connection_info": info})
        self._taking.append(socket)
        self._open.add(socket)
        self._connected()
        ageing = asyncio.create_task(self._age(socket))
        try:
            async for frame in socket:
                if frame.type == WSMsgType.TEXT:
                    self._heard(frame.data)
        finally:
            ageing.cancel()
            self._left(socket)
        return socket

    async def _age(self, socket: web.WebSocketResponse) -> None:
        """Warns a connection shortly before its end and then asks it to refresh."""
        end = self._clock.now() + LIFE_S
        await self._clock.until(end - WARNING_S)
        await self._say(socket, "warning")
        await self._clock.until(end)
        await self._retire(socket, "refresh_requested")

    def _heard(self, text: str) -> None:
        said = json.loads(text)
        awaited = self._awaited.pop(said.get("envelope_id", ""), None)
        row = {"server": "slack", "kind": "event", "name": "ack", "body": said, "known": awaited is not None}
        self._log.append(row)
        if awaited is not None and not awaited.answer.done():
            awaited.answer.set_result(said.get("payload") or {})

    def _left(self, socket: web.WebSocketResponse) -> None:
        self._open.discard(socket)
        self._stop_taking(socket)
        for awaited in self._awaited.values():
            if awaited.socket is socket and not awaited.answer.done():
                awaited.answer.set_exception(NotAnswered("connection_failed"))

    def _stop_taking(self, socket: web.WebSocketResponse) -> None:
        if socket in self._taking:
            self._taking.remove(socket)

    async def _retire(self, socket: web.WebSocketResponse, reason: str) -> None:
        self._stop_taking(socket)
        await self._say(socket, reason)

    async def _say(self, socket: web.WebSocketResponse, reason: str) -> None:
        """A `disconnect` frame; an app answers it with a new connection."""
        body = {"type": "disconnect", "reason": reason, "debug_info": {"host": "loopback"}}
        self._log.append({"server": "slack", "kind": "event", "name": "disconnect", "body": body})
        try:
            await socket.send_json(body)
        except ConnectionError:
            return  # it is gone already

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Asks every socket to come back anew; after a mere warning they go on getting envelopes until they do."""
        for socket in list(self._taking):
            if reason == "warning":
                await self._say(socket, reason)
            else:
                await self._retire(socket, reason)

    async def close(self) -> None:
        for socket in list(self._open):
            await socket.close()

    async def carry(self, envelope: Envelope, attempt: int, reason: str) -> Any:
        """Gives the envelope to one socket and returns the acknowledgement."""
        socket = self._taking[next(self._turn) % len(self._taking)]
        frame = _frame(envelope, attempt, reason)
        row = {"server": "slack", "kind": "event", "name": envelope.name, "body": frame, "attempt": attempt}
        self._log.append(row)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._awaited[envelope.id] = _Awaited(socket, answer)
        try:
            await socket.send_json(frame)
            return await asyncio.wait_for(answer, self._ack_s)
        except (TimeoutError, ConnectionError) as error:
            raise NotAnswered("timeout" if isinstance(error, TimeoutError) else "connection_failed") from error
        finally:
            self._awaited.pop(envelope.id, None)


def _frame(envelope: Envelope, attempt: int, reason: str) -> dict[str, Any]:
    event = envelope.kind == "events_api"
    retry = {"retry_attempt": attempt, "retry_reason": reason} if event else {}
    return {
        "envelope_id": envelope.id,
        "payload": envelope.payload,
        "type": envelope.kind,
        "accepts_response_payload": not event,
        **retry,
    }
