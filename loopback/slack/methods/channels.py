"""`conversations.*` that change a channel: create, archive, rename, topic, membership."""

import re
from typing import Any

from loopback.slack import shapes
from loopback.slack.api import Call, method
from loopback.slack.errors import Refused, bad_argument
from loopback.slack.state import Channel

MANAGE = "channels:manage|groups:write|mpim:write|channels:write"
NAME = re.compile(r"[\w\-]{1,80}", re.UNICODE)


def _told(call: Call, channel: Channel) -> dict[str, Any]:
    shown = shapes.channel(call.space, channel, call.caller.user)
    shown.pop("num_members", None)
    call.space.feed.publish("channel", channel=channel.id)
    return {"channel": shown}


def _free_name(call: Call) -> str:
    name = call.text("name").lower()
    if not NAME.fullmatch(name):
        raise Refused("invalid_name_specials" if name else "invalid_name_required")
    taken = call.space.channel(name)
    if taken is not None and taken.name == name:
        raise Refused("name_taken")
    return name


@method("conversations.create", required=("name",), scope=MANAGE, tier=2)
def create(call: Call) -> dict[str, Any]:
    name, private = _free_name(call), call.flag("is_private")
    id, me = call.space.new_id("C"), call.caller.user
    channel = Channel(id, name, [me], is_private=private, creator=me, created=int(call.space.now()))
    call.space.channels[id] = channel
    if not private:
        told = {"id": id, "name": name, "created": channel.created, "creator": me, "context_team_id": call.team}
        call.desk.tell({"type": "channel_created", "channel": told}, "channel_created")
    return _told(call, channel)


@method("conversations.archive", required=("channel",), scope=MANAGE, tier=2)
def archive(call: Call) -> dict[str, Any]:
    channel = call.channel()
    if channel.is_archived:
        raise Refused("already_archived")
    if channel.name == "general":
        raise Refused("cant_archive_general")
    channel.is_archived = True
    call.desk.tell({"type": "channel_archive", "channel": channel.id, "user": call.caller.user}, "channel_archive")
    _told(call, channel)
    return {}


@method("conversations.unarchive", required=("channel",), scope=MANAGE, tier=2)
def unarchive(call: Call) -> dict[str, Any]:
    channel = call.channel(member=False)
    if not channel.is_archived:
        raise Refused("not_archived")
    channel.is_archived = False
    event = {"type": "channel_unarchive", "channel": channel.id, "user": call.caller.user}
    call.desk.tell(event, "channel_unarchive")
    _told(call, channel)
    return {}


@method("conversations.rename", required=("channel", "name"), scope=MANAGE, tier=2)
def rename(call: Call) -> dict[str, Any]:
    channel = call.channel()
    channel.previous_names.append(channel.name)
    channel.name = _free_name(call)
    told = {"id": channel.id, "name": channel.name, "created": channel.created}
    call.desk.tell({"type": "channel_rename", "channel": told}, "channel_rename")
    return _told(call, channel)


@method("conversations.setTopic", required=("channel",), scope=MANAGE, tier=2)
def set_topic(call: Call) -> dict[str, Any]:
    channel = call.channel()
    channel.topic = call.text("topic")
    return _told(call, channel)


@method("conversations.setPurpose", required=("channel",), scope=MANAGE, tier=2)
def set_purpose(call: Call) -> dict[str, Any]:
    channel = call.channel()
    channel.purpose = call.text("purpose")
    return _told(call, channel)


@method("conversations.join", required=("channel",), scope="channels:join", tier=3)
def join(call: Call) -> dict[str, Any]:
    channel = call.channel(member=False)
    if channel.is_private:
        raise Refused("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise Refused("is_archived")
    already = call.caller.user in channel.members
    call.desk.join(channel, call.caller.user)
    told = _told(call, channel)
    if already:
        return {**told, "warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
    return told


@method("conversations.leave", required=("channel",), scope=MANAGE, tier=3)
def leave(call: Call) -> dict[str, Any]:
    channel = call.channel(member=False)
    if call.caller.user not in channel.members:
        return {"not_in_channel": True}
    call.desk.leave(channel, call.caller.user)
    return {}


@method("conversations.invite", required=("channel", "users"), scope=MANAGE, tier=3)
def invite(call: Call) -> dict[str, Any]:
    channel = call.channel()
    for user in call.listed("users"):
        if user not in call.space.users:
            raise Refused("user_not_found")
        if user == call.caller.user:
            raise Refused("cant_invite_self")
        if user in channel.members:
            raise Refused("already_in_channel")
        call.desk.join(channel, user, inviter=call.caller.user)
    return _told(call, channel)


@method("conversations.kick", required=("channel", "user"), scope=MANAGE, tier=3)
def kick(call: Call) -> dict[str, Any]:
    if call.text("user") == call.caller.user:
        raise Refused("cant_kick_self")
    call.desk.leave(call.channel(), call.text("user"))
    return {}


@method("conversations.open", scope="im:write|mpim:write", tier=3)
def open_conversation(call: Call) -> dict[str, Any]:
    if call.text("channel"):
        channel = call.channel()
        return {"channel": shapes.channel(call.space, channel, call.caller.user), "no_op": True, "already_open": True}
    users = call.listed("users")
    if not users:
        raise Refused("users_list_not_supplied")
    if any(one not in call.space.users for one in users):
        raise Refused("user_not_found")
    if len(users) > 8:
        raise bad_argument("no more than 8 people [json-pointer:/users]")
    known = len(call.space.channels)
    me = call.caller.user
    channel = call.space.direct(me, users[0]) if len(users) == 1 else call.space.together([me, *users])
    shown = (
        shapes.channel(call.space, channel, me) if call.flag("return_im") or len(users) > 1 else {"id": channel.id}
    )
    if len(call.space.channels) == known:
        return {"channel": shown, "no_op": True, "already_open": True}
    return {"channel": shown}


@method("conversations.close", required=("channel",), scope="im:write|mpim:write", tier=2)
def close(call: Call) -> dict[str, Any]:
    channel = call.channel()
    if not (channel.is_im or channel.is_mpim):
        raise Refused("method_not_supported_for_channel_type")
    return {}


@method("conversations.mark", required=("channel", "ts"), scope=MANAGE, tier=3)
def mark(call: Call) -> dict[str, Any]:
    call.channel().last_read[call.caller.user] = call.text("ts")
    return {}
