"""Placeholders become figures: the only way a number enters a text that people read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlsplit

from sqlalchemy import Connection, select

from bot.store.schema import artifact, change, evidence, figure, run, seen_message, tool_call

PLACEHOLDER = re.compile(r"\{\{\s*(f|e):([^{}\s]+)\s*\}\}")
# What may stand in a text without a source: addresses, periods, years, ids, list markers, dates. Not what only looks
# like one: a year with a unit, a word with an amount behind a dash, an amount at the beginning of a line.
_MONEY = "EUR|USD|GBP|CHF|JPY"
_UNIT = (
    r"\s?(?:%|[$€£¥]|(?:percent|per\s+cent|units?|pieces|items|people|hours|days|k|thousand|million|billion"
    rf"|{_MONEY}|dollars?|euros?)\b)"
)
FREE = re.compile(
    rf"https?://(?:(?!\d,\d{{3}})[^\s|<>])+"
    rf"|\b(?:Q[1-4]|H[12]|FY ?\d{{2,4}}(?:[-–/]\d{{2,4}})?|20\d\d-(?:Q[1-4]|\d\d(?:-\d\d)?))\b"
    rf"|(?<![$€£¥])(?<![$€£¥] )(?<!EUR )(?<!USD )(?<!GBP )(?<!CHF )(?<!JPY )\b20[0-4]\d\b(?![.,]\d)(?!{_UNIT})"
    rf"|\b(?![A-Za-z]*[a-z]{{2}}[A-Za-z]*[-_]\d{{5,}}\b(?!\.[A-Za-z]))[A-Za-z]+[-_][A-Za-z0-9-]*\d[\w-]*(?!{_UNIT})"
    r"|^\s*\d{1,2}[.)]\s|\b\d{1,2} (?:January|February|March|April|May|June|July"
    r"|August|September|October|November|December)\b",
    re.MULTILINE,
)
MARKDOWN_LINK = re.compile(r"\[([^\]\n]+)\]\((https?://[^)\s]+)\)")
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
    messages: dict[tuple[str, str], str] = field(default_factory=dict)  # what the run read, by channel and time

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
    return Lookup(shown, entries, _messages(connection, run_id))


def _messages(connection: Connection, run_id: str) -> dict[tuple[str, str], str]:
    """The messages of the run's channel, when it read them."""
    reading = select(tool_call.c.id).where(tool_call.c.run_id == run_id, tool_call.c.name == "read_channel")
    if connection.execute(reading.limit(1)).first() is None:
        return {}
    s = seen_message.c
    own = select(run.c.team_id, run.c.channel).where(run.c.id == run_id).subquery()
    query = select(s.channel, s.ts, s.text).where(s.team_id == own.c.team_id, s.channel == own.c.channel)
    return {(row.channel, row.ts): row.text for row in connection.execute(query)}


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
        found = message_of(url)
        if found is None:
            return False
        s = seen_message.c
        query = select(s.ts).where(s.team_id == self._run.team_id, s.channel == found[0], s.ts == found[1])
        return self._connection.execute(query).first() is not None


def message_of(url: str) -> tuple[str, str] | None:
    """The channel and the time of the message that an address opens, if it is one."""
    found = MESSAGE.search(urlsplit(url).path)
    return (found["channel"], f"{found['ts'][:-6]}.{found['ts'][-6:]}") if found else None


def uncited_numbers(text: str, request: str, messages: Mapping[tuple[str, str], str] | None = None) -> list[str]:
    """Numbers in a text for people that neither a placeholder, a linked message's own words nor the request give."""
    known = messages or {}

    def own_words(found: re.Match[str]) -> str:
        said = set(_numbers(known.get(message_of(found[2]) or ("", ""), "")))
        return NUMBER.sub(lambda number: " " if number[0].rstrip(".,") in said else number[0], found[1])

    bare = FREE.sub(" ", PLACEHOLDER.sub(" ", MARKDOWN_LINK.sub(own_words, text)))
    asked = set(_numbers(request))
    return [n for n in _numbers(bare) if n not in asked]


def _numbers(text: str) -> list[str]:
    return [n for n in (m[0].rstrip(".,") for m in NUMBER.finditer(text)) if n]


def requested(connection: Connection, run_id: str) -> str:
    """The words of the run's request, and of those that it goes on from."""
    words = []
    while run_id:
        row = connection.execute(select(run.c.request, run.c.parent_id).where(run.c.id == run_id)).one()
        words.append(row.request)
        run_id = row.parent_id or ""
    return "\n".join(words)
