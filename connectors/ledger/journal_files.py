"""The journals of a folder as text: which files they are, what they include, and their blocks of lines."""

import contextlib
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors.documents.tables import MAX_BYTES, DocumentError, decode_text, unpacked
from connectors.ledger.lines import LedgerError

ENDINGS = (".journal", ".ledger", ".hledger", ".journal.gz", ".ledger.gz", ".hledger.gz")
OPEN_ENDINGS = (".dat", ".dat.gz")  # anybody's: the text decides
LOOKED_AT = 1 << 16
LIKE_A_JOURNAL = re.compile(
    r"^(?:[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}[=\s].*\n[ \t]+[^\s;]|(?:include|account|commodity)[ \t]+\S)", re.M
)
MOST_LETTERS = 10_000  # of a line
MOST_LINES = 1_000_000  # of a file
COMMENT = tuple(";#%|*")


@dataclass(frozen=True, slots=True)
class Block:
    """A line at the margin and the indented lines below it, each with its number."""

    at: int
    head: str
    body: tuple[tuple[int, str], ...]


def is_journal(path: Path) -> bool:
    """Whether a file is named like a journal of ledger or hledger, or reads like one where its name says nothing."""
    name = path.name.lower()
    if not name.endswith(OPEN_ENDINGS):
        return name.endswith(ENDINGS)
    try:
        with path.open("rb") as file:
            data = file.read(LOOKED_AT)
        if data[:2] == b"\x1f\x8b":
            data = zlib.decompressobj(wbits=31).decompress(data, LOOKED_AT)
    except (OSError, zlib.error):
        return False
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")
    return "\0" not in text and LIKE_A_JOURNAL.search(text.replace("\r\n", "\n")) is not None


def blocks(text: str, name: str) -> Iterator[Block]:
    """The blocks of a text without its comments. Raises LedgerError for lines that belong to nothing."""
    head: tuple[int, str] | None = None
    body: list[tuple[int, str]] = []
    until = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > MOST_LETTERS:
            raise LedgerError(f"{name}, line {number} is longer than {MOST_LETTERS:,} letters and was not read.")
        if number > MOST_LINES:
            raise LedgerError(f"{name} has more than {MOST_LINES:,} lines and was not read.")
        line = line.rstrip()
        if until:
            until = "" if line == until else until
        elif line[:1] in (" ", "\t"):
            if head:
                body.append((number, line))
            elif not line.lstrip().startswith(";"):
                raise LedgerError(
                    f"{name}, line {number}: “{line.strip()[:40]}” is indented but belongs to nothing; "
                    "expected is an entry's date above it, without a blank line between."
                )
        else:
            if head:
                yield Block(*head, tuple(body))
            head, body = None, []
            if (word := line.split(maxsplit=1)[0] if line else "") in ("comment", "test"):
                until = f"end {word}"
            elif line and not line.startswith(COMMENT):
                head = number, line
    if head:
        yield Block(*head, tuple(body))


class Files:
    """Text and names of the files in a folder, each read once; nothing outside the folder is opened by an include."""

    def __init__(self, root: Path, found: Iterable[Path]) -> None:
        """`found` are the journals of the folder."""
        self._root = root.resolve()
        self._texts: dict[Path, str] = {}
        self._names: dict[Path, str] = {}
        for path in found:
            self._names.setdefault(path.resolve(), path.relative_to(root).as_posix())

    def name(self, path: Path) -> str:
        """How messages name a file."""
        return self._names.get(path) or path.relative_to(self._root).as_posix()

    def text(self, path: Path) -> str:
        """The text of a file, unpacked where it is compressed. Raises LedgerError."""
        if path not in self._texts:
            name = self.name(path)
            try:
                with path.open("rb") as file:
                    data = unpacked(file.read(MAX_BYTES + 1), name)
                if len(data) > MAX_BYTES:
                    raise LedgerError(f"{name} is larger than {MAX_BYTES // 1024 // 1024} MB and was not read.")
                text = decode_text(data, name)
            except OSError as error:
                raise LedgerError(f"{name} could not be read: {error.strerror}.") from error
            except (DocumentError, UnicodeDecodeError) as error:
                wrong = isinstance(error, UnicodeDecodeError)
                raise LedgerError(f"{name} is not a text file and was not read." if wrong else str(error)) from error
            if "\0" in text:
                at = text.count("\n", 0, text.index("\0")) + 1
                raise LedgerError(f"{name}, line {at} holds a NUL byte; expected is plain text, so it was not read.")
            self._texts[path] = text.replace("\r\n", "\n")
        return self._texts[path]

    def included(self, path: Path, written: str, place: str) -> Path:
        """The file that an include names. Raises LedgerError."""
        name = written.strip().strip("\"'")
        if set(name) & set("*?[]{}"):
            raise LedgerError(
                f"{place}: “{name[:80]}” is a pattern; expected is an include for each file by its name."
            )
        try:
            target = (path.parent / name).resolve()
            if not target.is_relative_to(self._root):
                raise LedgerError(
                    f"{place}: “{name[:80]}” lies outside the ledger's folder; only files inside are included."
                )
            there = bool(name) and target.is_file()
        except (OSError, RuntimeError):  # a name too long, links in a circle
            there = False
        if not there:
            raise LedgerError(f"{place}: there is no file “{name[:80]}” to include.")
        return target

    def roots(self) -> list[Path]:
        """The journals that no other includes; of those in a circle the first, so that it is told."""
        found = sorted(self._names, key=self.name)
        graph: dict[Path, list[Path]] = {}
        waiting = list(found)
        while waiting:
            if (path := waiting.pop()) not in graph:
                graph[path] = self._includes(path)
                waiting += graph[path]
        inner = {target for targets in graph.values() for target in targets}
        roots, reached = [], set[Path]()
        for path in sorted(found, key=lambda path: path in inner):
            if path in reached:
                continue
            roots.append(path)
            waiting = [path]
            while waiting:
                if (path := waiting.pop()) not in reached:
                    reached.add(path)
                    waiting += graph[path]
        return roots

    def _includes(self, path: Path) -> list[Path]:
        """What a file includes, as far as it can be read: what is wrong with it is told when it is read in full."""
        found: list[Path] = []
        with contextlib.suppress(LedgerError):
            for block in blocks(self.text(path), self.name(path)):
                if block.head.split(maxsplit=1)[0] == "include":
                    with contextlib.suppress(LedgerError):
                        found.append(self.included(path, block.head[len("include") :], ""))
        return found
