"""Puts the parts of the local Slack together and starts it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from loopback.control import MAX_BODY, SERVICES, CallLog, Clock, Faults, add_control, api_faults, serve
from loopback.slack import fidelity, methods  # noqa: F401  the latter enters every method into the table
from loopback.slack.api import WebApi
from loopback.slack.delivery import Delivery
from loopback.slack.desk import Desk
from loopback.slack.envelopes import ACK_S
from loopback.slack.interactions import Interactions
from loopback.slack.limits import RateLimits
from loopback.slack.oauth import InstallPages
from loopback.slack.people import People
from loopback.slack.seed import (
    APP_TOKEN,
    BOT_TOKEN,
    CLIENT_ID,
    CLIENT_SECRET,
    SIGNING_SECRET,
    SMALL_WORKSPACE,
    AppDefinition,
)
from loopback.slack.settings import AppSettings
from loopback.slack.sight import Sight
from loopback.slack.signed_http import RequestUrls
from loopback.slack.state import Workspace
from loopback.slack.timers import Timers


@dataclass(frozen=True)
class Running:
    """A local Slack that listens."""

    runner: web.AppRunner
    app: web.Application
    url: str
    space: Workspace
    rate_limits: bool = False

    @property
    def ready(self) -> dict[str, Any]:
        """What a Bolt app and a tester need to know."""
        return {
            "api_url": f"{self.url}/api/",
            "control_url": self.url,
            "web_url": f"{self.url}/",
            "bot_token": BOT_TOKEN,
            "app_token": APP_TOKEN,
            "signing_secret": SIGNING_SECRET,
            "rate_limits": self.rate_limits,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        }

    async def close(self) -> None:
        await self.runner.cleanup()


async def start(
    *,
    log: CallLog,
    faults: Faults,
    clock: Clock,
    port: int = 0,
    workspace: Mapping[str, Any] = SMALL_WORKSPACE,
    definition: AppDefinition | None = None,
    ack_s: float = ACK_S,
    rate_limits: bool = False,
    request_urls: RequestUrls | None = None,
) -> Running:
    """Starts a workspace on 127.0.0.1; `ack_s` is how long the app may take to acknowledge.

    With `request_urls` the app is reached by signed HTTP as soon as it answers there, else by Socket Mode.
    """
    fidelity.watch(log)
    space = Workspace(workspace, clock)
    delivery = Delivery(log, faults, clock, ack_s)
    desk = Desk(space, delivery, Timers(clock), definition or AppDefinition())
    app = _build(desk, log, faults, clock, RateLimits(clock, rate_limits))
    runner, url = await serve(app, port)
    space.url = url
    running = Running(runner, app, url, space, rate_limits)
    app[SERVICES]["slack"] = running.ready
    if request_urls is not None:
        await delivery.use_http(request_urls, wait=True)
    return running


def _build(desk: Desk, log: CallLog, faults: Faults, clock: Clock, limits: RateLimits) -> web.Application:
    interactions = Interactions(desk, log)
    people = People(desk, interactions)
    sight = Sight(desk)
    api = WebApi(desk, interactions, limits, log)
    settings = AppSettings(desk.space, desk.delivery, limits)

    async def reset() -> None:
        desk.delivery.forget()
        desk.timers.forget()
        desk.space.reset()
        desk.tokens.reset()
        interactions.reset()
        limits.reset()
        desk.space.feed.publish("reset")

    async def upload(request: web.Request) -> web.Response:
        file = desk.space.files.get(request.match_info["id"])
        if file is None:
            raise web.HTTPNotFound
        file.content = await _content(request)
        file.uploaded = True
        return web.Response(text=f"OK - {len(file.content)}")

    app = web.Application(client_max_size=MAX_BODY, middlewares=[api_faults(faults, _called)])
    app.router.add_route("*", "/api/{method}", api.handle)
    app.router.add_get("/link/", desk.delivery.sockets.link)
    app.router.add_post("/upload/v1/{id}", upload)
    app.router.add_post("/response/{team}/{id}", interactions.responded)
    app.router.add_get("/_local/app", settings.handle)
    app.router.add_post("/_local/app", settings.handle)
    app.router.add_routes([*sight.routes(), *InstallPages(desk).routes()])

    async def stop(_: web.Application) -> None:
        desk.timers.forget()
        await desk.delivery.close()

    app.on_shutdown.append(stop)
    add_control(
        app,
        server="slack",
        log=log,
        faults=faults,
        clock=clock,
        act=people.act,
        state=sight.state,
        thread=sight.thread,
        reset=reset,
    )
    return app


def _called(request: web.Request) -> str | None:
    """The name by which a fault knows a request."""
    root, _, rest = request.path.lstrip("/").partition("/")
    if root == "api":
        return rest
    return {"upload": "files.upload", "response": "response_url"}.get(root)


async def _content(request: web.Request) -> bytes:
    """An uploaded file, sent raw or as the first file of a form."""
    if not request.content_type.startswith("multipart/"):
        return await request.read()
    form = await request.post()
    for part in form.values():
        if isinstance(part, web.FileField):
            return part.file.read()
        return part.encode() if isinstance(part, str) else bytes(part)
    return b""
