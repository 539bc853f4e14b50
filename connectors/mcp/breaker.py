"""When a server that keeps failing may be started again."""

import random
from collections import deque

_FIRST_S = 0.1
_LONGEST_S = 30.0
_WINDOW_S = 120.0
_FAILURES = 5


class Breaker:
    """Backoff from a tenth of a second to half a minute; five failures in two minutes open it for half a minute."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self._failed: deque[float] = deque()
        self._chance = chance or random.Random()
        self._not_before = 0.0

    def failed(self, now: float) -> None:
        self._failed.append(now)
        while self._failed[0] < now - _WINDOW_S:
            self._failed.popleft()
        backoff = min(_FIRST_S * 2 ** (len(self._failed) - 1), _LONGEST_S)
        if len(self._failed) >= _FAILURES:
            backoff = _LONGEST_S
        self._not_before = now + backoff * self._chance.uniform(0.8, 1.0)

    def succeeded(self) -> None:
        self._failed.clear()
        self._not_before = 0.0

    def is_open(self, now: float) -> bool:
        """Whether calls fail at once; after its time one attempt is let through."""
        return len(self._failed) >= _FAILURES and now < self._not_before

    def wait_s(self, now: float) -> float:
        """How long the next attempt waits."""
        return max(0.0, self._not_before - now)
