"""The company's people, channels and what was said in them over the last weeks."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

SOURCE = Path(__file__).parent / "workspace.yml"
SMALL_THREADS = 3  # conversations kept per channel in the small company


def workspace(small: bool) -> dict[str, Any]:
    """The content of workspace.json: team, users, channels, and messages oldest first."""
    source = yaml.load(SOURCE.read_text(encoding="utf-8"), yaml.CSafeLoader)
    names = {user["name"]: user["id"] for user in source["users"]}
    channels, messages = [], []
    for place, channel in enumerate(source["channels"], start=1):
        threads = channel.pop("threads")
        members = channel["members"]
        channels.append({**channel, "members": [names[name] for name in members]})
        for number, thread in enumerate(threads[:SMALL_THREADS] if small else threads):
            first = ""
            for said in thread:
                ((head, text),) = said.items()
                day, hour, name = head.split()
                ts = _ts(f"{day} {hour}", place, number)
                message = {"channel": channel["id"], "user": names[name], "text": text, "ts": ts}
                if first:
                    message["thread_ts"] = first
                first = first or ts
                messages.append(message)
    messages.sort(key=lambda message: message["ts"])
    return {"team": source["team"], "users": source["users"], "channels": channels, "messages": messages}


def _ts(moment: str, channel: int, thread: int) -> str:
    """Slack's timestamp of a message; the fraction keeps messages of one minute apart."""
    when = datetime.strptime(f"2026-{moment}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    return f"{int(when.timestamp())}.{channel:02d}{thread:02d}00"
