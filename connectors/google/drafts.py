"""Gmail: drafts in a person's own mailbox, each made once. There is no way to send anything from here.

The Message-ID is ours and follows from the operation, so that a draft is found again by it.
"""

from __future__ import annotations

import base64
import hashlib
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from connectors.errors import BadInput, ConflictError, NotFound
from connectors.google.changes import Applied, MailDraft, Preview
from connectors.google.docs import digest
from connectors.google.services import Services

_DRAFTS = "https://mail.google.com/mail/#drafts"


class Drafts:
    """Writes of kind MailDraft."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def preview(self, change: MailDraft, sha256: str) -> Preview:
        """The mail as it would lie among the drafts."""
        _message(change, "preview")
        post = {"title": change.subject, "to": list(change.to), "cc": list(change.cc), "text": change.text}
        return Preview("new draft", change.subject, None, None, {}, post, sha256)

    async def find(self, op_key: str, change: MailDraft) -> Applied | None:
        """The draft of this operation."""
        query = f"rfc822msgid:{_id(op_key)}"
        found = await self._services.read(
            "gmail", lambda s: s.users().drafts().list(userId="me", q=query), "the drafts"
        )
        drafts = found.get("drafts", [])
        return await self._applied(drafts[0]["id"], already=True) if drafts else None

    async def apply(self, change: MailDraft, op_key: str, expected: str | None) -> Applied:
        """Makes the draft unless it is there."""
        if done := await self.find(op_key, change):
            return done
        raw = base64.urlsafe_b64encode(_message(change, op_key).as_bytes(policy=SMTP)).decode()
        body = {"message": {"raw": raw}}
        made = await self._services.write(
            "gmail", lambda s: s.users().drafts().create(userId="me", body=body), change.subject
        )
        return await self._applied(made["id"], already=False)

    async def _applied(self, draft: str, *, already: bool) -> Applied:
        return Applied(draft, _DRAFTS, _content(await self._get(draft)), already)

    async def _get(self, draft: str) -> dict[str, Any]:
        found: dict[str, Any] = await self._services.read(
            "gmail", lambda s: s.users().drafts().get(userId="me", id=draft, format="full"), "the draft"
        )
        return found

    async def undo(self, change: MailDraft, op_key: str, done: Applied, pre_image: dict[str, Any]) -> None:
        """Takes the draft away unless somebody wrote on it; a mail that was sent meanwhile is no draft any more."""
        try:
            now = await self._get(done.file_id)
        except NotFound:
            return
        if _content(now) != done.revision:
            raise ConflictError(f"The draft “{change.subject}” was changed since it was made, so it stays.")
        await self._services.write(
            "gmail", lambda s: s.users().drafts().delete(userId="me", id=done.file_id), change.subject
        )


def _id(op_key: str) -> str:
    return f"<{digest(op_key)}@cadre.invalid>"


def _message(change: MailDraft, op_key: str) -> EmailMessage:
    """The mail. Raises BadInput for what cannot be one."""
    if not change.to or not change.subject.strip():
        raise BadInput("A draft needs somebody to write to and a subject.")
    message = EmailMessage()
    try:
        message["To"] = ", ".join(change.to)
        if change.cc:
            message["Cc"] = ", ".join(change.cc)
        message["Subject"] = change.subject
    except ValueError as error:
        raise BadInput(f"The draft's addresses and subject must each be one line: {error}") from error
    if any("@" not in one for one in (*change.to, *change.cc)):
        raise BadInput("A draft is addressed by e-mail addresses.")
    message["Message-ID"] = _id(op_key)
    message.set_content(change.text)
    return message


def _content(draft: dict[str, Any]) -> str:
    """What is written in a draft; that Gmail files it under another id says nothing."""
    payload = draft["message"]["payload"]
    heads = {h["name"].lower(): h["value"] for h in payload.get("headers", [])}
    seen = [heads.get(name, "") for name in ("to", "cc", "subject")] + [_bodies(payload)]
    return hashlib.sha256("\0".join(seen).encode()).hexdigest()[:24]


def _bodies(part: dict[str, Any]) -> str:
    own = part.get("body", {}).get("data", "")
    text = base64.urlsafe_b64decode(own).decode(errors="replace") if own else ""
    return "".join([text.replace("\r\n", "\n").strip(), *map(_bodies, part.get("parts", []))])
