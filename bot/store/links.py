"""Links for one person's eyes: made with what waits for them, brought by the surface in a private message."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from bot.store.database import Tx, one
from bot.store.mcp_tables import private_link
from bot.store.schema import approval
from bot.store.vault import Vault

PATH = "/oauth/mcp/start/"  # below our own address: the page that says where the link leads before going there


@dataclass(frozen=True)
class Link:
    """Where a person is asked to go, and why."""

    ticket: str
    url: str
    state: str  # of the sign-in it begins; "" for a plain visit
    server: str
    host: str
    scope: str
    principal: str
    person: str
    approval_id: str
    expires_at: float


def offer(tx: Tx, vault: Vault, run: Any, approval_id: str, told: dict[str, str], expires_at: float) -> bool:
    """Make the link of an approval, once; `told` has kind, server, host, url, state, scope, principal and person."""
    known = select(private_link.c.id).where(private_link.c.approval_id == approval_id)
    if tx.execute(known).first() is not None:
        return False
    ticket = secrets.token_urlsafe(32)
    digest = _id(ticket)
    inside = {"ticket": ticket, **{key: told[key] for key in ("url", "state", "scope", "principal")}}
    tx.execute(
        insert(private_link).values(
            id=digest, team_id=run["team"], run_id=run["id"], approval_id=approval_id, person=told["person"],
            kind=told["kind"], server=told["server"], host=told["host"], expires_at=expires_at,
            sealed=vault.seal(inside, "private_link", run["team"], digest),
        )
    )  # fmt: skip
    return True


def by_ticket(connection: Connection, vault: Vault, ticket: str) -> Link | None:
    """The link of a ticket while it may be used: until what it is for is decided, or its time is over."""
    row = one(connection, select(private_link).where(private_link.c.id == _id(ticket)))
    if row is None or row["expires_at"] < time.time():
        return None
    status = connection.execute(select(approval.c.status).where(approval.c.id == row["approval_id"])).scalar()
    return opened(vault, row) if status == "pending" else None


def of_run(connection: Connection, vault: Vault, run_id: str) -> list[tuple[Link, str]]:
    """The links of a run, each with how what it is for stands."""
    query = select(private_link, approval.c.status).join(approval, approval.c.id == private_link.c.approval_id)
    rows = connection.execute(query.where(private_link.c.run_id == run_id).order_by(approval.c.asked_at)).mappings()
    return [(opened(vault, row), row["status"]) for row in rows]


def opened(vault: Vault, row: Any) -> Link:
    told = vault.open(row["sealed"], "private_link", row["team_id"], row["id"])
    return Link(
        told["ticket"], told["url"], told["state"], row["server"], row["host"], told["scope"],
        told["principal"], row["person"], row["approval_id"], row["expires_at"],
    )  # fmt: skip


def _id(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
