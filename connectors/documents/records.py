"""JSON and JSON Lines as text; a list of utterances becomes a transcript."""

from __future__ import annotations

import json
from typing import Any

from connectors.documents.turns import Turn, seconds_of

_WORDS = ("content", "text", "utterance", "transcript", "message", "sentence", "words", "body")
_SPEAKERS = (
    "speaker",
    "speaker_name",
    "speaker_label",
    "name",
    "author",
    "participant",
    "user",
    "role",
    "from",
    "who",
)
_TIMES = ("start", "start_time", "startTime", "time", "timestamp", "offset", "begin", "ts")
_LISTS = 50  # utterances are looked for in this many values of the outermost object


def parse_json(text: str) -> Any | None:
    """The value of a JSON text or the list of values of JSON Lines; None when it is neither."""
    body = text.strip()
    if body[:1] not in ("{", "["):
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        pass
    lines = [line for line in body.splitlines() if line.strip()]
    if len(lines) < 2:
        return None
    try:
        return [json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        return None


def json_text(value: Any, text: str) -> tuple[str, tuple[Turn, ...], tuple[str, ...]]:
    """A text view, the turns when it is a transcript, and a sentence about what stands beside them unread."""
    found, beside = _utterances(value)
    if found is None:
        return (text if text.count("\n") > 2 else json.dumps(value, indent=1, ensure_ascii=False)), (), ()
    words, speaker, time = found[1:]
    lines: list[str] = []
    turns: list[Turn] = []
    at = 0
    for number, entry in enumerate(found[0], start=1):
        said = " ".join(str(entry.get(words) or "").splitlines())
        who = " ".join(str(entry.get(speaker) or "").split()) if speaker else ""
        stamp, seconds = _stamp(entry.get(time)) if time else ("", None)
        line = f"[{stamp}] " * bool(stamp) + f"{who}: " * bool(who) + said
        turns.append(Turn(at, number, who, stamp, seconds))
        lines.append(line)
        at += len(line) + 1
    unread: tuple[str, ...] = ()
    if beside:
        unread = ("Beside the transcript the file holds " + ", ".join(beside) + ", which was not read.",)
    return "\n".join(lines), tuple(turns), unread


def _utterances(value: Any) -> tuple[tuple[list[dict[str, Any]], str, str, str] | None, tuple[str, ...]]:
    """The list of utterances with the names of its fields, and the names of the values beside it."""
    if isinstance(value, list):
        return _fields(value), ()
    if not isinstance(value, dict):
        return None, ()
    for key, inner in list(value.items())[:_LISTS]:
        found = _fields(inner) if isinstance(inner, list) else None
        if found:
            return found, tuple(f"“{other}”" for other in value if other != key)
    return None, ()


def _fields(entries: list[Any]) -> tuple[list[dict[str, Any]], str, str, str] | None:
    if len(entries) < 2 or not all(isinstance(entry, dict) for entry in entries):
        return None
    first = entries[0]

    def field(names: tuple[str, ...], kinds: type | tuple[type, ...]) -> str:
        return next((name for name in names if isinstance(first.get(name), kinds)), "")

    words, speaker, time = field(_WORDS, str), field(_SPEAKERS, str), field(_TIMES, (str, int, float))
    if not words or not (speaker or time):
        return None
    return (entries, words, speaker, time) if all(words in entry for entry in entries) else None


def _stamp(value: Any) -> tuple[str, int | None]:
    """A time as text and in seconds; seconds only when it counts from the beginning."""
    if isinstance(value, bool) or value is None:
        return "", None
    if isinstance(value, int | float):
        if not 0 <= value < 1_000_000:
            return str(value), None
        minutes, seconds = divmod(int(value), 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}", int(value)
    text = " ".join(value.split())[:40]
    try:
        return text, seconds_of(text) if ":" in text and len(text) <= 12 else None
    except ValueError:
        return text, None
