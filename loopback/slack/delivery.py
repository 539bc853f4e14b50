"""What is on its way to the app: retries of what was not acknowledged, faults, and the way it travels."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from loopback.control import CallLog, Clock, Fault, Faults
from loopback.slack.envelopes import Carrier, Envelope, NotAnswered
from loopback.slack.seed import SIGNING_SECRET
from loopback.slack.signed_http import RequestUrls, SignedHttp
from loopback.slack.socket_mode import Sockets

RETRY_AFTER_S = (0.0, 60.0, 300.0)  # by the clock, after each delivery that was not acknowledged
REORDER_S = 2.0  # a held envelope goes out alone when nothing overtakes it
EVENT_FAULTS = ("duplicate", "delay", "reorder", "drop", "disconnect", "accept_then_drop")


class Delivery:
    """Hands events, commands and interactions to the app, by Socket Mode unless it named request URLs."""

    def __init__(self, log: CallLog, faults: Faults, clock: Clock, ack_s: float) -> None:
        self._log = log
        self._faults = faults
        self._clock = clock
        self._ack_s = ack_s
        self._connected = asyncio.Event()
        self.sockets = Sockets(log, clock, ack_s, self._connected.set)
        self._http: SignedHttp | None = None
        self._overtaken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._verifying: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Events that are not acknowledged yet."""
        return len(self._tasks)

    @property
    def request_urls(self) -> RequestUrls | None:
        return self._http.urls if self._http is not None else None

    @property
    def _carrier(self) -> Carrier:
        return self._http if self._http is not None else self.sockets

    # ---- the way

    async def use_http(self, urls: RequestUrls, *, wait: bool = False) -> None:
        """Goes over to signed HTTP after a challenge; with `wait`, as soon as the app answers it.

        Raises ChallengeFailed, and nothing changes, when the app does not know the challenge.
        """
        http = SignedHttp(self._log, self._ack_s, SIGNING_SECRET, urls, self._connected.set)
        if not wait:
            try:
                await http.verify()
            except BaseException:
                await http.close()
                raise
        await self.use_sockets()
        self._http = http
        self._connected.set()
        if wait:
            self._verifying = asyncio.create_task(http.verify_in_time())

    async def use_sockets(self) -> None:
        """Goes back to Socket Mode."""
        if self._verifying is not None:
            self._verifying.cancel()
            self._verifying = None
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def close(self) -> None:
        """Lets go of connections and of everything on its way."""
        self.forget()
        await self.use_sockets()
        await self.sockets.close()

    def forget(self) -> None:
        """Drops every event that is still on its way."""
        for task in self._tasks:
            task.cancel()

    # ---- sending

    def event(self, payload: dict[str, Any]) -> None:
        """Sends an event in the background, again after 0, 60 and 300 s by the clock if it is not acknowledged."""
        envelope = Envelope("events_api", payload["event"]["type"], payload)
        fault = self._faults.take(f"events_api:{envelope.name}", payload, EVENT_FAULTS)
        self._background(self._until_acknowledged(envelope, fault))
        if fault is not None and fault.kind == "duplicate":
            self._background(self._until_acknowledged(Envelope("events_api", envelope.name, payload), None))

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until_acknowledged(self, envelope: Envelope, fault: Fault | None) -> None:
        reason = ""
        for attempt, pause in enumerate((0.0, *RETRY_AFTER_S)):
            if attempt:
                due = self._clock.now() + pause
                row = {"server": "slack", "kind": "event", "name": "retry_due", "due": due, "reason": reason}
                self._log.append(row)
                await self._clock.until(due)
            lost = attempt == 0 and await self._troubled(fault)
            if lost:
                reason = "timeout"
                continue
            deaf = attempt == 0 and fault is not None and fault.kind == "accept_then_drop"
            try:
                await (await self._reached()).carry(envelope, attempt, reason)
            except NotAnswered as error:
                if not error.again:
                    return
                reason = str(error)
                continue
            if not deaf:
                return
            reason = "timeout"

    async def _reached(self) -> Carrier:
        """The way to the app, once one is there; meanwhile the way itself may change."""
        while not self._carrier.ready:
            self._connected.clear()
            await self._connected.wait()
        return self._carrier

    async def _troubled(self, fault: Fault | None) -> bool:
        """Acts out a fault before the first delivery; True when that delivery is lost."""
        if fault is None:
            self._overtaken.set()
            return False
        if fault.kind == "delay":
            await asyncio.sleep(fault.delay_s)
        elif fault.kind == "disconnect":
            await self.sockets.disconnect()
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

        Raises NotAnswered with dispatch_failed when no app takes it, and operation_timeout after three seconds.
        """
        envelope = Envelope(kind, name, payload)
        fault = self._faults.take(f"{kind}:{name}", payload, EVENT_FAULTS)
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.delay_s)
        if fault is not None and fault.kind == "disconnect":
            await self.sockets.disconnect()
        if not self._carrier.ready:
            raise NotAnswered("dispatch_failed")
        if fault is not None and fault.kind == "drop":
            raise NotAnswered("operation_timeout")
        if fault is not None and fault.kind == "duplicate":
            self._background(self._once_more(Envelope(kind, name, payload)))
        try:
            return await self._carrier.carry(envelope, 0, "")
        except NotAnswered as error:
            refused = str(error) == "http_error" or (self._http is not None and str(error) == "connection_failed")
            raise NotAnswered("dispatch_failed" if refused else "operation_timeout") from error

    async def _once_more(self, envelope: Envelope) -> None:
        try:
            await (await self._reached()).carry(envelope, 0, "")
        except NotAnswered:
            return
