"""Who may use Cadre as a server: tokens by their hash, each for one person in one channel."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, and_, insert, select, update

from bot.store.database import Tx, one
from bot.store.mcp_tables import caller_token
from bot.store.schema import inbox, run

PREFIX = "cadre_"


@dataclass(frozen=True)
class Person:
    """On whose behalf a caller acts."""

    team: str
    user: str
    channel: str


def make(tx: Tx, team: str, user: str, channel: str, label: str) -> str:
    """A new token; only its hash is kept."""
    token = f"{PREFIX}{secrets.token_urlsafe(32)}"
    row = {"sha256": _sha256(token), "team_id": team, "user": user, "channel": channel, "label": label}
    tx.execute(insert(caller_token).values(**row, created_at=tx.now()))
    return token


def revoke(tx: Tx, team: str, user: str, label: str) -> int:
    c = caller_token.c
    theirs = and_(c.team_id == team, c.user == user, c.label == label, c.revoked_at.is_(None))
    return int(tx.execute(update(caller_token).where(theirs).values(revoked_at=tx.now())).rowcount)


def person(connection: Connection, token: str) -> Person | None:
    """Whose token this is, while it counts. A guess costs a look by its hash, which tells nothing by its time."""
    c = caller_token.c
    row = one(connection, select(caller_token).where(c.sha256 == _sha256(token), c.revoked_at.is_(None)))
    return None if row is None else Person(row["team_id"], row["user"], row["channel"])


def only_team(connection: Connection) -> str:
    """The workspace, when Cadre has worked for one only."""
    teams = {*connection.execute(select(run.c.team_id).distinct()).scalars()}
    teams |= {*connection.execute(select(inbox.c.team_id).distinct()).scalars()}
    return teams.pop() if len(teams) == 1 else ""


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
