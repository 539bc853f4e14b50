"""One piece of bulk work as its rows say: whose it is, its form, its items and what was answered."""

from __future__ import annotations

import json
import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from bot.store import items, journal
from bot.store import schema as t
from bot.store.database import by_id
from bot.store.leases import Claim
from bot.tools.forms import Form
from bot.types import Json

ENDED = ("done", "failed", "stopped")


class Halted(Exception):
    """The work begins nothing more in this activation."""


class Ended(Exception):
    """An item came to an end other than an answer."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass
class Work:
    """What one activation knows and keeps along."""

    claim: Claim
    row: Any  # the agent of kind bulk
    run: Any
    owner: Any  # the agent that asked and sleeps in its call
    form: Form
    form_sha256: str
    items: list[Json]
    answers: dict[tuple[str, int], list[Json]]
    head: bytes = b""
    halt: str = ""  # why nothing more is begun: stop | control | steer | owner | hold | time | unavailable
    failing_since: float | None = None  # product time since which every call failed
    failing: str = ""  # and how
    told_failing_at: float = -math.inf  # product time at which the thread heard of it last
    answered: bool = False  # the model answered at least once
    refusals: int = 0  # requests that the model's server could not take
    told_at: float = 0.0
    looked_at: float = 0.0
    queue: deque[Json] = field(default_factory=deque)

    @property
    def name(self) -> str:
        return str(self.row["name"])

    @property
    def call(self) -> str:
        """The call that is answered when every item has ended; "" while nobody waits for it."""
        return str(self.row["inputs"]["call"])

    @property
    def over(self) -> bool:
        """Whether the run has ended or the one who asked no longer waits for it."""
        gone = self.owner is None or self.owner["status"] not in ("live", "finishing")
        gone = gone or bool(self.call and (self.owner["waiting"] or {}).get("id") != self.call)
        return self.run["control"] == "stop" or self.run["status"] in ENDED or gone

    def open(self) -> list[Json]:
        return [one for one in self.items if one["status"] in ("open", "working")]

    def counts(self) -> Json:
        """As the rows of `items.counts`, without reading them."""
        told: Json = {"total": len(self.items), "kept": 0, **dict.fromkeys(items.ENDS, 0)}
        for one in self.items:
            if one["status"] in told:
                told[one["status"]] += 1
            told["kept"] += one["status"] == "done" and one["kept_from"] != ""
        return told


def load(connection: Connection, claim: Claim) -> Work:
    """The work now."""
    row = dict(by_id(connection, t.agent, claim.agent_id))
    run = dict(by_id(connection, t.run, row["run_id"]))
    owner = by_id(connection, t.agent, f"{row['run_id']}/{row['parent']}")
    told = json.loads(journal.get_blob(connection, row["inputs"]["form"]))
    form = Form.model_validate(told)
    found = items.of_work(connection, row["run_id"], row["name"])
    given = items.answers(connection, row["run_id"], row["name"])
    since, told_at = (row["trouble"] or {}).get("since"), row["inputs"].get("told_failing_at", -math.inf)
    return Work(claim, row, run, owner, form, form.digest, found, given, failing_since=since, told_failing_at=told_at)


def result_of(connection: Connection, digest: str) -> list[Json]:
    """The merged answers under a hash."""
    found: list[Json] = json.loads(journal.get_blob(connection, digest))
    return found
