"""Slack payloads as requests: what is work for Cadre, and why something is not. Pure."""

from __future__ import annotations

import hashlib
import html
import re
from dataclasses import dataclass

from bot.slack import ways_words as words
from bot.types import Json, Request

ORDINARY = ("", "file_share", "thread_broadcast")  # message subtypes that a person wrote to be read
KEY_MAX = 64
FORWARDED_MOST = 10  # messages that one message forwards
BLOCKS_DEEP = 12
_SHARES = {"is_share", "is_msg_unfurl", "message_blocks"}

STOPS = ("x", "negative_squared_cross_mark", "octagonal_sign", "no_entry", "no_entry_sign")  # reactions
APPROVES = ("white_check_mark", "heavy_check_mark", "ballot_box_with_check")

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_TS = re.compile(r"\d{1,15}(?:\.\d{1,12})?")
_COMMAND = re.compile(r"(?i)^\s*/?(?P<name>quarter-close)\b|^\s*/(?P<slash>cadre)\b")
_ENTITY = re.compile(r"<([^<>]+)>")
_QUARTER = re.compile(r"(?i)^\s*Q\d\s+20\d\d\b")
_EMOJI = r":[a-z0-9_+'-]+:|[^\w\s@#,.!?;:]"
_MARK = rf"(?:[\s,.!?;]|{_EMOJI})"
_COURTESY = (
    r"please|(?:right\s+)?now|right\s+away|immediately|at\s+once|for\s+now"
    r"|(?:thanks?(?:\s+you)?|thx)(?:\s+(?:all|so\s+much|a\s+lot|very\s+much))?"
)
_ASIDE = rf"(?:{_MARK}+(?:{_COURTESY})\b)*"
_IT = (
    r"everything|here|(?:all\s+(?:of\s+)?)?(?:it|this|that|(?:(?:the|this|that|your)\s+)?(?:run|work|job|request))|all"
    r"|working(?:\s+on\s+(?:it|this|that))?"
)
_POLITE = rf"(?:{_MARK}+(?:{_IT}|{_COURTESY})\b)*"
_BEFORE = r"(?:(?:please|ok(?:ay)?|hey)[\s,.!:]+|no[,.!:;]\s*|(?:can|could|would)\s+you\s+(?:please\s+)?)*"
_WORDS = {
    "stop": rf"(?:stop|cancel|abort|halt|never\s?mind|forget\s+(?:it|that|about\s+it)){_POLITE}",
    "pause": rf"(?:pause|hold(?:\s+on)?){_POLITE}",
    "resume": rf"(?:resume|unpause|continue|carry\s+on|go\s+on){_POLITE}",
    "status": rf"(?:status(?:\s+(?:of|on)\s+(?:it|this|the\s+(?:run|work)))?|progress|how\s+far(?:\s+are\s+you)?"
    rf"|what\s+are\s+you\s+doing){_ASIDE}",
    "why": r"why(?:\s+(?:so|that|this|is\s+that))?",
    "undo": rf"(?:undo|revert|roll\s?back|take\s+(?:it|this|that|everything)\s+back){_POLITE}",
    "mute": rf"(?:mute|be\s+quiet|quiet){_POLITE}",
    "unmute": rf"unmute{_POLITE}",
}
_RUN = rf"(?:\s+(?P<run>run-[0-9a-f]{{4,}})\b{_ASIDE})?{_MARK}*$"
_CONTROL = re.compile(
    rf"(?i)^{_BEFORE}(?:" + "|".join(f"(?P<{word}>{pattern})" for word, pattern in _WORDS.items()) + rf"){_RUN}"
)
_BARE = re.compile(rf"(?i)^(?:please\s+)?(?:stop|pause|resume|status){_ASIDE}{_RUN}")
_SMALL_TALK = re.compile(
    r"(?i)^[\s,.!]*(?:(?:ok(?:ay)?|thanks?(?:\s+you)?(?:\s+(?:all|so\s+much|a\s+lot))?|thx|great|nice|perfect|good|cool|super|"
    r"awesome|got\s+it|sounds\s+good|well\s+done|good\s+(?:job|work)|lgtm|lol|:[a-z0-9_+'-]+:|[^\w\s@#,.!:])[\s,.!]*)*$"
)
_COULD_ANSWER = re.compile(
    r"(?i)\b(?:ok(?:ay)?|great|perfect|good(?!\s+(?:job|work))|cool|super|got\s+it|lgtm)\b|[👍👎👌✅❌]"
    r"|:(?:\+1|-1|thumbs(?:up|down)|ok(?:_hand)?|white_check_mark|heavy_check_mark|x|[ab]|one|two|three|four|five|six):"
)


@dataclass(frozen=True)
class Ignored:
    """Not a request, and the reason in words."""

    reason: str


def from_event(body: Json, bot_user: str) -> Request | Ignored:
    """An app_mention or a message event as a request.

    Both events of one mention give the same kind and key, so that only one of them starts anything.
    """
    event = mapping(body.get("event"))
    kind = event.get("type")
    if kind not in ("app_mention", "message"):
        return Ignored("another event")
    if (event.get("subtype") or "") not in ORDINARY:
        return Ignored("a message of another subtype")
    if event.get("bot_id"):
        return Ignored("written by a bot")
    user, channel, ts = id_of(event.get("user")), id_of(event.get("channel")), ts_of(event.get("ts"))
    if not user or user == bot_user:
        return Ignored("written by nobody or by Cadre itself")
    if not channel or not ts or not team_of(body):
        return Ignored("it does not say where it was written")
    if event.get("edited"):
        return Ignored("an edit")
    raw, thread = words_of(event.get("text")), ts_of(event.get("thread_ts"))
    direct = event.get("channel_type") == "im" or channel.startswith("D")
    if kind == "app_mention" or mentions(raw, bot_user) or (direct and thread in ("", ts)):
        asked = "mention"
    elif thread and thread != ts:
        asked = "reply"
    else:
        return Ignored("a message to others")
    files = attached(event)
    return Request(
        team=team_of(body),
        channel=channel,
        thread=thread or ts,
        key=ts,
        kind=asked,
        user=user,
        text=same_verb(whole(event, bot_user)),
        event_id=words_of(body.get("event_id"))[:KEY_MAX],
        files=files,
    )


def mapping(value: object) -> Json:
    """A part of a payload as an object, whatever it is."""
    return value if isinstance(value, dict) else {}


def listing(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def words_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def id_of(value: object) -> str:
    """An id of Slack's; "" for anything else."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def ts_of(value: object) -> str:
    """The time stamp that names a message; "" for anything else."""
    return value if isinstance(value, str) and _TS.fullmatch(value) else ""


def attached(event: Json) -> tuple[Json, ...]:
    """The files of a message and of those it forwards: id, name, size in bytes, media type and address; those that
    are gone are left out."""
    found = {
        id_of(file["id"]): {
            "id": id_of(file["id"]),
            "name": words_of(file.get("name")) or words_of(file.get("title")) or id_of(file["id"]),
            "size": int(file["size"]) if isinstance(file.get("size"), int) else 0,
            "type": words_of(file.get("mimetype")),
            "url": words_of(file.get("url_private_download")) or words_of(file.get("url_private")),
        }
        for message in (event, *_shared(event))
        for file in map(mapping, listing(message.get("files")))
        if id_of(file.get("id")) and file.get("mode") != "tombstone"
    }
    return tuple(found.values())


def whole(message: Json, bot_user: str) -> str:
    """What a message says: its own words, or what is attached when it has none, and the messages it forwards."""
    told = [clean(words_of(message.get("text")), bot_user)]
    for one in _shared(message):
        author = (
            words_of(one.get("author_name")) or words_of(one.get("author_subname")) or id_of(one.get("author_id"))
        )
        text = (
            clean(words_of(one.get("text")), "") or _drawn(one.get("message_blocks")) or words_of(one.get("fallback"))
        )
        if text:
            told.append(words.forwarded(author, words_of(one.get("from_url")), tidy(text)))
    if not any(told) and (files := attached(message)):
        return words.attached([file["name"] for file in files])
    return "\n\n".join(part for part in told if part)


def _shared(message: Json) -> list[Json]:
    """The messages that a message forwards; other attachments are apps' own and previews of links."""
    found = [one for one in map(mapping, listing(message.get("attachments"))) if _SHARES & one.keys()]
    return [one for one in found if any(one[key] for key in _SHARES & one.keys())][:FORWARDED_MOST]


def _drawn(part: object, depth: int = 0) -> str:
    """The words in blocks, one line for each section."""
    if depth > BLOCKS_DEEP:
        return ""
    if isinstance(part, list):
        return "".join(_drawn(one, depth + 1) for one in part)
    one = mapping(part)
    if not one:  # nothing is not looked into: five keys at twelve depths would be millions of looks
        return ""
    if isinstance(one.get("text"), str):
        return clean(one["text"], "") if one.get("type") == "mrkdwn" else str(one["text"])
    if one.get("type") in ("user", "link", "emoji"):
        return (
            f"@{id_of(one.get('user_id'))}" if one["type"] == "user" else words_of(one.get("url") or one.get("name"))
        )
    inside = "".join(_drawn(one.get(key), depth + 1) for key in ("message", "blocks", "text", "elements", "fields"))
    return f"{inside}\n" if str(one.get("type", "")).startswith(("section", "rich_text_")) else inside


def from_command(body: Json) -> Request | Ignored:
    """A slash command's form as a request; Ignored when it only asks for help."""
    command, text = words_of(body.get("command")), clean(words_of(body.get("text")), "")
    user, channel = id_of(body.get("user_id")), id_of(body.get("channel_id"))
    if not text or text.lower() in ("help", "?") or not user or not channel or not team_of(body):
        return Ignored("help")
    if command.endswith("quarter-close"):
        text = f"quarter-close {text}"
    key = words_of(body.get("trigger_id")) or f"{command}:{user}:{words_of(body.get('response_url'))}"
    return Request(
        team=team_of(body),
        channel=channel,
        thread="",
        key=key if len(key) <= KEY_MAX else hashlib.sha256(key.encode()).hexdigest(),
        kind="command",
        user=user,
        text=same_verb(text),
        channel_name=words_of(body.get("channel_name"))[:128],
    )


def same_verb(text: str) -> str:
    """What was typed as a command, in a thread too where Slack takes none, as the words of a request."""
    found = _COMMAND.match(text)
    if found is None:
        return text
    rest = text[found.end() :].strip()
    if found["slash"]:
        return rest
    return f"close {rest}" if _QUARTER.match(rest) else f"quarter-close {rest}".strip()


def asks_for_help(text: str) -> bool:
    return text.strip().lower() in ("help", "?", "")


def team_of(body: Json) -> str:
    """The workspace of an event or command."""
    return id_of(body.get("team_id")) or id_of(mapping(body.get("event")).get("team"))


@dataclass(frozen=True)
class Word:
    """A word of control: stop, pause, resume, status, why, undo, mute or unmute, and the run it names, if any."""

    name: str
    run_id: str = ""


def control_word(text: str) -> Word | None:
    """The word of control that these words are, and nothing beside it; None for anything else."""
    found = _CONTROL.match(text.strip())
    if found is None:
        return None
    name = next(word for word in _WORDS if found.group(word))
    return Word(name, (found.group("run") or "").lower())


def is_bare(text: str) -> bool:
    """Whether a word of control stands alone, so that it is meant for Cadre also where people talk to each other."""
    return bool(_BARE.match(text.strip()))


def to_nobody(text: str) -> bool:
    """Whether a plain reply asks nothing of Cadre: thanks and the like, or words to another person by name."""
    return text.startswith("@") or bool(_SMALL_TALK.match(text.strip()))


def could_answer(text: str) -> bool:
    """Whether small talk can be the answer of whoever is asked: it agrees, refuses or gives a number."""
    return bool(_COULD_ANSWER.search(text))


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
    event = mapping(body.get("event"))
    subtype, channel = event.get("subtype"), id_of(event.get("channel"))
    if event.get("type") != "message" or subtype not in ("message_changed", "message_deleted"):
        return None
    before = mapping(event.get("previous_message"))
    message = before if subtype == "message_deleted" else mapping(event.get("message"))
    deleted = subtype == "message_deleted" or message.get("subtype") == "tombstone"
    edited = ts_of(mapping(message.get("edited")).get("ts"))
    ts = ts_of(event.get("deleted_ts")) or ts_of(message.get("ts"))
    user = id_of(before.get("user")) or id_of(message.get("user"))
    if not (ts and user and channel and team_of(body)) or message.get("bot_id") or not (deleted or edited):
        return None
    thread = ts_of(message.get("thread_ts")) or ts
    return Changed(team_of(body), channel, ts, thread, user, same_verb(whole(message, bot_user)), deleted, edited)


@dataclass(frozen=True)
class Reaction:
    """An emoji that a person put on a message."""

    team: str
    channel: str
    ts: str
    user: str
    name: str
    stamp: str


def reaction(body: Json, bot_user: str) -> Reaction | None:
    """What a reaction_added event says; None for one that means nothing to Cadre."""
    event = mapping(body.get("event"))
    item = mapping(event.get("item"))
    if event.get("type") != "reaction_added" or item.get("type") != "message":
        return None
    name = words_of(event.get("reaction")).partition("::")[0]
    told = Reaction(
        team_of(body), id_of(item.get("channel")), ts_of(item.get("ts")), id_of(event.get("user")), name,
        ts_of(event.get("event_ts")),
    )  # fmt: skip
    wanted = name in (*STOPS, *APPROVES) and told.user != bot_user
    return told if wanted and told.team and told.channel and told.ts and told.user else None


def viewing(told: object) -> list[Json]:
    """What somebody looks at beside an agent, the most relevant first: {"type", "id", "ts"} of what Slack names."""
    found = []
    for entity in map(mapping, listing(mapping(told).get("entities"))[:8]):
        kind = words_of(entity.get("type")).rpartition("/")[2].removesuffix("_id").removesuffix("_context")
        value = entity.get("value")
        if isinstance(value, dict):
            place = {"id": id_of(value.get("channel_id")), "ts": ts_of(value.get("message_ts"))}
        else:
            place = {"id": id_of(value)}
        if kind in ("channel", "canvas", "list", "message") and all(place.values()):
            found.append({"type": kind, **place})
    return found


def mentions(raw: str, user: str) -> bool:
    return bool(user) and (f"<@{user}>" in raw or f"<@{user}|" in raw)


def clean(raw: str, bot_user: str) -> str:
    """Slack's text as a person meant it: entities decoded, Cadre's own mention gone, others kept as @id."""

    def entity(found: re.Match[str]) -> str:
        return _entity(found.group(1), bot_user)

    return _spaced(html_decoded(_ENTITY.sub(entity, raw)))


def without_mention(text: str, bot_user: str) -> str:
    """What a message asks for, from its words as the channel's history keeps them."""
    return same_verb(_spaced(text.replace(f"@{bot_user}", "") if bot_user else text))


def _spaced(text: str) -> str:
    return tidy("\n".join(re.sub(r"[^\S\n]+", " ", line).strip() for line in text.split("\n")).strip())


def tidy(text: str) -> str:
    """No more than one blank line in a row: every pattern that reads a request sees its words near each other."""
    return re.sub(r"\n{3,}", "\n\n", text)


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
