"""Pages of bulk work: a document at a quoted passage, highlighted, and the list of all items of a work."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from jinja2 import Environment
from sqlalchemy import Connection, select

from bot.store import items, journal
from bot.store.database import Database
from bot.store.documents import Kept
from bot.store.item_tables import item
from bot.types import Json

HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


class Documents:
    """Handlers over the store; the text shown is what was read, escaped like any other."""

    def __init__(self, db: Database, pages: Environment) -> None:
        self._db, self._pages = db, pages

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/runs/{run}/items/{item}", self._document)
        app.router.add_get("/runs/{run}/work/{work}", self._work)

    async def _document(self, request: web.Request) -> web.Response:
        run, name, wanted = request.match_info["run"], request.match_info["item"], request.query.get("quote", "")
        found = await self._db.read(lambda c: _item(c, run, name))
        if found is None:
            raise web.HTTPNotFound(text="This run has no such document.")
        row, kept, told = found
        entry = next((one for one in told if one.get("evidence") == wanted), None)
        if wanted and entry is None:
            raise web.HTTPNotFound(text="This document has no such quote.")
        lines = marked(kept, entry["spans"] if entry else []) if kept else []
        page = self._pages.get_template("document.html").render(run=run, item=row, lines=lines, entry=entry)
        return web.Response(text=page, content_type="text/html", headers=HEADERS)

    async def _work(self, request: web.Request) -> web.Response:
        run, work = request.match_info["run"], request.match_info["work"]
        rows = await self._db.read(lambda c: items.of_work(c, run, work))
        if not rows:
            raise web.HTTPNotFound(text="This run has no such work.")
        now = await self._db.read(lambda c: items.counts(c, run, work))
        page = self._pages.get_template("work.html").render(run=run, rows=rows, words=items.in_words(now))
        return web.Response(text=page, content_type="text/html", headers=HEADERS)


def _item(connection: Connection, run: str, name: str) -> tuple[Any, Kept | None, list[Json]] | None:
    row = connection.execute(select(item).where(item.c.run_id == run, item.c.id == name)).mappings().first()
    if row is None:
        return None
    kept = Kept.load(journal.get_blob(connection, row["document"])) if row["document"] else None
    told = json.loads(journal.get_blob(connection, row["result"])) if row["result"] else []
    return row, kept, [entry for answer in told for entry in answer["entries"]]


def marked(kept: Kept, spans: list[list[int]]) -> list[Json]:
    """The passages in their order, each cut into parts of which those of the quote are marked."""
    lines: list[Json] = []
    first = True
    for start, end, label, place in kept.passages:
        parts: list[tuple[str, bool]] = []
        at = start
        for a, b in sorted(spans):
            a, b = max(a, start), min(b, end)
            if a < b:
                parts += [(kept.text[at:a], False), (kept.text[a:b], True)]
                at = b
        hit = at > start
        parts.append((kept.text[at:end], False))
        lines.append({"label": label, "place": place, "parts": parts, "target": hit and first})
        first = first and not hit
    return lines
