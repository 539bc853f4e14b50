"""Drive v3: comments on files of every kind, and the answers to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from loopback.google.calls import Answer, Call, Handler
from loopback.google.drive import person
from loopback.google.errors import GoogleError
from loopback.google.files import Drive, File, rfc3339, stable_id


@dataclass
class Post:
    """What somebody wrote: a comment, or an answer with what it did to the comment."""

    id: str
    author: str
    content: str
    at: float
    action: str = ""


@dataclass
class Comment(Post):
    """A comment with the words it is about."""

    quote: str = ""
    resolved: bool = False
    replies: list[Post] = field(default_factory=list)


def _fields(call: Call) -> None:
    if "fields" not in call.params:
        text = "The 'fields' parameter is required for this method."
        raise GoogleError(400, text, reason="required", location=("parameter", "fields"))


def _commentable(call: Call) -> File:
    file = call.drive.readable(call.params["fileId"], call.user)
    if call.drive.role(file, call.user) == "reader":
        raise GoogleError(403, "The user does not have sufficient permissions for this file.")
    return file


def add(drive: Drive, file: File, user: str, content: str, quote: str) -> Comment:
    """A new comment of a person."""
    if not content:
        raise GoogleError(400, "The content field is required.", reason="required")
    made = Comment(stable_id(f"comment {drive.next_number()}")[1:12], user, content, drive.clock.now(), quote=quote)
    file.comments.append(made)
    drive.touch(file, user, content=False)
    return made


def reply(drive: Drive, file: File, comment: Comment, user: str, content: str, action: str) -> Post:
    """An answer to a comment, which may resolve or reopen it."""
    if not content and not action:
        raise GoogleError(400, "The content or action field is required.", reason="required")
    post = Post(stable_id(f"reply {drive.next_number()}")[1:12], user, content, drive.clock.now(), action)
    comment.replies.append(post)
    comment.resolved = {"resolve": True, "reopen": False}.get(action, comment.resolved)
    drive.touch(file, user, content=False)
    return post


def _found(file: File, comment_id: str) -> Comment:
    found: list[Comment] = [one for one in file.comments if one.id == comment_id]
    if found:
        return found[0]
    raise GoogleError(404, f"Comment not found: {comment_id}.", location=("parameter", "commentId"))


def _post(post: Post, kind: str, me: str) -> dict[str, Any]:
    author = {k: v for k, v in person(post.author, me).items() if k in ("kind", "displayName", "me")}
    out = {"kind": f"drive#{kind}", "id": post.id, "author": author, "content": post.content, "deleted": False}
    return {**out, "createdTime": rfc3339(post.at), "modifiedTime": rfc3339(post.at), "htmlContent": post.content}


def _shown(comment: Comment, me: str) -> dict[str, Any]:
    out = {**_post(comment, "comment", me), "resolved": comment.resolved}
    if comment.quote:
        out["quotedFileContent"] = {"mimeType": "text/plain", "value": comment.quote}
    replies = [_post(one, "reply", me) | ({"action": one.action} if one.action else {}) for one in comment.replies]
    return {**out, "replies": replies}


def _create(call: Call) -> Answer:
    _fields(call)
    quote = (call.body.get("quotedFileContent") or {}).get("value", "")
    made = add(call.drive, _commentable(call), call.user, call.body.get("content", ""), quote)
    return _shown(made, call.user)


def _list(call: Call) -> Answer:
    _fields(call)
    file = call.drive.readable(call.params["fileId"], call.user)
    token, size = call.params.get("pageToken", "0"), call.params.get("pageSize", 20)
    start = int(token) if token.isdigit() else 0
    shown = [_shown(one, call.user) for one in reversed(file.comments)]
    out: dict[str, Any] = {"kind": "drive#commentList", "comments": shown[start : start + size]}
    return out | ({"nextPageToken": str(start + size)} if start + size < len(shown) else {})


def _get(call: Call) -> Answer:
    _fields(call)
    file = call.drive.readable(call.params["fileId"], call.user)
    return _shown(_found(file, call.params["commentId"]), call.user)


def _delete(call: Call) -> Answer:
    file = _commentable(call)
    comment = _found(file, call.params["commentId"])
    if comment.author != call.user:
        raise GoogleError(403, "The user does not have sufficient permissions for this file.")
    file.comments.remove(comment)
    call.drive.touch(file, call.user, content=False)
    return None


def _reply(call: Call) -> Answer:
    _fields(call)
    file = _commentable(call)
    comment = _found(file, call.params["commentId"])
    action = call.body.get("action", "")
    return _post(
        reply(call.drive, file, comment, call.user, call.body.get("content", ""), action), "reply", call.user
    )


HANDLERS: dict[str, Handler] = {
    "drive.comments.create": _create,
    "drive.comments.delete": _delete,
    "drive.comments.get": _get,
    "drive.comments.list": _list,
    "drive.replies.create": _reply,
}
