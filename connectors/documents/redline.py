"""Proposed changes as tracked changes in a Word file, small enough for a lawyer to read, each with its reason."""

from __future__ import annotations

import copy
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import SequenceMatcher
from itertools import pairwise

from lxml import etree

from connectors.documents.blank import blank_docx
from connectors.documents.comments import Comments
from connectors.documents.document import Document, from_text
from connectors.documents.quotes import CUT, Found, find, plain_spelling
from connectors.documents.wordfile import View, W, atoms, lines_of, open_package
from connectors.errors import Misplaced, Unreadable

_TOKEN = re.compile(r"\n|[^\S\n]+|\d+(?:[.,]\d+)*|\w+(?:['’]\w+)*|[^\w\s]")
_ALIKE = 0.4  # share of kept words below which a passage is replaced as a whole: fragments read worse
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


@dataclass(frozen=True)
class Change:
    """Words of the original and what shall stand in their place."""

    quote: str  # verbatim, once in the document
    new: str  # "" deletes; a line break begins a new paragraph
    reason: str = ""  # becomes a comment beside the change
    at: str = ""  # label of the passage, for words that stand in several places


def redline(
    original: bytes | str, changes: Sequence[Change], author: str, date: datetime, name: str = "document"
) -> bytes:
    """A DOCX in which the changes are tracked under this author and date; all else is as it was.

    `original` is a DOCX or plain text, which becomes a clean one. Raises Misplaced for a change whose words are not
    there, stand there several times, or overlap with another change; Unreadable (or Encrypted) for a damaged file.
    """
    data = blank_docx(original) if isinstance(original, str) else original
    package = open_package(name, data)
    part = package.main
    root = package.xml(part)
    body = root.find(W + "body")
    if body is None:
        raise Unreadable(f"{name} is a damaged Word file: it has no body.", name=name)
    text = _Text(body)
    placed = _placed(text.document(name), changes)
    pen = _Pen(author, _stamp(date), _free_id(root), Comments(package, part, author, _stamp(date)))
    for start, end, change in reversed(placed):  # from the end, so that the offsets before stay true
        _apply(text, pen, start, end, change)
    package.parts[part] = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
    pen.comments.save()
    return package.packed()


def accepted(data: bytes, name: str = "document") -> str:
    """The text of a DOCX with all tracked changes accepted; a line per paragraph and per table row."""
    return _view(name, data, "accepted")


def rejected(data: bytes, name: str = "document") -> str:
    """The same with all tracked changes rejected."""
    return _view(name, data, "rejected")


def _view(name: str, data: bytes, view: View) -> str:
    package = open_package(name, data)
    body = package.xml(package.main).find(W + "body")
    return "" if body is None else "\n".join(lines_of(body, view))


@dataclass
class _Pen:
    """Who writes, when, and with which numbers."""

    author: str
    date: str
    next_id: int
    comments: Comments

    def mark(self, tag: str) -> etree._Element:
        """A new tracked-change element."""
        self.next_id += 1
        return etree.Element(W + tag, {W + "id": str(self.next_id), W + "author": self.author, W + "date": self.date})


@dataclass
class _Text:
    """The body as one text, a line per paragraph or table row as it is read, with the paragraph of every offset."""

    body: etree._Element
    paragraphs: list[etree._Element] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        parts: list[str] = []
        at = 0
        for paragraph in self.body.iter(W + "p"):
            if next(paragraph.iterancestors(W + "txbxContent"), None) is not None:
                continue
            words = "".join(text for _, text in _spots(paragraph)).replace("\f", "\n")
            if next(paragraph.iterancestors(W + "tc"), None) is not None:
                words = words.replace("\n", " ")
            if self.paragraphs:
                parts.append(_between(self.paragraphs[-1], paragraph))
                at += 1
            self.paragraphs.append(paragraph)
            self.starts.append(at)
            parts.append(words)
            at += len(words)
        self.text = "".join(parts)

    def document(self, name: str) -> Document:
        """The text for searching."""
        return from_text(name, self.text, "docx")

    def paragraph(self, offset: int) -> tuple[etree._Element, int]:
        """The paragraph of an offset, and the offset in it."""
        at = bisect_right(self.starts, offset) - 1
        return self.paragraphs[at], offset - self.starts[at]


def _between(before: etree._Element, after: etree._Element) -> str:
    """What separates two paragraphs in the text: a line, or within a table's row a tab or a blank."""
    one, other = (next(paragraph.iterancestors(W + "tc"), None) for paragraph in (before, after))
    if one is None or other is None or one.getparent() is not other.getparent():
        return "\n"
    return " " if one is other else "\t"


def _placed(document: Document, changes: Sequence[Change]) -> list[tuple[int, int, Change]]:
    """Where each change goes, in order."""
    placed = []
    for change in changes:
        found = find(document, change.quote, change.at or None)
        if found is None or found.how == CUT or len(found.pieces) > 1:
            raise Misplaced(f"The words “{_short(change.quote)}” are not in {document.name}.", quote=change.quote)
        if _again(document, change.quote, found) and not (change.at and found.at_place):
            raise Misplaced(
                f"The words “{_short(change.quote)}” stand in {document.name} more than once: quote more.",
                quote=change.quote,
                places=2,
            )
        placed.append((*_whole_lines(document.text, found, change), change))
    placed.sort(key=lambda place: place[:2])
    for before, after in pairwise(placed):
        if after[0] < before[1]:
            raise Misplaced(
                f"The changes of “{_short(before[2].quote)}” and “{_short(after[2].quote)}” overlap.",
                quote=after[2].quote,
                places=1,
            )
    return placed


def _whole_lines(text: str, found: Found, change: Change) -> tuple[int, int]:
    """The span with the line breaks that the quote begins or ends with; a deleted line leaves no empty one."""
    start, end, quote = found.start, found.end, change.quote
    lead, tail = quote[: len(quote) - len(quote.lstrip())], quote[len(quote.rstrip()) :]
    start -= len(lead) if lead and text[:start].endswith(lead) else 0
    end += len(tail) if tail and text.startswith(tail, end) else 0
    alone = (start == 0 or text[start - 1] == "\n") and text.startswith("\n", end)
    return start, end + (not change.new and alone)


def _again(document: Document, quote: str, found: Found) -> bool:
    length = len(document.text)
    others = (
        find(document, quote, within=(0, found.end - 1)),
        find(document, quote, within=(found.start + 1, length)),
    )
    return any(other is not None and other.how != CUT and len(other.pieces) == 1 for other in others)


def _apply(text: _Text, pen: _Pen, start: int, end: int, change: Change) -> None:
    """Tracks one change, its comment around it."""
    edits = list(_edits(text.text[start:end], change))
    touched: list[etree._Element] = []
    for first, last, new in reversed(edits):
        touched[:0] = _edit(text, pen, start + first, start + last, new)
    if change.reason:
        beside = touched or _runs_beside(text, start, end)
        if beside:
            pen.comments.add(change.reason, beside[0], beside[-1])


def _runs_beside(text: _Text, start: int, end: int) -> list[etree._Element]:
    """The runs at start..end within one paragraph, for a comment on words that stay or on a paragraph's end."""
    paragraph, inner = text.paragraph(start)
    last = min(inner + end - start, len("".join(words for _, words in _spots(paragraph))))
    _split_at(paragraph, inner)
    _split_at(paragraph, last)
    return list(_runs_between(paragraph, inner, last)) or list(_runs_between(paragraph, 0, last))[-1:]


def _edits(old: str, change: Change) -> Iterator[tuple[int, int, str]]:
    """Stretches of the old text with what replaces them, word by word; words with only blanks between go together."""
    tokens, wanted = _TOKEN.findall(old), _TOKEN.findall(change.new)
    flat = "\n" not in change.quote.strip()  # the quote wrote its paragraphs on one line, so does the new text
    keys = [" " if flat and token == "\n" else _key(token) for token in tokens]
    offsets = [0]
    for token in tokens:
        offsets.append(offsets[-1] + len(token))
    steps = SequenceMatcher(None, keys, [_key(t) for t in wanted], autojunk=False).get_opcodes()
    kept = sum(1 for kind, a, b, _, _ in steps if kind == "equal" for token in tokens[a:b] if token[0].isalnum())
    words = sum(1 for token in tokens if token[0].isalnum())
    if wanted and "\n" not in old and kept < words * _ALIKE:
        steps = [("replace", 0, len(tokens), 0, len(wanted))]
    joined: list[list[int]] = []
    for kind, a, b, c, d in steps:
        if kind == "equal":
            continue
        if joined and all(token.isspace() and token != "\n" for token in tokens[joined[-1][1] : a]):
            joined[-1][1], joined[-1][3] = b, d
        else:
            joined.append([a, b, c, d])
    for a, b, c, d in joined:
        yield offsets[a], offsets[b], "".join(wanted[c:d])


def _key(token: str) -> str:
    return token if token == "\n" else " " if token.isspace() else plain_spelling(token)


def _edit(text: _Text, pen: _Pen, start: int, end: int, new: str) -> list[etree._Element]:
    """Deletes start..end and inserts the new words behind; the elements made, in order."""
    inserted: list[etree._Element] = []
    lines = new.split("\n") if new else []
    for number in range(len(lines) - 1, -1, -1):
        if number < len(lines) - 1:
            _break(text, pen, end)
        if lines[number]:
            inserted.insert(0, _insert(text, pen, end, lines[number]))
    deleted: list[etree._Element] = []
    at = end
    while at > start:
        paragraph, inner = text.paragraph(at)
        if inner == 0:  # the end of the paragraph before
            before, _ = text.paragraph(at - 1)
            if before.getparent() is paragraph.getparent():  # not the wall between two cells
                _mark_end(before, pen.mark("del"))
            at -= 1
            continue
        first = max(0, inner - (at - start))
        deleted = _delete(paragraph, pen, first, inner) + deleted
        at -= inner - first
    return deleted + inserted


def _delete(paragraph: etree._Element, pen: _Pen, first: int, last: int) -> list[etree._Element]:
    """Marks first..last of a paragraph as deleted."""
    _split_at(paragraph, first)
    _split_at(paragraph, last)
    made: list[etree._Element] = []
    for run in _runs_between(paragraph, first, last):
        parent = run.getparent()
        neighbour = run.getprevious()
        if made and neighbour is made[-1]:
            neighbour.append(run)
        else:
            mark = pen.mark("del")
            parent.replace(run, mark)
            mark.append(run)
            made.append(mark)
        for words in run.iter(W + "t"):
            words.tag = W + "delText"
    return made


def _insert(text: _Text, pen: _Pen, at: int, words: str) -> etree._Element:
    """Puts words at an offset, formatted like the words before them."""
    paragraph, inner = text.paragraph(at)
    _split_at(paragraph, inner)
    before = list(_runs_between(paragraph, 0, inner))
    after = [] if before else list(_runs_between(paragraph, 0, 1 << 60))
    model = (before[-1:] or after[:1] or [None])[0]
    mark = pen.mark("ins")
    run = etree.SubElement(mark, W + "r")
    shape = model.find(W + "rPr") if model is not None else None
    if shape is not None:
        run.append(copy.deepcopy(shape))
    _fill(run, words)
    if before:
        _behind(before[-1], mark)
    elif after:
        outer = after[0]
        while outer.getparent().tag in (W + "ins", W + "del"):
            outer = outer.getparent()
        outer.addprevious(mark)
    else:
        head = paragraph.find(W + "pPr")
        paragraph.insert(0 if head is None else 1, mark)
    return mark


def _behind(run: etree._Element, mark: etree._Element) -> None:
    """Puts an insertion behind a run, outside of other tracked changes, which are split there."""
    place = run
    while place.getparent().tag in (W + "ins", W + "del"):
        outer = place.getparent()
        rest = list(place.itersiblings())
        if rest:
            second = etree.Element(outer.tag, dict(outer.attrib))
            outer.addnext(second)
            second.extend(rest)
        place = outer
    place.addnext(mark)


def _break(text: _Text, pen: _Pen, at: int) -> None:
    """Begins a new paragraph at an offset; the first half is the inserted one, so rejecting it restores the rest."""
    paragraph, inner = text.paragraph(at)
    _split_at(paragraph, inner)
    first = etree.Element(W + "p")
    head = paragraph.find(W + "pPr")
    if head is not None:
        shape = copy.deepcopy(head)
        for only_once in ("sectPr", "pPrChange"):
            for element in shape.findall(W + only_once):
                shape.remove(element)
        for mark in [*shape.iterfind(f"{W}rPr/{W}ins"), *shape.iterfind(f"{W}rPr/{W}del")]:
            mark.getparent().remove(mark)  # what happened to the end of the paragraph stays with its end
        first.append(shape)
    runs = list(_runs_between(paragraph, 0, inner))
    if runs:
        last = runs[-1]
        while last.getparent() is not paragraph:
            last = last.getparent()
        moved = [child for child in paragraph if child is not head]
        for child in moved[: moved.index(last) + 1]:
            first.append(child)
    paragraph.addprevious(first)
    _mark_end(first, pen.mark("ins"))
    number = bisect_right(text.starts, at) - 1
    text.paragraphs[number] = first
    text.paragraphs.insert(number + 1, paragraph)
    text.starts.insert(number + 1, at + 1)
    # what stands behind is done already, and what stands before keeps its offsets


def _mark_end(paragraph: etree._Element, mark: etree._Element) -> None:
    """Marks the end of a paragraph as inserted or deleted."""
    head = paragraph.find(W + "pPr")
    if head is None:
        head = etree.Element(W + "pPr")
        paragraph.insert(0, head)
    shape = head.find(W + "rPr")
    if shape is None:
        shape = etree.Element(W + "rPr")
        later = next((child for child in head if child.tag in (W + "sectPr", W + "pPrChange")), None)
        head.append(shape) if later is None else later.addprevious(shape)
    shape.insert(1 if len(shape) and shape[0].tag == W + "ins" else 0, mark)


def _spots(paragraph: etree._Element) -> Iterator[tuple[etree._Element, str]]:
    """The elements with the paragraph's own text, without text boxes."""
    for element, text in atoms(paragraph, "accepted"):
        if element.tag != W + "txbxContent" and next(element.iterancestors(W + "p")) is paragraph:
            yield element, text


def _split_at(paragraph: etree._Element, offset: int) -> None:
    """Splits the run in which this offset lies, so that a run begins there."""
    at = 0
    for element, text in list(_spots(paragraph)):
        if at == offset and element.getprevious() is not None and _holds_text_before(element):
            _split_run(element)
        if at < offset < at + len(text):
            second = etree.Element(W + "t")
            _set(second, text[offset - at :])
            _set(element, text[: offset - at])
            element.addnext(second)
            _split_run(second)
            return
        at += len(text)


def _holds_text_before(element: etree._Element) -> bool:
    return any(sibling.tag != W + "rPr" for sibling in element.itersiblings(preceding=True))


def _split_run(element: etree._Element) -> None:
    """Begins a new run of the same format with this element."""
    run = element.getparent()
    second = etree.Element(W + "r")
    shape = run.find(W + "rPr")
    if shape is not None:
        second.append(copy.deepcopy(shape))
    for child in [element, *element.itersiblings()]:
        second.append(child)
    run.addnext(second)


def _runs_between(paragraph: etree._Element, first: int, last: int) -> Iterator[etree._Element]:
    """The runs whose text lies within first..last; runs are split there before."""
    at = 0
    seen = None
    for element, text in list(_spots(paragraph)):
        run = element.getparent()
        if text and at >= first and at + len(text) <= last and run is not seen:
            seen = run
            yield run
        at += len(text)


def _fill(run: etree._Element, words: str) -> None:
    for piece in re.split(r"(\t)", words):
        if piece == "\t":
            etree.SubElement(run, W + "tab")
        elif piece:
            _set(etree.SubElement(run, W + "t"), piece)


def _set(element: etree._Element, words: str) -> None:
    element.text = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", " ", words)
    element.set(_SPACE, "preserve")


def _free_id(root: etree._Element) -> int:
    used = (element.get(W + "id") for element in root.iter() if isinstance(element.tag, str))
    return max((int(number) for number in used if number and number.lstrip("-").isdigit()), default=0)


def _stamp(date: datetime) -> str:
    return date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _short(words: str) -> str:
    flat = " ".join(words.split())
    return flat if len(flat) <= 80 else flat[:77] + "…"
