"""What the scripts of this skill share: arguments and answers as JSON, and the facts of a launch."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

PIECES = {
    "press": "press_release.md",
    "landing": "landing_page.md",
    "emails": "emails.md",
    "social": "posts.md",
}
PLACEHOLDER = re.compile(r"\{\{\s*f:([^{}\s]+)\s*\}\}")
DATE = re.compile(
    r"\b\d{1,2} (?:January|February|March|April|May|June|July|August|September|October|November|December) \d{4}\b"
)


class WrongInput(Exception):
    """Input that cannot be used; the message names what and where."""


@dataclass(frozen=True)
class Fact:
    """One thing that every piece says alike."""

    id: str
    label: str
    kind: str  # date | money | number | link | mail | name
    text: str  # as people read it
    number: str = ""
    unit: str = ""
    words: tuple[str, ...] = ()  # what a sentence says when it means this fact

    @property
    def written(self) -> str:
        """How a text states it: numbers by their figure, everything else as it is."""
        if not self.number:
            return self.text
        figure = "{{f:launch." + self.id + "}}"
        return figure if self.kind == "money" else f"{figure} {self.unit}".strip()


@dataclass(frozen=True)
class House:
    """The message house: what all pieces are made from."""

    key_message: str
    facts: dict[str, Fact]
    quote: str
    proof: list[str]
    avoid: list[str]
    replaced: list[str]

    def __getitem__(self, fact: str) -> Fact:
        return self.facts[fact]


def read_house(path: str | Path) -> House:
    """The message house of a file."""
    data = json.loads(Path(path).read_text(encoding="utf-8"))
    facts = {f["id"]: Fact(**{**f, "words": tuple(f["words"])}) for f in data["facts"]}
    return House(
        data["key_message"], facts, data["quote"], data["proof"], data["avoid"], data.get("replaced", [])
    )  # fmt: skip


def fact_dict(fact: Fact) -> dict[str, Any]:
    """A fact as JSON keeps it."""
    return {**fact.__dict__, "words": list(fact.words)}


def newest(files: list[str], name: str) -> str:
    """The last of the files with this name; later messages come later. Raises WrongInput when there is none."""
    found = [file for file in files if Path(file).name == name]
    if not found:
        raise WrongInput(f"There is no {name} among the files: {', '.join(files) or 'none'}.")
    return found[-1]


def long_date(text: str) -> str:
    """2026-11-09 as 9 November 2026; other texts as they are."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return text
    return f"{day.day} {day:%B %Y}"


def inbox() -> list[str]:
    """Received files, the oldest message first."""

    def order(path: Path) -> tuple[int, str]:
        found = re.match(r"m(\d+)$", path.parts[1])
        return (int(found[1]) if found else 0, path.as_posix())

    return [p.as_posix() for p in sorted(Path("inbox").glob("*/*"), key=order)]


def main(work: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Read arguments, work, print one JSON object."""
    try:
        answer = work(json.load(sys.stdin))
    except WrongInput as error:
        answer = {"ok": False, "error": str(error)}
    except (KeyError, TypeError) as error:
        answer = {"ok": False, "error": f"An argument is missing or has the wrong shape: {error}."}
    print(json.dumps(answer, ensure_ascii=False))
