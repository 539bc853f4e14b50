"""Finds a quote in the document it is taken from, verbatim, and says where it stands.

Verbatim means: every letter and digit in the same order and case. Free are white space (any run counts as one
blank), soft hyphens and zero-width characters, the style of quote marks and dashes, ligatures, a word hyphenated at
the end of a line, a blank beside a bracket or another sign (not a point, comma or hyphen), and labels such as "[l12]"
copied along. A quote may leave words out where it says so (<omitted>, [...], …, ..., (Page 3)); its pieces must come
in order, or be sentences of their own. A number must stand whole: "5 days" is not found in "15 days". A word may be
cut where somebody marked a letter too few or too many: one letter missing at the beginning, or a last word (or the
number of the next section) that breaks off, with three whole words besides.
"""

from __future__ import annotations

import re
import weakref
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from connectors.documents.document import Anchor, Document
from connectors.documents.windows import unlabelled

EXACT, SPACING, CUT = "exact", "spacing", "cut"

_PLAIN_JOINS = re.compile(r"<\s*omitted\s*>|\[\s*omitted\s*\]|\(Pages?\s+[\d\s,–-]+\)", re.IGNORECASE)
_ALL_JOINS = re.compile(
    rf"{_PLAIN_JOINS.pattern}|\[\s*(?:…|\.{{3,}}|\. \. \.)\s*\]|…|\.{{3,}}|\. \. \.", re.IGNORECASE
)
_INLINE_LABEL = re.compile(r"(?<=\s)\[[lpst]\d+(?:\.\d+)*\] ")
_BREAK = "\ue000"  # stands for a hyphen at the end of a line: part of the word, or not
_SAME = {**dict.fromkeys("“”„‟″«»", '"'), **dict.fromkeys("‘’‚‛′`´", "'"), **dict.fromkeys("‐‑‒–—―−", "-")}
_LONGER = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "…": "..."}
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
_FREE = rf"[\s{_INVISIBLE}]"
# One class of characters first, so that the search runs over everything else at once; what it is stands behind it.
_FOLDED = re.compile(
    rf"[-‐\s{_INVISIBLE}{''.join(_LONGER)}](?:"
    rf"(?P<broken>(?<=[^\W\d_][-‐\u00ad])[ \t{_INVISIBLE}]*\r?\n\s*(?=[^\W\d_]))"
    rf"|(?P<space>(?<= ){_FREE}+|(?<=[^\S ]){_FREE}*|(?<=[{_INVISIBLE}])[{_INVISIBLE}]*\s{_FREE}*)"
    rf"|(?P<drop>(?<=[{_INVISIBLE}])[{_INVISIBLE}]*)|(?P<longer>(?<=[{''.join(_LONGER)}])))"
)
_SECTION = re.compile(r"[.;:] \d{1,2}(?:\.\d{1,2})+\.? [^\W\d_]")  # where a section begins, with its number
SENTENCE = 8  # words from which a piece is a quotation of its own
PIECE = 5  # words from which a piece carries others


@dataclass(frozen=True)
class Piece:
    """A stretch of the document's text that a quote, or one piece of it, stands for."""

    start: int  # offsets into Document.text
    end: int
    first: Anchor
    last: Anchor


@dataclass(frozen=True)
class Found:
    """Where a quote stands."""

    pieces: tuple[Piece, ...]  # in the quote's order
    how: str  # "exact", "spacing" (only what the rule leaves free differs) or "cut" (a word at its edge is cut)
    at_place: bool  # a piece stands in the cited passage, or no place was cited

    @property
    def start(self) -> int:
        """Where its first piece begins."""
        return self.pieces[0].start

    @property
    def end(self) -> int:
        """Where its last piece ends."""
        return self.pieces[-1].end

    @property
    def first(self) -> Anchor:
        """The place where it begins."""
        return self.pieces[0].first


def find(
    document: Document,
    quote: str,
    near: Anchor | str | int | None = None,
    within: tuple[int, int] | None = None,
) -> Found | None:
    """The quote's place nearest to `near` (an anchor, its label, or an offset); None when it is not in the text.

    An unknown label counts as a wrong place: the quote is searched everywhere and `at_place` is false. `within` are
    offsets between which it is searched, by default everywhere.
    """
    source = _source(document)
    cited = _cited(document, near)
    wish = cited[0] if cited else None
    for words, exact in _tries(quote):
        spans = source.joined(words, wish, within, exact=exact)
        if spans:
            pieces = tuple(
                Piece(start, end, document.anchor(start), document.anchor(max(start, end - 1)))
                for start, end, _ in spans
            )
            how = max((h for _, _, h in spans), key=(EXACT, SPACING, CUT).index)
            touches = near is None or (
                cited is not None and any(p.start < cited[1] and p.end > cited[0] for p in pieces)
            )
            return Found(pieces, how, touches)
    return None


def _tries(quote: str) -> Iterator[tuple[list[str], bool]]:
    """Ways to read a quote: all of them exactly, and then all with what the rule leaves free."""
    seen = []
    for words in _spellings(quote):
        seen.append(words)
        yield words, True
    for words in seen:
        yield words, False


def _spellings(quote: str) -> Iterator[list[str]]:
    """Ways to read a quote, as its pieces: as it stands, without copied labels, cut where it says so."""
    whole = quote.strip()
    seen = []
    for spelling in (str, _without_labels):
        text = spelling(whole)
        for joins in (None, _PLAIN_JOINS, _ALL_JOINS):
            pieces = [piece.strip() for piece in joins.split(text)] if joins else [text]
            if len(pieces) > 1:
                pieces = [piece for piece in pieces if any(c.isalnum() for c in piece)]
            if any(pieces) and pieces not in seen:
                seen.append(pieces)
                if len(pieces) == 1 or _carried(pieces):
                    yield pieces


def _without_labels(text: str) -> str:
    return _INLINE_LABEL.sub("", unlabelled(text)).strip()


def _carried(pieces: Sequence[str]) -> bool:
    """Whether most words stand in pieces long enough to mean something; single words can be found in any text."""
    counts = [len(piece.split()) for piece in pieces]
    return sum(count for count in counts if count >= PIECE) * 2 >= sum(counts)


def _cited(document: Document, near: Anchor | str | int | None) -> tuple[int, int] | None:
    if near is None:
        return None
    if isinstance(near, int):
        near = document.anchor(near)
    passage = document.passage(near if isinstance(near, str) else near.label)
    return (passage.start, passage.end) if passage else None


def plain_spelling(text: str) -> str:
    """The text as it is compared: blanks, quote marks, dashes and ligatures in one style."""
    return _fold(text)[0]


class _Source:
    """A text made ready for searching: folded once a quote needs it, with the way back to its own offsets."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _fold(self) -> tuple[str, list[int], list[int]]:
        return _fold(self.text)

    @property
    def folded(self) -> str:
        return self._fold[0]

    def joined(
        self, pieces: Sequence[str], wish: int | None, within: tuple[int, int] | None, *, exact: bool = False
    ) -> list[tuple[int, int, str]] | None:
        """Spans of all pieces: in order from the occurrence of the first that is nearest to the wish."""
        if exact and len(pieces) == 1:
            one = self._nearest_exact(pieces[0], wish, within)
            return [one] if one else None
        options = [self.places(piece, within, only_exact=exact) for piece in pieces]
        if not all(options):
            return None
        if len(pieces) == 1:
            return [_nearest(options[0], wish)]
        chains = [chain for first in options[0] if (chain := _chain(first, options[1:]))]
        if chains:
            best = min(chains, key=lambda chain: (chain[-1][1] - chain[0][0], chain[0][0]))
            if wish is not None:
                best = min(chains, key=lambda chain: abs(chain[0][0] - wish))
            return best
        if all(len(piece.split()) >= SENTENCE for piece in pieces):
            return [_nearest(places, wish) for places in options]
        return None

    def places(
        self, piece: str, within: tuple[int, int] | None, *, only_exact: bool = False
    ) -> list[tuple[int, int, str]]:
        """All spans of one piece, of the most exact kind there is."""
        low, high = within or (0, len(self.text))
        exact = [
            (at, at + len(piece), EXACT) for at in _occurrences(self.text, piece, low, high) if self._whole(at, piece)
        ]
        if exact or only_exact:
            return exact
        key = _fold(piece)[0].strip()
        if not key:
            return []
        spans = [(at, at + len(key)) for at in _occurrences(self.folded, key)]
        if not spans:
            spans = [match.span() for match in re.finditer(_breakable(key), self.folded)]
        whole = [(*self._back(a, b), SPACING) for a, b in spans if not _cut_at(self.folded, a, b)]
        whole = [place for place in whole if low <= place[0] and place[1] <= high]
        if whole:
            return whole
        cut = [(*self._back(*grown), CUT) for a, b in spans if (grown := _grown(self.folded, a, b))]
        return [place for place in cut if low <= place[0] and place[1] <= high]

    def _nearest_exact(
        self, piece: str, wish: int | None, within: tuple[int, int] | None
    ) -> tuple[int, int, str] | None:
        """The same as the nearest of `places`, without looking at those that are further away."""
        low, high = within or (0, len(self.text))
        begin = low if wish is None else max(low, wish)
        ahead = next((at for at in _occurrences(self.text, piece, begin, high) if self._whole(at, piece)), None)
        if wish is not None:
            nearer = low if ahead is None else max(low, 2 * wish - ahead)
            at = self.text.rfind(piece, nearer, min(high, begin + len(piece) - 1))
            while at >= 0 and not self._whole(at, piece):
                at = self.text.rfind(piece, nearer, at + len(piece) - 1)
            ahead = at if at >= 0 else ahead
        return None if ahead is None else (ahead, ahead + len(piece), EXACT)

    def _whole(self, at: int, piece: str) -> bool:
        return not _cut_at(self.text, at, at + len(piece))

    def _back(self, start: int, end: int) -> tuple[int, int]:
        return self._at(start), self._at(end - 1, after=True)

    def _at(self, offset: int, *, after: bool = False) -> int:
        """The text's offset of a folded character, or the one right behind it."""
        _, folded_at, text_at = self._fold
        at = bisect_right(folded_at, offset) - 1
        source = text_at[at] + offset - folded_at[at]
        if not after:
            return source
        # a character that stands for several ends where the next segment begins
        following = folded_at[at + 1] if at + 1 < len(folded_at) else None
        return text_at[at + 1] if following == offset + 1 else source + 1


_sources: weakref.WeakKeyDictionary[Document, _Source] = weakref.WeakKeyDictionary()


def _source(document: Document) -> _Source:
    source = _sources.get(document)
    if source is None:
        source = _sources[document] = _Source(document.text)
    return source


def _fold(text: str) -> tuple[str, list[int], list[int]]:
    """The text in plain spelling, and where its segments begin in both."""
    parts: list[str] = []
    folded_at, text_at = [0], [0]
    length = last = 0
    for match in _FOLDED.finditer(text):
        start, end = match.span()
        kind = match.lastgroup
        new = " " if kind == "space" else _BREAK if kind == "broken" else _LONGER.get(text[start:end], "")
        length += start - last
        parts += (text[last:start], new)
        folded_at.append(length)
        text_at.append(start)
        length += len(new)
        last = end
        folded_at.append(length)
        text_at.append(end)
    parts.append(text[last:])
    return _one_style("".join(parts)), folded_at, text_at


def _one_style(text: str) -> str:
    """Quote marks and dashes in one style; each stands for one character, so that offsets stay."""
    for sign, plain in _SAME.items():
        text = text.replace(sign, plain)
    return text


def _occurrences(text: str, piece: str, low: int = 0, high: int | None = None) -> Iterator[int]:
    at = text.find(piece, low, high)
    while at >= 0:
        yield at
        at = text.find(piece, at + 1, high)


def _breakable(key: str) -> str:
    """A pattern that lets a word of the key be hyphenated at the end of a line."""
    out = []
    for at, sign in enumerate(key):
        if sign in ("-", _BREAK):
            out.append(f"(?:- ?|{_BREAK})" if sign == "-" else f"(?:-? ?|{_BREAK})")
            continue
        if at and sign.isalpha() and key[at - 1].isalpha():
            out.append(f"{_BREAK}?")
        elif at and _loose(key[at - 1], sign):
            out.append(" ?")
        if sign == " " and 0 < at < len(key) - 1 and (_is_sign(key[at - 1]) or _is_sign(key[at + 1])):
            out.append(" ?")
        elif not (sign == " " and key[at - 1] == "-"):
            out.append(re.escape(sign))
    return "".join(out)


def _loose(before: str, behind: str) -> bool:
    """Whether a line could break between these two without a blank: beside a sign that is no part of a number."""
    return not before.isspace() and not behind.isspace() and (_is_sign(before) or _is_sign(behind))


def _is_sign(sign: str) -> bool:
    return not sign.isalnum() and not sign.isspace() and sign not in ".,-" and sign != _BREAK


def _cut_at(text: str, start: int, end: int) -> bool:
    """Whether a span begins or ends inside a word or number."""
    return _inside(text, start) or _inside(text, end)


def _inside(text: str, at: int) -> bool:
    """Whether the characters before and behind this offset belong to one word or number."""
    if not 0 < at < len(text):
        return False
    before, behind = text[at - 1], text[at]
    if before == _BREAK or behind == _BREAK:
        return True
    if before.isalnum() and behind.isalnum():
        return True
    if before in ".," and behind.isdigit():
        return at > 1 and text[at - 2].isdigit()
    return before.isdigit() and behind in ".," and at + 1 < len(text) and text[at + 1].isdigit()


def _grown(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The span with the cut words whole, when the rule allows the cut."""
    first, last = start, end
    if _inside(text, start):
        if not (text[start - 1].isalpha() and text[start].isalpha()) or _inside(text, start - 1):
            return None
        first = start - 1
    if _inside(text, end):
        section = _SECTION.match(text, max(0, text.rfind(" ", start, end) - 1))
        while last < len(text) and _inside(text, last):
            if not (section or (text[last - 1].isalpha() and text[last].isalpha())):
                return None
            last += 1
    cut_words = (first < start) + (last > end)
    return (first, last) if len(text[start:end].split()) - cut_words >= 3 else None


def _chain(first: tuple[int, int, str], options: Sequence[list[tuple[int, int, str]]]) -> list[tuple[int, int, str]]:
    """The first occurrence of each further piece behind the one before; empty when there is none."""
    chain = [first]
    for places in options:
        at = bisect_left(places, (chain[-1][1],))
        if at == len(places):
            return []
        chain.append(places[at])
    return chain


def _nearest(places: Sequence[tuple[int, int, str]], wish: int | None) -> tuple[int, int, str]:
    return places[0] if wish is None else min(places, key=lambda place: abs(place[0] - wish))
