"""A document's text as bulk work read it, kept so that a page can show a passage where it stands."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Kept:
    """The text, and its passages as (start, end, label, place in words)."""

    name: str
    text: str
    passages: tuple[tuple[int, int, str, str], ...]

    def dump(self) -> bytes:
        told = {"name": self.name, "text": self.text, "passages": self.passages}
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()

    @staticmethod
    def load(data: bytes) -> Kept:
        told = json.loads(data)
        return Kept(told["name"], told["text"], tuple(tuple(one) for one in told["passages"]))
