"""Slack's rate limits: how long a caller must wait, per method and app, and per channel for posts."""

import math
from collections import deque

from loopback.control import Clock

PER_MINUTE = {1: 1, 2: 20, 3: 50, 4: 100}
MINUTE_S = 60.0
POST_S = 1.0  # one message a second in each channel


class RateLimits:
    """Counts the calls of the last minute on the workspace's clock; says nothing while it is off."""

    def __init__(self, clock: Clock, on: bool) -> None:
        self._clock = clock
        self.on = on
        self._calls: dict[tuple[str, ...], deque[float]] = {}

    def reset(self) -> None:
        self._calls.clear()

    def wait(self, method: str, who: str, tier: int, channel: str) -> int:
        """Whole seconds until this call may be made; 0 lets it pass and counts it.

        `tier` is 0 for methods without a limit worth acting out; a channel's own pace replaces the tier of posts.
        """
        if not self.on:
            return 0
        if method == "chat.postMessage":
            return self._within((method, who, channel), 1, POST_S)
        if method == "apps.connections.open":  # an app opens its ten sockets together
            return self._within((method, who), 10, MINUTE_S)
        return self._within((method, who), PER_MINUTE[tier], MINUTE_S) if tier else 0

    def _within(self, key: tuple[str, ...], most: int, seconds: float) -> int:
        now = self._clock.now()
        calls = self._calls.setdefault(key, deque())
        while calls and now - calls[0] >= seconds:
            calls.popleft()
        if len(calls) >= most:
            return max(1, math.ceil(calls[0] + seconds - now))
        calls.append(now)
        return 0
