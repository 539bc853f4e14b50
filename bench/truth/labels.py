"""What an oracle knows about a document, and how it answers a form about one window of it."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
JOIN = re.compile(r"<\s*omitted\s*>|\(Pages?\s+[\d\s,–-]+\)", re.IGNORECASE)  # joins pieces of a clause
LONG = 3  # blanks of a piece that is found although a word at its edge is cut
_LINE = re.compile(r"\[([^\]\s]+)\] (.*)")
_ITEM = re.compile(r"<item>(.*?)</item>", re.DOTALL)
_FORM = re.compile(r"<form\b[^>]*>\n(.*?)\n</form>", re.DOTALL)
_STYLES = {'"': "“”„‟″«»", "'": "‘’‚‛′`´", "-": "‐‑‒–—―−"}
_PLAIN = str.maketrans({sign: one for one, signs in _STYLES.items() for sign in signs})
_INVISIBLE = re.compile("[\u00ad\u200b\u200c\u200d\u2060\ufeff]")


def spaced(text: str) -> str:
    """A text with one style of blanks, quote marks and dashes."""
    return " ".join(_INVISIBLE.sub("", text.replace("…", "...")).translate(_PLAIN).split())


def plain(text: str) -> str:
    """The same without any blanks: what two spellings of a quote share."""
    return spaced(text).replace(" ", "")


def pieces(quote: str) -> list[str]:
    """The pieces of a quote, each in plain spelling."""
    return [found for part in JOIN.split(quote) if (found := plain(part))]


@dataclass(frozen=True)
class Label:
    """One thing that people marked in a document. `line` and `turn` are 1-based; 0: anywhere."""

    question: str
    quote: str
    value: Any = None
    line: int = 0  # of the document, or the number of the turn that stands on it


@dataclass(frozen=True)
class Window:
    """A window as a request shows it."""

    item: Json
    anchors: tuple[str, ...]
    starts: tuple[int, ...]  # of each line in the text
    text: str  # all lines in one spelling, blanks between them

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Window | None:
        """The window of a request for an item, else None."""
        content = body["messages"][0]["content"]
        parts = content if isinstance(content, list) else []
        blocks = [block["text"] for block in parts if block.get("type") == "text"]
        found = _ITEM.match(blocks[0]) if len(blocks) > 1 else None
        if found is None:
            return None
        anchors, starts, lines, size = [], [], [], 0
        for line in filter(None, map(_LINE.match, blocks[1].splitlines())):
            words = spaced(line[2])
            anchors.append(line[1])
            starts.append(size)
            lines.append(words)
            size += len(words) + 1
        return cls(json.loads(found[1]), tuple(anchors), tuple(starts), " ".join(lines))

    def anchor(self, offset: int) -> str:
        return self.anchors[bisect_right(self.starts, offset) - 1]

    def entries(self, label: Label) -> list[Json]:
        """What of a label this window holds: all of it, or the pieces of it that stand here."""
        first, last = self._range(label.line)
        found = []
        behind = first
        for piece in JOIN.split(label.quote):
            wanted = spaced(piece)
            if not wanted:
                continue
            at = self._place(wanted, behind, last)
            at = self._place(wanted, first, last) if at < 0 else at
            if at >= 0:
                behind = at + len(wanted)
            found.append((piece.strip(), at))
        if found and all(at >= 0 for _, at in found):
            return [_entry(label, label.quote, self.anchor(found[0][1]))]
        return [_entry(label, piece, self.anchor(at)) for piece, at in found if at >= 0]

    def _place(self, words: str, first: int, last: int) -> int:
        """Where words stand whole; a long piece may be cut within a word, as people who mark sometimes do."""
        at = found = self.text.find(words, first, last)
        while at >= 0:
            end = at + len(words)
            inside = (at > 0 and self.text[at - 1].isalnum() and words[0].isalnum()) or (
                end < len(self.text) and self.text[end].isalnum() and words[-1].isalnum()
            )
            if not inside:
                return at
            at = self.text.find(words, at + 1, last)
        return found if words.count(" ") >= LONG else -1

    def _range(self, line: int) -> tuple[int, int]:
        """Where the passages of a line or turn stand in the text; everything when none is named."""
        if not line:
            return 0, len(self.text)
        mine = [place for place, name in enumerate(self.anchors) if name.split(".")[0][1:] == str(line)]
        if not mine:
            return 0, 0
        end = self.starts[mine[-1] + 1] if mine[-1] + 1 < len(self.starts) else len(self.text)
        return self.starts[mine[0]], end


def _entry(label: Label, quote: str, at: str) -> Json:
    entry: Json = {"quote": quote, "at": at}
    if label.value is not None:
        entry["value"] = label.value
    return entry


def questions(body: Mapping[str, Any]) -> list[str]:
    """The ids of the form that a request carries."""
    for block in body["system"]:
        found = _FORM.search(block["text"])
        if found:
            return [question["id"] for question in json.loads(found[1])["questions"]]
    return []


def answer(window: Window, asked: Sequence[str], labels: Sequence[Label]) -> Json:
    """The arguments of `report` for a window: every question once, with all that the labels say stands here."""
    found: dict[str, list[Json]] = {question: [] for question in asked}
    for label in labels:
        if label.question in found:
            found[label.question] += [e for e in window.entries(label) if e not in found[label.question]]
    answers = [{"question": q, "found": bool(entries), "entries": entries} for q, entries in found.items()]
    return {"window": window.item["window"], "answers": answers}
