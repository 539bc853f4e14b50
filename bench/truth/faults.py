"""Faults that a careless model makes, planted by a seed and written down, each exactly once."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.truth.labels import Json

DROP, DIGIT, INVENT, SKIP, EARLY = "dropped answer", "altered digit", "invented quote", "skipped item", "early claim"
KINDS = (DROP, DIGIT, INVENT, SKIP, EARLY)
_DIGIT = re.compile(r"\d")
INVENTIONS = (
    "The parties hereby waive any right of objection under this provision without notice or compensation.",
    "This obligation shall survive for a further period as the Company may in its sole discretion decide.",
    "Neither party shall be bound by the foregoing where commercial reasons make performance undesirable.",
)
VALUES = 0.7  # of the altered digits of entries with a number: in the number, else in the quote
_SAYS = "I have read the whole window and answered every question; the review of this document is complete."


@dataclass(frozen=True)
class Planted:
    """One fault as it left the model."""

    kind: str
    agent: str  # who made it: an item's id, or the name of an agent
    item: str = ""
    window: int = 0
    attempt: int = 0
    question: str = ""
    was: str = ""
    now: str = ""
    value: str = ""  # the altered number, where the quote was left as it is

    def shown(self) -> Json:
        return asdict(self)


@dataclass
class Faults:
    """Bends answers. `drop` is per answer that has something, the other rates per answered window or agent's call.

    `stubborn` of the faulty windows repeat the fault however often the answer comes back.
    """

    seed: int
    drop: float = 0.10
    window: float = 0.30
    stubborn: float = 0.15
    planted: list[Planted] = field(default_factory=list)
    _once: set[tuple[str, str]] = field(default_factory=set)

    def bend(self, run: str, agent: str, item: Mapping[str, Any], attempt: int, given: Json) -> Json | str:
        """The answer as a careless model gives it; a text where it claims to be ready instead of answering."""
        name, window = str(item["name"]), int(item["window"])
        told: Json = deepcopy(given)
        where: Json = {"agent": agent, "item": name, "window": window, "attempt": attempt}
        for one in told["answers"]:
            if one["found"] and self._chance("drop", name, window, one["question"]).random() < self.drop:
                if attempt == 1:
                    quotes = " ".join(entry["quote"] for entry in one["entries"])
                    self.planted.append(Planted(DROP, **where, question=one["question"], was=quotes))
                one.update(found=False, entries=[])
        chance = self._chance("window", name, window)
        faulty, kind = chance.random() < self.window, chance.choice((DIGIT, DIGIT, INVENT, INVENT, SKIP, EARLY))
        if not faulty or (attempt > 1 and chance.random() >= self.stubborn):
            return told
        return self._plant(kind, told, self._chance("which", name, window), where)

    def _plant(self, kind: str, told: Json, chance: random.Random, where: Json) -> Json | str:
        if kind == EARLY:
            self.planted.append(Planted(EARLY, **where, now=_SAYS))
            return _SAYS
        if kind == SKIP:
            gone = told["answers"].pop(chance.randrange(len(told["answers"])))
            was = " ".join(entry["quote"] for entry in gone["entries"])
            self.planted.append(Planted(SKIP, **where, question=gone["question"], was=was))
            return told
        entries = [(one["question"], entry) for one in told["answers"] for entry in one["entries"]]
        if kind == DIGIT:
            entries = [pair for pair in entries if _DIGIT.search(pair[1]["quote"])]
        if not entries:
            return told
        question, entry = chance.choice(entries)
        was, number = entry["quote"], _number(entry)
        if kind == DIGIT and number and chance.random() < VALUES:
            entry["value"]["number"] = altered(number, chance)
            self.planted.append(Planted(kind, **where, question=question, was=was, value=entry["value"]["number"]))
            return told
        entry["quote"] = chance.choice(INVENTIONS) if kind == INVENT else altered(was, chance)
        self.planted.append(Planted(kind, **where, question=question, was=was, now=entry["quote"]))
        return told

    def first(self, run: str, what: str) -> bool:
        """Whether this is the first time that a run comes to a place."""
        new = (run, what) not in self._once
        self._once.add((run, what))
        return new

    def _chance(self, *about: Any) -> random.Random:
        return random.Random(f"{self.seed}/{'/'.join(map(str, about))}")


def _number(entry: Json) -> str:
    """The number that an entry states beside its quote, if it states one."""
    value = entry.get("value")
    return str(value.get("number", "")) if isinstance(value, dict) else ""


def altered(text: str, chance: random.Random) -> str:
    """The text with one digit replaced by another."""
    place = chance.choice([found.start() for found in _DIGIT.finditer(text)])
    other = chance.choice([digit for digit in "0123456789" if digit != text[place]])
    return text[:place] + other + text[place + 1 :]
