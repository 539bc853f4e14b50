"""Calendar v3: each person's own calendar; events are read, and made under ids of the caller's own."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from loopback.google.calls import Answer, Call, Handler
from loopback.google.errors import GoogleError, invalid
from loopback.google.files import Drive, email, rfc3339, stable_id

DEFAULT_ZONE = "Etc/UTC"


def add(drive: Drive, user: str, given: dict[str, Any]) -> dict[str, Any]:
    """A new event in a person's calendar."""
    number = given.get("id") or stable_id(f"event {drive.next_number()}").lower()[1:27]
    for side in ("start", "end"):
        if not (given.get(side) or {}).keys() & {"date", "dateTime"}:
            raise GoogleError(400, f"Missing {side} time.", reason="required")
    if not re.fullmatch(r"[a-v0-9]{5,1024}", number) and "id" in given:
        raise GoogleError(400, "Invalid resource id value.", reason="invalid")
    mine = drive.calendars.setdefault(user, {})
    if number in mine:
        raise GoogleError(409, "The requested identifier already exists.", reason="duplicate")
    now = rfc3339(drive.clock.now())
    me = {"email": email(user), "displayName": user, "self": True}
    event = {"kind": "calendar#event", "status": "confirmed", "created": now, "organizer": me, "creator": me}
    made: dict[str, Any] = {
        **event,
        "eventType": "default",
        **given,
        "id": number,
        "updated": now,
        "etag": f'"{now}"',
    }
    mine[number] = made
    return made


def _moment(point: dict[str, Any]) -> datetime:
    moment = datetime.fromisoformat(point.get("dateTime") or point["date"])
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _bound(call: Call, name: str) -> datetime | None:
    text = call.params.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min
    if moment.tzinfo is None:  # Google wants the offset said
        raise GoogleError(400, "Bad Request", reason="badRequest", location=("parameter", name))
    return moment


def _events(call: Call) -> dict[str, Any]:
    wanted = call.params["calendarId"]
    if wanted not in ("primary", email(call.user)):
        raise GoogleError(404, "Not Found", location=("parameter", "calendarId"))
    return call.drive.calendars.setdefault(call.user, {})


def _list(call: Call) -> Answer:
    found, since, until = list(_events(call).values()), _bound(call, "timeMin"), _bound(call, "timeMax")
    order = call.params.get("orderBy")
    if order == "startTime" and not call.params.get("singleEvents"):
        text = "The requested ordering is not available for the particular query."
        raise GoogleError(400, text, location=("parameter", "orderBy"))
    if since and until and until <= since:
        raise GoogleError(400, "The specified time range is empty.", reason="timeRangeEmpty")
    words = call.params.get("q", "").casefold()
    found = [e for e in found if since is None or _moment(e["end"]) > since]
    found = [e for e in found if until is None or _moment(e["start"]) < until]
    found = [e for e in found if words in f"{e.get('summary', '')} {e.get('description', '')}".casefold()]
    found.sort(key=lambda e: (_moment(e["start"]) if order == "startTime" else e["updated"], e["id"]))
    token, size = call.params.get("pageToken", "0"), call.params.get("maxResults", 250)
    if not token.isdigit():
        raise invalid("Invalid page token value.")
    start = int(token)
    out: dict[str, Any] = {"kind": "calendar#events", "summary": email(call.user), "timeZone": DEFAULT_ZONE}
    out |= {"accessRole": "owner", "items": found[start : start + size], "updated": rfc3339(call.drive.clock.now())}
    return out | ({"nextPageToken": str(start + size)} if start + size < len(found) else {})


def _one(call: Call) -> dict[str, Any]:
    event: dict[str, Any] | None = _events(call).get(call.params["eventId"])
    if event is None:
        raise GoogleError(404, "Not Found")
    return event


def _insert(call: Call) -> Answer:
    _events(call)
    return add(call.drive, call.user, call.body)


def _delete(call: Call) -> Answer:
    del _events(call)[_one(call)["id"]]
    return None


def _calendars(call: Call) -> Answer:
    mine: dict[str, Any] = {"kind": "calendar#calendarListEntry", "id": email(call.user), "summary": email(call.user)}
    mine |= {"primary": True, "accessRole": "owner", "timeZone": DEFAULT_ZONE}
    return {"kind": "calendar#calendarList", "items": [mine]}


HANDLERS: dict[str, Handler] = {
    "calendar.calendarList.list": _calendars,
    "calendar.events.delete": _delete,
    "calendar.events.get": _one,
    "calendar.events.insert": _insert,
    "calendar.events.list": _list,
}
