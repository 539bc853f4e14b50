"""Streamable HTTP on the port of our pages: who has no token is sent away, the rest goes to the SDK's own app."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from bot.mcp import PATH
from bot.mcp.server import build
from bot.mcp.work import Desk
from bot.store import callers
from bot.store.callers import Person
from bot.store.database import Database

BODY_BYTES = 1024 * 1024
GONE_S = 0.5  # between two looks whether a caller is still there


class Caller:
    """Knows people by the token in a request's headers."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def __call__(self, headers: Mapping[str, str] | None) -> Person | None:
        kind, _, token = (headers or {}).get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            return None
        return await self._db.read(lambda c: callers.person(c, token.strip()))


def add_to(app: web.Application, desk: Desk, base_url: str) -> None:
    """Serve Cadre at /mcp of this app."""
    who = Caller(desk.db)
    server = build(desk, who)
    hosts = [urlsplit(base_url).netloc, "127.0.0.1:*", "localhost:*"]
    asgi = server.streamable_http_app(
        streamable_http_path=PATH, stateless_http=True, max_request_body_size=BODY_BYTES,
        transport_security=TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=[base_url]),
    )  # fmt: skip

    async def handle(request: web.Request) -> web.StreamResponse:
        if await who(request.headers) is None:
            words = "A token is needed: Authorization: Bearer …; an operator makes one with cadre mcp token."
            return web.json_response({"error": words}, status=401, headers={"WWW-Authenticate": "Bearer"})
        return await _bridged(asgi, request)

    app.router.add_route("*", PATH, handle)
    app.cleanup_ctx.append(lambda _app: _sessions(server))


async def _sessions(server: MCPServer[Any]) -> AsyncIterator[None]:
    """The SDK's manager of sessions has to be left by the task that entered it, so one task owns it."""
    started, leave = asyncio.Event(), asyncio.Event()

    async def own() -> None:
        async with server.session_manager.run():
            started.set()
            await leave.wait()

    owner = asyncio.create_task(own(), name="mcp sessions")
    await started.wait()
    yield
    leave.set()
    await owner


async def _bridged(asgi: Callable[..., Awaitable[None]], request: web.Request) -> web.StreamResponse:
    """One request of aiohttp through an ASGI app, its answer streamed."""
    body = await request.read()
    answer = web.StreamResponse()
    told = begun = False

    async def receive() -> dict[str, Any]:
        nonlocal told
        if not told:
            told = True
            return {"type": "http.request", "body": body, "more_body": False}
        while True:
            if request.transport is None or request.transport.is_closing():
                return {"type": "http.disconnect"}
            await asyncio.sleep(GONE_S)  # aiohttp tells a handler that goes on nothing of it

    async def send(message: dict[str, Any]) -> None:
        nonlocal begun
        if message["type"] == "http.response.start":
            answer.set_status(message["status"])
            for name, value in message.get("headers", ()):
                if name.lower() not in (b"content-length", b"transfer-encoding", b"connection"):
                    answer.headers.add(name.decode("latin-1"), value.decode("latin-1"))
        elif message["type"] == "http.response.body":
            if not begun:
                begun = True
                await answer.prepare(request)
            if message.get("body"):
                with contextlib.suppress(ConnectionError):  # who is gone is told of by `receive`
                    await answer.write(message["body"])

    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "method": request.method, "scheme": request.scheme, "path": request.path, "root_path": "",
        "raw_path": request.path.encode(), "query_string": request.query_string.encode(),
        "headers": [(k.lower(), v) for k, v in request.raw_headers], "client": (request.remote or "", 0),
        "server": None, "state": {},
    }  # fmt: skip
    try:
        await asgi(scope, receive, send)
    finally:
        with contextlib.suppress(ConnectionError):
            if begun:
                await answer.write_eof()
    return answer
