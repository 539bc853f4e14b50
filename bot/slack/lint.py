"""What every outgoing message must be: readable without its blocks, plain in its buttons, within Slack's limits.

Problems are logged, and in tests they are raised: `report` is what is done about them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import structlog

from bot.types import Json

log = structlog.get_logger()

POSTING = ("chat.postMessage", "chat.update", "chat.postEphemeral")
TEXT_MAX = {"chat.update": 4_000}
BLOCKS_MAX, MARKDOWN_MAX, CHARS_MAX = 50, 12_000, 40_000
SMALL = (
    "a",
    "an",
    "and",
    "as",
    "at",
    "by",
    "for",
    "in",
    "is",
    "it",
    "my",
    "not",
    "of",
    "on",
    "or",
    "the",
    "to",
    "with",
)
_EMOJI = re.compile(r":[a-z0-9_+-]+:|[\u2190-\u21ff\u2600-\u27bf\U0001f000-\U0001faff]")
_JSON = re.compile(r"^\s*[\[{]\s*\"[^\"]+\"\s*[:,]")
_ENDED = re.compile(r"^(?:Worked for|Stopped after|Failed after) ")


def _log(method: str, problems: list[str]) -> None:
    log.error("a message breaks its own rules", method=method, problems=problems)


report: Callable[[str, list[str]], None] = _log


def check(method: str, payload: Json) -> None:
    """Look at one outgoing call and report what is wrong with it."""
    if method in POSTING:
        found = list(problems(method, payload))
        if found:
            report(method, found)


def problems(method: str, payload: Json) -> Iterator[str]:
    """What is wrong with a message, in words."""
    text = str(payload.get("text") or "")
    blocks = [block for block in payload.get("blocks") or [] if isinstance(block, dict)]
    if not text.strip():
        yield "no text for notifications and screen readers"
    if len(text) > TEXT_MAX.get(method, CHARS_MAX):
        yield f"text of {len(text)} characters"
    if _JSON.match(text):
        yield "raw JSON as text"
    if len(blocks) > BLOCKS_MAX:
        yield f"{len(blocks)} blocks"
    if sum(len(block["text"]) for block in blocks if block.get("type") == "markdown") > MARKDOWN_MAX:
        yield "too much Markdown"
    yield from _controls(blocks)
    for block in blocks:
        yield from _block(block)


def _controls(blocks: list[Json]) -> Iterator[str]:
    """One primary button, labels as people write them, and none that does nothing any more."""
    buttons = [one for one in _walk(blocks) if one.get("type") == "button"]
    if sum(one.get("style") == "primary" for one in buttons) > 1:
        yield "more than one primary button"
    answers = any(str(block.get("block_id", "")).startswith("approval:") for block in blocks)
    for one in buttons:
        label = str((one.get("text") or {}).get("text", ""))
        if _EMOJI.search(label):
            yield f"an emoji in the button {label!r}"
        if not (answers or _title_case(label)):  # an answer that an agent offers is in its own words
            yield f"the button {label!r} is not in title case"
    said = " ".join(_words(block) for block in blocks if block.get("type") == "section")
    decided = re.search(r"^(?:Approved|Rejected|Answered)(?: by|, )", said, re.MULTILINE)
    if answers and decided:
        yield "buttons of a decision that was made"


def _title_case(label: str) -> bool:
    words = [word for word in label.split() if word[0].isalpha()]
    return all(word[0].isupper() or word.lower() in SMALL for word in words) and bool(label.strip())


def _block(block: Json) -> Iterator[str]:
    kind = block.get("type")
    if kind == "plan" and _ENDED.match(str(block.get("title", ""))):
        open_tasks = [t["task_id"] for t in block.get("tasks", []) if t.get("status") in ("in_progress",)]
        if open_tasks:
            yield f"unfinished tasks at the end: {', '.join(open_tasks)}"
    if kind == "header" and _EMOJI.search(_words(block)):
        yield "an emoji in a header"
    if kind == "image" and not block.get("alt_text"):
        yield "an image without a description"
    if kind == "section" and _raw_json(_words(block)):
        yield "raw JSON in a section"


def _words(block: Json) -> str:
    """The words of a block; a section may have fields alone."""
    return str((block.get("text") or {}).get("text", ""))


def _raw_json(text: str) -> bool:
    if not _JSON.match(text):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    except RecursionError:  # nested so deeply that nobody wrote it for people
        return True
    return True


def _walk(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _walk(one)
    elif isinstance(value, list):
        for one in value:
            yield from _walk(one)
