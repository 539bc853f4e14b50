"""A Messages server that answers items from labels and leads by the playbook, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from aiohttp import web

from bench.truth.faults import Faults, Planted
from bench.truth.labels import Json, Label, Window, answer, questions
from bench.truth.lead import Lead
from loopback.control import CallLog, Clock
from loopback.control import Faults as Troubles
from loopback.model.interpreter import Forget, Reply
from loopback.model.interpreter import answer as by_playbook
from loopback.model.server import build
from loopback.model.wire import new_id

Labels = Mapping[str, Sequence[Label]]  # by the document's name


@dataclass(frozen=True)
class Setting:
    """How an oracle behaves."""

    labels: Labels
    faulty: bool = False
    seed: int = 1
    delay_s: float = 0.0  # of every call
    keep: bool = False  # the requests for items, to make them again


@dataclass
class Seen:
    """What the server saw of a model's work."""

    calls: int = 0  # requests for items
    again: int = 0  # of them, those for an answer that was not accepted
    answers: int = 0  # questions answered with at least one entry
    most: int = 0  # requests for items under way at once
    first: float = 0.0
    last: float = 0.0
    planted: list[Planted] = field(default_factory=list)
    refused: list[Json] = field(default_factory=list)  # the diagnoses that came back
    bodies: list[bytes] = field(default_factory=list)


class Oracle:
    """The brain of the server."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.faults = Faults(setting.seed) if setting.faulty else None
        self.seen = Seen()
        self._lead = Lead(self.faults)
        self._attempts: Counter[tuple[str, int]] = Counter()

    def reply(self, body: Mapping[str, Any], forget: Forget) -> Reply:
        """The answer to a request: about an item from the labels, of an agent from its playbook."""
        window = Window.of(body)
        if window is None:
            return fresh_eyes(body, self._lead.reply(body, by_playbook(body, forget)))
        user = body["metadata"]["user_id"]
        self._attempts[user, window.item["window"]] += 1
        attempt = self._attempts[user, window.item["window"]]
        self._note(body, attempt)
        known = self._setting.labels.get(window.item["name"].rsplit("/", 1)[-1], ())
        told: Json | str = answer(window, questions(body), known)
        self.seen.answers += sum(one["found"] for one in told["answers"])  # type: ignore[index,call-overload]
        if self.faults is not None:
            run, _, agent = user.partition("/")
            told = self.faults.bend(run, agent, window.item, attempt, told)  # type: ignore[arg-type]
        if isinstance(told, str):
            return Reply([{"type": "text", "text": told}], "end_turn")
        return Reply([{"type": "tool_use", "id": new_id("toolu"), "name": "report", "input": told}], "tool_use")

    def _note(self, body: Mapping[str, Any], attempt: int) -> None:
        self.seen.calls += 1
        if attempt == 1:
            return
        self.seen.again += 1
        last = body["messages"][-1]["content"]
        words = [b for b in last if b.get("type") == "tool_result"] if isinstance(last, list) else []
        if words:
            self.seen.refused.append({"user": body["metadata"]["user_id"], "said": str(words[0]["content"])[:600]})


def fresh_eyes(body: Mapping[str, Any], given: Reply) -> Reply:
    """A verifier's finish with a verdict on each sampled answer: what code let through is right by the labels."""
    if not body["metadata"]["user_id"].rpartition("/")[2].startswith("verifier"):
        return given
    asked = re.findall(r'"id":"(sample\.\d+)"', json.dumps(body["messages"][0]).replace("\\", ""))
    for block in given.content:
        if block["type"] == "tool_use" and block["name"] == "finish":
            told = block["input"].setdefault("verdicts", [])
            told += [{"name": name, "passed": True, "detail": "by the labels"} for name in dict.fromkeys(asked)]
    return given


def application(oracle: Oracle, setting: Setting) -> web.Application:
    """The server; every call takes `delay_s`, and the calls for items are counted."""
    app = build(log=_NoLog(), faults=Troubles(), clock=Clock(), brain=oracle.reply)
    under_way = 0

    @web.middleware
    async def timed(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        nonlocal under_way
        if request.path != "/v1/messages":
            return await handler(request)
        item = b'"<item>' in await request.read()
        if item:
            under_way += 1
            seen = oracle.seen
            seen.most = max(seen.most, under_way)
            seen.first = seen.first or time.time()
            if setting.keep:
                seen.bodies.append(await request.read())
        try:
            await asyncio.sleep(setting.delay_s)
            return await handler(request)
        finally:
            if item:
                under_way -= 1
                oracle.seen.last = time.time()

    app.middlewares.append(timed)
    return app


class _NoLog(CallLog):
    """Keeps nothing: thousands of requests with whole documents in them."""

    def append(self, row: Mapping[str, Any]) -> int:
        return 0


class Server:
    """The oracle's address, and what it saw since it was asked last."""

    def __init__(self, url: str, line: Connection) -> None:
        self.url, self._line = url, line

    def seen(self) -> Seen:
        """What was seen since the last time; the count begins anew."""
        self._line.send("seen")
        found: Seen = self._line.recv()
        return found


@contextmanager
def serving(setting: Setting) -> Iterator[Server]:
    """The oracle in a process of its own, as every model is: its work is not the worker's."""
    processes = multiprocessing.get_context("spawn")
    line, far = processes.Pipe()
    child = processes.Process(target=_serve, args=(setting, far), daemon=True)
    child.start()
    try:
        yield Server(line.recv(), line)
    finally:
        line.send("end")
        child.join(10)
        if child.is_alive():
            child.kill()


def _serve(setting: Setting, line: Connection) -> None:
    oracle = Oracle(setting)

    async def run() -> None:
        runner = web.AppRunner(application(oracle, setting), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        line.send("http://{}:{}".format(*runner.addresses[0]))
        while await asyncio.to_thread(line.recv) == "seen":
            told, oracle.seen = oracle.seen, Seen()
            if oracle.faults is not None:
                told.planted, oracle.faults.planted = oracle.faults.planted, []
            line.send(told)
        await runner.cleanup()

    asyncio.run(run())
