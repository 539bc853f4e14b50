"""Requirements of a policy as data, and what a filing says to each: met, not met or not addressed, by code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from evidence import Row, WrongInput, plain

MET, NOT_MET, SILENT = "met", "not met", "not addressed"
VERDICTS = (NOT_MET, SILENT, MET)  # what a reader must see first
SENTENCE = r"(?:[^.]|\.(?=\d))"  # a character of a sentence; a table before it has none of its end
NEAR = "{0,250}"  # characters of a sentence that are looked at


@dataclass(frozen=True)
class Requirement:
    """One requirement; `row` is the place of the policy that sets it."""

    id: str
    number: str
    title: str
    must: str
    kind: str  # statement | at_least | at_most
    limit: Decimal | None
    words: tuple[str, ...]
    row: Row

    @property
    def asked(self) -> str:
        """The limit in words, or ""."""
        return f"{self.kind.replace('_', ' ')} {self.limit}" if self.limit is not None else ""


@dataclass(frozen=True)
class Answer:
    """What the filing says to a requirement; `rows` are its places."""

    requirement: Requirement
    verdict: str
    rows: tuple[Row, ...]
    why: str


def requirements(rows: list[Row]) -> list[Requirement]:
    """The requirements in the policy's order. Raises WrongInput when there is none, or two of one number."""
    found: list[Requirement] = []
    for row in rows:
        if not row.get("quote"):
            continue
        value = row["value"]
        limit = Decimal(value["limit"]) if value.get("limit") and value["kind"] != "statement" else None
        words = tuple(plain(w) for w in re.split(r"[,;]", value["words"]) if w.strip())
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", value["number"])
        kind = value["kind"] if limit is not None else "statement"
        told = [plain(value[key]) for key in ("number", "title", "must")]
        found.append(Requirement(f"q_{name}", *told, kind, limit, words, row))
    numbers = [one.number for one in found]
    twice = sorted({n for n in numbers if numbers.count(n) > 1})
    if twice:
        raise WrongInput(f"The policy numbers two requirements alike: {', '.join(twice)}.")
    if not found:
        raise WrongInput("The policy holds no requirement that a filing can be checked against.")
    return found


def form(asked: list[Requirement]) -> Row:
    """The form that asks a filing about each requirement."""
    questions, rules = [], {}
    for one in asked:
        if one.kind == "statement":
            value: Row = {
                "type": "object",
                "properties": {"verdict": {"enum": [MET, NOT_MET]}},
                "required": ["verdict"],
            }
            ask = f"{one.must}. The value says whether the passage meets this, or says that it does not hold."
        else:
            value = {
                "type": "object",
                "properties": {"number": {"type": "string", "format": "decimal"}},
                "required": ["number"],
            }
            ask = f"{one.must}. The value is the number that the filing states for this, as printed in the quote."
        questions.append({"id": one.id, "label": f"{one.number} {one.title}"[:200], "ask": ask, "value": value})
        rules[one.id] = offline(one)
    return {
        "title": "A filing against a policy",
        "instructions": (
            "The document is a filing. For each requirement report every passage that answers it, and quote the "
            "sentences that decide it. Near words that do not answer it are not reported. What the window does not "
            "speak of is not found there; other windows may have it."
        ),
        "window": {"characters": 40_000, "overlap": 1_500},
        "questions": questions,
        "offline": rules,
    }


def offline(one: Requirement) -> list[Row]:
    """How the offline model finds a requirement: a sentence with all of its words; "no" or "not" in it denies it."""
    if not one.words:
        return []
    here = "".join(rf"(?={SENTENCE}{NEAR}?(?i:\b{_spaced(word)}))" for word in one.words)
    start = rf"(?:(?<=[.!?]\s)|(?<=\n))(?=[A-Z]){here}"
    if one.kind != "statement":
        number = rf"{SENTENCE}{NEAR}?(?P<number>\d+(?:\.\d+)?){SENTENCE}*\."
        return [{"pattern": start + number, "value": {"number": "{number}"}}]
    denied = rf"{SENTENCE}{NEAR}?\b(?i:no|not|none|never)\b"
    return [
        {"pattern": rf"{start}(?!{denied}){SENTENCE}+\.", "value": {"verdict": MET}},
        {"pattern": rf"{start}(?={denied}){SENTENCE}+\.", "value": {"verdict": NOT_MET}},
    ]


def _spaced(words: str) -> str:
    return r"\s+".join(re.escape(word) for word in words.split())


def answers(asked: list[Requirement], rows: list[Row]) -> list[Answer]:
    """Each requirement once. A number is compared with the limit here; one place that denies outweighs others."""
    return [_answer(one, [r for r in rows if r.get("question") == one.id and r.get("quote")]) for one in asked]


def _answer(one: Requirement, rows: list[Row]) -> Answer:
    if not rows:
        return Answer(one, SILENT, (), "no passage of what was read speaks of it")
    if one.kind == "statement":
        denied = [row for row in rows if row["value"]["verdict"] == NOT_MET]
        if denied and len(denied) < len(rows):
            return Answer(
                one,
                NOT_MET,
                (*denied, *(r for r in rows if r not in denied)),
                "one place denies it, another does not",
            )
        return Answer(
            one, NOT_MET if denied else MET, tuple(rows), "the filing says that it does not hold" if denied else ""
        )
    values = {Decimal(row["value"]["number"]): row for row in reversed(rows)}
    good = [v for v in values if (v >= one.limit if one.kind == "at_least" else v <= one.limit)]
    bad = [v for v in values if v not in good]
    told = ", ".join(str(v) for v in (*bad, *good))
    why = f"the filing states {told}; the policy wants {one.asked}"
    return Answer(one, NOT_MET if bad else MET, (*(values[v] for v in bad), *(values[v] for v in good)), why)


def counted(found: list[Answer]) -> dict[str, int]:
    return {
        "requirements": len(found),
        "met": sum(one.verdict == MET for one in found),
        "not_met": sum(one.verdict == NOT_MET for one in found),
        "silent": sum(one.verdict == SILENT for one in found),
    }
