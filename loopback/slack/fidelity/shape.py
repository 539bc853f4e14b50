"""Compares a payload with its sample: no key outside it, the same JSON types, and what is never missing."""

import re
from collections.abc import Iterator
from typing import Any

from loopback.slack.fidelity.samples import Samples

# Free forms (what an author put in comes back as it was), and what a file or a profile may carry by its kind.
_FREE = ("blocks", "metadata", "args", "shares", "state", "attachments", "app_context", "context", "files", "options")

# Keys that are newer than the samples, or documented though not in them, by the key of the object they are in.
_NEWER = {
    "event": {"app_id", "bot_id", "bot_profile", "client_msg_id", "team", "app_context", "files", "user_team",
              "source_team", "user_profile"},
    "messages": {"app_id", "metadata", "is_locked", "streaming_state", "pinned_to", "permalink", "user_team",
                 "source_team", "user_profile"},
    "message": {"app_id", "streaming_state", "permalink", "files", "user_team", "source_team", "user_profile",
                "reply_users"},
    "root": {"app_id", "client_msg_id", "blocks", "reply_users", "is_locked"},
    "previous_message": {"reply_users", "app_id", "files", "streaming_state"},
    "": {"context_team_id", "context_enterprise_id", "response_metadata", "errors", "req_method", "pin_count",
         "warning", "error", "needed", "provided", "response_urls", "revoked"},
    "response_metadata": {"messages", "warnings", "next_cursor"},
    "icon": {"image_default"},
    "channel": {"num_members"},
    "channels": {"num_members"},
}  # fmt: skip

# What a client may count on. Of a reply: when it is ok.
_REPLY = {
    "auth.test": "url team user team_id user_id",
    "apps.connections.open": "url",
    "chat.postMessage": "channel ts message",
    "chat.update": "channel ts text message",
    "chat.delete": "channel ts",
    "chat.postEphemeral": "message_ts",
    "chat.startStream": "channel ts",
    "chat.appendStream": "channel ts",
    "chat.stopStream": "channel ts message",
    "chat.getPermalink": "channel permalink",
    "chat.scheduleMessage": "channel scheduled_message_id post_at message",
    "conversations.info": "channel",
    "conversations.list": "channels response_metadata",
    "conversations.members": "members response_metadata",
    "conversations.history": "messages has_more",
    "conversations.replies": "messages has_more",
    "conversations.open": "channel",
    "users.info": "user",
    "users.list": "members cache_ts",
    "files.getUploadURLExternal": "upload_url file_id",
    "files.completeUploadExternal": "files",
    "files.info": "file",
    "views.open": "view",
    "views.push": "view",
    "views.update": "view",
    "views.publish": "view",
    "oauth.v2.access": "app_id team is_enterprise_install",
    "usergroups.list": "usergroups",
    "bookmarks.list": "bookmarks",
    "canvases.create": "canvas_id",
}
_ID = re.compile(r"[A-Z][a-z]?0{7}\d+")  # as the samples write ids
_ENVELOPE = "token team_id api_app_id event type event_id event_time authorizations is_ext_shared_channel"
_EVENT = {
    "app_mention": "user text ts channel event_ts",
    "message": "channel ts event_ts channel_type",
    "message_changed": "message previous_message",
    "message_deleted": "previous_message deleted_ts",
    "reaction_added": "user reaction item event_ts",
    "reaction_removed": "user reaction item event_ts",
    "member_joined_channel": "user channel channel_type team",
    "app_home_opened": "user channel tab event_ts",
    "agent_session_stopped": "channel user thread_ts streaming_message_ts event_ts",
}
_INTERACTION = {
    "block_actions": "type user api_app_id token container trigger_id team actions",
    "view_submission": "type user api_app_id token trigger_id team view response_urls",
    "view_closed": "type user api_app_id token team view is_cleared",
    "message_action": "type user token trigger_id team channel message message_ts response_url callback_id action_ts",
    "shortcut": "type user token trigger_id team callback_id action_ts",
    "slash_commands": "token team_id channel_id user_id command text response_url trigger_id api_app_id",
}


def reply_problems(samples: Samples, method: str, reply: dict[str, Any]) -> list[str]:
    """What Slack's reply of this method would not have, or always has."""
    if reply.get("error") in ("unknown_method", "ratelimited"):
        return []
    known = samples.reply(method)
    found = list(strange(reply, known)) if known is not None else []
    return found + (missing(reply, _REPLY.get(method, "")) if reply.get("ok") else [])


def event_problems(samples: Samples, _: str, payload: dict[str, Any]) -> list[str]:
    event = payload["event"]
    type, subtype = event["type"], event.get("subtype", "")
    known = samples.event(type, subtype)
    found = list(strange(payload, known)) if known is not None else [f"no sample of {type}"]
    wanted = " ".join(_EVENT.get(one, "") for one in (type, subtype))
    return found + missing(payload, _ENVELOPE) + missing(event, wanted)


def interaction_problems(samples: Samples, kind: str, payload: dict[str, Any]) -> list[str]:
    type = payload["type"] if kind == "interactive" else kind
    known = samples.interaction(type)
    # A form has no booleans, so a slash command says "false".
    told = {key: value for key, value in payload.items() if kind == "interactive" or key != "is_enterprise_install"}
    found = list(strange(told, known)) if known is not None else [f"no sample of {type}"]
    return found + missing(payload, _INTERACTION.get(type, ""))


def missing(told: dict[str, Any], wanted: str) -> list[str]:
    return [f"{key} is missing" for key in wanted.split() if key not in told]


def strange(told: Any, known: Any, at: str = "") -> Iterator[str]:
    """Where `told` has a key that the sample does not know, or another JSON type."""
    name = at.rpartition(".")[2]
    if isinstance(told, dict) and isinstance(known, dict) and known and all(map(_ID.fullmatch, known)):
        for key, value in told.items():  # one entry for each of somebody's ids
            yield from strange(value, next(iter(known.values())), f"{at}.{key}")
    elif isinstance(told, dict) and isinstance(known, dict):
        for key, value in told.items():
            if key in _FREE or key in _NEWER.get(name, ()) or value is None:
                continue
            if key not in known:
                yield f"{at}.{key} is unknown"
            else:
                yield from strange(value, known[key], f"{at}.{key}")
    elif isinstance(told, list) and isinstance(known, list):
        for value in told if known else []:
            yield from strange(value, known[0], at)
    elif type(told) is not type(known) and not {type(told), type(known)} <= {int, float}:
        yield f"{at} is {type(told).__name__}, in the sample {type(known).__name__}"
