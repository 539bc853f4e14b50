"""The one policy function: allow, stage, ask or refuse a tool call. Pure, and outside every agent's reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

GOOGLE = "google"
CHANNEL = "channel"
OWN = {"read_channel": CHANNEL, "web_fetch": "web"}  # what our own tools reach
BULK = "work_through"  # reads whole folders
SKILL_IN = {"run_script": "skill", "skill_open": "name"}  # the argument that names a skill


class Effect(StrEnum):
    """What a tool can change."""

    READ = "read"  # nothing
    WORKSPACE = "workspace"  # the agent's own files
    TEAM = "team"  # rows of this run: plan, mail, roster
    SHARED = "shared"  # a document other people see
    OTHER = "other"  # anything else that others can see


class Verdict(StrEnum):
    ALLOW = "allow"
    STAGE = "stage"
    ASK = "ask"
    REFUSE = "refuse"


RULES = {  # what an operator says of single tools
    "allow": (Verdict.ALLOW, "the operator allows it without asking"),
    "ask": (Verdict.ASK, "the operator wants it asked about each time"),
    "deny": (Verdict.REFUSE, "the operator does not allow it"),
}


@dataclass(frozen=True)
class Call:
    """A tool call as the gate sees it."""

    tool: str
    effect: Effect
    role_tools: tuple[str, ...]  # what the agent's role may use; `*` ends a family
    run_ended: bool = False
    args: Mapping[str, Any] | None = None
    skills: tuple[str, ...] | None = None  # that the role may open and run; None: all
    data: tuple[str, ...] | None = None  # what the role may read: `ledger`, `google:Finance`; None: all
    connectors: tuple[str, ...] | None = None  # that work of this channel may reach; None: all
    rule: str = ""  # the operator's for this tool: allow, ask or deny
    elsewhere: bool = False  # whether the operator offers the tool in other channels only


@dataclass(frozen=True)
class Decision:
    verdict: Verdict
    reason: str


def decide(call: Call) -> Decision:
    """The rules, first match first. What no rule allows is asked."""
    if call.run_ended:
        return Decision(Verdict.REFUSE, "the run has ended")
    if not any(fnmatchcase(call.tool, pattern) for pattern in call.role_tools):
        return Decision(Verdict.REFUSE, "the role does not include this tool")
    if call.elsewhere:
        return Decision(Verdict.REFUSE, "its server is connected to other channels only")
    outside = _outside(call)
    if outside:
        return Decision(Verdict.REFUSE, outside)
    if call.rule:
        return Decision(*RULES[call.rule])
    if call.effect is Effect.READ:
        return Decision(Verdict.ALLOW, "reads run within the requester's rights")
    if call.effect in (Effect.WORKSPACE, Effect.TEAM):
        return Decision(Verdict.ALLOW, "stays inside the run")
    if call.effect is Effect.SHARED:
        return Decision(Verdict.STAGE, "shared documents change only after approval")
    return Decision(Verdict.ASK, "others can see it and no rule allows it")


def _outside(call: Call) -> str:
    """Why a call leaves the skills or the data of its role, or ""."""
    args = call.args or {}
    skill = str(args.get(SKILL_IN.get(call.tool, ""), ""))
    if skill and call.skills is not None and skill not in call.skills:
        return f"the role works by {', '.join(call.skills) or 'no skill'}, not by {skill}"
    source = source_of(call.tool)
    if source and call.data is not None and all(entry.partition(":")[0] != source for entry in call.data):
        return f"the role's data are {', '.join(call.data) or 'its own files'}, not {source}"
    folder = str(args.get("folder", "")) if call.tool == BULK else ""
    reached = GOOGLE if folder else source
    if call.connectors is not None and reached not in ("", CHANNEL, *call.connectors):
        return f"work of this channel may reach {', '.join(call.connectors) or 'no connector'}, not {reached}"
    if folder and not reaches(call.data, GOOGLE, (folder,)):
        return f"the role's data are {', '.join(call.data or ()) or 'its own files'}, not the folder {folder}"
    return ""


def source_of(tool: str) -> str:
    """The connector that a tool reaches, by its name; "" for one of our own."""
    family, _, rest = tool.partition("__")
    return rest.partition("__")[0] if family == "mcp" else family if rest else OWN.get(tool, "")


def reaches(data: tuple[str, ...] | None, source: str, names: Sequence[str]) -> bool:
    """Whether a role's data include something of a source, known by these names: ids and titles of it and of the
    folders it lies in."""
    if data is None:
        return True
    for entry in data:
        at, _, what = entry.partition(":")
        if at == source and (not what or any(fnmatchcase(name, what) for name in names)):
            return True
    return False


def may_decide(
    user: str, *, requester: str, approvers: tuple[str, ...] = (), approves: Callable[[str], bool] = lambda _: True
) -> bool:
    """Whether this person may answer an approval of a run: the requester; when their role does not approve, whoever's
    does."""
    if user in approvers:
        return True
    return approves(user) and (user == requester or not approves(requester))
