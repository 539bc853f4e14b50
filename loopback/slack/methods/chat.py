"""`chat.*`, streams, and reactions."""

from typing import Any

from loopback.slack import shapes
from loopback.slack.api import Call, checked_blocks, method
from loopback.slack.errors import Refused
from loopback.slack.state import Channel, Message
from loopback.slack.typed import typed

POST_CHARS = 40_000
UPDATE_CHARS = 4_000
MARKDOWN_CHARS = 12_000
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
    metadata = content.get("metadata")
    if metadata is not None and not (
        isinstance(metadata, dict) and "event_type" in metadata and isinstance(metadata.get("event_payload"), dict)
    ):
        raise Refused("invalid_metadata_format")
    if needed and not (content.get("text") or content.get("blocks") or content.get("attachments")):
        raise Refused("no_text")
    return content


def _found(call: Call, channel: Channel) -> Message:
    said = channel.messages.get(call.text("ts"))
    if said is None:
        raise Refused("message_not_found")
    return said


@method("chat.postMessage", scope="chat:write")
def post_message(call: Call) -> dict[str, Any]:
    channel = call.channel(member=False)
    if call.caller.user not in channel.members and "chat:write.public" not in call.desk.app.scopes:
        raise Refused("not_in_channel")
    content = content_of(call)
    content["text"] = content.get("text", "")[:POST_CHARS]
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
