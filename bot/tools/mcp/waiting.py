"""Calls that wait for a sign-in, for answers to a server, or for a long job: rows, so that any process goes on."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select, update

from bot.store import approvals, journal, links
from bot.store.database import Database, Tx, by_id, one
from bot.store.mcp_tables import mcp_waiting
from bot.store.schema import agent, approval
from bot.store.vault import Vault
from bot.tools.base import Outcome, ToolContext
from bot.tools.mcp import progress
from bot.tools.mcp.questions import Ask, Interview
from bot.tools.team import open_agent
from bot.types import Json
from connectors.mcp import AuthorizationRequired

OPEN_S = 7 * 86_400.0
WITHOUT = "Go on without"
SIGNIN = "signin"  # the approval's kind


@dataclass(frozen=True)
class Waiting:
    """One call that waits. `phase`: asked; sent once its answers are on their way to the server; over."""

    kind: str  # signin | input | task | held
    server: str
    principal: str
    interview: Interview | None
    approval_id: str
    phase: str
    begun_at: float


class WaitingCalls:
    """The rows, and the parking of calls in them."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def find(self, connection: Connection, ctx: ToolContext) -> tuple[Waiting | None, Any]:
        """The row of a call and the answer to its question, when there is one."""
        row = one(connection, select(mcp_waiting).where(_is(ctx)))
        if row is None:
            return None, None
        return self._waiting(row), by_id(connection, approval, row["approval_id"]) if row["approval_id"] else None

    def _waiting(self, row: Any) -> Waiting:
        place = ("mcp_waiting", row["team_id"], row["agent_id"], row["call_id"])
        told = self._vault.open(row["sealed"], *place)
        interview = Interview.from_json(told) if told else None
        return Waiting(
            row["kind"], row["server"], row["principal"], interview, row["approval_id"], row["phase"], row["begun_at"]
        )

    def keep(self, tx: Tx, ctx: ToolContext, waiting: Waiting) -> None:
        told = waiting.interview.to_json() if waiting.interview else None
        tx.execute(delete(mcp_waiting).where(_is(ctx)))
        tx.execute(
            insert(mcp_waiting).values(
                agent_id=ctx.agent_id, call_id=ctx.call_id, team_id=ctx.team, run_id=ctx.run_id,
                server=waiting.server, principal=waiting.principal, kind=waiting.kind,
                approval_id=waiting.approval_id, phase=waiting.phase, begun_at=waiting.begun_at,
                sealed=self._vault.seal(told, "mcp_waiting", ctx.team, ctx.agent_id, ctx.call_id),
            )
        )  # fmt: skip

    def left(self, connection: Connection, run_id: str) -> list[tuple[Waiting, tuple[str, str]]]:
        """What a run has left at servers, each with its place: (agent, call)."""
        held = and_(mcp_waiting.c.run_id == run_id, mcp_waiting.c.phase != "over")
        rows = connection.execute(select(mcp_waiting).where(held)).mappings()
        return [(self._waiting(row), (row["agent_id"], row["call_id"])) for row in rows]

    def drop(self, tx: Tx, agent_id: str, call_id: str) -> None:
        here = and_(mcp_waiting.c.agent_id == agent_id, mcp_waiting.c.call_id == call_id)
        tx.execute(delete(mcp_waiting).where(here))

    async def ended(self, ctx: ToolContext) -> None:
        """The server has given the result: it holds nothing any more that would have to be cancelled."""
        await ctx.db.write(lambda tx: tx.execute(update(mcp_waiting).where(_is(ctx)).values(phase="over")))

    async def over(self, ctx: ToolContext) -> None:
        """The call waits for nothing any more."""
        await ctx.db.write(lambda tx: tx.execute(delete(mcp_waiting).where(_is(ctx))))

    # -- parking ----------------------------------------------------------------------------------------------------

    def asks(self, ctx: ToolContext, waiting: Waiting, interview: Interview, ask: Ask) -> Outcome:
        """Sleep until the requester has answered a server's question."""
        name = _name(ctx, "m", ctx.agent_id, ctx.call_id, interview.parked.round, ask.key, interview.asked)
        kept = Waiting(waiting.kind, waiting.server, waiting.principal, interview, name, "asked", waiting.begun_at)
        preview = {
            "title": ask.words, "options": list(ask.options), "from": ctx.agent_name, "person": ctx.requester,
            "server": waiting.server, "only": True,
        }  # fmt: skip

        def commit(tx: Tx) -> None:
            self.keep(tx, ctx, kept)
            _ask(tx, ctx, name, "question", preview)
            if waiting.kind != "input":  # the server holds something
                _worker(tx, ctx, "jobs")
            if ask.url:
                told = {"kind": "visit", "server": waiting.server, "host": ask.host, "url": ask.url, "state": "",
                        "scope": "", "principal": waiting.principal, "person": ctx.requester}  # fmt: skip
                self._link(tx, ctx, name, told)

        return Outcome({}, commit=commit, parks={"for": "answer", "approval": name})

    def signs_in(self, ctx: ToolContext, error: AuthorizationRequired) -> Outcome:
        """Sleep until the person whose account is wanted has signed in; calls of a run share one link."""
        name = _name(ctx, "s", error.principal, error.state)
        waiting = Waiting("signin", error.alias, error.principal, None, name, "asked", time.time())
        words = (
            f"{error.alias} needs your own account at {error.host}. I sent you the link in a direct message; "
            "the work goes on as soon as you have signed in."
        )
        preview = {"title": words, "options": [WITHOUT], "from": ctx.agent_name, "person": ctx.requester,
                   "server": error.alias, "only": True}  # fmt: skip
        told = {"kind": SIGNIN, "server": error.alias, "host": error.host, "url": error.url, "state": error.state,
                "scope": error.scope or "", "principal": error.principal, "person": ctx.requester}  # fmt: skip

        def commit(tx: Tx) -> None:
            self.keep(tx, ctx, waiting)
            _ask(tx, ctx, name, SIGNIN, preview)
            self._link(tx, ctx, name, told)

        return Outcome({}, commit=commit, parks={"for": "answer", "approval": name})

    def works_on(self, ctx: ToolContext, waiting: Waiting, said: str | None) -> Outcome:
        """Sleep while a server works on a long job, and look again when it says; what it `said` anew is told."""
        assert waiting.interview is not None
        parked = waiting.interview.parked
        until = ctx.db.now() + parked.poll_s

        def commit(tx: Tx) -> None:
            self.keep(tx, ctx, waiting)
            _worker(tx, ctx, "jobs")
            if said:
                progress.tell(tx, ctx, waiting.server, said)

        return Outcome({}, commit=commit, parks={"for": "job", "until": until})

    def _link(self, tx: Tx, ctx: ToolContext, name: str, told: dict[str, str]) -> None:
        run = {"id": ctx.run_id, "team": ctx.team}
        if links.offer(tx, self._vault, run, name, told, time.time() + OPEN_S):
            _worker(tx, ctx, "private")


async def signed_in(db: Database, server: str, principal: str) -> int:
    """A person has signed in: every call that waits for it goes on. Returns how many."""

    def work(tx: Tx) -> int:
        held = and_(mcp_waiting.c.server == server, mcp_waiting.c.principal == principal,
                    mcp_waiting.c.kind == "signin")  # fmt: skip
        rows = tx.execute(select(mcp_waiting).where(held)).mappings().all()
        for name in {row["approval_id"] for row in rows}:
            asked = by_id(tx.connection, approval, name)
            if asked is not None and asked["status"] == "pending":
                approvals.close(tx, asked, "answered", asked["person"], "signed in")
        for row in rows:
            tx.wake(row["agent_id"])
            tx.wake(f"{row['run_id']}/_private")
        return len(rows)

    return await db.write(work)


def _ask(tx: Tx, ctx: ToolContext, name: str, kind: str, preview: Json) -> None:
    """Put a question to the requester, once."""
    if tx.execute(select(approval.c.id).where(approval.c.id == name)).first() is not None:
        return
    tx.execute(
        insert(approval).values(
            id=name, team_id=ctx.team, run_id=ctx.run_id, kind=kind, agent_id=ctx.agent_id, call_id=ctx.call_id,
            person=ctx.requester, preview=preview, status="pending", asked_at=tx.now(), expires_at=tx.now() + OPEN_S,
        )
    )  # fmt: skip
    journal.append(tx, ctx.run_id, "asked", {"approval": name, "about": kind}, agent_id=ctx.agent_id)


def _worker(tx: Tx, ctx: ToolContext, kind: str) -> None:
    """Wake the run's row of a kind that works for it in code; it is made when there is none."""
    known = f"{ctx.run_id}/_{kind}"
    if tx.execute(select(agent.c.id).where(agent.c.id == known)).first() is None:
        open_agent(tx, ctx.run_id, ctx.team, name=f"_{kind}", role="", kind=kind)
    tx.wake(known)


def _name(ctx: ToolContext, letter: str, *parts: object) -> str:
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
    return f"{ctx.run_id[-12:]}-{letter}{digest[:12]}"


def _is(ctx: ToolContext) -> Any:
    return and_(mcp_waiting.c.agent_id == ctx.agent_id, mcp_waiting.c.call_id == ctx.call_id)
