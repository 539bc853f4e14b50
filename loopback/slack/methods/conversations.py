"""Reading `conversations.*` and `users.conversations`, with Slack's cursors."""

import base64
from collections.abc import Sequence
from typing import Any, TypeVar

from loopback.slack import shapes
from loopback.slack.api import Call, method
from loopback.slack.errors import Refused
from loopback.slack.state import Channel, Message

T = TypeVar("T")

READ = "channels:read|groups:read|im:read|mpim:read"
HISTORY = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}
KINDS = {"channel": "public_channel", "group": "private_channel", "im": "im", "mpim": "mpim"}


def paged(call: Call, items: Sequence[T], default: int = 100, most: int = 999) -> tuple[Sequence[T], dict[str, Any]]:
    """One page of `items` and the response_metadata that leads to the next."""
    limit = min(call.number("limit", default) or default, most)
    cursor = call.text("cursor")
    try:
        start = int(base64.b64decode(cursor, validate=True).decode().removeprefix("next:")) if cursor else 0
    except ValueError as error:
        raise Refused("invalid_cursor") from error
    end = start + max(1, limit)
    following = base64.b64encode(f"next:{end}".encode()).decode() if end < len(items) else ""
    return items[start:end], {"next_cursor": following}


@method("conversations.list", scope=READ, tier=2)
def list_conversations(call: Call) -> dict[str, Any]:
    kinds = call.listed("types") or ["public_channel"]
    shown = [
        one
        for one in call.space.channels.values()
        if KINDS[one.type] in kinds
        and call.space.may_see(one, call.caller.user)
        and not (one.is_archived and call.flag("exclude_archived"))
    ]
    page, more = paged(call, shown)
    channels = [shapes.channel(call.space, one, call.caller.user) for one in page]
    return {"channels": channels, "response_metadata": more}


@method("users.conversations", scope=READ, tier=2)
def users_conversations(call: Call) -> dict[str, Any]:
    user = call.text("user", call.caller.user)
    kinds = call.listed("types") or ["public_channel"]
    shown = [one for one in call.space.channels.values() if KINDS[one.type] in kinds and user in one.members]
    page, more = paged(call, [one for one in shown if call.space.may_see(one, call.caller.user)])
    channels = [shapes.channel(call.space, one, call.caller.user) for one in page]
    for one in channels:
        one.pop("is_member", None)  # Slack leaves both out here
        one.pop("num_members", None)
    return {"channels": channels, "response_metadata": more}


@method("conversations.info", required=("channel",), scope=READ, tier=3)
def info(call: Call) -> dict[str, Any]:
    channel = call.channel(member=False)
    shown = shapes.channel(call.space, channel, call.caller.user)
    if not call.flag("include_num_members"):
        shown.pop("num_members", None)
    if not call.caller.is_bot and call.caller.user in channel.members and not channel.is_im:
        shown["last_read"] = channel.last_read.get(call.caller.user, "0000000000.000000")
    return {"channel": shown}


@method("conversations.members", required=("channel",), scope=READ, tier=4)
def members(call: Call) -> dict[str, Any]:
    page, more = paged(call, call.channel(member=False).members)
    return {"members": list(page), "response_metadata": more}


def _readable(call: Call) -> Channel:
    channel = call.channel()
    call.need(f"{HISTORY[channel.type]}:history")
    return channel


def _within(call: Call, said: list[Message]) -> list[Message]:
    """The messages between `oldest` and `latest`."""
    oldest, latest, inclusive = call.text("oldest", "0"), call.text("latest"), call.flag("inclusive")
    try:
        low, high = float(oldest or 0), float(latest) if latest and latest != "now" else None
    except ValueError as error:
        raise Refused("invalid_ts_oldest") from error

    def fits(ts: float) -> bool:
        if inclusive:
            return low <= ts and (high is None or ts <= high)
        return low < ts and (high is None or ts < high)

    return [one for one in said if fits(float(one["ts"])) and call.space.settled(one["ts"])]


@method("conversations.history", required=("channel",), tier=3)
def history(call: Call) -> dict[str, Any]:
    channel = _readable(call)
    page, more = paged(call, _within(call, list(channel.top_level())[::-1]))
    metadata = call.flag("include_all_metadata")
    reply: dict[str, Any] = {
        "messages": [shapes.message(channel, one, metadata) for one in page],
        "has_more": bool(more["next_cursor"]),
        "pin_count": 0,
        "channel_actions_ts": None,
        "channel_actions_count": 0,
    }
    return reply | ({"response_metadata": more} if more["next_cursor"] else {})


@method("conversations.replies", required=("channel", "ts"), tier=3)
def replies(call: Call) -> dict[str, Any]:
    channel = _readable(call)
    ts = call.text("ts")
    if ts not in channel.messages:
        raise Refused("thread_not_found")
    thread = channel.thread(ts)
    kept = [thread[0], *_within(call, thread[1:])]  # the parent always comes along
    page, more = paged(call, kept, default=1000, most=1000)
    metadata = call.flag("include_all_metadata")
    reply: dict[str, Any] = {
        "messages": [shapes.message(channel, one, metadata) for one in page],
        "has_more": bool(more["next_cursor"]),
    }
    return reply | ({"response_metadata": more} if more["next_cursor"] else {})
