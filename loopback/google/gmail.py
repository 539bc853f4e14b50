"""Gmail v1: labels, the profile, and drafts in a person's own mailbox. Nothing can be sent from here."""

from __future__ import annotations

import base64
import binascii
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from loopback.google.calls import Answer, Call, Handler
from loopback.google.errors import GoogleError
from loopback.google.files import Drive, email, stable_id

LABELS = ("INBOX", "SENT", "DRAFT", "TRASH", "SPAM", "IMPORTANT", "STARRED", "UNREAD")


def _mailbox(call: Call) -> dict[str, Any]:
    if call.params["userId"] not in ("me", email(call.user)):
        raise GoogleError(403, f"Delegation denied for {email(call.user)}", reason="forbidden")
    return call.drive.drafts.setdefault(call.user, {})


def _message(call: Call) -> dict[str, Any]:
    """A message from its raw form."""
    raw = (call.body.get("message") or {}).get("raw")
    if not raw:
        raise GoogleError(400, "'raw' RFC822 payload message string or uploading message via /upload/* URL required")
    try:
        data = base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))
    except (binascii.Error, ValueError) as error:
        raise GoogleError(400, "Invalid value for ByteString") from error
    number = stable_id(f"message {call.drive.next_number()}").lower()[1:17]
    return {"id": number, "threadId": number, "labelIds": ["DRAFT"], "raw": raw, "data": data}


def parsed(data: bytes) -> EmailMessage:
    """The message behind the bytes."""
    return message_from_bytes(data, policy=policy.default)


def rewrite(drive: Drive, subject: str, text: str) -> None:
    """A person goes on writing a draft, in whoever's mailbox one with that subject lies."""
    for mine in drive.drafts.values():
        for message in mine.values():
            read = parsed(message["data"])
            if str(read.get("Subject", "")) == subject:
                read.set_content(text)
                message["data"] = read.as_bytes()


def _shown(message: dict[str, Any], form: str) -> dict[str, Any]:
    out = {k: message[k] for k in ("id", "threadId", "labelIds")}
    if form == "minimal":
        return out
    if form == "raw":
        return {**out, "raw": message["raw"], "sizeEstimate": len(message["data"])}
    read = parsed(message["data"])
    headers = [{"name": name, "value": str(value)} for name, value in read.items()]
    payload: dict[str, Any] = {"mimeType": read.get_content_type(), "headers": headers}
    if form == "full":
        body = read.get_body(("plain",))
        data = body.get_content().encode() if body else b""
        payload["body"] = {"size": len(data), "data": base64.urlsafe_b64encode(data).decode()}
    return {**out, "payload": payload}


def _create(call: Call) -> Answer:
    mine, message = _mailbox(call), _message(call)
    number = f"r{int(message['id'].encode().hex()[:14], 16)}"
    mine[number] = message
    return {"id": number, "message": _shown(message, "minimal")}


def _draft(call: Call) -> tuple[str, dict[str, Any]]:
    number = call.params["id"]
    found = _mailbox(call).get(number)
    if found is None:
        raise GoogleError(404, "Requested entity was not found.")
    return number, found


def _get(call: Call) -> Answer:
    number, message = _draft(call)
    return {"id": number, "message": _shown(message, call.params.get("format", "full"))}


def _update(call: Call) -> Answer:
    number, _ = _draft(call)
    message = _mailbox(call)[number] = _message(call)
    return {"id": number, "message": _shown(message, "minimal")}


def _delete(call: Call) -> Answer:
    number, _ = _draft(call)
    del _mailbox(call)[number]
    return None


def _list(call: Call) -> Answer:
    mine, words = _mailbox(call), call.params.get("q", "")
    wanted = words.removeprefix("rfc822msgid:").strip("<>") if words.startswith("rfc822msgid:") else ""
    found = []
    for number, message in mine.items():
        read = parsed(message["data"])
        own = str(read.get("Message-ID", "")).strip("<> ")
        if (own == wanted) if wanted else (words.casefold() in str(read.get("Subject", "")).casefold()):
            found.append({"id": number, "message": {k: message[k] for k in ("id", "threadId")}})
    out: dict[str, Any] = {"resultSizeEstimate": len(found)}
    return out | ({"drafts": found} if found else {})


def _labels(call: Call) -> Answer:
    _mailbox(call)
    return {"labels": [{"id": name, "name": name, "type": "system"} for name in LABELS]}


def _profile(call: Call) -> Answer:
    mine = _mailbox(call)
    return {"emailAddress": email(call.user), "messagesTotal": len(mine), "threadsTotal": len(mine), "historyId": "1"}


HANDLERS: dict[str, Handler] = {
    "gmail.users.drafts.create": _create,
    "gmail.users.drafts.delete": _delete,
    "gmail.users.drafts.get": _get,
    "gmail.users.drafts.list": _list,
    "gmail.users.drafts.update": _update,
    "gmail.users.getProfile": _profile,
    "gmail.users.labels.list": _labels,
}
