"""Whether pieces agree: each date, number, link and name of each against the message house and one another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from launchlib import DATE, PLACEHOLDER, Fact, House

LINK = re.compile(r"https?://[^\s)>*\]]+[^\s)>*\].,:;]")
MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
MONEY = re.compile(r"\b(?:EUR|USD|GBP)\s?(\d[\d.,]*\d|\d)")
NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?")
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
POST_LENGTH = 280


class Text:
    """A piece with every figure in its place, and what it states."""

    def __init__(self, name: str, text: str, values: Mapping[str, str], house: House) -> None:
        self.name = name
        self.unknown: list[str] = []
        self.text = PLACEHOLDER.sub(lambda found: self._value(values, found[1]), text)
        names = [f.text for f in house.facts.values() if f.kind == "name"]
        self.sentences = [(s, _stated(s, names)) for s in SENTENCE.split(self.text) if s.strip()]

    def _value(self, values: Mapping[str, str], figure: str) -> str:
        if figure not in values:
            self.unknown.append(figure)
        return values.get(figure, "")


def _stated(sentence: str, names: list[str]) -> dict[str, list[str]]:
    """The values of a sentence by kind; what is one kind is not counted as another."""
    found: dict[str, list[str]] = {}
    rest = sentence
    for kind, pattern in (("link", LINK), ("mail", MAIL), ("date", DATE), ("money", MONEY)):
        found[kind] = [_plain(m[1] if kind == "money" else m[0]) for m in pattern.finditer(rest)]
        rest = pattern.sub(" ", rest)
    for name in names:
        rest = rest.replace(name, " ")
    found["number"] = [_plain(m[0]) for m in NUMBER.finditer(rest)]
    return found


def _plain(value: str) -> str:
    return value.replace(",", "") if re.fullmatch(r"[\d.,]+", value) else value


def values_of(house: House, campaign: Mapping[str, Any]) -> dict[str, str]:
    """What each figure shows: the brand's facts, the record's, the size of the audience."""
    shown = {f"launch.{f.id}": _shown(f.number, f.unit, f.kind) for f in house.facts.values() if f.number}
    for name, stated in campaign.get("facts", {}).items():
        if stated["number"] and name in house.facts:
            shown[f"crm.{name}"] = _shown(stated["number"], house[name].unit, house[name].kind)
    if "total" in campaign:
        shown["audience.total"] = str(campaign["total"])
    return shown


def _shown(number: str, unit: str, kind: str) -> str:
    return f"{unit} {number}" if kind == "money" else number


def judge(
    pieces: Mapping[str, str], house: House, campaign: Mapping[str, Any], accepted: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """The checks over pieces by name; an accepted piece may keep its key message, not its facts."""
    values = values_of(house, campaign)
    texts = [Text(name, text, values, house) for name, text in sorted(pieces.items())]
    free = {str(campaign["total"])} if "total" in campaign else set()
    checks = [_check("figures_known", [f"{t.name} cites {u}" for t in texts for u in t.unknown])]
    for label, kinds in (("dates", ("date",)), ("numbers", ("money", "number")), ("links", ("link", "mail"))):
        wrong = [w for kind in kinds for w in _differing(texts, house, kind, free)]
        checks.append(_check(f"{label}_equal", wrong))
    checks.append(_check("names_equal", [w for t in texts for w in _names(t, house)]))
    checks.append(_check("key_message_equal", _message(texts, house, set(accepted))))
    needed = [house[name] for name in ("product", "launch_date", "launch_page")]
    missing = [
        f"{t.name} does not state the {f.label.lower()}" for t in texts for f in needed if f.text not in t.text
    ]
    checks.append(_check("complete", missing))
    banned = [f"{t.name} says “{w}”" for t in texts for w in house.avoid if w.lower() in t.text.lower()]
    checks.append(_check("voice", banned + [w for t in texts if t.name.startswith("posts") for w in _long(t)]))
    return checks


def _check(name: str, wrong: list[str]) -> dict[str, Any]:
    return {"name": name, "passed": not wrong, "detail": "; ".join(dict.fromkeys(wrong)) or "every piece holds"}


def _value(fact: Fact) -> str:
    return fact.number or fact.text


def _differing(texts: list[Text], house: House, kind: str, free: set[str]) -> list[str]:
    """Values that no fact has, and values of another fact than the sentence is about; each beside what others say."""
    facts = [f for f in house.facts.values() if f.kind == kind]
    known = {_value(f) for f in facts} | (free if kind == "number" else set())
    wrong = []
    for text in texts:
        for sentence, stated in text.sentences:
            meant = [f for f in facts if any(re.search(rf"\b{re.escape(w)}\b", sentence.lower()) for w in f.words)]
            allowed = {_value(f) for f in meant}
            for value in stated[kind]:
                off = value not in known or (kind in ("date", "money") and meant and value not in allowed)
                if off:
                    about = meant or facts
                    others = ", ".join(f"{f.label.lower()} {f.text}{_where(texts, f, text)}" for f in about)
                    wrong.append(f"{text.name} says {value}; {others}")
    return wrong


def _where(texts: list[Text], fact: Fact, but: Text) -> str:
    """The other pieces that state a fact."""
    names = [t.name for t in texts if t is not but and any(_value(fact) in s[fact.kind] for _, s in t.sentences)]
    return f" in {', '.join(names)}" if names else " in the brand document"


def _names(text: Text, house: House) -> list[str]:
    """People and products whose name is written in another way."""
    wrong = []
    for fact in (f for f in house.facts.values() if f.kind == "name"):
        words = fact.text.split()
        for pattern in (rf"\b{re.escape(words[0])}[ -]+\w+", rf"\b\w+[ -]+{re.escape(words[-1])}\b"):
            if len(words) != 2:
                continue
            for found in re.findall(pattern, text.text):
                capital = all(part[:1].isupper() or part[:1].isdigit() for part in re.split(r"[ -]+", found))
                if found != fact.text and capital:
                    wrong.append(f"{text.name} says {found}; {fact.label.lower()} is {fact.text}")
    return wrong


def _message(texts: list[Text], house: House, accepted: set[str]) -> list[str]:
    wrong = []
    for text in (t for t in texts if t.name not in accepted):
        if house.key_message not in text.text:
            wrong.append(f"{text.name} does not carry the key message")
        wrong += [f"{text.name} still says “{old}”" for old in house.replaced if old in text.text]
    return wrong


def _long(text: Text) -> list[str]:
    posts = [part.split("\n", 1)[-1].strip() for part in text.text.split("\n## ")[1:]]
    return [f"post {n} of {text.name} is too long" for n, post in enumerate(posts, 1) if len(post) > POST_LENGTH]
