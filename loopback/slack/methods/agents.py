"""`agents.sessions.*` and `assistant.threads.*`: what a thread shows while an agent works in it."""

from dataclasses import replace
from typing import Any

from loopback.slack.api import Call, method
from loopback.slack.errors import Refused, bad_argument
from loopback.slack.state import Channel, Session

SESSION_STATUSES = ("processing", "active", "suspended", "closed")
TITLE_CHARS = 200
STATUS_CHARS = 50


def _thread(call: Call) -> tuple[Channel, str]:
    if not call.desk.app.is_agent:
        raise Refused("not_authorized")
    channel = call.channel("channel_id")
    thread = call.text("thread_ts")
    if thread and thread not in channel.messages:
        raise Refused("thread_not_found")
    return channel, thread


@method("agents.sessions.setStatus", required=("channel_id", "status"), scope="chat:write|assistant:write", tier=3)
def set_session_status(call: Call) -> dict[str, Any]:
    channel, thread = _thread(call)
    if call.text("status") not in SESSION_STATUSES:
        raise bad_argument(f"must be one of {', '.join(SESSION_STATUSES)} [json-pointer:/status]")
    if len(call.text("title")) > TITLE_CHARS:
        raise bad_argument(f"must be less than {TITLE_CHARS + 1} characters [json-pointer:/title]")
    known = call.space.sessions.get((channel.id, thread))
    title = (known.title if known else "") or call.text("title")
    initiator = (known.initiator if known else "") or call.text("initiator_user_id")
    call.desk.set_session(channel.id, thread, Session(call.text("status"), call.space.now(), title, initiator))
    if "agent_session_stopped" not in call.desk.app.events:
        warning = "missing_agent_session_stopped_event_subscription"
        return {"warning": warning, "response_metadata": {"warnings": [warning]}}
    return {}


@method("agents.sessions.rename", required=("channel_id", "title"), scope="chat:write|assistant:write", tier=3)
def rename_session(call: Call) -> dict[str, Any]:
    channel, thread = _thread(call)
    session = call.space.sessions.get((channel.id, thread))
    if session is None:
        raise Refused("session_not_found")
    if len(call.text("title")) > TITLE_CHARS:
        raise bad_argument(f"must be less than {TITLE_CHARS + 1} characters [json-pointer:/title]")
    call.desk.set_session(channel.id, thread, replace(session, title=call.text("title")))
    return {}


@method("assistant.threads.setStatus", required=("channel_id", "thread_ts"), scope="chat:write|assistant:write")
def set_status(call: Call) -> dict[str, Any]:
    channel, thread = _thread(call)
    call.desk.set_status(channel.id, thread, call.text("status")[:STATUS_CHARS])
    return {}


@method("assistant.threads.setSuggestedPrompts", required=("channel_id", "prompts"), scope="assistant:write", tier=3)
def set_suggested_prompts(call: Call) -> dict[str, Any]:
    channel, thread = _thread(call)
    prompts = call.args["prompts"]
    if not isinstance(prompts, list) or not 1 <= len(prompts) <= 4:
        raise bad_argument("must have 1 to 4 items [json-pointer:/prompts]")
    call.space.prompts[(channel.id, thread)] = prompts
    call.space.feed.publish("prompts", channel=channel.id, thread_ts=thread, prompts=prompts)
    return {}


@method("assistant.threads.setTitle", required=("channel_id", "thread_ts", "title"), scope="assistant:write", tier=3)
def set_title(call: Call) -> dict[str, Any]:
    _thread(call)
    return {}
