"""The nouns everyone shares, as frozen dataclasses. RunView and its parts are what `cadre ask --json` prints."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

Json = dict[str, Any]

SCHEMA = "cadre.run/1"


class RunStatus(StrEnum):
    QUEUED = "queued"
    WORKING = "working"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def ended(self) -> bool:
        return self in (RunStatus.DONE, RunStatus.FAILED, RunStatus.STOPPED)


@dataclass(frozen=True)
class Request:
    """What a person, a schedule or a trigger asked: one inbound row, free of any surface's own objects.

    `key` names the occurrence (for Slack the message ts), so that a second delivery is the same row.
    """

    team: str
    channel: str
    thread: str  # the thread to work in; "" when the request starts one of its own
    key: str
    kind: str  # mention | command | reply | edit | delegate | schedule
    user: str
    text: str
    event_id: str = ""
    channel_name: str = ""
    files: tuple[Json, ...] = ()  # attached: {"id", "name", "size", "type", "url"} as the surface tells them
    terms: Json = field(
        default_factory=dict
    )  # {"criteria", "budget", "deadline", "viewing", "canvas"} beside the words

    def on(self, terms: Json) -> Request:
        """The same request on these terms."""
        return replace(self, terms={**self.terms, **terms})


@dataclass(frozen=True)
class Person:
    """Somebody as the workspace knows them."""

    id: str
    kind: str  # member | guest | outsider
    groups: tuple[str, ...] = ()  # the user groups that they are in, of those that rules name
    name: str = ""


@dataclass(frozen=True)
class RunInfo:
    id: str
    status: str
    mode: str
    mode_reason: str
    request: str
    requester: str
    channel: str
    thread_ts: str
    permalink: str
    offline: bool
    model: str
    error: Json | None  # {"kind", "message"}
    understood: str = ""
    way: str = ""
    created_at: float = 0.0
    finished_at: float | None = None
    control: str = ""  # "" | stop | pause | budget
    muted: bool = False
    canvas: bool = False  # the report is kept in a canvas
    deadline: float | None = None  # when it is wanted, if somebody said so
    criteria: tuple[str, ...] = ()  # what counts as done, in the requester's words


@dataclass(frozen=True)
class Said:
    """A word of control and what code answered: pause, resume, steer, status, why. `seq` is its journal row."""

    seq: int
    kind: str
    body: Json
    late: bool  # said after the run had ended


@dataclass(frozen=True)
class Check:
    name: str
    passed: bool
    evidence: str  # what was seen, in words


@dataclass(frozen=True)
class Task:
    id: str
    title: str
    status: str  # pending | working | done | failed | stopped
    owner: str
    depends_on: tuple[str, ...]
    criteria: tuple[str, ...]
    checks: tuple[Check, ...]
    progress: str = ""  # of bulk work or of a call that its owner asked for, in words


@dataclass(frozen=True)
class AgentInfo:
    id: str
    name: str
    role: str
    parent: str
    turns: int
    status: str = ""


@dataclass(frozen=True)
class Message:
    id: str
    seq: int
    sender: str
    to: str
    text: str
    sent_at: float
    delivered_at: float | None
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToolCall:
    id: str
    agent: str
    name: str
    args: Json
    effect: str  # read | workspace | team | stage | ask
    op_key: str
    decision: str
    status: str  # intent | done | failed | refused


@dataclass(frozen=True)
class Approval:
    """A question to a person. kind "changes": the staged change set; kind "question": an agent's own question."""

    id: str
    kind: str
    status: str  # pending | approved | rejected | expired | void | withdrawn | answered
    preview: Json
    args_sha256: str
    decided_by: str
    expires_at: float = 0.0
    answer: str = ""


@dataclass(frozen=True)
class Evidence:
    id: str
    kind: str
    ref: str
    url: str
    value: str
    via: str  # the message or tool call by which it reached the agent that used it


@dataclass(frozen=True)
class Figure:
    id: str
    label: str
    value: str
    unit: str
    formula: str
    inputs: tuple[str, ...]  # evidence ids
    url: str = ""


@dataclass(frozen=True)
class Finding:
    kind: str
    account: str
    department: str
    period: str
    amount: str
    entries: tuple[str, ...]
    text: str = ""


@dataclass(frozen=True)
class Artifact:
    id: str
    name: str
    version: int
    url: str
    path: str
    sha256: str


@dataclass(frozen=True)
class Effect:
    op_key: str
    target: str
    applied_at: float


@dataclass(frozen=True)
class Coverage:
    total: int = 0
    done: int = 0
    failed: int = 0
    refused: int = 0
    person: int = 0


@dataclass(frozen=True)
class Cost:
    amount: str = "0"
    currency: str = "USD"
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True)
class Budget:
    """A run's money beside what it cost: decimal strings in USD, "" where there is none."""

    limit: str = ""
    soft: str = ""
    estimate: str = ""
    basis: str = ""  # what the estimate was made by, in words
    priced_as: str = ""  # the model that an offline run is priced as
    lines: tuple[Json, ...] = ()  # soft lines that were passed: {"seq", "scope", "period", "spent", "soft", "hard"}


@dataclass(frozen=True)
class RunView:
    """One run as rows tell it: everything a surface shows and everything the JSON interface prints."""

    run: RunInfo
    summary_text: str = ""
    figures: tuple[Figure, ...] = ()
    findings: tuple[Finding, ...] = ()
    tasks: tuple[Task, ...] = ()
    agents: tuple[AgentInfo, ...] = ()
    messages: tuple[Message, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    approvals: tuple[Approval, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    effects: tuple[Effect, ...] = ()
    coverage: Coverage = field(default_factory=Coverage)
    cost: Cost = field(default_factory=Cost)
    budget: Budget = field(default_factory=Budget)
    notices: tuple[str, ...] = ()  # plain sentences a person should read while the run goes on
    verified: tuple[Check, ...] = ()  # checks of the run as a whole, by code
    said: tuple[Said, ...] = ()  # words of control in the order in which they were said
    feedback: tuple[Json, ...] = ()  # what people thought of the result: {"user", "verdict", "at"}
    undoable: bool = False  # it wrote to shared documents and can take that back
