"""The main flow: a request becomes a run, its team works, code checks it, a person approves, the reply is due.

Read `step` first: it is one look at a run's rows and the next thing to do about them.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select, update

from bot.coordinator import (
    artifacts,
    budget,
    changes,
    claims,
    control,
    finishes,
    independence,
    limits,
    partial,
    plan,
    recurring,
    schedules,
    second_look,
    steering,
    terms,
    undo,
    verify,
)
from bot.coordinator.intake import INTAKE, taken, untaken
from bot.coordinator.runs import end_run, fail, start_run
from bot.errors import DependencyFailed, RunFailed
from bot.policy.access import Access
from bot.skills import SkillLibrary
from bot.store import journal, leases
from bot.store import schema as t
from bot.store.database import Database, Tx, by_id
from bot.store.leases import Claim
from bot.team import recovery
from bot.team.interrupts import Interrupts, Stopped
from bot.tools import render
from bot.types import Check, Json, RunStatus

RETRY_S = 5.0
SOON_S = 0.3  # until agents that are about to move have moved
BREAK_OFF_S = 0.8  # what calls in flight get to break off when a run is stopped


@dataclass(frozen=True)
class Rows:
    """One look at a run."""

    run: Any
    agents: dict[str, Any]
    tasks: list[Any]
    approvals: list[Any]

    @property
    def lead(self) -> Any:
        return self.agents["lead"]

    @property
    def verifier(self) -> Any:
        """The verifier of the lead's current answer, if there is one."""
        found = self.agents.get(self.verifier_name)
        return found if found is not None and second_look.judges(found) else None

    @property
    def verifier_name(self) -> str:
        """A name for each answer of the lead: those that were refused, and those a person wrote after."""
        return f"verifier{self.lead['refusals'] + self.lead['reopened'] + 1}"


@dataclass
class Coordinator:
    """Activates the rows of kind `coordinator`: the intake, and one per run."""

    db: Database
    library: SkillLibrary
    writer: changes.Writer
    home: Path
    zone: str
    model: str
    offline: bool
    figure_page: str
    price_as: str = ""
    approvers: tuple[str, ...] = ()  # of limits that belong to all
    access: Access = field(default_factory=Access)
    watch: plan.Watch = field(default_factory=plan.Watch)

    def __post_init__(self) -> None:
        self._interrupts = Interrupts(self.db)

    async def activate(self, claim: Claim) -> float | None:
        """Do what the rows ask for until nothing is left; returns when to look again by product time, or None."""
        if claim.agent_id == INTAKE:
            await self.db.write(self._take_requests)
            return None
        if claim.agent_id == schedules.TICKER:
            return await self.db.write(lambda tx: schedules.tick(tx, self.access))
        while True:
            rows = await self.db.read(lambda c: _look(c, claim.run_id))
            try:
                work = self.step(claim, rows)
                done = await (work if rows.run["control"] == "stop" else self._interrupts.guard(claim, work))
            except Stopped:
                if not await self.db.read(lambda c: leases.holds(c, claim)):
                    return None
                continue
            if done is not True:
                return await self._by_deadline(claim, rows, done or None)

    async def _by_deadline(self, claim: Claim, rows: Rows, due: float | None) -> float | None:
        """When to look again, with the time by which somebody wants it."""
        if RunStatus(rows.run["status"]).ended or terms.deadline(rows.run) is None:
            return due
        return await self.db.write(lambda tx: terms.look(tx, claim, rows.run, due))

    def _take_requests(self, tx: Tx) -> None:
        today = datetime.datetime.fromtimestamp(tx.now(), ZoneInfo(self.zone)).date().isoformat()
        for said in untaken(tx):
            request = steering.take(tx, said, self.library)
            if request is None:
                continue
            said_once = request.kind != "schedule"
            schedule = recurring.parse(request.text) if said_once else None
            unclear = recurring.unclear(request.text) if said_once else ""
            run_id = start_run(
                tx, request, self.library, model=self.model, offline=self.offline, today=today,
                lead=schedule is None and not unclear, price_as=self.price_as,
                rules=self.access.rules(request.channel),
            )  # fmt: skip
            taken(tx, request, run_id)
            if unclear:
                end_run(tx, run_id, RunStatus.DONE, summary=unclear)
            if schedule is not None:
                due = schedules.add(tx, request, schedule, self.zone)
                kept = f"\n{schedules.IN_CANVAS}" if schedule.canvas else ""
                words = (
                    f"{schedule.words.capitalize()} ({self.zone}) I will work on: {schedule.request}\nFirst time: "
                )
                end_run(tx, run_id, RunStatus.DONE, summary=f"{words}{due:%A %d %B %Y, %H:%M}.{kept}")

    async def step(self, claim: Claim, rows: Rows) -> float | bool | None:
        """The next thing to do about a run: True to look again, else when to wake."""
        if RunStatus(rows.run["status"]).ended:
            return await self._undo(claim, rows) if rows.run["control"] == "undo" else None
        if rows.run["control"] == "stop":
            return await self._stop(claim, rows)
        if rows.run["control"] == "pause":
            return None  # whoever resumes it wakes this
        if rows.run["control"] == "budget":
            look = budget.Look(rows.run, list(rows.agents.values()), self.approvers, self.figure_page)
            return await self.db.write(lambda tx: budget.step(tx, claim, look))
        if rows.tasks and rows.run["spent"] and not rows.run["estimate"]:
            await self.db.write(lambda tx: limits.by_plan(tx, claim.run_id))
        failed = next((a for a in rows.agents.values() if a["status"] == "failed" and not a["finish"]), None)
        if failed is not None:
            return await self._agent_failed(claim, failed)
        for agent in rows.agents.values():
            if agent["status"] == "finishing" and agent["name"] != "lead" and not second_look.judges(agent):
                return await self._judge_specialist(claim, rows, agent)
        if rows.lead["status"] == "finishing":
            return await self._judge_lead(claim, rows)
        return await plan.tend(self.db, claim, rows, self.watch)

    async def _judge_specialist(self, claim: Claim, rows: Rows, agent: Any) -> bool:
        """A specialist says it is done: the checks of its tasks decide."""
        mine = finishes.own(rows.tasks, agent)
        found: dict[str, list[Check]] = {one["id"]: [] for one in mine}
        if agent["finish"]["args"]["status"] == "done":
            skill = self.library.skills.get(agent["skill"] or rows.run["skill"])
            found = await finishes.check_tasks(skill, mine, self._workspace(rows.run["id"], agent["name"]))

        def close(tx: Tx) -> None:
            finishes.close_specialist(tx, claim, agent, found)
            artifacts.reopen(tx, rows.run)

        await self.db.write(close)
        return True

    def _workspace(self, run_id: str, name: str) -> Path:
        place = self.home / "runs" / run_id / name
        place.mkdir(parents=True, exist_ok=True)
        return place

    async def _judge_lead(self, claim: Claim, rows: Rows) -> float | bool | None:
        """The lead says the run is done: open tasks, checks, the verifier and a person decide, in this order."""
        args = rows.lead["finish"]["args"]
        if args["status"] != "done":
            await self.db.write(lambda tx: _lead_gave_up(tx, claim, rows, args))
            return True
        asked = next((a for a in reversed(rows.approvals) if a["kind"] == "changes" and a["status"] != "void"), None)
        if asked is None or asked["status"] == "pending":
            held = await self.db.write(lambda tx: artifacts.hold(tx, claim, rows.run, rows.lead))
            if held in ("working", "back"):
                return held == "back" or None
            if held:
                await self.db.write(
                    lambda tx: finishes.refuse(tx, claim, rows.lead, [Check("nothing_stale", False, held)], "run")
                )
                return True
        if asked is not None:
            return await self._after_asking(claim, rows, asked)
        if await self.db.write(lambda tx: finishes.too_early(tx, claim, rows.run, rows.lead)):
            return True
        if rows.verifier is not None:
            return await self._after_verifier(claim, rows)
        checks, own = await self._check_run(rows, args)
        if not all(c.passed for c in checks):
            await self.db.write(lambda tx: finishes.refuse(tx, claim, rows.lead, checks, "run", own=own))
            return True
        skill = self.library.skills.get(rows.run["skill"])
        scripts = skill.checks if skill is not None else []
        judged = scripts or rows.tasks or terms.criteria(rows.run)
        files = await self._lay_out(rows, rows.verifier_name) if judged else {}
        drawn = await self.db.read(lambda c: second_look.sample(c, rows.run))
        given = {"artifacts": files, "reply": args.get("reply", ""), **({"sample": drawn} if drawn else {})}
        if second_look.is_due(rows.run, rows.tasks, scripts, given):
            name = skill.name if skill is not None else ""

            def open_verifier(tx: Tx) -> bool:
                tx.fence(claim.agent_id, claim.epoch)
                if not finishes.stands(tx, rows.lead):
                    return False
                finishes.close_tasks(tx, claim.run_id, own)
                second_look.note(tx, claim.run_id, checks)
                second_look.begin(tx, rows.run, rows.verifier_name, rows.tasks, name, scripts, given)
                return True

            return None if await self.db.write(open_verifier) else True
        await self.db.write(lambda tx: self._ask_or_end(tx, claim, rows, checks, own))
        return True

    async def _check_run(self, rows: Rows, args: Json) -> tuple[list[Check], finishes.Found]:
        """What code finds of the run, and of each task that the lead did itself."""
        mine = finishes.own(rows.tasks, rows.lead)
        ids = {x["id"] for x in mine}
        undone = [x["id"] for x in rows.tasks if x["status"] != "done" and x["id"] not in ids]
        checks = [
            Check(
                "tasks_done", not undone, f"not done: {', '.join(undone)}" if undone else "every planned task is done"
            )
        ]
        skill = self.library.skills.get(rows.run["skill"])
        found = await finishes.check_tasks(skill, mine, self._workspace(rows.run["id"], "lead"))
        declared = await self.db.read(lambda c: finishes.declared(c, rows.lead))
        for one in mine:
            found[one["id"]] += finishes.handed_in(declared, one)
        checks += [check for some in found.values() for check in some]
        if rows.tasks or (skill is not None and skill.playbook.get("roles")):
            checks.append(await self.db.read(lambda c: verify.check_work(c, rows.run["id"])))
        checks += await self.db.read(lambda c: steering.answered(c, rows.run["id"]))
        shown = await self.db.read(lambda c: render.lookup(c, rows.run["id"], self.figure_page))
        asked = await self.db.read(lambda c: render.requested(c, rows.run["id"]))
        reply = args.get("reply", "")
        checks += verify.check_reply(reply, shown, asked)
        checks.append(await self.db.read(lambda c: claims.check_coverage(c, rows.run["id"], reply)))
        checks.append(await self.db.read(lambda c: claims.check_handed_in(c, rows.run["id"], reply)))
        checks.append(await self.db.read(lambda c: claims.check_quotes(c, rows.run["id"], reply, asked)))
        if skill is not None and not undone:
            checks += await self.db.read(lambda c: independence.check(c, rows.run["id"], skill))
            await self._lay_out(rows, "_check")
            checks += await verify.run_checks(skill, skill.checks, self._workspace(rows.run["id"], "_check"))
        return checks, found

    async def _lay_out(self, rows: Rows, name: str) -> dict[str, str]:
        """The declared outputs in a directory of their own, without the workers' story; path -> sha256."""
        return await verify.lay_out(self.db, rows.run["id"], self._workspace(rows.run["id"], name))

    async def _after_verifier(self, claim: Claim, rows: Rows) -> float | bool | None:
        verifier = rows.verifier
        if verifier["status"] != "finishing":
            return None
        verdicts = second_look.verdicts(verifier)
        if not all(c.passed for c in verdicts):
            await self.db.write(lambda tx: finishes.refuse(tx, claim, rows.lead, verdicts, "run", done_with=verifier))
            return True
        await self.db.write(lambda tx: self._ask_or_end(tx, claim, rows, verdicts, {}, done_with=verifier))
        return True

    def _ask_or_end(
        self, tx: Tx, claim: Claim, rows: Rows, checks: list[Check], own: finishes.Found, done_with: Any = None
    ) -> None:
        tx.fence(claim.agent_id, claim.epoch)
        if not finishes.stands(tx, rows.lead):
            return
        finishes.close_tasks(tx, rows.run["id"], own)
        second_look.note(tx, rows.run["id"], checks)
        if done_with is not None:
            finishes.finished(tx, done_with)
        if changes.ask(tx, rows.run) is None:
            self._end(tx, rows)

    async def _after_asking(self, claim: Claim, rows: Rows, asked: Any) -> float | bool | None:
        """The change set was shown to a person: wait, apply it, or let it go."""
        if asked["status"] == "pending":
            if asked["expires_at"] > self.db.now():
                return float(asked["expires_at"])
            await self.db.write(lambda tx: _expire(tx, claim, asked))
            return True
        if asked["status"] == "approved":
            try:
                await changes.apply_all(self.db, self.writer, claim, rows.run, asked["change_set_id"])
            except DependencyFailed as error:
                words = f"{error} The approved changes are tried again."
                await self.db.write(lambda tx: _notice(tx, claim, words))
                return self.db.now() + RETRY_S
            except RunFailed as error:
                kind, words = error.kind, str(error)
                await self.db.write(lambda tx: _failed(tx, claim, kind, words))
                return True
            await self.db.write(lambda tx: self._ask_next(tx, claim, rows, asked["change_set_id"]))
            return True
        if await self.db.read(lambda c: changes.partly_written(c, claim.run_id)):
            await self.db.write(lambda tx: self._without_access(tx, claim, rows, asked))
            return True
        await self.db.write(lambda tx: _rejected(tx, claim, rows, asked))
        return True

    def _ask_next(self, tx: Tx, claim: Claim, rows: Rows, change_set: str) -> None:
        """A set is written: access is asked about apart, then the run is done."""
        tx.fence(claim.agent_id, claim.epoch)
        changes.applied(tx, change_set)
        if changes.ask(tx, rows.run) is None:
            self._end(tx, rows)

    def _without_access(self, tx: Tx, claim: Claim, rows: Rows, asked: Any) -> None:
        """The documents are written and nobody was given access to them: that is a result, too."""
        tx.fence(claim.agent_id, claim.epoch)
        changes.discard(tx, rows.run["id"], "discarded")
        why = "You did not agree to it" if asked["status"] == "rejected" else "Nobody answered in time"
        journal.append(tx, rows.run["id"], "notice", {"text": f"{why}, so nobody was given access."})
        self._end(tx, rows)

    async def _undo(self, claim: Claim, rows: Rows) -> float | None:
        """Take back what the run wrote, as a person asked after it had ended."""
        try:
            await undo.undo_all(self.db, self.writer, claim, rows.run)
        except DependencyFailed:
            return self.db.now() + RETRY_S

        def told(tx: Tx) -> None:
            control.note(tx, claim.run_id, "undone", undo.close(tx, claim, rows.run))

        await self.db.write(told)
        return None

    def _end(self, tx: Tx, rows: Rows) -> None:
        """The run is done: the reply with every placeholder filled by code."""
        finishes.finished(tx, rows.lead)
        reply = rows.lead["finish"]["args"].get("reply", "")
        text = render.for_thread(tx.connection, rows.run["id"], reply, self.figure_page)
        end_run(tx, rows.run["id"], RunStatus.DONE, summary=text)

    async def _stop(self, claim: Claim, rows: Rows) -> float | bool | None:
        """Calls in flight break off within a moment; then, or when one does not, the run ends with what it has."""
        by, at = await self.db.read(lambda c: control.stopped_by(c, claim.run_id))
        busy = any(a["status"] in ("live", "finishing") and a["lease_owner"] for a in rows.agents.values())
        if busy and self.db.now() < at + BREAK_OFF_S:
            return at + BREAK_OFF_S
        await self.db.write(lambda tx: _stopped(tx, claim, by, self.figure_page))
        return True

    async def _agent_failed(self, claim: Claim, agent: Any) -> bool:
        rows = await self.db.read(lambda c: journal.rows(c, claim.run_id, agent_id=agent["id"]))
        body: Json = next((r["body"] for r in reversed(rows) if r["kind"] == "agent.failed"), {})
        kind, words = body.get("kind", "agent_failed"), body.get("message", "An agent failed.")
        if agent["name"] != "lead" and not second_look.judges(agent) and recovery.can_be_taken_over(kind):
            await self.db.write(lambda tx: plan.failed(tx, claim, agent, kind, words))
            return True
        await self.db.write(lambda tx: _failed(tx, claim, kind, words))
        return True


def _look(connection: Connection, run_id: str) -> Rows:
    agents = connection.execute(
        select(t.agent).where(t.agent.c.run_id == run_id, t.agent.c.kind == "agent").order_by(t.agent.c.id)
    ).mappings()
    tasks = connection.execute(select(t.task).where(t.task.c.run_id == run_id).order_by(t.task.c.position)).mappings()
    approvals = connection.execute(
        select(t.approval).where(t.approval.c.run_id == run_id).order_by(t.approval.c.asked_at)
    ).mappings()
    return Rows(by_id(connection, t.run, run_id), {a["name"]: a for a in agents}, list(tasks), list(approvals))


def _lead_gave_up(tx: Tx, claim: Claim, rows: Rows, args: Json) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    finishes.finished(tx, rows.lead)
    shown = render.lookup(tx.connection, claim.run_id, "")
    said = args.get("reply") or args["summary"]
    words, _ = shown.fill(said, lambda label, _url: label)  # an error is plain words
    if args["status"] == "refused":
        linked, _ = shown.fill(said, render.slack_link)
        end_run(tx, claim.run_id, RunStatus.STOPPED, kind="refused", message=words, summary=linked)
        return
    unverified = any(task["status"] == "failed" and task["checks"] for task in rows.tasks)
    fail(tx, claim.run_id, finishes.CHECKS if unverified else "blocked", words)


def _expire(tx: Tx, claim: Claim, asked: Any) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    tx.execute(
        update(t.approval)
        .where(t.approval.c.id == asked["id"], t.approval.c.status == "pending")
        .values(status="expired")
    )
    journal.append(tx, claim.run_id, "decided", {"approval": asked["id"], "status": "expired", "by": ""})


def _rejected(tx: Tx, claim: Claim, rows: Rows, asked: Any) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    changes.discard(tx, claim.run_id, "discarded")
    why = "rejected" if asked["status"] == "rejected" else "not answered in time"
    message = f"The proposed changes were {why}, so nothing was written."
    finishes.finished(tx, rows.lead)
    end_run(tx, claim.run_id, RunStatus.STOPPED, kind=asked["status"], message=message, summary=message)


def _stopped(tx: Tx, claim: Claim, why: str, figure_page: str) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    changes.discard(tx, claim.run_id, "discarded")
    reason = {"deleted": "The request was deleted. ", "replaced": "Another request took its place. "}.get(why, "")
    message = f"{reason}{partial.written(tx.connection, claim.run_id)}"
    summary = partial.partial_result(tx.connection, claim.run_id, figure_page)
    end_run(tx, claim.run_id, RunStatus.STOPPED, kind="stopped", message=message, summary=summary)


def _failed(tx: Tx, claim: Claim, kind: str, words: str) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    changes.discard(tx, claim.run_id, "discarded")
    fail(tx, claim.run_id, kind, words)


def _notice(tx: Tx, claim: Claim, words: str) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    journal.append(tx, claim.run_id, "notice", {"text": words})
