"""What is said where Cadre is: kept as it goes by, for digests and for the memory of a thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bot.slack.requests import ORDINARY, id_of, mapping, team_of, ts_of, whole
from bot.store.database import Tx
from bot.store.schema import run, seen_message
from bot.types import Json


@dataclass(frozen=True)
class Seen:
    """A message of a channel the bot is in. `change` says what the event did to it."""

    team: str
    channel: str
    ts: str
    thread: str
    user: str
    text: str
    change: str  # said | edited | deleted
    author: str = "person"  # person | bot | cadre


def seen(body: Json, bot_user: str) -> Seen | None:
    """What a message event says about the channel's history; None when it says nothing that is kept."""
    event = mapping(body.get("event"))
    if event.get("type") != "message":
        return None
    subtype = event.get("subtype") or ""
    if subtype == "message_deleted":
        gone = mapping(event.get("previous_message"))
        ts = ts_of(event.get("deleted_ts")) or ts_of(gone.get("ts"))
        return _seen(body, gone, ts, "deleted", bot_user)
    if subtype == "message_changed":
        message = mapping(event.get("message"))
        change = "deleted" if message.get("subtype") == "tombstone" else "edited"
        return _seen(body, message, ts_of(message.get("ts")), change, bot_user)
    if subtype not in (*ORDINARY, "bot_message", "me_message"):
        return None
    return _seen(body, event, ts_of(event.get("ts")), "said", bot_user)


def message_of(team: str, channel: str, message: Json, bot_user: str) -> Seen | None:
    """A message as a channel's history tells it."""
    ts = ts_of(message.get("ts"))
    user = id_of(message.get("user")) or id_of(message.get("bot_id"))
    if not ts or not user or (message.get("subtype") or "") not in (*ORDINARY, "bot_message", "me_message"):
        return None
    own = "cadre" if user == bot_user else "bot" if message.get("bot_id") else "person"
    text = whole(message, "")
    return Seen(team, channel, ts, ts_of(message.get("thread_ts")), user, text, "said", own)


def _seen(body: Json, message: Json, ts: str, change: str, bot_user: str) -> Seen | None:
    user = id_of(message.get("user")) or id_of(message.get("bot_id"))
    channel, team = id_of(mapping(body.get("event")).get("channel")), team_of(body)
    own = user == bot_user
    if not ts or not channel or not team or (own and change == "edited"):
        return None  # its own cards change all the time, and say nothing that it does not know
    author = "cadre" if own else "bot" if message.get("bot_id") else "person"
    text = whole(message, "")
    return Seen(team, channel, ts, ts_of(message.get("thread_ts")), user, text, change, author)


def remember(tx: Tx, message: Seen) -> None:
    make: Any = sqlite_insert if tx.connection.dialect.name == "sqlite" else pg_insert
    row = {
        "team_id": message.team,
        "channel": message.channel,
        "ts": message.ts,
        "thread": message.thread,
        "user": message.user,
        "text": message.text,
        "deleted": message.change == "deleted",
        "author": message.author,
    }
    insertion = make(seen_message).values(**row)
    key = ["team_id", "channel", "ts"]
    if message.change == "said":  # an edit or deletion that came first knows better
        tx.execute(insertion.on_conflict_do_nothing(index_elements=key))
        return
    told: Json = {"deleted": True} if message.change == "deleted" else {"text": message.text}
    tx.execute(insertion.on_conflict_do_update(index_elements=key, set_=told))


def known(tx: Tx, team: str, channel: str, ts: str) -> bool:
    """Whether a message went by."""
    s = seen_message.c
    query = select(s.ts).where(s.team_id == team, s.channel == channel, s.ts == ts)
    return tx.execute(query).first() is not None


def people_of(tx: Tx, team: str, channel: str, thread: str) -> set[str]:
    """The people who take part in a thread: who wrote there, and who asked for the work in it."""
    s, r = seen_message.c, run.c
    wrote = select(s.user).where(
        s.team_id == team, s.channel == channel, s.author == "person", s.deleted.is_(False),
        (s.thread == thread) | (s.ts == thread),
    )  # fmt: skip
    asked = select(r.requester).where(
        r.team_id == team, r.channel == channel, r.thread == thread, r.kind != "schedule"
    )  # fmt: skip
    return {*tx.execute(wrote).scalars(), *tx.execute(asked).scalars()}
