"""How a finish counts: taken with the tasks that it closes, refused with a diagnosis, or given back as too early."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update

from bot.coordinator import plan, second_look, verify
from bot.coordinator.runs import fail
from bot.skills import Skill
from bot.store import board, journal, mail
from bot.store import schema as t
from bot.store.database import Tx
from bot.store.leases import Claim
from bot.team import recovery
from bot.team.record import close_call
from bot.tools.planning import LEAD
from bot.types import Check

CHECKS = "verification"  # the class of failure when a result does not pass
EARLY = 6  # answers that came too early, until they count as refused

Found = Mapping[str, list[Check]]  # by task


def own(tasks: list[Any], agent: Any) -> list[Any]:
    """The tasks that an agent's finish closes: the one it was given, and those of its own plan that it kept.

    What a lead closed once is looked at again when its answer came back; what waits for others is not its yet.
    """
    if agent["name"] == LEAD:
        return _ready(
            [x for x in tasks if x["owner"] == LEAD and x["status"] in ("pending", "working", "done")], tasks
        )
    part = agent["task"] or agent["name"]
    return [
        x
        for x in tasks
        if x["id"] == agent["task"]
        or (x["owner"] == agent["name"] and x["part"] == part and x["status"] in ("pending", "working"))
    ]


def _ready(mine: list[Any], tasks: list[Any]) -> list[Any]:
    """Without those that need what somebody else has not done."""
    undone = {x["id"] for x in tasks if x["status"] != "done"} - {x["id"] for x in mine}
    while blocked := [x for x in mine if undone & set(x["depends_on"])]:
        mine = [x for x in mine if x not in blocked]
        undone |= {x["id"] for x in blocked}
    return mine


async def check_tasks(skill: Skill | None, tasks: Iterable[Any], place: Path) -> dict[str, list[Check]]:
    """What the skill's scripts find for each task in the workspace of whoever worked it."""
    found: dict[str, list[Check]] = {}
    for one in tasks:
        wanted = skill.task_checks(one["id"]) if skill else []
        found[one["id"]] = await verify.run_checks(skill, wanted, place) if skill and wanted else []
    return found


def declared(connection: Connection, agent: Any) -> set[str]:
    """The files that an agent has named as its outputs."""
    names = connection.execute(select(t.artifact.c.name).where(t.artifact.c.agent_id == agent["id"])).scalars()
    return {name.split("/", 1)[-1] for name in names}


def handed_in(declared: set[str], task: Any) -> list[Check]:
    """That a lead declared the files which the plan wants of a task of its own; nothing when it wants none."""
    missing = sorted(set(task["outputs"]) - declared)
    told = f"name in outputs what {task['id']} is to give: {', '.join(missing)}" if missing else "all are there"
    return [Check("planned_outputs", not missing, told)] if task["outputs"] else []


def close_tasks(tx: Tx, run_id: str, found: Found, status: str = "done") -> None:
    """Close tasks with what was found."""
    for name, checks in found.items():
        tx.execute(
            update(t.task)
            .where(t.task.c.run_id == run_id, t.task.c.id == name)
            .values(status=status, checks=verify.as_json(checks))
        )


def close_specialist(tx: Tx, claim: Claim, agent: Any, found: Found) -> None:
    """Take a specialist's finish and report it to its lead, or send it back with what did not pass."""
    tx.fence(claim.agent_id, claim.epoch)
    if not stands(tx, agent):
        return
    checks = [check for some in found.values() for check in some]
    passed = all(c.passed for c in checks)
    if not passed and not recovery.given_up(CHECKS, agent["refusals"] + 1, 0.0, 0.0):
        refuse(tx, claim, agent, checks, agent["task"])
        return
    args = agent["finish"]["args"]
    status = args["status"] if passed else "failed"
    summary = args["summary"] if passed else f"The checks did not pass: {verify.diagnosis(checks)}"
    finished(tx, agent)
    close_tasks(tx, claim.run_id, found, "done" if status == "done" else "failed")
    files = tuple(
        mail.SharedFile(row.name.split("/", 1)[1], row.sha256, agent["finish"]["id"])
        for row in tx.execute(
            select(t.artifact.c.name, t.artifact.c.sha256)
            .where(t.artifact.c.run_id == claim.run_id, t.artifact.c.agent_id == agent["id"])
            .order_by(t.artifact.c.version)
        )
    )
    data = {"report": True, "status": status, "task": agent["task"], "summary": summary}
    lead = plan.reports_to(tx, claim.run_id, agent)
    if lead is not None:
        mail.send(tx, claim.run_id, agent["name"], lead, summary, data=data, files=files)
    plan.unread(tx, claim.run_id, agent)


def stands(tx: Tx, agent: Any) -> bool:
    """Whether a finish is still to be judged: nobody gave it back, or ended its agent, since it was looked at."""
    now = tx.execute(select(t.agent.c.status, t.agent.c.finish).where(t.agent.c.id == agent["id"])).one()
    return bool(now.status == "finishing" and now.finish["id"] == agent["finish"]["id"])


def finished(tx: Tx, agent: Any) -> None:
    """The finish counts."""
    close_call(tx, agent["run_id"], agent["id"], agent["finish"]["id"], {"ok": True}, False, "done")
    tx.execute(update(t.agent).where(t.agent.c.id == agent["id"]).values(status="done", waiting=None))


def refuse(
    tx: Tx, claim: Claim, agent: Any, checks: list[Check], scope: str, done_with: Any = None, own: Found | None = None
) -> None:
    """Give a finish back with the diagnosis; bounded, then a person has to look.

    Of its `own` tasks those that passed are closed all the same: others may wait for them.
    """
    tx.fence(claim.agent_id, claim.epoch)
    if not stands(tx, agent):
        return
    words = verify.diagnosis(checks)
    journal.append(tx, claim.run_id, "checked", {"scope": scope, "passed": False, "checks": verify.as_json(checks)})
    if done_with is not None:
        finished(tx, done_with)
    close_tasks(tx, claim.run_id, {k: found for k, found in (own or {}).items() if all(c.passed for c in found)})
    tries = agent["refusals"] + 1
    if recovery.given_up(CHECKS, tries, 0.0, 0.0):
        fail(tx, claim.run_id, CHECKS, f"{recovery.rule(CHECKS).words} After {tries} attempts: {words}")
        return
    content = {
        "ok": False,
        "error": f"Not accepted. {words}",
        "checks": verify.as_json([c for c in checks if not c.passed]),
    }
    close_call(tx, claim.run_id, agent["id"], agent["finish"]["id"], content, True, "failed")
    tx.execute(update(t.agent).where(t.agent.c.id == agent["id"]).values(status="live", finish=None, refusals=tries))
    tx.wake(agent["id"])


def too_early(tx: Tx, claim: Claim, run: Any, lead: Any) -> bool:
    """Give a lead's finish back while others are at work or wrote what it has not read; whether it was.

    That is no defect of its answer, so it counts as a refusal only when it goes on and on.
    """
    tx.fence(claim.agent_id, claim.epoch)
    if not stands(tx, lead):
        return True
    checks = [c for c in _still_open(tx, run, lead) if not c.passed]
    if not checks:
        return False
    if lead["reopened"] >= EARLY:
        refuse(tx, claim, lead, checks, "run")
        return True
    content = {"ok": False, "error": f"Not yet. {' '.join(c.evidence for c in checks)}"}
    close_call(tx, claim.run_id, lead["id"], lead["finish"]["id"], content, True, "failed")
    values = {"status": "live", "finish": None, "reopened": lead["reopened"] + 1}  # the next answer is judged anew
    tx.execute(update(t.agent).where(t.agent.c.id == lead["id"]).values(values))
    tx.wake(lead["id"])
    return True


def _still_open(tx: Tx, run: Any, lead: Any) -> list[Check]:
    run_id = run["id"]
    query = select(t.agent).where(t.agent.c.run_id == run_id, t.agent.c.kind == "agent").order_by(t.agent.c.id)
    agents = list(tx.execute(query).mappings())
    judges = {one["name"] for one in agents if second_look.judges(one)}
    busy = [one for one in agents if one["status"] in board.ALIVE and one["name"] not in {LEAD, *judges}]
    asleep = [one["name"] for one in busy if (one["waiting"] or {}).get("for") == "mail"]
    words = [f"Still at work: {', '.join(one['name'] for one in busy)}. Wait for them, or end them with stop_agent."]
    if asleep:
        words.append(f"Asleep until somebody writes to them: {', '.join(asleep)}.")
    letters = mail.undelivered(tx.connection, run_id, LEAD, lead["mail_cursor"])
    if run["offline"]:  # a playbook's answer is fixed: that a colleague is done as planned changes nothing in it
        letters = [m for m in letters if m["data"].get("status") != "done"]
    senders = list(dict.fromkeys(m["sender"] for m in letters if m["sender"] not in judges))
    unread = f"{', '.join(senders)} wrote to you meanwhile. Read it, and finish again with an answer that fits."
    return [Check("nobody_at_work", not busy, " ".join(words)), Check("mail_read", not senders, unread)]
