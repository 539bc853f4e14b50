"""Links for one person's eyes: made with what waits for them, brought by the surface in a private message."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from bot.store.database import Tx, one
from bot.store.mcp_tables import private_link
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
    person: str
    approval_id: str
    expires_at: float


def offer(tx: Tx, vault: Vault, run: Any, approval_id: str, told: dict[str, str], expires_at: float) -> bool:
    """Make the link of an approval, once; `told` has kind, server, host, url, state, scope and person."""
    known = select(private_link.c.id).where(private_link.c.approval_id == approval_id)
    if tx.execute(known).first() is not None:
        return False
    ticket = secrets.token_urlsafe(32)
    digest = _id(ticket)
    inside = {"ticket": ticket, "url": told["url"], "state": told["state"], "scope": told["scope"]}
    tx.execute(
        insert(private_link).values(
            id=digest, team_id=run["team"], run_id=run["id"], approval_id=approval_id, person=told["person"],
            kind=told["kind"], server=told["server"], host=told["host"], expires_at=expires_at,
            sealed=vault.seal(inside, "private_link", run["team"], digest),
        )
    )  # fmt: skip
    return True


def by_ticket(connection: Connection, vault: Vault, ticket: str) -> Link | None:
    row = one(connection, select(private_link).where(private_link.c.id == _id(ticket)))
    return None if row is None else opened(vault, row)


def opened(vault: Vault, row: Any) -> Link:
    told = vault.open(row["sealed"], "private_link", row["team_id"], row["id"])
    return Link(
        told["ticket"], told["url"], told["state"], row["server"], row["host"], told["scope"], row["person"],
        row["approval_id"], row["expires_at"],
    )  # fmt: skip


def _id(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
