"""The home tab: what needs me, what runs, what is done, what repeats, and the rules; published anew on change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Container, Iterable
from typing import Any

import structlog
from sqlalchemy import Connection, select

from bot.policy.access import Access, Role
from bot.slack import ways_words as words
from bot.slack.cards import Block, button, context, section
from bot.slack.door import look_at
from bot.slack.following import follow
from bot.slack.messages import STOP
from bot.slack.posting import BROKEN_TOKEN
from bot.slack.scheduler import Done, NotSent, Priority, Refused, Scheduler
from bot.store import journal, people
from bot.store import schema as t
from bot.store import surface_tables as st
from bot.store.database import Database
from bot.types import Json, Person

log = structlog.get_logger()

SHOWN = 8  # of each part
SETTLE_S = 1.0  # what changes within it is published together
KEPT_S = 14 * 86_400.0  # a home that nobody opened for so long is not kept current
AGAIN_S, BROKEN_AGAIN_S = 5.0, 60.0  # after Slack did not publish one; after it refused the token
PUBLIC_S = 3_600.0  # as long holds that a channel is public
GONE = ("not_enabled", "user_not_found", "users_not_found", "user_not_visible")


class Homes:
    """Publishes the homes of those who opened theirs."""

    def __init__(self, db: Database, scheduler: Scheduler, access: Access) -> None:
        self.db, self.scheduler, self.access = db, scheduler, access
        self._due: dict[tuple[str, str], float] = {}  # whose home, and not before when by the loop's clock
        self._opened: dict[tuple[str, str], None] = {}  # who looks at theirs now, in the order in which they came
        self._public: dict[tuple[str, str], float] = {}  # channel -> when it was public
        self._begun = False
        self._runs: set[str] = set()
        self._news = asyncio.Event()

    def opened(self, team: str, user: str) -> None:
        """Somebody looks at their home: it is shown as it is now."""
        self._opened[team, user] = None
        self._news.set()

    def changed(self, run_id: str) -> None:
        """Something happened in a run: the homes that show it may have changed."""
        self._runs.add(run_id)
        self._news.set()

    async def follow(self) -> None:
        """Publish what changed; runs as long as the surface, and begins with what changed while there was none."""
        await follow(self._turn, "homes")

    async def _turn(self) -> None:
        if not self._begun:
            since = self.db.now() - KEPT_S
            self._wanted(await self.db.read(lambda c: _visitors(c, since)))
            self._begun = True
        runs, self._runs = self._runs, set()
        try:
            self._wanted(await self.db.read(lambda c: _shown_to(c, runs, self.access)))
        except Exception:
            self._runs |= runs
            raise
        now = asyncio.get_running_loop().time()
        due = dict.fromkeys(sorted(who for who, at in self._due.items() if at <= now))
        published = bool(self._opened or due)
        while self._opened or due:
            who = next(iter(self._opened or due))  # who looks at theirs waits for nobody who does not
            for waiting in (self._opened, due, self._due):
                waiting.pop(who, None)
            await self._refresh(*who)
        if published:
            await asyncio.sleep(SETTLE_S)
        soonest = min(self._due.values(), default=None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(soonest):
                await self._news.wait()
        self._news.clear()

    def _wanted(self, who: Iterable[tuple[str, str]]) -> None:
        for one in who:
            self._due[one] = 0.0

    async def _refresh(self, team: str, user: str) -> None:
        try:
            wait = await self.publish(team, user)
        except Exception:
            log.exception("a home was not published", user=user)
            wait = AGAIN_S
        if wait:
            self._due.setdefault((team, user), asyncio.get_running_loop().time() + wait)

    async def publish(self, team: str, user: str) -> float:
        """Show somebody's home unless it shows the same already; returns in how many seconds to try again, or 0."""
        row = await self.db.read(lambda c: people.visitor(c, team, user))
        if row is None or row["opened_at"] < self.db.now() - KEPT_S:
            return 0.0
        now = self.db.now()
        channels = await self.db.read(lambda c: _elsewhere(c, self.access, team, user))
        public = {channel for channel in channels if await self._is_public(team, channel)}
        blocks = await self.db.read(lambda c: home(c, self.access, team, user, public))
        sha = journal.sha256_of(blocks)
        if sha == row["home_sha"]:
            return 0.0
        view = {"type": "home", "blocks": [*blocks, context(words.updated(now))]}
        payload = {"user_id": user, "view": view}
        told = await self.scheduler.call(
            team, "views.publish", payload, priority=Priority.UPDATE, key=f"home/{user}"
        )  # fmt: skip
        if isinstance(told, Done) or (isinstance(told, Refused) and told.error in GONE):
            await self.db.write(lambda tx: people.visit(tx, team, user, home_sha=sha))
            return 0.0
        log.warning("a home was not published", user=user, why=str(told))
        if isinstance(told, Refused):
            return BROKEN_AGAIN_S if told.error in BROKEN_TOKEN else 0.0
        return max(AGAIN_S, told.retry_after) if isinstance(told, NotSent) else AGAIN_S

    async def _is_public(self, team: str, channel: str) -> bool:
        """Whether everybody may read a channel. While Slack does not say so, nobody else may."""
        if self.db.now() < self._public.get((team, channel), -PUBLIC_S) + PUBLIC_S:
            return True
        told = await look_at(self.scheduler, team, channel)
        about: Json = (told.data.get("channel") or {}) if isinstance(told, Done) else {}
        kinds = ("is_private", "is_im", "is_mpim")
        if not about or any(about.get(kind) for kind in kinds):
            return False
        self._public[team, channel] = self.db.now()
        return True


def home(connection: Connection, access: Access, team: str, user: str, public: Container[str]) -> list[Block]:
    """The blocks of somebody's home. What others asked for elsewhere than in a `public` channel is shown without
    its words: who is a member there is not known."""
    person = _person(connection, team, user)
    held = max([access.role(person), *(access.role(person, channel) for channel in access.channels)])
    if held is Role.NOTHING:
        return [section(words.denied(person.kind if person.kind != "member" else "closed"))]
    asked = _asked(connection, access, person, team)
    running = _runs(connection, team, user, live=True)
    recent = _runs(connection, team, user, live=False)
    repeated = _automations(connection, team, user)
    return [
        *_part(words.NEEDS, [_row(_words(run, one, public), run, one["id"], one["link"]) for run, one in asked]),
        *_part(words.RUNNING, [_row(words.row(run), run, "running", stops=True) for run in running]),
        *_part(words.RECENT, [_row(words.row(run), run, "recent") for run in recent]),
        *_part(words.AUTOMATIONS, [[section(words.automation(one))] for one in repeated]),
        *_settings(held),
    ]


def _words(run: Json, one: Json, public: Container[str]) -> str:
    return words.question(run, one) if one["own"] or run["channel"] in public else words.HIDDEN


def _part(title: str, rows: list[list[Block]]) -> list[Block]:
    blocks: list[Block] = [{"type": "header", "text": {"type": "plain_text", "text": title}}]
    for row in rows[:SHOWN]:
        blocks += row
    if len(rows) > SHOWN:
        blocks.append(context(f"and {len(rows) - SHOWN} more"))
    if not rows:
        blocks.append(context(words.EMPTY[title]))
    return blocks


def _row(text: str, run: Json, place: str, link: str = "", *, stops: bool = False) -> list[Block]:
    """One line and its buttons; `place` tells it from the other rows of the same run."""
    blocks = [section(text)]
    elements = []
    target = link or run["permalink"]
    if target.startswith(("http://", "https://")):
        elements.append({**button(words.OPEN, "home:open", {"run": run["id"]}), "url": target[:3_000]})
    if stops:
        elements.append(button(STOP, "stop", {"run": run["id"]}))
    if elements:
        blocks.append({"type": "actions", "block_id": f"run:{run['id']}:{place}", "elements": elements})
    return blocks


def _settings(held: Role) -> list[Block]:
    buttons = [button(words.RULES, "home:rules", {})]
    if held >= Role.ASK:
        buttons.insert(0, button(words.ASK, "home:ask", {}, "primary"))
    return [
        {"type": "header", "text": {"type": "plain_text", "text": words.SETTINGS}},
        section(words.role(held)),
        {"type": "actions", "block_id": "settings", "elements": buttons},
    ]


def rules(access: Access, person: Person) -> Json:
    """The rules of access as a modal."""
    parts = words.rules(access, person)[:90]
    return {
        "type": "modal",
        "callback_id": "rules",
        "title": {"type": "plain_text", "text": words.RULES},
        "close": {"type": "plain_text", "text": "Close"},
        "blocks": [section(part) for part in parts],
    }


# -- rows ------------------------------------------------------------------------------------------------------------

_RUN = (
    t.run.c.id, t.run.c.team_id, t.run.c.channel, t.run.c.request, t.run.c.understood, t.run.c.status,
    t.run.c.control, t.run.c.permalink, t.run.c.thread, t.run.c.created_at, t.run.c.finished_at, t.run.c.requester,
)  # fmt: skip
_ENDED = ("done", "failed", "stopped")


def _runs(connection: Connection, team: str, user: str, *, live: bool) -> list[Json]:
    r = t.run.c
    state = r.status.not_in(_ENDED) if live else r.status.in_(_ENDED)
    query = select(*_RUN).where(r.team_id == team, r.requester == user, state)
    query = query.order_by(r.created_at.desc(), r.id).limit(SHOWN + 1)
    return [dict(row) for row in connection.execute(query).mappings()]


def _asked(connection: Connection, access: Access, person: Person, team: str) -> list[tuple[Json, Json]]:
    """What waits for this person: their own approvals and questions, and approvals that need their role."""
    a, r = t.approval.c, t.run.c
    query = (
        select(t.approval, *(column.label(f"of_{column.name}") for column in _RUN))
        .join(t.run, r.id == a.run_id)
        .where(r.team_id == team, a.status == "pending", r.status.not_in(_ENDED))
        .order_by(a.asked_at)
    )
    if access == Access():
        query = query.where(a.person == person.id)
    found = []
    for row in connection.execute(query).mappings():
        run = {column.name: row[f"of_{column.name}"] for column in _RUN}
        if _concerns(connection, access, person, row):
            one = {name: row[name] for name in ("id", "kind", "preview")}
            own = person.id in (run["requester"], _named(row))
            found.append((run, {**one, "own": own, "link": _link(connection, run, row)}))
    return found[: SHOWN + 1]


def _elsewhere(connection: Connection, access: Access, team: str, user: str) -> set[str]:
    """The channels in which somebody decides what others asked for."""
    asked = _asked(connection, access, _person(connection, team, user), team)
    return {run["channel"] for run, one in asked if not one["own"]}


def _person(connection: Connection, team: str, user: str) -> Person:
    known = people.get(connection, team, user)
    return known.person if known is not None else Person(user, "unseen")


def _named(row: Any) -> str:
    """Whom an approval asks."""
    return str(row["preview"].get("person") or row["person"])


def _concerns(connection: Connection, access: Access, person: Person, row: Any) -> bool:
    asked = _named(row)
    own = access.role(person, row["of_channel"])
    if asked == person.id:
        return row["kind"] in ("question", "budget") or own >= Role.APPROVE
    if row["kind"] not in ("changes", "plan", "call") or own < Role.APPROVE:
        return False
    return not _approves(connection, access, row["team_id"], asked, row["of_channel"])


def _approves(connection: Connection, access: Access, team: str, user: str, channel: str) -> bool:
    """Whether somebody's role approves in a channel."""
    return access.role(people.known(connection, team, user), channel) >= Role.APPROVE


def _link(connection: Connection, run: Json, row: Any) -> str:
    """The address of the card itself: the thread's own with the card's place in it."""
    key = f"{run['id']}/post/approval/{row['id']}"
    told = connection.execute(select(t.effect.c.result).where(t.effect.c.op_key == key)).scalar() or {}
    base, _, _ = run["permalink"].rpartition("/p")
    ts = str(told.get("ts", "")).replace(".", "")
    place = f"?thread_ts={run['thread']}&cid={run['channel']}"
    return f"{base}/p{ts}{place}" if base and ts.isdigit() else str(run["permalink"])


def _automations(connection: Connection, team: str, user: str) -> list[Json]:
    a = t.automation.c
    query = select(t.automation).where(a.team_id == team, a.owner == user, a.status != "removed")
    return [dict(row) for row in connection.execute(query.order_by(a.created_at).limit(SHOWN + 1)).mappings()]


def _visitors(connection: Connection, since: float) -> list[tuple[str, str]]:
    v = st.visitor.c
    query = select(v.team_id, v.user).where(v.opened_at > since)
    return [(row.team_id, row.user) for row in connection.execute(query)]


def _shown_to(connection: Connection, runs: set[str], access: Access) -> set[tuple[str, str]]:
    """Those whose opened homes may show one of these runs: who asked for it, who is asked, and who decides instead
    of somebody whose role does not."""
    if not runs:
        return set()
    r, a, v = t.run.c, t.approval.c, st.visitor.c
    asking = select(r.team_id, r.requester).where(r.id.in_(runs))
    concerned = {tuple(row) for row in connection.execute(asking)}
    opened = {(row.team_id, row.user) for row in connection.execute(select(v.team_id, v.user).where(v.opened_at > 0))}
    asked = select(a.team_id, a.person, a.preview, r.channel).join(t.run, r.id == a.run_id).where(a.run_id.in_(runs))
    for team, person, preview, channel in connection.execute(asked).all():
        named = str(preview.get("person") or person)
        concerned |= {(team, person), (team, named)}
        if access != Access() and not _approves(connection, access, team, named, channel):
            concerned |= {who for who in opened - concerned if _approves(connection, access, *who, channel)}
    return opened & concerned
