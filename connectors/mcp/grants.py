"""Grants kept in memory: for one process, and as the measure of what a store has to do."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .ports import Attempt, Grant, Registration, StoredGrant


class MemoryGrants:
    """A `GrantStore` that forgets everything with its process."""

    def __init__(self) -> None:
        self._grants: dict[tuple[str, str], StoredGrant] = {}
        self._registrations: dict[tuple[str, str], Registration] = {}
        self._attempts: dict[str, Attempt] = {}
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._version = 0

    async def grant(self, server: str, principal: str) -> StoredGrant | None:
        return self._grants.get((server, principal))

    async def keep(self, server: str, principal: str, grant: Grant, *, expected: int | None) -> bool:
        stored = self._grants.get((server, principal))
        if expected is not None and (stored is None or stored.version != expected):
            return False
        self._version += 1
        self._grants[server, principal] = StoredGrant(grant, self._version)
        return True

    async def forget(self, server: str, principal: str, *, expected: int) -> bool:
        stored = self._grants.get((server, principal))
        if stored is None or stored.version != expected:
            return False
        del self._grants[server, principal]
        return True

    @asynccontextmanager
    async def refreshing(self, server: str, principal: str) -> AsyncIterator[None]:
        async with self._locks[server, principal]:
            yield

    async def registration(self, server: str, issuer: str) -> Registration | None:
        return self._registrations.get((server, issuer))

    async def keep_registration(self, server: str, registration: Registration) -> None:
        self._registrations[server, registration.issuer] = registration

    async def attempt(self, server: str, principal: str) -> Attempt | None:
        now = time.time()
        open_ones = [a for a in self._attempts.values() if (a.server, a.principal) == (server, principal)]
        return next((a for a in reversed(open_ones) if a.expires_at > now), None)

    async def keep_attempt(self, attempt: Attempt) -> None:
        self._attempts[attempt.state] = attempt

    async def take_attempt(self, state: str) -> Attempt | None:
        attempt = self._attempts.pop(state, None)
        return attempt if attempt is not None and attempt.expires_at > time.time() else None
