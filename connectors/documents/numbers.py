"""Tagged figures and passages of financial filings: place, value, scale, sign, unit and period, and whether sums tie.

They come out of inline XBRL pages, or out of tables of facts that stand beside a filing's text.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from lxml import etree

from connectors.documents.document import Document, assemble
from connectors.documents.markup import Mark, parse, text_of
from connectors.documents.reading import decode, looks_like_html
from connectors.documents.tables import MAX_BYTES
from connectors.errors import BadInput, TooLarge, Unreadable

_ZERO = frozenset({"fixed-zero", "fixedzero", "zerodash", "nocontent", "numdash"})
_COMMA = frozenset({"num-comma-decimal", "numcommadecimal", "numcommadot", "num-comma-decimal-apos"})
_DASHES = frozenset("—–-‒―−")
_WORDS = {
    word: number
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
} | {"no": 0, "none": 0, "nil": 0}
_YES = {"fixed-true": True, "fixed-false": False, "booleantrue": True, "booleanfalse": False}


@dataclass(frozen=True)
class Fact:
    """One tagged number. `value` is in whole units: displayed × 10^scale, with the sign."""

    concept: str  # "us-gaap:Assets"
    value: Decimal
    unit: str
    start: str  # ISO date; "" for a balance at one day
    end: str
    dimensions: str  # "axis=member;axis=member", "" for the whole company
    decimals: str
    scale: int
    sign: str  # "-" where the filer turns the displayed number round
    displayed: str
    span: tuple[int, int] | None  # offsets into Document.text; None when no place is given


@dataclass(frozen=True)
class Disclosure:
    """One tagged passage, or a further piece of one."""

    concept: str  # "" for a further piece
    start: str
    end: str
    id: str
    continued_at: str  # id of the further piece
    flag: bool | None  # the filer's own yes or no, where the tag gives one
    displayed: str
    span: tuple[int, int] | None


@dataclass(frozen=True)
class Tie:
    """A total that the filer says is the sum of its parts."""

    role: str
    total: str
    start: str
    end: str
    parts: tuple[tuple[int, str], ...]  # weight 1 or -1, concept


@dataclass(frozen=True)
class Checked:
    """What a tie comes to. Without all its facts `computed` is None and `missing` names them."""

    tie: Tie
    reported: Decimal | None
    computed: Decimal | None
    missing: tuple[str, ...]
    facts: tuple[Fact, ...]  # the total first, then the parts

    @property
    def difference(self) -> Decimal | None:
        """Reported less computed."""
        return None if self.reported is None or self.computed is None else self.reported - self.computed

    @property
    def ties(self) -> bool:
        """Whether the sum is exactly the total."""
        return self.difference == 0


def read_filing(name: str, data: bytes) -> tuple[Document, tuple[Fact, ...], tuple[Disclosure, ...]]:
    """An inline XBRL page as a document with its facts and passages at their places in it.

    Raises what `read` raises; a page without tags gives no facts.
    """
    if len(data) > MAX_BYTES:
        raise TooLarge(f"{name} is larger than {MAX_BYTES // 1024 // 1024} MB and was not read.", name=name)
    page = decode(name, data).replace("\r\n", "\n").replace("\r", "\n")
    if not looks_like_html(page):
        raise Unreadable(f"{name} is not a web page.", name=name)
    root = parse(name, page)
    text, marks = text_of(root)
    document = assemble(name, "html", text, data)
    contexts, units = dict(_contexts(root)), dict(_units(root))
    facts = tuple(fact for mark in marks if (fact := _fact(mark, text, contexts, units)) is not None)
    passages = tuple(_passage(mark, text, contexts) for mark in marks if mark.tag in ("nonnumeric", "continuation"))
    return document, facts, passages


def read_facts(name: str, data: bytes) -> tuple[Fact, ...]:
    """Facts out of a CSV table with the columns concept, start, end, value and, where given, dims, unit, decimals,
    scale, sign, displayed, char_start, char_end. BadInput for a table without them or a value that is no number.
    """
    facts = []
    for number, row in _rows(name, data, ("concept", "start", "end", "value")):
        try:
            scale = int(row.get("scale") or 0)
            facts.append(
                Fact(
                    concept=row["concept"],
                    value=_exact(Decimal(row["value"]), row, scale),
                    unit=row.get("unit", ""),
                    start=row["start"],
                    end=row["end"],
                    dimensions=row.get("dims", ""),
                    decimals=row.get("decimals", ""),
                    scale=scale,
                    sign=row.get("sign", ""),
                    displayed=row.get("displayed", ""),
                    span=_span(row),
                )
            )
        except (InvalidOperation, ValueError) as error:
            raise BadInput(f"{name}, row {number} is not a fact: {row['value']!r} is not a number.") from error
    return tuple(facts)


def read_disclosures(name: str, data: bytes) -> tuple[Disclosure, ...]:
    """Tagged passages out of a CSV table with the columns concept, start, end, id, continued_at, format, displayed,
    char_start, char_end; a row of kind "continuation" is a further piece.
    """
    return tuple(
        Disclosure(
            concept="" if row.get("kind") == "continuation" else row["concept"],
            start=row.get("start", ""),
            end=row.get("end", ""),
            id=row.get("id", ""),
            continued_at=row.get("continued_at", ""),
            flag=_flag(row.get("format", "")),
            displayed=row.get("displayed", ""),
            span=_span(row),
        )
        for _, row in _rows(name, data, ("concept",))
    )


def read_ties(name: str, data: bytes) -> tuple[Tie, ...]:
    """Calculation links out of a CSV table with the columns role, total, start, end, parts ("+concept -concept")."""
    return tuple(
        Tie(
            role=row.get("role", ""),
            total=row["total"],
            start=row["start"],
            end=row["end"],
            parts=tuple((-1 if part[0] == "-" else 1, part.lstrip("+-")) for part in row["parts"].split()),
        )
        for _, row in _rows(name, data, ("total", "start", "end", "parts"))
    )


def check(ties: Iterable[Tie], facts: Iterable[Fact]) -> tuple[Checked, ...]:
    """Adds up each tie exactly from the facts of the whole company in its period."""
    known: dict[tuple[str, str, str], Fact] = {}
    for fact in facts:
        if not fact.dimensions:
            known.setdefault((fact.concept, fact.start, fact.end), fact)
    results = []
    for tie in ties:
        concepts = (tie.total, *(concept for _, concept in tie.parts))
        found = [known.get((concept, tie.start, tie.end)) for concept in concepts]
        missing = tuple(concept for concept, fact in zip(concepts, found, strict=True) if fact is None)
        values = [fact.value for fact in found if fact is not None]
        computed = None
        if not missing:
            computed = sum((weight * v for (weight, _), v in zip(tie.parts, values[1:], strict=True)), Decimal(0))
        reported = found[0].value if found[0] is not None else None
        results.append(Checked(tie, reported, computed, missing, tuple(f for f in found if f is not None)))
    return tuple(results)


def conflicts(facts: Sequence[Fact]) -> tuple[tuple[Fact, ...], ...]:
    """Groups of facts that say different values for the same concept, period, unit and dimensions."""
    groups: dict[tuple[str, ...], list[Fact]] = defaultdict(list)
    for fact in facts:
        groups[fact.concept, fact.start, fact.end, fact.unit, fact.dimensions].append(fact)
    return tuple(tuple(group) for group in groups.values() if len({_rounded(fact, group) for fact in group}) > 1)


def wrong_places(document: Document, facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """Facts whose place does not show what they display, or whose value does not follow from it."""
    wrong = []
    for fact in facts:
        if fact.span is None:
            continue
        shown = value_of(fact.displayed, scale=fact.scale, sign=fact.sign)
        if document.text[fact.span[0] : fact.span[1]] != fact.displayed or (
            shown is not None and shown != fact.value
        ):
            wrong.append(fact)
    return tuple(wrong)


def pieces_of(first: Disclosure, disclosures: Iterable[Disclosure]) -> tuple[Disclosure, ...]:
    """A passage with its further pieces, in order."""
    by_id = {disclosure.id: disclosure for disclosure in disclosures if disclosure.id}
    chain = [first]
    while (following := by_id.get(chain[-1].continued_at)) is not None and following not in chain:
        chain.append(following)
    return tuple(chain)


def value_of(displayed: str, *, scale: int = 0, sign: str = "", form: str = "") -> Decimal | None:
    """The value of a displayed number in whole units; None when it is not one. `form` is the tag's format."""
    words = "".join(displayed.split()).strip("$€£¥()%")
    kind = form.rpartition(":")[2].lower()
    if kind in _ZERO or (words and set(words) <= _DASHES):
        return Decimal(0)
    if words.lower() in _WORDS:
        number = Decimal(_WORDS[words.lower()])
    else:
        plain = words.replace(".", "").replace(",", ".") if kind in _COMMA else words.replace(",", "")
        try:
            number = Decimal(plain.replace("'", "").replace("’", ""))
        except InvalidOperation:
            return None
    if not number.is_finite() or abs(scale) > 30:
        return None
    value = number.scaleb(scale)
    return -value if sign == "-" else value


def _rounded(fact: Fact, group: Sequence[Fact]) -> Decimal:
    """The value at the coarsest precision of its group: 1.2 billion and 1,234 million are the same."""
    places = [int(f.decimals) for f in group if f.decimals.lstrip("-").isdigit() and len(f.decimals) < 4]
    return fact.value.quantize(Decimal(1).scaleb(-min(places))) if places else fact.value


def _fact(mark: Mark, text: str, contexts: dict[str, _Context], units: dict[str, str]) -> Fact | None:
    if mark.tag != "nonfraction" or mark.attributes.get("xsi:nil") == "true":
        return None
    attributes = mark.attributes
    displayed = text[mark.start : mark.end]
    scale, sign = attributes.get("scale", "0"), attributes.get("sign", "")
    if not scale.lstrip("-").isdigit() or len(scale) > 3:
        return None
    value = value_of(displayed, scale=int(scale), sign=sign, form=attributes.get("format", ""))
    if value is None:
        return None
    context = contexts.get(attributes.get("contextref", ""), _Context("", "", ""))
    return Fact(
        concept=attributes.get("name", ""),
        value=value,
        unit=units.get(attributes.get("unitref", ""), attributes.get("unitref", "")),
        start=context.start,
        end=context.end,
        dimensions=context.dimensions,
        decimals=attributes.get("decimals", ""),
        scale=int(scale),
        sign=sign,
        displayed=displayed,
        span=(mark.start, mark.end) if mark.end > mark.start else None,
    )


def _passage(mark: Mark, text: str, contexts: dict[str, _Context]) -> Disclosure:
    attributes = mark.attributes
    context = contexts.get(attributes.get("contextref", ""), _Context("", "", ""))
    return Disclosure(
        concept=attributes.get("name", "") if mark.tag == "nonnumeric" else "",
        start=context.start,
        end=context.end,
        id=attributes.get("id", ""),
        continued_at=attributes.get("continuedat", ""),
        flag=_flag(attributes.get("format", "")),
        displayed=text[mark.start : mark.end],
        span=(mark.start, mark.end) if mark.end > mark.start else None,
    )


@dataclass(frozen=True)
class _Context:
    start: str
    end: str
    dimensions: str


def _contexts(root: etree._Element) -> Iterator[tuple[str, _Context]]:
    for context in _named(root, "context"):
        words = {_local(child): (child.text or "").strip() for child in context.iter() if isinstance(child.tag, str)}
        members = [
            f"{child.get('dimension')}={''.join(child.itertext()).strip()}"
            for child in context.iter()
            if _local(child) in ("explicitmember", "typedmember")
        ]
        start, end = words.get("startdate", ""), words.get("enddate", "") or words.get("instant", "")
        yield context.get("id", ""), _Context(start, end, ";".join(sorted(members)))


def _units(root: etree._Element) -> Iterator[tuple[str, str]]:
    for unit in _named(root, "unit"):
        measures = [(child.text or "").strip().rpartition(":")[2] for child in _named(unit, "measure")]
        yield unit.get("id", ""), "/".join(measures)


def _named(root: etree._Element, name: str) -> Iterator[etree._Element]:
    return (element for element in root.iter() if _local(element) == name)


def _local(element: etree._Element) -> str:
    return element.tag.rpartition(":")[2].lower() if isinstance(element.tag, str) else ""


def _flag(form: str) -> bool | None:
    return _YES.get(form.rpartition(":")[2].lower())


def _exact(value: Decimal, row: dict[str, str], scale: int) -> Decimal:
    """The value without the noise of binary fractions (0.41000000000000003), where the displayed number tells it."""
    shown = value_of(row.get("displayed", ""), scale=scale, sign=row.get("sign", ""))
    return value if shown is None or abs(value - shown) > abs(shown) * Decimal("1e-12") else shown


def _span(row: dict[str, str]) -> tuple[int, int] | None:
    first, last = row.get("char_start", ""), row.get("char_end", "")
    return (int(first), int(last)) if first.isdigit() and last.isdigit() else None


def _rows(name: str, data: bytes, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV table by their header, each with its number in the table."""
    reader = csv.DictReader(io.StringIO(decode(name, data), newline=""), restval="")
    lacking = [column for column in needed if column not in (reader.fieldnames or ())]
    if lacking:
        raise BadInput(f"{name} has no column {', '.join(lacking)}.")
    try:
        for number, row in enumerate(reader, start=2):
            yield number, {key: value for key, value in row.items() if key is not None and value is not None}
    except csv.Error as error:
        raise BadInput(f"{name} is not a readable table: {error}.") from error
