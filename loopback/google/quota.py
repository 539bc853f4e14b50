"""Requests per minute and person, per service: off until a limit is set, then refused as Google refuses."""

from __future__ import annotations

from collections import defaultdict, deque

from loopback.control import Clock
from loopback.google.errors import GoogleError

MINUTE_S = 60.0


class Quotas:
    """How many requests a person may make in a minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """No limits."""
        self.limits: dict[str, int] = {}
        self._made: dict[tuple[str, str], deque[float]] = defaultdict(deque)

    def count(self, service: str, user: str) -> None:
        """One more request; raises as the service does once there are too many."""
        limit = self.limits.get(service)
        if limit is None:
            return
        made, now = self._made[service, user], self._clock.now()
        while made and made[0] <= now - MINUTE_S:
            made.popleft()
        if len(made) >= limit:
            raise _exceeded(service)
        made.append(now)


def _exceeded(service: str) -> GoogleError:
    if service in ("drive", "calendar"):
        return GoogleError(403, "User Rate Limit Exceeded", reason="userRateLimitExceeded", domain="usageLimits")
    text = (
        "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per user' of service "
        f"'{service}.googleapis.com' for consumer 'project_number:1'."
    )
    return GoogleError(429, text)
