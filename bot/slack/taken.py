"""One payload on its way in, and what became of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from bot.coordinator.control import Told
from bot.policy.access import Access, Role
from bot.slack.door import Door
from bot.store.database import Tx
from bot.types import Json, Person, Request

# Words of control that need another role than to ask for work.
ROLES = {"status": Role.SEE, "why": Role.SEE, "undo": Role.APPROVE}


@dataclass(frozen=True)
class Ask:
    """A payload with what its judgement needs. `late` takes what was known of a person before."""

    body: Json
    bot_user: str
    door: Door
    member: bool = True  # Cadre is where a command or a form wants work
    late: bool = False

    @property
    def access(self) -> Access:
        return self.door.access

    def again(self) -> Ask:
        return dataclasses.replace(self, late=True)

    def why_not(self, tx: Tx, team: str, user: str, channel: str, wanted: Role) -> str:
        """Why somebody may not do this here, or "". Raises Unknown."""
        return self.door.why_not(tx, team, user, channel, wanted, late=self.late)

    def person(self, tx: Tx, team: str, user: str) -> Person:
        return self.door.person(tx, team, user, late=self.late)


@dataclass(frozen=True)
class Taken:
    """What became of a payload: a kept request, a word of control, an answer, or nothing (and why)."""

    request: Request | None = None
    reason: str = ""
    member: bool = True  # of the channel a command came from
    fresh: bool = True  # False for a second delivery
    told: Told | None = None  # what became of a word of control
    denied: str = ""  # why the person may not
    decided: str = ""  # what became of an approval or an answer
    place: tuple[str, str, str, str] = ("", "", "", "")  # team, channel, person and thread, for a private line
    errors: Json = field(default_factory=dict)  # of a form, by field
    view: Json = field(default_factory=dict)  # a form to open
