"""The beginning and the end of a run, each in one transaction."""

from __future__ import annotations

import dataclasses
import datetime
import secrets
from typing import Any

from sqlalchemy import delete, insert, select, update

from bot.coordinator import artifacts, limits, terms
from bot.skills import Match, SkillLibrary
from bot.store import journal
from bot.store import schema as t
from bot.store.database import Tx
from bot.store.leases import Claim
from bot.store.mcp_tables import mcp_waiting
from bot.tools.team import open_agent
from bot.types import Json, Request, RunStatus


def start_run(
    tx: Tx, request: Request, library: SkillLibrary, *, model: str, offline: bool, today: str, lead: bool,
    price_as: str = "", rules: Json | None = None,
) -> str:  # fmt: skip
    """Make a run of a request: its row, the two that work for it in code, and its lead unless code alone answers.

    `rules` are those of its channel. Returns the run's id.
    """
    words, canvas = terms.in_canvas(request.text) if lead else ("", False)
    if canvas:
        request = dataclasses.replace(request, text=words).on({"canvas": True})
    found = library.match(limits.plain(request.text)) if lead else None
    run_id = f"run-{secrets.token_hex(6)}"
    tx.execute(
        insert(t.run).values(
            id=run_id, team_id=request.team, requester=request.user,
            credential_owner=request.user, channel=request.channel, channel_name=request.channel_name,
            thread=request.thread, kind=request.kind, request=request.text, skill=found.skill if found else "",
            understood=found.understood if found else "", way=found.way if found else "",
            mode=found.mode if found else "delegation", status=RunStatus.WORKING, model=model, offline=offline,
            price_as=price_as if offline else "",
            automation_id=request.key.partition("@")[0] if request.kind == "schedule" else None,
            created_at=tx.now(), labels={"readers": [request.channel]}, terms=request.terms, rules=rules or {},
        )
    )  # fmt: skip
    for name in ("_thread", "_coordinator"):
        open_agent(tx, run_id, request.team, name=name, role="", kind=name[1:])
    journal.append(tx, run_id, "run.started", {"request": request.text, "requester": request.user})
    if not lead:
        return run_id
    inputs = _inputs(found, request, today)
    if found is not None and found.goes_on:
        inputs = {**inputs, **artifacts.go_on(tx, request, run_id, found.skill)}
    open_agent(tx, run_id, request.team, name="lead", role=found.role if found else "lead", inputs=inputs)
    limits.begin(tx, run_id)
    terms.begin(tx, run_id, request.terms, offline)
    return run_id


def _inputs(found: Match | None, request: Request, today: str) -> dict[str, Any]:
    given = dict(found.inputs) if found else {}
    channel = request.channel_name or request.channel
    attached = {"attachments": [file["name"] for file in request.files]} if request.files else {}
    terms = {key: value for key, value in request.terms.items() if key in ("criteria", "viewing") and value}
    if request.terms.get("deadline"):
        terms["wanted_by"] = datetime.datetime.fromtimestamp(request.terms["deadline"], datetime.UTC).isoformat()
    return {**given, "channel": channel, "requester": request.user, "today": today, **attached, **terms}


def end_run(tx: Tx, run_id: str, status: RunStatus, *, kind: str = "", message: str = "", summary: str = "") -> None:
    """End a run once: its agents, its open questions and its open tasks end with it."""
    ended = tx.execute(
        update(t.run)
        .where(t.run.c.id == run_id, t.run.c.status.not_in(("done", "failed", "stopped")))
        .values(status=status, error_kind=kind, error_message=message, summary=summary, finished_at=tx.now())
    )
    if ended.rowcount == 0:
        return
    task_end = "failed" if status is RunStatus.FAILED else "stopped"
    tx.execute(
        update(t.task)
        .where(t.task.c.run_id == run_id, t.task.c.status.in_(("pending", "working")))
        .values(status=task_end)
    )
    tx.execute(
        update(t.approval)
        .where(t.approval.c.run_id == run_id, t.approval.c.status == "pending")
        .values(status="void")
    )
    live = tx.execute(
        select(t.agent.c.id).where(
            t.agent.c.run_id == run_id, t.agent.c.kind == "agent", t.agent.c.status.in_(("live", "finishing"))
        )
    ).scalars()
    for agent_id in list(live):
        tx.execute(
            update(t.agent)
            .where(t.agent.c.id == agent_id)
            .values(
                status="stopped", waiting=None,  # whoever finished is done already
                epoch=t.agent.c.epoch + 1, lease_owner=None, lease_until=0.0,  # what still works finds itself fenced
            )
        )  # fmt: skip
        tx.wake(agent_id)
    tx.execute(delete(mcp_waiting).where(mcp_waiting.c.run_id == run_id, mcp_waiting.c.kind.in_(("signin", "input"))))
    tx.wake(f"{run_id}/_jobs")
    tx.wake(f"{run_id}/_private")
    journal.append(tx, run_id, "run.ended", {"status": status, "kind": kind, "message": message})


def fail(tx: Tx, run_id: str, kind: str, message: str) -> None:
    """End a run with a typed failure and the sentence a person reads."""
    end_run(tx, run_id, RunStatus.FAILED, kind=kind, message=message)


def poisoned(tx: Tx, claim: Claim) -> None:
    """An agent that died again and again without any progress ends its run, visibly."""
    if claim.run_id:
        fail(tx, claim.run_id, "poison", f"Working on it crashed Cadre several times in a row ({claim.agent_id}).")
