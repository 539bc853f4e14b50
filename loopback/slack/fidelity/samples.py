"""Slack's recorded payloads: skeletons with every key that was ever seen, and a value of its type."""

import json
import re
import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any

# What the samples do not have, put together from those they do have.
_SAME_AS = {
    "conversations.setTopic": "conversations.info",
    "oauth.v2.exchange": "oauth.v2.access",
}
_PLAIN = ("agents.sessions.setStatus", "agents.sessions.rename")

# Events that are newer than the samples, by their published types.
_NEWER_EVENTS: dict[str, dict[str, Any]] = {
    "agent_session_stopped": {"channel": "", "user": "", "thread_ts": "", "streaming_message_ts": [""]},
    "agent_session_title_changed": {
        "channel": "",
        "user": "",
        "team_id": "",
        "thread_ts": "",
        "title": "",
        "previous_title": "",
    },
    "app_context_changed": {"channel": "", "user": "", "context": {}},
}
_MESSAGES = {
    "message_changed": "MessageChanged",
    "message_deleted": "MessageDeleted",
    "file_share": "MessageFileShare",
    "thread_broadcast": "MessageThreadBroadcast",
    "me_message": "MessageMe",
    "channel_topic": "MessageChannelTopic",
    "channel_purpose": "MessageChannelPurpose",
    "channel_name": "MessageChannelName",
    "channel_archive": "MessageChannelArchive",
    "channel_unarchive": "MessageChannelUnarchive",
}


class Samples:
    """The samples of a zip, read when first asked for."""

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        self._names = frozenset(self._archive.namelist())
        self._read: dict[str, Any] = {}

    def _sample(self, name: str) -> dict[str, Any] | None:
        if name not in self._names:
            return None
        if name not in self._read:
            self._read[name] = json.loads(self._archive.read(name))
        found: dict[str, Any] = self._read[name]
        return found

    @cached_property
    def message(self) -> dict[str, Any]:
        """A message with every key that one can have."""
        clicked = self.interaction("block_actions")
        assert clicked is not None
        said = (self._sample("api/channels.history.json") or {})["messages"][0]
        return {**clicked["message"], "reactions": said["reactions"]}

    def reply(self, method: str) -> dict[str, Any] | None:
        """The reply of a Web API method."""
        plain = self._sample("api/reactions.add.json") or {}
        message = {"channel": "", "ts": "", "text": "", "message": self.message}
        if method in ("chat.postMessage", "chat.update", "chat.stopStream", "chat.scheduleMessage"):
            return {**plain, **message, "scheduled_message_id": "", "post_at": 1}
        if method in ("conversations.history", "conversations.replies"):
            history = self._sample("api/channels.history.json") or {}
            return {**history, "messages": [self.message]}
        if method == "reactions.get":
            return {**plain, **message, "type": ""}
        if method == "conversations.open":
            info = self._sample("api/conversations.info.json") or {}
            opened = self._sample("api/im.open.json") or {}
            return {**plain, **opened, "channel": info.get("channel", {})}
        if method in _PLAIN:
            return {**plain, "response_metadata": {"messages": [""], "warnings": [""]}}
        return self._sample(f"api/{_SAME_AS.get(method, method)}.json")

    def event(self, type: str, subtype: str) -> dict[str, Any] | None:
        """The whole payload of an event."""
        if type in _NEWER_EVENTS:
            envelope = self._sample("events/AppHomeOpenedPayload.json") or {}
            return {**envelope, "event": {"type": "", "event_ts": "", **_NEWER_EVENTS[type]}}
        name = _MESSAGES.get(subtype, "Message") if type == "message" else _camel(type)
        return self._sample(f"events/{name}Payload.json")

    def interaction(self, type: str) -> dict[str, Any] | None:
        """The whole payload of a click, a modal, a shortcut or a slash command."""
        of = "app-backend/interactive-components"
        menu = self._sample(f"{of}/MessageShortcutPayload.json") or {}
        clicked = self._sample(f"{of}/BlockActionPayload.json") or {}
        if type == "shortcut":  # as a message's menu, without a message
            user = {**menu["user"], "username": ""}
            return {key: value for key, value in menu.items() if not key.startswith("message")} | {"user": user}
        if type == "block_suggestion":
            asked = {"action_id": "", "block_id": "", "value": ""}
            return {key: value for key, value in clicked.items() if key != "actions"} | asked
        return {
            "block_actions": clicked,
            "message_action": menu,
            "view_submission": self._sample("app-backend/views/ViewSubmissionPayload.json"),
            "view_closed": self._sample("app-backend/views/ViewClosedPayload.json"),
            "slash_commands": self._sample("app-backend/slash-commands/SlashCommandPayload.json"),
        }.get(type)


def _camel(type: str) -> str:
    return re.sub(r"(?:^|_)(\w)", lambda found: found.group(1).upper(), type)
