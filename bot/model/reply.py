"""A reply put together from the events of its stream, as JSON that every store and the next request can hold."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from bot.errors import DependencyFailed
from bot.types import Json

NAME, ID = re.compile(r"[a-zA-Z0-9_-]{1,128}"), re.compile(r"[a-zA-Z0-9_-]{1,120}")  # as the API takes them back
COUNTS = {
    "input_tokens": "input", "output_tokens": "output", "cache_read_input_tokens": "cache_read",
    "cache_creation_input_tokens": "cache_write",
}  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """One finished reply: content blocks as JSON, why it stopped, tokens used."""

    content: list[Json]
    stop_reason: str
    usage: dict[str, int]  # input, output, cache_read, cache_write
    model: str


class Assembly:
    """Takes events in order. Nothing of a stream that ends early is kept."""

    def __init__(self) -> None:
        self._content: list[Json] = []
        self._pieces: list[str] = []
        self._usage = dict.fromkeys(COUNTS.values(), 0)
        self._model = ""
        self._stop: str | None = None

    def take(self, event: Json) -> None:
        """One event of the stream. Raises DependencyFailed when it says that the reply failed."""
        match event["type"]:
            case "content_block_delta":
                self._delta(event["delta"])
            case "content_block_start":
                self._content.append(event["content_block"])
                self._pieces = []
            case "content_block_stop":
                self._close()
            case "message_start":
                self._model = event["message"]["model"]
                self._count(event["message"].get("usage"))
            case "message_delta":
                self._stop = event["delta"].get("stop_reason") or self._stop
                self._count(event.get("usage"))
            case "error":
                error = event.get("error") or {}
                raise DependencyFailed(f"The model did not answer properly: {error.get('message') or error}")

    def _delta(self, delta: Json) -> None:
        kind = delta["type"]
        if kind == "text_delta":
            self._pieces.append(delta["text"])
        elif kind == "input_json_delta":
            self._pieces.append(delta["partial_json"])
        elif kind == "thinking_delta":
            self._pieces.append(delta["thinking"])
        elif kind == "signature_delta":
            self._content[-1]["signature"] = delta["signature"]
        elif kind == "citations_delta":
            self._content[-1].setdefault("citations", []).append(delta["citation"])

    def _close(self) -> None:
        block, text = self._content[-1], "".join(self._pieces)
        kind = block["type"]
        if kind == "text":
            self._content[-1] = {"type": "text", "text": sound(block.get("text", "") + text)}
        elif kind == "tool_use":
            given = _object(text or json.dumps(block.get("input") or {}))
            self._content[-1] = {"type": kind, "id": _id(block["id"]), "name": _name(block["name"]), "input": given}
        elif kind == "thinking":
            block["thinking"] = block.get("thinking", "") + text

    def _count(self, usage: Json | None) -> None:
        for theirs, ours in COUNTS.items():
            value = (usage or {}).get(theirs)
            if value is not None:
                self._usage[ours] = int(value)

    def finished(self) -> Reply:
        """The whole reply. Raises DependencyFailed when its stream ended before it did."""
        if self._stop is None:
            raise DependencyFailed("The model's reply broke off before its end.")
        if self._stop == "tool_use" and any(b.get("input") is None for b in self._content if b["type"] == "tool_use"):
            raise DependencyFailed("The model's reply holds a call that cannot be read.")
        return Reply(self._content, self._stop, self._usage, self._model)


def sound(value: Any) -> Any:
    """A JSON value as UTF-8, every store and the API can hold it: without halves of characters, NULs, or numbers that
    are none, which become words."""
    match value:
        case str() if value.isascii():
            return value.replace("\0", "\ufffd")
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
        case list():
            return [sound(one) for one in value]
        case dict():
            return {sound(key): sound(one) for key, one in value.items()}
        case float() if not math.isfinite(value):
            return str(value)
    return value


def _object(text: str) -> Any:
    """A call's arguments; None when the text is no JSON object, as in a reply that was cut."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return sound(found) if isinstance(found, dict) else None


def _name(told: Any) -> str:
    """A tool's name as it can be sent back; nobody has a tool of a name that was none."""
    return told if isinstance(told, str) and NAME.fullmatch(told) else f"no_name_{_digest(told)}"


def _id(told: Any) -> str:
    return told if isinstance(told, str) and ID.fullmatch(told) else f"toolu_{_digest(told)}"


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:24]
