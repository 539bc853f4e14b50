"""What the scripts share: the document as sentences with places, reviews as they are handed in."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree

LENSES = ("money", "customer", "operations", "risk", "clarity")
STANCES = ("support", "object", "ask")
VERDICTS = {"go": "go ahead", "changes": "go ahead after changes", "no": "do not do it like this"}
WEIGHTS = ("high", "medium", "low")
TEXT = "document.txt"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_SPELLING = str.maketrans("“”„’‘\u00a0", '"""\'\' ')


class WrongInput(Exception):
    """Input that cannot be used; the message says what and where."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of the document: number from 1, offsets into the text, the heading above it."""

    number: int
    start: int
    end: int
    text: str
    heading: str


def main(work: Callable[[dict[str, Any]], dict[str, Any]]) -> NoReturn:
    """Runs a script's work on the arguments from standard input and prints one JSON object."""
    try:
        answer = {"ok": True, "files": [], "figures": [], "findings": [], "checks": []}
        answer |= work(json.loads(sys.stdin.read() or "{}"))
    except WrongInput as wrong:
        answer = {"ok": False, "error": str(wrong)}
    print(json.dumps(answer, ensure_ascii=False))
    sys.exit(0)


def words_of(place: Path) -> str:
    """A document's text: Markdown and text as they are, Word and PDF by what they say."""
    if not place.is_file():
        raise WrongInput(f"There is no file {place}.")
    data = place.read_bytes()
    try:
        if data[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(place) as package:
                root = ElementTree.fromstring(package.read("word/document.xml"))
            lines = ("".join(t.text or "" for t in p.iter(_W + "t")) for p in root.iter(_W + "p"))
            return "\n".join(lines)
        if data[:4] == b"%PDF":
            from pypdf import PdfReader

            return "\n".join(page.extract_text() for page in PdfReader(place).pages)
    except (KeyError, zipfile.BadZipFile, ElementTree.ParseError) as error:
        raise WrongInput(f"{place.name} cannot be read: {error}.") from error
    return data.decode("utf-8", "replace")


def sentences(text: str) -> list[Sentence]:
    """The sentences in order; headings are no sentences."""
    found: list[Sentence] = []
    heading, at = "", 0
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        if re.match(r"#{1,6}\s", bare):
            heading = bare.lstrip("# ").strip()
        elif bare:
            for part in re.finditer(r"\S.*?(?:[.!?](?=\s)|$)", line, re.MULTILINE):
                found.append(Sentence(len(found) + 1, at + part.start(), at + part.end(), part[0].strip(), heading))
        at += len(line)
    return found


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text.translate(_SPELLING)).strip()


def located(quote: str, known: list[Sentence]) -> list[int]:
    """The numbers of the sentences that a quote stands in; none when it does not stand there."""
    whole, starts = "", []
    for sentence in known:
        starts.append(len(whole))
        whole += squeezed(sentence.text) + " "
    wanted = squeezed(quote)
    start = whole.find(wanted) if wanted else -1
    if start < 0:
        return []
    end = start + len(wanted)
    return [s.number for s, at in zip(known, starts, strict=True) if at < end and at + len(squeezed(s.text)) > start]


def read_review(place: Path) -> dict[str, Any]:
    """A review as handed in. Raises WrongInput naming what is missing."""
    try:
        review: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        points = list(review["points"])
        wrong = [f"lens {review['lens']!r}" for _ in (0,) if review["lens"] not in LENSES]
        wrong += [f"verdict {review['verdict']!r}" for _ in (0,) if review["verdict"] not in VERDICTS]
        for number, point in enumerate(points, start=1):
            wrong += [
                f"point {number}: no {k}" for k in ("quote", "point", "advice") if not str(point.get(k, "")).strip()
            ]
            wrong += [
                f"point {number}: stance {point.get('stance')!r}" for _ in (0,) if point.get("stance") not in STANCES
            ]
            wrong += [
                f"point {number}: weight {point.get('weight')!r}" for _ in (0,) if point.get("weight") not in WEIGHTS
            ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WrongInput(f"{place} is no review: {error!r}.") from error
    if wrong:
        raise WrongInput(f"{place}: {'; '.join(wrong[:6])}.")
    return review
