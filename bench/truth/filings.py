"""Filings of the SEC: every number that the filer tagged, at its place in the text, with its period and unit."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from bench.targets import Target
from bench.truth.case import Case, Verdict
from bench.truth.delivered import Delivered
from bench.truth.judge import Answers, share
from bench.truth.labels import Label, plain

REQUEST = "List the numbers of the filing {}"
INSTRUCTIONS = "List every tagged number: its concept, period and unit, as printed, and as a plain decimal."
AROUND = 40  # characters beside a number of a long line that are quoted along with it
LINE = 300  # characters of a line that is quoted whole
_LINE_OF = re.compile(r"[a-z](\d+)")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?|\.\d+")
VALUE = {
    "type": "object",
    "properties": {
        "fact": {"type": "string"},
        "period": {"type": "string"},
        "unit": {"type": "string"},
        "number": {"type": "string", "format": "decimal"},
        "printed": {"type": "string"},
    },
    "required": ["fact", "printed"],
}


@dataclass(frozen=True)
class Fact:
    """A tagged number: its name, and where it stands."""

    name: str  # concept, dimensions
    period: str
    unit: str
    printed: str
    number: str  # the same as a plain decimal; empty for words and dashes
    start: int
    end: int

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (self.name, self.period, self.unit, self.number or self.printed)


class Filings:
    """Every filing of a folder that has its text and its facts."""

    name = "Filings"

    def __init__(self, texts: Mapping[str, str], facts: Mapping[str, list[Fact]], words: int) -> None:
        self._texts, self.facts, self._words = dict(texts), dict(facts), words

    @classmethod
    def find(cls, data: Path, most: int = 0) -> Filings | str:
        """The set as it lies in a folder, or why it cannot be used."""
        texts: dict[str, str] = {}
        facts: dict[str, list[Fact]] = {}
        words = 0
        for place in sorted(data.rglob("*.facts.csv.gz"))[: most or None]:
            name = place.name.removesuffix(".facts.csv.gz")
            text = place.with_name(f"{name}.txt.gz")
            if text.is_file():
                texts[name] = gzip.decompress(text.read_bytes()).decode()
                rows = list(csv.DictReader(io.StringIO(gzip.decompress(place.read_bytes()).decode())))
                told = [_fact(row, texts[name]) for row in rows]
                facts[name] = [one for one in told if one is not None]
                words += told.count(None)
        return cls(texts, facts, words) if texts else "no *.facts.csv.gz with a *.txt.gz of the same name"

    def cases(self) -> list[Case]:
        return [
            Case(f"filing-{name}", REQUEST.format(name), {f"{name}.txt": text}, [
                {"id": "number", "label": "Tagged numbers", "ask": "Which numbers are tagged?", "value": VALUE}
            ], INSTRUCTIONS, {f"{name}.txt": [_label(text, _starts(text), one) for one in self.facts[name]]},
                window=24_000, overlap=1_500, max_tokens=64_000)
            for name, text in self._texts.items()
        ]  # fmt: skip

    def judge(self, results: Mapping[str, Delivered]) -> Verdict:
        missing: list[str] = []
        extra = found_all = quoted = 0
        for name, facts in self.facts.items():
            starts = _starts(self._texts[name])
            entries = Answers.of(results[f"filing-{name}"]).entries.get((f"{name}.txt", "number"), [])
            told: Counter[tuple[str, ...]] = Counter()
            lines = self._texts[name].split("\n")
            for entry in entries:
                value = _object(entry.value)
                at = int(place[1]) if (place := _LINE_OF.match(entry.at)) else 0
                quoted += 0 < at <= len(lines) and plain(entry.quote) in plain(lines[at - 1])
                said = value.get("number") or value["printed"]
                told[(value["fact"], value.get("period", ""), value.get("unit", ""), said, str(at))] += 1
            wanted = Counter((*one.key, str(bisect_right(starts, one.start))) for one in facts)
            found_all += len(entries)
            gone = [key for key in wanted if key not in told]
            missing += [f"{name}: {key}" for key in gone]
            extra += sum(key not in wanted for key in told)
        total = sum(len({(*one.key, one.start) for one in facts}) for facts in self.facts.values())
        lost = len(missing)
        return Verdict(
            (
                Target("tagged numbers delivered at their line", 100, share(total - lost, total), "%", least=True),
                Target("quotes verbatim in the cited line", 100, share(quoted, found_all), "%", least=True),
                Target("numbers delivered that nobody tagged", 0, extra),
            ),
            {"filings": len(self.facts), "tagged numbers": total, "rows": found_all,
             "tagged places without a word": self._words},
            tuple(missing[:6]),
        )  # fmt: skip


def _object(text: str) -> dict[str, str]:
    """A cell that holds an object."""
    found: dict[str, str] = json.loads(text)
    return found


def _fact(row: Mapping[str, str], text: str) -> Fact | None:
    """A row as a fact; None where nothing is displayed."""
    start, end = int(row["char_start"]), int(row["char_end"])
    shown = _NUMBER.fullmatch(text[start:end].strip())
    try:
        number = f"{Decimal(shown[0].replace(',', '')):f}" if shown else ""
    except InvalidOperation:
        number = ""
    printed = text[start:end].strip()
    if not printed:
        return None
    name = row["concept"] + (f" [{row['dims']}]" if row["dims"] else "")
    period = "/".join(filter(None, (row["start"], row["end"])))
    return Fact(name, period, row["unit"], printed, number, start, end)


def _starts(text: str) -> list[int]:
    return [0, *(found.end() for found in re.finditer("\n", text))]


def _label(text: str, starts: list[int], fact: Fact) -> Label:
    """The line of the fact, or of a long one the words around the number."""
    line = bisect_right(starts, fact.start)
    first = starts[line - 1]
    last = starts[line] - 1 if line < len(starts) else len(text)
    if last - first > LINE:
        low, high = max(first, fact.start - AROUND), min(last, fact.end + AROUND)
        first = first if low == first else text.find(" ", low, fact.start) + 1 or fact.start
        last = last if high == last else max(fact.end, text.rfind(" ", fact.end, high))
    value = {"fact": fact.name, "period": fact.period, "unit": fact.unit, "printed": fact.printed}
    value |= {"number": fact.number} if fact.number else {}
    return Label("number", text[first:last].strip(), value, line)
