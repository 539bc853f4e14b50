"""Who the people of a workspace are, as it was learned last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from bot.store import surface_tables as st
from bot.store.database import Tx
from bot.types import Json, Person


@dataclass(frozen=True)
class Learned:
    """A person, and when it was learned who that is."""

    person: Person
    at: float


def get(connection: Connection, team: str, user: str) -> Learned | None:
    p = st.person.c
    row = connection.execute(select(st.person).where(p.team_id == team, p.user == user)).mappings().first()
    if row is None:
        return None
    return Learned(Person(user, row["kind"], tuple(row["groups"]), row["name"]), row["learned_at"])


def known(connection: Connection, team: str, user: str) -> Person:
    """Who somebody is as it was learned last, else a member."""
    found = get(connection, team, user)
    return found.person if found is not None else Person(user, "member")


def keep(tx: Tx, team: str, person: Person) -> None:
    """Write down who somebody is, in place of what was known before."""
    tx.execute(delete(st.person).where(st.person.c.team_id == team, st.person.c.user == person.id))
    tx.execute(
        insert(st.person).values(
            team_id=team, user=person.id, kind=person.kind, name=person.name[:128], groups=list(person.groups),
            learned_at=tx.now(),
        )
    )  # fmt: skip


def hold(tx: Tx, team: str, user: str, body: Json) -> None:
    """Keep a payload until it is known who sent it."""
    tx.execute(insert(st.held).values(team_id=team, user=user, body=body, at=tx.now()))


def held(connection: Connection) -> list[Any]:
    """The payloads that wait, oldest first."""
    return list(connection.execute(select(st.held).order_by(st.held.c.id)).mappings())


def release(tx: Tx, held_id: int) -> None:
    tx.execute(delete(st.held).where(st.held.c.id == held_id))


def visit(tx: Tx, team: str, user: str, **values: Any) -> None:
    """Change what is known of somebody's own place in the surface."""
    tx.add(st.visitor, team_id=team, user=user, home_sha="", opened_at=0.0, viewing=[], viewing_at=0.0)
    tx.execute(update(st.visitor).where(st.visitor.c.team_id == team, st.visitor.c.user == user).values(**values))


def visitor(connection: Connection, team: str, user: str) -> Any:
    v = st.visitor.c
    return connection.execute(select(st.visitor).where(v.team_id == team, v.user == user)).mappings().first()


def rate(tx: Tx, team: str, run_id: str, user: str, verdict: str) -> None:
    """Keep what somebody thinks of a run's result, in place of what they thought before."""
    tx.execute(delete(st.feedback).where(st.feedback.c.run_id == run_id, st.feedback.c.user == user))
    tx.execute(
        insert(st.feedback).values(run_id=run_id, user=user, team_id=team, verdict=verdict, at=tx.now())
    )  # fmt: skip
