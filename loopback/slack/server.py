"""Puts the parts of the local Slack together and starts it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from loopback.control import MAX_BODY, SERVICES, CallLog, Clock, Faults, add_control, api_faults, serve

# Each import enters its methods into the table.
from loopback.slack import methods_chat, methods_conversations, methods_people, methods_work  # noqa: F401
from loopback.slack.api import WebApi
from loopback.slack.delivery import ACK_S, Delivery
from loopback.slack.desk import Desk
from loopback.slack.interactions import Interactions
from loopback.slack.people import People
from loopback.slack.seed import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, SMALL_WORKSPACE, AppDefinition
from loopback.slack.sight import Sight
from loopback.slack.state import Workspace


@dataclass(frozen=True)
class Running:
    """A local Slack that listens."""

    runner: web.AppRunner
    app: web.Application
    url: str

    @property
    def ready(self) -> dict[str, str]:
        """What a Bolt app and a tester need to know."""
        return {
            "api_url": f"{self.url}/api/",
            "control_url": self.url,
            "web_url": f"{self.url}/",
            "bot_token": BOT_TOKEN,
            "app_token": APP_TOKEN,
            "signing_secret": SIGNING_SECRET,
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
) -> Running:
    """Starts a workspace on 127.0.0.1; `ack_s` is how long the app may take to acknowledge."""
    space = Workspace(workspace, clock)
    delivery = Delivery(log, faults, clock, ack_s)
    desk = Desk(space, delivery, definition or AppDefinition())
    app = _build(desk, log, faults, clock)
    runner, url = await serve(app, port)
    space.url = url
    running = Running(runner, app, url)
    app[SERVICES]["slack"] = running.ready
    return running


def _build(desk: Desk, log: CallLog, faults: Faults, clock: Clock) -> web.Application:
    interactions = Interactions(desk, log)
    people = People(desk, interactions)
    sight = Sight(desk)
    api = WebApi(desk, interactions, log)

    async def reset() -> None:
        desk.delivery.forget()
        desk.space.reset()
        interactions.reset()
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
    app.router.add_get("/link/", desk.delivery.link)
    app.router.add_post("/upload/v1/{id}", upload)
    app.router.add_post("/response/{team}/{id}", interactions.responded)
    app.router.add_routes(sight.routes())
    app.on_shutdown.append(lambda _: desk.delivery.close())
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
