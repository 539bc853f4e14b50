"""`files.*`: uploads in two steps, the old way in one, remote files, and what is known of each."""

from typing import Any

from loopback.slack import shapes
from loopback.slack.api import Call, method
from loopback.slack.errors import Refused, bad_argument
from loopback.slack.methods.chat import content_of
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
    places = call.listed("channels") or ([call.text("channel_id")] if call.text("channel_id") else [])
    for place in places:
        channel = call.space.channel(place)
        if channel is None or call.caller.user not in channel.members:
            raise Refused("channel_not_found" if channel is None else "not_in_channel")
        call.desk.share(channel, files, call.caller.user, content, call.text("thread_ts") or None)
    return {"files": [shapes.file(call.space, one) for one in files]}


@method("files.info", required=("file",), scope="files:read", tier=4)
def files_info(call: Call) -> dict[str, Any]:
    file = call.space.files.get(call.text("file"))
    if file is None or not file.uploaded or not may_read(call.space, file, call.caller.user):
        raise Refused("file_not_found")
    return {"file": shapes.file(call.space, file), "comments": []}
