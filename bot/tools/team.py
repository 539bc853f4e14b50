"""The tools between colleagues: roster, mail, reviews, questions, the explicit end. All of them are rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, insert, select

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.store import board, journal, mail, money
from bot.store.database import Tx
from bot.store.schema import agent, artifact
from bot.store.schema import journal as rows
from bot.store.schema import mail as letters
from bot.tools import names
from bot.tools.base import Args, Outcome, Tool, ToolContext, refused
from bot.tools.planning import LEAD, PLAN_ASK, PLAN_ASK_COST, can_start, may_begin, planning_tools
from bot.types import Json

MAX_AGENTS = 24
DEPTH = 2  # a lead, leads of parts, and who works for them
TALK = ("send_message", "wait", "list_team", "report", "review", "finish")  # calls that are no work of their own
PING_PONG = 8  # messages each way between two agents without any other call of either
ALONE = 40  # messages of one agent in a row without any other call
REVIEWS = 3  # rounds over the same files


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SpawnArgs(Args):
    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,30}$", description="A unique name; colleagues write to it.")
    role: str = Field(pattern=names.PLAIN_ROLE, description="A role of the skill, 'specialist', or 'part_lead'.")
    brief: str = Field(description="What to do and what counts as done.")
    skill: str = ""
    inputs: dict[str, Any] = Field(default={})
    task: str = Field(default="", description="The id of the task it owns.")
    files: list[str] = Field(default=[], description="Files of your workspace that it begins with.")


async def spawn_agent(ctx: ToolContext, args: SpawnArgs) -> Outcome:
    problem = names.problem(args.name, args.role)
    if problem:
        return refused(problem)
    given = {name: ctx.workspace.read(name) for name in args.files}

    def commit(tx: Tx) -> Json:
        may_begin(tx, ctx.run_id, ctx.agent_id)
        team = mail.roster(tx.connection, ctx.run_id)
        if args.name in team:
            return _same_again(tx, ctx, args)
        if len(team) >= MAX_AGENTS:
            raise ModelMustRetry(f"A run has at most {MAX_AGENTS} agents.")
        if board.depth(tx.connection, ctx.run_id, ctx.agent_name) >= DEPTH:
            raise ModelMustRetry("You work for a lead of a part already: ask that lead for more colleagues.")
        plan = board.tasks(tx.connection, ctx.run_id)
        if args.task:
            one = board.known(plan, args.task)
            can_start(tx, ctx.run_id, plan, one)
            if one["status"] == "working" and one["owner"] not in ("", args.name) and not board.lapsed(tx, one):
                raise ModelMustRetry(f"{one['owner']} is at work on {args.task}; assign it anew, or stop that agent.")
        open_agent(
            tx, ctx.run_id, ctx.team, name=args.name, role=args.role, skill=args.skill, parent=ctx.agent_name,
            task_id=args.task, brief=args.brief, inputs=args.inputs,
        )  # fmt: skip
        if given:  # with no word of anybody's: those who work independently get files this way
            words = f"The files that you begin with: {', '.join(given)}."
            send_files(tx, ctx, args.name, words, {}, given, sender=mail.HARNESS)
        if args.task:
            board.give(tx, ctx.run_id, args.name, args.task)
        return {"ok": True, "agent": args.name}

    return Outcome({}, commit=commit)


def _same_again(tx: Tx, ctx: ToolContext, args: SpawnArgs) -> Json:
    """Appointing the same colleague twice is one colleague; another one under a taken name is an error."""
    row = tx.execute(select(agent).where(agent.c.id == f"{ctx.run_id}/{args.name}")).mappings().one()
    same = (row["parent"], row["role"], row["brief"]) == (ctx.agent_name, args.role, args.brief)
    if same and row["status"] not in mail.ENDED:
        return {"ok": True, "agent": args.name, "already": True}
    raise ModelMustRetry(
        f"There is already an agent {args.name} ({row['status']}); write to it, or choose a new name."
    )


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
        money.opened(tx, run_id, agent_id)
        body = {"name": name, "role": role, "parent": parent, "task": task_id}
        journal.append(tx, run_id, "agent.opened", body, agent_id=agent_id)
    return agent_id


class NoArgs(Args):
    pass


async def list_team(ctx: ToolContext, _args: NoArgs) -> Outcome:
    return Outcome(await ctx.db.read(lambda c: _team_now(c, ctx)))


def _team_now(connection: Any, ctx: ToolContext) -> Json:
    """The roster and the board from rows; nobody is woken to tell."""
    agents = connection.execute(
        select(agent).where(agent.c.run_id == ctx.run_id, agent.c.kind == "agent").order_by(agent.c.id)
    ).mappings()
    unread: dict[str, int] = {
        row.recipient: row.number
        for row in connection.execute(
            select(letters.c.recipient, func.count().label("number"))
            .where(letters.c.run_id == ctx.run_id, letters.c.delivered_at.is_(None), letters.c.returned_at.is_(None))
            .group_by(letters.c.recipient)
        )
    }
    reports = {
        row.agent_id: row.body["text"]
        for row in connection.execute(
            select(rows.c.agent_id, rows.c.body)
            .where(rows.c.run_id == ctx.run_id, rows.c.kind == "report")
            .order_by(rows.c.seq)
        )
    }
    team = [
        {"name": one["name"], "role": one["role"], "lead": one["parent"], "status": one["status"],
         "doing": _doing(one), "task": one["task"], "unread": unread.get(one["name"], 0),
         "report": reports.get(one["id"], "")}
        for one in agents
    ]  # fmt: skip
    plan = board.progress(board.tasks(connection, ctx.run_id))
    return {"ok": True, "you": ctx.agent_name, "agents": team, **plan,
            "sent": mail.receipts(connection, ctx.run_id, ctx.agent_name)}  # fmt: skip


def _doing(one: Any) -> str:
    waiting = one["waiting"] or {}
    if waiting.get("for") == "mail":
        return f"waits for {', '.join(waiting.get('from', [])) or 'anyone'}"
    return "waits for a person" if waiting else "works" if one["status"] == "live" else one["status"]


class StopArgs(Args):
    name: str
    reason: str = Field(max_length=500)


async def stop_agent(ctx: ToolContext, args: StopArgs) -> Outcome:
    def commit(tx: Tx) -> Json:
        found = tx.execute(select(agent.c.name, agent.c.parent).where(agent.c.run_id == ctx.run_id)).all()
        above = {row.name: row.parent for row in found}
        if args.name not in above:
            raise ModelMustRetry(f"There is no agent {args.name}.")
        leads, name = [], above[args.name]
        while name and name not in leads:
            leads.append(name)
            name = above.get(name, "")
        if ctx.agent_name not in leads:
            raise ModelMustRetry(f"{args.name} does not work for you; only those who lead an agent can stop it.")
        ended = board.end_agent(tx, ctx.run_id, args.name, "stopped", f"{ctx.agent_name} stopped it: {args.reason}")
        return {"ok": True, "stopped": ended}

    return Outcome({}, commit=commit)


class ReportArgs(Args):
    text: str = Field(max_length=500, description="Where the work stands, in one or two sentences.")


async def report(ctx: ToolContext, args: ReportArgs) -> Outcome:
    def commit(tx: Tx) -> Json:
        journal.append(tx, ctx.run_id, "report", {"from": ctx.agent_name, "text": args.text}, agent_id=ctx.agent_id)
        return {"ok": True}

    return Outcome({}, commit=commit)


# -- mail ------------------------------------------------------------------------------------------------------------


class MessageArgs(Args):
    to: str = Field(description="A colleague's name, 'role:<role>' for all of a role, or 'all'.")
    text: str
    data: dict[str, Any] = Field(default={})
    files: list[str] = Field(default=[], description="Paths in your workspace to hand over.")
    share: bool = Field(default=False, description="Keep the files as versions of artifacts of yours.")
    wait: bool = Field(default=False, description="Sleep until the answer comes.")
    review: bool = Field(default=False, description="Ask for a review of the files and sleep until it comes.")


async def send_message(ctx: ToolContext, args: MessageArgs) -> Outcome:
    problem = mail.too_large(args.text, args.data)
    if problem:
        return refused(f"Nothing was sent. {problem} Write the rest into a file and hand it over with files.")
    if args.review and (not args.files or args.to == "all" or args.to.startswith("role:")):
        return refused("A review needs files and one colleague.")
    contents = {name: ctx.workspace.read(name) for name in args.files}

    def commit(tx: Tx) -> Json:
        data = {**args.data, "review": _review_round(tx, ctx, args)} if args.review else args.data
        known = mail.roster(tx.connection, ctx.run_id)
        sent = {}
        for name in _recipients(tx, ctx, args.to, known):
            _no_chatter(tx, ctx, name)
            sent[name] = send_files(tx, ctx, name, args.text, data, contents)
        if args.share:
            for name, content in contents.items():
                add_artifact(tx, ctx, name, content, str(ctx.workspace.path(name)))
        if args.wait or args.review:
            last = tx.execute(
                select(func.max(letters.c.seq)).where(
                    letters.c.run_id == ctx.run_id, letters.c.sender == ctx.agent_name
                )
            ).scalar()
            return {"from": list(sent), "after": last or 0}
        first = next(iter(sent))
        if args.to in known:
            return {"ok": True, "id": sent[first], "state": "waiting", "recipient": known[first]}
        return {"ok": True, "ids": sent}

    many = args.to == "all" or args.to.startswith("role:")
    parks = {"for": "mail", "from": [], "all": many} if args.wait or args.review else None
    return Outcome({}, commit=commit, parks=parks)


def _recipients(tx: Tx, ctx: ToolContext, to: str, known: dict[str, str]) -> list[str]:
    """The names behind an address. Raises ModelMustRetry when nobody reads there, or may write."""
    if names.JUDGE.fullmatch(ctx.agent_name) or names.JUDGE.fullmatch(to):
        raise ModelMustRetry("A verifier judges alone: nobody writes to it, and what it finds it says with finish.")
    if to != "all" and not to.startswith("role:"):
        if to not in known:
            raise ModelMustRetry(f"Nobody here is called {to}. The team: {', '.join(known)}.")
        if known[to] in mail.ENDED:
            raise ModelMustRetry(f"{to} has ended ({known[to]}) and reads nothing more.")
        if to == ctx.agent_name:
            raise ModelMustRetry("That is your own name; keep notes in a file.")
        return [to]
    query = select(agent.c.name).where(
        agent.c.run_id == ctx.run_id, agent.c.kind == "agent", agent.c.status.in_(board.ALIVE),
        agent.c.name != ctx.agent_name, agent.c.role != "verifier",
    )  # fmt: skip
    if to != "all":
        query = query.where(agent.c.role == to.removeprefix("role:"))
    found = list(tx.execute(query.order_by(agent.c.id)).scalars())
    if not found:
        raise ModelMustRetry(f"Nobody at work belongs to {to}. The team: {', '.join(known)}.")
    return found


def _no_chatter(tx: Tx, ctx: ToolContext, to: str) -> None:
    """Raises ModelMustRetry when two agents only write to each other, or one only writes."""
    mine, all_mine = board.talked(tx.connection, ctx.run_id, ctx.agent_name, TALK, to, 3 * ALONE)
    if all_mine > ALONE:
        raise ModelMustRetry(
            f"That is message {all_mine} in a row without any work in between. Do the work, or finish."
        )
    if mine <= PING_PONG:
        return
    theirs, _ = board.talked(tx.connection, ctx.run_id, to, TALK, ctx.agent_name, 3 * ALONE)
    if theirs >= PING_PONG:
        raise ModelMustRetry(
            f"You and {to} have written to each other {mine - 1 + theirs} times in a row and done nothing else. "
            "Decide with what is known: do the work, or finish and name what is open."
        )


def _review_round(tx: Tx, ctx: ToolContext, args: MessageArgs) -> Json:
    subject = sorted(args.files)
    before = tx.execute(
        select(letters.c.data).where(letters.c.run_id == ctx.run_id, letters.c.sender == ctx.agent_name)
    ).scalars()
    number = 1 + sum((data.get("review") or {}).get("files") == subject for data in before)
    if number > REVIEWS:
        raise ModelMustRetry(
            f"{', '.join(subject)} went through {REVIEWS} rounds of review. Hand it in and name what is "
            "open, or finish blocked."
        )
    return {"files": subject, "round": number, "of": REVIEWS}


class ReviewArgs(Args):
    message: str = Field(description="The id of the message that asked for the review.")
    accepted: bool
    notes: str = Field(max_length=mail.TEXT_MAX, description="What must change, or what was looked at.")


async def review(ctx: ToolContext, args: ReviewArgs) -> Outcome:
    def commit(tx: Tx) -> Json:
        asked = (
            tx.execute(
                select(letters).where(
                    letters.c.id == f"{ctx.run_id}/{args.message}", letters.c.recipient == ctx.agent_name
                )
            )
            .mappings()
            .first()
        )
        if asked is None or not asked["data"].get("review"):
            raise ModelMustRetry(f"{args.message} did not ask you for a review.")
        told = {**asked["data"]["review"], "accepted": args.accepted, "message": args.message}
        try:
            sent = mail.send(tx, ctx.run_id, ctx.agent_name, asked["sender"], args.notes, data={"reviewed": told})
        except KeyError:
            raise ModelMustRetry(f"{asked['sender']} has ended and needs no review any more.") from None
        journal.append(tx, ctx.run_id, "reviewed", {"by": ctx.agent_name, "of": asked["sender"], **told})
        return {"ok": True, "id": sent}

    return Outcome({}, commit=commit)


def send_files(
    tx: Tx, ctx: ToolContext, to: str, text: str, data: Json, contents: dict[str, bytes], sender: str = ""
) -> str:
    """Send a message whose files travel as content-addressed blobs. Raises KeyError for an unknown recipient."""
    shared = tuple(
        mail.SharedFile(name, journal.put_blob(tx, ctx.team, content), ctx.call_id)
        for name, content in contents.items()
    )
    return mail.send(tx, ctx.run_id, sender or ctx.agent_name, to, text, data=data, files=shared)


class WaitArgs(Args):
    from_: list[str] = Field(default=[], alias="from", description="Names to hear from; empty: anyone.")
    reason: str = ""
    all: bool = Field(default=False, description="Until each of them has written, not just one.")
    minutes: float = Field(default=0.0, ge=0, description="Give up after so long; 0: never.")


async def wait(ctx: ToolContext, args: WaitArgs) -> Outcome:
    def commit(tx: Tx) -> Json | None:
        _can_be_heard(tx, ctx, args.from_)
        return {"until": tx.now() + 60 * args.minutes} if args.minutes else None

    return Outcome({}, commit=commit, parks={"for": "mail", "from": args.from_, "all": args.all})


def _can_be_heard(tx: Tx, ctx: ToolContext, wanted: list[str]) -> None:
    """Raises ModelMustRetry when nobody of those who are waited for will ever write."""
    known = mail.roster(tx.connection, ctx.run_id)
    strangers = [name for name in wanted if name not in known and name != mail.HARNESS]
    if strangers:
        raise ModelMustRetry(f"Nobody here is called {', '.join(strangers)}. The team: {', '.join(known)}.")
    if not wanted or mail.HARNESS in wanted or any(known[name] in board.ALIVE for name in wanted):
        return
    failed = select(agent.c.finish).where(
        agent.c.run_id == ctx.run_id, agent.c.status == "failed", agent.c.name.in_(wanted)
    )
    if not all(tx.execute(failed).scalars()):  # that it failed is about to be told
        return
    cursor = tx.execute(select(agent.c.mail_cursor).where(agent.c.id == ctx.agent_id)).scalar() or 0
    heard_of = {m["sender"] for m in mail.undelivered(tx.connection, ctx.run_id, ctx.agent_name, cursor)}
    if not heard_of & set(wanted):
        states = ", ".join(f"{name} has ended ({known[name]})" for name in wanted)
        raise ModelMustRetry(f"That wait would never end: {states}. Who is done reads and answers a new message.")


def heard(waiting: Json, mails: list[Any]) -> bool:
    """Whether an agent asleep for mail has what it waits for."""
    if any(m["data"].get("urgent") for m in mails):
        return True
    wanted = set(waiting["from"])
    senders = {m["sender"] for m in mails if m["seq"] > waiting.get("after", 0)}
    return wanted <= senders if wanted and waiting.get("all") else bool(senders & wanted if wanted else senders)


# -- people and the end ----------------------------------------------------------------------------------------------


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
    summary: str = Field(
        max_length=mail.TEXT_MAX, description="What was done and found, or what is in the way. Results go into files."
    )
    outputs: list[str] = Field(default=[], description="Workspace files that are the result.")
    reply: str = Field(default="", description="Lead only: the text for the requester, at most 12 lines.")
    attach: list[str] = Field(
        default=[],
        max_length=10,
        description="Lead only: what people get in the thread; your outputs, or a colleague's as name/file.",
    )
    verdicts: list[Verdict] = Field(default=[], description="Verifier only: one per criterion.")


async def finish(ctx: ToolContext, args: FinishArgs) -> Outcome:
    if args.attach and ctx.agent_name != LEAD:
        raise ModelMustRetry("Only the lead attaches files to the reply; name yours in outputs.")
    contents = {name: ctx.workspace.read(name) for name in args.outputs}

    def commit(tx: Tx) -> None:
        if args.status == "done":
            _handed_in(tx, ctx, set(args.outputs))
        for name, data in contents.items():
            add_artifact(tx, ctx, name, data, str(ctx.workspace.path(name)))
        made = select(artifact.c.name).where(artifact.c.run_id == ctx.run_id)
        known = {*tx.execute(made).scalars()}
        strange = [name for name in args.attach if name not in args.outputs and name not in known]
        if strange:
            raise ModelMustRetry(
                f"{', '.join(strange)}: nobody has such an output; there are: {', '.join(sorted(known))}."
            )

    return Outcome({}, commit=commit, parks={"for": "checks"})


def _handed_in(tx: Tx, ctx: ToolContext, given: set[str]) -> None:
    """Raises ModelMustRetry when the task's planned outputs are missing, or parts of a lead's own plan are open."""
    mine = tx.execute(select(agent.c.task, agent.c.role).where(agent.c.id == ctx.agent_id)).one()
    plan = board.tasks(tx.connection, ctx.run_id)
    missing = set(plan[mine.task]["outputs"]) - given if mine.task in plan and ctx.agent_name != LEAD else set()
    if missing:
        raise ModelMustRetry(
            f"The plan wants these files from you: {', '.join(sorted(missing))}. Name them in outputs."
        )
    part = mine.task or ctx.agent_name
    # What it kept for itself is closed by this finish.
    others = [one for one in plan.values() if one["part"] == part and one["owner"] != ctx.agent_name]
    undone = [one["id"] for one in others if one["status"] != "done"]
    if mine.role == "part_lead" and undone:
        raise ModelMustRetry(f"Tasks of your part are not done: {', '.join(undone)}.")


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


def team_tools(plan_ask: int = PLAN_ASK, plan_ask_cost: Decimal = PLAN_ASK_COST) -> list[Tool]:
    """The tools of a team; a plan of more than `plan_ask` tasks, or one that will likely cost more than
    `plan_ask_cost` US dollars, is shown to the requester first."""
    return [
        *planning_tools(plan_ask, plan_ask_cost),
        Tool("spawn_agent", "Add a specialist with its own context to the team; it starts at once.", Effect.TEAM,
             spawn_agent, SpawnArgs),
        Tool("list_team", "Who is in the team and does what, the plan's state, and whether your messages were read.",
             Effect.TEAM, list_team, NoArgs),
        Tool("stop_agent", "End an agent that works for you, with its own team. Its task returns to the plan.",
             Effect.TEAM, stop_agent, StopArgs),
        Tool("report", "Say where your work stands; people and colleagues can look it up, nobody is woken.",
             Effect.TEAM, report, ReportArgs),
        Tool("send_message", "Write to a colleague. Hand over files by path instead of pasting them.", Effect.TEAM,
             send_message, MessageArgs),
        Tool("review", "Answer a colleague who asked you to review files.", Effect.TEAM, review, ReviewArgs),
        Tool("wait", "Sleep until a message arrives. Costs nothing.", Effect.TEAM, wait, WaitArgs),
        Tool("ask_person", "Ask the requester in the thread, only when the work cannot go on without the answer.",
             Effect.TEAM, ask_person, AskArgs),
        Tool("finish", "End your work: done, blocked (say by what) or refused. Checks run before it counts; what "
             "fails comes back with a diagnosis.", Effect.TEAM, finish, FinishArgs),
    ]  # fmt: skip
