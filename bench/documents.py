"""Reads every real document of the shared data behind walls, and counts that nothing is lost: `make bench-documents`.

A document is accounted for when each of its lines that is not blank (each filled cell of a table, each value of a
JSON file) stands in a passage with a place, or when the reader says in words what it did not read.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import re
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.documents import confined
from connectors.documents.document import Document
from connectors.errors import Unreadable

DATA = Path(__file__).parents[1].parent / "shared" / "data"
LEFT_OUT = ("labels", "facts", "ties", "disclosures", "chat/", "slack-payloads", "LICENSE", "README", "categories")


@dataclass(frozen=True)
class Read:
    """How one document came out."""

    group: str
    name: str
    lines: int
    found: int
    places: int
    said: str = ""  # why it was not read


def documents() -> Iterator[tuple[str, str, bytes]]:
    """Group, name and bytes of each document; archives of documents are opened, archives of one stay as they are."""
    for path in sorted(DATA.rglob("*")):
        name = str(path.relative_to(DATA))
        if not path.is_file() or any(part in name for part in LEFT_OUT):
            continue
        group = name.split("/")[0]
        if path.suffix == ".zip" and group == "contracts":
            with zipfile.ZipFile(path) as archive:
                for entry in archive.infolist():
                    if not entry.is_dir():
                        yield group, entry.filename, archive.read(entry)
        else:
            yield group, name, path.read_bytes()


def pieces(data: bytes, kind: str) -> list[str]:
    """What must be found again: taken from the bytes without the reader."""
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    text = data.decode("utf-8-sig")
    if kind == "csv":
        first = text.splitlines()[0]
        delimiter = max(",;\t", key=first.count)
        cells = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) for cell in row]
        return [line for cell in cells for line in cell.splitlines()]
    if kind == "json" or (text.lstrip()[:1] in "{[" and kind != "text"):
        return [line for value in _leaves(json.loads(text)) for line in value.splitlines()]
    return text.splitlines()


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, str):
        yield value


def counted(group: str, name: str, data: bytes, document: Document) -> Read:
    """How many of the pieces stand in the passages, white space aside."""
    wanted = Counter(_bare(piece) for piece in pieces(data, document.kind))
    wanted.pop("", None)
    held = _bare("".join(document.text[p.start : p.end] for p in document.passages))
    written = re.sub(r"\\\\[ntrf]", "", held)  # in JSON that is kept as it is written
    lost = Counter({piece: n for piece, n in wanted.items() if piece not in held and not _written(piece, written)})
    if any(sentence.startswith("Beside the transcript") for sentence in document.unread):
        lost.clear()  # it says what it did not read
    return Read(group, name, wanted.total(), wanted.total() - lost.total(), len(document.passages))


def _written(piece: str, held: str) -> bool:
    return any(json.dumps(piece, ensure_ascii=plain)[1:-1] in held for plain in (True, False))


def _bare(text: str) -> str:
    return "".join(text.split())


async def one(group: str, name: str, data: bytes) -> Read:
    try:
        document = await confined.read(name, data)
    except Unreadable as error:
        return Read(group, name, 0, 0, 0, str(error))
    return await asyncio.to_thread(counted, group, name, data, document)


async def main() -> int:
    start = time.monotonic()
    given = list(documents())
    read = await asyncio.gather(*(one(*entry) for entry in given))
    took = time.monotonic() - start
    print(f"{'data':<12}{'documents':>10}{'read':>8}{'lines':>10}{'found':>10}{'places':>10}")
    for group in sorted({entry.group for entry in read}):
        own = [entry for entry in read if entry.group == group]
        done = [entry for entry in own if not entry.said]
        print(
            f"{group:<12}{len(own):>10}{len(done):>8}{sum(e.lines for e in own):>10,}{sum(e.found for e in own):>10,}"
            f"{sum(e.places for e in own):>10,}"
        )
    for entry in read:
        if entry.said:
            print(f"not read: {entry.said}")
        elif entry.found < entry.lines:
            print(f"LOST: {entry.name}: {entry.lines - entry.found} of {entry.lines} lines")
    lines, found = sum(e.lines for e in read), sum(e.found for e in read)
    print(f"{len(read)} documents, {found:,} of {lines:,} lines accounted for ({found / lines:.2%}) in {took:.1f} s")
    return 0 if found == lines and len(read) >= 200 else 1


if __name__ == "__main__":
    if not DATA.is_dir():
        sys.exit(f"There is no {DATA}.")
    sys.exit(asyncio.run(main()))
