"""The parts that every stand-in shares: clock, log, faults and the control API over HTTP."""

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web

from loopback.clock import build as build_clock
from loopback.control import (
    SERVICES,
    CallLog,
    Clock,
    ClockIsReal,
    Faults,
    add_control,
    announce,
    api_faults,
    serve,
)


def test_a_simulated_clock_moves_and_a_real_one_refuses():
    clock = Clock("simulated")
    before = clock.now()
    clock.advance(3600)
    assert 3600 <= clock.now() - before < 3660
    with pytest.raises(ClockIsReal):
        Clock("real").advance(1)


def test_waiting_for_a_time_ends_when_the_clock_is_moved_there():
    async def wait():
        clock = Clock("simulated")
        waiting = asyncio.create_task(clock.until(clock.now() + 7200))
        for _ in range(2):  # half the way is not enough
            assert not (await asyncio.wait({waiting}, timeout=0.01))[0]
            clock.advance(3601)
        await asyncio.wait_for(waiting, 5)

    asyncio.run(wait())


def test_a_fault_strikes_as_often_as_asked_and_only_what_it_names():
    faults = Faults()
    faults.add({"match": {"name": "chat.post", "contains": "finance"}, "kind": "5xx", "count": 2})
    assert faults.take("chat.update", {"channel": "finance"}) is None
    assert faults.take("chat.postMessage", {"channel": "ops"}) is None
    struck = [faults.take("chat.postMessage", {"channel": "finance"}) for _ in range(3)]
    assert [one.kind if one else None for one in struck] == ["5xx", "5xx", None]
    assert faults.pending() == []


def test_a_rate_with_a_seed_strikes_the_same_calls_each_time():
    def pattern():
        faults = Faults()
        faults.add({"match": "x", "kind": "429", "rate": 0.3, "seed": 4})
        return [faults.take("x", {}) is not None for _ in range(200)]

    assert pattern() == pattern()
    assert 30 < sum(pattern()) < 90


def test_a_caller_is_given_only_the_faults_it_can_act_out():
    faults = Faults()
    faults.add({"match": "", "kind": "duplicate"})
    assert faults.take("chat.postMessage", {}, ("429",)) is None
    assert faults.take("message", {}, ("duplicate",)).kind == "duplicate"


def test_the_log_numbers_go_on_after_a_reset_and_other_servers_keep_their_rows():
    log = CallLog()
    log.append({"server": "slack", "kind": "request", "name": "a"})
    log.append({"server": "google", "kind": "request", "name": "b"})
    log.reset("slack")
    log.append({"server": "slack", "kind": "request", "name": "c"})
    assert [(row["n"], row["name"]) for row in log.since(0)] == [(2, "b"), (3, "c")]
    assert [row["name"] for row in log.since(2, "slack")] == ["c"]


class Counter:
    """A server under test: counts what reached it."""

    def __init__(self, clock):
        self.reached = 0
        self.faults = Faults()
        self.app = web.Application(middlewares=[api_faults(self.faults, self.name)])
        self.app.router.add_post("/api/{name}", self.count)
        nothing = {"ok": True}

        async def answer(*_):
            return nothing

        async def reset():
            self.reached = 0

        log = CallLog(clock)
        shared = {"log": log, "faults": self.faults, "clock": clock, "act": answer, "state": self.state}
        add_control(self.app, server="counter", thread=answer, reset=reset, **shared)

    def name(self, request):
        return request.path.removeprefix("/api/") if request.path.startswith("/api/") else None

    async def count(self, request):
        self.reached += 1
        return web.json_response({"ok": True, "got": (await request.read()).decode()})

    async def state(self):
        return {"reached": self.reached}


def with_counter(scenario):
    async def run():
        clock = Clock("simulated")
        counter = Counter(clock)
        runner, url = await serve(counter.app)
        try:
            async with aiohttp.ClientSession() as http:
                await scenario(http, url, counter)
        finally:
            await runner.cleanup()

    asyncio.run(run())


def test_each_api_fault_shows_as_itself():
    async def scenario(http, url, counter):
        for kind in ("drop", "accept_then_drop", "429", "5xx"):
            await http.post(f"{url}/_local/fault", json={"match": "go", "kind": kind, "retry_after_s": 7})
        for reached in (0, 1):  # dropped before, dropped after
            with pytest.raises(aiohttp.ClientError):
                await http.post(f"{url}/api/go", data=b"x")
            assert counter.reached == reached
        limited = await http.post(f"{url}/api/go")
        assert (limited.status, limited.headers["Retry-After"]) == (429, "7")
        assert (await http.post(f"{url}/api/go")).status == 503
        answered = await http.post(f"{url}/api/go", data=b"body")
        assert (await answered.json())["got"] == "body"
        assert counter.reached == 2

    with_counter(scenario)


def test_reset_empties_the_server_and_its_faults():
    async def scenario(http, url, counter):
        await http.post(f"{url}/api/go")
        await http.post(f"{url}/_local/fault", json={"match": "go", "kind": "429", "count": 9})
        state = await (await http.get(f"{url}/_local/state")).json()
        assert state["reached"] == 1
        assert state["faults"][0]["left"] == 9
        await http.post(f"{url}/_local/reset")
        state = await (await http.get(f"{url}/_local/state")).json()
        assert (state["reached"], state["faults"]) == (0, [])

    with_counter(scenario)


def test_another_sites_page_cannot_steer_a_stand_in():
    async def scenario(http, url, counter):
        foreign = await http.post(f"{url}/_local/reset", headers={"Origin": "http://evil.example"})
        assert foreign.status == 403
        rebound = await http.get(f"{url}/_local/state", headers={"Host": "evil.example"})
        assert rebound.status == 403
        own = await http.post(f"{url}/_local/reset", headers={"Origin": url})
        assert own.status == 200

    with_counter(scenario)


def test_one_stand_in_introduces_the_others():
    async def scenario(http, url, counter):
        counter.app[SERVICES]["clock"] = {"url": "http://127.0.0.1:1"}
        told = await (await http.get(f"{url}/_local/services")).json()
        assert told == {"clock": {"url": "http://127.0.0.1:1"}}

    with_counter(scenario)


def test_the_clock_server_answers_a_long_poll_when_the_clock_jumps():
    async def run():
        clock = Clock("simulated")
        runner, url = await serve(build_clock(clock))
        async with aiohttp.ClientSession() as http:
            first = await (await http.get(f"{url}/clock")).json()
            waiting = asyncio.create_task(http.get(f"{url}/clock", params={"since": first["version"]}))
            moved = await (await http.post(f"{url}/_local/clock", json={"advance_s": 86400})).json()
            told = await (await asyncio.wait_for(waiting, 10)).json()
            assert told["version"] == moved["version"] == first["version"] + 1
            assert told["now"] - first["now"] >= 86400
            await http.post(f"{url}/_local/clock", json={"set": 2_000_000_000})
            assert 0 <= (await (await http.get(url)).json())["now"] - 2_000_000_000 < 60
        await runner.cleanup()

    asyncio.run(run())


def test_a_real_clock_answers_409_to_a_jump():
    async def run():
        runner, url = await serve(build_clock(Clock("real")))
        async with aiohttp.ClientSession() as http:
            refused = await http.post(f"{url}/_local/clock", json={"advance_s": 1})
            assert refused.status == 409
            assert "simulated" in (await refused.json())["error"]
        await runner.cleanup()

    asyncio.run(run())


def test_the_ready_file_is_complete_when_it_appears(tmp_path):
    announce({"slack": {"api_url": "x"}}, tmp_path / "deep" / "ready.json")
    assert json.loads((tmp_path / "deep" / "ready.json").read_text()) == {"slack": {"api_url": "x"}}
    assert [one.name for one in (tmp_path / "deep").iterdir()] == ["ready.json"]
