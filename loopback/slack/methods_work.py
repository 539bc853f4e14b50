"""What an app works with besides messages: agent sessions, assistant status, views and files."""

from typing import Any

from loopback.slack import shapes
from loopback.slack.api import Call, bad_argument, checked_view, method
from loopback.slack.desk import Refused
from loopback.slack.methods_chat import content_of
from loopback.slack.state import Channel, File, Session, may_read

SESSION_STATUSES = ("processing", "active", "suspended", "closed")
TITLE_CHARS = 200
STATUS_CHARS = 50


def _thread(call: Call) -> tuple[Channel, str]:
    channel = call.channel("channel_id")
    thread = call.text("thread_ts")
    if thread and thread not in channel.messages:
        raise Refused("thread_not_found")
    return channel, thread


@method("agents.sessions.setStatus", required=("channel_id", "status"), scope="chat:write|assistant:write")
def set_session_status(call: Call) -> dict[str, Any]:
    channel, thread = _thread(call)
    if call.text("status") not in SESSION_STATUSES:
        raise bad_argument(f"must be one of {', '.join(SESSION_STATUSES)} [json-pointer:/status]")
    if len(call.text("title")) > TITLE_CHARS:
        raise bad_argument(f"must be less than {TITLE_CHARS + 1} characters [json-pointer:/title]")
    known = call.space.sessions.get((channel.id, thread))
    title = (known.title if known else "") or call.text("title")
    initiator = (known.initiator if known else "") or call.text("initiator_user_id")
    call.space.sessions[(channel.id, thread)] = Session(call.text("status"), call.space.now(), title, initiator)
    _tell_session(call, channel, thread)
    if "agent_session_stopped" not in call.desk.app.events:
        warning = "missing_agent_session_stopped_event_subscription"
        return {"warning": warning, "response_metadata": {"warnings": [warning]}}
    return {}


@method("agents.sessions.rename", required=("channel_id", "title"), scope="chat:write|assistant:write")
def rename_session(call: Call) -> dict[str, Any]:
    channel, thread = _thread(call)
    session = call.space.sessions.get((channel.id, thread))
    if session is None:
        raise Refused("session_not_found")
    if len(call.text("title")) > TITLE_CHARS:
        raise bad_argument(f"must be less than {TITLE_CHARS + 1} characters [json-pointer:/title]")
    session.title = call.text("title")
    _tell_session(call, channel, thread)
    return {}


def _tell_session(call: Call, channel: Channel, thread: str) -> None:
    session = call.desk.session(channel.id, thread)
    call.space.feed.publish("session", channel=channel.id, thread_ts=thread, session=session)


@method("assistant.threads.setStatus", required=("channel_id", "thread_ts"), scope="chat:write|assistant:write")
def set_status(call: Call) -> dict[str, Any]:
    channel, thread = _thread(call)
    call.space.statuses[(channel.id, thread)] = (call.text("status")[:STATUS_CHARS], call.space.now())
    call.space.feed.publish("status", channel=channel.id, thread_ts=thread, status=call.text("status"))
    return {}


@method("assistant.threads.setSuggestedPrompts", required=("channel_id", "prompts"), scope="assistant:write")
def set_suggested_prompts(call: Call) -> dict[str, Any]:
    channel, thread = _thread(call)
    prompts = call.args["prompts"]
    if not isinstance(prompts, list) or not 1 <= len(prompts) <= 4:
        raise bad_argument("must have 1 to 4 items [json-pointer:/prompts]")
    call.space.prompts[(channel.id, thread)] = prompts
    call.space.feed.publish("prompts", channel=channel.id, thread_ts=thread, prompts=prompts)
    return {}


@method("assistant.threads.setTitle", required=("channel_id", "thread_ts", "title"), scope="assistant:write")
def set_title(call: Call) -> dict[str, Any]:
    _thread(call)
    return {}


# ---- views


@method("views.open", required=("view",))
def views_open(call: Call) -> dict[str, Any]:
    view = checked_view(call)
    user = call.interactions.use_trigger(call.text("trigger_id") or call.text("interactivity_pointer"))
    call.space.modals[user] = []
    return {"view": call.interactions.push(user, view)}


@method("views.push", required=("view", "trigger_id"))
def views_push(call: Call) -> dict[str, Any]:
    view = checked_view(call)
    return {"view": call.interactions.push(call.interactions.use_trigger(call.text("trigger_id")), view)}


@method("views.update", required=("view",))
def views_update(call: Call) -> dict[str, Any]:
    view = checked_view(call)
    found = call.space.modal(call.text("view_id") or call.text("external_id"))
    if found is None:
        raise Refused("not_found")
    user, shown = found
    if call.text("hash") and call.text("hash") != shown["hash"]:
        raise Refused("hash_conflict")
    return {"view": call.interactions.update(user, shown, view)}


@method("views.publish", required=("view", "user_id"))
def views_publish(call: Call) -> dict[str, Any]:
    view = checked_view(call)
    user = call.text("user_id")
    if user not in call.space.users:
        raise Refused("user_not_found")
    old = call.space.homes.get(user)
    if call.text("hash") and old and call.text("hash") != old["hash"]:
        raise Refused("hash_conflict")
    changed = call.space.home_sources.get(user) != call.args["view"]
    call.space.home_sources[user] = call.args["view"]
    home = call.interactions.new_view({"type": "home", **view})
    if old is not None:
        home |= {"id": old["id"], "root_view_id": old["id"]}
    call.space.homes[user] = home
    if changed:
        call.space.feed.publish("home", user=user)
    return {"view": home}


# ---- files


@method("files.getUploadURLExternal", required=("filename", "length"), scope="files:write")
def get_upload_url(call: Call) -> dict[str, Any]:
    if call.number("length", 0) <= 0:
        raise bad_argument("must be greater than 0 [json-pointer:/length]")
    id = call.space.new_id("F")
    name = call.text("filename")
    call.space.files[id] = File(id, name, name, call.caller.user, int(call.space.now()))
    return {"upload_url": f"{call.space.url}/upload/v1/{id}", "file_id": id}


@method("files.completeUploadExternal", required=("files",), scope="files:write")
def complete_upload(call: Call) -> dict[str, Any]:
    given = call.args["files"]
    files = []
    for one in given if isinstance(given, list) else []:
        file = call.space.files.get(one.get("id", ""))
        if file is None or not file.uploaded:
            raise Refused("file_not_found")
        file.title = one.get("title") or file.title
        files.append(file)
    content = content_of(call, needed=False) if call.args.get("blocks") else {}
    if call.text("initial_comment"):
        content["text"] = call.text("initial_comment")
    places = call.listed("channels") or ([call.text("channel_id")] if call.text("channel_id") else [])
    for place in places:
        channel = call.space.channel(place)
        if channel is None or call.caller.user not in channel.members:
            raise Refused("channel_not_found" if channel is None else "not_in_channel")
        call.desk.share(channel, files, call.caller.user, content, call.text("thread_ts") or None)
    return {"files": [shapes.file(call.space, one) for one in files]}


@method("files.info", required=("file",), scope="files:read")
def files_info(call: Call) -> dict[str, Any]:
    file = call.space.files.get(call.text("file"))
    if file is None or not file.uploaded or not may_read(call.space, file, call.caller.user):
        raise Refused("file_not_found")
    return {"file": shapes.file(call.space, file), "comments": []}
