"""One agent as its rows say: who it is, what it has done, what is open. Read once per activation, then kept along."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, func, or_, select

from bot.policy.gate import Call, Decision, Effect, decide
from bot.skills import Role, SkillLibrary
from bot.store import journal
from bot.store import schema as t
from bot.store.fast import Statement
from bot.team.context import FOLDS, Context, fold, text, untagged
from bot.team.roles import allowed, find_role
from bot.tools.base import Tool
from bot.types import Json

LEAD = "lead"

AGENT = Statement(select(t.agent).where(t.agent.c.id == bindparam("of")))
RUN = Statement(select(t.run).where(t.run.c.id == bindparam("of")))
MAILS = Statement(
    select(t.mail)
    .where(t.mail.c.run_id == bindparam("of"), t.mail.c.recipient == bindparam("to"))
    .order_by(t.mail.c.seq)
)
UNREAD = Statement(
    select(t.mail)
    .where(
        t.mail.c.run_id == bindparam("of"), t.mail.c.recipient == bindparam("to"), t.mail.c.seq > bindparam("after")
    )
    .order_by(t.mail.c.seq)
)  # fmt: skip
FOLDED = Statement(
    select(func.count()).where(
        t.journal.c.agent_id == bindparam("of"), or_(*(t.journal.c.kind == kind for kind in FOLDS))
    )
)
PENDING = Statement(
    select(t.tool_call)
    .where(t.tool_call.c.agent_id == bindparam("of"), t.tool_call.c.status == "intent")
    .order_by(t.tool_call.c.turn, t.tool_call.c.position)
)


@dataclass(frozen=True)
class Boundary:
    """What a write of this activation found beside its own rows."""

    wake_seq: int
    status: str  # of the agent
    control: str  # of the run
    run_status: str


@dataclass
class AgentState:
    """Rows of one agent, folded. The activation that holds the agent keeps it current with what it writes itself."""

    row: Any  # the agent
    run: Any
    role: Role
    context: Context
    mails: list[Any]  # not yet delivered
    pending: list[Any]  # calls without a result
    answered: Any  # the answer to the agent's open question, or None
    role_tools: tuple[str, ...] = ()
    parked: bool = False  # it sleeps in a call, or has finished
    until: float | None = None  # when that sleep ends by itself
    stale: bool = False  # somebody else wrote something for it: read the rows again

    @property
    def lead(self) -> bool:
        return bool(self.row["name"] == LEAD)

    @property
    def awake(self) -> bool:
        """Whether it may go on: whoever pauses its run or ends it wakes its agents again."""
        return bool(self.row["status"] == "live" and not self.run["control"])

    def decision(self, name: str, tool: Tool | None, args: Any) -> Decision:
        """What the gate says of a call."""
        told = args if isinstance(args, dict) else {}
        role, channel, reached = self.role, self.run["channel"], self.run["rules"].get("connectors")
        effect, rule = (tool.effect, tool.rule) if tool else (Effect.OTHER, "")
        elsewhere = tool is not None and not tool.offered_in(channel)
        return decide(Call(
            name, effect, self.role_tools, args=told, skills=role.skills, data=role.data, rule=rule,
            elsewhere=elsewhere, connectors=None if reached is None else tuple(reached),
        ))  # fmt: skip

    def answer(self, body: Json, boundary: Boundary) -> None:
        """Take over a call's result that this activation has written."""
        self.context.result(body)
        self.passed(boundary)

    def unparked(self, recorded: tuple[Json, Boundary]) -> None:
        """Take over the answer of the call that it slept in."""
        self.row["waiting"] = None
        self.pending = [call for call in self.pending if call["id"] != recorded[0]["id"]]
        self.answer(*recorded)

    def passed(self, boundary: Boundary) -> None:
        """Take over what a write found; a wake means that there is more to read."""
        self.stale = self.stale or boundary.wake_seq != self.row["wake_seq"]
        self.row["status"], self.run["control"], self.run["status"] = (
            boundary.status, boundary.control, boundary.run_status,
        )  # fmt: skip


def load(
    connection: Connection, agent_id: str, library: SkillLibrary, zone: str, kept: Context | None = None
) -> AgentState:
    """The agent now. `kept` is its context as folded before, which still holds when no row has come since."""
    (row,) = AGENT.rows(connection, {"of": agent_id})
    (run,) = RUN.rows(connection, {"of": row["run_id"]})
    role = find_role(library, row["skill"], row["role"])
    mine = {"of": row["run_id"], "to": row["name"]}
    # Rows are only ever added, and a context takes in none but those in the store: as many means the same ones.
    if (
        kept is not None
        and not kept.asked
        and FOLDED.execute(connection, {"of": agent_id}).fetchone() == (kept.rows,)
    ):
        context, mails = kept, UNREAD.rows(connection, {**mine, "after": row["mail_cursor"]})
    else:
        rows = journal.of_agent(connection, agent_id)
        mails = MAILS.rows(connection, mine)
        by_mail = {m["id"].rsplit("/", 1)[-1]: m for m in mails}
        context = fold(rows, by_mail, _opening(row, run, zone, _first_task(row, rows)))
    return AgentState(
        row=row,
        run=run,
        role=role,
        context=context,
        mails=[m for m in mails if m["seq"] > row["mail_cursor"]],
        pending=PENDING.rows(connection, {"of": agent_id}),
        answered=_answer(connection, row["waiting"]),
        role_tools=allowed(role),
    )


def _answer(connection: Connection, waiting: Any) -> Any:
    if not waiting or waiting.get("for") != "answer":
        return None
    query = select(t.approval).where(t.approval.c.id == waiting["approval"], t.approval.c.status != "pending")
    return connection.execute(query).mappings().first()


def _first_task(row: Any, rows: list[tuple[str, Json]]) -> str:
    """The task it was opened for: what it owns later must not change its first words."""
    return str(next((body["task"] for kind, body in rows if kind == "agent.opened"), row["task"]))


def _opening(row: Any, run: Any, zone: str, first_task: str) -> list[Json]:
    """The agent's first user blocks: the request for the lead, a brief for everyone else."""
    started = datetime.datetime.fromtimestamp(run["created_at"], ZoneInfo(zone))
    if row["name"] == LEAD:
        channel = run["channel_name"] or run["channel"]
        first = (
            f'<request from="{run["requester"]}" channel="{channel}" time="{started.isoformat(timespec="minutes")}">'
            f"{run['request']}</request>"
        )
        conventions = run["rules"].get("instructions")
        if conventions:
            first += f'\n<conventions channel="{channel}">{untagged(journal.canonical(conventions))}</conventions>'
    else:
        task = f' task="{first_task}"' if first_task else ""
        brief = row["brief"].replace("</brief", "<\\/brief")  # what it quotes cannot end it
        first = f'<brief from="{row["parent"]}"{task}>{brief}</brief>'
    return [text(first), text(f"<inputs>{untagged(journal.canonical(row['inputs']))}</inputs>")]
