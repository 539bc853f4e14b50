"""Placeholders become figures: the only way a number enters a text that people read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

from sqlalchemy import Connection, select

from bot.store.schema import artifact, change, evidence, figure, run, seen_message

PLACEHOLDER = re.compile(r"\{\{\s*(f|e):([^{}\s]+)\s*\}\}")
# What may stand in a text without a source: periods, years, dates, ids, list markers.
FREE = re.compile(
    r"https?://\S+|\b(?:Q[1-4]|H[12]|FY ?\d{2,4}(?:[-–/]\d{2,4})?|20\d\d(?:-(?:Q[1-4]|\d\d(?:-\d\d)?))?)\b"
    r"|\b[A-Za-z]+[-_][A-Za-z0-9-]*\d[\w-]*|^\s*\d+[.)]\s|\b\d{1,2} (?:January|February|March|April|May|June|July"
    r"|August|September|October|November|December)\b",
    re.MULTILINE,
)
MARKDOWN_LINK = re.compile(r"\[([^\]\n]+)\]\((https?://[^)\s]+)\)")
QUOTED_MESSAGE = re.compile(r"\[[^\]\n]*\]\(https?://[^)\s]*/archives/[^)\s]*\)")  # people's own numbers, linked
NUMBER = re.compile(r"\d[\d.,]*")
OPENING = re.compile(r"<(?=[@#!]|[A-Za-z][A-Za-z0-9+.-]*:)")  # of a link or mention in Slack's markup
URL = re.compile(r"https?://[^\s<>|)]+")
MESSAGE = re.compile(r"/archives/(?P<channel>[A-Z0-9]+)/p(?P<ts>\d{7,20})$")

Link = Callable[[str, str], str]


def markdown_link(label: str, url: str) -> str:
    """A figure in a document: its unit stays on the number's line."""
    held = label.replace(" ", "\N{NO-BREAK SPACE}")
    return f"[{held}]({url})" if url else held


def slack_link(label: str, url: str) -> str:
    """A link as Slack writes it; in its label nothing is a link or a mention."""
    if not url:
        return label
    safe = url.replace("|", "%7C").replace(">", "%3E").replace("<", "%3C")
    return f"<{safe}|{label.replace('<', '&lt;').replace('>', '&gt;').replace('|', '¦')}>"


@dataclass(frozen=True)
class Shown:
    label: str
    url: str
    value: str = ""  # of a figure, as a decimal


@dataclass(frozen=True)
class Lookup:
    """What placeholders of one run mean."""

    figures: dict[str, Shown]
    entries: dict[str, Shown]

    def get(self, kind: str, name: str) -> Shown | None:
        """What a placeholder stands for: kind f is a figure, e an entry."""
        return (self.figures if kind == "f" else self.entries).get(name)

    def fill(self, text: str, link: Link) -> tuple[str, list[str]]:
        """The text with every known placeholder linked, and the unknown ones."""
        unknown: list[str] = []

        def one(found: re.Match[str]) -> str:
            shown = self.get(found[1], found[2])
            if shown is None:
                unknown.append(found[0])
                return found[0]
            return link(shown.label, shown.url)

        return PLACEHOLDER.sub(one, text), unknown


def lookup(connection: Connection, run_id: str, figure_page: str) -> Lookup:
    """Figures with one input open that source; computed ones open the page that shows formula and inputs."""
    seen = connection.execute(select(evidence).where(evidence.c.run_id == run_id)).all()
    urls = {row.id: row.url for row in seen}
    counted = {row.id for row in seen if row.kind == "query"}  # the page shows what was asked of the table
    shown = {}
    for row in connection.execute(select(figure).where(figure.c.run_id == run_id)):
        direct = row.formula.strip() in urls.keys() - counted
        page = f"{figure_page}/runs/{run_id}/figures/{row.id}" if figure_page else ""
        first = next((urls[i] for i in row.inputs if urls.get(i)), "")
        shown[row.id] = Shown(format_value(row.value, row.unit), first if direct or not page else page, row.value)
    entries: dict[str, Shown] = {}
    for row in connection.execute(
        select(evidence).where(evidence.c.run_id == run_id, evidence.c.ref.startswith("ledger:entry/"))
    ):
        entry_id = row.ref.removeprefix("ledger:entry/").split("/")[0].split("#")[0]
        entries.setdefault(entry_id, Shown(entry_id, row.url))
    return Lookup(shown, entries)


def format_value(value: str, unit: str) -> str:
    """A figure as people read it: thousands separated, nothing rounded away."""
    number = Decimal(value)
    if unit == "%":
        return f"{number:,f} %"
    if unit in ("", "count"):
        return f"{number:,f}"
    return f"{unit} {number:,f}"


def for_thread(connection: Connection, run_id: str, text: str, figure_page: str) -> str:
    """Words of an agent as a thread shows them: figures in place, links to where the run has been and nowhere else.

    What an agent writes may repeat a cell, a file's name or a tool's words: nothing in it calls anybody, and an
    address that neither the requester nor a source of the run gave is words, not a link.
    """
    known = Known(connection, run_id, figure_page)
    filled, _ = lookup(connection, run_id, figure_page).fill(OPENING.sub("&lt;", text), slack_link)

    def linked(found: re.Match[str]) -> str:
        if known.holds(found[2]):
            return slack_link(found[1], found[2])
        return f"{found[1]} ({found[2]})"

    return MARKDOWN_LINK.sub(linked, filled)


class Known:
    """The places that a run's links may open."""

    def __init__(self, connection: Connection, run_id: str, figure_page: str) -> None:
        self._connection = connection
        told = select(run.c.team_id, run.c.permalink, run.c.request).where(run.c.id == run_id)
        self._run = connection.execute(told).one()
        urls = [figure_page, self._run.permalink, *URL.findall(requested(connection, run_id))]
        for table in (evidence, artifact, change):
            urls += connection.execute(select(table.c.url).where(table.c.run_id == run_id)).scalars()
        self._hosts = {urlsplit(url).netloc for url in urls if url} - {""}

    def holds(self, url: str) -> bool:
        """Whether an address is where the run has been, or a message that went by."""
        place = urlsplit(url)
        if place.netloc in self._hosts:
            return True
        found = MESSAGE.search(place.path)
        if found is None:
            return False
        ts = f"{found['ts'][:-6]}.{found['ts'][-6:]}"
        s = seen_message.c
        query = select(s.ts).where(s.team_id == self._run.team_id, s.channel == found["channel"], s.ts == ts)
        return self._connection.execute(query).first() is not None


def uncited_numbers(text: str, request: str) -> list[str]:
    """Numbers in a text for people that neither a placeholder, a quoted message nor the request accounts for."""
    bare = FREE.sub(" ", PLACEHOLDER.sub(" ", QUOTED_MESSAGE.sub(" ", text)))
    asked = set(NUMBER.findall(request))
    return [n for n in (m[0].rstrip(".,") for m in NUMBER.finditer(bare)) if n and n not in asked]


def requested(connection: Connection, run_id: str) -> str:
    """The words of the run's request, and of those that it goes on from."""
    words = []
    while run_id:
        row = connection.execute(select(run.c.request, run.c.parent_id).where(run.c.id == run_id)).one()
        words.append(row.request)
        run_id = row.parent_id or ""
    return "\n".join(words)
