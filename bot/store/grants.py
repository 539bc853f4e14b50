"""People's accounts at connected servers, encrypted; one process refreshes at a time."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import and_, delete, insert, or_, select, update

from bot.store.database import Database, Tx, one
from bot.store.mcp_tables import mcp_attempt, mcp_grant, mcp_registration
from bot.store.vault import Vault
from connectors.mcp import Attempt, Grant, Registration, StoredGrant

LOCK_S = 20.0  # longer than a refresh takes; a holder that died is not waited for longer
LOOK_S = 0.05


class Grants:
    """What `connectors.mcp.GrantStore` asks for, over the store's tables."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self._db, self._vault = db, vault

    async def grant(self, server: str, principal: str) -> StoredGrant | None:
        row = await self._db.read(lambda c: one(c, select(mcp_grant).where(_is(server, principal))))
        if row is None:
            return None
        told = self._vault.open(row["sealed"], "mcp_grant", team_of(principal), server, principal)
        return StoredGrant(Grant.from_json(told), row["version"])

    async def keep(self, server: str, principal: str, grant: Grant, *, expected: int | None) -> bool:
        team = team_of(principal)
        sealed = self._vault.seal(grant.to_json(), "mcp_grant", team, server, principal)

        def work(tx: Tx) -> bool:
            row = one(tx.connection, select(mcp_grant.c.version).where(_is(server, principal)))
            if expected is not None and (row is None or row["version"] != expected):
                return False
            if row is None:
                return tx.add(
                    mcp_grant, team_id=team, server=server, principal=principal, version=1, sealed=sealed,
                    updated_at=tx.now(), lock_until=0.0,
                )  # fmt: skip
            held = and_(_is(server, principal), mcp_grant.c.version == row["version"])
            values = {"version": row["version"] + 1, "sealed": sealed, "updated_at": tx.now()}
            return tx.execute(update(mcp_grant).where(held).values(**values)).rowcount > 0

        return await self._db.write(work)

    async def forget(self, server: str, principal: str, *, expected: int) -> bool:
        held = and_(_is(server, principal), mcp_grant.c.version == expected)
        return await self._db.write(lambda tx: tx.execute(delete(mcp_grant).where(held)).rowcount > 0)

    @asynccontextmanager
    async def refreshing(self, server: str, principal: str) -> AsyncIterator[None]:
        me = uuid.uuid4().hex
        while True:
            if await self._db.write(lambda tx: _lock(tx, server, principal, me)):
                break
            await asyncio.sleep(LOOK_S)  # another process has it, which nothing here is told of
        try:
            yield
        finally:
            mine = and_(_is(server, principal), mcp_grant.c.lock_owner == me)
            free = update(mcp_grant).where(mine).values(lock_owner=None, lock_until=0.0)
            await self._db.write(lambda tx: tx.execute(free))

    async def registration(self, server: str, issuer: str) -> Registration | None:
        query = select(mcp_registration.c.sealed).where(
            mcp_registration.c.server == server, mcp_registration.c.issuer == issuer
        )
        sealed = await self._db.read(lambda c: c.execute(query).scalar())
        if sealed is None:
            return None
        return Registration.from_json(self._vault.open(sealed, "mcp_registration", server, issuer))

    async def keep_registration(self, server: str, registration: Registration) -> None:
        issuer = registration.issuer
        sealed = self._vault.seal(registration.to_json(), "mcp_registration", server, issuer)

        def work(tx: Tx) -> None:
            which = and_(mcp_registration.c.server == server, mcp_registration.c.issuer == issuer)
            tx.execute(delete(mcp_registration).where(which))
            tx.execute(insert(mcp_registration).values(team_id="", server=server, issuer=issuer, sealed=sealed))

        await self._db.write(work)

    async def attempt(self, server: str, principal: str) -> Attempt | None:
        a = mcp_attempt.c
        query = select(mcp_attempt).where(
            a.team_id == team_of(principal), a.server == server, a.principal == principal, a.used_at.is_(None),
            a.expires_at > time.time(),
        ).order_by(a.expires_at.desc())  # fmt: skip
        row = await self._db.read(lambda c: one(c, query))
        return None if row is None else self._attempt(row)

    async def keep_attempt(self, attempt: Attempt) -> None:
        digest = _sha256(attempt.state)
        row = {"state_sha256": digest, "team_id": team_of(attempt.principal), "server": attempt.server,
               "principal": attempt.principal, "expires_at": attempt.expires_at,
               "sealed": self._vault.seal(attempt.to_json(), "mcp_attempt", digest)}  # fmt: skip

        def work(tx: Tx) -> None:
            tx.execute(delete(mcp_attempt).where(mcp_attempt.c.expires_at < time.time() - 86_400))
            tx.execute(insert(mcp_attempt).values(**row, browser=""))

        await self._db.write(work)

    async def take_attempt(self, state: str) -> Attempt | None:
        def work(tx: Tx) -> Any:
            mine = and_(mcp_attempt.c.state_sha256 == _sha256(state), mcp_attempt.c.used_at.is_(None))
            in_time = and_(mine, mcp_attempt.c.expires_at > time.time())
            taken = update(mcp_attempt).where(in_time).values(used_at=time.time()).returning(mcp_attempt)
            return tx.execute(taken).mappings().first()

        row = await self._db.write(work)
        return None if row is None else self._attempt(row)

    # -- the browser that began a sign-in is the one that may end it ------------------------------------------------

    async def begun_in(self, state: str, browser: str) -> None:
        """A person went on from their private link in this browser."""
        which = and_(mcp_attempt.c.state_sha256 == _sha256(state), mcp_attempt.c.used_at.is_(None))
        change = update(mcp_attempt).where(which).values(browser=_sha256(browser))
        await self._db.write(lambda tx: tx.execute(change))

    async def is_open(self, state: str) -> bool:
        a = mcp_attempt.c
        query = select(a.state_sha256).where(
            a.state_sha256 == _sha256(state), a.used_at.is_(None), a.expires_at > time.time()
        )
        return await self._db.read(lambda c: c.execute(query).first()) is not None

    async def is_browser_of(self, state: str, browser: str) -> bool:
        query = select(mcp_attempt.c.browser).where(mcp_attempt.c.state_sha256 == _sha256(state))
        return bool(browser) and await self._db.read(lambda c: c.execute(query).scalar()) == _sha256(browser)

    def _attempt(self, row: Any) -> Attempt:
        return Attempt.from_json(self._vault.open(row["sealed"], "mcp_attempt", row["state_sha256"]))


def team_of(principal: str) -> str:
    """The workspace an account belongs to; "" for one that serves everybody."""
    return principal.split(":")[1] if ":" in principal else ""


def _is(server: str, principal: str) -> Any:
    g = mcp_grant.c
    return and_(g.team_id == team_of(principal), g.server == server, g.principal == principal)


def _lock(tx: Tx, server: str, principal: str, me: str) -> bool:
    now = tx.lease_now()
    known = one(tx.connection, select(mcp_grant.c.lock_owner).where(_is(server, principal)))
    free = or_(mcp_grant.c.lock_owner.is_(None), mcp_grant.c.lock_until < now)
    taking = update(mcp_grant).where(and_(_is(server, principal), free))
    return known is None or tx.execute(taking.values(lock_owner=me, lock_until=now + LOCK_S)).rowcount > 0


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
