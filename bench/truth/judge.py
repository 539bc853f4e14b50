"""Reads answers out of what was delivered, and compares them with documents and labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.truth.delivered import Delivered
from bench.truth.labels import pieces, plain

Key = tuple[str, str]  # a document's name, a question's id


@dataclass(frozen=True)
class Entry:
    """One row of the delivered table that has a quote or a value."""

    quote: str
    at: str
    place: str
    value: str
    url: str


@dataclass
class Answers:
    """The delivered answers by document and question."""

    entries: dict[Key, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    none: dict[Key, int] = field(default_factory=lambda: defaultdict(int))  # rows that say that it is not there
    status: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # per document, row by row
    _joined: dict[Key, str] = field(default_factory=dict)

    @classmethod
    def of(cls, delivered: Delivered) -> Answers:
        """From the table of answers and the table of documents."""
        found = cls()
        for row in delivered.rows("name", "question", "found"):
            key = (row["name"].rsplit("/", 1)[-1], row["question"])
            if row["found"].lower() == "true":
                entry = Entry(*(row.get(name, "") for name in ("quote", "at", "place", "value", "url")))
                found.entries[key].append(entry)
            elif row["found"]:
                found.none[key] += 1
        for row in delivered.rows("name", "status", "windows"):
            found.status[row["name"].rsplit("/", 1)[-1]].append(row["status"])
        return found

    @property
    def quotes(self) -> int:
        return sum(len(many) for many in self.entries.values())

    def found(self) -> list[Key]:
        """Where something was delivered."""
        return [key for key, many in self.entries.items() if many]

    def absent(self, name: str, question: str) -> bool:
        return self.none.get((name, question), 0) > 0

    def holds(self, name: str, question: str, wanted: Sequence[str]) -> bool:
        """Whether each piece of a label stands in what was delivered for it."""
        key = (name, question)
        if key not in self._joined:
            self._joined[key] = "\n".join(p for entry in self.entries.get(key, ()) for p in pieces(entry.quote))
        return all(piece in self._joined[key] for piece in wanted)

    def not_verbatim(self, texts: Mapping[str, str]) -> list[tuple[str, str, str]]:
        """Delivered quotes of which a piece does not stand in the document."""
        wholes: dict[str, str] = {}
        wrong = []
        for (name, question), many in self.entries.items():
            if name not in wholes:
                wholes[name] = plain(texts.get(name, ""))
            for entry in many:
                parts = pieces(entry.quote)
                if not parts or not all(part in wholes[name] for part in parts):
                    wrong.append((name, question, entry.quote[:200]))
        return wrong

    def answered_once(self, names: Iterable[str], questions: Iterable[str]) -> list[str]:
        """The documents listed once as read, whose every question is answered either by entries or once as absent."""
        asked = list(questions)
        return [
            name for name in names
            if self.status.get(name) == ["done"] and all(self._once((name, question)) for question in asked)
        ]  # fmt: skip

    def _once(self, key: Key) -> bool:
        entries = self.entries.get(key, [])
        return (len(entries) > 0) + self.none.get(key, 0) == 1 and len(set(entries)) == len(entries)


def share(part: int, whole: int) -> float:
    """In percent; nothing of nothing is all of it."""
    return 100.0 * part / whole if whole else 100.0
