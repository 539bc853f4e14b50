"""The tools that change the plan: tasks with owners, dependencies and criteria, and who works on what. All rows."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, insert, select, update

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.store import board, journal, mail, money
from bot.store.database import Tx
from bot.store.schema import agent, approval, run, task, tool_call
from bot.tools.base import Args, Outcome, Tool, ToolContext
from bot.types import Json

LEAD = "lead"
PLAN_ASK = 12  # a plan of more tasks is shown to the requester first; 0: never
PLAN_ASK_COST = Decimal(10)  # and one that will likely cost more US dollars; 0: never
ANSWER_S = 7 * 86_400.0
AGREED = re.compile(r"(?i)\W*(yes|ok|okay|approved?|go|go ahead|do it|fine|looks? good|lgtm)\W*\Z")


class PlannedPerson(BaseModel):
    """A person who owns a task."""

    model_config = ConfigDict(extra="forbid")
    user: str = Field(description="The person's Slack id, such as U123; empty: the requester.", default="")
    due_h: float = Field(default=24.0, gt=0, description="Hours until it falls to the fallback.")
    remind_h: float = Field(default=0.0, ge=0, description="Hours until a reminder; 0: half of the time.")
    fallback: str = Field(default=LEAD, description="Who takes it over when the time is up: an agent's name.")


class PlannedTask(BaseModel):
    """A node of the plan."""

    model_config = ConfigDict(extra="forbid")
    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    title: str = Field(max_length=200)
    owner: str = ""
    role: str = Field(default="", description="The role its owner needs.")
    depends_on: list[str] = []
    inputs: list[str] = Field(default=[], description="What it works from: files, documents, other tasks' outputs.")
    outputs: list[str] = Field(default=[], description="Files that its owner must hand in with finish.")
    criteria: list[str] = Field(min_length=1, description="What must hold for the task to count as done.")
    budget: str = Field(default="", pattern=r"^(\d+(\.\d+)?)?$", description="At most this many US dollars.")
    person: PlannedPerson | None = Field(default=None, description="When a person must do it, not an agent.")


class PlanArgs(Args):
    tasks: list[PlannedTask] = Field(min_length=1, max_length=40)
    mode: Literal["delegation", "coordination", ""] = Field(
        default="", description="Empty: parts that do not depend on each other are delegated, others coordinated."
    )
    reason: str = Field(description="Why this way of working, in one sentence for the requester.")


async def plan(ask_above: int, ask_over: Decimal, ctx: ToolContext, args: PlanArgs) -> Outcome:
    """Record or replace the plan; a large or dear one waits for the requester inside this call."""
    part = await ctx.db.read(lambda c: _part(c, ctx))
    expected = await ctx.db.read(lambda c: money.expected(c, ctx.run_id, len(args.tasks)))
    large = not part and (0 < ask_above < len(args.tasks) or 0 < ask_over < expected)
    name = f"{ctx.run_id[-12:]}-p{hashlib.sha256(f'{ctx.agent_id}/{ctx.call_id}'.encode()).hexdigest()[:10]}"

    def commit(tx: Tx) -> Json:
        changed = _replace(tx, ctx, args, part)
        if large and not changed["agreed"]:
            _ask(tx, ctx, args, name, expected)
        return {"ok": True, "tasks": [one.id for one in args.tasks], "mode": changed["mode"]}

    if large and not await ctx.db.read(lambda c: _agreed(c, ctx.run_id, digest(args.tasks))):
        return Outcome({}, commit=lambda tx: commit(tx) and None, parks={"for": "answer", "approval": name})
    return Outcome({}, commit=commit)


def _part(connection: Any, ctx: ToolContext) -> str:
    """The task whose plan this agent makes: its own, or "" for the lead of the run."""
    if ctx.agent_name == LEAD:
        return ""
    found = connection.execute(select(agent.c.task).where(agent.c.id == ctx.agent_id)).scalar()
    return str(found or ctx.agent_name)


def digest(tasks: list[PlannedTask]) -> str:
    """The hash to which an approval of a plan is bound."""
    return journal.sha256_of([one.model_dump() for one in tasks])


def _agreed(connection: Any, run_id: str, sha256: str) -> bool:
    return bool(
        connection.execute(
            select(approval.c.id).where(
                approval.c.run_id == run_id, approval.c.kind == "plan", approval.c.args_sha256 == sha256,
                approval.c.status == "approved",
            )
        ).first()
    )  # fmt: skip


def _replace(tx: Tx, ctx: ToolContext, args: PlanArgs, part: str) -> Json:
    """Put the tasks in place of those of this part that nobody has done or begun."""
    before = board.tasks(tx.connection, ctx.run_id)
    own = {name: one for name, one in before.items() if one["part"] == part}
    ids = [one.id for one in args.tasks]
    _check(before, own, args.tasks)
    gone = [name for name, one in own.items() if name not in ids and one["status"] in ("pending", "failed")]
    tx.execute(delete(task).where(task.c.run_id == ctx.run_id, task.c.id.in_(gone)))
    for place, item in enumerate(args.tasks):
        _keep(tx, ctx, item, own.get(item.id), place + (100 * len(before) if part else 0), part)
    mode = args.mode if args.mode and any(one.depends_on for one in args.tasks) else _mode(args.tasks)
    if not part:
        tx.execute(update(run).where(run.c.id == ctx.run_id).values(mode=mode, mode_reason=args.reason))
    added = [name for name in ids if name not in own]
    if own:
        body = {"added": added, "dropped": gone, "reason": args.reason, "by": ctx.agent_name}
        journal.append(tx, ctx.run_id, "plan.changed", body)
    else:
        journal.append(tx, ctx.run_id, "plan", {"tasks": ids, "reason": args.reason, "mode": mode, "part": part})
    return {"mode": mode, "agreed": _agreed(tx.connection, ctx.run_id, digest(args.tasks))}


def _check(before: board.Board, own: board.Board, tasks: list[PlannedTask]) -> None:
    ids = [one.id for one in tasks]
    if len(set(ids)) != len(ids):
        raise ModelMustRetry("Two tasks have the same id.")
    foreign = [name for name in ids if name in before and name not in own]
    if foreign:
        raise ModelMustRetry(f"{', '.join(foreign)}: another part of the plan has a task of that id.")
    left = [name for name, one in own.items() if one["status"] == "working" and name not in ids]
    if left:
        words = ", ".join(f"{name} ({own[name]['owner']})" for name in left)
        raise ModelMustRetry(
            f"Somebody is at work on {words}: keep it in the plan, or end that with stop_agent first."
        )
    known = set(ids) | {name for name, one in before.items() if name not in own or one["status"] == "done"}
    for one in tasks:
        unknown = [name for name in one.depends_on if name not in known]
        if unknown:
            raise ModelMustRetry(f"Task {one.id} depends on {', '.join(unknown)}, which the plan does not have.")
    round_ = board.circle({one.id: one.depends_on for one in tasks})
    if round_:
        raise ModelMustRetry(f"The tasks {', '.join(round_)} depend on each other in a circle.")


def _keep(tx: Tx, ctx: ToolContext, item: PlannedTask, old: Any, place: int, part: str) -> None:
    """One task as planned; what is done stays, what is begun keeps its owner."""
    if old is not None and old["status"] == "done":
        return
    person = item.person.model_dump() if item.person else None
    if person is not None:
        person["user"] = person["user"].strip("<@>") or ctx.requester
    told: Json = {
        "title": item.title, "role": item.role, "depends_on": item.depends_on, "inputs": item.inputs,
        "outputs": item.outputs, "criteria": item.criteria, "budget": item.budget, "person": person,
        "position": place,
    }  # fmt: skip
    if old is not None:
        if old["status"] != "working":
            told |= {"owner": item.owner, "status": "pending"}
        tx.execute(update(task).where(task.c.run_id == ctx.run_id, task.c.id == item.id).values(**told))
        return
    tx.execute(
        insert(task).values(
            run_id=ctx.run_id, id=item.id, team_id=ctx.team, owner=item.owner, status="pending", checks=[], attempt=0,
            part=part, **told,
        )
    )  # fmt: skip


def _mode(tasks: list[PlannedTask]) -> str:
    """The shape of the work decides: parts that need each other are coordinated, independent ones delegated."""
    return "coordination" if any(one.depends_on for one in tasks) else "delegation"


def _ask(tx: Tx, ctx: ToolContext, args: PlanArgs, name: str, expected: Decimal) -> None:
    """Show a large or dear plan to the requester before anything of it begins."""
    tx.execute(
        update(approval)
        .where(approval.c.run_id == ctx.run_id, approval.c.kind == "plan", approval.c.status == "pending")
        .values(status="void")
    )
    tasks = [
        {"id": one.id, "title": one.title, "owner": one.owner, "depends_on": one.depends_on, "criteria": one.criteria}
        for one in args.tasks
    ]
    tx.execute(
        insert(approval).values(
            id=name, team_id=ctx.team, run_id=ctx.run_id, kind="plan", agent_id=ctx.agent_id, call_id=ctx.call_id,
            person=ctx.requester, args_sha256=digest(args.tasks), status="pending", asked_at=tx.now(),
            expires_at=tx.now() + ANSWER_S,
            preview={"title": f"a plan of {len(tasks)} tasks", "tasks": tasks, "reason": args.reason,
                     "from": ctx.agent_name, "estimate": f"{expected:f}" if expected else ""},
        )
    )  # fmt: skip
    journal.append(tx, ctx.run_id, "asked", {"approval": name, "about": "plan"}, agent_id=ctx.agent_id)


def answer_content(given: Any) -> Json:
    """What an agent reads as the result of the call in which it waited for a person."""
    if given["kind"] != "plan":
        if given["status"] != "answered":
            return {"ok": False, "error": "Nobody answered in time; go on without, or finish blocked."}
        return {"ok": True, "answer": given["answer"], "by": given["decided_by"]}
    if given["status"] == "approved" or (given["status"] == "answered" and AGREED.match(given["answer"])):
        tasks, dropped = [one["id"] for one in given["preview"]["tasks"]], given["preview"].get("dropped", [])
        changed = {"tasks": tasks, "dropped": dropped} if dropped else {}
        return {"ok": True, "approved_by": given["decided_by"], **changed}
    words = {
        "answered": f"The requester wants the plan changed: {given['answer']}",
        "rejected": "The requester rejected the plan. Ask what should be different, or finish refused.",
    }.get(given["status"], "Nobody approved the plan in time. Plan smaller, or finish blocked.")
    return {"ok": False, "error": words, "by": given["decided_by"]}


def may_begin(tx: Tx, run_id: str, agent_id: str = "") -> None:
    """Raises ModelMustRetry while the latest plan that was shown to a person is not agreed on.

    A plan that the same agent is about to record counts: what it appoints in the same breath would run ahead of it.
    """
    recording = select(tool_call.c.id).where(
        tool_call.c.run_id == run_id, tool_call.c.agent_id == agent_id, tool_call.c.name == "plan",
        tool_call.c.status == "intent",
    )  # fmt: skip
    if agent_id and tx.execute(recording).first() is not None:
        raise ModelMustRetry("The plan is not agreed on yet: wait for the result of plan before you begin.")
    last = (
        tx.execute(
            select(approval)
            .where(approval.c.run_id == run_id, approval.c.kind == "plan", approval.c.status != "void")
            .order_by(approval.c.asked_at.desc(), approval.c.id)
        )
        .mappings()
        .first()
    )
    if last is None or last["status"] == "approved":
        return
    if last["status"] == "answered" and AGREED.match(last["answer"]):
        return
    planned = {one["id"] for one in last["preview"]["tasks"]}
    if planned <= board.tasks(tx.connection, run_id).keys():
        raise ModelMustRetry("The plan is not agreed on yet: nothing of it may begin.")


class DependArgs(Args):
    task: str
    on: str = Field(description="The task that must be done first.")
    reason: str = Field(max_length=500, description="What was found that makes it necessary.")


async def depend(ctx: ToolContext, args: DependArgs) -> Outcome:
    """Add a dependency that was found while working."""

    def commit(tx: Tx) -> Json:
        plan = board.tasks(tx.connection, ctx.run_id)
        one = board.known(plan, args.task)
        board.known(plan, args.on)
        if one["status"] == "done":
            raise ModelMustRetry(f"{args.task} is done already.")
        if args.on in one["depends_on"]:
            return {"ok": True, "blocked_by": board.blocked_by(plan, one)}
        needs = {name: row["depends_on"] for name, row in plan.items()} | {args.task: [*one["depends_on"], args.on]}
        round_ = board.circle(needs)
        if round_:
            raise ModelMustRetry(f"That would be a circle: {', '.join(round_)} depend on each other.")
        depends = [*one["depends_on"], args.on]
        tx.execute(update(task).where(task.c.run_id == ctx.run_id, task.c.id == args.task).values(depends_on=depends))
        body = {"task": args.task, "depends_on": args.on, "reason": args.reason, "by": ctx.agent_name}
        journal.append(tx, ctx.run_id, "plan.changed", body)
        tell_lead(tx, ctx, f"{args.task} now depends on {args.on}: {args.reason}", {"plan_changed": body})
        return {"ok": True, "blocked_by": board.blocked_by(plan, {**one, "depends_on": depends})}

    return Outcome({}, commit=commit)


def tell_lead(tx: Tx, ctx: ToolContext, words: str, data: Json) -> None:
    """Let whoever leads this agent know, unless it is the one who acts."""
    parent = tx.execute(select(agent.c.parent).where(agent.c.id == ctx.agent_id)).scalar() or LEAD
    if ctx.agent_name != LEAD and mail.roster(tx.connection, ctx.run_id).get(parent) in board.ALIVE:
        mail.send(tx, ctx.run_id, ctx.agent_name, parent, words, data=data)


class AssignArgs(Args):
    task: str
    agent: str


async def assign(ctx: ToolContext, args: AssignArgs) -> Outcome:
    """Give a task to somebody, also one that another agent held."""

    def commit(tx: Tx) -> Json:
        may_begin(tx, ctx.run_id, ctx.agent_id)
        plan = board.tasks(tx.connection, ctx.run_id)
        one = board.known(plan, args.task)
        status = mail.roster(tx.connection, ctx.run_id).get(args.agent)
        if status is None:
            raise ModelMustRetry(f"There is no agent {args.agent}.")
        if status in mail.ENDED:
            raise ModelMustRetry(f"{args.agent} has ended ({status}); appoint somebody else.")
        can_start(tx, ctx.run_id, plan, one)
        busy = board.held_by(plan, args.agent)
        if busy and busy != args.task:
            raise ModelMustRetry(f"{args.agent} is at work on {busy}; one task at a time.")
        before = one["owner"]
        if before and before != args.agent and one["status"] == "working":
            tx.execute(update(agent).where(agent.c.id == f"{ctx.run_id}/{before}").values(task=""))
            if mail.roster(tx.connection, ctx.run_id).get(before) in board.ALIVE:
                words = f"{args.task} was given to {args.agent}; hand over what you have and finish."
                mail.send(tx, ctx.run_id, ctx.agent_name, before, words, data={"reassigned": args.task})
        board.give(tx, ctx.run_id, args.agent, args.task)
        if args.agent != ctx.agent_name:
            words = f"You own {args.task} now: {one['title']}. It is done when: {'; '.join(one['criteria'])}."
            data = {"task": args.task, "inputs": one["inputs"], "outputs": one["outputs"]}
            mail.send(tx, ctx.run_id, ctx.agent_name, args.agent, words[: mail.TEXT_MAX], data=data)
        return {"ok": True}

    return Outcome({}, commit=commit)


def can_start(tx: Tx, run_id: str, plan: board.Board, one: Any) -> None:
    """Raises ModelMustRetry when a task cannot begin.

    In a coordinated run owners work side by side and hand over by mail; elsewhere what it needs must be done first.
    """
    if one["person"]:
        raise ModelMustRetry(f"{one['id']} belongs to a person, who is asked when its turn comes.")
    if one["status"] == "done":
        raise ModelMustRetry(f"{one['id']} is done already.")
    mode = tx.execute(select(run.c.mode).where(run.c.id == run_id)).scalar()
    blocked = board.blocked_by(plan, one)
    if blocked and mode != "coordination":
        raise ModelMustRetry(f"{one['id']} is blocked by {', '.join(blocked)}.")


class ClaimArgs(Args):
    task: str = Field(default="", description="Empty: any task that is free.")


async def claim_task(ctx: ToolContext, args: ClaimArgs) -> Outcome:
    """Take a free task."""

    def commit(tx: Tx) -> Json:
        may_begin(tx, ctx.run_id, ctx.agent_id)
        one = board.claim(tx, ctx.run_id, ctx.agent_name, args.task)
        told = {name: one[name] for name in ("id", "title", "criteria", "inputs", "outputs")}
        return {"ok": True, "task": told, "lease_min": round(board.LEASE_S / 60)}

    return Outcome({}, commit=commit)


class ReleaseArgs(Args):
    task: str
    why: str = Field(max_length=500)


async def release_task(ctx: ToolContext, args: ReleaseArgs) -> Outcome:
    """Give a task back."""

    def commit(tx: Tx) -> Json:
        one = board.known(board.tasks(tx.connection, ctx.run_id), args.task)
        if one["owner"] != ctx.agent_name or one["status"] != "working":
            raise ModelMustRetry(f"You do not hold {args.task}.")
        status = board.come_back(tx, ctx.run_id, args.task, args.why)
        tell_lead(tx, ctx, f"I gave {args.task} back: {args.why}", {"returned": args.task})
        return {"ok": True, "status": status}

    return Outcome({}, commit=commit)


def planning_tools(plan_ask: int = PLAN_ASK, plan_ask_cost: Decimal = PLAN_ASK_COST) -> list[Tool]:
    return [
        Tool("plan", "Record the plan: tasks with acceptance criteria and dependencies. Calling it again replaces "
             "what nobody has begun. Only for work that needs several parts.", Effect.TEAM,
             partial(plan, plan_ask, plan_ask_cost),
             PlanArgs),
        Tool("depend", "Add a dependency that you found while working; the plan shows it with your reason.",
             Effect.TEAM, depend, DependArgs),
        Tool("assign", "Give a task to an agent of the team.", Effect.TEAM, assign, AssignArgs),
        Tool("claim_task", "Take a free task of the plan; nobody else gets it while you work.", Effect.TEAM,
             claim_task, ClaimArgs),
        Tool("release_task", "Give your task back to the plan, unfinished.", Effect.TEAM, release_task, ReleaseArgs),
    ]  # fmt: skip
