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
BURSTS = {"chat.update": 2.0}  # the rest comes evenly, so that cards of many runs stay young
CHANNEL_S = 1.05  # between two posts in one channel, counted from Slack's answer
RESERVE = 1.0  # what results may still use when progress has spent the rest
TICK_S = 1e-6  # less is no time to wait for
FORGOTTEN_S = 4.0  # a turn that is not taken for so long goes to the next in line


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
    at: float  # when the turn comes
    asked: float  # when its holder last looked


@dataclass
class Turns:
    """The line for one method of one workspace; each holder has at most one place in it."""

    gap: float
    ease: float  # how far ahead of the even pace the first may go, after a quiet time
    last: float = 0.0
    line: dict[str, _Place] = field(default_factory=dict)

    def ask(self, holder: str, now: float, not_before: float, wait: float) -> float:
        """Seconds until the holder's turn; 0 when it has come, which gives it up. `wait` is the method's own."""
        mine = self.line.get(holder)
        if mine is None:
            self.last = max(self.last + self.gap, now + wait - self.ease)
            mine = self.line[holder] = _Place(max(self.last, not_before, now + wait), now)
        mine.asked = now
        if mine.at > now + TICK_S:
            return mine.at - now
        if wait > 0:  # something more urgent went first: the whole line moves
            for one in self.line.values():
                one.at += wait if one.at >= mine.at else 0.0
            self.last += wait
            return wait
        gone = [who for who, one in self.line.items() if max(one.at, one.asked) < now - FORGOTTEN_S]
        for who in gone:
            del self.line[who]
        if any(one.at < mine.at for one in self.line.values()):
            return self.gap / 4
        del self.line[holder]
        return 0.0

    def leave(self, holder: str) -> None:
        """Give a place up; who stands behind it moves on."""
        mine = self.line.pop(holder, None)
        if mine is None:
            return
        for one in self.line.values():
            one.at -= self.gap if one.at > mine.at else 0.0
        self.last -= self.gap


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
            ease = (bucket.burst - RESERVE - 1) * gap
            self._turns[team, method] = Turns(gap, ease, now - gap - ease)
        return self._turns[team, method]

    def _bucket(self, team: str, name: str, burst: float, per_second: float, now: float) -> Bucket:
        if (team, name) not in self._buckets:
            self._buckets[team, name] = Bucket(burst, per_second, now)
        return self._buckets[team, name]
