"""The workspace's memory: people, channels, messages, files, views and sessions. No rules and no network here."""

import asyncio
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from loopback.control import Clock

Message = dict[str, Any]

PROCESSING_S = 3600.0  # Slack lets go of "processing" after about an hour
STATUS_S = 120.0  # and of an assistant status after two minutes


@dataclass
class Channel:
    """A conversation and everything said in it, in the order of `ts`."""

    id: str
    name: str
    members: list[str]
    is_private: bool = False
    is_im: bool = False
    is_mpim: bool = False
    is_archived: bool = False
    creator: str = ""
    topic: str = ""
    purpose: str = ""
    created: int = 0
    previous_names: list[str] = field(default_factory=list)
    messages: dict[str, Message] = field(default_factory=dict)
    replies: dict[str, list[str]] = field(default_factory=dict)
    ephemerals: list[Message] = field(default_factory=list)
    last_read: dict[str, str] = field(default_factory=dict)
    bookmarks: dict[str, dict[str, Any]] = field(default_factory=dict)
    pins: dict[str, dict[str, Any]] = field(default_factory=dict)
    canvas: str = ""

    @property
    def type(self) -> str:
        if self.is_im:
            return "im"
        return "mpim" if self.is_mpim else "group" if self.is_private else "channel"

    def top_level(self) -> Iterator[Message]:
        """What the channel shows outside threads, oldest first."""
        for message in self.messages.values():
            if message.get("thread_ts") in (None, message["ts"]) or message.get("subtype") == "thread_broadcast":
                yield message

    def thread(self, ts: str) -> list[Message]:
        """The parent and its replies, oldest first."""
        return [self.messages[one] for one in (ts, *self.replies.get(ts, [])) if one in self.messages]


@dataclass
class File:
    """An uploaded file and where it was shared."""

    id: str
    name: str
    title: str
    user: str
    created: int
    content: bytes = b""
    uploaded: bool = False
    shares: list[tuple[str, str]] = field(default_factory=list)
    external_id: str = ""  # of a remote file, which lives elsewhere
    external_url: str = ""
    public: bool = False  # by a link that anyone may open


@dataclass
class Session:
    """An agent's session in a thread."""

    status: str
    since: float
    title: str = ""
    initiator: str = ""

    def seen(self, now: float) -> str:
        """The status a person sees; "processing" fades when it is not renewed."""
        return "active" if self.status == "processing" and now - self.since >= PROCESSING_S else self.status


@dataclass
class Stream:
    """A message that is being streamed."""

    channel: str
    ts: str
    user: str
    started: float
    text: str = ""
    title: str = ""
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    blocks: list[dict[str, Any]] = field(default_factory=list)
    touched: float = 0.0  # when it last grew
    stopped_by_user: bool = False


@dataclass
class Scheduled:
    """A message that an app asked Slack to post later."""

    id: str
    channel: str
    user: str
    post_at: int
    created: int
    content: Message
    thread_ts: str | None = None


@dataclass
class Canvas:
    """A document of sections; of a channel, or its owner's own, whom `access` lets in: people and channels by id."""

    id: str
    title: str
    owner: str
    sections: dict[str, str]
    channel: str = ""
    access: dict[str, str] = field(default_factory=dict)


class Feed:
    """Tells every open page what changed."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[dict[str, Any]]] = set()

    def publish(self, type: str, **what: Any) -> None:
        for queue in self._listeners:
            queue.put_nowait({"type": type, **what})

    def listen(self) -> asyncio.Queue[dict[str, Any]]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._listeners.add(queue)
        return queue

    def leave(self, queue: asyncio.Queue[dict[str, Any]]) -> None:
        self._listeners.discard(queue)


class Workspace:
    """The state of one team, filled from a workspace.json."""

    def __init__(self, seed: Mapping[str, Any], clock: Clock) -> None:
        self._seed = seed
        self._clock = clock
        self.url = ""  # known once the server listens
        self.lag_s = 0.0  # how long history, replies and files.info do not show yet what was just accepted
        self.streams_end: Literal["absolute", "idle"] = "absolute"
        self.feed = Feed()
        self._ids = itertools.count(1)  # goes on after a reset: an id is never used twice
        self.reset()

    def reset(self) -> None:
        """Back to the seeded workspace."""
        self.team: dict[str, Any] = {"domain": "local", **self._seed["team"]}
        self.users: dict[str, dict[str, Any]] = {user["id"]: dict(user) for user in self._seed["users"]}
        self.groups: dict[str, dict[str, Any]] = {one["id"]: dict(one) for one in self._seed.get("usergroups", [])}
        self.channels: dict[str, Channel] = {}
        self.files: dict[str, File] = {}
        self.sessions: dict[tuple[str, str], Session] = {}
        self.statuses: dict[tuple[str, str], tuple[str, float]] = {}
        self.contexts: dict[str, dict[str, Any]] = {}  # what each person looks at beside the agent
        self.prompts: dict[tuple[str, str], list[dict[str, str]]] = {}
        self.streams: dict[tuple[str, str], Stream] = {}
        self.homes: dict[str, dict[str, Any]] = {}
        self.home_sources: dict[str, dict[str, Any]] = {}  # as published, to tell a change from a repetition
        self.modals: dict[str, list[dict[str, Any]]] = {}
        self.scheduled: dict[str, Scheduled] = {}
        self.canvases: dict[str, Canvas] = {}
        self.lists: dict[str, dict[str, Any]] = {}
        self.calls: dict[str, dict[str, Any]] = {}
        self.reminders: dict[str, dict[str, Any]] = {}
        self.manifests: dict[str, dict[str, Any]] = {}  # of apps that were made by their manifest
        self._last_us = 0
        for one in self._seed["channels"]:
            self.channels[one["id"]] = Channel(
                one["id"],
                one["name"],
                list(one.get("members", [])),
                bool(one.get("is_private")),
                topic=one.get("topic", ""),
                purpose=one.get("purpose", ""),
                creator=(one.get("members") or [""])[0],
                created=int(one.get("created", 1_700_000_000)),
            )
        for said in sorted(self._seed.get("messages", []), key=lambda message: float(message["ts"])):
            message = {"type": "message", "team": self.team["id"], **said}
            self.keep(self.channels[message.pop("channel")], message)

    # ---- identities

    def now(self) -> float:
        return self._clock.now()

    def settled(self, ts: str) -> bool:
        """Whether a message is old enough to be found by looking."""
        return self.now() - float(ts) >= self.lag_s

    def next_ts(self) -> str:
        """A timestamp that is later than every one before, whatever the clock does."""
        self._last_us = max(int(self.now() * 1_000_000), self._last_us + 1)
        return f"{self._last_us // 1_000_000}.{self._last_us % 1_000_000:06d}"

    def new_id(self, prefix: str) -> str:
        return f"{prefix}{next(self._ids):08X}"

    # ---- finding

    def user(self, name: str) -> str | None:
        """The id of a person by id or name."""
        wanted = name.removeprefix("@")
        if wanted in self.users:
            return wanted
        return next((id for id, one in self.users.items() if one["name"] == wanted), None)

    def is_outsider(self, user: str) -> bool:
        """Whether someone belongs to another workspace and is here by a shared channel."""
        return bool(self.users[user].get("team_id", self.team["id"]) != self.team["id"])

    def is_guest(self, user: str) -> bool:
        one = self.users[user]
        return bool(one.get("is_restricted") or one.get("is_ultra_restricted") or self.is_outsider(user))

    def may_see(self, channel: Channel, user: str) -> bool:
        """Whether someone finds this channel: public ones are open to full members, the rest to who is inside."""
        if user in channel.members:
            return True
        return not channel.is_private and user in self.users and not self.is_guest(user)

    def is_shared(self, channel: Channel) -> bool:
        """Whether people of another workspace are in it."""
        return any(self.is_outsider(one) for one in channel.members)

    def group(self, name: str) -> str | None:
        """The id of a user group by id or handle."""
        wanted = name.removeprefix("@")
        if wanted in self.groups:
            return wanted
        return next((id for id, one in self.groups.items() if one["handle"] == wanted and not one.get("off")), None)

    def channel(self, name: str) -> Channel | None:
        """A channel by id, or by name with or without `#`."""
        wanted = name.removeprefix("#")
        found = self.channels.get(wanted)
        return found or next((one for one in self.channels.values() if one.name == wanted and not one.is_im), None)

    def direct(self, one: str, other: str) -> Channel:
        """The direct conversation of two people, opened when there is none yet."""
        pair = sorted((one, other))
        for channel in self.channels.values():
            if channel.is_im and sorted(channel.members) == pair:
                return channel
        bots = [id for id in pair if self.users[id].get("is_bot")]
        named = next((id for id in pair if id not in bots), pair[0])
        id = "D" + named.removeprefix("U") if bots else self.new_id("D")
        channel = Channel(id, "", [one, other], is_private=True, is_im=True, created=int(self.now()))
        self.channels[id] = channel
        self.feed.publish("im_created", channel=id)
        return channel

    def together(self, people: list[str]) -> Channel:
        """The group conversation of more than two people, opened when there is none yet."""
        wanted = sorted(set(people))
        for channel in self.channels.values():
            if channel.is_mpim and sorted(channel.members) == wanted:
                return channel
        name = "mpdm-" + "--".join(self.users[id]["name"] for id in wanted) + "-1"
        id = self.new_id("G")
        self.channels[id] = Channel(
            id, name, wanted, is_private=True, is_mpim=True, creator=people[0], created=int(self.now())
        )
        self.feed.publish("im_created", channel=id)
        return self.channels[id]

    # ---- messages

    def keep(self, channel: Channel, message: Message) -> None:
        """Puts a message at the end of its channel and of its thread."""
        ts = message["ts"]
        channel.messages[ts] = message
        self._last_us = max(self._last_us, int(ts.replace(".", "")) if "." in ts else 0)
        parent = message.get("thread_ts")
        if parent and parent != ts:
            channel.replies.setdefault(parent, []).append(ts)
            if parent in channel.messages:
                channel.messages[parent]["thread_ts"] = parent

    def drop(self, channel: Channel, ts: str) -> None:
        """Takes a message away; a parent with replies leaves a tombstone."""
        message = channel.messages[ts]
        if channel.replies.get(ts):
            channel.messages[ts] = {
                "type": "message",
                "subtype": "tombstone",
                "user": "USLACKBOT",
                "text": "This message was deleted.",
                "hidden": True,
                "ts": ts,
                "thread_ts": ts,
            }
            return
        del channel.messages[ts]
        parent = message.get("thread_ts")
        if parent and ts in channel.replies.get(parent, []):
            channel.replies[parent].remove(ts)

    def status(self, channel: str, thread: str) -> str:
        """The assistant status shown under a thread, gone after two minutes."""
        text, since = self.statuses.get((channel, thread), ("", 0.0))
        return text if self.now() - since < STATUS_S else ""

    def modal(self, view_id: str) -> tuple[str, dict[str, Any]] | None:
        """The person and the open view with this id or external id."""
        for user, stack in self.modals.items():
            for view in stack:
                if view_id in (view["id"], view["external_id"]) and view_id:
                    return user, view
        return None


def canvas_level(space: Workspace, canvas: Canvas, user: str) -> str:
    """What someone may do with a canvas: owner, write, read, or "" when they do not see it at all."""
    if canvas.owner == user:
        return "owner"
    given = [level for one, level in canvas.access.items() if one == user or _inside(space, one, user)]
    given += ["write"] if _inside(space, canvas.channel, user) else []
    return next((level for level in ("owner", "write", "read") if level in given), "")


def _inside(space: Workspace, channel: str, user: str) -> bool:
    return channel in space.channels and user in space.channels[channel].members


def may_read(space: Workspace, file: File, user: str) -> bool:
    """Whether someone uploaded the file or is where it was shared."""
    return file.user == user or any(user in space.channels[place].members for place, _ in file.shares)
