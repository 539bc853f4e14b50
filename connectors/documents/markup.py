"""HTML, also with inline XBRL, as the text a reader sees: blocks on lines, cells by tabs, hidden parts left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from connectors.errors import TooLarge, Unreadable

_SPACE = re.compile(r"[\s\u00a0\u200b\ufeff]+")
_SILENT = frozenset({
    "head", "script", "style", "template", "noscript", "svg", "math", "object", "iframe", "canvas", "audio", "video",
    "select", "datalist", "ix:header",
})  # fmt: skip
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "div", "dl",
    "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr",
    "legend", "li", "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead",
    "tr", "ul",
})  # fmt: skip
_SPACED = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "p", "blockquote", "pre"})  # a blank line stands before them
_HIDDEN = re.compile(
    r"(?i)(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:px|pt|em)?\s*(?:;|$))"
)
_PAGE_BEFORE = re.compile(r"(?i)(?:^|;)\s*(?:page-)?break-before\s*:\s*(?:always|page)")
_PAGE_AFTER = re.compile(r"(?i)(?:^|;)\s*(?:page-)?break-after\s*:\s*(?:always|page)")
_LONG_CELL = 400  # characters from which a cell is a column of prose and not a figure or label
_WIDEST = 100  # columns of one cell: no table is wider, and a text of tabs must not grow out of a few words
# signs that typesetters put into cells of their own although they belong to the number beside them
_LEADS = re.compile(r"[$€£¥(]|[$€£¥]\s?\(|\([$€£¥]")
_TAILS = re.compile(r"\)|%|\)\s?%|%\s?\)")


@dataclass(frozen=True)
class Mark:
    """An element of inline XBRL and the stretch of text that it tags; start == end when it shows nothing."""

    tag: str  # local name in lower case: nonfraction, nonnumeric, continuation, …
    attributes: dict[str, str]  # names in lower case, as the parser gives them
    start: int
    end: int
    element: object  # the node, to look around in the header


@dataclass
class _Writer:
    """Collects text; separators wait until something follows them, so offsets never point at blanks."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    last: str = ""  # last character written
    separator: str = ""
    tabs: int = 0  # cells that ended since the last word of the row
    owed: int = 0  # tabs of cells that were joined to the one before

    def separate(self, wish: str) -> None:
        """Keeps the strongest separator of those asked for since the last word."""
        order = ("", " ", "\t", "\n", "\n\n", "\f")
        if order.index(wish) > order.index(self.separator):
            self.separator = wish

    def cell(self, columns: int) -> None:
        """A cell of so many columns ends; empty ones count, so that a figure stays in its column."""
        self.tabs += columns

    def join(self) -> None:
        """What follows belongs to the word before: the tabs between them stand behind it."""
        self.owed, self.tabs, self.separator = self.owed + self.tabs, 0, ""

    def line(self) -> None:
        """A row or a line ends."""
        self.tabs = self.owed = 0

    def write(self, words: str) -> int:
        """Writes words behind the waiting separator and returns their offset."""
        between = self.separator if self.length or self.separator == "\f" else ""
        if self.tabs:
            between = between.strip(" \t") + "\t" * (self.tabs + self.owed)
            self.tabs = self.owed = 0
        if between:
            self.parts.append(between)
            self.length += len(between)
        self.separator = ""
        start = self.length
        self.parts.append(words)
        self.length += len(words)
        self.last = words[-1]
        return start


def parse(name: str, text: str) -> etree._Element:
    """The tree of an HTML text; entities of a document type are not expanded and nothing is fetched."""
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True, recover=True
    )
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.LxmlError, ValueError) as error:
        if getattr(error, "code", None) == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from error
        raise Unreadable(f"{name} is not readable HTML: {error}.", name=name) from error
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):  # the rest would be missing
        raise TooLarge(f"{name} is HTML nested too deep to be read whole.", name=name)
    if root is None:
        raise Unreadable(f"{name} is not readable HTML.", name=name)
    return root


def text_of(root: etree._Element) -> tuple[str, tuple[Mark, ...]]:
    """The text a reader sees, and the inline XBRL elements with their offsets in it."""
    return _Walk(root).run()


@dataclass
class _Walk:
    root: etree._Element
    out: _Writer = field(default_factory=_Writer)
    marks: list[Mark] = field(default_factory=list)
    _open: list[list[int | None]] = field(default_factory=list)  # start and end of the open ix elements
    _cells: list[bool] = field(default_factory=list)  # whether the open cells hold one line
    _before: str = ""  # the cell before
    _pre: int = 0

    def run(self) -> tuple[str, tuple[Mark, ...]]:
        walk = etree.iterwalk(self.root, events=("start", "end"))
        for event, element in walk:
            tag = element.tag if isinstance(element.tag, str) else ""
            if event == "start":
                if self._silent(tag, element):
                    walk.skip_subtree()
                    continue
                self._begin(tag, element)
                self._words(element.text)
            else:
                if not self._silent(tag, element):
                    self._finish(tag, element)
                if element is not self.root:
                    self._words(element.tail)
        return "".join(self.out.parts), tuple(self.marks)

    def _silent(self, tag: str, element: etree._Element) -> bool:
        if not tag or tag in _SILENT or element.get("hidden") is not None:
            return True
        style = element.get("style")
        return bool(style and _HIDDEN.search(style))

    def _begin(self, tag: str, element: etree._Element) -> None:
        self._page(_PAGE_BEFORE, element)
        if tag in _BLOCKS:
            self._break("\n\n" if tag in _SPACED else "\n")
            self._pre += tag == "pre"
        elif tag == "br":
            self._break("\n")
        elif tag in ("td", "th"):
            if not self.out.tabs and self.out.separator in ("", " "):
                self.out.separate("\t")
            whole = _beginning(element)
            one_line = len(whole) <= _LONG_CELL and element.find(".//table") is None
            self._cells.append(one_line)
            words = _SPACE.sub(" ", whole).strip()
            led = words and words != self._before and _LEADS.fullmatch(self._before)
            if self.out.separator in ("", " ", "\t") and (led or _TAILS.fullmatch(words)):
                self.out.join()
            self._before = words or self._before
        elif tag.startswith("ix:"):
            self._open.append([None, None])

    def _finish(self, tag: str, element: etree._Element) -> None:
        if tag in _BLOCKS:
            self._break("\n\n" if tag in _SPACED else "\n")
            self._pre -= tag == "pre"
        elif tag in ("td", "th"):
            one_line = self._cells.pop() if self._cells else True
            if one_line or self.out.separator in ("", " ", "\t"):
                self.out.cell(_columns(element))
        elif tag.startswith("ix:") and self._open:
            start, end = self._open.pop()
            at = self.out.length if start is None else start
            attributes = {str(key).lower(): str(value) for key, value in element.attrib.items()}
            self.marks.append(Mark(tag[3:], attributes, at, at if end is None else end, element))
        self._page(_PAGE_AFTER, element)

    def _break(self, wish: str) -> None:
        inside = bool(self._cells) and self._cells[-1]
        self.out.separate(" " if inside else wish)
        if not inside:
            self.out.line()

    def _page(self, pattern: re.Pattern[str], element: etree._Element) -> None:
        style = element.get("style")
        if style and not self._cells and pattern.search(style):
            self.out.separate("\f")

    def _words(self, text: str | None) -> None:
        if not text:
            return
        for piece, gap in _pieces(text, lines=self._pre > 0):
            if not piece:
                self.out.separate(gap)
                continue
            start = self.out.write(piece)
            for span in self._open:
                span[0] = start if span[0] is None else span[0]
                span[1] = self.out.length
        return


def _columns(cell: etree._Element) -> int:
    """How many columns a cell takes."""
    span = str(cell.get("colspan") or "").strip()
    return min(max(int(span), 1), _WIDEST) if span.isascii() and span.isdigit() and len(span) < 5 else 1


def _beginning(element: etree._Element) -> str:
    """The element's text as far as it decides whether this is a short cell."""
    text = ""
    for piece in element.itertext():
        text += piece[: _LONG_CELL + 1]
        if len(text) > _LONG_CELL:
            break
    return text


def _pieces(text: str, *, lines: bool) -> Iterator[tuple[str, str]]:
    """Words with their single blanks inside, and the gaps around them; in preformatted text lines stay lines."""
    if lines:
        for at, line in enumerate(re.split(r"\r\n|[\n\r]", text)):
            if at:
                yield "", "\n"
            if line.strip():
                yield line.rstrip().replace("\f", " "), ""
        return
    words = _SPACE.sub(" ", text)
    if words.startswith(" "):
        yield "", " "
    if words.strip():
        yield words.strip(), ""
        if words.endswith(" "):
            yield "", " "
