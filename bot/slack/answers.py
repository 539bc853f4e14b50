"""An answer of any length as messages within Slack's limits: nothing lost, tables as tables, charts as charts.

Past three messages the rest is in a file beside them, which holds the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.slack import answer_words as words
from bot.slack import charts
from bot.slack.cards import Block, rich, section, split
from bot.slack.cards import words as element
from bot.slack.messages import brief, cut

MESSAGES_MAX = 3
MESSAGE_CHARS = 11_000
MESSAGE_BLOCKS = 40  # of 50: links, the last line and feedback come below
PER_MESSAGE = {"table": 1, "data_visualization": 2}  # as Slack takes them
TABLE_ROWS, TABLE_COLUMNS, TABLE_CHARS, CELL_MAX = 100, 20, 9_000, 500
BETWEEN = " | "  # two cells of a table that is shown as text
HEADLINE_MAX = 300
FILE = "answer.md"

_ROW = re.compile(r"^\s*\|.*\|\s*$")
_RULE = re.compile(r"^\s*\|(?:\s*:?-{2,}:?\s*\|)+\s*$")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$")
_BOLD = re.compile(
    r"(?P<code>(?<!`)(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
    r"|(?<![^\W_])(?<!\*)\*\*(?=\S)(?P<bold>.+?)(?<=\S)\*\*(?![^\W_]|\*)"  # and not 2**3
)
_BULLET = re.compile(r"^(\s*)[-*+]\s+")
LINK = re.compile(r"<(https?://[^<>|]+)(?:\|([^<>]*))?>")
_HOLDS = ("text", "url", "elements")
_ESCAPES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


@dataclass
class Part:
    """One message's worth of an answer."""

    blocks: list[Block] = field(default_factory=list)
    chars: int = 0

    def takes(self, block: Block) -> bool:
        alike = sum(one["type"] == block["type"] for one in self.blocks)
        full = len(self.blocks) >= MESSAGE_BLOCKS or self.chars + _size(block) > MESSAGE_CHARS
        return not self.blocks or not (full or alike >= PER_MESSAGE.get(block["type"], MESSAGE_BLOCKS))

    def add(self, block: Block) -> None:
        self.blocks.append(block)
        self.chars += _size(block)


def parts(text: str) -> list[Part]:
    """The answer as messages, at most three; the last says where the rest is when there is more."""
    made = _all(text)
    if len(made) > MESSAGES_MAX:
        made = made[:MESSAGES_MAX]
        made[-1].blocks.append(section(words.REST_IN_FILE))
    return made


def whole(text: str) -> bytes:
    """The file that holds an answer of more than three messages, as Markdown; b"" when it needs none."""
    if len(_all(text)) <= MESSAGES_MAX:
        return b""
    return plain(LINK.sub(lambda found: f"[{found[2] or found[1]}]({found[1]})", text)).encode()


def _all(text: str) -> list[Part]:
    made = [Part()]
    for block in blocks_of(text):
        if not made[-1].takes(block):
            made.append(Part())
        made[-1].add(block)
    return made


def _size(block: Block) -> int:
    """The characters of a block, those of a table or a chart as they are when they are shown as text."""
    if block["type"] == "table":
        return sum(map(_width, block["rows"]))
    if block["type"] == "data_visualization":
        return sum(len(cell) + len(BETWEEN) for row in charts.rows(block) for cell in row)
    return _chars(block)


def _width(row: list[Block]) -> int:
    return sum(_chars(cell) + len(BETWEEN) for cell in row)


def _chars(value: Any) -> int:
    """The characters of the words and addresses within a block."""
    if isinstance(value, list):
        return sum(map(_chars, value))
    if not isinstance(value, dict):
        return 0
    return sum(len(one) if isinstance(one, str) else _chars(one) for key, one in value.items() if key in _HOLDS)


def plain(text: str) -> str:
    """Slack's three escapes taken back."""
    for told, meant in _ESCAPES:
        text = text.replace(told, meant)
    return text


def headline(text: str) -> str:
    """The first line of an answer as mrkdwn, which is its point; "" when it begins with no words."""
    kind, lines = next(pieces(text.lstrip("\n")))
    return brief(_mrkdwn(lines[0]), HEADLINE_MAX) if kind == "text" and lines else ""


def blocks_of(text: str) -> Iterator[Block]:
    """The blocks that show a text: paragraphs as mrkdwn, code, tables and charts natively."""
    for kind, lines in pieces(text):
        if kind == "text":
            yield from _paragraphs([_mrkdwn(line) for line in lines])
        else:
            yield from _code(lines) if kind == "code" else _tables(lines)


def pieces(text: str) -> Iterator[tuple[str, list[str]]]:
    """A text as lines of words, of code with its fences, and of tables: kinds text, code and table."""
    lines = text.split("\n")
    said: list[str] = []
    at = 0
    while at < len(lines):
        table = _RULE.match(lines[at + 1]) if at + 1 < len(lines) and _ROW.match(lines[at]) else None
        fence = lines[at].strip().startswith("```")
        if not table and not fence:
            said.append(lines[at])
            at += 1
            continue
        end = _end_of_code(lines, at) if fence else _end_of_table(lines, at)
        if end is None:  # a fence that is never closed is text
            said.append(lines[at])
            at += 1
            continue
        if said:
            yield "text", said
        said = []
        yield "code" if fence else "table", lines[at:end]
        at = end
    if said:
        yield "text", said


def _paragraphs(lines: list[str]) -> Iterator[Block]:
    text = "\n".join(lines).strip("\n")
    yield from (section(part) for part in split(text) if part.strip())


def _mrkdwn(line: str) -> str:
    """Markdown's bold, headings and bullets as Slack writes them."""
    heading = HEADING.match(line)
    if heading:
        return f"*{bold(heading[1], '')}*"
    return _BULLET.sub(r"\1• ", bold(line, "*"))


def bold(text: str, mark: str) -> str:
    """Markdown's bold between other marks; code and formulas stay as they are."""
    return _BOLD.sub(lambda found: found["code"] or f"{mark}{found['bold']}{mark}", text)


def _end_of_code(lines: list[str], at: int) -> int | None:
    if lines[at].strip().count("```") > 1:
        return None
    return next((n + 1 for n in range(at + 1, len(lines)) if lines[n].strip() == "```"), None)


def _end_of_table(lines: list[str], at: int) -> int:
    return next((n for n in range(at, len(lines)) if not _ROW.match(lines[n])), len(lines))


def _code(lines: list[str]) -> Iterator[Block]:
    inside = "\n".join(lines[1:-1])
    chart = charts.block(plain(inside)) if lines[0].strip() == "```chart" else None
    if chart is not None:
        yield chart
        return
    for part in split(plain(inside)):
        if part.strip():
            yield rich({"type": "rich_text_preformatted", "elements": [element(part)]})


def _tables(lines: list[str]) -> Iterator[Block]:
    """One table, or several with the same head where Slack's limits say so."""
    head, *body = table(lines)
    longest = max((len(cell) for row in [head, *body] for cell in row), default=0)
    if len(head) > TABLE_COLUMNS or longest > CELL_MAX or any(len(row) > len(head) for row in body):
        for part in split(plain("\n".join(lines))):
            yield rich({"type": "rich_text_preformatted", "elements": [element(part)]})
        return
    first, *rest = [[_cell(cell) for cell in [*row, *[""] * len(head)][: len(head)]] for row in (head, *body)]
    rows, chars = [first], _width(first)
    for one in rest:
        if len(rows) >= TABLE_ROWS or chars + _width(one) > TABLE_CHARS:
            yield {"type": "table", "rows": rows}
            rows, chars = [first], _width(first)
        rows.append(one)
        chars += _width(one)
    yield {"type": "table", "rows": rows}


def table(lines: list[str]) -> list[list[str]]:
    """A table's rows of cells, its head first."""
    return [_cells(line) for line in lines if not _RULE.match(line)]


def _cells(line: str) -> list[str]:
    inside = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|(?![^<>]*>)", inside)]


def _cell(text: str) -> Block:
    """A cell as text, or as rich text where it links somewhere."""
    text = bold(text, "")
    if not LINK.search(text):
        return {"type": "raw_text", "text": plain(text) or " "}
    made: list[Block] = []
    at = 0
    for found in LINK.finditer(text):
        if text[at : found.start()]:
            made.append(element(plain(text[at : found.start()])))
        made.append({"type": "link", "url": plain(found[1]), "text": plain(found[2] or found[1])})
        at = found.end()
    if text[at:]:
        made.append(element(plain(text[at:])))
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": made}]}


def plainer(blocks: list[Block]) -> list[Block]:
    """The same with tables and charts as preformatted text, for a workspace that does not draw them."""
    return [_as_text(block) if block["type"] in ("table", "data_visualization") else block for block in blocks]


def _as_text(block: Block) -> Block:
    if block["type"] == "table":
        rows = [[_said(cell) for cell in row] for row in block["rows"]]
    else:
        rows = charts.rows(block)
    lines = "\n".join(BETWEEN.join(row) for row in rows)
    return rich({"type": "rich_text_preformatted", "elements": [element(cut(lines, TABLE_CHARS))]})


def _said(cell: Block) -> str:
    if cell["type"] != "rich_text":
        return str(cell["text"])
    return "".join(str(one["text"]) for line in cell["elements"] for one in line["elements"])


def fallback(part: Part, limit: int) -> str:
    """What a part says without its blocks, for notifications and screen readers."""
    said = [block["text"]["text"] for block in part.blocks if block["type"] == "section"]
    return cut("\n".join(said), limit) or words.TABLE_ONLY
