"""Who may do what where, and the rules of each channel: one file, `access.yml`, read and checked at start.

Without the file every member of the workspace may do everything; guests and people of other organisations nothing.
"""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot.errors import OperatorMustFix
from bot.types import Json, Person

FILE = "access.yml"


class Role(IntEnum):
    """Each holds all that come before it."""

    NOTHING = 0
    SEE = 1  # what is going on, and why
    ASK = 2  # for work, and change or stop it
    APPROVE = 3  # what others then see
    ADMINISTER = 4  # read these rules whole, and raise limits that belong to all


def _role(told: Any) -> Role:
    try:
        return Role[str(told).upper()]
    except KeyError as error:
        raise ValueError(f"{told!r} is not one of {', '.join(names())}") from error


def names() -> list[str]:
    """The roles as the file writes them."""
    return [role.name.lower() for role in Role]


def _named(kind: str, letters: str) -> AfterValidator:
    """A check for Slack's ids; names are refused, because people can rename themselves."""
    pattern = re.compile(rf"[{letters}][A-Z0-9]{{1,30}}")

    def check(told: str) -> str:
        if not pattern.fullmatch(told):
            raise ValueError(f"{told!r} is not the id of a {kind}, such as {letters[0]}0123ABCD")
        return told

    return AfterValidator(check)


ARole = Annotated[Role, BeforeValidator(_role)]
PersonId = Annotated[str, _named("person", "UW")]
GroupId = Annotated[str, _named("user group", "S")]
ChannelId = Annotated[str, _named("channel", "CGD")]


class Rules(BaseModel):
    """What holds in one channel. What it leaves open holds as everywhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    everyone: ARole | None = None
    people: dict[PersonId, ARole] = {}
    groups: dict[GroupId, ARole] = {}
    instructions: str = Field(default="", max_length=8_000)
    model: str = Field(default="", max_length=80)
    connectors: tuple[str, ...] | None = None  # the only ones that work of this channel may reach

    def for_run(self) -> Json:
        """What a run keeps of its channel's rules, so that an edit of the file changes no work under way."""
        told: Json = {}
        if self.instructions.strip():
            told["instructions"] = self.instructions.strip()
        if self.model:
            told["model"] = self.model
        if self.connectors is not None:
            told["connectors"] = list(self.connectors)
        return told


class Access(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    everyone: ARole = Role.ADMINISTER  # members whom nothing below names; `nothing` denies by default
    guests: ARole = Role.NOTHING
    outsiders: ARole = Role.NOTHING  # people of other organisations, through Slack Connect
    people: dict[PersonId, ARole] = {}
    groups: dict[GroupId, ARole] = {}
    channels: dict[ChannelId, Rules] = {}

    def role(self, person: Person, channel: str = "") -> Role:
        """What somebody may do in a channel: what names them there, then what names them anywhere, then the rest."""
        here = self.channels.get(channel, Rules())
        for people, groups in ((here.people, here.groups), (self.people, self.groups)):
            if person.id in people:
                return people[person.id]
            held = [role for group, role in groups.items() if group in person.groups]
            if held:
                return max(held)
        if person.kind != "member":
            return {"guest": self.guests, "outsider": self.outsiders}.get(person.kind, Role.NOTHING)
        return self.everyone if here.everyone is None else here.everyone

    def rules(self, channel: str) -> Json:
        """What a new run of a channel keeps."""
        return self.channels.get(channel, Rules()).for_run()

    @property
    def asked_groups(self) -> tuple[str, ...]:
        """The user groups whose members must be known."""
        found = [*self.groups, *(group for rules in self.channels.values() for group in rules.groups)]
        return tuple(dict.fromkeys(found))

    @property
    def administrators(self) -> tuple[str, ...]:
        """People who are named as such everywhere."""
        return tuple(user for user, role in self.people.items() if role is Role.ADMINISTER)

    @property
    def models(self) -> dict[str, str]:
        """Models of channels, each with the place that names it."""
        return {rules.model: f"{FILE}: channels.{id}.model" for id, rules in self.channels.items() if rules.model}


def load(home: Path) -> Access:
    """The rules of an installation. Raises OperatorMustFix naming the file and the field."""
    place = home / FILE
    if not place.is_file():
        return Access()
    try:
        told = yaml.safe_load(place.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OperatorMustFix(f"{place} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(told, dict):
        raise OperatorMustFix(f"{place} must hold fields; the first is version: 1.")
    if "version" not in told:
        raise OperatorMustFix(f"{place}: version is missing; write version: 1.")
    try:
        return Access.model_validate(told)
    except ValidationError as error:
        raise OperatorMustFix(f"{place}: {'; '.join(_problem(one) for one in error.errors()[:5])}.") from error


def _problem(one: Any) -> str:
    where = ".".join(str(part) for part in one["loc"] if part != "[key]")
    known = {"extra_forbidden": "is not a field here"}
    return f"{where} {known.get(one['type'], one['msg'].removeprefix('Value error, '))}".strip()
