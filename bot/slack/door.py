"""Who is let in: what the workspace says about a person, and what the rules of access say to that.

Judged in the transaction that keeps what somebody sent, so that nothing of a person who may not ask is ever work.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import structlog

from bot.errors import CadreError
from bot.policy.access import Access, Role
from bot.slack.scheduler import Done, Outcome, Priority, Refused, Scheduler
from bot.store import people
from bot.store.database import Database, Tx
from bot.types import Json, Person

log = structlog.get_logger()

FRESH_S = 3_600.0  # then Slack is asked again
STALE_S = 86_400.0  # as long holds what was known, while Slack does not answer
UNSEEN_S = 60.0  # until a missing permission is looked for again
LOOK_S = 1.2  # of the three seconds that Slack waits for an acknowledgement
GONE = ("user_not_found", "users_not_found", "user_not_visible")
NO_GROUP = ("no_such_subteam", "plan_upgrade_required")


class Unknown(CadreError):
    """It is not known yet who sent this."""

    def __init__(self, team: str, user: str) -> None:
        super().__init__()
        self.team, self.user = team, user


class Door:
    """Judges people, and learns who they are."""

    def __init__(self, db: Database, scheduler: Scheduler, access: Access) -> None:
        self.db, self.scheduler, self.access = db, scheduler, access
        self._groups: dict[tuple[str, str], tuple[float, frozenset[str]]] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[None]] = {}

    def person(self, tx: Tx, team: str, user: str, *, late: bool = False) -> Person:
        """Who this is. Raises Unknown when it must be asked first; `late` takes what was known before."""
        known = people.get(tx.connection, team, user)
        if known is None:
            raise Unknown(team, user)
        fresh = UNSEEN_S if known.person.kind == "unseen" else FRESH_S
        age = tx.now() - known.at
        if age > (STALE_S if late else fresh):
            raise Unknown(team, user)
        return known.person

    def why_not(self, tx: Tx, team: str, user: str, channel: str, wanted: Role, *, late: bool = False) -> str:
        """Why somebody may not do this here: guest, outsider, unseen, closed, or the role it needs; else ""."""
        person = self.person(tx, team, user, late=late)
        role = self.access.role(person, channel)
        if role >= wanted:
            return ""
        if role is Role.NOTHING:
            return person.kind if person.kind != "member" else "closed"
        return wanted.name.lower()

    async def learn(self, team: str, user: str) -> None:
        """Ask Slack who somebody is, for as long as an acknowledgement can wait; the answer is kept when it comes."""
        key = (team, user)
        if key not in self._asking:
            self._asking[key] = asyncio.get_running_loop().create_task(self._learn(team, user))
            self._asking[key].add_done_callback(lambda _: self._asking.pop(key, None))
        await asyncio.wait([self._asking[key]], timeout=LOOK_S)

    async def close(self) -> None:
        for task in list(self._asking.values()):
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _learn(self, team: str, user: str) -> None:
        try:
            person = await self._ask(team, user)
            if person is not None:
                await self.db.write(lambda tx: people.keep(tx, team, person))
        except Exception:
            log.exception("it could not be learned who somebody is")

    async def _ask(self, team: str, user: str) -> Person | None:
        told = await self.scheduler.call(team, "users.info", {"user": user}, priority=Priority.RESULT)
        if isinstance(told, Refused):
            if told.error in GONE:
                return Person(user, "outsider")
            log.error("Slack does not say who people are", why=told.error)
            return Person(user, "unseen")
        if not isinstance(told, Done):
            return None
        about: Json = told.data.get("user") or {}
        profile = about.get("profile") or {}
        name = str(profile.get("display_name") or about.get("real_name") or about.get("name") or "")
        return await self._grouped(team, Person(user, kind_of(about, team), (), name))

    async def _grouped(self, team: str, person: Person) -> Person | None:
        """The person with their groups; None while Slack does not say who is in one. A group that it refuses to
        show has no members, as far as that lets nobody do more than they may."""
        refused = []
        for group in self.access.asked_groups:
            members = await self._members(team, group)
            if members is None:
                return None
            if isinstance(members, Refused):
                refused.append(group)
            elif person.id in members:
                person = replace(person, groups=(*person.groups, group))
        if any(self._takes(person, group) for group in refused):
            return Person(person.id, "unseen")
        return person

    def _takes(self, person: Person, group: str) -> bool:
        """Whether somebody may do less anywhere when they are in this group."""
        role, within = self.access.role, replace(person, groups=(*person.groups, group))
        return any(role(within, channel) < role(person, channel) for channel in ("", *self.access.channels))

    async def _members(self, team: str, group: str) -> frozenset[str] | Refused | None:
        """The people of a user group, for a while as they were known before; else why it cannot be read."""
        at, known = self._groups.get((team, group), (0.0, frozenset[str]()))
        age = self.db.now() - at
        if age < FRESH_S and at:
            return known
        told = await self.scheduler.call(team, "usergroups.users.list", {"usergroup": group})
        if not isinstance(told, Done):
            log.error("a user group cannot be read", group=group, why=str(told))
            if isinstance(told, Refused) and told.error in NO_GROUP:
                return frozenset()
            if at and age < STALE_S:
                return known
            return told if isinstance(told, Refused) else None
        known = frozenset(str(user) for user in told.data.get("users") or ())
        self._groups[team, group] = (self.db.now(), known)
        return known


def kind_of(about: Json, team: str) -> str:
    """member, guest or outsider, by what Slack says of a person."""
    grid: Any = about.get("enterprise_user") or {}
    home = about.get("team_id") or team
    if about.get("is_stranger") or (home != team and team not in (grid.get("teams") or ())):
        return "outsider"
    if about.get("deleted") or about.get("is_restricted") or about.get("is_ultra_restricted"):
        return "guest"
    return "member"


async def look_at(scheduler: Scheduler, team: str, channel: str) -> Outcome | None:
    """What Slack says of a channel; None when it does not in the time that somebody waits."""
    try:
        return await asyncio.wait_for(scheduler.call(team, "conversations.info", {"channel": channel}), LOOK_S)
    except TimeoutError:
        return None
