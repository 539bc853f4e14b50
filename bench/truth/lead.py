"""The lead's part of a careless model: it claims the end too early, alters a number it was told, invents a quote."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from typing import Any

from bench.truth.faults import DIGIT, EARLY, INVENT, INVENTIONS, Faults, Planted, altered
from loopback.model.interpreter import Reply
from loopback.model.wire import new_id

BEFORE = "All documents were read and everything that was asked for was found. Nothing is left to do."
AFTER = "Every document was read whole, and everything that was asked for was found in them."
_COVERAGE = re.compile(r'\\?"coverage\\?":\s*\{\\?"total\\?":\s*(\d+),.*?\\?"done\\?":\s*(\d+)', re.DOTALL)
ROUNDS = ("before", "digit", "invent", "after")  # what goes wrong in the first run, the second …


class Lead:
    """Bends the replies of a run's lead, one fault in each run; without faults it hands them on."""

    def __init__(self, faults: Faults | None) -> None:
        self._faults = faults
        self._runs: list[str] = []

    def reply(self, body: Mapping[str, Any], given: Reply) -> Reply:
        """The playbook's reply, or a worse one."""
        if self._faults is None:
            return given
        run, _, agent = body["metadata"]["user_id"].partition("/")
        if run not in self._runs:
            self._runs.append(run)
        what = ROUNDS[self._runs.index(run) % len(ROUNDS)]
        calls = {block["name"]: block for block in given.content if block["type"] == "tool_use"}
        if what == "before" and "work_through" in calls and self._faults.first(run, what):
            self._faults.planted.append(Planted(EARLY, agent, now=BEFORE))
            return _finish({"status": "done", "summary": BEFORE, "reply": BEFORE})
        finish = calls.get("finish")
        if agent != "lead" or finish is None or finish["input"].get("status") != "done":
            return given
        bent = self._bent(what, run, body, finish["input"])
        return given if bent is None else bent

    def _bent(self, what: str, run: str, body: Mapping[str, Any], finish: Mapping[str, Any]) -> Reply | None:
        assert self._faults is not None
        told = _COVERAGE.findall(json.dumps(body["messages"]))
        if not told or not self._faults.first(run, what):
            return None
        total, done = told[-1]
        chance = random.Random(f"{self._faults.seed}/{len(self._runs)}")
        if what == "digit":
            words = f"{altered(done, chance)} of {total} documents were read."
            self._faults.planted.append(Planted(DIGIT, "lead", was=f"{done} of {total}", now=words))
        elif what == "invent":
            words = chance.choice(INVENTIONS)
            self._faults.planted.append(Planted(INVENT, "lead", now=words))
            words = f"{finish['reply']} One of them says: “{words}”"
        elif what == "after" and total != done:
            words = AFTER
            self._faults.planted.append(Planted(EARLY, "lead", was=f"{done} of {total}", now=words))
        else:
            return None
        return _finish({**finish, "reply": words})


def _finish(arguments: Mapping[str, Any]) -> Reply:
    call = {"type": "tool_use", "id": new_id("toolu"), "name": "finish", "input": dict(arguments)}
    return Reply([call], "tool_use")
