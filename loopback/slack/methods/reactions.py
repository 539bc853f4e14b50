"""What people and apps attach to messages and channels: reactions, pins and bookmarks."""

from typing import Any

from loopback.slack import shapes
from loopback.slack.api import Call, method
from loopback.slack.errors import Refused


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
