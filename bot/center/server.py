"""Pages that numbers in a thread link to: a figure with its formula and each input with its source."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, select_autoescape

from bot.center.documents import Documents
from bot.store.database import Database
from bot.store.view import run_view, to_json
from bot.tools.render import format_value

_pages = Environment(loader=FileSystemLoader(Path(__file__).parent / "pages"), autoescape=select_autoescape())
_pages.globals["money"] = format_value


More = Callable[[web.Application, Environment, str], None]


class Center:
    """Serves on loopback unless told otherwise; holds no state of its own."""

    def __init__(self, db: Database, more: More | None = None) -> None:
        """`more` adds routes that have to know the address of all of them."""
        self._db = db
        self._more = more
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen; returns the base URL."""
        listening = socket.create_server((host, port))
        base_url = "http://{}:{}".format(*listening.getsockname()[:2])
        app = web.Application()
        app.router.add_get("/runs/{run}", self._run)
        app.router.add_get("/runs/{run}/figures/{figure}", self._figure)
        app.router.add_get("/runs/{run}.json", self._json)
        Documents(self._db, _pages).add_to(app)
        app.router.add_get("/healthz", self._health)
        if self._more is not None:
            self._more(app, _pages, base_url)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.SockSite(self._runner, listening).start()
        return base_url

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def _json(self, request: web.Request) -> web.Response:
        try:
            view = await self._db.read(lambda c: run_view(c, request.match_info["run"]))
        except KeyError:
            raise web.HTTPNotFound(text="There is no such run.") from None
        return web.json_response(to_json(view))

    async def _run(self, request: web.Request) -> web.Response:
        return await self._page(request, "run.html")

    async def _figure(self, request: web.Request) -> web.Response:
        return await self._page(request, "figure.html")

    async def _page(self, request: web.Request, template: str) -> web.Response:
        try:
            view = await self._db.read(lambda c: run_view(c, request.match_info["run"]))
        except KeyError:
            raise web.HTTPNotFound(text="There is no such run.") from None
        wanted = request.match_info.get("figure")
        figure = next((f for f in view.figures if f.id == wanted), None)
        if wanted and figure is None:
            raise web.HTTPNotFound(text="This run has no such figure.")
        inputs = [e for e in view.evidence if figure and e.id in figure.inputs]
        page = _pages.get_template(template).render(view=view, figure=figure, inputs=inputs)
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return web.Response(text=page, content_type="text/html", headers=headers)
