"""Whether an answer could tell who wrote it: by what only few people of the survey write."""

from __future__ import annotations

import re
from collections.abc import Iterable

from surveylib import SMALLEST

ADDRESS = re.compile(r"\S+@\S+|https?://|www\.|\b[\w-]+\.(?:com|org|net|de|edu|gov|io|uk|example)\b|[@#]\w+")
DIGITS = re.compile(r"\d{3,}|\+\d|\d[\d /-]{6,}")
SELF = re.compile(
    r"(?i)\bI(?:'m| am) (?:the|one of|a member of|head|in charge|responsible)\b|\bmy name\b|\bthe only\b"
    r"|\bas (?:the|head|director|manager|chair|founder)\b|\b(?:call|mail|write to|contact|ask) (?:me|him|her)\b"
)
WORD = re.compile(r"[^\W\d_][\w'’-]*")


class Voices:
    """All answers of a survey, so that what is rare in them is known."""

    def __init__(self, answers: Iterable[str]) -> None:
        self._writers: dict[str, int] = {}
        for answer in answers:
            for word in set(_names(answer)):
                self._writers[word] = self._writers.get(word, 0) + 1

    def tells(self, answer: str) -> str:
        """Why an answer is not quoted, or ""."""
        if ADDRESS.search(answer):
            return "an address"
        if DIGITS.search(answer):
            return "a number"
        if SELF.search(answer):
            return "says who writes"
        rare = [word for word in _names(answer) if self._writers.get(word, 0) < SMALLEST]
        return "a name" if rare else ""


def _names(answer: str) -> list[str]:
    """Words with a capital that does not come from the beginning of a sentence."""
    found = []
    for word in WORD.finditer(answer):
        before = answer[: word.start()].rstrip(" \t\"'“”‘’(")
        begins = not before or before[-1] in ".!?:;\n•-–*/"
        if word[0][0].isupper() and not begins and word[0] not in ("I", "I'm", "I’m", "I'd", "I've", "I'll"):
            found.append(word[0].lower())
    return found
