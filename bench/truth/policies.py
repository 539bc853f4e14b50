"""Company policies, old and new: every changed place in both versions, as the difference between them lists it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.targets import Target
from bench.truth.case import Case, Verdict
from bench.truth.delivered import Delivered
from bench.truth.judge import Answers, share
from bench.truth.labels import Label, pieces

CASE = "policies"
REQUEST = "List every change of the policies"
INSTRUCTIONS = "Mark every line that this version has and the other has not, with the number of the changed place."
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
VALUE = {"type": "object", "properties": {"place": {"type": "integer"}}, "required": ["place"]}
QUESTIONS = {
    "removed": "Lines of the old version that the new one has not",
    "added": "Lines that only the new one has",
}


@dataclass(frozen=True)
class Change:
    """A line that only one version has."""

    file: str
    question: str
    place: int  # the number of the changed place
    line: int
    words: str


class Policies:
    """The policies of a folder that lie there in two versions."""

    name = "Policies"

    def __init__(self, texts: Mapping[str, str], changes: list[Change]) -> None:
        self.texts, self._changes = dict(texts), [one for one in changes if pieces(one.words)]

    @classmethod
    def find(cls, data: Path, most: int = 0) -> Policies | str:
        """The set as it lies in a folder, or why it cannot be used."""
        texts: dict[str, str] = {}
        changes: list[Change] = []
        for place in sorted(data.rglob("*.diff"))[: most or None]:
            pair = [place.with_suffix(f".{version}.md") for version in ("old", "new")]
            if all(one.is_file() for one in pair):
                texts |= {one.name: one.read_text("utf-8") for one in pair}
                changes += _changes(place.read_text("utf-8"), *(one.name for one in pair))
        return cls(texts, changes) if changes else "no *.diff with an *.old.md and a *.new.md of the same name"

    def cases(self) -> list[Case]:
        questions = [{"id": key, "label": words, "ask": words, "value": VALUE} for key, words in QUESTIONS.items()]
        labels: dict[str, list[Label]] = {name: [] for name in self.texts}
        for one in self._changes:
            labels[one.file].append(Label(one.question, one.words, {"place": one.place}, one.line))
        return [Case(CASE, REQUEST, self.texts, questions, INSTRUCTIONS, labels)]

    def judge(self, results: Mapping[str, Delivered]) -> Verdict:
        found = Answers.of(results[CASE])
        told = {
            (name, question, json.loads(entry.value)["place"], piece)
            for (name, question), many in found.entries.items()
            for entry in many
            for piece in pieces(entry.quote)
        }
        wanted = {(one.file, one.question, one.place, piece) for one in self._changes for piece in pieces(one.words)}
        places = {(file.rsplit(".", 2)[0], place) for file, _, place, _ in wanted}
        lost = {(file.rsplit(".", 2)[0], place) for file, _, place, _ in wanted - told}
        wrong = found.not_verbatim(self.texts)
        return Verdict(
            (
                Target("changed places listed with all their lines", len(places), len(places - lost), least=True),
                Target("quotes verbatim", 100, share(found.quotes - len(wrong), found.quotes), "%", least=True),
                Target("changes that nobody made", 0, len(told - wanted)),
            ),
            {"policies": len(self.texts) // 2, "changed places": len(places), "changed lines": len(self._changes)},
            tuple(f"lost: {one}" for one in sorted(wanted - told)[:6]),
        )


def _changes(diff: str, old: str, new: str) -> list[Change]:
    found = []
    place = before = behind = 0
    for line in diff.splitlines():
        if hunk := _HUNK.match(line):
            place, before, behind = place + 1, int(hunk[1]), int(hunk[2])
        elif place and line.startswith("-"):
            found.append(Change(old, "removed", place, before, line[1:].strip()))
            before += 1
        elif place and line.startswith("+"):
            found.append(Change(new, "added", place, behind, line[1:].strip()))
            behind += 1
        elif place and line.startswith(" "):
            before, behind = before + 1, behind + 1
    return found
