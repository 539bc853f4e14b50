"""The session's status, which says beside a thread whether Cadre works, waits for a person or is done.

The thread's writer owns it: what Slack was told is a row, said before the call, so that none outlives a crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, exists, select

from bot.slack import messages
from bot.slack.rows import STATUS, Known, op_of, record_beside
from bot.slack.scheduler import Done, Outcome, Priority, Refused, Scheduler
from bot.store import schema as t
from bot.store.database import Database, Tx
from bot.store.leases import Claim
from bot.types import Json, RunStatus, RunView

log = structlog.get_logger()

AGAIN_S = 1_800.0  # Slack drops "processing" after about an hour
FALLBACK_AGAIN_S = 80.0  # and the older status line after two minutes
RETRY_S = 15.0
ORDER = ("processing", "suspended", "active")  # of several runs in a thread, the first of these is what people see
NATIVE, FALLBACK = "agents.sessions.setStatus", "assistant.threads.setStatus"
NO_SESSIONS = ("not_authorized", "unknown_method", "not_allowed_token_type", "feature_not_enabled")


class Sessions:
    """Keeps the status of each thread true; nothing else depends on it."""

    def __init__(self, db: Database, scheduler: Scheduler) -> None:
        self.db, self.scheduler = db, scheduler
        self._native = True  # until Slack says that this app is no agent

    async def show(self, claim: Claim, known: Known) -> float | None:
        """Tell Slack where the run stands when that is news or fades; returns when to look again."""
        if not known.run["thread"] or known.lost:
            return None
        others = await self.db.read(lambda connection: beside(connection, known.run))
        wanted = min([standing(known.view), *others.standings], key=ORDER.index)
        row = max((known.posts.get(op_of(claim.run_id, STATUS)), others.told), key=_told_at)
        sure = row is not None and row["status"] == "done"
        told: Json = row["result"] if row is not None else {"status": "", "at": 0.0}
        every = AGAIN_S if self._native else FALLBACK_AGAIN_S
        mine = wanted == "processing" and not RunStatus(known.view.run.status).ended
        again = told["at"] + every if mine else None
        posted = wanted == "processing" and known.last_post > told["at"]  # a message may have ended the status
        fresh = again is None or self.db.now() < again
        if told["status"] == wanted and sure and fresh and not posted:
            return again
        method = NATIVE if self._native else FALLBACK
        rest = self.scheduler.turn(known.run["team_id"], method, claim.run_id)
        if rest > 0:
            return self.db.now() + rest  # nothing else in the thread waits for a status
        told = {"status": wanted, "at": self.db.now()}
        await self.db.write(lambda tx: record_beside(tx, claim, known, STATUS, told, "intent"))
        if not await self._set(known, wanted):
            return self.db.now() + RETRY_S
        await self.db.write(lambda tx: record_beside(tx, claim, known, STATUS, told))
        every = AGAIN_S if self._native else FALLBACK_AGAIN_S
        return told["at"] + every if mine else None

    async def _set(self, known: Known, wanted: str) -> bool:
        """Whether Slack answered, be it with a refusal."""
        run = known.run
        where = {"channel_id": run["channel"], "thread_ts": run["thread"]}
        call, team = self.scheduler.call, run["team_id"]
        if self._native:
            title = messages.cut(messages.topic(known.view.run), 200)
            payload = {**where, "status": wanted, "title": title, "initiator_user_id": run["requester"]}
            outcome = await call(team, NATIVE, payload, priority=Priority.STATUS, key=run["thread"])
            if not (isinstance(outcome, Refused) and outcome.error in NO_SESSIONS):
                return _answered(outcome, run["id"])
            log.warning("this app is no agent to slack; the older status line is used", why=outcome.error)
            self._native = False
        line = messages.STATUS_LINES.get(wanted, "")
        payload = {**where, "status": line}
        outcome = await call(team, FALLBACK, payload, priority=Priority.STATUS, key=run["thread"])
        return _answered(outcome, run["id"])


def standing(view: RunView) -> str:
    """The session's status that fits the run."""
    asked = any(approval.status == "pending" for approval in view.approvals)
    return _stands(RunStatus(view.run.status), asked, view.run.control)


def _stands(status: RunStatus, asked: bool, held: str) -> str:
    if status.ended:
        return "active"
    waits = asked or status is RunStatus.WAITING or held in ("pause", "budget")
    return "suspended" if waits else "processing"


@dataclass(frozen=True)
class Beside:
    """The other runs of a thread, which has one status for all: where they stand, and what was told of them last."""

    standings: tuple[str, ...]
    told: Any  # the newest row, or None


def beside(connection: Connection, run: Any) -> Beside:
    """Read the other runs in the thread of this one."""
    same = [t.run.c[name] == run[name] for name in ("team_id", "channel", "thread")]
    asked = exists().where(t.approval.c.run_id == t.run.c.id, t.approval.c.status == "pending")
    query = select(t.run.c.id, t.run.c.status, t.run.c.control, asked).where(*same, t.run.c.id != run["id"])
    rows = connection.execute(query).all()
    if not rows:
        return Beside((), None)
    told = select(t.effect).where(t.effect.c.op_key.in_([op_of(row.id, STATUS) for row in rows]))
    standings = tuple(_stands(RunStatus(status), bool(waits), control) for _, status, control, waits in rows)
    return Beside(standings, max(connection.execute(told).mappings(), key=_told_at, default=None))


def _told_at(row: Any) -> float:
    return float(row["result"].get("at", 0.0)) if row is not None else -1.0


def sweep(tx: Tx) -> None:
    """At start: wake the threads whose status may not be what Slack shows after a crash."""
    told = select(t.effect.c.run_id, t.effect.c.result, t.effect.c.status, t.run.c.status.label("run"))
    told = told.join(t.run, t.run.c.id == t.effect.c.run_id).where(t.effect.c.op_key.endswith(f"/post/{STATUS}"))
    for row in tx.execute(told).all():
        if row.status != "done" or (RunStatus(row.run).ended and row.result.get("status") != "active"):
            tx.wake(f"{row.run_id}/_thread")


def _answered(outcome: Outcome, run_id: str) -> bool:
    if not isinstance(outcome, Done):
        log.info("the session status was not set", run=run_id, why=str(outcome))
    return isinstance(outcome, Done | Refused)
