"""The only writer to a run's thread: follows the journal and makes each message visible exactly once.

Slack has no idempotency key. So: intent row, post with the operation's key as metadata, result row; whatever is
unclear is looked up before anything is posted again, and every later change of a message is a repeatable update.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, insert, select, update

from bot.coordinator import control
from bot.errors import DependencyFailed, OperatorMustFix
from bot.slack import blocks, messages
from bot.slack.blocks import Post
from bot.slack.files import Files
from bot.slack.scheduler import Done, NotSent, Outcome, Priority, Refused, Scheduler, Unclear
from bot.store import schema as t
from bot.store.database import Database, Tx, by_id
from bot.store.leases import Claim
from bot.store.view import run_view
from bot.types import Json, RunStatus, RunView

log = structlog.get_logger()

UPDATE_EVERY_S = 1.2  # between two updates of a message while the run works
SETTLE_S = 0.75  # how long Slack may take to show what it accepted
RETRY_S = 1.0
STATUS_AGAIN_S = 1_800.0  # Slack drops "processing" after about an hour
FALLBACK_AGAIN_S = 80.0  # and the older status line after two minutes
PAGE, PAGES_MAX = 200, 10
UPDATE_TEXT_MAX = 3_900  # chat.update refuses more than 4,000
LOST, STATUS, FILES = "_lost", "_status", "_files"  # rows beside the posts: thread gone, session's status, files
BROKEN_TOKEN = ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope")
NO_SESSIONS = ("not_authorized", "unknown_method", "not_allowed_token_type", "feature_not_enabled")
TOO_MUCH = ("invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "too_many_attachments")


@dataclass(frozen=True)
class Known:
    """What the rows say about a run's thread at one moment."""

    view: RunView
    run: Any
    kind: str
    decided: dict[str, float]
    posts: dict[str, Any]  # op key -> effect row

    @property
    def lost(self) -> str:
        """Why the thread cannot be reached, when it cannot."""
        row = self.posts.get(_op(self.run["id"], LOST))
        return row["result"]["words"] if row is not None else ""


class _Unreachable(Exception):
    """Nothing can be posted where the request came from; the argument is Slack's error."""


class ThreadWriter:
    """Activates the rows of kind `thread`, one per run."""

    def __init__(self, db: Database, scheduler: Scheduler) -> None:
        self.db, self.scheduler = db, scheduler
        self._files = Files(db, scheduler)
        self._sessions = True  # until Slack says that this app has none
        self._shown: dict[str, tuple[Json, float]] = {}  # run -> what a glance saw when all of it was last shown

    async def activate(self, claim: Claim) -> float | None:
        """Bring the thread up to the rows; returns when to look again by product time, or None."""
        glance = await self.db.read(lambda connection: _glance(connection, claim.run_id))
        seen, at = self._shown.pop(claim.run_id, ({}, 0.0))
        if seen == glance and at <= self.db.now() < at + UPDATE_EVERY_S:
            self._shown[claim.run_id] = (seen, at)
            return at + UPDATE_EVERY_S  # only details changed: reading a long run for each row would add up
        try:
            try:
                due = await self._show(claim)
            except _Unreachable as error:
                kind = str(error)
                await self.db.write(lambda tx: _give_up(tx, claim, kind))
                due = await self._show(claim)
            await self._files.bring(claim)
            if not RunStatus(glance["status"]).ended:
                self._shown[claim.run_id] = (glance, self.db.now())
            return due
        except DependencyFailed as error:
            log.warning("slack is not answering", run=claim.run_id, why=str(error))
            return self.db.now() + (error.retry_after or RETRY_S)

    async def _show(self, claim: Claim) -> float | None:
        known = await self._read(claim.run_id)
        due: list[float] = []
        for post in blocks.render(known.view, known.kind, known.decided, known.lost):
            row = known.posts.get(_op(claim.run_id, post.key))
            if row is None and post.quiet:
                continue
            if row is None or row["status"] != "done":
                await self._post(claim, known, post, row)
                if post.top:
                    return await self._show(claim)  # the rest belongs into the thread that now exists
            elif row["result"]["sha"] != post.sha:
                later = row["result"]["at"] + UPDATE_EVERY_S
                if post.held and self.db.now() < later:
                    due.append(later)
                else:
                    await self._update(claim, row, post)
        if not known.run["permalink"] and known.run["thread"] and not known.lost:
            await self._permalink(known.run)
        if known.view.run.status == RunStatus.DONE:
            await self._attach(claim, known)
        again = await self._status(claim, known)
        return min([*due, *([again] if again else [])], default=None)

    async def _attach(self, claim: Claim, known: Known) -> None:
        """Put the files of the answer where the answer is: into the thread, or below the private message."""
        channel, ts = known.run["channel"], known.run["thread"]
        if known.lost:
            known = await self._read(claim.run_id)  # with the private message, which may be new
            told = known.posts.get(_op(claim.run_id, "private"), {"result": {}})["result"]
            channel, ts = told.get("channel", ""), told.get("ts", "")
        op = _op(claim.run_id, FILES)
        if channel and ts:
            await self._files.attach(claim, known.run, known.posts.get(op), op, (channel, ts))

    async def _read(self, run_id: str) -> Known:
        return await self.db.read(lambda connection: _known(connection, run_id))

    # -- posting ---------------------------------------------------------------------------------------------------

    async def _post(self, claim: Claim, known: Known, post: Post, row: Any) -> None:
        """Make one message visible that is not known to be so."""
        op = _op(claim.run_id, post.key)
        place = await self._place(known, post)
        if row is not None and await self._adopt(claim, known, post, place):
            return  # an earlier attempt got through
        await self.db.write(lambda tx: _intend(tx, claim, known, op, post, place["channel"]))
        outcome = await self._send(known, op, post, place)
        if isinstance(outcome, Unclear):
            log.info("a post's answer was lost; looking it up", op=op, why=outcome.reason)
            if await self._adopt(claim, known, post, place):
                return
            raise DependencyFailed("A post to Slack did not get through.", retry_after=RETRY_S)
        if isinstance(outcome, Done):
            await self._posted(claim, known, post, place, str(outcome.data["ts"]))
            return
        if isinstance(outcome, Refused) and outcome.error in messages.UNREACHABLE and post.key != "private":
            raise _Unreachable(outcome.error)
        if isinstance(outcome, Refused) and post.key == "private":
            log.error("the requester cannot be told", run=claim.run_id, why=outcome.error)
            await self._posted(claim, known, post, place, "")
            return
        _raise_for(outcome)

    async def _send(self, known: Known, op: str, post: Post, place: Json) -> Outcome:
        payload = {
            **place,
            "text": post.text,
            "blocks": list(post.blocks),
            "metadata": {"event_type": "cadre_post", "event_payload": {"op": op, "sha": post.sha}},
            "unfurl_links": False,
            "unfurl_media": False,
        }
        priority = Priority.UPDATE if post.held else Priority.RESULT
        outcome = await self.scheduler.call(known.run["team_id"], "chat.postMessage", payload, priority=priority)
        if isinstance(outcome, Refused) and outcome.error in TOO_MUCH:
            log.error("slack refused the blocks; posting the text alone", op=op, why=outcome.error)
            bare = {k: v for k, v in payload.items() if k != "blocks"}
            outcome = await self.scheduler.call(known.run["team_id"], "chat.postMessage", bare, priority=priority)
        return outcome

    async def _place(self, known: Known, post: Post) -> Json:
        if post.key == "private":
            opened = await self.scheduler.call(
                known.run["team_id"], "conversations.open", {"users": known.run["requester"]}
            )
            if isinstance(opened, Done):
                return {"channel": opened.data["channel"]["id"]}
            if not isinstance(opened, Refused):
                _raise_for(opened)
            return {"channel": known.run["requester"]}
        if post.top:
            return {"channel": known.run["channel"]}
        return {"channel": known.run["channel"], "thread_ts": known.run["thread"]}

    async def _posted(self, claim: Claim, known: Known, post: Post, place: Json, ts: str) -> None:
        result = {"ts": ts, "sha": post.sha, "at": self.db.now(), "channel": place["channel"]}
        await self.db.write(lambda tx: _record(tx, claim, post, result))

    async def _adopt(self, claim: Claim, known: Known, post: Post, place: Json) -> bool:
        """Find what an earlier attempt left: keep the oldest, delete younger twins."""
        op = _op(claim.run_id, post.key)
        found = await self._find(known, op, place)
        if not found:
            await asyncio.sleep(SETTLE_S)
            found = await self._find(known, op, place)
        for twin in found[1:]:
            payload = {"channel": place["channel"], "ts": twin["ts"]}
            await self.scheduler.call(known.run["team_id"], "chat.delete", payload)
        if not found:
            return False
        await self._posted(claim, known, post, place, found[0]["ts"])
        if _told(found[0]).get("sha") != post.sha:  # what it should say by now is another matter
            row = {"result": {"ts": found[0]["ts"], "channel": place["channel"]}, "team_id": known.run["team_id"]}
            await self._update(claim, row, post)
        return True

    async def _find(self, known: Known, op: str, place: Json) -> list[Json]:
        """Messages that carry this operation's key, oldest first."""
        method, query = "conversations.history", {"channel": place["channel"], "limit": PAGE}
        if "thread_ts" in place:
            method, query = "conversations.replies", {**query, "ts": place["thread_ts"]}
        else:
            query["oldest"] = f"{known.run['created_at'] - 600:.6f}"
        found: list[Json] = []
        for _ in range(PAGES_MAX):
            outcome = await self.scheduler.call(known.run["team_id"], method, {**query, "include_all_metadata": True})
            if not isinstance(outcome, Done):
                _raise_for(outcome)
                break
            for message in outcome.data.get("messages", []):
                if _told(message).get("op") == op:
                    found.append(message)
            cursor = (outcome.data.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                break
            query["cursor"] = cursor
        return sorted(found, key=lambda message: float(message["ts"]))

    # -- updating --------------------------------------------------------------------------------------------------

    async def _update(self, claim: Claim, row: Any, post: Post) -> None:
        """Bring a visible message up to date; repeating it changes nothing."""
        result = row["result"]
        if not result["ts"]:
            return
        text = messages.brief(post.text, UPDATE_TEXT_MAX)
        payload = {"channel": result["channel"], "ts": result["ts"], "text": text, "blocks": list(post.blocks)}
        priority = Priority.UPDATE if post.held else Priority.RESULT
        call = self.scheduler.call
        outcome = await call(row["team_id"], "chat.update", payload, priority=priority, key=result["ts"])
        if isinstance(outcome, Refused) and outcome.error in TOO_MUCH:
            log.error("slack refused the blocks; showing the text alone", post=post.key, why=outcome.error)
            outcome = await call(row["team_id"], "chat.update", {**payload, "blocks": []}, priority=priority)
        if isinstance(outcome, Refused) and outcome.error not in BROKEN_TOKEN:
            log.warning("a message cannot be updated", post=post.key, why=outcome.error)
        elif not isinstance(outcome, Done):
            _raise_for(outcome)
        told = {**result, "sha": post.sha, "at": self.db.now()}
        await self.db.write(lambda tx: _record(tx, claim, post, told))

    # -- permalink and status --------------------------------------------------------------------------------------

    async def _permalink(self, run: Any) -> None:
        payload = {"channel": run["channel"], "message_ts": run["thread"]}
        outcome = await self.scheduler.call(run["team_id"], "chat.getPermalink", payload, priority=Priority.STATUS)
        if isinstance(outcome, Done):
            link = str(outcome.data["permalink"])
            await self.db.write(
                lambda tx: tx.execute(update(t.run).where(t.run.c.id == run["id"]).values(permalink=link))
            )

    async def _status(self, claim: Claim, known: Known) -> float | None:
        """Say in the session's own place whether Cadre works, waits or is done; nothing depends on it."""
        if not known.run["thread"] or known.lost:
            return None
        wanted = _session_status(known.view)
        row = known.posts.get(_op(claim.run_id, STATUS))
        told: Json = row["result"] if row is not None else {"status": "", "at": 0.0}
        every = STATUS_AGAIN_S if self._sessions else FALLBACK_AGAIN_S
        again = told["at"] + every if wanted == "processing" else None
        if told["status"] == wanted and (again is None or self.db.now() < again):
            return again
        await self._set_status(known, wanted)
        result = {"status": wanted, "at": self.db.now()}
        await self.db.write(lambda tx: _record_status(tx, claim, known, result))
        return self.db.now() + every if wanted == "processing" else None

    async def _set_status(self, known: Known, wanted: str) -> None:
        run = known.run
        where = {"channel_id": run["channel"], "thread_ts": run["thread"]}
        call, team = self.scheduler.call, run["team_id"]
        if self._sessions:
            title = messages.cut(messages.topic(known.view.run), 200)
            payload = {**where, "status": wanted, "title": title, "initiator_user_id": run["requester"]}
            outcome = await call(
                team, "agents.sessions.setStatus", payload, priority=Priority.STATUS, key=run["thread"]
            )
            if not (isinstance(outcome, Refused) and outcome.error in NO_SESSIONS):
                _note(outcome, run["id"])
                return
            self._sessions = False
        line = {"processing": "is working…", "suspended": "waits for an answer"}.get(wanted, "")
        payload = {**where, "status": line}
        _note(await call(team, "assistant.threads.setStatus", payload, priority=Priority.STATUS), run["id"])


def _note(outcome: Outcome, run_id: str) -> None:
    if not isinstance(outcome, Done):
        log.info("the session status was not set", run=run_id, why=str(outcome))


def _raise_for(outcome: Outcome) -> None:
    """An outcome that is no answer, as the error of whoever must act."""
    if isinstance(outcome, Refused):
        if outcome.error in messages.UNREACHABLE:
            raise _Unreachable(outcome.error)
        raise OperatorMustFix(f"Slack refused: {outcome.error}.")
    wait = outcome.retry_after if isinstance(outcome, NotSent) else RETRY_S
    raise DependencyFailed(f"Slack did not answer: {outcome}", retry_after=wait)


def _session_status(view: RunView) -> str:
    status = RunStatus(view.run.status)
    if status.ended:
        return "active"
    asked = any(approval.status == "pending" for approval in view.approvals)
    waits = asked or status is RunStatus.WAITING or view.run.control in ("pause", "budget")
    return "suspended" if waits else "processing"


def _told(message: Json) -> Json:
    """What a post of ours says about itself."""
    return (message.get("metadata") or {}).get("event_payload") or {}


def _op(run_id: str, key: str) -> str:
    return f"{run_id}/post/{key}"


# -- rows ------------------------------------------------------------------------------------------------------------


def _glance(connection: Connection, run_id: str) -> Json:
    """What must be shown at once when it changes, cheaply read."""
    run = by_id(connection, t.run, run_id)
    asked = select(t.approval.c.id, t.approval.c.status).where(t.approval.c.run_id == run_id)
    planned = select(t.task.c.id).where(t.task.c.run_id == run_id).limit(1)
    return {
        **{name: run[name] for name in ("status", "control", "understood", "way", "mode", "thread", "muted", "said")},
        "asked": sorted(tuple(row) for row in connection.execute(asked)),
        "planned": connection.execute(planned).first() is not None,
    }


def _known(connection: Connection, run_id: str) -> Known:
    run = by_id(connection, t.run, run_id)
    approvals = connection.execute(
        select(t.approval.c.id, t.approval.c.decided_at).where(
            t.approval.c.run_id == run_id, t.approval.c.decided_at.is_not(None)
        )
    )
    effects = connection.execute(select(t.effect).where(t.effect.c.run_id == run_id, t.effect.c.kind == "post"))
    return Known(
        view=run_view(connection, run_id),
        run=run,
        kind=run["kind"],
        decided={row.id: row.decided_at for row in approvals},
        posts={row["op_key"]: row for row in effects.mappings()},
    )


def _intend(tx: Tx, claim: Claim, known: Known, op: str, post: Post, channel: str) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    told = {"epoch": claim.epoch, "args_sha256": post.sha}
    if tx.execute(update(t.effect).where(t.effect.c.op_key == op).values(**told)).rowcount == 0:
        tx.execute(insert(t.effect).values(**{**_effect(tx, claim, known, op, channel), **told}))


def _effect(tx: Tx, claim: Claim, known: Known, op: str, channel: str) -> Json:
    return {
        "op_key": op,
        "team_id": known.run["team_id"],
        "run_id": claim.run_id,
        "kind": "post",
        "target": channel,
        "epoch": claim.epoch,
        "status": "intent",
        "result": {},
        "intended_at": tx.now(),
    }


def _record(tx: Tx, claim: Claim, post: Post, result: Json) -> None:
    """Keep where the message is; a message that opened the thread names it."""
    tx.fence(claim.agent_id, claim.epoch)
    tx.execute(
        update(t.effect)
        .where(t.effect.c.op_key == _op(claim.run_id, post.key))
        .values(status="done", result=result, applied_at=tx.now())
    )
    if post.top:
        tx.execute(update(t.run).where(t.run.c.id == claim.run_id, t.run.c.thread == "").values(thread=result["ts"]))


def _record_status(tx: Tx, claim: Claim, known: Known, result: Json) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    op = _op(claim.run_id, STATUS)
    told = {"status": "done", "result": result, "applied_at": tx.now()}
    if tx.execute(update(t.effect).where(t.effect.c.op_key == op).values(**told)).rowcount == 0:
        row = {**_effect(tx, claim, known, op, known.run["channel"]), **told, "args_sha256": ""}
        tx.execute(insert(t.effect).values(**row))


def _give_up(tx: Tx, claim: Claim, kind: str) -> None:
    """End the run if it still goes on, and note that its thread is lost: the requester is told privately."""
    tx.fence(claim.agent_id, claim.epoch)
    known = _known(tx.connection, claim.run_id)
    plain = f"#{known.run['channel_name']}" if known.run["channel_name"] else "that channel"
    control.fail(tx, claim.run_id, kind, messages.unreachable(kind, plain))
    words = messages.unreachable(kind, f"<#{known.run['channel']}>")
    row = _effect(tx, claim, known, _op(claim.run_id, LOST), known.run["channel"])
    told = {"status": "done", "result": {"words": words}, "applied_at": tx.now(), "args_sha256": ""}
    tx.execute(insert(t.effect).values(**{**row, **told}))
