"""CUAD: commercial contracts with the clauses that lawyers marked in them, by category."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.targets import Target
from bench.truth.case import Case, Verdict
from bench.truth.delivered import Delivered
from bench.truth.judge import Answers, share
from bench.truth.labels import Json, Label, pieces, plain

CASE = "contracts"
REQUEST = "Mark the clauses in all contracts"
INSTRUCTIONS = "Mark every clause of the contract that belongs to a category; what is not there is absent."


class Cuad:
    """The contracts of one folder; `most` of them, by name."""

    name = "CUAD"

    def __init__(self, texts: Mapping[str, str], labels: Iterable[Json], described: Mapping[str, str]) -> None:
        self.texts = dict(texts)
        self._described = described
        self.marked: dict[str, dict[str, list[str]]] = {}
        self.not_there = 0  # marked clauses that their own contract does not hold
        for one in labels:
            whole = plain(self.texts[one["file"]])
            kept = self.marked.setdefault(one["file"], {})
            for category, spans in one["spans"].items():
                sound = [span for span in spans if pieces(span) and all(piece in whole for piece in pieces(span))]
                self.not_there += len(spans) - len(sound)
                if sound:
                    kept[slug(category)] = sound
        self.categories = {slug(c): c for one in labels for c in one["spans"]} | {slug(c): c for c in described}

    @classmethod
    def find(cls, data: Path, most: int = 0) -> Cuad | str:
        """The set as it lies in a folder, or why it cannot be used."""
        for place in sorted(data.rglob("*.labels.json.gz")):
            labels = json.loads(gzip.decompress(place.read_bytes()))
            archive = place.with_name(place.name.replace(".labels.json.gz", ".zip"))
            if labels and "spans" in labels[0] and archive.is_file():
                texts = _texts(archive)
                known = [one for one in labels if one["file"] in texts]
                known = known[:most] if most else known
                described = next(iter(sorted(place.parent.glob("*categories*.csv"))), None)
                return cls({one["file"]: texts[one["file"]] for one in known}, known, _described(described))
        return "no *.labels.json.gz with `spans` and a zip of the same name"

    def cases(self) -> list[Case]:
        questions = [
            {"id": name, "label": words, "ask": self._described.get(words, f"Which clauses are about {words}?")}
            for name, words in self.categories.items()
        ]
        labels = {
            name: [Label(category, span) for category, spans in marked.items() for span in spans]
            for name, marked in self.marked.items()
        }
        return [Case(CASE, REQUEST, self.texts, questions, INSTRUCTIONS, labels)]

    def judge(self, results: Mapping[str, Delivered]) -> Verdict:
        found = Answers.of(results[CASE])
        clauses = [(n, c, s) for n, marked in self.marked.items() for c, spans in marked.items() for s in spans]
        lost = [(n, c, s) for n, c, s in clauses if not found.holds(n, c, pieces(s))]
        absent = [(n, c) for n, marked in self.marked.items() for c in marked if found.absent(n, c)]
        wrong = found.not_verbatim(self.texts)
        unmarked = [(n, c) for n, c in found.found() if c not in self.marked.get(n, {})]
        recall = share(len(clauses) - len(lost), len(clauses))
        once = found.answered_once(self.texts, self.categories)
        return Verdict(
            (
                Target("contracts reported once, with every question", len(self.texts), len(once), least=True),
                Target("marked clauses delivered", 100, recall, "%", least=True),
                Target("quotes verbatim", 100, share(found.quotes - len(wrong), found.quotes), "%", least=True),
                Target("clauses called absent that are marked", 0, len(absent)),
                Target("clauses delivered that nobody marked", 0, len(unmarked)),
            ),
            {
                "contracts": len(self.texts),
                "clauses": len(clauses),
                "quotes": found.quotes,
                "labels left out because their contract does not hold them": self.not_there,
            },
            tuple(f"{what}: {one}" for what, many in (("lost", lost), ("not verbatim", wrong)) for one in many[:5]),
        )


def slug(category: str) -> str:
    """A category as the id of a question."""
    return re.sub(r"[^a-z0-9]+", "_", category.lower()).strip("_")


def _texts(archive: Path) -> dict[str, str]:
    with zipfile.ZipFile(archive) as opened:
        names = [name for name in opened.namelist() if name.endswith(".txt")]
        return {name.rsplit("/", 1)[-1]: opened.read(name).decode("utf-8", "replace") for name in names}


def _described(place: Path | None) -> dict[str, str]:
    """What the set itself says about its categories."""
    found: dict[str, str] = defaultdict(str)
    if place is not None:
        for row in list(csv.reader(io.StringIO(place.read_text("utf-8-sig"))))[1:]:
            found[row[0].removeprefix("Category:").strip()] = row[1].removeprefix("Description:").strip()
    return dict(found)
