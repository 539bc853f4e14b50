"""`chat.*`, streams, and reactions."""

from contextlib import suppress
from typing import Any

from loopback.slack import shapes
from loopback.slack.api import Call, checked_blocks, method
from loopback.slack.errors import Refused
from loopback.slack.methods.conversations import paged
from loopback.slack.seed import BOT_ID, BOT_USER
from loopback.slack.state import Channel, Message, Scheduled
from loopback.slack.typed import typed

POST_CHARS = 40_000
UPDATE_CHARS = 4_000
MARKDOWN_CHARS = 12_000
SCHEDULE_S = 120 * 86_400
STREAM_S = 300.0
CHUNK_CHARS = 256


def content_of(call: Call, *, needed: bool = True) -> Message:
    """Text, blocks, attachments and metadata of a call, as they are kept with a message."""
    content: Message = {}
    markdown = call.args.get("markdown_text")
    blocks = checked_blocks(call)
    if markdown is not None:
        if call.args.get("text") or blocks:
            raise Refused("markdown_text_conflict")
        if len(str(markdown)) > MARKDOWN_CHARS:
            raise Refused("msg_too_long")
        content = {"text": str(markdown), "blocks": [{"type": "markdown", "text": str(markdown)}]}
    if call.args.get("text") is not None and markdown is None:
        text = call.text("text")
        content["text"] = text if call.caller.is_bot else typed(text, call.space)
    if blocks is not None:
        content["blocks"] = blocks
    for key in ("attachments", "metadata"):
        if call.args.get(key) not in (None, ""):
            content[key] = call.args[key]
    if "metadata" in content and not _is_metadata(content["metadata"]):
        raise Refused("invalid_metadata_format")
    if needed and not (content.get("text") or content.get("blocks") or content.get("attachments")):
        raise Refused("no_text")
    return content


def _is_metadata(given: Any) -> bool:
    """An event with its payload, or entities (work objects), or both."""
    if not isinstance(given, dict):
        return False
    event = "event_type" in given and isinstance(given.get("event_payload"), dict)
    return event or (isinstance(given.get("entities"), list) and bool(given["entities"]))


def _found(call: Call, channel: Channel) -> Message:
    said = channel.messages.get(call.text("ts"))
    if said is None:
        raise Refused("message_not_found")
    return said


def _writable(call: Call) -> Channel:
    """The channel that a call wants to post to."""
    channel = call.channel(member=False)
    if call.caller.user not in channel.members and (
        channel.is_private or "chat:write.public" not in call.caller.scopes
    ):
        raise Refused("not_in_channel")
    if channel.is_archived:
        raise Refused("is_archived")
    return channel


@method("chat.postMessage", scope="chat:write")
def post_message(call: Call) -> dict[str, Any]:
    channel = _writable(call)
    content = content_of(call)
    content["text"] = content.get("text", "")[:POST_CHARS]
    if "chat:write.customize" in call.caller.scopes:
        content |= {key: call.args[key] for key in ("username", "icons") if call.args.get(key)}
    thread = call.text("thread_ts") or None
    if thread and call.flag("reply_broadcast"):
        content["subtype"] = "thread_broadcast"
    said = call.desk.post(channel, call.caller.user, content, thread)
    return {"channel": channel.id, "ts": said["ts"], "message": said}


@method("chat.update", required=("ts",), scope="chat:write", tier=3)
def update(call: Call) -> dict[str, Any]:
    channel = call.channel()
    said = _found(call, channel)
    if said.get("user") != call.caller.user:
        raise Refused("cant_update_message")
    if (channel.id, said["ts"]) in call.space.streams:
        raise Refused("streaming_state_conflict")
    if len(call.text("text")) > UPDATE_CHARS:
        raise Refused("msg_too_long")
    changes = content_of(call, needed=False)
    if not changes:
        raise Refused("no_text")
    said = call.desk.edit(channel, said["ts"], changes, call.caller.user)
    return {"channel": channel.id, "ts": said["ts"], "text": said["text"], "message": said}


@method("chat.delete", required=("ts",), scope="chat:write", tier=3)
def delete(call: Call) -> dict[str, Any]:
    channel = call.channel()
    said = _found(call, channel)
    if said.get("user") != call.caller.user:
        raise Refused("cant_delete_message")
    call.desk.delete(channel, said["ts"])
    return {"channel": channel.id, "ts": said["ts"]}


@method("chat.postEphemeral", required=("user",), scope="chat:write", tier=4)
def post_ephemeral(call: Call) -> dict[str, Any]:
    channel = call.channel()
    if call.text("user") not in channel.members:
        raise Refused("user_not_in_channel")
    said = call.desk.whisper(channel, call.text("user"), content_of(call), call.text("thread_ts") or None)
    return {"message_ts": said["ts"]}


@method("chat.getPermalink", required=("message_ts",))
def get_permalink(call: Call) -> dict[str, Any]:
    channel = call.channel(member=False)
    said = channel.messages.get(call.text("message_ts"))
    if said is None:
        raise Refused("message_not_found")
    link = shapes.permalink(call.space, channel.id, said["ts"], said.get("thread_ts"))
    return {"channel": channel.id, "permalink": link}


@method("chat.meMessage", required=("channel", "text"), scope="chat:write", tier=3)
def me_message(call: Call) -> dict[str, Any]:
    channel = _writable(call)
    said = call.desk.post(channel, call.caller.user, {**content_of(call), "subtype": "me_message"})
    return {"channel": channel.id, "ts": said["ts"]}


@method("chat.unfurl", required=("channel", "ts"), scope="links:write", tier=3)
def unfurl(call: Call) -> dict[str, Any]:
    channel = call.channel()
    said = _found(call, channel)
    unfurls = call.args.get("unfurls") or {}
    if not isinstance(unfurls, dict) or (not unfurls and not call.args.get("metadata")):
        raise Refused("missing_unfurls")
    shown = [{**one, "from_url": url, "app_unfurl_url": url} for url, one in unfurls.items()]
    call.desk.edit(channel, said["ts"], {"attachments": shown}, BOT_USER)
    return {}


# ---- scheduled messages


@method("chat.scheduleMessage", required=("channel", "post_at"), scope="chat:write", tier=3)
def schedule(call: Call) -> dict[str, Any]:
    channel, now = _writable(call), call.space.now()
    post_at = call.number("post_at", 0)
    if post_at <= now:
        raise Refused("time_in_past")
    if post_at > now + SCHEDULE_S:
        raise Refused("time_too_far")
    content, id = content_of(call), call.space.new_id("Q")
    planned = Scheduled(id, channel.id, call.caller.user, post_at, int(now), content, call.text("thread_ts") or None)
    call.space.scheduled[id] = planned

    def due() -> None:
        if call.space.scheduled.pop(id, None) is planned:
            with suppress(Refused):  # its thread is gone by now
                call.desk.post(channel, planned.user, content, planned.thread_ts)

    call.desk.timers.at(post_at, due)
    message = {"text": "", **content, "type": "delayed_message", "subtype": "bot_message", "bot_id": BOT_ID}
    return {"channel": channel.id, "scheduled_message_id": id, "post_at": post_at, "message": message}


@method("chat.scheduledMessages.list", scope="chat:write", tier=3)
def scheduled_messages(call: Call) -> dict[str, Any]:
    place = call.channel().id if call.text("channel") else ""
    mine = [
        one for one in call.space.scheduled.values() if one.user == call.caller.user and place in ("", one.channel)
    ]
    page, more = paged(call, sorted(mine, key=lambda one: one.post_at))
    told = [
        {
            "id": one.id,
            "channel_id": one.channel,
            "post_at": one.post_at,
            "date_created": one.created,
            "text": one.content.get("text", ""),
        }
        for one in page
    ]
    return {"scheduled_messages": told, "response_metadata": more}


@method("chat.deleteScheduledMessage", required=("channel", "scheduled_message_id"), scope="chat:write", tier=3)
def delete_scheduled(call: Call) -> dict[str, Any]:
    planned = call.space.scheduled.get(call.text("scheduled_message_id"))
    if planned is None or planned.user != call.caller.user:
        raise Refused("invalid_scheduled_message_id")
    del call.space.scheduled[planned.id]
    return {}
