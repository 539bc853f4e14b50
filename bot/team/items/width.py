"""How many calls run side by side: more while all goes well, half when the other side says that it is too many."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

START = 8
MOST = 16
LEAST = 1
PAUSE_S = 0.25  # after a first loss without a word how long; it doubles
LONGEST_S = 60.0


@dataclass
class Width:
    """A gate for calls, shared by all bulk work of a process. Additive increase, multiplicative decrease.

    Until the first loss each success admits one more, so that the whole width is there after a moment; after it a
    whole round of successes does.
    """

    start: int = START
    most: int = MOST
    now: Callable[[], float] = field(default_factory=lambda: asyncio.get_running_loop().time)
    held_until: float = 0.0
    in_flight: int = 0
    losses: int = 0  # in a row, rounds of them
    _generation: int = 0
    _lost_once: bool = False
    _waiting: deque[tuple[object, asyncio.Future[bool]]] = field(default_factory=deque)
    _timer: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        self.current = float(min(self.start, self.most))

    async def enter(self, of: object) -> int | None:
        """Wait for a place; returns the ticket to leave with, or None when `of` was turned away meanwhile."""
        if self._room() and not self._waiting:
            self.in_flight += 1
            return self._generation
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waits = (of, place)
        self._waiting.append(waits)
        self._let_in()
        try:
            let_in = await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.result():
                self._leave()  # it was let in at the same moment
            elif waits in self._waiting:
                self._waiting.remove(waits)
            raise
        return self._generation if let_in else None

    def turn_away(self, of: object) -> None:
        """Send home who waits for a place: this work begins nothing more."""
        for waits in [w for w in self._waiting if w[0] is of]:
            self._waiting.remove(waits)
            if not waits[1].done():
                waits[1].set_result(False)

    def done(self) -> None:
        """A call went well."""
        self.losses = 0
        self.current = min(float(self.most), self.current + (1 / self.current if self._lost_once else 1))
        self._leave()

    def over(self) -> None:
        """A call ended in a way that says nothing about the width."""
        self._leave()

    def lost(self, ticket: int, retry_after: float | None = None) -> None:
        """A call was turned away. Those of the same round count once; all wait for as long as the other side asks."""
        self._lost_once = True
        if ticket == self._generation:
            self._generation += 1
            self.losses += 1
            self.current = max(float(LEAST), self.current / 2)
        pause = retry_after if retry_after is not None else PAUSE_S * 2.0 ** min(self.losses - 1, 10)
        self.held_until = max(self.held_until, self.now() + min(max(pause, 0.0), LONGEST_S))
        self._leave()

    @property
    def held_s(self) -> float:
        """Seconds until calls are let in again."""
        return max(0.0, self.held_until - self.now())

    def _leave(self) -> None:
        self.in_flight -= 1
        self._let_in()

    def _room(self) -> bool:
        return self.in_flight < int(self.current) and self.now() >= self.held_until

    def _let_in(self) -> None:
        while self._waiting and self._room():
            _, place = self._waiting.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(True)
        if self._waiting and self.held_s and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.held_s + 0.001, self._again)

    def _again(self) -> None:
        self._timer = None
        self._let_in()
