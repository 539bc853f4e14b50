"""One activation per agent: claim with a lease and a new epoch, renew, sleep by compare-and-set, find the lost."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, insert, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from bot.store.database import Tx
from bot.store.schema import agent, worker

LEASE_S = 3.0  # a lease not renewed for this long may be taken over
BEAT_S = 0.75  # how often a living worker renews


@dataclass(frozen=True)
class Claim:
    """The right to act as one agent until the lease ends or a newer epoch exists."""

    agent_id: str
    run_id: str
    kind: str
    epoch: int
    wake_seq: int


def claim(tx: Tx, agent_id: str, owner: str) -> Claim | None:
    """Take the agent when it is awake and nobody living holds it; None otherwise."""
    now = tx.lease_now()
    row = tx.execute(
        update(agent)
        .where(
            agent.c.id == agent_id,
            agent.c.wake_seq > agent.c.slept_seq,
            or_(agent.c.lease_owner.is_(None), agent.c.lease_until < now),
        )
        .values(epoch=agent.c.epoch + 1, lease_owner=owner, lease_until=now + LEASE_S, barren=agent.c.barren + 1)
        .returning(agent.c.run_id, agent.c.kind, agent.c.epoch, agent.c.wake_seq)
    ).first()
    if row is None:
        return None
    return Claim(agent_id, row.run_id, row.kind, row.epoch, row.wake_seq)


def sleep(tx: Tx, held: Claim, seen: int, due_at: float | None = None) -> int | None:
    """Let go of the agent if nothing woke it since `seen`; else return the newer wake number.

    Returns None when asleep, or when another worker owns the agent by now.
    """
    slept = tx.execute(
        update(agent)
        .where(agent.c.id == held.agent_id, agent.c.epoch == held.epoch, agent.c.wake_seq == seen)
        .values(lease_owner=None, lease_until=0.0, slept_seq=seen, due_at=due_at, barren=0)
    )
    if slept.rowcount:
        return None
    row = tx.execute(select(agent.c.wake_seq).where(agent.c.id == held.agent_id, agent.c.epoch == held.epoch)).first()
    return None if row is None else int(row.wake_seq)


def yield_now(tx: Tx, held: Claim) -> None:
    """Let go of the agent but leave it awake, so that its next activation starts at once."""
    released = tx.execute(
        update(agent)
        .where(agent.c.id == held.agent_id, agent.c.epoch == held.epoch)
        .values(lease_owner=None, lease_until=0.0)
    )
    if released.rowcount:
        tx.wake(held.agent_id)


def beat(tx: Tx, owner: str, role: str) -> None:
    """Say that this worker lives, and renew the leases it holds."""
    now = tx.lease_now()
    seen = tx.execute(update(worker).where(worker.c.id == owner).values(seen_at=now))
    if seen.rowcount == 0:
        tx.execute(
            insert(worker).values(
                id=owner, role=role, host=socket.gethostname(), pid=os.getpid(), started_at=now, seen_at=now
            )
        )
    tx.execute(update(agent).where(agent.c.lease_owner == owner).values(lease_until=now + LEASE_S))


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


def awake_and_free(connection: Connection, kinds: tuple[str, ...], lease_now: float) -> list[tuple[str, str]]:
    """Agents that should be working and that nobody holds: what a crash between commit and start leaves."""
    query = select(agent.c.id, agent.c.kind).where(
        agent.c.kind.in_(kinds), agent.c.wake_seq > agent.c.slept_seq, _free(lease_now)
    )
    return [(row.id, row.kind) for row in connection.execute(query)]


def wake_due(tx: Tx, now: float) -> None:
    """Wake the agents whose time has come by the product clock."""
    due = tx.execute(
        update(agent)
        .where(and_(agent.c.due_at.is_not(None), agent.c.due_at <= now))
        .values(due_at=None)
        .returning(agent.c.id)
    ).scalars()
    for agent_id in list(due):
        tx.wake(agent_id)
