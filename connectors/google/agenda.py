"""Calendar: a person's events in a stretch of time, each once however often it recurs there."""

from __future__ import annotations

import datetime
from typing import Any

from connectors.errors import BadInput
from connectors.google.services import Services
from connectors.google.types import CalendarEvent

MOST = 500


class Agenda:
    """The Calendar part of a workspace; it only reads."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def events(
        self, since: datetime.datetime, until: datetime.datetime, words: str = "", calendar: str = "primary"
    ) -> tuple[CalendarEvent, ...]:
        """What is in the calendar between two moments, in order; `words` narrows it."""
        if since.tzinfo is None or until.tzinfo is None or until <= since:
            raise BadInput("A stretch of time needs two moments with their time zone, the first before the second.")
        asked: dict[str, Any] = {
            "calendarId": calendar, "timeMin": since.isoformat(), "timeMax": until.isoformat(), "singleEvents": True,
            "orderBy": "startTime", "maxResults": 250,
        }  # fmt: skip
        if words:
            asked["q"] = words
        found: list[CalendarEvent] = []
        while len(found) < MOST:
            page = await self._services.read("calendar", lambda s: s.events().list(**asked), "the calendar")
            found += [_event(one) for one in page.get("items", []) if one.get("status") != "cancelled"]
            if not page.get("nextPageToken"):
                break
            asked["pageToken"] = page["nextPageToken"]
        return tuple(found[:MOST])


def _event(given: dict[str, Any]) -> CalendarEvent:
    people = tuple(one.get("email", "") for one in given.get("attendees", []))
    start, end = (given.get(side, {}) for side in ("start", "end"))
    return CalendarEvent(
        given["id"], given.get("summary", ""), start.get("dateTime") or start.get("date", ""),
        end.get("dateTime") or end.get("date", ""), given.get("location", ""), given.get("description", ""), people,
        given.get("htmlLink", ""),
    )  # fmt: skip
