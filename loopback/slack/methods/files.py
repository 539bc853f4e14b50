"""`files.*`: uploads in two steps, the old way in one, remote files, and what is known of each."""

from typing import Any

from loopback.slack import shapes
from loopback.slack.api import Call, Upload, method
from loopback.slack.errors import Refused, bad_argument
from loopback.slack.methods.chat import content_of
from loopback.slack.methods.conversations import paged
from loopback.slack.state import File, may_read


@method("files.getUploadURLExternal", required=("filename", "length"), scope="files:write", tier=4)
def get_upload_url(call: Call) -> dict[str, Any]:
    if call.number("length", 0) <= 0:
        raise bad_argument("must be greater than 0 [json-pointer:/length]")
    id = call.space.new_id("F")
    name = call.text("filename")
    call.space.files[id] = File(id, name, name, call.caller.user, int(call.space.now()))
    return {"upload_url": f"{call.space.url}/upload/v1/{id}", "file_id": id}


@method("files.completeUploadExternal", required=("files",), scope="files:write", tier=4)
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
    # Slack's own tests send pieces of an id in `channels`, so it must pass over what is no channel there.
    many = [one for one in call.listed("channels") if call.space.channel(one)]
    for place in many or ([call.text("channel_id")] if call.text("channel_id") else []):
        channel = call.space.channel(place)
        if channel is None or call.caller.user not in channel.members:
            raise Refused("channel_not_found" if channel is None else "not_in_channel")
        call.desk.share(channel, files, call.caller.user, content, call.text("thread_ts") or None)
    return {"files": [shapes.file(call.space, one) for one in files]}


def _readable(call: Call) -> File:
    file = call.space.files.get(call.text("file"))
    if file is None or not file.uploaded or not may_read(call.space, file, call.caller.user):
        raise Refused("file_not_found")
    return file


@method("files.info", required=("file",), scope="files:read", tier=4)
def files_info(call: Call) -> dict[str, Any]:
    return {"file": shapes.file(call.space, _readable(call)), "comments": []}


@method("files.list", scope="files:read", tier=3)
def files_list(call: Call) -> dict[str, Any]:
    place = call.channel().id if call.text("channel") else ""
    count, page = max(1, call.number("count", 100)), max(1, call.number("page", 1))
    found = [
        one
        for one in call.space.files.values()
        if one.uploaded
        and may_read(call.space, one, call.caller.user)
        and call.text("user") in ("", one.user)
        and (not place or any(place == where for where, _ in one.shares))
    ]
    shown = [shapes.file(call.space, one) for one in found[(page - 1) * count : page * count]]
    paging = {"count": count, "total": len(found), "page": page, "pages": -(-len(found) // count)}
    return {"files": shown, "paging": paging}


@method("files.delete", required=("file",), scope="files:write", tier=3)
def files_delete(call: Call) -> dict[str, Any]:
    file = _readable(call)
    if file.user != call.caller.user:
        raise Refused("cant_delete_file")
    call.desk.remove_file(file)
    return {}


@method("files.upload", scope="files:write", tier=2)
def upload(call: Call) -> dict[str, Any]:
    """The old way, in one request; kept for what still calls it, though Slack retires it."""
    sent = call.args.get("file")
    content = sent.content if isinstance(sent, Upload) else call.text("content").encode()
    if not content:
        raise Refused("no_file_data")
    name = call.text("filename") or (sent.name if isinstance(sent, Upload) else "") or "-.txt"
    id = call.space.new_id("F")
    title = call.text("title") or name
    file = File(id, name, title, call.caller.user, int(call.space.now()), content, uploaded=True)
    call.space.files[id] = file
    comment = {"text": call.text("initial_comment")} if call.text("initial_comment") else {}
    for place in call.listed("channels"):
        channel = call.space.channel(place)
        if channel is None or call.caller.user not in channel.members:
            raise Refused("channel_not_found" if channel is None else "not_in_channel")
        call.desk.share(channel, [file], call.caller.user, comment, call.text("thread_ts") or None)
    return {"file": shapes.file(call.space, file)}


@method("files.sharedPublicURL", required=("file",), token="user", tier=3)
def share_publicly(call: Call) -> dict[str, Any]:
    file = _readable(call)
    if file.public:
        raise Refused("already_public")
    file.public = True
    return {"file": shapes.file(call.space, file)}


@method("files.revokePublicURL", required=("file",), token="user", tier=3)
def revoke_publicly(call: Call) -> dict[str, Any]:
    file = _readable(call)
    file.public = False
    return {"file": shapes.file(call.space, file)}


# ---- remote files, which live elsewhere


@method("files.remote.add", required=("external_id", "external_url", "title"), scope="remote_files:write", tier=2)
def add_remote(call: Call) -> dict[str, Any]:
    id, title = call.space.new_id("F"), call.text("title")
    file = File(id, title, title, call.caller.user, int(call.space.now()), uploaded=True)
    file.external_id, file.external_url = call.text("external_id"), call.text("external_url")
    call.space.files[id] = file
    return {"file": shapes.file(call.space, file)}


def _remote(call: Call) -> File:
    by_id, by_external = call.text("file"), call.text("external_id")
    for file in call.space.files.values():
        if file.external_id and (file.id == by_id or file.external_id == by_external):
            return file
    raise Refused("file_not_found")


@method("files.remote.info", scope="remote_files:read", tier=2)
def remote_info(call: Call) -> dict[str, Any]:
    return {"file": shapes.file(call.space, _remote(call))}


@method("files.remote.list", scope="remote_files:read", tier=2)
def remote_list(call: Call) -> dict[str, Any]:
    page, more = paged(call, [one for one in call.space.files.values() if one.external_id])
    return {"files": [shapes.file(call.space, one) for one in page], "response_metadata": more}


@method("files.remote.update", scope="remote_files:write", tier=2)
def remote_update(call: Call) -> dict[str, Any]:
    file = _remote(call)
    file.title = call.text("title") or file.title
    file.external_url = call.text("external_url") or file.external_url
    return {"file": shapes.file(call.space, file)}


@method("files.remote.remove", scope="remote_files:write", tier=2)
def remote_remove(call: Call) -> dict[str, Any]:
    call.desk.remove_file(_remote(call))
    return {}


@method("files.remote.share", required=("channels",), scope="remote_files:share", tier=2)
def remote_share(call: Call) -> dict[str, Any]:
    file = _remote(call)
    for place in call.listed("channels"):
        channel = call.space.channel(place)
        if channel is None or call.caller.user not in channel.members:
            raise Refused("channel_not_found" if channel is None else "not_in_channel")
        call.desk.share(channel, [file], call.caller.user, {}, None)
    return {"file": shapes.file(call.space, file)}
