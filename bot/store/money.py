"""The money tree: organisation, channel, automation, run, agent. Reserved before a request, settled after it.

A run keeps what it spent; what lies above a run is the sum of its runs in the period, so no row is shared by all.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import Connection, Text, bindparam, cast, delete, func, insert, or_, select, update

from bot.store import journal
from bot.store.database import Tx, by_id
from bot.store.fast import Statement
from bot.store.schema import agent, budget, budget_told, run, spend, task

NANO = Decimal("0.000000001")  # what a stored integer counts, in US dollars
SOFT_SHARE = Decimal("0.8")  # of a hard line, where nothing else is said
ALL = "*"  # every channel, run or organisation that has no limit of its own
SCOPES = ("agent", "run", "automation", "channel", "org")  # and each task of a plan that has a budget
ENDED = ("done", "failed", "stopped")
TURNS_OF_A_TASK = 6  # by the rule, where there are no earlier runs

RESERVE = Statement(update(agent).where(agent.c.id == bindparam("of")).values(reserved=bindparam("amount")))
CHARGE = Statement(
    update(run)
    .where(run.c.id == bindparam("of"))
    .values(spent=run.c.spent + bindparam("amount"))
    .returning(run.c.team_id, run.c.channel, run.c.automation_id, run.c.spent, run.c.control, run.c.status)
)
LIMITS = Statement(
    select(budget.c.scope, budget.c.scope_id, budget.c.period, budget.c.soft, budget.c.hard, budget.c.until)
    .where(
        or_(
            budget.c.scope_id == ALL,
            *(budget.c.scope_id == bindparam(name) for name in ("agent", "run", "automation", "channel", "team")),
        ),
        or_(budget.c.team_id == "", budget.c.team_id == bindparam("of_team")),
    )
    .order_by(budget.c.team_id.desc())
)
_capped = select(task.c.id, task.c.budget).where(task.c.budget != "", task.c.status != "done")
TASK = Statement(
    _capped.join(agent, (agent.c.run_id == task.c.run_id) & (agent.c.task == task.c.id)).where(
        agent.c.id == bindparam("of")
    )
)
_awake = or_(agent.c.waiting.is_(None), cast(agent.c.waiting, Text) == "null")
# What agents that are about to ask the model hold; those asleep in a call hold nothing.
_held = select(func.sum(agent.c.reserved)).where(agent.c.status == "live", agent.c.reserved > 0, _awake)
RESERVED = Statement(_held.where(agent.c.run_id == bindparam("of")))


@dataclass(frozen=True)
class Limit:
    """A soft and a hard line in US dollars, and for how long they count."""

    scope: str
    scope_id: str
    period: str
    soft: Decimal
    hard: Decimal
    until: float | None = None


@dataclass(frozen=True)
class Line:
    """A limit with what is spent and reserved under it."""

    limit: Limit
    spent: Decimal
    reserved: Decimal

    @property
    def crossed(self) -> bool:
        """Whether the next request would pass the hard line."""
        return self.spent + self.reserved > self.limit.hard


@dataclass(frozen=True)
class Node:
    """Where a run hangs in the tree."""

    run_id: str
    team: str
    channel: str
    automation: str
    spent: int
    agent: str = ""  # the one whose request is looked at


def nano(amount: Decimal) -> int:
    """Dollars as the integer that rows add up."""
    return int((amount / NANO).to_integral_value(ROUND_HALF_UP))


def dollars(stored: Any) -> Decimal:
    """The integer of rows as dollars."""
    return Decimal(int(stored or 0)) * NANO


def set_limit(
    tx: Tx, team: str, scope: str, scope_id: str, period: str, hard: Decimal, *, until: float | None = None
) -> None:
    """Keep a limit in place of an earlier one of the same scope."""
    drop_limit(tx, team, scope, scope_id)
    tx.execute(
        insert(budget).values(
            scope_id=scope_id, scope=scope, team_id=team, period=period, soft=f"{hard * SOFT_SHARE:f}",
            hard=f"{hard:f}", currency="USD", until=until,
        )
    )  # fmt: skip


def drop_limit(tx: Tx, team: str, scope: str, scope_id: str) -> None:
    """Forget a limit."""
    tx.execute(delete(budget).where(budget.c.team_id == team, budget.c.scope == scope, budget.c.scope_id == scope_id))


def set_defaults(tx: Tx, hard: Mapping[str, Decimal]) -> None:
    """Keep the limits of the settings, and let runs look again that an earlier limit paused. A zero is no limit."""
    for scope, amount in hard.items():
        drop_limit(tx, "", scope, ALL)
        if amount:
            set_limit(tx, "", scope, ALL, "run" if scope == "run" else "month", amount)
    for run_id in tx.execute(select(run.c.id).where(run.c.control == "budget", run.c.status.not_in(ENDED))).scalars():
        tx.wake(f"{run_id}/_coordinator")


def settle(tx: Tx, run_id: str, agent_id: str, amount: Decimal, following: Callable[[], Decimal]) -> str:
    """Charge a request that was made and reserve what the agent's next one will cost; returns the run's control.

    What costs nothing touches no row and returns ""; without a limit above the run nothing is reserved.
    """
    if not amount:
        return ""
    row = _charge(tx, run_id, amount)
    limits = _limits(tx.connection, _node(run_id, row, agent_id), tx.now())
    limits = [*_task_limits(TASK.execute(tx.connection, {"of": agent_id}).fetchall()), *limits]
    if limits:
        RESERVE.execute(tx.connection, {"of": agent_id, "amount": nano(following())})
    return _watch(tx, run_id, row, limits, agent_id)


def opened(tx: Tx, run_id: str, agent_id: str) -> str:
    """Reserve the first request of a new agent, by what the run's requests cost so far; returns the run's control."""
    mean = tx.execute(
        select(func.avg(agent.c.reserved)).where(agent.c.run_id == run_id, agent.c.reserved > 0)
    ).scalar()
    if mean is None:
        return ""
    RESERVE.execute(tx.connection, {"of": agent_id, "amount": int(mean)})
    return check(tx, run_id)


def check(tx: Tx, run_id: str) -> str:
    """Look at the lines of a run; a passed hard line pauses it. Returns the run's control."""
    row = _charge(tx, run_id, Decimal(0))
    return _watch(tx, run_id, row, _limits(tx.connection, _node(run_id, row), tx.now()))


def _charge(tx: Tx, run_id: str, amount: Decimal) -> Any:
    (row,) = CHARGE.execute(tx.connection, {"of": run_id, "amount": nano(amount)}).fetchall()
    return row


def _node(run_id: str, row: Any, agent_id: str = "") -> Node:
    return Node(run_id, row[0], row[1], row[2] or "", int(row[3]), agent_id)


def _watch(tx: Tx, run_id: str, row: Any, limits: list[Limit], agent_id: str = "") -> str:
    node, control, status = _node(run_id, row, agent_id), row[4], row[5]
    if status in ENDED:
        return str(control)
    for limit in limits:
        line = _line(tx.connection, node, limit, tx.now())
        if line.crossed and control == "":
            control = "budget"
            tx.execute(update(run).where(run.c.id == run_id).values(control=control))
            journal.append(tx, run_id, "budget.hard", _body(line))
            tx.wake(f"{run_id}/_coordinator")
        elif line.spent + line.reserved > limit.soft and not line.crossed:
            _tell(tx, node, line)
    return str(control)


def _tell(tx: Tx, node: Node, line: Line) -> None:
    """Say once per period that a soft line is passed."""
    limit = line.limit
    whose = f"{node.run_id}/{limit.scope_id}" if limit.scope == "task" else _whose(node, limit)
    since = int(period_start(limit.period, tx.now()))
    key = f"{node.team}/{limit.scope}/{whose}/{since}/{limit.soft:f}"
    if tx.add(budget_told, key=key, team_id=node.team, run_id=node.run_id):
        journal.append(tx, node.run_id, "budget.soft", _body(line))


def _body(line: Line) -> dict[str, str]:
    limit = line.limit
    return {
        "scope": limit.scope, "scope_id": limit.scope_id, "period": limit.period, "soft": f"{limit.soft:f}",
        "hard": f"{limit.hard:f}", "spent": f"{line.spent:f}", "reserved": f"{line.reserved:f}",
    }  # fmt: skip


def expected(connection: Connection, run_id: str, tasks: int) -> Decimal:
    """What a run will likely cost with a plan of so many tasks: its estimate, else by what its turns cost so far.

    0 when nothing is known yet.
    """
    row = by_id(connection, run, run_id)
    if row["estimate"]:
        return Decimal(row["estimate"])
    turns = int(connection.execute(select(func.count()).where(spend.c.run_id == run_id)).scalar_one())
    spent = dollars(row["spent"])
    return spent + spent / turns * TURNS_OF_A_TASK * tasks if turns else Decimal(0)


def run_limit(connection: Connection, run_id: str, team: str) -> Limit | None:
    """The limit of one run: its own, else the one for every run."""
    found = _limits(connection, Node(run_id, team, "", "", 0), 0.0)
    return next((limit for limit in found if limit.scope == "run"), None)


def lines(connection: Connection, run_id: str, now: float) -> list[Line]:
    """Every limit above a run, the nearest first, with what is spent under it."""
    row = by_id(connection, run, run_id)
    node = Node(run_id, row["team_id"], row["channel"], row["automation_id"] or "", int(row["spent"]))
    tasks = _task_limits(connection.execute(_capped.where(task.c.run_id == run_id)).all())
    agents = _agent_limits(connection, run_id)
    return [_line(connection, node, limit, now) for limit in [*tasks, *agents, *_limits(connection, node, now)]]


def _limits(connection: Connection, node: Node, now: float) -> list[Limit]:
    """The limit that holds in each scope: its own before the one for all."""
    found = LIMITS.execute(
        connection,
        {"agent": node.agent, "run": node.run_id, "automation": node.automation, "channel": node.channel,
         "team": node.team, "of_team": node.team},
    ).fetchall()  # fmt: skip
    chosen: dict[str, Limit] = {}
    for scope, scope_id, period, soft, hard, until in found:
        if until is not None and until <= now:
            continue
        own = scope_id != ALL and scope_id == _whose(node, Limit(scope, "", "", NANO, NANO))
        if own or (scope_id == ALL and scope != "automation" and scope not in chosen):
            chosen[scope] = Limit(scope, scope_id, period, Decimal(soft), Decimal(hard), until)
    return [chosen[scope] for scope in SCOPES if scope in chosen]


def _task_limits(rows: Any) -> list[Limit]:
    return [Limit("task", name, "run", Decimal(hard) * SOFT_SHARE, Decimal(hard)) for name, hard in rows]


def _agent_limits(connection: Connection, run_id: str) -> list[Limit]:
    """What the roles of a run's agents allow each of them."""
    own = select(budget).where(budget.c.scope == "agent", budget.c.scope_id.startswith(f"{run_id}/"))
    found = connection.execute(own.order_by(budget.c.scope_id)).mappings()
    return [Limit("agent", row["scope_id"], "run", Decimal(row["soft"]), Decimal(row["hard"])) for row in found]


def _whose(node: Node, limit: Limit) -> str:
    own = {"agent": node.agent, "run": node.run_id, "automation": node.automation, "channel": node.channel}
    return own.get(limit.scope, node.team)


def _line(connection: Connection, node: Node, limit: Limit, now: float) -> Line:
    if limit.scope in ("task", "agent"):
        column = agent.c.task if limit.scope == "task" else agent.c.id
        owners = (agent.c.run_id == node.run_id, column == limit.scope_id)
        amounts = connection.execute(
            select(spend.c.amount)
            .join(agent, agent.c.id == spend.c.agent_id)
            .where(*owners, spend.c.run_id == node.run_id)
        )
        total = sum((Decimal(amount) for amount in amounts.scalars()), Decimal(0))
        return Line(limit, total, dollars(connection.execute(_held.where(*owners)).scalar()))
    if limit.scope == "run":
        return Line(
            limit, dollars(node.spent), dollars(RESERVED.execute(connection, {"of": node.run_id}).fetchone()[0])
        )
    under: tuple[Any, ...] = (run.c.team_id == node.team,)
    if limit.scope == "automation":
        under += (run.c.automation_id == node.automation,)
    elif limit.scope == "channel":
        under += (run.c.channel == node.channel,)
    since = run.c.created_at >= period_start(limit.period, now)
    spent = connection.execute(select(func.sum(run.c.spent)).where(*under, since)).scalar()
    at_work = agent.c.run_id.in_(select(run.c.id).where(*under, run.c.status.not_in(ENDED)))
    return Line(limit, dollars(spent), dollars(connection.execute(_held.where(at_work)).scalar()))


def period_start(period: str, now: float) -> float:
    """When the day, week or month of a moment began, in UTC; the beginning of time for a whole run."""
    today = datetime.datetime.fromtimestamp(now, datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return today.timestamp()
    if period == "week":
        return (today - datetime.timedelta(days=today.weekday())).timestamp()
    if period == "month":
        return today.replace(day=1).timestamp()
    return 0.0


def period_end(period: str, now: float) -> float | None:
    """When the next period begins; None for a whole run."""
    start = datetime.datetime.fromtimestamp(period_start(period, now), datetime.UTC)
    if period == "month":
        return (start.replace(day=1) + datetime.timedelta(days=32)).replace(day=1).timestamp()
    days = {"day": 1, "week": 7}.get(period)
    return None if days is None else (start + datetime.timedelta(days=days)).timestamp()
