"""The agent loop: think, act, record, until there is nothing to do; then sleep. Nothing waits inside."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import insert, update

from bot.errors import DependencyFailed, Fenced, ModelMustRetry
from bot.model.client import Model, ModelRejected, Prompt
from bot.model.reply import Reply
from bot.policy.gate import Effect, Verdict
from bot.skills import SkillLibrary
from bot.store import journal, leases, points
from bot.store import schema as t
from bot.store.database import Database, Tx
from bot.store.leases import Claim
from bot.team import asking, compaction, recovery, thread
from bot.team.context import Context, inbox_paths
from bot.team.early import Early
from bot.team.interrupts import Interrupts, Stopped
from bot.team.record import Recorder, Turn
from bot.team.roles import system_blocks
from bot.team.state import AgentState, Boundary, load
from bot.tools.base import Outcome, ToolContext, refused
from bot.tools.planning import answer_content
from bot.tools.registry import Registry
from bot.tools.team import heard
from bot.types import Json
from bot.workspace import Workspace

log = structlog.get_logger()

KEPT = 64  # contexts of agents asleep, so that a wake here need not fold all rows again
TURNS_AT_ONCE = 30  # then the activation ends and the agent wakes itself
MAX_TURNS = 200
OUTPUT_TOKENS = 8_000
QUESTION_S = 7 * 86_400.0

NUDGE_IDLE = "Nothing was called. Go on with the next call, wait for a message with wait, or end with finish."
NUDGE_EMPTY = "Your reply was empty. Go on with the next call, or end with finish."
NUDGE_CUT = "Your reply was cut at the output limit, so its last call was not made. Make it again, in smaller parts."
NUDGE_REFUSED = "That reply declined to go on. If part of the work can be done, go on with that; else finish refused."


@dataclass(frozen=True)
class Begun:
    """An agent as its claim found it; `answer` is what the claim wrote about the call that the agent slept in."""

    state: AgentState
    answer: tuple[Json, Boundary] | None = None


@dataclass
class AgentRunner:
    """Activates agents of kind `agent`."""

    db: Database
    model: Model
    toolbox: Registry
    library: SkillLibrary
    home: Path
    zone: str
    retry_budget: float
    _heads: dict[tuple[str, ...], bytes] = field(default_factory=dict)
    _heads_of: int = 0  # the version of the toolbox that these were made of
    _kept: dict[str, Context] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._interrupts = Interrupts(self.db)

    def begin(self, tx: Tx, claim: Claim) -> Begun:
        """In the transaction of the claim: read the agent, and answer the wait for mail that woke it."""
        state = load(tx.connection, claim.agent_id, self.library, self.zone, self._kept.get(claim.agent_id))
        waiting = state.row["waiting"]
        if not waiting or waiting["for"] != "mail" or not state.awake or not heard(waiting, state.mails):
            return Begun(state)
        return Begun(state, Recorder(claim, self.toolbox).unpark(tx, waiting["id"], {"ok": True}))

    async def activate(self, claim: Claim, begun: Begun | None = None) -> float | None:
        """Work until the agent sleeps; returns when to wake again by product time, or None."""
        early = Early(self.toolbox)
        try:
            return await self._work(claim, begun, Recorder(claim, self.toolbox), early)
        finally:
            early.drop()

    async def _work(self, claim: Claim, begun: Begun | None, recorder: Recorder, early: Early) -> float | None:
        context = self._kept.pop(claim.agent_id, None)
        state = begun.state if begun is not None else await self._load(claim, context)
        if begun is not None and begun.answer is not None:
            state.unparked(begun.answer)
        for _ in range(2 * TURNS_AT_ONCE):
            if state.stale:
                state = await self._load(claim, state.context)
            if state.run["control"] == "stop" or state.run["status"] in ("done", "failed", "stopped"):
                await self.db.write(lambda tx: _stop(tx, claim))
                return None
            if not state.awake or state.row["epoch"] != claim.epoch:
                return None  # paused: whoever clears it wakes the run's agents
            try:
                done = await self._step(claim, recorder, state, early)
            except Stopped:
                state.stale = True
                continue
            if done is not True:
                return done
            if state.parked:  # whatever came meanwhile has woken it again
                self._keep(claim.agent_id, state.context)
                return state.until
        await self.db.write(lambda tx: leases.yield_now(tx, claim))
        return None

    async def _load(self, claim: Claim, kept: Context | None) -> AgentState:
        return await self.db.read(lambda c: load(c, claim.agent_id, self.library, self.zone, kept))

    def _keep(self, agent_id: str, context: Context) -> None:
        self._kept[agent_id] = context
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]

    async def _step(self, claim: Claim, recorder: Recorder, state: AgentState, early: Early) -> float | bool | None:
        """One step: True to go on, else when to wake again."""
        if state.row["waiting"]:
            return await self._woken(recorder, state)
        if state.pending:
            await self._act(recorder, state, early)
            return True
        trouble = state.row["trouble"]
        if trouble and trouble["next"] > self.db.now():
            return float(trouble["next"])
        problem = _overrun(state)
        if problem:
            await self.db.write(lambda tx: fail_agent(tx, claim, state.row, *problem))
            return None
        longer = compaction.due(state, self.model.window(state.role.model or state.run["rules"].get("model", "")))
        if longer:
            await compaction.shorten(self.db, claim, state, self._workspace(state), longer)
        else:
            await thread.hear(self.db, claim, state)
            await self._think(claim, recorder, state, early)
        return True

    async def _woken(self, recorder: Recorder, state: AgentState) -> float | bool | None:
        """Answer the call that the agent sleeps in, if what it waits for is there."""
        waiting = state.row["waiting"]
        content: Json = {"ok": True}
        failed = False
        if waiting["for"] == "mail":
            if not heard(waiting, state.mails):
                late = waiting.get("until")
                if late is None or self.db.now() < late:
                    return late if late is None else float(late)
                words = "Nobody wrote in time; go on without, ask somebody else, or finish blocked."
                content = {"ok": False, "error": words}
        elif waiting["for"] == "job" and self.db.now() < waiting["until"]:
            return float(waiting["until"])
        elif waiting["for"] == "job" or asking.made_again(state.answered):
            await self.db.write(lambda tx: asking.answered(tx, recorder.claim))
            state.stale = True
            return True
        elif waiting["for"] == "answer" and state.answered is not None:
            content = answer_content(state.answered)
            failed = not content["ok"]
        elif waiting["for"] == "answer" and asking.steered(state):
            return True if await asking.taken_back(self.db, recorder, state) else None
        else:
            return None
        call_id = waiting["id"]
        recorded = await self.db.write(lambda tx: recorder.unpark(tx, call_id, content, is_error=failed))
        if recorded is None:
            state.stale = True
            return True
        state.unparked(recorded)
        return True

    async def _think(self, claim: Claim, recorder: Recorder, state: AgentState, early: Early) -> None:
        """One model call and the record of its reply; on any trouble the rows tell how to go on."""
        await self._interrupts.guard(claim, self.toolbox.ready(state.role_tools))
        state.context.close_user(state.mails)
        if state.mails:
            await self._fetch_files(state)
        try:
            reply = await self._interrupts.guard(claim, self._complete(state))
        except DependencyFailed as error:
            failure, state.stale = error, True
            await self.db.write(lambda tx: self._trouble(tx, claim, state, failure))
            return
        except ModelRejected as error:
            words, state.stale = str(error), True
            await self.db.write(lambda tx: fail_agent(tx, claim, state.row, "model_rejected", words))
            return
        await self._take(claim, recorder, state, reply, early)

    async def _complete(self, state: AgentState) -> Reply:
        prompt = Prompt(
            head=self._head(state),
            user_id=f"{state.row['run_id']}/{state.row['name']}",
            messages=state.context.parts,
            max_tokens=OUTPUT_TOKENS * 2**state.context.cut_turns,
            number=state.context.replies,
        )
        for pause in (*recovery.QUICK_S, None):
            try:
                return await self.model.complete(prompt)
            except DependencyFailed as error:
                if pause is None or (error.retry_after or 0) > 5 or sum(recovery.QUICK_S) > self.retry_budget:
                    raise
                await asyncio.sleep(max(pause, error.retry_after or 0))
        raise AssertionError("the last try returns or raises")

    def _head(self, state: AgentState) -> bytes:
        """The unchanging part of the agent's requests, encoded once for all agents of a role."""
        model, channel = state.role.model or state.run["rules"].get("model", ""), state.run["channel"]
        lead = "lead" if state.lead else ""
        key = (state.row["skill"], state.row["role"], lead, model, self.toolbox.scope(channel))
        if self._heads_of != self.toolbox.version:
            self._heads, self._heads_of = {}, self.toolbox.version
        if key not in self._heads:
            self._heads[key] = self.model.head(
                system=system_blocks(self.library, state.role, state.row["skill"], lead=state.lead),
                tools=self.toolbox.definitions(state.role_tools, channel),
                model=model,
                effort=state.role.effort,
            )
        return self._heads[key]

    def _trouble(self, tx: Tx, claim: Claim, state: AgentState, error: DependencyFailed) -> None:
        """Back off in the background with the state visible; past the budget the agent fails."""
        tx.fence(claim.agent_id, claim.epoch)
        before = state.row["trouble"] or {"since": tx.now(), "tries": 0}
        tries = before["tries"] + 1
        if recovery.given_up("model_unavailable", tries, tx.now() - before["since"], self.retry_budget):
            fail_agent(
                tx, claim, state.row, "model_unavailable",
                f"{error} It did not recover within {self.retry_budget:.0f} seconds; send the request again later.",
            )  # fmt: skip
            return
        pause = recovery.pause("model_unavailable", tries, self.retry_budget, error.retry_after)
        trouble = {"since": before["since"], "tries": tries, "next": tx.now() + pause}
        tx.execute(update(t.agent).where(t.agent.c.id == claim.agent_id).values(trouble=trouble, barren=0))
        if tries == 1:
            journal.append(tx, claim.run_id, "notice", {"text": f"{error} Trying again in the background."})

    async def _take(self, claim: Claim, recorder: Recorder, state: AgentState, reply: Reply, early: Early) -> None:
        content = [b for b in reply.content if b["type"] != "text" or b["text"].strip()]  # it takes no blank one back
        notes: tuple[str, ...] = ()
        calls = any(b["type"] == "tool_use" for b in content)
        if reply.stop_reason == "model_context_window_exceeded":
            await self._too_long(claim, state)
            return
        if reply.stop_reason == "refusal":
            content, notes = [], (NUDGE_REFUSED,)
        elif reply.stop_reason == "max_tokens":  # its last call may be cut and must not be made
            content = _readable(content)
            notes = () if content and content[-1]["type"] == "tool_use" else (NUDGE_CUT,)
        elif not content:
            notes = (NUDGE_EMPTY,)
        elif not calls and reply.stop_reason != "pause_turn":
            if state.role.ends == "reply":
                await self.db.write(lambda tx: _ends(tx, recorder, state, reply))
                state.parked = True
                return
            notes = (NUDGE_IDLE,)
        judged = recorder.judge(state, reply, content)
        judged = await early.begin(lambda call: self._outcome(recorder, state, call), content, judged)
        try:
            turn = await self.db.write(lambda tx: recorder.turn(tx, state, reply, content, notes, judged))
        except ModelMustRetry as error:
            early.drop()
            text, said = [b for b in content if b["type"] == "text"], (str(error),)
            turn = await self.db.write(lambda tx: recorder.turn(tx, state, reply, text, said))
        self._recorded(state, turn)

    async def _too_long(self, claim: Claim, state: AgentState) -> None:
        """The request did not fit: go on with a shorter context, or fail when it was shortened just now."""
        if not state.run["offline"] and compaction.possible(state.context):
            await compaction.shorten(self.db, claim, state, self._workspace(state), compaction.WINDOW)
            return
        words, state.stale = recovery.rule("model_context_full").words, True
        await self.db.write(lambda tx: fail_agent(tx, claim, state.row, "model_context_full", words))

    def _workspace(self, state: AgentState) -> Workspace:
        return Workspace(self.home, state.row["run_id"], state.row["name"], state.row["epoch"])

    def _recorded(self, state: AgentState, turn: Turn) -> None:
        """Carry the turn over into what is kept of the agent, as reading its rows again would."""
        for kind, body in turn.bodies:
            match kind:
                case "turn":
                    state.context.turn(body, ())  # its mail is in the request already
                case "tool.result":
                    state.context.result(body)
                case "note":
                    state.context.note(body)
        state.row["turns"] += 1
        state.row["trouble"] = None
        if state.mails:
            state.row["mail_cursor"], state.mails = state.mails[-1]["seq"], []
        state.pending = turn.calls
        state.passed(turn.boundary)

    async def _act(self, recorder: Recorder, state: AgentState, early: Early) -> None:
        """Make the turn's calls side by side; each result is on disk as soon as it is there."""
        calls, state.pending = state.pending, []
        if len(calls) == 1:
            await self._call(recorder, state, calls[0], early)
            return
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(self._call(recorder, state, call, early))

    def _context(self, state: AgentState, call: Any) -> ToolContext:
        """Who makes a call."""
        return ToolContext(
            db=self.db,
            run_id=state.row["run_id"],
            team=state.row["team_id"],
            requester=state.run["requester"],
            channel=state.run["channel"],
            agent_id=state.row["id"],
            agent_name=state.row["name"],
            call_id=call["id"],
            workspace=self._workspace(state),
            role_tools=state.role_tools,
            data=state.role.data,
            skills=state.role.skills,
        )

    async def _outcome(self, recorder: Recorder, state: AgentState, call: Any) -> Outcome:
        """Make a call and say what it came to, also when that is nothing. Raises Stopped and Fenced."""
        tool = self.toolbox.get(call["name"])
        if tool is None:
            raise LookupError(call["name"])
        ctx = self._context(state, call)
        about = f"{ctx.agent_id}/{ctx.call_id}"

        async def make(begun: bool = False) -> Outcome:
            about = replace(ctx, begun=begun)
            return await self._interrupts.guard(recorder.claim, tool.run(about, tool.parse(call["args"])))

        points.reached(f"tool:{tool.name}:before", about)
        try:
            if state.decision(tool.name, tool, call["args"]).verdict is Verdict.ASK:
                outcome = await asking.made(self.db, recorder.claim, state, call, make, tool)
            elif tool.effect is Effect.OTHER:
                outcome = await asking.once(self.db, recorder.claim, call, make, tool)
            else:
                outcome = await make()
        except (ModelMustRetry, DependencyFailed) as error:
            outcome = refused(str(error))
        except (Stopped, Fenced):
            raise
        except Exception as error:  # a defect of the tool is the tool's: the agent reads it and goes on
            log.exception("a tool failed", tool=tool.name, call=about)
            outcome = refused(f"{tool.name} failed: {type(error).__name__}: {str(error)[:300]}")
        points.reached(f"tool:{tool.name}:after", about)
        return outcome

    async def _call(self, recorder: Recorder, state: AgentState, call: Any, early: Early) -> None:
        try:
            outcome = await (early.take(call["id"]) or self._outcome(recorder, state, call))
        except Stopped:
            state.stale = True
            return
        if outcome.parks is not None:
            state.parked = True
            try:
                waiting = await self.db.write(lambda tx: _park(tx, recorder, state, call, outcome))
                state.until = waiting.get("until")
                if waiting["for"] == "mail" and heard(waiting, state.mails):
                    # A crash came between the turn and its wait: this mail woke the agent before, and does no more.
                    state.row["waiting"], state.parked = waiting, False
                return
            except ModelMustRetry as error:
                state.parked, outcome = False, refused(str(error))
        try:
            recorded = await self.db.write(lambda tx: recorder.result(tx, call["id"], outcome))
        except ModelMustRetry as error:
            said = refused(str(error))
            recorded = await self.db.write(lambda tx: recorder.result(tx, call["id"], said))
        if recorded is None:
            state.stale = True
            return
        state.answer(*recorded)

    async def _fetch_files(self, state: AgentState) -> None:
        """Put the files that colleagues handed over into inbox/<message>/."""
        workspace = self._workspace(state)
        for message in state.mails:
            short = message["id"].rsplit("/", 1)[-1]
            names = inbox_paths(short, [item["name"] for item in message["files"]])
            for name, item in zip(names, message["files"], strict=True):
                if not workspace.path(name).is_file():
                    data = await self.db.read(lambda c, d=item["sha256"]: journal.get_blob(c, d))  # type: ignore[misc]
                    workspace.write(name, data)


def _readable(content: list[Json]) -> list[Json]:
    """What of a cut reply goes into the context: calls have arguments of some kind."""
    return [{**b, "input": b["input"] or {}} if b["type"] == "tool_use" else b for b in content]


def _overrun(state: AgentState) -> tuple[str, str] | None:
    """The class of failure when an agent has used up what its rule allows, and what a person reads."""
    in_a_row = {
        "model_refused": state.context.refused_turns,
        "model_output_cut": state.context.cut_turns,
        "model_stopped_short": state.context.idle_turns,
    }
    for kind, tries in in_a_row.items():
        if recovery.given_up(kind, tries, 0.0, 0.0):
            return kind, recovery.rule(kind).words
    if state.row["turns"] >= MAX_TURNS:
        return "too_many_turns", recovery.rule("too_many_turns").words
    return None


def _park(tx: Tx, recorder: Recorder, state: AgentState, call: Any, outcome: Outcome) -> Json:
    """Leave the agent asleep in a call; returns what it waits for."""
    waiting = dict(outcome.parks or {})
    row = state.row
    if waiting["for"] == "mail" and state.lead is False and not row["parent"]:
        waiting["from"] = []
    if waiting["for"] == "answer" and "approval" not in waiting:
        waiting = {"for": "answer", "approval": _ask(tx, state, call, waiting)}
    waiting = recorder.park(tx, call["id"], outcome, waiting)
    if waiting["for"] == "checks":
        tx.execute(
            update(t.agent)
            .where(t.agent.c.id == row["id"])
            .values(status="finishing", finish={"id": call["id"], "args": call["args"]}, waiting=None)
        )
    tx.wake(f"{row['run_id']}/_coordinator")
    return waiting


def _ends(tx: Tx, recorder: Recorder, state: AgentState, reply: Reply) -> None:
    """A reply in words is the finish of an agent whose role ends so."""
    turn = recorder.turn(tx, state, reply, reply.content)
    words = "\n".join(b["text"] for b in reply.content if b["type"] == "text").strip()
    call = {
        "id": f"reply-{len(turn.bodies)}-{state.row['turns']}",
        "args": {"status": "done", "summary": words, "reply": words},
    }
    tx.execute(
        update(t.agent).where(t.agent.c.id == state.row["id"]).values(status="finishing", finish=call, waiting=None)
    )
    tx.wake(f"{state.row['run_id']}/_coordinator")


def _ask(tx: Tx, state: AgentState, call: Any, waiting: Any) -> str:
    question = f"{state.row['run_id'][-12:]}-{journal.next_id(tx, state.row['run_id'], 'q')}"
    tx.execute(
        insert(t.approval).values(
            id=question, team_id=state.row["team_id"], run_id=state.row["run_id"], kind="question",
            agent_id=state.row["id"], call_id=call["id"], person=state.run["requester"],
            preview={"title": waiting["question"], "options": waiting["options"], "from": state.row["name"]},
            status="pending", asked_at=tx.now(), expires_at=tx.now() + QUESTION_S,
        )
    )  # fmt: skip
    journal.append(tx, state.row["run_id"], "asked", {"approval": question}, agent_id=state.row["id"])
    return question


def _stop(tx: Tx, claim: Claim) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    tx.execute(
        update(t.agent)
        .where(t.agent.c.id == claim.agent_id, t.agent.c.status.in_(("live", "finishing")))
        .values(status="stopped", waiting=None)
    )
    tx.wake(f"{claim.run_id}/_coordinator")


def fail_agent(tx: Tx, claim: Claim, row: Any, kind: str, words: str) -> None:
    """End the agent with a typed failure; the coordinator decides what it means for the run."""
    tx.fence(claim.agent_id, claim.epoch)
    tx.execute(update(t.agent).where(t.agent.c.id == row["id"]).values(status="failed", waiting=None))
    journal.append(tx, claim.run_id, "agent.failed", {"kind": kind, "message": words}, agent_id=row["id"])
    tx.wake(f"{claim.run_id}/_coordinator")
