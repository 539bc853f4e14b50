"""What a person got out of a run: the thread's words, and every table behind its links and attachments."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import openpyxl
from lxml import html

from bench.truth.labels import Json
from bot.local import Stage

_SHEET = re.compile(r"/spreadsheets/d/([\w-]+)")
_DOC = re.compile(r"/document/d/([\w-]+)")
PERSON = "maya"


@dataclass(frozen=True)
class Table:
    """Rows under named columns, as they stand in a document that people open."""

    source: str
    rows: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class Delivered:
    """All that people can see of a run."""

    texts: tuple[str, ...]  # the messages of the thread that Cadre wrote
    tables: tuple[Table, ...]
    pages: tuple[str, ...]  # the words of documents and pages

    def rows(self, *columns: str) -> list[dict[str, str]]:
        """The rows of the tables that have these columns, repeats in further tables left out."""
        fitting = [table for table in self.tables if table.rows and set(columns) <= table.rows[0].keys()]
        return list(fitting[0].rows) if fitting else []

    @property
    def words(self) -> str:
        """Everything as one text."""
        cells = (value for table in self.tables for row in table.rows for value in row.values() if value)
        return "\n".join([*self.texts, *self.pages, *cells])


async def delivered(stage: Stage, channel: str, ts: str) -> Delivered:
    """Open what the thread of a request links and holds, as the person who asked."""
    thread = await stage.thread(channel, ts)
    url = f"{stage.control}/_local/thread"
    headers = {"Authorization": f"Bearer {PERSON}"}
    async with aiohttp.ClientSession() as session:
        async with session.get(url, params={"channel": channel, "ts": ts}) as reply:
            raw = (await reply.json())["messages"]
        seen = f"{raw}"
        google = stage.ready["google"]["base_url"].rstrip("/")
        tables: list[Table] = []
        pages: list[str] = []
        for file_id in dict.fromkeys(_SHEET.findall(seen)):
            tables += await _sheet(session, google, file_id, headers)
        for file_id in dict.fromkeys(_DOC.findall(seen)):
            async with session.get(
                f"{google}/drive/v3/files/{file_id}/export", params={"mimeType": "text/plain"}, headers=headers
            ) as reply:
                pages.append(await reply.text())
        for file in (one for message in raw for one in message.get("files", ())):
            token = {"Authorization": f"Bearer xoxp-{PERSON}"}
            async with session.get(file["url_private_download"], headers=token) as reply:
                reply.raise_for_status()
                found, words = opened(file["name"], await reply.read())
            tables += found
            pages += words
    return Delivered(tuple(one["text"] for one in thread[1:]), tuple(tables), tuple(pages))


async def _sheet(session: aiohttp.ClientSession, google: str, file_id: str, headers: dict[str, str]) -> list[Table]:
    base = f"{google}/v4/spreadsheets/{file_id}"
    async with session.get(base, headers=headers) as reply:
        titles = [tab["properties"]["title"] for tab in (await reply.json())["sheets"]]
    found = []
    for title in titles:
        async with session.get(f"{base}/values/{quote(title)}", headers=headers) as reply:
            grid = (await reply.json()).get("values", [])
        found.append(table(f"{file_id}/{title}", grid))
    return found


def table(source: str, grid: Sequence[Sequence[Any]]) -> Table:
    """A grid whose first row names the columns."""
    names = [str(cell).strip().lower() for cell in grid[0]] if grid else []
    rows = [
        {
            name: str("" if cell is None else cell)
            for name, cell in zip(names, [*row, *[""] * len(names)], strict=False)
        }
        for row in grid[1:]
    ]
    return Table(source, tuple(rows))


def opened(name: str, data: bytes) -> tuple[list[Table], list[str]]:
    """An attached file as people see it: its tables and its words."""
    if name.endswith(".csv"):
        return [table(name, list(csv.reader(io.StringIO(data.decode()))))], []
    if name.endswith(".xlsx"):
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
        grids = [(sheet.title, [list(row) for row in sheet.iter_rows(values_only=True)]) for sheet in book]
        return [table(f"{name}/{title}", grid) for title, grid in grids if grid], []
    if name.endswith(".html"):
        page = html.fromstring(data)
        found = [
            table(name, [[cell.text_content() for cell in row.iter("th", "td")] for row in one.iter("tr")])
            for one in page.iter("table")
        ]
        return found, [page.text_content()]
    return [], [data.decode(errors="replace")]


def as_json(found: Delivered) -> Json:
    """A short account for the report file."""
    return {"texts": list(found.texts), "tables": {one.source: len(one.rows) for one in found.tables}}
