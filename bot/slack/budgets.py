"""How much of Slack one app may use: calls per minute of each method, posts per second of each channel, and turns.

A turn is a place in the line of those who want the same method again and again: every live run gets its share of
the minute, and draws what it shows only when its turn has come.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PER_MINUTE = {
    "agents.sessions.setStatus": 50,
    "assistant.threads.setStatus": 60,
    "assistant.threads.setSuggestedPrompts": 50,
    "canvases.access.set": 50,
    "canvases.create": 20,
    "canvases.edit": 50,
    "chat.delete": 50,
    "chat.getPermalink": 60,
    "chat.postEphemeral": 100,
    "chat.postMessage": 200,  # Slack's own limit is per channel, below
    "chat.update": 50,
    "conversations.history": 50,
    "conversations.info": 50,
    "conversations.open": 50,
    "conversations.replies": 50,
    "files.completeUploadExternal": 100,
    "files.getUploadURLExternal": 100,
    "files.info": 100,
    "usergroups.users.list": 20,
    "users.info": 100,
    "views.open": 100,
    "views.publish": 100,
}
DEFAULT_PER_MINUTE = 20
UNCOUNTED = 60_000  # calls a minute to a local Slack without limits
SPARE = 1  # calls of each minute left unused: what is paced here arrives there a little closer together
BURSTS = {"chat.update": 2.1}  # the rest comes evenly, so that cards of many runs stay young; .1: one may be late
CHANNEL_S = 1.05  # between two posts in one channel, counted from Slack's answer
RESERVE = 1.0  # what results may still use when progress has spent the rest
TICK_S = 1e-6  # less is no time to wait for
LATE_S = 0.3  # who does not come for its turn in this time lets others by, and has it as soon as it comes
FORGOTTEN_S = 4.0  # who does not come for so long has no place any more


@dataclass
class Bucket:
    """Tokens that come back evenly; never more than `burst` at once, so that no minute exceeds its limit."""

    burst: float
    per_second: float
    at: float
    tokens: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = self.burst

    def wait(self, now: float, keep: float) -> float:
        """Seconds until one token is free beyond the `keep` reserved ones."""
        self.tokens = min(self.burst, self.tokens + max(0.0, now - self.at) * self.per_second)
        self.at = max(self.at, now)
        left = max(0.0, (1.0 + keep - self.tokens) / self.per_second) + (self.at - now)
        return left if left > TICK_S else 0.0

    def take(self) -> None:
        self.tokens -= 1.0

    def empty_until(self, then: float) -> None:
        """Slack said to wait: nothing before `then`, one call right after."""
        self.at, self.tokens = max(self.at, then), min(self.tokens, 1.0)

    def restart(self, now: float) -> None:
        """The last call was answered now: the next comes a full interval later, whenever Slack counted it."""
        self.at, self.tokens = max(self.at, now), min(self.tokens, 0.0)


@dataclass
class _Place:
    ready: float  # when its holder has something new to show, at the earliest
    told: float = 0.0  # when it was told to ask again


@dataclass
class Turns:
    """The line for one method of one workspace; each holder has at most one place in it."""

    gap: float
    ease: float  # how far ahead of the even pace turns may come, after a quiet time
    next: float = 0.0  # the turn before is taken, though the call that uses it may not have been made yet
    line: dict[str, _Place] = field(default_factory=dict)  # first come, first served

    def ask(self, holder: str, now: float, not_before: float, wait: float) -> float:
        """Seconds until the holder asks again; 0: now is its turn, and it is used up. `wait` is the method's own.

        Whoever is told to wait comes one turn early, so that a place that was given up leaves no turn unused.
        """
        mine = self.line.setdefault(holder, _Place(not_before))
        wait = max(wait, self.next - now, mine.ready - now)
        before = self._before(mine, now, now + wait)
        coming = any(now - LATE_S <= one.told <= now + self.gap for one in before)
        if wait <= TICK_S and not coming:  # late, or told to come when the line was longer: the turn would be lost
            del self.line[holder]
            self.next = max(self.next, now - self.ease) + self.gap
            return 0.0
        again = max(self.gap / 4, (len(before) - 1) * self.gap + wait) if before else wait
        mine.told = now + again
        return again

    def leave(self, holder: str) -> None:
        """Give a place up; who stands behind it moves on."""
        self.line.pop(holder, None)

    def _before(self, mine: _Place, now: float, then: float) -> list[_Place]:
        """Who stands before this place and will be ready then; who did not come for long has gone."""
        found = []
        for holder, one in list(self.line.items()):
            if one is mine:
                break
            if one.told < now - FORGOTTEN_S:
                del self.line[holder]
            elif one.ready <= then + TICK_S:
                found.append(one)
        return found


class Budgets:
    """The buckets and lines of one app in all its workspaces."""

    def __init__(self, *, counted: bool = True) -> None:
        """`counted` is off for a local Slack that lets every call pass: then nothing is held up either."""
        self._counted = counted
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._turns: dict[tuple[str, str], Turns] = {}

    def method(self, team: str, method: str, now: float) -> Bucket:
        limit = PER_MINUTE.get(method, DEFAULT_PER_MINUTE) - SPARE if self._counted else UNCOUNTED
        burst = BURSTS.get(method, 0.0) if self._counted else 0.0
        burst = burst or max(4.0, limit / 5)
        return self._bucket(team, method, burst, (limit - burst) / 60, now)

    def channel(self, team: str, channel: str, now: float) -> Bucket:
        pause = CHANNEL_S if self._counted else 60 / UNCOUNTED
        return self._bucket(team, f"channel:{channel}", 1.0, 1 / pause, now)

    def turns(self, team: str, method: str, now: float) -> Turns:
        if (team, method) not in self._turns:
            bucket = self.method(team, method, now)
            gap = 1 / bucket.per_second
            self._turns[team, method] = Turns(gap, (bucket.burst - RESERVE - 1) * gap)
        return self._turns[team, method]

    def _bucket(self, team: str, name: str, burst: float, per_second: float, now: float) -> Bucket:
        if (team, name) not in self._buckets:
            self._buckets[team, name] = Bucket(burst, per_second, now)
        return self._buckets[team, name]
