"""What a tool said it is when it was first accepted, and how that differs from what it says now.

Descriptions and schemas steer a model, so a change of them is a change of the tool. What only flaps between two
starts of the same server (order, the host's time zone) is no change.
"""

import difflib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

UNORDERED = {"required", "enum", "type", "anyOf", "oneOf", "allOf", "examples"}
_ITEM = r"[\w:/-]++(?:\.[\w:/-]++)*+"
# It begins only where an item does and never goes back, so that its time is linear in any text.
_COMMA_LIST = re.compile(rf"(?<![\w:/-])(?<![\w:/-]\.){_ITEM}(?:,\s*+{_ITEM}){{2,}}+")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
_ORDER = re.compile(
    r"\b(ignore (all|any|previous)|do not (tell|mention|inform)|before (using|calling) any|always (call|use)|"
    r"you must|system prompt|instead of|secretly|without (telling|asking))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Change:
    """How one tool differs from what was accepted. `flags` are for the reviewer's eye, not a verdict."""

    tool: str
    kind: Literal["new", "changed", "removed"]
    diff: str
    flags: tuple[str, ...] = ()


def canonical(
    *,
    name: str,
    title: str | None,
    description: str | None,
    input_schema: Any,
    output_schema: Any,
    annotations: Any,
) -> str:
    """A tool as indented JSON in which only what matters differs."""
    said = {
        "name": name,
        "title": title,
        "description": description,
        "input_schema": input_schema,
        "output_schema": output_schema,
        "annotations": annotations,
    }
    return json.dumps(_steady(said), indent=1, sort_keys=True, ensure_ascii=True)


def fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Change, ...]:
    """What to review, by tool; both sides are canonical texts by the tool's own name."""
    found: list[Change] = []
    for tool in sorted(old.keys() | new.keys()):
        before, now = old.get(tool), new.get(tool)
        if before == now:
            continue
        kind: Literal["new", "changed", "removed"] = (
            "new" if before is None else "removed" if now is None else "changed"
        )
        found.append(
            Change(tool, kind, _diff(before or "", now or ""), flags(now, new.keys() - {tool}) if now else ())
        )
    return tuple(found)


def flags(text: str, others: Iterable[str]) -> tuple[str, ...]:
    """What in a tool's words a reviewer should look at twice."""
    read = json.loads(text)
    words = " ".join(_texts(read))
    found: list[str] = []
    if _UNSEEN.search(words):
        found.append("invisible characters")
    if order := _ORDER.search(words):
        found.append(f"reads like an instruction: {order.group(0)!r}")
    named = sorted(other for other in others if len(other) > 4 and other in words and _word(other).search(words))
    if named:
        found.append(f"names other tools: {', '.join(named[:5])}")
    return tuple(found)


@lru_cache(maxsize=10_000)
def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(name)}\b")


def _diff(before: str, now: str) -> str:
    lines = difflib.unified_diff(_readable(before), _readable(now), "accepted", "now", n=2, lineterm="")
    return "\n".join(lines)


def _readable(text: str) -> list[str]:
    """Lines of canonical JSON, with long descriptions broken so that a changed sentence stands alone."""
    lines: list[str] = []
    for line in text.splitlines():
        head, *rest = re.split(r"(?<=[.!?])\s+|\\n", line)
        sentences = (part.rstrip('",') for part in rest)
        lines += [head, *(f"    {sentence}" for sentence in sentences if sentence.strip())]
    return lines


def _steady(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {k: _steady(v, str(k)) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        items = [_steady(item) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) if key in UNORDERED else items
    if isinstance(value, str):
        return _COMMA_LIST.sub(lambda m: ", ".join(sorted(re.split(r",\s*", m.group(0)))), _zoneless(value))
    return value


def _zoneless(text: str) -> str:
    """Without the name of the zone that this host happens to be in."""
    for name in sorted(_zones(), key=len, reverse=True):
        text = re.sub(rf"(?<![\w/]){re.escape(name)}(?![\w/])", "<zone>", text)
    return text


@cache
def _zones() -> tuple[str, ...]:
    _, found, name = os.path.realpath("/etc/localtime").partition("zoneinfo/")
    # An abbreviation such as CET is a word like others; only full names are masked, and UTC.
    return tuple({name, "Etc/UTC", "UTC"} - {""} if found else {"Etc/UTC", "UTC"})


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
