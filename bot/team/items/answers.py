"""What a model answered about a window: checked by code at once, then merged over the windows of a document."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from bot.team.items.reading import Reading, Window
from bot.tools.forms import Form, Question
from bot.types import Json

TOLD = 8  # faults that one diagnosis names
DIGITS = 40  # characters of a number before a quote that begins within it
PIECES = " <omitted> "
_SPACES = " \N{NO-BREAK SPACE}\N{FIGURE SPACE}\N{THIN SPACE}\N{NARROW NO-BREAK SPACE}"
# A number as it is printed, whole: a part of one says something else. Spaces are of it only where they group it.
NUMBERS = re.compile(
    rf"[1-9]\d{{0,2}}(?:[{_SPACES}]\d{{3}})+(?:[.,]\d+)?(?![.,'’]?\d)"
    r"|(?:(?<!\w)\.)?\d+(?:[.,'’]\d+)*"
)
_WHOLE = re.compile(
    r"\d+|[1-9]\d{0,2}(?P<sign>[.,'’ ])\d{3}(?:(?P=sign)\d{3})*"
    r"|[1-9]\d?(?P<lakh>,)(?:\d{2},)*\d{3}"
)
_PARTS = re.compile(r"(?P<whole>\d.*)(?P<sign>[.,])(?P<rest>\d+)")
_JOINED = ".,'’" + _SPACES[1:]
_GOES_ON = re.compile(rf"(?:[{_JOINED}]?\d)*")


class Wrong(Exception):
    """The answer cannot be accepted; the message is the diagnosis for whoever gave it."""


def checked(form: Form, reading: Reading, window: Window, given: Any) -> list[Json]:
    """The answers of one window, every quote with its spans in the document. Raises Wrong.

    Returns `[{"question", "found", "entries": [{"quote", "at", "place", "spans", "value"}]}]` in the form's order.
    """
    if not isinstance(given, dict) or not isinstance(given.get("answers"), list):
        raise Wrong("report needs `window` and a list `answers`.")
    faults: list[str] = []
    if given.get("window") != window.number:
        faults.append(f"window is {given.get('window')!r}; this is window {window.number}.")
    answered: dict[str, Json] = {}
    for one in given["answers"]:
        name = one.get("question") if isinstance(one, dict) else None
        question = form.by_id.get(name) if isinstance(name, str) else None
        if question is None:
            faults.append(f"The form has no question {name!r}.")
        elif name in answered:
            faults.append(f"{name} is answered twice.")
        else:
            answered[question.id] = _answer(question, one, reading, window, faults)
    missing = [one.id for one in form.questions if one.id not in answered]
    if missing:
        faults.insert(0, f"{len(missing)} of {len(form.questions)} questions are not answered: {', '.join(missing)}.")
    if faults:
        more = f" And {len(faults) - TOLD} more." if len(faults) > TOLD else ""
        raise Wrong(" ".join(faults[:TOLD]) + more)
    return [answered[one.id] for one in form.questions]


def _answer(question: Question, given: Json, reading: Reading, window: Window, faults: list[str]) -> Json:
    found, entries = given.get("found"), given.get("entries", [])
    if not isinstance(found, bool) or not isinstance(entries, list):
        faults.append(f"{question.id}: found is true or false, entries a list.")
        return {}
    if found != bool(entries):
        faults.append(f"{question.id}: found is {str(found).lower()} but there are {len(entries)} entries.")
    if not question.many and len(entries) > 1:
        faults.append(f"{question.id}: one entry at most, not {len(entries)}.")
    kept = []
    for number, entry in enumerate(entries, 1):
        try:
            kept.append(_entry(question, entry, reading, window))
        except Wrong as fault:
            faults.append(f"{question.id}, entry {number}: {fault}")
    return {"question": question.id, "found": found, "entries": kept}


def _entry(question: Question, given: Any, reading: Reading, window: Window) -> Json:
    if not isinstance(given, dict):
        raise Wrong("an entry is an object.")
    entry: Json = {}
    printed = ""
    quote = given.get("quote") or ""
    if not isinstance(quote, str):
        raise Wrong("quote is a text.")
    if question.quote == "required" and not quote.strip():
        raise Wrong("it has no quote.")
    if quote.strip() and question.quote != "none":
        spans = reading.find(quote, str(given.get("at") or ""), window)
        if not spans:
            raise Wrong(f"the quote “{_short(quote)}” does not stand in this window as quoted.")
        entry["quote"] = PIECES.join(reading.text[start:end] for start, end in spans)
        printed = PIECES.join(_uncut(reading.text, start, end) for start, end in spans)
        entry["spans"] = [list(span) for span in spans]
        entry["at"], entry["place"] = reading.place(spans[0][0])
    if question.value is not None:
        entry["value"] = _value(question, given, printed)
    return entry


def _value(question: Question, given: Json, quote: str) -> Any:
    schema = json.dumps(question.value, sort_keys=True)
    if "value" not in given:
        raise Wrong("it has no value.")
    value = given["value"]
    problem = next(iter(_validator(schema).iter_errors(value)), None)
    if problem is not None:
        where = ".".join(map(str, problem.absolute_path))
        raise Wrong(f"value{f' {where}' if where else ''}: {problem.message[:200]}.")
    for number in _decimals(question.value or {}, value):
        if quote and not _stands(number, quote):
            raise Wrong(f"the number {number} does not stand in its quote “{_short(quote)}”.")
    return value


@lru_cache(maxsize=1024)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema), format_checker=FORMATS)


def _date(value: Any) -> bool:
    return not isinstance(value, str) or len(datetime.date.fromisoformat(value).isoformat()) == len(value)


def _decimal(value: Any) -> bool:
    return not isinstance(value, str) or Decimal(value).is_finite()


FORMATS = FormatChecker(formats=())
FORMATS.checks("date", raises=ValueError)(_date)
FORMATS.checks("decimal", raises=InvalidOperation)(_decimal)


def _decimals(schema: Json, value: Any) -> list[str]:
    """The values that a schema calls exact numbers."""
    if schema.get("format") == "decimal" and isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        parts = schema.get("properties") or {}
        return [n for name, part in parts.items() if name in value for n in _decimals(part, value[name])]
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [n for one in value for n in _decimals(schema["items"], one)]
    return []


def _stands(number: str, quote: str) -> bool:
    """Whether a number is printed in a text, however it is grouped; its sign may be a bracket or a word."""
    wanted = abs(Decimal(number))
    return any(wanted in _readings(printed[0]) for printed in NUMBERS.finditer(quote))


def _uncut(text: str, start: int, end: int) -> str:
    """A passage with the numbers whole at which it begins and ends."""
    if text[start].isdigit() and (before := _GOES_ON.match(text[max(0, start - DIGITS) : start][::-1])):
        start -= before.end()
    if (text[end - 1].isdigit() or text[end - 1] in _JOINED) and (after := _GOES_ON.match(text, end)):
        end = after.end()
    return text[start:end]


def _readings(printed: str) -> list[Decimal]:
    """What a printed number may say: 1.250 is 1250 to some and 1¼ to others, 1.250,00 the same to all."""
    if printed.startswith("."):
        return [Decimal(printed)] if printed[1:].isdigit() else []
    printed = re.sub(rf"[{_SPACES}]", " ", printed)
    found = [Decimal(re.sub(r"\D", "", printed))] if _WHOLE.fullmatch(printed) else []
    parts = _PARTS.fullmatch(printed)
    whole = _WHOLE.fullmatch(parts["whole"]) if parts else None
    if parts and whole and parts["sign"] not in (whole["sign"], whole["lakh"]):
        digits = re.sub(r"\D", "", parts["whole"])
        found.append(Decimal(f"{digits}.{parts['rest']}"))
    return found


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 120 else f"{plain[:119]}…"


# -- over the windows of a document ----------------------------------------------------------------------------------


def merged(form: Form, windows: Sequence[list[Json]]) -> list[Json]:
    """One answer per question: the same source span and value count once, absent is what every window says.

    Raises Wrong when windows contradict each other about what a document has once.
    """
    told = []
    for place, question in enumerate(form.questions):
        found: list[tuple[int, Json]] = []
        for number, answers in enumerate(windows):
            for entry in answers[place]["entries"]:
                _join(found, number, entry)
        entries = sorted((one for _, one in found), key=lambda one: one.get("spans", [[0, 0]])[0][0])
        values = sorted({json.dumps(one.get("value"), sort_keys=True, ensure_ascii=False) for one in entries})
        if not question.many and len(values) > 1:
            raise Wrong(f"{question.label}: parts of the document say different things: {', '.join(values)}.")
        told.append(
            {"question": question.id, "found": bool(entries), "entries": entries if question.many else entries[:1]}
        )
    return told


def _join(found: list[tuple[int, Json]], number: int, new: Json) -> None:
    """Add a window's entry unless it is there; what two windows cut differently is kept where it is longer."""
    alike = [(place, n, old) for place, (n, old) in enumerate(found) if old.get("value") == new.get("value")]
    if any(old.get("spans") == new.get("spans") for _, _, old in alike):
        return
    for place, n, old in alike:
        if n == number or "spans" not in old or "spans" not in new:
            continue  # a model may quote a passage and a part of it
        if _within(new["spans"], old["spans"]):
            return
        if _within(old["spans"], new["spans"]):
            found[place] = (number, new)
            return
    found.append((number, new))


def _within(inner: list[list[int]], outer: list[list[int]]) -> bool:
    return all(any(start <= a and b <= end for start, end in outer) for a, b in inner)
