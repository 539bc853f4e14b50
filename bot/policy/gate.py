"""The one policy function: allow, stage, ask or refuse a tool call. Pure, and outside every agent's reach."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


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


@dataclass(frozen=True)
class Call:
    """A tool call as the gate sees it."""

    tool: str
    effect: Effect
    role_tools: tuple[str, ...]  # what the agent's role may use; `*` ends a family
    run_ended: bool = False


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
    if call.effect is Effect.READ:
        return Decision(Verdict.ALLOW, "reads run within the requester's rights")
    if call.effect in (Effect.WORKSPACE, Effect.TEAM):
        return Decision(Verdict.ALLOW, "stays inside the run")
    if call.effect is Effect.SHARED:
        return Decision(Verdict.STAGE, "shared documents change only after approval")
    return Decision(Verdict.ASK, "others can see it and no rule allows it")


def may_decide(user: str, *, requester: str, approvers: tuple[str, ...] = ()) -> bool:
    """Whether this person may answer an approval of a run."""
    return user == requester or user in approvers
