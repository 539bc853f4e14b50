"""Kept answers of connected servers that hold resources or point to them: let go of when one of those changes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from bot.store import reads
from bot.store.database import Database, Tx

MOST = 2_000  # resources that are remembered as kept; older ones are only let go of by age


class Followed:
    """Which teams have answers kept that rest on a resource, as far as this process read them."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept: dict[tuple[str, str], set[str]] = {}  # (alias, address) -> teams
        self._reading: Counter[tuple[str, str]] = Counter()  # (alias, team) -> calls under way
        self._due: set[tuple[str, str]] = set()  # (alias, team) whose answers are to be let go of
        self._one = asyncio.Lock()
        self._at_work: set[asyncio.Task[None]] = set()

    @contextmanager
    def reading(self, alias: str, team: str) -> Iterator[None]:
        """A call is under way: what changes meanwhile may be missing in its answer."""
        self._reading[alias, team] += 1
        try:
            yield
        finally:
            self._reading[alias, team] -= 1
            if not self._reading[alias, team]:
                del self._reading[alias, team]

    def rests(self, alias: str, team: str, uris: Iterable[str]) -> None:
        """An answer that is being kept holds these resources, or points to them."""
        for uri in uris:
            self._kept.setdefault((alias, uri), set()).add(team)
        for key in list(self._kept)[:-MOST]:
            del self._kept[key]

    def updated(self, alias: str, uri: str) -> None:
        """A resource changed, or may have: what the host is given as its listener. It does not wait."""
        teams = self._kept.pop((alias, uri), set()) | {team for a, team in self._reading if a == alias}
        if teams:
            self._due |= {(alias, team) for team in teams}
            task = asyncio.create_task(self.settled(), name=f"mcp let go {alias}")
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)

    async def settled(self) -> None:
        """Returns when what rests on changed resources is not given out any more; nearly always at once."""
        async with self._one:
            while self._due:
                due, self._due = self._due, set()
                await self._db.write(lambda tx, due=due: _let_go(tx, due))  # type: ignore[misc]

    async def close(self) -> None:
        """To be called when the host tells nothing any more."""
        await asyncio.gather(*self._at_work)


def _let_go(tx: Tx, due: set[tuple[str, str]]) -> None:
    """As if Cadre had written there: nothing that was read before is given out, and no read from before is kept."""
    for alias, team in sorted(due):
        reads.written(tx, team, f"mcp:{alias}")
