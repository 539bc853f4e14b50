"""What every stand-in shares: a clock that can be moved, a log of every call, faults on request, and `/_local/*`.

The control API answers on loopback only and refuses other sites' pages, so a browser tab cannot steer a stand-in.
"""

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

Mode = Literal["real", "simulated"]
Act = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
State = Callable[[], Awaitable[dict[str, Any]]]
Thread = Callable[[Mapping[str, str]], Awaitable[dict[str, Any]]]
Reset = Callable[[], Awaitable[None]]

SERVICES = web.AppKey("services", dict[str, Any])
API_FAULTS = ("drop", "delay", "429", "5xx", "refuse", "accept_then_drop")
MAX_BODY = 128 * 1024 * 1024


class ClockIsReal(Exception):
    """The clock follows the machine and cannot be moved; start with `--clock simulated`."""


class Clock:
    """Epoch seconds: the machine's time, or that plus an offset which `advance` and `set` move."""

    def __init__(self, mode: Mode = "simulated") -> None:
        self.mode: Mode = mode
        self.version = 0
        self._offset = 0.0
        self._changed = asyncio.Event()

    def now(self) -> float:
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Moves the clock by `seconds` and wakes everyone who waits for a time."""
        if self.mode == "real":
            raise ClockIsReal(ClockIsReal.__doc__)
        self._offset += seconds
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def set(self, epoch: float) -> None:
        self.advance(epoch - self.now())

    async def changed(self, version: int, timeout: float) -> None:
        """Returns once the clock was moved after `version`, or when `timeout` real seconds have passed."""
        if self.version == version:
            await self._moved_within(timeout)

    async def until(self, epoch: float) -> None:
        """Returns when the clock shows `epoch`, however it got there."""
        while (left := epoch - self.now()) > 0:
            await self._moved_within(left)

    async def _moved_within(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return

    def shown(self) -> dict[str, Any]:
        return {"now": self.now(), "mode": self.mode, "version": self.version}


class CallLog:
    """Every request, response and event in order; `n` counts from 1 and goes on after a reset."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._now = clock.now if clock is not None else time.time
        self._rows: list[dict[str, Any]] = []
        self._last = 0
        self._grew = asyncio.Event()
        self._watchers: list[Callable[[dict[str, Any]], None]] = []

    def watch(self, look: Callable[[dict[str, Any]], None]) -> None:
        """Calls `look` with every row from now on."""
        self._watchers.append(look)

    def append(self, row: Mapping[str, Any]) -> int:
        self._last += 1
        numbered = {"n": self._last, "at": self._now(), **row}
        self._rows.append(numbered)
        for look in self._watchers:
            look(numbered)
        self._grew.set()
        self._grew = asyncio.Event()
        return self._last

    async def grown(self, n: int, timeout: float) -> None:
        """Returns once there is a row after number `n`, or when `timeout` seconds have passed."""
        try:
            while self._last <= n:
                await asyncio.wait_for(self._grew.wait(), timeout)
        except TimeoutError:
            return

    def since(self, n: int, server: str = "") -> list[dict[str, Any]]:
        """Rows after number `n`, of one server when it is named."""
        return [row for row in self._rows if row["n"] > n and server in ("", row.get("server"))]

    def reset(self, server: str) -> None:
        """Forgets the rows of one server; others share the log."""
        self._rows = [row for row in self._rows if row.get("server") != server]


@dataclass(frozen=True)
class Fault:
    """One trouble that a call or an event meets."""

    kind: str
    delay_s: float = 1.0
    retry_after_s: float = 1.0
    error: str = ""


@dataclass
class _Spec:
    """An ordered fault: what it matches and how often it still strikes."""

    fault: Fault
    name: str
    contains: str
    left: int | None
    rate: float
    chance: random.Random
    given: dict[str, Any] = field(default_factory=dict)

    def strikes(self, name: str, body: str) -> bool:
        if self.left == 0 or self.name not in name or self.contains not in body:
            return False
        if self.chance.random() >= self.rate:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Faults:
    """Faults in the order they were asked for; the first that matches a call is taken."""

    def __init__(self) -> None:
        self._specs: list[_Spec] = []

    def add(self, spec: Mapping[str, Any]) -> None:
        """`{match, kind, count|rate, seed, delay_s, retry_after_s, error}`; without count or rate it strikes once.

        `match` is part of a call's name, or `{"name": …, "contains": …}` where `contains` is part of its JSON.
        """
        match = spec.get("match", "")
        if isinstance(match, str):
            match = {"name": match}
        rate = spec.get("rate")
        count = spec.get("count")
        self._specs.append(
            _Spec(
                fault=Fault(
                    str(spec["kind"]),
                    float(spec.get("delay_s", 1.0)),
                    float(spec.get("retry_after_s", 1.0)),
                    str(spec.get("error", "")),
                ),
                name=str(match.get("name", "")),
                contains=str(match.get("contains", "")),
                left=int(count) if count is not None else (None if rate is not None else 1),
                rate=1.0 if rate is None else float(rate),
                chance=random.Random(spec.get("seed", 0)),
                given=dict(spec),
            )
        )

    def take(self, name: str, body: Any, kinds: tuple[str, ...] | None = None) -> Fault | None:
        """The fault that this call meets, if any; `kinds` limits which the caller can act out."""
        if not self._specs:
            return None
        text = json.dumps(body, ensure_ascii=False, default=str)
        for spec in self._specs:
            if (kinds is None or spec.fault.kind in kinds) and spec.strikes(name, text):
                return spec.fault
        return None

    def pending(self) -> list[dict[str, Any]]:
        return [{**spec.given, "left": spec.left} for spec in self._specs if spec.left != 0]

    def reset(self) -> None:
        self._specs.clear()


def refused(fault: Fault) -> web.Response:
    """A 429, a 5xx or a named error as Slack says it; other services hand their own wording to `api_faults`."""
    if fault.kind == "refuse":
        return web.json_response({"ok": False, "error": fault.error})
    if fault.kind == "429":
        headers = {"Retry-After": str(max(1, round(fault.retry_after_s)))}
        return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
    return web.json_response({"ok": False, "error": "internal_error"}, status=503)


def api_faults(
    faults: Faults,
    name: Callable[[web.Request], str | None],
    refuse: Callable[[Fault], web.StreamResponse] = refused,
) -> Middleware:
    """Acts out drop, delay, 429, 5xx, refuse and accept_then_drop on the requests to which `name` gives a name."""

    @web.middleware
    async def struck(request: web.Request, handler: Handler) -> web.StreamResponse:
        called = name(request)
        if called is None:
            return await handler(request)
        form = request.content_type.startswith("multipart/")  # its handler reads it once, as it comes
        body = "" if form else (await request.read()).decode(errors="replace")
        fault = faults.take(called, body, API_FAULTS)
        if fault is None:
            return await handler(request)
        if fault.kind == "delay":
            await asyncio.sleep(fault.delay_s)
            return await handler(request)
        if fault.kind in ("429", "5xx", "refuse"):
            return refuse(fault)
        if fault.kind == "accept_then_drop":
            await handler(request)
        return hang_up(request)

    return struck


def hang_up(request: web.Request) -> web.Response:
    """Closes the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def local_only(request: web.Request) -> None:
    """Lets pass what comes from this machine and not from another site's page."""
    host = urlsplit(f"//{request.host}").hostname
    origin = request.headers.get("Origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.host
    if request.remote not in ("127.0.0.1", "::1") or host not in ("127.0.0.1", "localhost", "::1") or foreign:
        raise web.HTTPForbidden(text="the control API answers this machine only")


async def json_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty object."""
    raw = await request.read()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"not JSON: {error}") from error
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="a JSON object is needed")
    return body


class _Control:
    """The handlers of one server's control API."""

    def __init__(self, app: web.Application, log: CallLog, faults: Faults, act: Act, thread: Thread) -> None:
        self._app = app
        self._log = log
        self._faults = faults
        self._act = act
        self._thread = thread

    async def act(self, request: web.Request) -> web.Response:
        return web.json_response(await self._act(await json_object(request)))

    async def thread(self, request: web.Request) -> web.Response:
        return web.json_response(await self._thread(dict(request.query)))

    async def services(self, request: web.Request) -> web.Response:
        return web.json_response(self._app[SERVICES])

    async def log(self, request: web.Request) -> web.Response:
        """Rows after `since`; with `wait_s` the reply waits that long (at most 25 s) for one."""
        since = int(request.query.get("since", "0"))
        if "wait_s" in request.query:
            await self._log.grown(since, min(float(request.query["wait_s"]), 25.0))
        rows = self._log.since(since, request.query.get("server", ""))
        return web.json_response({"log": rows, "next": rows[-1]["n"] if rows else since})

    async def fault(self, request: web.Request) -> web.Response:
        spec = await json_object(request)
        if "kind" not in spec:
            raise web.HTTPBadRequest(text="a fault needs a kind")
        self._faults.add(spec)
        return web.json_response({"ok": True, "faults": self._faults.pending()})

    async def no_faults(self, request: web.Request) -> web.Response:
        self._faults.reset()
        return web.json_response({"ok": True})


def add_control(
    app: web.Application,
    *,
    server: str,
    log: CallLog,
    faults: Faults,
    clock: Clock,
    act: Act,
    state: State,
    thread: Thread,
    reset: Reset,
) -> None:
    """Mounts `/_local/{act,state,thread,log,fault,clock,reset,services}`."""
    app[SERVICES] = {}
    control = _Control(app, log, faults, act, thread)

    async def get_state(request: web.Request) -> web.Response:
        return web.json_response({**await state(), "clock": clock.shown(), "faults": faults.pending()})

    async def post_reset(request: web.Request) -> web.Response:
        await reset()
        faults.reset()
        log.reset(server)
        return web.json_response({"ok": True, "server": server})

    routes: list[tuple[str, str, Handler]] = [
        ("POST", "act", control.act),
        ("GET", "state", get_state),
        ("GET", "thread", control.thread),
        ("GET", "log", control.log),
        ("POST", "fault", control.fault),
        ("DELETE", "fault", control.no_faults),
        ("POST", "reset", post_reset),
        ("GET", "services", control.services),
        ("POST", "clock", clock_handler(clock)),
        ("GET", "clock", clock_handler(clock)),
    ]
    for method, path, handler in routes:
        app.router.add_route(method, f"/_local/{path}", _guarded(handler))


def _guarded(handler: Handler) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        local_only(request)
        return await handler(request)

    return handle


def clock_handler(clock: Clock) -> Handler:
    """GET tells the time, with `since=V` after the next jump (at most 25 s); POST `{advance_s|set}` moves it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            local_only(request)
            body = await json_object(request)
            try:
                if "set" in body:
                    clock.set(float(body["set"]))
                else:
                    clock.advance(float(body["advance_s"]))
            except KeyError:
                raise web.HTTPBadRequest(text="advance_s or set is needed") from None
            except ClockIsReal as error:
                return web.json_response({"ok": False, "error": str(error)}, status=409)
        elif "since" in request.query:
            await clock.changed(int(request.query["since"]), 25.0)
        return web.json_response({"ok": True, **clock.shown()})

    return handle


async def serve(app: web.Application, port: int = 0) -> tuple[web.AppRunner, str]:
    """Starts the application on 127.0.0.1 and tells its address; port 0 takes a free one."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    bound = runner.addresses[0][1]
    return runner, f"http://127.0.0.1:{bound}"


def announce(services: Mapping[str, Any], ready_file: Path | None) -> None:
    """Tells where the stand-ins listen: as JSON in `ready_file`, complete at once, or on stdout."""
    text = json.dumps(services)
    if ready_file is None:
        print(text, flush=True)
        return
    ready_file.parent.mkdir(parents=True, exist_ok=True)
    partial = ready_file.with_name(ready_file.name + ".part")
    partial.write_text(text + "\n", encoding="utf-8")
    os.replace(partial, ready_file)


async def stopped() -> None:
    """Returns when the process is asked to end."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    await asked.wait()
