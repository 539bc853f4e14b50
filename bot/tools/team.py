"""The tools that change the run itself: plan, roster, mail, questions, the explicit end. All of them are rows."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, insert, select, update

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.store import journal, mail
from bot.store.database import Tx
from bot.store.schema import agent, artifact, run, task
from bot.tools.base import Args, Outcome, Tool, ToolContext, refused
from bot.types import Json

MAX_AGENTS = 24
RESERVED = ("cadre", "harness", "verifier")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PlannedTask(_Part):
    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    title: str = Field(max_length=200)
    owner: str = ""
    depends_on: list[str] = []
    criteria: list[str] = Field(description="What must hold for the task to count as done.")


class PlanArgs(Args):
    tasks: list[PlannedTask] = Field(min_length=1, max_length=40)
    mode: Literal["delegation", "coordination"] = "coordination"
    reason: str = Field(description="Why this way of working, in one sentence for the requester.")


async def plan(ctx: ToolContext, args: PlanArgs) -> Outcome:
    ids = [t.id for t in args.tasks]
    if len(set(ids)) != len(ids):
        return refused("Two tasks have the same id.")
    problem = _cycle(args.tasks)
    if problem:
        return refused(problem)

    def commit(tx: Tx) -> Json:
        done = set(
            tx.execute(select(task.c.id).where(task.c.run_id == ctx.run_id, task.c.status == "done")).scalars()
        )
        tx.execute(delete(task).where(task.c.run_id == ctx.run_id, task.c.status != "done"))
        for position, item in enumerate(args.tasks):
            if item.id in done:
                continue
            tx.execute(
                insert(task).values(
                    run_id=ctx.run_id, id=item.id, team_id=ctx.team, title=item.title, owner=item.owner,
                    status="pending", depends_on=item.depends_on, criteria=item.criteria, checks=[],
                    attempt=0, position=position,
                )
            )  # fmt: skip
        tx.execute(update(run).where(run.c.id == ctx.run_id).values(mode=args.mode, mode_reason=args.reason))
        journal.append(tx, ctx.run_id, "plan", {"tasks": ids, "reason": args.reason})
        return {"ok": True, "tasks": ids}

    return Outcome({}, commit=commit)


def _cycle(tasks: list[PlannedTask]) -> str:
    waits = {t.id: set(t.depends_on) for t in tasks}
    for name, needs in waits.items():
        unknown = needs - waits.keys()
        if unknown:
            return f"Task {name} depends on {', '.join(sorted(unknown))}, which the plan does not have."
    while waits:
        ready = {name for name, needs in waits.items() if not needs & waits.keys()}
        if not ready:
            return f"The tasks {', '.join(sorted(waits))} depend on each other in a circle."
        for name in ready:
            del waits[name]
    return ""


class SpawnArgs(Args):
    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,30}$", description="A unique name; colleagues write to it.")
    role: str = Field(description="A role of the skill, or 'specialist'.")
    brief: str = Field(description="What to do and what counts as done.")
    skill: str = ""
    inputs: dict[str, Any] = Field(default={})
    task: str = Field(default="", description="The id of the task it owns.")


async def spawn_agent(ctx: ToolContext, args: SpawnArgs) -> Outcome:
    if args.name in RESERVED:
        return refused(f"The name {args.name} is taken by Cadre itself.")

    def commit(tx: Tx) -> Json:
        names = mail.roster(tx.connection, ctx.run_id)
        if args.name in names:
            raise ModelMustRetry(f"There is already an agent {args.name}; write to it with send_message.")
        if len(names) >= MAX_AGENTS:
            raise ModelMustRetry(f"A run has at most {MAX_AGENTS} agents.")
        _check_task(tx, ctx.run_id, args.task)
        open_agent(
            tx, ctx.run_id, ctx.team, name=args.name, role=args.role, skill=args.skill, parent=ctx.agent_name,
            task_id=args.task, brief=args.brief, inputs=args.inputs,
        )  # fmt: skip
        if args.task:
            tx.execute(
                update(task)
                .where(task.c.run_id == ctx.run_id, task.c.id == args.task)
                .values(owner=args.name, status="working")
            )
        return {"ok": True, "agent": args.name}

    return Outcome({}, commit=commit)


def open_agent(
    tx: Tx, run_id: str, team: str, *, name: str, role: str, skill: str = "", parent: str = "", task_id: str = "",
    brief: str = "", inputs: Json | None = None, kind: str = "agent",
) -> str:  # fmt: skip
    """Add an agent to the run's roster, awake; returns its id."""
    agent_id = f"{run_id}/{name}"
    tx.execute(
        insert(agent).values(
            id=agent_id, team_id=team, run_id=run_id, kind=kind, name=name, role=role, skill=skill, parent=parent,
            task=task_id, brief=brief, inputs=inputs or {}, status="live", wake_seq=0, labels={},
        )
    )  # fmt: skip
    tx.wake(agent_id)
    if kind == "agent":
        journal.append(tx, run_id, "agent.opened", {"name": name, "role": role, "parent": parent, "task": task_id})
    return agent_id


def _check_task(tx: Tx, run_id: str, task_id: str) -> None:
    known = list(tx.execute(select(task.c.id).where(task.c.run_id == run_id)).scalars())
    if task_id and task_id not in known:
        raise ModelMustRetry(f"The plan has no task {task_id}; it has {', '.join(known) or 'none yet'}.")


class AssignArgs(Args):
    task: str
    agent: str


async def assign(ctx: ToolContext, args: AssignArgs) -> Outcome:
    def commit(tx: Tx) -> Json:
        _check_task(tx, ctx.run_id, args.task)
        if args.agent not in mail.roster(tx.connection, ctx.run_id):
            raise ModelMustRetry(f"There is no agent {args.agent}.")
        tx.execute(
            update(task)
            .where(task.c.run_id == ctx.run_id, task.c.id == args.task)
            .values(owner=args.agent, status="working")
        )
        tx.execute(update(agent).where(agent.c.id == f"{ctx.run_id}/{args.agent}").values(task=args.task))
        journal.append(tx, ctx.run_id, "assigned", {"task": args.task, "agent": args.agent})
        return {"ok": True}

    return Outcome({}, commit=commit)


class MessageArgs(Args):
    to: str
    text: str = Field(max_length=8000)
    data: dict[str, Any] = Field(default={})
    files: list[str] = Field(default=[], description="Paths in your workspace to hand over.")


async def send_message(ctx: ToolContext, args: MessageArgs) -> Outcome:
    contents = {name: ctx.workspace.existing(name).read_bytes() for name in args.files}

    def commit(tx: Tx) -> Json:
        try:
            return {"ok": True, "id": send_files(tx, ctx, args.to, args.text, args.data, contents)}
        except KeyError:
            known = ", ".join(mail.roster(tx.connection, ctx.run_id))
            raise ModelMustRetry(f"Nobody here is called {args.to}. The team: {known}.") from None

    return Outcome({}, commit=commit)


def send_files(tx: Tx, ctx: ToolContext, to: str, text: str, data: Json, contents: dict[str, bytes]) -> str:
    """Send a message whose files travel as content-addressed blobs. Raises KeyError for an unknown recipient."""
    shared = tuple(
        mail.SharedFile(name, journal.put_blob(tx, ctx.team, content), ctx.call_id)
        for name, content in contents.items()
    )
    return mail.send(tx, ctx.run_id, ctx.agent_name, to, text, data=data, files=shared)


class WaitArgs(Args):
    from_: list[str] = Field(default=[], alias="from", description="Names to hear from; empty: anyone.")
    reason: str = ""


async def wait(_ctx: ToolContext, args: WaitArgs) -> Outcome:
    return Outcome({}, parks={"for": "mail", "from": args.from_})


class AskArgs(Args):
    question: str = Field(max_length=1500)
    options: list[str] = Field(default=[], max_length=5)


async def ask_person(_ctx: ToolContext, args: AskArgs) -> Outcome:
    return Outcome({}, parks={"for": "answer", "question": args.question, "options": args.options})


class Verdict(_Part):
    name: str
    passed: bool
    detail: str = ""


class FinishArgs(Args):
    status: Literal["done", "blocked", "refused"]
    summary: str = Field(description="What was done and found, or what is in the way.")
    outputs: list[str] = Field(default=[], description="Workspace files that are the result.")
    reply: str = Field(default="", description="Lead only: the text for the requester, at most 12 lines.")
    verdicts: list[Verdict] = Field(default=[], description="Verifier only: one per criterion.")


async def finish(ctx: ToolContext, args: FinishArgs) -> Outcome:
    contents = {name: ctx.workspace.existing(name) for name in args.outputs}

    def commit(tx: Tx) -> None:
        for name, place in contents.items():
            add_artifact(tx, ctx, name, place.read_bytes(), str(place))

    return Outcome({}, commit=commit, parks={"for": "checks"})


def add_artifact(tx: Tx, ctx: ToolContext, name: str, data: bytes, path: str) -> None:
    """Keep a declared output under its hash; the same content again is the same version."""
    digest = journal.put_blob(tx, ctx.team, data)
    full = f"{ctx.agent_name}/{name}"
    last = tx.execute(
        select(artifact.c.version, artifact.c.sha256)
        .where(artifact.c.run_id == ctx.run_id, artifact.c.name == full)
        .order_by(artifact.c.version.desc())
    ).first()
    if last is not None and last.sha256 == digest:
        return
    tx.execute(
        insert(artifact).values(
            id=f"{ctx.run_id[-12:]}-{journal.next_id(tx, ctx.run_id, 'a')}", team_id=ctx.team, run_id=ctx.run_id,
            agent_id=ctx.agent_id, name=full, version=(last.version if last else 0) + 1, path=path,
            sha256=digest, created_at=tx.now(), labels={},
        )
    )  # fmt: skip


def team_tools() -> list[Tool]:
    return [
        Tool("plan", "Record the plan: tasks with acceptance criteria and dependencies. Calling it again replaces "
             "what is not done.", Effect.TEAM, plan, PlanArgs),
        Tool("spawn_agent", "Add a specialist with its own context to the team; it starts at once.", Effect.TEAM,
             spawn_agent, SpawnArgs),
        Tool("assign", "Give a task to an agent of the team.", Effect.TEAM, assign, AssignArgs),
        Tool("send_message", "Write to a colleague. Hand over files by path instead of pasting them.", Effect.TEAM,
             send_message, MessageArgs),
        Tool("wait", "Sleep until a message arrives. Costs nothing.", Effect.TEAM, wait, WaitArgs),
        Tool("ask_person", "Ask the requester in the thread, only when the work cannot go on without the answer.",
             Effect.TEAM, ask_person, AskArgs),
        Tool("finish", "End your work: done, blocked (say by what) or refused. Checks run before it counts; what "
             "fails comes back with a diagnosis.", Effect.TEAM, finish, FinishArgs),
    ]  # fmt: skip
