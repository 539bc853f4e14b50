"""A local Slack with a real Bolt app on it: the stock Socket Mode handler, and queues instead of waiting."""

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.socket_mode.websockets import AsyncSocketModeHandler as WebsocketsHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from loopback.control import CallLog, Clock, Faults
from loopback.slack import start
from loopback.slack.seed import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET

PATIENCE_S = 20


class Stage:
    """What a test holds: the server, a person's hands, and the app's client."""

    def __init__(self, running, http, log, clock, faults):
        self.running = running
        self.http = http
        self.log = log
        self.clock = clock
        self.faults = faults
        self.api_url = running.ready["api_url"]
        self.client = AsyncWebClient(token=BOT_TOKEN, base_url=self.api_url)
        self.heard = asyncio.Queue()  # what the app's listeners were given

    def person(self, name):
        return AsyncWebClient(token=f"xoxp-{name}", base_url=self.api_url)

    async def act(self, who, do, **more):
        told = await self.http.post(f"{self.running.url}/_local/act", json={"as": who, "do": do, **more})
        return await told.json()

    async def look(self, what, **query):
        return await (await self.http.get(f"{self.running.url}/_local/{what}", params=query)).json()

    async def thread(self, channel, ts, **query):
        return (await self.look("thread", channel=channel, ts=ts, **query))["messages"]

    async def fault(self, **spec):
        await self.http.post(f"{self.running.url}/_local/fault", json=spec)

    async def set(self, **what):
        """Changes the app's settings."""
        return await (await self.http.post(f"{self.running.url}/_local/app", json=what)).json()

    async def raw(self, method, token=BOT_TOKEN, **arguments):
        """A call without the SDK, as a form."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await (await self.http.post(f"{self.api_url}{method}", data=arguments, headers=headers)).json()

    async def next(self):
        return await asyncio.wait_for(self.heard.get(), PATIENCE_S)

    def feed(self):
        """What changes from now on."""
        return Feed(self)

    def logged(self, kind, name):
        return [row for row in self.log.since(0) if (row["kind"], row["name"]) == (kind, name)]

    async def until_logged(self, kind, name, count):
        """The rows of this name, once there are `count` of them."""
        async with asyncio.timeout(PATIENCE_S):
            while len(rows := self.logged(kind, name)) < count:
                await self.log.grown(self.log.since(0)[-1]["n"], PATIENCE_S)
        return rows


class Feed:
    """The server-sent events of a page."""

    def __init__(self, stage):
        self._stage = stage

    async def __aenter__(self):
        self._response = await self._stage.http.get(f"{self._stage.running.url}/_local/events")
        await self._response.content.readuntil(b"\n\n")
        return self

    async def __aexit__(self, *_):
        self._response.close()

    async def until(self, kind):
        """The next event of this kind."""
        while True:
            line = await asyncio.wait_for(self._response.content.readuntil(b"\n\n"), PATIENCE_S)
            if line.startswith(b"data: ") and (event := json.loads(line[6:]))["type"] == kind:
                return event


@asynccontextmanager
async def local_slack(**options):
    """A workspace without an app connected."""
    clock = Clock("simulated")
    log, faults = CallLog(clock), Faults()
    running = await start(log=log, faults=faults, clock=clock, **options)
    try:
        async with aiohttp.ClientSession() as http:
            yield Stage(running, http, log, clock, faults)
    finally:
        await running.close()


@asynccontextmanager
async def connected(stage, register, way="aiohttp"):
    """A Bolt app on the workspace; `register(app, stage)` adds its listeners, `way` is how events reach it."""
    client = AsyncWebClient(token=BOT_TOKEN, base_url=stage.api_url)
    app = AsyncApp(client=client, signing_secret=SIGNING_SECRET)
    register(app, stage)
    async with signed_http(stage, app) if way == "http" else socket_mode(app, HANDLERS[way]):
        yield app


HANDLERS = {"aiohttp": AsyncSocketModeHandler, "websockets": WebsocketsHandler}


@asynccontextmanager
async def socket_mode(app, handler):
    handler = handler(app, APP_TOKEN)
    await handler.connect_async()
    try:
        yield
    finally:
        await handler.close_async()


@asynccontextmanager
async def signed_http(stage, app):
    """The app as a web server, entered as the request URL."""
    server = web.AppRunner(app.web_app("/slack/events"))
    await server.setup()
    try:
        await web.TCPSite(server, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{server.addresses[0][1]}/slack/events"
        told = await stage.set(request_url=url)
        assert told["ok"], told
        yield url
    finally:
        await server.cleanup()


def run(scenario, register=None, way="aiohttp", **options):
    """Runs `scenario(stage)`, with a Bolt app connected when `register` is given."""

    async def whole():
        async with local_slack(**options) as stage:
            if register is None:
                await scenario(stage)
                return
            async with connected(stage, register, way):
                await scenario(stage)

    asyncio.run(asyncio.wait_for(whole(), 60))
