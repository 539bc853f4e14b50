"""What Slack saw, looked at afterwards: rate limits, how old cards became, and what people can read."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

Rows = list[dict[str, Any]]

# Slack's tiers as its method pages tell them; the lower one where two sources disagree. 0 has no limit of its own.
PER_MINUTE = {
    "agents.sessions.setStatus": 50, "assistant.threads.setStatus": 50, "chat.delete": 50, "chat.update": 50,
    "chat.startStream": 20, "chat.appendStream": 100, "chat.stopStream": 20, "canvases.create": 20,
    "canvases.access.set": 50, "canvases.edit": 50, "chat.getPermalink": 100,
    "conversations.history": 50, "conversations.replies": 50,
    "conversations.info": 50, "conversations.open": 50, "chat.postEphemeral": 100, "files.info": 100,
    "files.getUploadURLExternal": 100, "files.completeUploadExternal": 100, "views.publish": 100, "views.open": 100,
}  # fmt: skip
FREE = ("auth.test", "apps.connections.open", "chat.postMessage", "response_url", "files.upload")
MARK = re.compile(r"step (\d+) of (run-[0-9a-f]+)")


def calls(rows: Rows) -> Rows:
    """The app's own requests."""
    return [row for row in rows if row["kind"] == "request" and row.get("as") in ("UCADRE", None)]


def over_limit(rows: Rows) -> list[str]:
    """Every call that Slack would answer with 429: too many in its minute, or two posts in a channel's second."""
    windows: dict[tuple[str, str], list[float]] = defaultdict(list)
    found = []
    for row in calls(rows):
        method, at = row["name"], row["at"]
        if method == "chat.postMessage":
            key, most, span = (method, str(row["body"].get("channel"))), 1, 1.0
        elif method in FREE:
            continue
        else:
            key, most, span = (method, ""), PER_MINUTE.get(method, 20), 60.0
        window = windows[key] = [then for then in windows[key] if at - then < span]
        if len(window) >= most:
            found.append(f"{method} at {at:.2f}")
        window.append(at)
    return found + [f"{r['name']} answered 429" for r in rows if r.get("status") == 429]


def marks(row: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
    """The steps of runs that a posted or updated message shows."""
    for number, run in MARK.findall(str(row["body"])):
        yield run, int(number)


def card_ages(rows: Rows, changes: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Per run, how long each of its steps (made at these times) was not to be seen anywhere."""
    seen: dict[str, int] = defaultdict(int)
    ages: dict[str, list[float]] = defaultdict(list)
    for row in calls(rows):
        if row["name"] not in ("chat.postMessage", "chat.update"):
            continue
        newest: dict[str, int] = {}
        for run, number in marks(row):
            newest[run] = max(number, newest.get(run, 0))
        for run, number in newest.items():
            for step in range(seen[run], number):
                ages[run].append(row["at"] - changes[run][step])
            seen[run] = max(seen[run], number)
    return ages


def unseen(ages: Mapping[str, list[float]], changes: Mapping[str, list[float]]) -> int:
    """Steps that never were to be seen."""
    return sum(len(times) - len(ages.get(run, ())) for run, times in changes.items())


def text_of(messages: Iterable[Mapping[str, Any]]) -> str:
    """Everything that the blocks of messages say, in their order, each block on a line of its own."""
    return "\n".join(_said(block) for message in messages for block in message.get("blocks") or [])


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_said(one) for one in value)
    if isinstance(value, dict):
        return "".join(_said(value[key]) for key in ("text", "elements", "rows", "tasks", "title") if key in value)
    return ""
