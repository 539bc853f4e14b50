"""An answer as the Markdown that canvases take: headings to the third level, tables of at most 300 cells, no blocks.

What was no link and no mention in the post is none in the canvas either: words from outside are escaped.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

from bot.slack import answers, charts
from bot.slack.answers import HEADING, LINK, bold, plain
from bot.slack.mrkdwn import inert

CELLS_MAX = 300
LEVELS = 3
URL_CLOSES = {"(": "%28", ")": "%29", " ": "%20"}

_BULLET = re.compile(r"^(\s*)[-*+•◦]\s+")
_NUMBER = re.compile(r"^\s*\d{1,4}[.)]\s+")
_QUOTE = re.compile(r"^\s*(?:>|&gt;)\s?")
_RULE = re.compile(r"^\s*(?:-{3,}|\*{3,}|_{3,})\s*$")
_UNDERLINE = re.compile(r"^\s*[-=]+\s*$")
_TOKEN = re.compile(
    r"`(?P<code>[^`\n]+)`"
    r"|<(?P<url>(?:https?://|mailto:)[^<>|\s]+)(?:\|(?P<label>[^<>]*))?>"
    r"|<@(?P<user>[UW][A-Z0-9]+)>|<#(?P<channel>[CGD][A-Z0-9]+)>|<!date\^(?P<at>\d+)\^[^<>]*>"
    r"|(?P<bare>\b(?:https?://|www\.)[^\s<>|`]+)"
    r"|(?<![\w*])\*(?=[^\s*])(?P<bold>[^*\n]*[^\s*])\*(?![\w*])"
    r"|(?<![\w~])~(?=[^\s~])(?P<struck>[^~\n]*[^\s~])~(?![\w~])"
)
_SPECIAL = re.compile(r"[\\`*\[\]<~]|&(?=#?\w+;)")


def markdown(text: str) -> str:
    """The whole of an answer."""
    return "\n\n".join(_blocks(inert(text)))


def _blocks(text: str) -> Iterator[str]:
    for kind, lines in answers.pieces(text):
        if kind == "table":
            yield from _tables(answers.table(lines))
        elif kind == "code":
            chart = answers.chart(lines)
            yield from _tables(charts.rows(chart)) if chart is not None else [_code("\n".join(lines[1:-1]))]
        elif told := _lines(lines):
            yield told


def _code(text: str) -> str:
    inside = plain(LINK.sub(lambda one: f"{one[2]} ({one[1]})" if one[2] else one[1], text))
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", inside))])
    return f"{fence}\n{inside}\n{fence}"


def _lines(lines: list[str]) -> str:
    """Lines of words: a line stays a line, and a list ends where the next words begin."""
    told, before = "", ""
    for line in lines:
        kind, shown = _line(line)
        if kind and before:
            together = kind == before and kind != "heading"
            told += ("  \n" if kind in ("words", "quote") else "\n") if together else "\n\n"
        elif kind and told:
            told += "\n\n"
        told += shown
        before = kind
    return told


def _line(line: str) -> tuple[str, str]:
    """What a line is ("" when it is empty), and how Markdown writes it."""
    if not line.strip():
        return "", ""
    if heading := HEADING.match(line):
        level = min(LEVELS, len(line) - len(line.lstrip("#")))
        return "heading", f"{'#' * level} {_inline(bold(heading[1], ''))}"
    if _RULE.match(line):
        return "rule", "---"
    if _UNDERLINE.match(line):  # below words it would make a heading of them
        return "words", f"\\{line.strip()}"
    if bullet := _BULLET.match(line):
        return "item", f"{bullet[1]}- {_inline(line[bullet.end() :])}"
    if number := _NUMBER.match(line):
        return "item", number[0] + _inline(line[number.end() :])
    if quote := _QUOTE.match(line):
        return "quote", f"> {_inline(line[quote.end() :])}"
    return "words", _inline(line.strip())


def _inline(text: str) -> str:
    """Slack's markup within a line as Markdown, all else as words."""
    text = bold(text, "*")
    told, at = "", 0
    for found in _TOKEN.finditer(text):
        told += _words(text[at : found.start()]) + _token(found)
        at = found.end()
    return told + _words(text[at:])


def _token(found: re.Match[str]) -> str:
    kind = found.lastgroup if found.lastgroup != "label" else "url"
    inside = found[kind or 0]
    match kind:
        case "code":
            return f"`{plain(LINK.sub(lambda one: one[2] or one[1], inside))}`"
        case "url":
            target = "".join(URL_CLOSES.get(char, char) for char in plain(inside))
            return f"[{_words(found['label'] or inside)}]({target})"
        case "user" | "channel":
            return f"![](@{inside})" if kind == "user" else f"![](#{inside})"
        case "at":
            return f"{datetime.datetime.fromtimestamp(int(inside), datetime.UTC):%d %B %Y, %H:%M} UTC"
        case "bold" | "struck":
            mark = "**" if kind == "bold" else "~~"
            return f"{mark}{_inline(inside)}{mark}"
    return f"`{plain(inside)}`"  # an address that the post does not link


def _words(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", plain(text))


def _tables(rows: list[list[str]]) -> Iterator[str]:
    """One table, or several with the same head where there are too many cells for one."""
    head, *body = rows
    width = max(map(len, rows))
    most = CELLS_MAX // width - 1
    if most < 1:
        yield _code("\n".join(" | ".join(row) for row in rows))
        return
    rule = "|" + " --- |" * width
    for at in range(0, len(body) or 1, most):
        shown = [[*row, *[""] * width][:width] for row in (head, *body[at : at + most])]
        first, *rest = ["| " + " | ".join(_inline(cell).replace("|", "\\|") for cell in row) + " |" for row in shown]
        yield "\n".join([first, rule, *rest])
