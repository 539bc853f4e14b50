"""ContractNLI: non-disclosure agreements against a list of statements: entailed, contradicted or not mentioned."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

from bench.targets import Target
from bench.truth.case import Case, Verdict
from bench.truth.delivered import Delivered
from bench.truth.judge import Answers, share
from bench.truth.labels import Json, Label, pieces

CASE = "agreements"
REQUEST = "Check the agreements against our statements"
INSTRUCTIONS = "Say of each statement whether the agreement entails or contradicts it; else it is absent."
SAID = {"Entailment": "entailed", "Contradiction": "contradicted"}


class Nli:
    """The agreements of one folder."""

    name = "ContractNLI"

    def __init__(self, told: Json, most: int = 0) -> None:
        self._statements = {key: one["hypothesis"] for key, one in told["labels"].items()}
        self.texts: dict[str, str] = {}
        self.marked: dict[tuple[str, str], tuple[str, list[str]]] = {}
        for document in told["documents"][: most or None]:
            name = f"{document['id']}.txt"
            text = self.texts[name] = document["text"]
            for key, one in document["annotation_sets"][0]["annotations"].items():
                if one["choice"] in SAID:
                    spans = [text[slice(*document["spans"][at])] for at in one["spans"]]
                    self.marked[name, key] = SAID[one["choice"]], [span for span in spans if pieces(span)]

    @classmethod
    def find(cls, data: Path, most: int = 0) -> Nli | str:
        """The set as it lies in a folder, or why it cannot be used."""
        for place in sorted(data.rglob("*nli*.json.gz")):
            told = json.loads(gzip.decompress(place.read_bytes()))
            if isinstance(told, dict) and {"documents", "labels"} <= told.keys():
                return cls(told, most)
        return "no *nli*.json.gz with `documents` and `labels`"

    def cases(self) -> list[Case]:
        schema = {"type": "string", "enum": list(SAID.values())}
        questions = [
            {"id": key, "label": words[:200], "ask": words, "value": schema}
            for key, words in self._statements.items()
        ]
        labels: dict[str, list[Label]] = {name: [] for name in self.texts}
        for (name, key), (said, spans) in self.marked.items():
            labels[name] += [Label(key, span, said) for span in spans]
        return [Case(CASE, REQUEST, self.texts, questions, INSTRUCTIONS, labels)]

    def judge(self, results: Mapping[str, Delivered]) -> Verdict:
        found = Answers.of(results[CASE])
        right = invented = held = spans_all = 0
        examples: list[str] = []
        for name in self.texts:
            for key in self._statements:
                entries = found.entries.get((name, key), [])
                said, spans = self.marked.get((name, key), ("", []))
                told = {entry.value.strip('"') for entry in entries}
                good = told == {said} if said else not entries and found.absent(name, key)
                right += good
                invented += bool(entries) and not said
                lost = [span for span in spans if not found.holds(name, key, pieces(span))]
                held, spans_all = held + len(spans) - len(lost), spans_all + len(spans)
                examples += [] if good and not lost else [f"{name} {key}: {told} for {said or 'silent'}, {lost[:1]}"]
        wrong = found.not_verbatim(self.texts)
        total = len(self.texts) * len(self._statements)
        once = found.answered_once(self.texts, self._statements)
        return Verdict(
            (
                Target("agreements reported once, with every statement", len(self.texts), len(once), least=True),
                Target("statements judged as people did", total, right, least=True),
                Target("evidence delivered", 100, share(held, spans_all), "%", least=True),
                Target("quotes verbatim", 100, share(found.quotes - len(wrong), found.quotes), "%", least=True),
                Target("silent statements with an answer", 0, invented),
            ),
            {"agreements": len(self.texts), "statements": total, "evidence spans": spans_all},
            tuple(examples[:6]),
        )
