"""The results of a transcript as entries: who and when resolved by code, the same thing said twice put together."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field

from evidence import Row, WrongInput, plain

KINDS = ("decision", "question", "action")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
DATE = re.compile(rf"(?i)\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({'|'.join(MONTHS)})(?:,?\s+(\d{{4}}))?")
DATE_US = re.compile(rf"(?i)\b({'|'.join(MONTHS)})\s+(\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(\d{{4}}))?")
ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
PREFIX = re.compile(
    r"^\s*(?:\[?#?\d+[\].)]?\s+)?\[?(?:\d{1,2}:)?\d{1,2}:\d{2}(?:[.,]\d+)?\]?\s*[^:\n]{0,60}:\s+|^\s*$"
)
NAME = re.compile(r"\b[A-Z][\w’'-]+")
ALIKE = 0.8  # share of words that two reports of the same thing have in common


@dataclass
class Entry:
    """One decision, question or action; `rows` are the places where it was said, the first first."""

    kind: str
    what: str
    rows: list[Row]
    owner: str = ""
    due: str = ""  # in the words of the meeting
    date: str = ""  # YYYY-MM-DD, "" where none follows
    words: set[str] = field(default_factory=set)

    @property
    def first(self) -> Row:
        return self.rows[0]


def entries(rows: list[Row], document: Row) -> list[Entry]:
    """What the results report, in the order of the meeting. Raises WrongInput when they are none of a transcript."""
    if any(row.get("question") not in KINDS for row in rows if row["status"] == "done"):
        raise WrongInput("These are not results of the form minutes.")
    people, day = speakers(document), held_on(document)
    told: list[Entry] = []
    order = {label: at for at, (_, _, label, _) in enumerate(document["passages"])}
    for row in sorted((r for r in rows if r.get("quote")), key=lambda r: order.get(r["at"], 0)):
        one = _entry(row, document, people, day)
        known = next((old for old in told if _same(old, one)), None)
        if known is not None:
            known.rows.append(row)
        else:
            told.append(one)
    return told


def _entry(row: Row, document: Row, people: list[str], day: datetime.date | None) -> Entry:
    value = row["value"]
    what = plain(value["what"]).rstrip(".")
    if strange(what, row["quote"], document["text"]):
        what = said(row)  # a number or a name that was not said there: its own words instead
    due = plain(value.get("due", ""))
    if due and due.casefold() not in plain(row["quote"]).casefold():
        due = ""
    words = {w for w in re.findall(r"\w+", what.casefold()) if len(w) > 2}
    return Entry(row["question"], what, [row], person(value.get("owner", ""), people), due, resolved(due, day), words)


def strange(what: str, quote: str, text: str) -> bool:
    """Whether words state a number that the quote, or a name that the transcript, does not have."""
    numbers = set(re.findall(r"\d+(?:[.,]\d+)*", what)) - set(re.findall(r"\d+(?:[.,]\d+)*", quote))
    names = {n for n in NAME.findall(what[1:]) if n not in text}
    return bool(numbers or names)


def said(row: Row) -> str:
    """A quote without the time and name that open its line."""
    return PREFIX.sub("", plain(row["quote"]), count=1)


def speakers(document: Row) -> list[str]:
    """Who speaks in the transcript, by the places of its passages: "turn 17, Ann Lee, 00:12:31"."""
    found = []
    for *_, place in document["passages"]:
        parts = place.split(", ")
        if parts[0].startswith("turn ") and len(parts) > 1 and not re.fullmatch(r"[\d:.,]+", parts[1]):
            found.append(parts[1])
    return list(dict.fromkeys(found))


def person(name: str, people: list[str]) -> str:
    """A person of the meeting by full or first name; "" for somebody who is not there, or could be two."""
    wanted = plain(name).casefold()
    for one in people:
        if one.casefold() == wanted:
            return one
    found = [one for one in people if wanted and wanted in one.casefold().split()]
    return found[0] if len(found) == 1 else ""


def held_on(document: Row) -> datetime.date | None:
    """The day of the meeting: the first date with a year before its first turn, or in its name."""
    first = next((start for start, _, _, place in document["passages"] if place.startswith("turn ")), 0)
    return _date(document["text"][:first], None) or _date(document["name"], None)


def resolved(due: str, day: datetime.date | None) -> str:
    """A day in words as a date: itself, or counted from the day of the meeting; "" when it says none."""
    found = _date(due, day)
    words = due.casefold()
    if found is None and day is not None:
        named = [at for at, name in enumerate(DAYS) if name in words]
        if "tomorrow" in words:
            found = day + datetime.timedelta(days=1)
        elif named:
            ahead = (named[0] - day.weekday() - 1) % 7 + 1
            weeks = 7 if "next week" in words and ahead + day.weekday() < 7 else 0
            found = day + datetime.timedelta(days=ahead + weeks)
        elif "end of the week" in words or "end of this week" in words:
            found = day + datetime.timedelta(days=max(0, 4 - day.weekday()))
    return found.isoformat() if found else ""


def _date(text: str, near: datetime.date | None) -> datetime.date | None:
    found = ISO.search(text)
    if found:
        year, month, number = int(found[1]), int(found[2]), int(found[3])
    else:
        found = DATE.search(text)
        other = None if found else DATE_US.search(text)
        if not (found or other):
            return None
        number, name, given = (found[1], found[2], found[3]) if found else (other[2], other[1], other[3])
        if not given and near is None:
            return None
        month, number = MONTHS.index(name.casefold()) + 1, int(number)
        year = int(given) if given else near.year + (month < near.month)
    try:
        return datetime.date(year, month, number)
    except ValueError:
        return None


def _same(old: Entry, new: Entry) -> bool:
    if old.kind != new.kind or old.owner != new.owner:
        return False
    both = old.words | new.words
    return bool(both) and len(old.words & new.words) / len(both) >= ALIKE


def counted(found: list[Entry]) -> dict[str, int]:
    actions = [one for one in found if one.kind == "action"]
    return {
        "decisions": sum(one.kind == "decision" for one in found),
        "questions": sum(one.kind == "question" for one in found),
        "actions": len(actions),
        "open": sum(not (one.owner and one.date) for one in actions),
    }
