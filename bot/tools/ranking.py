"""Which tools a few words mean: lexical ranking of names, first sentences and parameters. Pure functions."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

NAME, FIRST, REST, PARAMETER, FAMILY = 3.0, 1.0, 0.25, 0.5, 1.5  # what a word counts, by where it stands
RELATED = 0.55  # what a word of the same meaning counts
SATURATION, LENGTH = 1.2, 0.6
SKIPPED = """
a an and are as at be been by can did do does for from get give had has have how i in into is it its me my new of on
or our out over please should so that the their them then there these they this to up us was we were what when where
which who will with would you your mcp
"""
# Words that people and programmers use for the same thing.
MEANINGS = (
    "create add make insert new open register draft start",
    "delete remove drop clear erase cancel trash",
    "update edit change modify set alter correct rename patch adjust",
    "find search look lookup query filter locate discover",
    "list show display enumerate all overview browse",
    "read view open fetch retrieve see content contents inspect",
    "write save store put",
    "send post reply share publish notify message tell",
    "move transfer relocate",
    "copy duplicate clone",
    "compare difference diff changes changed",
    "merge combine join",
    "upload attach attachment import",
    "download export",
    "meeting meetings event events calendar appointment agenda schedule invite",
    "mail email message inbox gmail letter",
    "sheet spreadsheet worksheet workbook excel table tab",
    "document doc docs file text word report",
    "slide slides presentation deck powerpoint",
    "folder directory",
    "picture image photo screenshot figure",
    "chart graph plot diagram",
    "invoice bill billing receivable owe debt",
    "payable bill supplier vendor owe creditor unpaid",
    "customer client contact account company debtor",
    "person people user member colleague employee contact",
    "ticket issue bug task story todo jira",
    "comment note remark annotation reply",
    "page article wiki note confluence notion",
    "repository repo git",
    "commit history log revision version",
    "status state done finish close transition progress",
    "branch fork",
    "database table schema sql",
    "column field row record cell",
    "formula calculate compute sum calculation",
    "correct adjust journal booking posting entry",
    "price cost amount payment pay paid",
    "color colour highlight shade format style",
    "rule condition conditional above below threshold validation allowed only",
    "assign give owner responsible",
    "bank account cash balance transaction",
    "profit loss income earnings revenue sales turnover",
    "tax vat gst",
    "time date clock zone timezone hour now",
    "hour worklog timesheet spent worked log",
    "channel conversation room chat slack thread",
    "reaction emoji",
    "web website page browser url site internet",
    "click press tap",
    "type fill enter input",
    "remember memory knowledge entity fact",
    "think reason plan step thought",
    "sign login authenticate auth account access",
    "permission share access rights",
    "deal opportunity sale pipeline lead",
    "sprint iteration board",
    "quote quotation estimate offer proposal",
    "order purchase buy",
    "product item goods article stock inventory",
    "payroll wage salary employee timesheet",
    "heading title header",
    "form survey questionnaire response",
)


@dataclass(frozen=True)
class Entry:
    """A tool as it is searched for."""

    name: str
    description: str
    parameters: tuple[str, ...] = ()


def ranked(entries: Iterable[Entry], query: str) -> list[str]:
    """Names of the tools that share a meaning with the query, best first (BM25 over weighted words)."""
    texts = {entry.name: words(entry) for entry in entries}
    wanted = dict.fromkeys(stem for stem in stems(query) if stem not in _skipped())
    usual = sum(sum(found.values()) for found in texts.values()) / max(len(texts), 1) or 1.0
    holding = Counter(word for found in texts.values() for word in found)

    def weight(word: str, found: dict[str, float], length: float) -> float:
        times = found.get(word, 0.0)
        if not times:
            return 0.0
        rare = math.log(1 + (len(texts) - holding[word] + 0.5) / (holding[word] + 0.5))
        return rare * times * (SATURATION + 1) / (times + SATURATION * (1 - LENGTH + LENGTH * length))

    def score(name: str) -> float:
        found = texts[name]
        length = sum(found.values()) / usual
        return sum(
            max(
                weight(word, found, length),
                RELATED * max((weight(other, found, length) for other in related().get(word, ())), default=0.0),
            )
            for word in wanted
        )

    scores = {name: score(name) for name in texts}
    return sorted((name for name in texts if scores[name] > 0), key=lambda name: (-scores[name], name))


@lru_cache(maxsize=10_000)
def words(entry: Entry) -> dict[str, float]:
    """The stems of a tool, each by the best place where it stands, more often counting a little more."""
    family, _, own = entry.name.rpartition("__")
    first = first_sentence(entry.description)
    found: defaultdict[str, float] = defaultdict(float)
    for part, value in (
        (own, NAME), (family, FAMILY), (first, FIRST), (entry.description[len(first) : 1000], REST),
        (" ".join(entry.parameters), PARAMETER),
    ):  # fmt: skip
        for stem, times in Counter(stems(part)).items():
            if stem not in _skipped():
                found[stem] += value * (1 + math.log(times))
    return found


@cache
def related() -> dict[str, frozenset[str]]:
    """For each stem those that mean much the same."""
    near: defaultdict[str, set[str]] = defaultdict(set)
    for meaning in MEANINGS:
        group = set(stems(meaning))
        for word in group:
            near[word] |= group - {word}
    return {word: frozenset(others) for word, others in near.items()}


@cache
def _skipped() -> frozenset[str]:
    return frozenset(stems(SKIPPED))


def stems(text: str) -> list[str]:
    """The words of a text without their commonest endings; names are cut at _ and at capitals."""
    split = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    found = re.findall(r"[a-z0-9]+", split.lower())
    return [re.sub(r"(?<=[a-z]{3})(?:ies|ing|ed|es|s|y|e)$", "", word) for word in found]


def first_sentence(text: str, most: int = 200) -> str:
    """The first sentence of a description, on one line."""
    line = " ".join(text.split())
    sentence = re.split(r"(?<=[.!?])\s", line, maxsplit=1)[0]
    return sentence if len(sentence) <= most else f"{sentence[: most - 1]}…"
