"""An answer of any length as messages within Slack's limits: nothing lost, tables as tables, charts as charts.

Past three messages the rest is in a file beside them, which holds the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from typing import Any

from bot.slack import answer_words as words
from bot.slack import charts
from bot.slack.cards import SECTION_MAX, Block, line, rich, section
from bot.slack.cards import words as element
from bot.slack.messages import brief, cut
from bot.slack.mrkdwn import split

MESSAGES_MAX = 3
MESSAGE_CHARS = 11_000
MESSAGE_BLOCKS = 40  # of 50: links, the last line and feedback come below
PER_MESSAGE = {"table": 1, "data_visualization": 2}  # as Slack takes them
TABLE_ROWS, TABLE_COLUMNS, TABLE_CHARS, CELL_MAX = 100, 20, 9_000, 500
BETWEEN = " | "  # two cells of a table that is shown as text
HEADLINE_MAX = 300
FILE = "answer.md"

_ROW = re.compile(r"^\s*\|.*\|\s*$")
_RULE = re.compile(r"^(?=.*\|)\|?(?:\s*:?-+:?\s*\|)*(?:\s*:?-+:?\s*)?$")
_FENCE = re.compile(r"^\s*(?P<marks>`{3,}|~{3,})(?P<language>[^`]*)$")
_CODE = r"(?P<code>(?<!`)(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
_CELL = re.compile(_CODE + r"|<[^<>]*>|\\\||(?P<end>\|)")
HEADING = re.compile(r"^#{1,6}\s+(?=\S)(.+?)(?<![\s#])\s*#*$")
_BOLD = re.compile(
    _CODE + r"|(?<![^\W_])(?<!\*)\*\*(?=\S)"  # and not 2**3
    r"(?P<bold>(?:[^`*]|`[^`]*`|\*(?!\*)|\*(?=\*\*))+)"
    r"(?<=\S)\*\*(?![^\W_]|\*)"
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
    unclosed: dict[str, int] = {}
    at = 0
    while at < len(lines):
        code, table = _end_of_code(lines, at, unclosed), _end_of_table(lines, at)
        end = code or table
        if end is None:
            said.append(lines[at])
            at += 1
            continue
        if said:
            yield "text", said
        said = []
        yield "code" if code else "table", lines[at:end]
        at = end
    if said:
        yield "text", said


def _paragraphs(lines: list[str]) -> Iterator[Block]:
    for part in split("\n".join(lines).strip("\n"), SECTION_MAX):
        if len(part) > SECTION_MAX:  # one link, for which a section has no room
            yield rich(line(*_runs(part)))
        elif part.strip():
            yield section(part)


def _mrkdwn(told: str) -> str:
    """Markdown's bold, headings and bullets as Slack writes them."""
    heading = HEADING.match(told)
    if heading:
        return f"*{bold(heading[1], '')}*"
    return _BULLET.sub(r"\1• ", bold(told, "*"))


def bold(text: str, mark: str) -> str:
    """Markdown's bold between other marks; code and formulas stay as they are."""
    return _BOLD.sub(lambda found: found["code"] or f"{mark}{found['bold']}{mark}", text)


def _end_of_code(lines: list[str], at: int, unclosed: dict[str, int]) -> int | None:
    """Where the code that a fence opens ends; None when there is none, or it is never closed.

    `unclosed` keeps how long a fence of each kind need be that nothing below closes: nobody looks for its end again.
    """
    opened = _FENCE.match(lines[at])
    if not opened:
        return None
    marks = opened["marks"]
    if len(marks) >= unclosed.get(marks[0], len(marks) + 1):
        return None
    ends = (n + 1 for n in range(at + 1, len(lines)) if lines[n].strip().startswith(marks))
    end = next((end for end in ends if not lines[end - 1].strip(f"{marks[0]} \t\r")), None)
    if end is None:
        unclosed[marks[0]] = len(marks)
    return end


def _end_of_table(lines: list[str], at: int) -> int | None:
    """Where the table that begins at a line ends, or None. Without a pipe at both ends of its lines, head and rule
    must be alike: words may have pipes, too.
    """
    if at + 1 == len(lines) or not _RULE.match(lines[at + 1].strip()):
        return None
    boxed = _ROW.match(lines[at]) and _ROW.match(lines[at + 1])
    if not boxed and not 1 < len(_cells(lines[at])) == len(_cells(lines[at + 1])):
        return None
    rows = range(at + 2, len(lines))
    return next((n for n in rows if not (_ROW.match(lines[n]) if boxed else _cells(lines[n])[1:])), len(lines))


def chart(lines: list[str]) -> Block | None:
    """The chart that fenced lines describe, if they do."""
    opened = _FENCE.match(lines[0])
    drawn = opened is not None and opened["language"].strip() == "chart"
    return charts.block(plain("\n".join(lines[1:-1]))) if drawn else None


def _code(lines: list[str]) -> Iterator[Block]:
    drawn = chart(lines)
    yield from _preformatted("\n".join(lines[1:-1])) if drawn is None else [drawn]


def _preformatted(text: str) -> Iterator[Block]:
    for part in split(text, SECTION_MAX):
        if part.strip():
            yield rich({"type": "rich_text_preformatted", "elements": _runs(part)})


def _tables(lines: list[str]) -> Iterator[Block]:
    """One table, or several with the same head where Slack's limits say so; what is too wide for one as text."""
    head, *body = [[bold(cell, "") for cell in row] for row in table(lines)]
    rows = [*_fitting(head, body)] if len(head) <= TABLE_COLUMNS else []
    if not rows or any(_width(rows[0]) + _width(row) > TABLE_CHARS for row in rows):
        yield from _preformatted("\n".join(lines))
        return
    first, *rest = rows
    shown, chars = [first], _width(first)
    for row in rest:
        if len(shown) >= TABLE_ROWS or chars + _width(row) > TABLE_CHARS:
            yield {"type": "table", "rows": shown}
            shown, chars = [first], _width(first)
        shown.append(row)
        chars += _width(row)
    yield {"type": "table", "rows": shown}


def _fitting(head: list[str], body: list[list[str]]) -> Iterator[list[Block]]:
    """A table's rows; a cell that is too long goes on in the row below."""
    yield [_cell(cell) for cell in head]
    most = min(CELL_MAX, TABLE_CHARS // (2 * len(head)) - len(BETWEEN))
    for row in body:
        for one in zip_longest(*(split(cell, most) for cell in row), fillvalue=""):
            yield [_cell(cell) for cell in one]


def table(lines: list[str]) -> list[list[str]]:
    """A table's rows of cells, its head first, all as long as the longest of them."""
    rows = [_cells(told) for told in (lines[0], *lines[2:])]
    width = max([len(rows[0]), *(number for row in rows for number, cell in enumerate(row, 1) if cell)])
    return [[*row, *[""] * width][:width] for row in rows]


def _cells(told: str) -> list[str]:
    """The cells of a line; a pipe in a link or in code ends none."""
    inside = re.sub(r"(?<!\\)\|$", "", told.strip().removeprefix("|"))
    ends = [found.start() for found in _CELL.finditer(inside) if found["end"]]
    cells = (inside[begin + 1 : end] for begin, end in pairwise([-1, *ends, len(inside)]))
    return [cell.strip().replace("\\|", "|") for cell in cells]


def _cell(text: str) -> Block:
    """A cell as text, or as rich text where it links somewhere."""
    if not LINK.search(text):
        return {"type": "raw_text", "text": plain(text) or " "}
    return rich(line(*_runs(text)))


def _runs(text: str) -> list[Block]:
    """Words and links as the elements of rich text."""
    made: list[Block] = []
    at = 0
    for found in LINK.finditer(text):
        if text[at : found.start()]:
            made.append(element(plain(text[at : found.start()])))
        made.append({"type": "link", "url": plain(found[1]), "text": plain(found[2] or found[1])})
        at = found.end()
    if text[at:]:
        made.append(element(plain(text[at:])))
    return made


def plainer(blocks: list[Block]) -> list[Block]:
    """The same with tables and charts as preformatted text, for a workspace that does not draw them."""
    return [_as_text(block) if block["type"] in ("table", "data_visualization") else block for block in blocks]


def _as_text(block: Block) -> Block:
    if block["type"] == "table":
        rows = [[_said(cell) for cell in row] for row in block["rows"]]
    else:
        rows = [[[element(cell)] for cell in row] for row in charts.rows(block)]
    made: list[Block] = []
    for row in rows:
        for number, cell in enumerate(row):
            made += [element(BETWEEN if number else "\n"), *cell]
    return rich({"type": "rich_text_preformatted", "elements": _joined(made[1:])})


def _said(cell: Block) -> list[Block]:
    return cell["elements"][0]["elements"] if cell["type"] == "rich_text" else [element(cell["text"])]


def _joined(elements: list[Block]) -> list[Block]:
    """Elements of which no two next to each other are words."""
    made: list[Block] = []
    for one in elements:
        if made and made[-1]["type"] == one["type"] == "text":
            made[-1] = element(made[-1]["text"] + one["text"])
        else:
            made.append(one)
    return made


def fallback(part: Part, limit: int) -> str:
    """What a part says without its blocks, for notifications and screen readers."""
    said = [block["text"]["text"] for block in part.blocks if block["type"] == "section"]
    return cut("\n".join(said), limit) or words.TABLE_ONLY
