"""Slack payloads as requests: what is work for Cadre, and why something is not. Pure."""

from __future__ import annotations

import hashlib
import html
import re
from dataclasses import dataclass

from bot.types import Json, Request

ORDINARY = ("", "file_share", "thread_broadcast")  # message subtypes that a person wrote to be read
KEY_MAX = 64

_ENTITY = re.compile(r"<([^<>]+)>")
_QUARTER = re.compile(r"(?i)^\s*Q\d\s+20\d\d\b")
_POLITE = r"(?:\s+(?:it|this|that|now|please|work|the\s+work|working))*"
_WORDS = {
    "stop": rf"(?:stop|cancel|abort|halt|never\s?mind|forget\s+(?:it|that|about\s+it)){_POLITE}"
    r"(?:,?\s+thanks?(?:\s+you)?)?",
    "pause": rf"(?:pause|hold(?:\s+on)?){_POLITE}",
    "resume": rf"(?:resume|unpause|continue|carry\s+on|go\s+on){_POLITE}",
    "status": r"(?:status|progress|how\s+far(?:\s+are\s+you)?|what\s+are\s+you\s+doing)(?:\s+(?:now|please))*",
    "why": r"why(?:\s+(?:so|that|this|is\s+that))?",
    "mute": r"(?:mute|be\s+quiet|quiet)(?:\s+(?:it|this|please))*",
    "unmute": r"unmute(?:\s+(?:it|this|please))*",
}
_CONTROL = re.compile(
    r"(?i)^(?:please\s+)?(?:"
    + "|".join(f"(?P<{word}>{pattern})" for word, pattern in _WORDS.items())
    + r")(?:\s+(?P<run>run-[0-9a-f]{4,}))?\s*[.!?]*$"
)
_SMALL_TALK = re.compile(
    r"(?i)^[\s,.!]*(?:(?:ok(?:ay)?|thanks?(?:\s+you)?(?:\s+(?:all|so\s+much|a\s+lot))?|thx|great|nice|perfect|good|cool|super|"
    r"awesome|got\s+it|sounds\s+good|well\s+done|good\s+(?:job|work)|lgtm|lol|:[a-z0-9_+'-]+:|[^\w\s@#,.!:])[\s,.!]*)*$"
)


@dataclass(frozen=True)
class Ignored:
    """Not a request, and the reason in words."""

    reason: str


@dataclass(frozen=True)
class Seen:
    """A message of a channel the bot is in, as digests read it. `change` says what the event did to it."""

    team: str
    channel: str
    ts: str
    thread: str
    user: str
    text: str
    change: str  # said | edited | deleted


def from_event(body: Json, bot_user: str) -> Request | Ignored:
    """An app_mention or a message event as a request.

    Both events of one mention give the same kind and key, so that only one of them starts anything.
    """
    event = body.get("event") or {}
    kind = event.get("type")
    if kind not in ("app_mention", "message"):
        return Ignored(f"a {kind} event")
    if event.get("subtype", "") not in ORDINARY:
        return Ignored(f"a message of subtype {event['subtype']}")
    if event.get("bot_id"):
        return Ignored("written by a bot")
    user = event.get("user", "")
    if not user or user == bot_user:
        return Ignored("written by nobody or by Cadre itself")
    if event.get("edited"):
        return Ignored("an edit")
    ts, raw = str(event.get("ts", "")), event.get("text") or ""
    thread = str(event.get("thread_ts") or "")
    direct = event.get("channel_type") == "im" or str(event.get("channel", "")).startswith("D")
    if kind == "app_mention" or mentions(raw, bot_user) or (direct and thread in ("", ts)):
        asked = "mention"
    elif thread and thread != ts:
        asked = "reply"
    else:
        return Ignored("a message to others")
    files = attached(event)
    text = clean(raw, bot_user)
    if not text and files and asked == "reply":
        text = f"Attached: {', '.join(file['name'] for file in files)}"
    return Request(
        team=_team(body),
        channel=event.get("channel", ""),
        thread=thread or ts,
        key=ts,
        kind=asked,
        user=user,
        text=text,
        event_id=body.get("event_id", ""),
        files=files,
    )


def attached(event: Json) -> tuple[Json, ...]:
    """The files of a message: id, name, size in bytes, media type and address; those that are gone are left out."""
    return tuple(
        {
            "id": str(file["id"]),
            "name": str(file.get("name") or file.get("title") or file["id"]),
            "size": int(file.get("size") or 0),
            "type": str(file.get("mimetype") or ""),
            "url": str(file.get("url_private_download") or file.get("url_private") or ""),
        }
        for file in event.get("files") or ()
        if file.get("id") and file.get("mode") != "tombstone"
    )


def from_command(body: Json) -> Request | Ignored:
    """A slash command's form as a request; Ignored when it only asks for help."""
    command, text = body.get("command", ""), clean(body.get("text") or "", "")
    if not text or text.lower() in ("help", "?"):
        return Ignored("help")
    if command.endswith("quarter-close"):
        text = f"close {text}" if _QUARTER.match(text) else f"quarter-close {text}"
    key = body.get("trigger_id") or f"{body.get('command')}:{body.get('user_id')}:{body.get('response_url', '')}"
    return Request(
        team=body.get("team_id", ""),
        channel=body.get("channel_id", ""),
        thread="",
        key=key if len(key) <= KEY_MAX else hashlib.sha256(key.encode()).hexdigest(),
        kind="command",
        user=body.get("user_id", ""),
        text=text,
        channel_name=body.get("channel_name", ""),
    )


def seen(body: Json, bot_user: str) -> Seen | None:
    """What a message event says about the channel's history; None when it says nothing a digest would show."""
    event = body.get("event") or {}
    if event.get("type") != "message":
        return None
    subtype = event.get("subtype", "")
    if subtype == "message_deleted":
        gone = event.get("previous_message") or {}
        return _seen(body, gone, str(event.get("deleted_ts") or gone.get("ts", "")), "deleted", bot_user)
    if subtype == "message_changed":
        message = event.get("message") or {}
        change = "deleted" if message.get("subtype") == "tombstone" else "edited"
        return _seen(body, message, str(message.get("ts", "")), change, bot_user)
    if subtype not in (*ORDINARY, "bot_message", "me_message"):
        return None
    return _seen(body, event, str(event.get("ts", "")), "said", bot_user)


def _seen(body: Json, message: Json, ts: str, change: str, bot_user: str) -> Seen | None:
    user = message.get("user") or message.get("bot_id") or ""
    if not ts or user == bot_user:
        return None
    thread = str(message.get("thread_ts") or "")
    channel = body["event"].get("channel", "")
    return Seen(_team(body), channel, ts, thread, user, clean(message.get("text") or "", ""), change)


def _team(body: Json) -> str:
    return str(body.get("team_id") or (body.get("event") or {}).get("team") or "")


@dataclass(frozen=True)
class Word:
    """A word of control: stop, pause, resume, status, why, mute or unmute, and the run it names, if any."""

    name: str
    run_id: str = ""


def control_word(text: str) -> Word | None:
    """The word of control that these words are, and nothing beside it; None for anything else."""
    found = _CONTROL.match(text.strip())
    if found is None:
        return None
    name = next(word for word in _WORDS if found.group(word))
    return Word(name, (found.group("run") or "").lower())


def to_nobody(text: str) -> bool:
    """Whether a plain reply asks nothing of Cadre: thanks and the like, or words to another person by name."""
    return text.startswith("@") or bool(_SMALL_TALK.match(text.strip()))


@dataclass(frozen=True)
class Changed:
    """A person edited or deleted a message of theirs. `text` is what it says now."""

    team: str
    channel: str
    ts: str
    thread: str
    user: str
    text: str
    deleted: bool
    stamp: str  # of this change


def changed(body: Json, bot_user: str) -> Changed | None:
    """What a message_changed or message_deleted event means for a request; None for previews and the like."""
    event = body.get("event") or {}
    subtype = event.get("subtype", "")
    if event.get("type") != "message" or subtype not in ("message_changed", "message_deleted"):
        return None
    before = event.get("previous_message") or {}
    message = before if subtype == "message_deleted" else event.get("message") or {}
    deleted = subtype == "message_deleted" or message.get("subtype") == "tombstone"
    edited = str((message.get("edited") or {}).get("ts", ""))
    ts = str(event.get("deleted_ts") or message.get("ts", ""))
    if not ts or message.get("bot_id") or not (deleted or edited):
        return None
    user = str(before.get("user") or message.get("user") or "")
    text, thread = clean(message.get("text") or "", bot_user), str(message.get("thread_ts") or ts)
    return Changed(_team(body), str(event.get("channel", "")), ts, thread, user, text, deleted, edited)


def mentions(raw: str, user: str) -> bool:
    return bool(user) and (f"<@{user}>" in raw or f"<@{user}|" in raw)


def clean(raw: str, bot_user: str) -> str:
    """Slack's text as a person meant it: entities decoded, Cadre's own mention gone, others kept as @id."""

    def entity(found: re.Match[str]) -> str:
        return _entity(found.group(1), bot_user)

    text = html_decoded(_ENTITY.sub(entity, raw))
    return "\n".join(re.sub(r"[ \t\u00a0]+", " ", line).strip() for line in text.split("\n")).strip()


def html_decoded(text: str) -> str:
    """Slack escapes exactly three characters; anything else that looks like an entity was typed so."""
    return re.sub(r"&(amp|lt|gt);", lambda found: html.unescape(found.group(0)), text)


def _entity(inside: str, bot_user: str) -> str:
    target, _, label = inside.partition("|")
    if target.startswith("@"):
        return "" if target[1:] == bot_user else target
    if target.startswith("#"):
        return f"#{label or target[1:]}"
    if target.startswith("!"):
        words = label or target[1:].split("^")[0]
        return words if words.startswith("@") or target.startswith("!date") else f"@{words}"
    plain = target.removeprefix("mailto:").removeprefix("tel:")
    if label and label == plain:
        return label
    if not label or label == target or target.rstrip("/").endswith(f"//{label.rstrip('/')}"):
        return target
    return f"{label} ({plain})"
