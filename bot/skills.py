"""Finds and loads SKILL.md folders: a team's conventions, their playbooks, roles, scripts and checks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.errors import OperatorMustFix
from bot.types import Json


@dataclass(frozen=True)
class Match:
    """A request that a skill's playbook understands."""

    skill: str
    understood: str
    mode: str
    way: str
    role: str
    inputs: Json
    goes_on: bool = False  # it goes on from what an earlier run of the thread made


class RoleHead(BaseModel):
    """The front matter of a role's file."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    purpose: str = Field(min_length=1)
    tools: tuple[str, ...]
    ends: Literal["finish", "reply"] = "finish"
    skills: tuple[str, ...] | None = None
    data: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*(:.+)?$")], ...] | None = None
    model: str = Field(default="", pattern=r"^([A-Za-z0-9][\w.:@/-]*)?$")
    effort: Literal["", "low", "medium", "high", "xhigh", "max"] = ""
    budget: Decimal = Field(default=Decimal(0), ge=0, max_digits=12)


@dataclass(frozen=True)
class Role:
    """One kind of agent: what it is for, what it may use and read, what thinks for it and what that may cost."""

    name: str
    purpose: str
    tools: tuple[str, ...]  # names, with * at the end for a family
    prompt: str
    ends: str = "finish"  # | reply: a reply that calls nothing is the agent's finish
    skills: tuple[str, ...] | None = None  # that it may open and run scripts of; None: every installed one
    data: tuple[str, ...] | None = None  # connectors, or `google:<file or folder>`; None: all that its tools reach
    model: str = ""  # instead of the one that is set; a playbook model plays every role
    effort: str = ""
    budget: Decimal = Decimal(0)  # USD for each agent of this role; 0: no limit of its own
    place: str = ""  # its file


@dataclass(frozen=True)
class Skill:
    """One folder: SKILL.md and what lies beside it."""

    name: str
    description: str
    text: str
    path: Path
    playbook: Json = field(default_factory=dict)

    @cached_property
    def patterns(self) -> list[tuple[re.Pattern[str], Json]]:
        return [(re.compile(m["pattern"]), m) for m in self.playbook.get("match", [])]

    def match(self, request: str) -> Match | None:
        """What this skill makes of a request, or None."""
        for pattern, entry in self.patterns:
            found = pattern.search(request)
            if found:
                groups = {k: v or "" for k, v in found.groupdict().items()}
                inputs = {k: _fill(v, groups) for k, v in entry.get("inputs", {}).items()}
                return Match(
                    self.name,
                    _fill(entry.get("understood", ""), groups),
                    entry.get("mode", "delegation"),
                    entry.get("way", ""),
                    entry.get("role", "lead"),
                    inputs,
                    bool(entry.get("goes_on")),
                )
        return None

    def role_playbook(self, role: str) -> str:
        """The YAML of one role's part, or "" when the playbook has none."""
        part = self.playbook.get("roles", {}).get(role)
        return yaml.safe_dump(part, sort_keys=False, allow_unicode=True, width=1000) if part else ""

    def role(self, name: str) -> Role | None:
        """A role this skill brings along, or None."""
        place = self.path / "roles" / f"{name}.md"
        return read_role(place) if place.is_file() else None

    def script(self, name: str) -> Path:
        """The path of a bundled script. Raises KeyError when it has none of that name."""
        place = (self.path / "scripts" / name).resolve()
        if place.parent != (self.path / "scripts").resolve() or not place.is_file():
            raise KeyError(name)
        return place

    @property
    def checks(self) -> list[Json]:
        """Scripts that must pass before any run of this skill ends, whatever the model did."""
        return list(self.playbook.get("checks", []))

    def task_checks(self, task_id: str) -> list[Json]:
        return list(self.playbook.get("task_checks", {}).get(task_id, []))


def _fill(value: Any, groups: dict[str, str]) -> Any:
    return value.format(**groups) if isinstance(value, str) else value


def front_matter(place: Path) -> tuple[Json, str]:
    """The YAML head and the body of a Markdown file. Raises OperatorMustFix naming the file."""
    text = place.read_text(encoding="utf-8")
    head = re.match(r"\A---\n(.*?)\n---\n?(.*)\Z", text, re.DOTALL)
    if head is None:
        raise OperatorMustFix(f"{place} does not begin with a YAML front matter between --- lines.")
    try:
        meta = yaml.load(head[1], Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise OperatorMustFix(f"{place}: the front matter is not YAML: {error}") from error
    if not isinstance(meta, dict) or "name" not in meta:
        raise OperatorMustFix(f"{place}: the front matter needs a name.")
    return meta, head[2].strip()


def read_role(place: Path) -> Role:
    """A role from its file: front matter (name, purpose, tools), then the prompt."""
    return _role(place, place.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _role(place: Path, _written: int) -> Role:
    meta, prompt = front_matter(place)
    try:
        head = RoleHead.model_validate(meta)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(str(at) for at in e['loc'])}: {e['msg']}" for e in error.errors())
        raise OperatorMustFix(f"{place}: {wrong}.") from error
    return Role(prompt=prompt, place=str(place), **head.model_dump())


class SkillLibrary:
    """The installed skills, by name."""

    def __init__(self, *folders: Path) -> None:
        self.skills: dict[str, Skill] = {}
        for folder in folders:
            for place in sorted(folder.glob("*/SKILL.md")):
                skill = _load(place)
                self.skills[skill.name] = skill
        for role in self.roles():
            unknown = [name for name in role.skills or () if name not in self.skills]
            if unknown:
                raise OperatorMustFix(f"{role.place}: skills: no skill {', '.join(unknown)} is installed.")

    def roles(self) -> list[Role]:
        """The roles that skills bring along. Raises OperatorMustFix naming the file and the field that is wrong."""
        return [read_role(place) for skill in self.skills.values() for place in sorted(skill.path.glob("roles/*.md"))]

    def match(self, request: str) -> Match | None:
        """The first skill, by name, whose playbook understands the request."""
        for skill in self.skills.values():
            found = skill.match(request)
            if found is not None:
                return found
        return None

    def search(self, query: str) -> list[Skill]:
        """Skills whose name or description shares words with the query, best first."""
        words = set(re.findall(r"\w{3,}", query.lower()))

        def score(skill: Skill) -> int:
            return len(words & set(re.findall(r"\w{3,}", f"{skill.name} {skill.description}".lower())))

        return sorted((s for s in self.skills.values() if score(s)), key=score, reverse=True)

    def index(self, only: tuple[str, ...] | None = None) -> str:
        """One line per skill (of these, when named), with the requests its playbook understands below it."""
        lines = []
        for skill in self.skills.values():
            if only is not None and skill.name not in only:
                continue
            lines.append(f"- {skill.name}: {skill.description}")
            lines += [f"  matches: {entry['pattern']}" for entry in skill.playbook.get("match", [])]
        return "\n".join(lines)


def problems(folder: Path) -> list[str]:
    """What in a skill's folder cannot be used, each with its place; [] when all of it can."""
    try:
        skill = _load(folder / "SKILL.md")
    except FileNotFoundError as error:
        return [f"{error.filename}: there is no such file."]
    except OperatorMustFix as error:
        return [str(error)]
    found = [] if skill.description else [f"{folder / 'SKILL.md'}: without a description nobody finds the skill."]
    playbook = folder / "playbook.yml"
    for entry in skill.playbook.get("match", []):
        try:
            re.compile(entry["pattern"])
        except re.error as error:
            found.append(f"{playbook}: match: {entry['pattern']!r} is no regular expression: {error}.")
    for place in sorted(folder.glob("roles/*.md")):
        try:
            read_role(place)
        except OperatorMustFix as error:
            found.append(str(error))
    for check in [
        *skill.checks,
        *(one for task in skill.playbook.get("task_checks", {}) for one in skill.task_checks(task)),
    ]:
        try:
            skill.script(check["script"])
        except KeyError as error:
            found.append(f"{playbook}: checks: there is no script {error} below {folder / 'scripts'}.")
    return list(dict.fromkeys(found))


def _load(place: Path) -> Skill:
    meta, text = front_matter(place)
    playbook: Json = {}
    beside = place.parent / "playbook.yml"
    if beside.is_file():
        try:
            playbook = yaml.load(beside.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) or {}
        except yaml.YAMLError as error:
            raise OperatorMustFix(f"{beside} is not YAML: {error}") from error
    return Skill(str(meta["name"]), str(meta.get("description", "")), text, place.parent, playbook)
