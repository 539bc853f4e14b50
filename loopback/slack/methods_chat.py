"""`chat.*`, streams, and reactions."""

from typing import Any

from loopback.slack import shapes
from loopback.slack.api import Call, bad_argument, checked_blocks, method
from loopback.slack.blocks import TASK_STATUSES, message_problems
from loopback.slack.desk import Refused
from loopback.slack.seed import BOT_USER
from loopback.slack.state import Channel, Message, Session, Stream
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


@method("chat.update", required=("ts",), scope="chat:write")
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


@method("chat.delete", required=("ts",), scope="chat:write")
def delete(call: Call) -> dict[str, Any]:
    channel = call.channel()
    said = _found(call, channel)
    if said.get("user") != call.caller.user:
        raise Refused("cant_delete_message")
    call.desk.delete(channel, said["ts"])
    return {"channel": channel.id, "ts": said["ts"]}


@method("chat.postEphemeral", required=("user",), scope="chat:write")
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


# ---- reactions


@method("reactions.add", required=("name", "timestamp"), scope="reactions:write")
def add_reaction(call: Call) -> dict[str, Any]:
    call.desk.react(call.channel(), call.text("timestamp"), call.caller.user, call.text("name").strip(":"))
    return {}


@method("reactions.remove", required=("name", "timestamp"), scope="reactions:write")
def remove_reaction(call: Call) -> dict[str, Any]:
    name = call.text("name").strip(":")
    call.desk.react(call.channel(), call.text("timestamp"), call.caller.user, name, remove=True)
    return {}


@method("reactions.get", required=("timestamp",), scope="reactions:read")
def get_reactions(call: Call) -> dict[str, Any]:
    channel = call.channel()
    said = channel.messages.get(call.text("timestamp"))
    if said is None:
        raise Refused("message_not_found")
    link = shapes.permalink(call.space, channel.id, said["ts"], said.get("thread_ts"))
    shown = {**shapes.message(channel, said), "permalink": link}
    return {"type": "message", "channel": channel.id, "message": shown}


# ---- streams


@method("chat.startStream", scope="chat:write")
def start_stream(call: Call) -> dict[str, Any]:
    channel = call.channel()
    if not call.text("thread_ts"):
        raise bad_argument("missing required field: thread_ts")
    if not channel.is_im:
        for needed in ("recipient_user_id", "recipient_team_id"):
            if not call.text(needed):
                raise Refused(f"missing_{needed}")
    stream = Stream(channel.id, "", call.caller.user, call.space.now())
    _grow(stream, call)
    said = call.desk.post(channel, call.caller.user, _shown(stream), call.text("thread_ts"))
    said["streaming_state"] = "in_progress"
    stream.ts = said["ts"]
    call.space.streams[(channel.id, said["ts"])] = stream
    key = (channel.id, shapes.thread_of(said))
    previous = call.space.sessions.get(key)
    call.space.sessions[key] = Session("processing", call.space.now(), previous.title if previous else "")
    call.space.feed.publish("session", channel=channel.id, thread_ts=key[1], session=call.desk.session(*key))
    return {"channel": channel.id, "ts": said["ts"]}


def _streaming(call: Call) -> tuple[Channel, Stream]:
    channel = call.channel()
    stream = call.space.streams.get((channel.id, call.text("ts")))
    if stream is None:
        raise Refused(
            "message_not_in_streaming_state" if call.text("ts") in channel.messages else "message_not_found"
        )
    if stream.user != call.caller.user:
        raise Refused("message_not_owned_by_app")
    if call.space.now() - stream.started > STREAM_S:
        _end(call, channel, stream)
        raise Refused("message_not_in_streaming_state")
    return channel, stream


@method("chat.appendStream", required=("ts",), scope="chat:write")
def append_stream(call: Call) -> dict[str, Any]:
    channel, stream = _streaming(call)
    if stream.stopped_by_user:
        _end(call, channel, stream)
        raise Refused("stopped_by_user")
    _grow(stream, call)
    said = channel.messages[stream.ts]
    said |= _shown(stream)
    call.desk.name_blocks(said.get("blocks"))
    call.desk.streamed(channel, said)
    return {"channel": channel.id, "ts": stream.ts}


@method("chat.stopStream", required=("ts",), scope="chat:write")
def stop_stream(call: Call) -> dict[str, Any]:
    channel, stream = _streaming(call)
    _grow(stream, call)
    stream.blocks += checked_blocks(call) or []
    if isinstance(call.args.get("metadata"), dict):
        channel.messages[stream.ts]["metadata"] = call.args["metadata"]
    said = _end(call, channel, stream)
    key = (channel.id, shapes.thread_of(said))
    session = call.space.sessions.get(key)
    if session is not None:
        session.status = call.text("session_status", "active")
        call.space.feed.publish("session", channel=channel.id, thread_ts=key[1], session=call.desk.session(*key))
    return {"channel": channel.id, "ts": stream.ts, "message": said}


def _end(call: Call, channel: Channel, stream: Stream) -> Message:
    call.space.streams.pop((channel.id, stream.ts), None)
    channel.messages[stream.ts].pop("streaming_state", None)
    return call.desk.edit(channel, stream.ts, _shown(stream), BOT_USER)


def _grow(stream: Stream, call: Call) -> None:
    """Adds the markdown and chunks of a call to the stream."""
    stream.text += call.text("markdown_text")
    chunks = call.args.get("chunks") or []
    if not isinstance(chunks, list):
        raise Refused("invalid_chunks")
    for chunk in chunks:
        kind = chunk.get("type")
        if kind == "markdown_text":
            stream.text += str(chunk.get("text", ""))
        elif kind == "plan_update":
            stream.title = str(chunk.get("title", ""))[:CHUNK_CHARS]
        elif kind == "task_update":
            _grow_task(stream, chunk)
        elif kind == "blocks":
            if message_problems(chunk.get("blocks")):
                raise Refused("invalid_chunks")
            stream.blocks += chunk["blocks"]
        else:
            raise Refused("invalid_chunks")
    if len(stream.text) > MARKDOWN_CHARS:
        raise Refused("msg_too_long")


def _grow_task(stream: Stream, chunk: dict[str, Any]) -> None:
    if not chunk.get("id") or chunk.get("status", "pending") not in TASK_STATUSES:
        raise Refused("invalid_chunks")
    task = stream.tasks.setdefault(str(chunk["id"]), {"type": "task_card", "task_id": str(chunk["id"]), "title": ""})
    task |= {key: chunk[key] for key in ("title", "status", "sources") if chunk.get(key)}
    for key in ("details", "output"):  # Slack appends these, it does not replace them
        if chunk.get(key):
            told = task.get(key, {}).get("elements", [{"elements": [{"text": ""}]}])[0]["elements"][0]["text"]
            section = {"type": "rich_text_section", "elements": [{"type": "text", "text": told + str(chunk[key])}]}
            task[key] = {"type": "rich_text", "elements": [section]}


def _shown(stream: Stream) -> Message:
    """The message a stream has become so far."""
    blocks: list[dict[str, Any]] = []
    if stream.tasks:
        blocks.append({"type": "plan", "title": stream.title or "Working", "tasks": [*stream.tasks.values()]})
    if stream.text:
        blocks.append({"type": "markdown", "text": stream.text})
    return {"text": stream.text or stream.title, "blocks": [*blocks, *stream.blocks]}
