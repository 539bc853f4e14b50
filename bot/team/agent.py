"""The agent loop: think, act, record, until there is nothing to do; then sleep. Nothing waits inside."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import insert, select, update

from bot.errors import DependencyFailed, ModelMustRetry
from bot.model.client import Model, ModelRejected, Reply
from bot.skills import SkillLibrary
from bot.store import journal, leases
from bot.store import schema as t
from bot.store.database import Database, Tx
from bot.store.leases import Claim
from bot.team.context import close_user, inbox_path, with_cache
from bot.team.record import Recorder
from bot.team.roles import system_blocks
from bot.team.state import AgentState, load
from bot.tools.base import Outcome, ToolContext, refused
from bot.tools.registry import Registry
from bot.types import Json
from bot.workspace import Workspace

log = structlog.get_logger()
T = TypeVar("T")

TURNS_AT_ONCE = 30  # then the activation ends and the agent wakes itself
MAX_TURNS = 200
IDLE_LIMIT = 3  # replies without any call before the agent counts as stopped short
CUT_LIMIT = 3
OUTPUT_TOKENS = 8_000
QUICK_RETRIES_S = (0.5, 1.0, 2.0)
QUESTION_S = 7 * 86_400.0
CONTROL_S = 0.3  # how soon a stop reaches a call in flight

NUDGE_IDLE = "Nothing was called. Go on with the next call, wait for a message with wait, or end with finish."
NUDGE_EMPTY = "Your reply was empty. Go on with the next call, or end with finish."
NUDGE_CUT = "Your reply was cut at the output limit, so its last call was not made. Make it again, in smaller parts."


class Stopped(Exception):
    """The run was stopped while a call was in flight."""


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

    async def activate(self, claim: Claim) -> float | None:
        """Work until the agent sleeps; returns when to wake again by product time, or None."""
        recorder = Recorder(claim, self.toolbox)
        for _ in range(TURNS_AT_ONCE):
            state = await self.db.read(lambda c: load(c, claim.agent_id, self.library, self.zone))
            if state.run["control"] == "stop" or state.run["status"] in ("done", "failed", "stopped"):
                await self.db.write(lambda tx: _stop(tx, claim))
                return None
            if state.row["status"] != "live":
                return None
            try:
                done = await self._step(claim, recorder, state)
            except Stopped:
                continue
            if done is not True:
                return done
        await self.db.write(lambda tx: leases.yield_now(tx, claim))
        return None

    async def _step(self, claim: Claim, recorder: Recorder, state: AgentState) -> float | bool | None:
        """One step: True to go on, else when to wake again."""
        if state.row["waiting"]:
            return await self._woken(recorder, state)
        if state.pending:
            await self._act(recorder, state)
            return True
        trouble = state.row["trouble"]
        if trouble and trouble["next"] > self.db.now():
            return float(trouble["next"])
        problem = _overrun(state)
        if problem:
            await self.db.write(lambda tx: fail_agent(tx, claim, state.row, *problem))
            return None
        await self._think(claim, recorder, state)
        return True

    async def _woken(self, recorder: Recorder, state: AgentState) -> float | bool | None:
        waiting = state.row["waiting"]
        if waiting["for"] == "mail":
            wanted = waiting["from"]
            heard = [m for m in state.mails if not wanted or m["sender"] in wanted or m["data"].get("urgent")]
            if not heard:
                return None
            await self.db.write(lambda tx: recorder.unpark(tx, waiting["id"], {"ok": True}))
            return True
        if waiting["for"] == "answer" and state.answered is not None:
            given = state.answered
            content = {"ok": True, "answer": given["answer"], "by": given["decided_by"]}
            if given["status"] != "answered":
                content = {"ok": False, "error": "Nobody answered in time; go on without, or finish blocked."}
            await self.db.write(
                lambda tx: recorder.unpark(tx, waiting["id"], content, is_error=given["status"] != "answered")
            )
            return True
        return None

    async def _think(self, claim: Claim, recorder: Recorder, state: AgentState) -> None:
        context = state.context
        close_user(context, state.mails)
        await self._fetch_files(state)
        try:
            reply = await self._watched(state, self._complete(state))
        except DependencyFailed as error:
            failure = error
            await self.db.write(lambda tx: self._trouble(tx, claim, state, failure))
            return
        except ModelRejected as error:
            words = str(error)
            await self.db.write(lambda tx: fail_agent(tx, claim, state.row, "model_rejected", words))
            return
        await self._take(claim, recorder, state, reply)

    async def _complete(self, state: AgentState) -> Reply:
        tokens = OUTPUT_TOKENS * 2**state.context.cut_turns
        for pause in (*QUICK_RETRIES_S, None):
            try:
                return await self.model.complete(
                    system=system_blocks(self.library, state.role, state.row["skill"], lead=state.lead),
                    messages=with_cache(state.context.messages),
                    tools=self.toolbox.definitions(state.role_tools),
                    max_tokens=tokens,
                    user_id=f"{state.row['run_id']}/{state.row['name']}",
                )
            except DependencyFailed as error:
                if pause is None or (error.retry_after or 0) > 5 or sum(QUICK_RETRIES_S) > self.retry_budget:
                    raise
                await asyncio.sleep(max(pause, error.retry_after or 0))
        raise AssertionError("the last try returns or raises")

    def _trouble(self, tx: Tx, claim: Claim, state: AgentState, error: DependencyFailed) -> None:
        """Back off in the background with the state visible; past the budget the agent fails."""
        tx.fence(claim.agent_id, claim.epoch)
        before = state.row["trouble"] or {"since": tx.now(), "tries": 0}
        tries = before["tries"] + 1
        if tx.now() - before["since"] >= self.retry_budget or self.retry_budget < sum(QUICK_RETRIES_S):
            fail_agent(
                tx, claim, state.row, "model_unavailable",
                f"{error} It did not recover within {self.retry_budget:.0f} seconds; send the request again later.",
            )  # fmt: skip
            return
        pause = error.retry_after or min(2.0**tries, 60.0, max(self.retry_budget / 4, 0.5))
        trouble = {"since": before["since"], "tries": tries, "next": tx.now() + pause}
        tx.execute(update(t.agent).where(t.agent.c.id == claim.agent_id).values(trouble=trouble, barren=0))
        if tries == 1:
            journal.append(tx, claim.run_id, "notice", {"text": f"{error} Trying again in the background."})

    async def _take(self, claim: Claim, recorder: Recorder, state: AgentState, reply: Reply) -> None:
        content: list[Json] = reply.content
        notes: tuple[str, ...] = ()
        calls = any(b["type"] == "tool_use" for b in content)
        if reply.stop_reason == "refusal":
            words = "The model declined to work on this request. Rephrase it, or leave out what it may object to."
            await self.db.write(lambda tx: fail_agent(tx, claim, state.row, "model_refused", words))
            return
        if reply.stop_reason == "model_context_window_exceeded":
            words = "The work no longer fits into the model's context window. Ask for a smaller part of it."
            await self.db.write(lambda tx: fail_agent(tx, claim, state.row, "model_context_full", words))
            return
        if reply.stop_reason == "max_tokens":  # a call that was cut must never run
            content, notes = [b for b in content if b["type"] == "text" and b["text"].strip()], (NUDGE_CUT,)
        elif not any(b["type"] != "text" or b["text"].strip() for b in content):
            content, notes = [], (NUDGE_EMPTY,)
        elif not calls and reply.stop_reason != "pause_turn":
            notes = (NUDGE_IDLE,)
        try:
            await self.db.write(lambda tx: recorder.turn(tx, state, reply, content, notes))
        except ModelMustRetry as error:
            text = [b for b in content if b["type"] == "text"]
            said = (str(error),)
            await self.db.write(lambda tx: recorder.turn(tx, state, reply, text, said))

    async def _act(self, recorder: Recorder, state: AgentState) -> None:
        """Make the turn's calls side by side; each result is on disk as soon as it is there."""
        await self._fetch_files(state)
        async with asyncio.TaskGroup() as group:
            for call in state.pending:
                group.create_task(self._call(recorder, state, call))

    async def _call(self, recorder: Recorder, state: AgentState, call: Any) -> None:
        tool = self.toolbox.get(call["name"])
        if tool is None:
            raise LookupError(call["name"])
        ctx = ToolContext(
            db=self.db,
            run_id=state.row["run_id"],
            team=state.row["team_id"],
            requester=state.run["requester"],
            channel=state.run["channel"],
            agent_id=state.row["id"],
            agent_name=state.row["name"],
            call_id=call["id"],
            workspace=Workspace(self.home, state.row["run_id"], state.row["name"]),
        )
        try:
            outcome = await self._watched(state, tool.run(ctx, tool.parse(call["args"])))
        except Stopped:
            return
        except (ModelMustRetry, DependencyFailed) as error:
            outcome = refused(str(error))
        if outcome.parks is not None:
            await self.db.write(lambda tx: _park(tx, recorder, state, call, outcome))
            return
        try:
            await self.db.write(lambda tx: recorder.result(tx, call["id"], outcome))
        except ModelMustRetry as error:
            said = refused(str(error))
            await self.db.write(lambda tx: recorder.result(tx, call["id"], said))

    async def _fetch_files(self, state: AgentState) -> None:
        """Put the files that colleagues handed over into inbox/<message>/."""
        workspace = Workspace(self.home, state.row["run_id"], state.row["name"])
        for message in state.mails:
            short = message["id"].rsplit("/", 1)[-1]
            for item in message["files"]:
                name = inbox_path(short, item["name"])
                if not workspace.path(name).is_file():
                    data = await self.db.read(lambda c, d=item["sha256"]: journal.get_blob(c, d))  # type: ignore[misc]
                    workspace.write(name, data)

    async def _watched(self, state: AgentState, work: Awaitable[T]) -> T:
        """Do `work`, but leave it at once when the run is stopped. Raises Stopped then."""
        doing = asyncio.ensure_future(work)
        try:
            while True:
                finished, _ = await asyncio.wait({doing}, timeout=CONTROL_S)
                if finished:
                    return doing.result()
                control = await self.db.read(
                    lambda c: c.execute(select(t.run.c.control).where(t.run.c.id == state.row["run_id"])).scalar()
                )
                if control == "stop":
                    raise Stopped()
        finally:
            if not doing.done():
                doing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await doing


def _overrun(state: AgentState) -> tuple[str, str] | None:
    if state.context.cut_turns >= CUT_LIMIT:
        return "model_output_cut", "The model's replies were cut at its output limit again and again."
    if state.context.idle_turns >= IDLE_LIMIT:
        return "model_stopped_short", "The model stopped without finishing its work, also when reminded."
    if state.row["turns"] >= MAX_TURNS:
        return "too_many_turns", f"An agent did not come to an end within {MAX_TURNS} turns."
    return None


def _park(tx: Tx, recorder: Recorder, state: AgentState, call: Any, outcome: Outcome) -> None:
    waiting = dict(outcome.parks or {})
    row = state.row
    if waiting["for"] == "mail" and state.lead is False and not row["parent"]:
        waiting["from"] = []
    if waiting["for"] == "answer":
        waiting = {"for": "answer", "approval": _ask(tx, state, call, waiting)}
    recorder.park(tx, call["id"], outcome, waiting)
    if waiting["for"] == "checks":
        tx.execute(
            update(t.agent)
            .where(t.agent.c.id == row["id"])
            .values(status="finishing", finish={"id": call["id"], "args": call["args"]}, waiting=None)
        )
    if waiting["for"] == "mail":
        tx.wake(row["id"])  # mail may have come between the turn and this call
    tx.wake(f"{row['run_id']}/_coordinator")


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
