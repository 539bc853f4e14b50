"""ELITR: meetings with questions whose answers people wrote down, and where in a meeting each answer lies."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.targets import Target
from bench.truth.case import Case, Verdict
from bench.truth.delivered import Delivered
from bench.truth.judge import Answers, share
from bench.truth.labels import Json, Label

CASE = "minutes"
REQUEST = "Answer what is asked about the meetings"
INSTRUCTIONS = "Answer every question about the meeting with the words that show it."
PASSWORD = b"utter"  # the archive is locked against crawlers; its source tells everybody the word
KINDS = {"who": "Who", "what": "What", "when": "When", "howmany": "How many"}
PARTS: Mapping[str, Sequence[float]] = {"B": (0.0,), "M": (0.4,), "E": (0.8,), "S": (0.0, 0.4, 0.8)}
PLACES = {"B": "beginning", "M": "middle", "E": "end", "S": "several places"}
WORDS = 6  # of a line that is cited for an answer
VALUE = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
    "required": ["question", "answer"],
}


class Elitr:
    """The meetings of one archive. For an answer the oracle cites a line of the part that people named."""

    name = "ELITR"

    def __init__(self, meetings: Sequence[Json], texts: Mapping[str, str]) -> None:
        self.texts = {f"{one['id']}.txt": texts[one["id"]] for one in meetings}
        self._asked = {f"{one['id']}.txt": one["questions"] for one in meetings}

    @classmethod
    def find(cls, data: Path, most: int = 0) -> Elitr | str:
        """The set as it lies in a folder, or why it cannot be used."""
        for place in sorted(data.rglob("*.zip")):
            with zipfile.ZipFile(place) as archive:
                archive.setpassword(PASSWORD)
                names = archive.namelist()
                asked = next((name for name in names if "-qa" in name and name.endswith(".json")), None)
                if asked is None:
                    continue
                meetings = json.loads(archive.read(asked))["meetings"][: most or None]
                where = {name.rsplit("/", 1)[-1].removesuffix(".txt"): name for name in names}
                return cls(meetings, {one["id"]: archive.read(where[one["id"]]).decode() for one in meetings})
        return "no *.zip with transcripts and a *-qa*.json"

    def cases(self) -> list[Case]:
        questions = [
            {"id": kind, "label": f"{words} …?", "ask": f"Every question that begins with “{words}”.", "value": VALUE}
            for kind, words in KINDS.items()
        ]
        labels = {name: list(self._labels(name, asked)) for name, asked in self._asked.items()}
        return [Case(CASE, REQUEST, self.texts, questions, INSTRUCTIONS, labels)]

    def _labels(self, name: str, asked: Sequence[Json]) -> list[Label]:
        """Each answer at a line of its own in every part of the meeting that it lies in."""
        lines = self.texts[name].splitlines()
        often = Counter(lines)
        clear = [
            at for at, line in enumerate(lines)
            if often[line] == 1 and len(line.split()) >= WORDS and not line.startswith("(")
        ]  # fmt: skip
        found = []
        for number, one in enumerate(asked):
            for part in PARTS[one["answer-position"]]:
                at = clear[int(len(clear) * part) + number]
                value = {"question": one["question"], "answer": one["groundtruth-answer"]}
                found.append(Label(one["question-type"], lines[at].strip(), value))
        return found

    def judge(self, results: Mapping[str, Delivered]) -> Verdict:
        found = Answers.of(results[CASE])
        lost: Counter[str] = Counter()
        examples: list[str] = []
        expected = 0
        for name, asked in self._asked.items():
            told = Counter(
                (value["question"], value["answer"])
                for kind in KINDS
                for entry in found.entries.get((name, kind), ())
                if (value := json.loads(entry.value))
            )
            for one in asked:
                wanted = len(PARTS[one["answer-position"]])
                expected += wanted
                if told[one["question"], one["groundtruth-answer"]] != wanted:
                    lost[PLACES[one["answer-position"]]] += 1
                    examples.append(f"{name}: {one['question']}")
        total = sum(map(len, self._asked.values()))
        wrong = found.not_verbatim(self.texts)
        return Verdict(
            (
                Target("questions answered as people did", total, total - sum(lost.values()), least=True),
                Target("quotes verbatim", 100, share(found.quotes - len(wrong), found.quotes), "%", least=True),
                Target("answers to what nobody asked", 0, max(0, found.quotes - expected)),
            ),
            {"meetings": len(self.texts), "questions": total, "places cited": expected,
             "lost by where the answer lies": {place: lost[place] for place in PLACES.values()}},
            tuple(examples[:6]),
        )  # fmt: skip
