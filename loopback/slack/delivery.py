"""Socket Mode: envelopes go to one socket each, wait for their acknowledgement and are sent again without it."""

import asyncio
import itertools
import json
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from loopback.control import CallLog, Clock, Fault, Faults
from loopback.slack.seed import APP_ID

ACK_S = 3.0
RETRY_AFTER_S = (0.0, 60.0, 300.0)  # by the clock, after each delivery that was not acknowledged
REORDER_S = 2.0  # a held envelope goes out alone when nothing overtakes it
EVENT_FAULTS = ("duplicate", "delay", "reorder", "drop", "disconnect", "accept_then_drop")


class NotAnswered(Exception):
    """The app did not acknowledge an interaction in time; the message is Slack's error name."""


@dataclass
class _Awaited:
    """An envelope on its way: who carries it, and the acknowledgement to come."""

    socket: web.WebSocketResponse
    answer: asyncio.Future[Any]


@dataclass
class _Envelope:
    kind: str
    name: str
    payload: dict[str, Any]
    id: str = field(default_factory=lambda: secrets.token_hex(16))

    def frame(self, attempt: int, reason: str) -> dict[str, Any]:
        retry = {"retry_attempt": attempt, "retry_reason": reason} if self.kind == "events_api" else {}
        return {
            "envelope_id": self.id,
            "payload": self.payload,
            "type": self.kind,
            "accepts_response_payload": self.kind != "events_api",
            **retry,
        }


class Delivery:
    """The app's sockets and what is on its way to them."""

    def __init__(self, log: CallLog, faults: Faults, clock: Clock, ack_s: float = ACK_S) -> None:
        self._log = log
        self._faults = faults
        self._clock = clock
        self._ack_s = ack_s
        self._tickets: set[str] = set()
        self._sockets: list[web.WebSocketResponse] = []  # those that still get envelopes
        self._open: set[web.WebSocketResponse] = set()
        self._turn = itertools.count()
        self._connected = asyncio.Event()
        self._overtaken = asyncio.Event()
        self._awaited: dict[str, _Awaited] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def sockets(self) -> int:
        return len(self._sockets)

    @property
    def waiting(self) -> int:
        """Events that are not acknowledged yet."""
        return len(self._tasks)

    def ticket(self) -> str:
        """Admission for one connection."""
        ticket = secrets.token_hex(16)
        self._tickets.add(ticket)
        return ticket

    # ---- connections

    async def link(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket end of `apps.connections.open`; pings are answered with their own payload."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            raise web.HTTPForbidden(text="unknown or used ticket")
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        await socket.send_json(
            {
                "type": "hello",
                "num_connections": len(self._sockets) + 1,
                "debug_info": {"host": "loopback", "build_number": 1, "approximate_connection_time": 18060},
                "connection_info": {"app_id": APP_ID},
            }
        )
        self._sockets.append(socket)
        self._open.add(socket)
        self._connected.set()
        try:
            async for frame in socket:
                if frame.type == WSMsgType.TEXT:
                    self._heard(frame.data)
        finally:
            self._left(socket)
        return socket

    def _heard(self, text: str) -> None:
        said = json.loads(text)
        awaited = self._awaited.pop(said.get("envelope_id", ""), None)
        row = {"server": "slack", "kind": "event", "name": "ack", "body": said, "known": awaited is not None}
        self._log.append(row)
        if awaited is not None and not awaited.answer.done():
            awaited.answer.set_result(said.get("payload") or {})

    def _left(self, socket: web.WebSocketResponse) -> None:
        self._open.discard(socket)
        if socket in self._sockets:
            self._sockets.remove(socket)
        if not self._sockets:
            self._connected.clear()
        for awaited in self._awaited.values():
            if awaited.socket is socket and not awaited.answer.done():
                awaited.answer.set_exception(NotAnswered("connection_failed"))

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Asks every socket to come back anew; the app closes the old one when it has a new one."""
        for socket in list(self._sockets):
            self._sockets.remove(socket)
            await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "loopback"}})
        self._connected.clear()

    async def close(self) -> None:
        """Lets go of sockets and of everything on its way."""
        self.forget()
        for socket in list(self._open):
            await socket.close()

    def forget(self) -> None:
        """Drops every event that is still on its way."""
        for task in self._tasks:
            task.cancel()

    # ---- sending

    def event(self, payload: dict[str, Any]) -> None:
        """Sends an event in the background, again after 0, 60 and 300 s by the clock if it is not acknowledged."""
        envelope = _Envelope("events_api", payload["event"]["type"], payload)
        fault = self._faults.take(f"events_api:{envelope.name}", payload, EVENT_FAULTS)
        self._background(self._until_acknowledged(envelope, fault))
        if fault is not None and fault.kind == "duplicate":
            self._background(self._until_acknowledged(_Envelope("events_api", envelope.name, payload), None))

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until_acknowledged(self, envelope: _Envelope, fault: Fault | None) -> None:
        reason = ""
        for attempt, pause in enumerate((0.0, *RETRY_AFTER_S)):
            if attempt:
                due = self._clock.now() + pause
                self._log.append(
                    {"server": "slack", "kind": "event", "name": "retry_due", "due": due, "reason": reason}
                )
                await self._clock.until(due)
            lost = attempt == 0 and await self._troubled(fault)
            if lost:
                reason = "timeout"
                continue
            deaf = attempt == 0 and fault is not None and fault.kind == "accept_then_drop"
            try:
                await self._carried(envelope, attempt, reason)
            except NotAnswered as error:
                reason = str(error)
                continue
            if not deaf:
                return
            reason = "timeout"

    async def _troubled(self, fault: Fault | None) -> bool:
        """Acts out a fault before the first delivery; True when that delivery is lost."""
        if fault is None:
            self._overtaken.set()
            return False
        if fault.kind == "delay":
            await asyncio.sleep(fault.delay_s)
        elif fault.kind == "disconnect":
            await self.disconnect()
        elif fault.kind == "reorder":
            self._overtaken.clear()
            try:
                await asyncio.wait_for(self._overtaken.wait(), REORDER_S)
            except TimeoutError:
                return False
            await asyncio.sleep(0.02)  # lets the one that overtakes reach the wire
        return fault.kind == "drop"

    async def ask(self, kind: str, name: str, payload: dict[str, Any]) -> Any:
        """Sends a slash command or an interaction once and returns the acknowledgement's payload.

        Raises NotAnswered with dispatch_failed without a socket, and operation_timeout after three seconds.
        """
        envelope = _Envelope(kind, name, payload)
        fault = self._faults.take(f"{kind}:{name}", payload, EVENT_FAULTS)
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.delay_s)
        if fault is not None and fault.kind == "disconnect":
            await self.disconnect()
        if not self._sockets:
            raise NotAnswered("dispatch_failed")
        if fault is not None and fault.kind == "drop":
            raise NotAnswered("operation_timeout")
        if fault is not None and fault.kind == "duplicate":
            self._background(self._once_more(_Envelope(kind, name, payload)))
        try:
            return await self._carried(envelope, 0, "")
        except NotAnswered as error:
            raise NotAnswered("operation_timeout") from error

    async def _once_more(self, envelope: _Envelope) -> None:
        try:
            await self._carried(envelope, 0, "")
        except NotAnswered:
            return

    async def _carried(self, envelope: _Envelope, attempt: int, reason: str) -> Any:
        """Gives the envelope to one socket, waiting for one if none is there, and returns the acknowledgement."""
        await self._connected.wait()
        socket = self._sockets[next(self._turn) % len(self._sockets)]
        frame = envelope.frame(attempt, reason)
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
