"""Streams: messages that grow while their author writes them."""

import copy
from dataclasses import replace
from typing import Any

from loopback.slack import shapes
from loopback.slack.api import Call, checked_blocks, method
from loopback.slack.blocks import MESSAGE_BLOCKS, TASK_STATUSES, message_problems
from loopback.slack.errors import Refused, bad_argument
from loopback.slack.methods.chat import MARKDOWN_CHARS
from loopback.slack.seed import BOT_USER
from loopback.slack.state import Channel, Message, Session, Stream

STREAM_S = 300.0
CHUNK_CHARS = 256
TASKS = 50


@method("chat.startStream", scope="chat:write", tier=2)
def start_stream(call: Call) -> dict[str, Any]:
    channel = call.channel()
    if not call.text("thread_ts"):
        raise bad_argument("missing required field: thread_ts")
    if not channel.is_im:
        for needed in ("recipient_user_id", "recipient_team_id"):
            if not call.text(needed):
                raise Refused(f"missing_{needed}")
    now = call.space.now()
    stream = Stream(channel.id, "", call.caller.user, now, touched=now)
    _grow(stream, call)
    said = call.desk.post(channel, call.caller.user, _shown(stream), call.text("thread_ts"))
    said["streaming_state"] = "in_progress"
    stream.ts = said["ts"]
    call.space.streams[(channel.id, said["ts"])] = stream
    key = (channel.id, shapes.thread_of(said))
    previous = call.space.sessions.get(key)
    title, initiator = (previous.title, previous.initiator) if previous else ("", call.text("recipient_user_id"))
    call.desk.set_session(*key, Session("processing", now, title, initiator))
    _watch(call, channel, stream)
    return {"channel": channel.id, "ts": said["ts"]}


def _due(call: Call, stream: Stream) -> float:
    """When Slack ends a stream: five minutes after its start, or, as some report, after its last append."""
    return (stream.touched if call.space.streams_end == "idle" else stream.started) + STREAM_S


def _watch(call: Call, channel: Channel, stream: Stream) -> None:
    """Ends the stream in time."""

    def look() -> None:
        if call.space.streams.get((channel.id, stream.ts)) is not stream:
            return
        if _due(call, stream) > call.space.now():
            _watch(call, channel, stream)
        elif stream.ts in channel.messages:
            _end(call, channel, stream)

    call.desk.timers.at(_due(call, stream), look)


def _streaming(call: Call) -> tuple[Channel, Stream]:
    channel = call.channel()
    stream = call.space.streams.get((channel.id, call.text("ts")))
    if stream is None:
        raise Refused(
            "message_not_in_streaming_state" if call.text("ts") in channel.messages else "message_not_found"
        )
    if stream.user != call.caller.user:
        raise Refused("message_not_owned_by_app")
    if call.space.now() >= _due(call, stream):
        _end(call, channel, stream)
        raise Refused("message_not_in_streaming_state")
    return channel, stream


@method("chat.appendStream", required=("ts",), scope="chat:write", tier=4)
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


@method("chat.stopStream", required=("ts",), scope="chat:write", tier=2)
def stop_stream(call: Call) -> dict[str, Any]:
    channel, stream = _streaming(call)
    last = checked_blocks(call) or []  # fifty besides the fifty of the chunks
    _grow(stream, call)
    stream.blocks += last
    if isinstance(call.args.get("metadata"), dict):
        channel.messages[stream.ts]["metadata"] = call.args["metadata"]
    said = _end(call, channel, stream)
    key = (channel.id, shapes.thread_of(said))
    session = call.space.sessions.get(key)
    if session is not None:
        status = call.text("session_status", "active")
        call.desk.set_session(*key, replace(session, status=status, since=call.space.now()))
    return {"channel": channel.id, "ts": stream.ts, "message": said}


def _end(call: Call, channel: Channel, stream: Stream) -> Message:
    call.space.streams.pop((channel.id, stream.ts), None)
    channel.messages[stream.ts].pop("streaming_state", None)
    return call.desk.edit(channel, stream.ts, _shown(stream), BOT_USER)


def _grow(stream: Stream, call: Call) -> None:
    """Adds the markdown and chunks of a call to the stream, or nothing at all when something is wrong with them."""
    chunks = call.args.get("chunks") or []
    if not isinstance(chunks, list) or not all(isinstance(one, dict) for one in chunks):
        raise Refused("invalid_chunks")
    grown = copy.deepcopy(stream)
    grown.text += call.text("markdown_text")
    for chunk in chunks:
        _grow_by(grown, chunk)
    if len(grown.text) > MARKDOWN_CHARS:
        raise Refused("msg_too_long")
    if len(grown.tasks) > TASKS or len(grown.blocks) > MESSAGE_BLOCKS:
        raise Refused("invalid_chunks")
    stream.text, stream.title, stream.tasks, stream.blocks = grown.text, grown.title, grown.tasks, grown.blocks
    stream.touched = call.space.now()


def _grow_by(stream: Stream, chunk: dict[str, Any]) -> None:
    kind = chunk.get("type")
    if kind == "markdown_text":
        stream.text += str(chunk.get("text", ""))
    elif kind == "plan_update" and len(str(chunk.get("title", ""))) <= CHUNK_CHARS:
        stream.title = str(chunk.get("title", ""))
    elif kind == "task_update":
        _grow_task(stream, chunk)
    elif kind == "blocks" and not message_problems(chunk.get("blocks")):
        stream.blocks += chunk["blocks"]
    else:
        raise Refused("invalid_chunks")


def _grow_task(stream: Stream, chunk: dict[str, Any]) -> None:
    if not chunk.get("id") or chunk.get("status", "pending") not in TASK_STATUSES:
        raise Refused("invalid_chunks")
    if any(len(str(chunk.get(key, ""))) > CHUNK_CHARS for key in ("title", "details", "output")):
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
