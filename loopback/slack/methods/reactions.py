"""What people and apps attach to messages and channels: reactions, pins and bookmarks."""

from typing import Any

from loopback.slack import shapes
from loopback.slack.api import Call, method
from loopback.slack.errors import Refused
from loopback.slack.methods.conversations import paged
from loopback.slack.seed import BOT_USER
from loopback.slack.state import Channel


@method("reactions.add", required=("name", "timestamp"), scope="reactions:write", tier=3)
def add_reaction(call: Call) -> dict[str, Any]:
    call.desk.react(call.channel(), call.text("timestamp"), call.caller.user, call.text("name").strip(":"))
    return {}


@method("reactions.remove", required=("name", "timestamp"), scope="reactions:write", tier=2)
def remove_reaction(call: Call) -> dict[str, Any]:
    name = call.text("name").strip(":")
    call.desk.react(call.channel(), call.text("timestamp"), call.caller.user, name, remove=True)
    return {}


@method("reactions.get", required=("timestamp",), scope="reactions:read", tier=3)
def get_reactions(call: Call) -> dict[str, Any]:
    channel = call.channel()
    said = channel.messages.get(call.text("timestamp"))
    if said is None:
        raise Refused("message_not_found")
    link = shapes.permalink(call.space, channel.id, said["ts"], said.get("thread_ts"))
    shown = {**shapes.message(channel, said), "permalink": link}
    return {"type": "message", "channel": channel.id, "message": shown}


@method("reactions.list", scope="reactions:read", tier=2)
def list_reactions(call: Call) -> dict[str, Any]:
    user = call.text("user", call.caller.user)
    items = [
        {"type": "message", "channel": channel.id, "message": shapes.message(channel, said)}
        for channel in call.space.channels.values()
        if call.caller.user in channel.members
        for said in channel.messages.values()
        if any(user in one["users"] for one in said.get("reactions", []))
    ]
    page, more = paged(call, items[::-1])
    return {"items": list(page), "response_metadata": more}


# ---- pins


@method("pins.add", required=("channel", "timestamp"), scope="pins:write", tier=2)
def add_pin(call: Call) -> dict[str, Any]:
    channel, ts = call.channel(), call.text("timestamp")
    if ts not in channel.messages:
        raise Refused("message_not_found")
    if ts in channel.pins:
        raise Refused("already_pinned")
    channel.pins[ts] = {"created": int(call.space.now()), "created_by": call.caller.user}
    _tell_pin(call, channel, ts, "pin_added")
    return {}


@method("pins.remove", required=("channel", "timestamp"), scope="pins:write", tier=2)
def remove_pin(call: Call) -> dict[str, Any]:
    channel, ts = call.channel(), call.text("timestamp")
    if ts not in channel.pins:
        raise Refused("no_pin")
    _tell_pin(call, channel, ts, "pin_removed")
    del channel.pins[ts]
    return {}


@method("pins.list", required=("channel",), scope="pins:read", tier=2)
def list_pins(call: Call) -> dict[str, Any]:
    channel = call.channel()
    return {"items": [_pin(call, channel, ts) for ts in channel.pins if ts in channel.messages]}


def _pin(call: Call, channel: Channel, ts: str) -> dict[str, Any]:
    said = channel.messages[ts]
    kept = ("bot_id", "type", "text", "user", "ts", "app_id", "team", "bot_profile")
    message = {key: said[key] for key in kept if key in said}
    link = shapes.permalink(call.space, channel.id, ts, said.get("thread_ts"))
    shown = {**message, "pinned_to": [channel.id], "permalink": link}
    return {"type": "message", **channel.pins[ts], "channel": channel.id, "message": shown}


def _tell_pin(call: Call, channel: Channel, ts: str, type: str) -> None:
    call.space.feed.publish("pin", channel=channel.id, ts=ts, pinned=type == "pin_added")
    if BOT_USER in channel.members:
        item = _pin(call, channel, ts)
        if type == "pin_removed":
            del item["message"]["pinned_to"]
        event = {"type": type, "user": call.caller.user, "channel_id": channel.id, "item": item}
        author = channel.messages[ts].get("user", "")
        call.desk.tell({**event, "item_user": author, "pin_count": len(channel.pins)}, type, channel)


# ---- bookmarks


@method("bookmarks.add", required=("channel_id", "title", "type"), scope="bookmarks:write", tier=2)
def add_bookmark(call: Call) -> dict[str, Any]:
    channel = call.channel("channel_id")
    if call.text("type") != "link" or not call.text("link").startswith(("http://", "https://")):
        raise Refused("invalid_link" if call.text("type") == "link" else "invalid_bookmark_type")
    id, now = call.space.new_id("Bk"), int(call.space.now())
    channel.bookmarks[id] = {
        "id": id,
        "channel_id": channel.id,
        "title": call.text("title"),
        "link": call.text("link"),
        "emoji": call.text("emoji"),
        "icon_url": None,
        "type": "link",
        "entity_id": None,
        "date_created": now,
        "date_updated": 0,
        "rank": f"{len(channel.bookmarks):04d}",
        "last_updated_by_user_id": call.caller.user,
        "last_updated_by_team_id": call.team,
        "shortcut_id": None,
        "app_id": None,
    }
    call.space.feed.publish("bookmark", channel=channel.id)
    return {"bookmark": channel.bookmarks[id]}


def _bookmark(call: Call) -> tuple[Channel, dict[str, Any]]:
    channel = call.channel("channel_id")
    found = channel.bookmarks.get(call.text("bookmark_id"))
    if found is None:
        raise Refused("not_found")
    return channel, found


@method("bookmarks.edit", required=("channel_id", "bookmark_id"), scope="bookmarks:write", tier=2)
def edit_bookmark(call: Call) -> dict[str, Any]:
    channel, found = _bookmark(call)
    found |= {key: call.text(key) for key in ("title", "link", "emoji") if call.args.get(key) is not None}
    found |= {"date_updated": int(call.space.now()), "last_updated_by_user_id": call.caller.user}
    call.space.feed.publish("bookmark", channel=channel.id)
    return {"bookmark": found}


@method("bookmarks.remove", required=("channel_id", "bookmark_id"), scope="bookmarks:write", tier=2)
def remove_bookmark(call: Call) -> dict[str, Any]:
    channel, found = _bookmark(call)
    del channel.bookmarks[found["id"]]
    call.space.feed.publish("bookmark", channel=channel.id)
    return {}


@method("bookmarks.list", required=("channel_id",), scope="bookmarks:read", tier=3)
def list_bookmarks(call: Call) -> dict[str, Any]:
    return {"bookmarks": list(call.channel("channel_id").bookmarks.values())}
