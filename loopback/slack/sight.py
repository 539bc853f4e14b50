"""What can be seen: the whole state for testers, and a channel or thread as one person may see it."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aiohttp import web

from loopback.control import local_only
from loopback.slack import shapes
from loopback.slack.desk import Desk
from loopback.slack.errors import Refused
from loopback.slack.seed import BOT_USER
from loopback.slack.state import Canvas, Channel, Message, canvas_level, may_read

PAGE = Path(__file__).parent / "web"
SECURITY = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: http: https:; style-src 'self'; "
    "connect-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
HEARTBEAT_S = 15.0
VIEW_MESSAGES = 200


class Sight:
    """Reads of the workspace: state, thread, messages, a person's view, and the page that shows them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._space = desk.space

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_local/messages", self.messages),
            web.get("/_local/ephemeral", self.ephemeral),
            web.get("/_local/view", self.view),
            web.get("/_local/canvas", self.canvas),
            web.get("/_local/events", self.events),
            web.get("/", self.page),
            web.get("/archives/{channel}", self.page),
            web.get("/archives/{channel}/{message}", self.page),
            web.get("/docs/{team}/{canvas}", self.canvas_page),
            web.get("/web/{file}", self.asset),
            web.get("/files-pri/{file}/{tail:.*}", self.download),
        ]

    # ---- for testers

    async def state(self) -> dict[str, Any]:
        space = self._space
        users = [{**one, **shapes.user(space, id)} for id, one in space.users.items()]
        return {
            "ok": True,
            "team": space.team,
            "users": users,
            "channels": [self._summary(one) for one in space.channels.values()],
            "sessions": [self._desk.session(*key) for key in space.sessions],
            "sockets": self._desk.delivery.sockets.count,
            "undelivered": self._desk.delivery.waiting,
            "commands": [{"command": name, "description": told} for name, told in self._desk.app.commands],
            "shortcuts": [asdict(one) for one in self._desk.app.shortcuts],
            "canvases": [{**self._card(one), "access": one.access} for one in space.canvases.values()],
        }

    def _summary(self, channel: Channel) -> dict[str, Any]:
        shown = shapes.channel(self._space, channel, BOT_USER)
        topic = {"topic": channel.topic, "purpose": channel.purpose}
        return {**shown, **topic, "members": channel.members, "messages": len(channel.messages)}

    async def thread(self, query: Mapping[str, str]) -> dict[str, Any]:
        """A whole thread with blocks; with `as`, that person's ephemeral messages too."""
        channel = self._space.channel(query.get("channel", ""))
        said = channel.messages.get(query.get("ts", "")) if channel else None
        if channel is None or said is None:
            return {"ok": False, "error": "thread_not_found" if channel else "channel_not_found"}
        ts = shapes.thread_of(said)
        messages = [shapes.message(channel, one, metadata=True) for one in channel.thread(ts)]
        user = self._space.user(query.get("as", ""))
        messages += [one for one in channel.ephemerals if one["to"] == user and one.get("thread_ts") == ts]
        return {
            "ok": True,
            "channel": channel.id,
            "ts": ts,
            "permalink": shapes.permalink(self._space, channel.id, ts, None),
            "messages": sorted(messages, key=lambda one: str(one["ts"])),
            "session": self._desk.session(channel.id, ts),
            "status": self._space.status(channel.id, ts),
            "prompts": self._space.prompts.get((channel.id, ts), []),
        }

    async def messages(self, request: web.Request) -> web.Response:
        """Every message of a channel, replies too, oldest first."""
        channel = self._channel(request)
        limit = int(request.query.get("limit", "1000"))
        shown = [shapes.message(channel, one, metadata=True) for one in [*channel.messages.values()][-limit:]]
        return web.json_response({"ok": True, "channel": channel.id, "messages": shown})

    async def ephemeral(self, request: web.Request) -> web.Response:
        """The ephemeral messages of a channel, for everyone or for `user`."""
        channel = self._channel(request)
        user = self._space.user(request.query.get("user", "") or request.query.get("as", ""))
        shown = [one for one in channel.ephemerals if user in (None, one["to"])]
        return web.json_response({"ok": True, "channel": channel.id, "messages": shown})

    def _channel(self, request: web.Request) -> Channel:
        local_only(request)
        channel = self._space.channel(request.query.get("channel", ""))
        if channel is None:
            body = json.dumps({"ok": False, "error": "channel_not_found"})
            raise web.HTTPNotFound(text=body, content_type="application/json")
        return channel

    # ---- for the page

    async def view(self, request: web.Request) -> web.Response:
        """A channel as one person sees it; looking at it marks it as read."""
        channel = self._channel(request)
        user = self._space.user(request.query.get("as", ""))
        if user is None or not self._space.may_see(channel, user):
            body = {"ok": False, "error": "channel_not_found" if user else "user_not_found"}
            return web.json_response(body, status=404)
        limit = int(request.query.get("limit", str(VIEW_MESSAGES)))
        said = list(channel.top_level())[-limit:]
        shown = [self._with_session(channel, one) for one in said]
        shown += [one for one in channel.ephemerals if one["to"] == user and not one.get("thread_ts")]
        shown.sort(key=lambda one: str(one["ts"]))
        read = channel.last_read.get(user, "")
        unread = sum(one["ts"] > read and one.get("user") != user for one in said) if read else len(said)
        if channel.messages:
            channel.last_read[user] = max(channel.messages)
        return web.json_response(
            {
                "ok": True,
                "channel": self._summary(channel),
                "as": user,
                "messages": shown,
                "unread": unread,
                "views": self._space.modals.get(user, []),
                "home": self._space.homes.get(user),
                "prompts": self._space.prompts.get((channel.id, ""), []),
                "canvases": self._canvases(channel, user),
            }
        )

    def _canvases(self, channel: Channel, user: str) -> list[dict[str, Any]]:
        """The canvases of a channel, and those that it was given, which this person may open."""
        here = [one for one in self._space.canvases.values() if channel.id in (one.channel, *one.access)]
        return [self._card(one) for one in here if canvas_level(self._space, one, user)]

    def _card(self, canvas: Canvas) -> dict[str, Any]:
        url = f"{self._space.url}/docs/{self._space.team['id']}/{canvas.id}"
        return {"id": canvas.id, "title": canvas.title, "url": url}

    async def canvas(self, request: web.Request) -> web.Response:
        """A canvas as one person may read it."""
        local_only(request)
        found = self._space.canvases.get(request.query.get("canvas", ""))
        user = self._space.user(request.query.get("as", ""))
        if found is None or user is None or not canvas_level(self._space, found, user):
            return web.json_response({"ok": False, "error": "canvas_not_found"}, status=404)
        text = "\n\n".join(found.sections.values())
        return web.json_response({"ok": True, **self._card(found), "owner": found.owner, "markdown": text})

    def _with_session(self, channel: Channel, said: Message) -> Message:
        shown = shapes.message(channel, said)
        session = self._desk.session(channel.id, said["ts"])
        return {**shown, "session": session} if session else shown

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: one JSON object per change."""
        local_only(request)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        queue = self._space.feed.listen()
        try:
            await response.write(b": listening\n\n")
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
                except TimeoutError:
                    await response.write(b": still here\n\n")
                    continue
                await response.write(f"data: {json.dumps(event)}\n\n".encode())
        except (ConnectionError, asyncio.CancelledError):
            return response  # the page was closed, or the server ends
        finally:
            self._space.feed.leave(queue)

    async def page(self, request: web.Request) -> web.StreamResponse:
        return _file("index.html")

    async def canvas_page(self, request: web.Request) -> web.StreamResponse:
        return _file("canvas.html")

    async def asset(self, request: web.Request) -> web.StreamResponse:
        return _file(request.match_info["file"])

    async def download(self, request: web.Request) -> web.StreamResponse:
        """A file's content for a token that may read it, or for the page itself, which has signed everyone in."""
        file = self._space.files.get(request.match_info["file"].rpartition("-")[2])
        try:
            caller = self._desk.tokens.caller(request.headers.get("Authorization", "").removeprefix("Bearer "))
        except Refused as error:
            raise web.HTTPForbidden(text=error.error) from error
        if caller is None and request.headers.get("Sec-Fetch-Site") not in ("same-origin", "none"):
            raise web.HTTPForbidden(text="a token is needed")
        if file is None or not file.uploaded or (caller is not None and not may_read(self._space, file, caller.user)):
            raise web.HTTPNotFound
        kind = shapes.file(self._space, file)["mimetype"]
        attached = {"Content-Disposition": f'attachment; filename="{file.name}"', "X-Content-Type-Options": "nosniff"}
        return web.Response(body=file.content, content_type=kind, headers=attached)


def _file(name: str) -> web.StreamResponse:
    path = PAGE / name
    if path.parent != PAGE or not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path, headers=SECURITY)
