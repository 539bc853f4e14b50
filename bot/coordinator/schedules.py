"""Requests that recur: kept as rows, made into ordinary requests when they are due and their owner may still ask."""

from __future__ import annotations

import datetime
import secrets
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection, insert, select, update

from bot.coordinator import limits
from bot.coordinator.intake import receive
from bot.coordinator.recurring import Schedule, next_time
from bot.policy.access import Access, Role
from bot.store import people
from bot.store import schema as t
from bot.store.database import Tx
from bot.types import Request

log = structlog.get_logger()

TICKER = "_schedules"  # the agent row that wakes at the next due time
IN_CANVAS = "The report is kept in one canvas of this channel, which always shows the newest."
GRACE_S = 6 * 3600.0  # a time missed by more than this is skipped, not caught up


def add(tx: Tx, request: Request, schedule: Schedule, zone: str) -> datetime.datetime:
    """Keep a recurring request; returns when it is due first."""
    due = next_time(schedule.recurrence, zone, tx.now())
    automation = f"auto-{secrets.token_hex(5)}"
    limits.for_automation(tx, request.team, automation, schedule.request)
    tx.execute(
        insert(t.automation).values(
            id=automation, team_id=request.team, channel=request.channel,
            channel_name=request.channel_name, owner=request.user, request=schedule.request,
            recurrence=schedule.recurrence, zone=zone, words=schedule.words, status="active",
            next_at=due.timestamp(), created_at=tx.now(), canvas=schedule.canvas,
        )
    )  # fmt: skip
    tx.wake(TICKER)
    return due


def ensure_ticker(tx: Tx) -> None:
    """Make the ticker's row once; it belongs to no run."""
    tx.add(
        t.agent, id=TICKER, team_id="", run_id=None, kind="coordinator", name=TICKER, status="live", wake_seq=0,
        labels={},
    )  # fmt: skip


def tick(tx: Tx, access: Access) -> float | None:
    """Make the due requests, each local occurrence once however often clocks and processes repeat it; one of a person
    who may no longer ask for work is held from then on.

    Returns the next due time, or None when nothing is scheduled.
    """
    now = tx.now()
    due = tx.execute(
        select(t.automation).where(t.automation.c.status == "active", t.automation.c.next_at <= now)
    ).mappings()
    for row in list(due):
        if _may_ask(tx, row, access):
            _fire(tx, row, now)
        else:
            log.warning("a recurring request is held: its owner may not ask for work there any more", of=row["id"])
            set_status(tx, row["id"], "paused")
    upcoming: Any = tx.execute(
        select(t.automation.c.next_at).where(t.automation.c.status == "active").order_by(t.automation.c.next_at)
    ).scalar()
    return None if upcoming is None else float(upcoming)


def _may_ask(tx: Tx, row: Any, access: Access) -> bool:
    """By what is known of the owner; somebody who has never been looked up is let in by name or not at all."""
    person = people.known(tx.connection, row["team_id"], row["owner"])
    return access.role(person, row["channel"]) >= Role.ASK


def _fire(tx: Tx, row: Any, now: float) -> None:
    local = datetime.datetime.fromtimestamp(row["next_at"], ZoneInfo(row["zone"])).strftime("%Y-%m-%dT%H:%M")
    fresh = now - row["next_at"] <= GRACE_S and local != row["last_local"]
    if fresh:
        _ask(tx, row, local)
    later = next_time(row["recurrence"], row["zone"], max(now, row["next_at"]))
    tx.execute(
        update(t.automation)
        .where(t.automation.c.id == row["id"])
        .values(next_at=later.timestamp(), last_local=local if fresh else row["last_local"])
    )


def _ask(tx: Tx, row: Any, occurrence: str) -> None:
    request = Request(
        team=row["team_id"], channel=row["channel"], channel_name=row["channel_name"], thread="",
        key=f"{row['id']}@{occurrence}", kind="schedule", user=row["owner"], text=row["request"],
        terms={"canvas": True} if row["canvas"] else {},
    )  # fmt: skip
    receive(tx, request)


def fire_now(tx: Tx, automation: str) -> None:
    """Make a recurring request at once, beside its times."""
    row = tx.execute(select(t.automation).where(t.automation.c.id == automation)).mappings().one()
    _ask(tx, row, f"now-{tx.now():.3f}")


def set_status(tx: Tx, automation: str, status: str) -> None:
    """Hold a recurring request, or let it recur again from its next time on."""
    row = tx.execute(select(t.automation).where(t.automation.c.id == automation)).mappings().one()
    due = next_time(row["recurrence"], row["zone"], tx.now()).timestamp()
    tx.execute(update(t.automation).where(t.automation.c.id == automation).values(status=status, next_at=due))
    tx.wake(TICKER)


def only_team(connection: Connection) -> str:
    """The workspace that Cadre serves. Raises LookupError when it has heard from none yet, or from several."""
    teams = connection.execute(select(t.inbox.c.team_id).distinct()).scalars().all()
    if len(teams) != 1:
        heard = ", ".join(teams) or "none yet"
        raise LookupError(f"Name the workspace with --team: Cadre has heard from {heard}.")
    return str(teams[0])
