"""One activation per agent: claim with a lease and a new epoch, renew, sleep by compare-and-set, find the lost."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from bot.store.database import Tx
from bot.store.fast import Statement
from bot.store.schema import agent, worker

LEASE_S = 3.0  # a lease not renewed for this long may be taken over
BEAT_S = 0.75  # how often a living worker renews


CLAIM = Statement(
    update(agent)
    .where(
        agent.c.id == bindparam("of"),
        agent.c.wake_seq > agent.c.slept_seq,
        or_(agent.c.lease_owner.is_(None), agent.c.lease_until < bindparam("now")),
    )
    .values(
        epoch=agent.c.epoch + 1, lease_owner=bindparam("owner"), lease_until=bindparam("until"),
        barren=agent.c.barren + 1,
    )
    .returning(agent.c.run_id, agent.c.kind, agent.c.epoch, agent.c.wake_seq, agent.c.barren)
)  # fmt: skip
SLEEP = Statement(
    update(agent)
    .where(agent.c.id == bindparam("of"), agent.c.epoch == bindparam("holds"), agent.c.wake_seq == bindparam("seen"))
    .values(lease_owner=None, lease_until=0.0, slept_seq=bindparam("seen"), due_at=bindparam("due"), barren=0)
)
AWAKE = Statement(select(agent.c.wake_seq).where(agent.c.id == bindparam("of"), agent.c.epoch == bindparam("holds")))


@dataclass(frozen=True)
class Claim:
    """The right to act as one agent until the lease ends or a newer epoch exists."""

    agent_id: str
    run_id: str
    kind: str
    epoch: int
    wake_seq: int
    barren: int = 0  # activations in a row that left no row


def claim(tx: Tx, agent_id: str, owner: str) -> Claim | None:
    """Take the agent when it is awake and nobody living holds it; None otherwise."""
    now = tx.lease_now()
    given = {"of": agent_id, "owner": owner, "now": now, "until": now + LEASE_S}
    for run_id, kind, epoch, wake_seq, barren in CLAIM.execute(tx.connection, given).fetchall():
        return Claim(agent_id, run_id, kind, epoch, wake_seq, barren)
    return None


def sleep(tx: Tx, held: Claim, seen: int, due_at: float | None = None) -> int | None:
    """Let go of the agent if nothing woke it since `seen`; else return the newer wake number.

    Returns None when asleep, or when another worker owns the agent by now.
    """
    given = {"of": held.agent_id, "holds": held.epoch, "seen": seen, "due": due_at}
    if SLEEP.execute(tx.connection, given).rowcount:
        return None
    row = AWAKE.execute(tx.connection, {"of": held.agent_id, "holds": held.epoch}).fetchone()
    return None if row is None else int(row[0])


def holds(connection: Connection, held: Claim) -> bool:
    """Whether nobody has taken the agent over since."""
    query = select(agent.c.id).where(agent.c.id == held.agent_id, agent.c.epoch == held.epoch)
    return connection.execute(query).first() is not None


def yield_now(tx: Tx, held: Claim) -> None:
    """Let go of the agent but leave it awake, so that its next activation starts at once."""
    released = tx.execute(
        update(agent)
        .where(agent.c.id == held.agent_id, agent.c.epoch == held.epoch)
        .values(lease_owner=None, lease_until=0.0)
    )
    if released.rowcount:
        tx.wake(held.agent_id)


def beat(tx: Tx, owner: str, role: str, at_work: Collection[str] = ()) -> None:
    """Say that this worker lives, and renew its leases on the agents it is at work on.

    A lease it holds without working, because letting go failed, runs out like a dead worker's.
    """
    now = tx.lease_now()
    seen = tx.execute(update(worker).where(worker.c.id == owner).values(seen_at=now))
    if seen.rowcount == 0:
        tx.execute(
            insert(worker).values(
                id=owner, role=role, host=socket.gethostname(), pid=os.getpid(), started_at=now, seen_at=now
            )
        )
    if at_work:
        tx.execute(
            update(agent)
            .where(agent.c.lease_owner == owner, agent.c.id.in_(at_work))
            .values(lease_until=now + LEASE_S)
        )


def leave(tx: Tx, owner: str) -> None:
    """A worker that ends in good order gives back what it holds, awake."""
    tx.execute(update(agent).where(agent.c.lease_owner == owner).values(lease_owner=None, lease_until=0.0))
    tx.execute(delete(worker).where(worker.c.id == owner))


def reap(tx: Tx, owner: str) -> None:
    """Free what dead workers of this host held at once, and forget workers long unseen."""
    now = tx.lease_now()
    for row in tx.execute(select(worker).where(worker.c.id != owner)).all():
        gone = row.host == socket.gethostname() and not _alive(row.pid)
        if gone:
            tx.execute(update(agent).where(agent.c.lease_owner == row.id).values(lease_owner=None, lease_until=0.0))
        if gone or row.seen_at < now - 20 * LEASE_S:
            tx.execute(delete(worker).where(worker.c.id == row.id))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _free(now: float) -> ColumnElement[bool]:
    return or_(agent.c.lease_owner.is_(None), agent.c.lease_until < now)


def awake_and_free(connection: Connection, kinds: tuple[str, ...], lease_now: float) -> list[tuple[str, str, bool]]:
    """Agents that should be working and that nobody living holds, each with its kind and whether a lease on it
    ran out: what a crash leaves, and for a moment what a commit has just woken."""
    query = select(agent.c.id, agent.c.kind, agent.c.lease_owner).where(
        agent.c.kind.in_(kinds), agent.c.wake_seq > agent.c.slept_seq, _free(lease_now)
    )
    return [(row.id, row.kind, row.lease_owner is not None) for row in connection.execute(query)]


def wake_due(tx: Tx, now: float, only: str = "") -> None:
    """Wake the agents whose time has come by the product clock, or the one that is named."""
    due = tx.execute(
        update(agent)
        .where(and_(agent.c.due_at.is_not(None), agent.c.due_at <= now, *([agent.c.id == only] if only else [])))
        .values(due_at=None)
        .returning(agent.c.id)
    ).scalars()
    for agent_id in list(due):
        tx.wake(agent_id)
