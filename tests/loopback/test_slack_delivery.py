"""How events and interactions reach an app: signed requests, retries, several sockets, connections that end."""

import asyncio
import json

from aiohttp import web
from slack_harness import PATIENCE_S, connected, run
from slack_sdk.signature import SignatureVerifier

from loopback.slack.seed import SIGNING_SECRET
from loopback.slack.socket_mode import LIFE_S, MOST_SOCKETS

SECONDS = 1.0


class Endpoint:
    """A web server that keeps every request; `answer` decides what it says after the challenge."""

    def __init__(self, answer):
        self.answer = answer
        self.got = asyncio.Queue()

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/slack/events", self._handle)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/slack/events"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _handle(self, request):
        body = await request.text()
        if '"url_verification"' in body:
            return web.json_response({"challenge": json.loads(body)["challenge"]})
        self.got.put_nowait((body, request.headers))
        return await self.answer(request)

    async def next(self):
        return await asyncio.wait_for(self.got.get(), PATIENCE_S)


async def fails(request):
    return web.Response(status=500)


async def fails_for_good(request):
    return web.Response(status=500, headers={"X-Slack-No-Retry": "1"})


def test_requests_are_signed_and_retries_say_why():
    async def scenario(stage):
        async with Endpoint(fails) as app:
            assert (await stage.set(request_url=app.url))["request_url"] == app.url
            await stage.act("maya", "post", channel="general", text="hello")
            first, headers = await app.next()
            again, retry = await app.next()
        assert SignatureVerifier(SIGNING_SECRET).is_valid_request(first, dict(headers))
        assert not SignatureVerifier("another").is_valid_request(first, dict(headers))
        assert "X-Slack-Retry-Num" not in headers
        assert (retry["X-Slack-Retry-Num"], retry["X-Slack-Retry-Reason"]) == ("1", "http_error")
        assert first == again

    run(scenario)


def test_an_app_that_wants_no_retry_gets_none():
    async def scenario(stage):
        async with Endpoint(fails_for_good) as app:
            await stage.set(request_url=app.url)
            await stage.act("maya", "post", channel="general", text="hello")
            await app.next()
            while (await stage.look("state"))["undelivered"]:
                pass
            assert app.got.empty()

    run(scenario)


def test_an_app_that_takes_longer_than_its_time_hears_the_event_again():
    async def scenario(stage):
        released = asyncio.Event()

        async def slow(request):
            if "X-Slack-Retry-Num" not in request.headers:
                await released.wait()
            return web.Response()

        async with Endpoint(slow) as app:
            assert (await stage.set(request_url=app.url))["ok"]
            await stage.act("maya", "post", channel="general", text="hello")
            await app.next()
            _, retry = await app.next()
            released.set()
        assert retry["X-Slack-Retry-Reason"] == "http_timeout"

    run(scenario, ack_s=SECONDS)


def test_an_address_that_does_not_know_the_challenge_is_not_taken():
    async def scenario(stage):
        async with Endpoint(fails) as app:
            told = await stage.set(request_url=app.url + "/nowhere")
        assert (told["ok"], told["error"]) == (False, "challenge_failed")
        assert (await stage.look("app"))["socket_mode"]

    run(scenario)


def test_a_person_sees_whether_the_app_refused_or_was_too_slow():
    async def scenario(stage):
        async with Endpoint(fails) as app:
            await stage.set(request_url=app.url)
            told = await stage.act("maya", "slash", channel="general", command="/cadre", text="x")
            assert told["error"] == "dispatch_failed"
        gone = await stage.act("maya", "slash", channel="general", command="/cadre", text="x")
        assert gone["error"] == "dispatch_failed"

    run(scenario)


def hears(app, stage):
    @app.event("message")
    async def message(event):
        stage.heard.put_nowait(event["text"])


def test_a_connection_near_its_end_is_warned_and_the_app_comes_back_without_a_gap():
    async def scenario(stage):
        for number in range(3):
            stage.clock.advance(LIFE_S - 5)
            await stage.until_logged("request", "apps.connections.open", number + 2)
            await stage.act("maya", "post", channel="general", text=f"after {number}")
            assert await stage.next() == f"after {number}"
        assert {row["body"]["reason"] for row in stage.logged("event", "disconnect")} == {"warning"}

    run(scenario, hears)


def test_each_event_reaches_one_of_two_running_apps():
    async def scenario(stage):
        async with connected(stage, hears, "websockets"):
            for number in range(6):
                await stage.act("maya", "post", channel="general", text=str(number))
            assert {await stage.next() for _ in range(6)} == {str(number) for number in range(6)}
            assert (await stage.look("state"))["undelivered"] == 0
        assert stage.heard.empty()

    run(scenario, hears)


def test_an_app_may_hold_ten_connections():
    async def scenario(stage):
        sockets = []
        for number in range(MOST_SOCKETS + 1):
            opened = await stage.raw("apps.connections.open", token="xapp-local-cadre")
            sockets.append(await stage.http.ws_connect(opened["url"]))
            said = await asyncio.wait_for(sockets[-1].receive_json(), PATIENCE_S)
            assert said.get("num_connections", said.get("reason")) == (
                number + 1 if number < MOST_SOCKETS else "too_many_websockets"
            )
        for socket in sockets:
            await socket.close()

    run(scenario)
