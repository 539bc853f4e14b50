"""QMSum: meetings with questions about them and the turns in which people found the answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.targets import Target
from bench.truth.case import Case, Verdict
from bench.truth.delivered import Delivered
from bench.truth.judge import Answers, Entry, share
from bench.truth.labels import Json, Label, plain

INSTRUCTIONS = "Answer each question by the turns of the meeting that it is answered in."
SHOWN = 4  # turns that the oracle cites of a range: the first, and the longest
_TURN = re.compile(r"[a-z](\d+)")
Spans = list[tuple[int, int]]  # turns, counted from 1, both ends included


class QmSum:
    """Every meeting of a folder, each asked about in a request of its own."""

    name = "QMSum"

    def __init__(self, meetings: Mapping[str, Json]) -> None:
        self._turns = {name: told["meeting_transcripts"] for name, told in meetings.items()}
        self.asked = {name: _asked(told) for name, told in meetings.items()}

    @classmethod
    def find(cls, data: Path, most: int = 0) -> QmSum | str:
        """The set as it lies in a folder, or why it cannot be used."""
        found: dict[str, Json] = {}
        for place in sorted(data.rglob("*.json")):
            told = json.loads(place.read_text("utf-8"))
            if isinstance(told, dict) and "meeting_transcripts" in told:
                found[place.stem] = told
        return cls(dict(list(found.items())[: most or None])) if found else "no *.json with `meeting_transcripts`"

    def cases(self) -> list[Case]:
        found = []
        for name, turns in self._turns.items():
            file = f"{name}.txt"
            text = "".join(f"{turn['speaker']}: {' '.join(turn['content'].split())}\n" for turn in turns)
            questions = [
                {"id": key, "label": query[:200], "ask": query} for key, (query, _) in self.asked[name].items()
            ]
            labels = [
                Label(key, turns[at - 1]["content"].strip(), line=at)
                for key, (_, spans) in self.asked[name].items()
                for at in _cited(turns, spans)
            ]
            request = f"Answer the questions about the meeting {name}"
            found.append(Case(f"meeting-{name}", request, {file: text}, questions, INSTRUCTIONS, {file: labels}))
        return found

    def judge(self, results: Mapping[str, Delivered]) -> Verdict:
        cited = outside = answered = quotes = 0
        examples: list[str] = []
        for name, asked in self.asked.items():
            found = Answers.of(results[f"meeting-{name}"])
            for key, (_, spans) in asked.items():
                entries = found.entries.get((f"{name}.txt", key), [])
                answered += self._whole(name, spans, entries)
                for entry in entries:
                    at = int(told[1]) if (told := _TURN.match(entry.at)) else 0
                    said = plain(self._turns[name][at - 1]["content"]) if 0 < at <= len(self._turns[name]) else ""
                    cited += 1
                    quotes += bool(said) and plain(entry.quote) in said
                    if not any(first <= at <= last for first, last in spans):
                        outside += 1
                        examples.append(f"outside: {name} {key}: {entry.at} not in {spans}: {entry.quote[:80]}")
        total = sum(len(asked) for asked in self.asked.values())
        return Verdict(
            (
                Target("questions answered by every turn the oracle cited", total, answered, least=True),
                Target("cited turns inside their gold range", 100, share(cited - outside, cited), "%", least=True),
                Target("quotes verbatim in the cited turn", 100, share(quotes, cited), "%", least=True),
            ),
            {"meetings": len(self._turns), "questions": total, "cited turns": cited},
            tuple(examples[:8]),
        )

    def _whole(self, name: str, spans: Spans, entries: list[Entry]) -> bool:
        turns = {f"{told[1]}" for entry in entries if (told := _TURN.match(entry.at))}
        return {str(at) for at in _cited(self._turns[name], spans)} == turns


def _asked(told: Json) -> dict[str, tuple[str, Spans]]:
    """The specific questions by id, with the gold range of each; turns are counted from 1 here."""
    return {
        f"q{number}": (one["query"], [(int(a) + 1, int(b) + 1) for a, b in one["relevant_text_span"]])
        for number, one in enumerate(told["specific_query_list"], 1)
    }


def _cited(turns: list[Any], spans: Spans) -> list[int]:
    """The turns that the oracle cites of gold ranges: of each the first that says something, and the longest."""
    found: set[int] = set()
    for first, last in spans:
        spoken = [at for at in range(first, min(last, len(turns)) + 1) if turns[at - 1]["content"].strip(" .,?!")]
        longest = sorted(spoken, key=lambda at: -len(turns[at - 1]["content"]))[: SHOWN - 1]
        found |= {*spoken[:1], *longest}
    return sorted(found)
