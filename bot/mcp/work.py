"""What a caller can do with runs: the same rows and rules as from Slack, for the person whose token it is."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, or_, select

from bot.coordinator import control
from bot.coordinator.control import Place
from bot.coordinator.intake import receive
from bot.policy.access import Access, Role
from bot.skills import SkillLibrary
from bot.store import people
from bot.store import schema as t
from bot.store.callers import Person
from bot.store.database import Database
from bot.store.view import run_view
from bot.types import Json, Request
from bot.types import Person as Member

LOOK_S = 0.1
MADE_S = 20.0
LISTED = 50
ANSWERED = {
    "already": "This was answered before.", "expired": "This question has expired.",
    "not_allowed": "Only the person who asked for the work can answer this.",
    "void": "This is no question that can be answered here. Approvals are given in Slack, in the run's thread.",
}  # fmt: skip


class Refused(Exception):
    """What was asked cannot be done; the message says why and what can."""


@dataclass(frozen=True)
class Desk:
    """The work of one installation, as callers reach it."""

    db: Database
    access: Access
    library: SkillLibrary

    async def start(self, who: Person, request: str, key: str) -> Json:
        """Begin work on a request in the caller's channel; the same key is the same run."""
        if not request.strip():
            raise Refused("Say what is asked, for example: close Q3 2026.")
        await self._may(who, Role.ASK, who.channel)
        digest = hashlib.sha256(f"{who.user}\0{key}".encode()).hexdigest()[:32] if key else uuid.uuid4().hex
        asked = Request(who.team, who.channel, "", f"mcp-{digest}", "command", who.user, request.strip())
        await self.db.write(lambda tx: receive(tx, asked))
        made = select(t.inbox.c.run_id).where(t.inbox.c.team_id == who.team, t.inbox.c.key == asked.key)
        async with asyncio.timeout(MADE_S):
            while True:
                run_id = await self.db.read(lambda c: c.execute(made).scalar())
                if run_id:
                    return await self.run(who, str(run_id))
                await asyncio.sleep(LOOK_S)

    async def run(self, who: Person, run_id: str) -> Json:
        """One run: how it stands, what it asks, what came of it."""
        await self._run(who, run_id, Role.SEE)
        view = await self.db.read(lambda c: run_view(c, run_id))
        ended = view.run.status in ("done", "failed", "stopped")
        return {
            "run_id": run_id, "status": view.run.status, "request": view.run.request, "thread": view.run.permalink,
            "summary": view.summary_text, "error": (view.run.error or {}).get("message", ""),
            "tasks": [{"title": one.title, "status": one.status} for one in view.tasks],
            "figures": [{"label": f.label, "value": f.value, "unit": f.unit} for f in view.figures],
            "questions": [] if ended else [
                {"question_id": a.id, "text": str(a.preview.get("title") or ""),
                 "options": [str(o) for o in a.preview.get("options") or []], "answer_here": a.kind == "question"}
                for a in view.approvals if a.status == "pending"
            ],
        }  # fmt: skip

    async def runs(self, who: Person, limit: int) -> list[Json]:
        """The latest runs that the caller can see."""
        r = t.run.c
        person = await self._person(who)
        query = select(r.id, r.status, r.request, r.requester, r.permalink, r.channel).where(_visible(who))
        most = min(max(limit, 1), LISTED)

        def seen(connection: Connection) -> list[Any]:
            rows = connection.execute(query.order_by(r.created_at.desc())).mappings()
            return list(islice((row for row in rows if self.access.role(person, row["channel"]) >= Role.SEE), most))

        rows = await self.db.read(seen)
        return [
            {"run_id": row["id"], "status": row["status"], "request": row["request"], "requester": row["requester"],
             "thread": row["permalink"]}
            for row in rows
        ]  # fmt: skip

    async def answer(self, who: Person, question_id: str, words: str) -> None:
        """Answer an agent's question as the caller's person. What needs an approval stays in Slack."""
        query = select(t.approval.c.run_id, t.approval.c.kind).where(t.approval.c.id == question_id)
        row = await self.db.read(lambda c: c.execute(query).first())
        if row is None:
            raise Refused(f"There is no question {question_id} that this caller can see.")
        await self._run(who, row.run_id, Role.ASK)
        if row.kind != "question":
            raise Refused(ANSWERED["void"])
        told = await self.db.write(lambda tx: control.answer(tx, question_id, who.user, words, self.access))
        if told != "done":
            raise Refused(ANSWERED.get(told, ANSWERED["void"]))

    async def cancel(self, who: Person, run_id: str) -> None:
        """Stop a run."""
        row = await self._run(who, run_id, Role.ASK)
        place = Place(who.team, row.channel, "", who.user, run_id)
        await self.db.write(lambda tx: control.say(tx, "stop", place))

    def skills(self) -> list[Json]:
        return [{"name": one.name, "description": one.description} for one in self.library.skills.values()]

    async def _run(self, who: Person, run_id: str, wanted: Role) -> Any:
        """The row of a run that this caller can see, and with which they may do what is wanted."""
        row = await self.db.read(lambda c: _seen(c, who, run_id))
        if row is None or self.access.role(await self._person(who), row.channel) < Role.SEE:
            raise Refused(f"There is no run {run_id} that this caller can see.")
        await self._may(who, wanted, row.channel)
        return row

    async def _may(self, who: Person, wanted: Role, channel: str) -> None:
        """The rules of Slack hold here too."""
        if self.access.role(await self._person(who), channel) < wanted:
            raise Refused("The person of this token may not do that in that channel.")

    async def _person(self, who: Person) -> Member:
        """Whom the token is for, as Slack said last; a token is made by an operator, for a member."""
        known = await self.db.read(lambda c: people.get(c, who.team, who.user))
        if known is not None:
            return known.person
        if self.access.asked_groups and who.user not in self.access.people:
            raise Refused(
                "It is not known yet in which user groups the person of this token is: they write to Cadre once."
            )
        return Member(who.user, "member")


def _visible(who: Person) -> Any:
    """What this person asked for, and what is worked in the channel that the token is for."""
    mine = or_(t.run.c.requester == who.user, t.run.c.channel == who.channel)
    return (t.run.c.team_id == who.team) & mine


def _seen(connection: Connection, who: Person, run_id: str) -> Any:
    query = select(t.run.c.id, t.run.c.channel, t.run.c.status).where(t.run.c.id == run_id, _visible(who))
    return connection.execute(query).first()
