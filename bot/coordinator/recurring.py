"""When a request recurs, understood from plain words, and when that is next."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from croniter import croniter

from bot.coordinator import terms

DAYS = {"sunday": 0, "monday": 1, "tuesday": 2, "wednesday": 3, "thursday": 4, "friday": 5, "saturday": 6}
UNITS = {"day": ("*", "day"), "weekday": ("1-5", "weekday"), "weekend": ("0,6", "Saturday and Sunday")}
TIMES_MOST = 4  # of a day
LAST_SURE = 28  # the last day that every month has
HINT = (
    "I did not understand when that should recur, so nothing is scheduled. Say it as one of these: every weekday at "
    "9:00 …, every Monday and Thursday at 8:30 and 17:00 …, every month on the 15th at 9:00 …, every month on the "
    "last day at 18:00 … (days up to the 28th, which every month has)."
)

_AND = r"\s*(?:,\s*and|,|and|&)\s*"
_DAY = "(?:" + "|".join(DAYS) + ")s?"
_CLOCK = r"(?:[01]?\d|2[0-3])(?::[0-5]\d(?:\s*[ap]m)?|\s*[ap]m)"  # sure to be a time of day
_TIME = rf"(?:{_CLOCK}|[01]?\d|2[0-3])"
_WORDS = re.compile(
    rf"\s*every\s+(?:(?P<unit>day|weekday|weekend)s?|(?P<days>{_DAY}(?:{_AND}{_DAY})*)"
    r"|month\s+on\s+the\s+(?P<date>last\s+day|\d{1,2}(?:st|nd|rd|th)?))"
    rf"\s*,?\s+(?:at\s+(?P<times>{_TIME}(?:{_AND}{_TIME})*)|(?P<clocks>{_CLOCK}(?:{_AND}{_CLOCK})*))"
    r"(?!\d)\s*[,:]?\s+(?P<request>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_MEANT = re.compile(
    rf"\s*every\s+(?:\d+|other|second|hour|morning|evening|day|weekday|weekend|week|month|quarter|year|{_DAY})s?\b"
    rf"(?!['’]).*(?:\bat\s+\d|\d\s*[ap]m\b|\b{_CLOCK}|\bon\s+the\s+\d)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Schedule:
    """Cron fields in local time (several sets with | between), the request to make, how to say it, and whether a
    canvas keeps the reports."""

    recurrence: str
    request: str
    words: str
    canvas: bool


def parse(text: str) -> Schedule | None:
    """Understand `every weekday at 9:00 digest this channel`; None for any other sentence."""
    found = _WORDS.fullmatch(text.rstrip())
    if found is None:
        return None
    days = _days(found)
    times = sorted(set(_times(found["times"] or found["clocks"])))
    if days is None or len(times) > TIMES_MOST or any(hour > 23 for hour, _ in times):
        return None
    fields, spoken = days
    request, canvas = terms.in_canvas(found["request"].strip())
    at = " and ".join(f"{hour}:{minute:02d}" for hour, minute in times)
    recurrence = "|".join(f"{minute} {hour} {fields}" for hour, minute in times)
    return Schedule(recurrence, request, f"every {spoken} at {at}", canvas)


def unclear(text: str) -> str:
    """What to say of words that mean a recurring request and are not understood; "" for all others."""
    return HINT if parse(text) is None and _MEANT.match(text) else ""


def next_time(recurrence: str, zone: str, after: float) -> datetime.datetime:
    """The next occurrence in local time; a local time that the clocks skip moves to the next one that exists."""
    local = datetime.datetime.fromtimestamp(after, ZoneInfo(zone)).replace(tzinfo=None)
    naive: datetime.datetime = min(
        croniter(fields, local).get_next(datetime.datetime) for fields in recurrence.split("|")
    )
    return naive.replace(tzinfo=ZoneInfo(zone))


def _days(found: re.Match[str]) -> tuple[str, str] | None:
    """The last three cron fields, and how to say them."""
    if found["unit"]:
        field, spoken = UNITS[found["unit"].lower()]
        return f"* * {field}", spoken
    if found["days"]:
        names = list(dict.fromkeys(re.findall("|".join(DAYS), found["days"].lower())))
        return f"* * {','.join(str(DAYS[name]) for name in names)}", " and ".join(n.capitalize() for n in names)
    number = re.match(r"\d+", found["date"])
    if number is None:
        return "L * *", "month on the last day"
    day = int(number[0])
    return (f"{day} * *", f"month on the {_ordinal(day)}") if 1 <= day <= LAST_SURE else None


def _times(told: str) -> Iterator[tuple[int, int]]:
    for hour, minute, half in re.findall(r"(\d{1,2})(?::(\d\d))?\s*([ap]m)?", told, re.IGNORECASE):
        number = int(hour)
        if half:
            number = number % 12 + (12 if half.lower() == "pm" else 0)
        yield number, int(minute or 0)


def _ordinal(day: int) -> str:
    ending = "th" if 10 <= day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"
