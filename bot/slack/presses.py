"""Buttons and reactions: an approval, an answer, a word of control or an opinion, kept before the acknowledgement."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from bot.coordinator import control
from bot.coordinator.control import Place
from bot.policy.access import Role
from bot.slack import blocks, notices, requests
from bot.slack.requests import id_of, listing, mapping, ts_of, words_of
from bot.slack.taken import ROLES, Ask, Taken
from bot.store import people
from bot.store import schema as t
from bot.store.database import Tx, by_id
from bot.store.view import run_view
from bot.types import Json

CONTROLS = ("stop", "pause", "resume", "undo")
FEEDBACK = "feedback"
VERDICTS = ("good", "bad")


def take(tx: Tx, ask: Ask) -> Taken:
    """What a press of a button means; the first action counts, Slack sends no more at once."""
    body = ask.body
    action = mapping(next(iter(listing(body.get("actions"))), None))
    name, value = words_of(action.get("action_id")), value_of(action)
    team, user = id_of(mapping(body.get("team")).get("id")), id_of(mapping(body.get("user")).get("id"))
    team = team or id_of(mapping(body.get("user")).get("team_id"))
    channel, thread = _place(body)
    if body.get("view") and name in (*CONTROLS, FEEDBACK):
        channel, thread = _of_run(tx, team, user, value)
    if not (team and user):
        return Taken(reason="it does not say who presses")
    where = (team, channel, user, thread)
    wanted = ROLES.get(name, Role.ASK) if name in CONTROLS or name.startswith("answer:") else Role.SEE
    denied = ask.why_not(tx, team, user, channel, wanted)
    if denied:
        return Taken(denied=denied, place=where)
    if name in CONTROLS and channel:
        told = control.say(tx, name, Place(team, channel, thread, user, id_of(value.get("run"))))
        return Taken(reason="control", told=told, place=where)
    if name in ("approve", "reject") or name.startswith("answer:"):
        ours = _ours(tx, value, team, channel)
        return Taken(decided=_decided(tx, ask, name, value, user) if ours else "void", place=where)
    if name.startswith(f"{notices.SNOOZE}:"):
        after = name.partition(":")[2]
        put_off = notices.snooze(tx, words_of(value.get("op")), user, int(after) if after.isdecimal() else 0)
        return Taken(reason="snoozed") if put_off else Taken(decided="void", place=where)
    if name == "open":
        return Taken(reason="a link")
    if name == FEEDBACK:
        return _rated(tx, value, where)
    return Taken(reason="opens something", place=where)


def _decided(tx: Tx, ask: Ask, name: str, value: Json, user: str) -> str:
    approval = id_of(value.get("id"))
    if name.startswith("answer:"):
        return control.answer(tx, approval, user, words_of(value.get("text")), ask.access)
    return control.decide(tx, approval, user, name == "approve", words_of(value.get("sha")), ask.access)


def _rated(tx: Tx, value: Json, where: tuple[str, str, str, str]) -> Taken:
    """An opinion on a result counts for the run that it belongs to, in its own channel."""
    team, channel, user, _ = where
    row = by_id(tx.connection, t.run, id_of(value.get("run")))
    verdict = words_of(value.get("verdict"))
    if row is None or (row["team_id"], row["channel"]) != (team, channel) or verdict not in VERDICTS:
        return Taken(decided="void", place=where)
    people.rate(tx, team, row["id"], user, verdict)
    return Taken(reason=f"feedback {verdict}", place=where)


def reacted(tx: Tx, ask: Ask) -> Taken:
    """A reaction on a message of a run: one that says stop ends it, one that says yes approves what is shown."""
    told = requests.reaction(ask.body, ask.bot_user)
    if told is None:
        return Taken(reason="a reaction that means nothing")
    row = _run_at(tx, told.team, told.channel, told.ts)
    if row is None:
        return Taken(reason="a reaction on another message")
    run, key, shown = row
    where = (told.team, told.channel, told.user, run["thread"])
    if told.name in requests.STOPS:
        denied = ask.why_not(tx, told.team, told.user, told.channel, Role.ASK)
        if not denied and run["status"] not in control.ENDED and run["control"] != "stop":
            control.stop_run(tx, run["id"], told.user)
        return Taken(reason="stop", denied=denied, place=where)
    if not key.startswith("approval/"):
        return Taken(reason="a reaction that means nothing here")
    denied = ask.why_not(tx, told.team, told.user, told.channel, Role.SEE)
    if denied:
        return Taken(denied=denied, place=where)
    return Taken(decided=_approved(tx, ask, run["id"], key, shown, told.user), place=where)


def _approved(tx: Tx, ask: Ask, run_id: str, key: str, shown: str, user: str) -> str:
    """Approve what a card shows, as its button would: what it shows must be what is asked now."""
    approval = tx.execute(select(t.approval).where(t.approval.c.id == key.partition("/")[2])).mappings().first()
    if approval is None:
        return "void"
    if approval["kind"] not in ("changes", "plan", "call"):  # what is asked there wants words, not a yes
        return {"pending": "no_answer", "answered": "already"}.get(approval["status"], "void")
    if approval["status"] == "pending":
        view = run_view(tx.connection, run_id, proof=False)
        kind = by_id(tx.connection, t.run, run_id)["kind"]
        now = next((post.sha for post in blocks.render(view, kind) if post.key == key), "")
        if now != shown:
            return "void"
    return control.decide(tx, approval["id"], user, True, approval["args_sha256"], ask.access)


def _run_at(tx: Tx, team: str, channel: str, ts: str) -> tuple[Any, str, str] | None:
    """The run whose message this is, what the message is for, and the fingerprint of what it shows."""
    e, r = t.effect.c, t.run.c
    posted = (
        select(e.op_key, e.result, e.run_id)
        .join(t.run, r.id == e.run_id)
        .where(r.team_id == team, r.channel == channel, e.kind == "post", e.result["ts"].as_string() == ts)
    )
    found = tx.execute(posted).first()
    if found is not None:
        run = by_id(tx.connection, t.run, found.run_id)
        return run, found.op_key.partition("/post/")[2], str(found.result.get("sha", ""))
    origin = control.requested_by(tx, team, channel, ts)
    if origin is None or not origin["run_id"]:
        return None
    return by_id(tx.connection, t.run, origin["run_id"]), "request", ""


def value_of(action: Json) -> Json:
    """What a button carries, as an object."""
    try:
        return mapping(json.loads(words_of(action.get("value")) or "{}"))
    except (ValueError, RecursionError):
        return {}


def _ours(tx: Tx, value: Json, team: str, channel: str) -> bool:
    """An approval belongs to one workspace and channel; a value from elsewhere is void."""
    place = tx.execute(
        select(t.run.c.team_id, t.run.c.channel)
        .join(t.approval, t.approval.c.run_id == t.run.c.id)
        .where(t.approval.c.id == id_of(value.get("id")))
    ).first()
    return place is not None and (place.team_id, place.channel) == (team, channel)


def _of_run(tx: Tx, team: str, user: str, value: Json) -> tuple[str, str]:
    """The channel and thread of a run that somebody's own home shows; only the requester's own are there."""
    row = by_id(tx.connection, t.run, id_of(value.get("run")))
    if row is None or (row["team_id"], row["requester"]) != (team, user):
        return "", ""
    return row["channel"], row["thread"]


def _place(body: Json) -> tuple[str, str]:
    """The channel and thread of the message that the button is in."""
    container, message = mapping(body.get("container")), mapping(body.get("message"))
    channel = id_of(mapping(body.get("channel")).get("id")) or id_of(container.get("channel_id"))
    thread = ts_of(message.get("thread_ts")) or ts_of(container.get("thread_ts")) or ts_of(message.get("ts"))
    return channel, thread
