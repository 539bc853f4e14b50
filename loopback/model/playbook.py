"""Playbooks as data: the YAML a skill carries, read once per text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

# The safe loader in C, where there is one: a playbook is read in a tenth of the time.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ID = re.compile(r"[A-Za-z0-9_-]+\Z")
_SUFFIX = re.compile(r"(.+)_(?:w?\d+|r\d+)\Z")


class PlaybookError(Exception):
    """The text of a playbook cannot be followed; the message says what is wrong with it."""


@dataclass(frozen=True)
class OnError:
    """What follows a refused call: nothing (`ignore`), or rounds of repair steps before it is called again."""

    ignore: bool = False
    steps: tuple["Group", ...] = ()
    max_rounds: int = 2


@dataclass(frozen=True)
class Step:
    """One tool call, one call per item, or one wait."""

    id: str
    call: str
    with_: Any
    when: Any = None
    for_each: Any = None
    wait_from: Any = None
    wait_count: Any = 1
    on_error: OnError | None = None

    @property
    def is_wait(self) -> bool:
        return self.call == "wait"


Group = tuple[Step, ...]
"""The calls of one reply."""


@dataclass(frozen=True)
class Match:
    pattern: re.Pattern[str]
    inputs: Mapping[str, str]
    role: str


@dataclass(frozen=True)
class Role:
    """One role's part of a playbook."""

    name: str
    groups: tuple[Group, ...]
    on_tool_error: OnError | None
    matches: tuple[Match, ...]
    ids: frozenset[str]
    again: tuple[Group, ...] = ()  # followed for each message that asks to make something once more (data.redo)


@lru_cache(maxsize=256)
def parse(text: str, role: str) -> Role:
    """The part of `role` in a playbook's text (a whole playbook, or that role's part alone)."""
    try:
        data = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise PlaybookError(f"the playbook is not readable YAML: {error}") from error
    if not isinstance(data, dict):
        raise PlaybookError("the playbook is not a mapping")
    matches = tuple(_match(entry) for entry in data.get("match") or ())
    if "roles" in data:
        roles = data["roles"] or {}
        if role not in roles:
            raise PlaybookError(f"the playbook has no role {role!r}; it has {', '.join(map(str, roles)) or 'none'}")
        data = roles[role] or {}
    groups = _groups(data.get("steps"), f"role {role}")
    on_tool_error = _on_error(data.get("on_tool_error"), "on_tool_error")
    again = _groups(data["again"], f"role {role}, again") if data.get("again") else ()
    if any(step.on_error and step.on_error.steps for group in again for step in group):
        raise PlaybookError(f"role {role}: the steps of again have on_error steps of their own")
    ids = _step_ids(groups + again) + (_step_ids(on_tool_error.steps) if on_tool_error else [])
    seen = frozenset(ids)
    if len(seen) != len(ids):
        doubled = sorted({i for i in ids if ids.count(i) > 1})
        raise PlaybookError(f"step ids appear twice: {', '.join(doubled)}")
    for step_id in ids:
        found = _SUFFIX.match(step_id)
        if found and found.group(1) in seen:
            raise PlaybookError(f"step id {step_id!r} reads like a repetition of step {found.group(1)!r}")
    return Role(role, groups, on_tool_error, matches, seen, again)


def _match(entry: Any) -> Match:
    try:
        return Match(re.compile(entry["pattern"]), entry.get("inputs") or {}, entry.get("role", "lead"))
    except (re.error, KeyError, TypeError) as error:
        raise PlaybookError(f"a match of the playbook cannot be used: {error}") from error


def _groups(steps: Any, where: str) -> tuple[Group, ...]:
    if not isinstance(steps, list) or not steps:
        raise PlaybookError(f"{where} has no steps")
    groups: list[Group] = []
    for number, entry in enumerate(steps, 1):
        if not isinstance(entry, dict):
            raise PlaybookError(f"{where}: step {number} is not a mapping")
        if "parallel" in entry:
            group = tuple(_step(e, f"{where}: step {number}") for e in entry["parallel"])
            if any(s.is_wait for s in group):
                raise PlaybookError(f"{where}: step {number} waits inside parallel")
        else:
            group = (_step(entry, f"{where}: step {number}"),)
        groups.append(group)
    return tuple(groups)


def _step(entry: Any, where: str) -> Step:
    if not isinstance(entry, dict) or ("call" in entry) == ("wait" in entry):
        raise PlaybookError(f"{where} needs exactly one of call, wait and parallel")
    step_id = str(entry.get("id", ""))
    if not _ID.match(step_id):
        raise PlaybookError(f"{where} needs an id of letters, digits, - and _")
    on_error = _on_error(entry.get("on_error"), step_id)
    if "wait" in entry:
        wait = entry["wait"]
        if not isinstance(wait, dict) or "from" not in wait:
            raise PlaybookError(f"{where}: wait needs `from`")
        return Step(
            step_id,
            "wait",
            {"reason": wait.get("reason", f"step {step_id} of the playbook")},
            entry.get("when"),
            wait_from=wait["from"],
            wait_count=wait.get("count", 1),
            on_error=on_error,
        )
    return Step(
        step_id,
        str(entry["call"]),
        entry.get("with") or {},
        entry.get("when"),
        entry.get("for_each"),
        on_error=on_error,
    )


def _on_error(entry: Any, where: str) -> OnError | None:
    if entry is None:
        return None
    if entry == "continue":
        return OnError(ignore=True)
    if not isinstance(entry, dict):
        raise PlaybookError(f"{where}: on_error is `continue` or a mapping with steps")
    groups = _groups(entry["steps"], f"{where}, on_error") if entry.get("steps") else ()
    if any(step.on_error and step.on_error.steps for group in groups for step in group):
        raise PlaybookError(f"{where}: the steps of on_error have on_error steps of their own")
    return OnError(steps=groups, max_rounds=int(entry.get("max_rounds", 2)))


def _step_ids(groups: tuple[Group, ...]) -> list[str]:
    ids: list[str] = []
    for group in groups:
        for step in group:
            ids.append(step.id)
            if step.on_error is not None:
                ids.extend(_step_ids(step.on_error.steps))
    return ids
