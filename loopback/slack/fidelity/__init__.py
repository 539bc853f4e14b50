"""Is this Slack? Replies, events and interactions against Slack's own recorded samples, and calls against its SDK.

It watches the log, so it sees what really travelled. It is on where `LOOPBACK_SLACK_SAMPLES` names the samples.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from loopback.control import CallLog
from loopback.slack.fidelity.calls import call_problems, refusal_problems
from loopback.slack.fidelity.samples import Samples
from loopback.slack.fidelity.shape import event_problems, interaction_problems, reply_problems

SAMPLES = "LOOPBACK_SLACK_SAMPLES"  # a zip of Slack's recorded payloads
VIOLATIONS = "LOOPBACK_SLACK_VIOLATIONS"  # a file that gets one JSON object a line; else they go to stderr


def watch(log: CallLog) -> None:
    """Checks everything that is logged from now on, where the environment asks for it."""
    samples = os.environ.get(SAMPLES)
    if samples:
        log.watch(Fidelity(Samples(Path(samples)), os.environ.get(VIOLATIONS)).look)


class Fidelity:
    """Tells apart what Slack would send, or take, and what it would not."""

    def __init__(self, samples: Samples, violations: str | None) -> None:
        self._samples = samples
        self._violations = violations
        self._asked: dict[int, str] = {}

    def look(self, row: dict[str, Any]) -> None:
        """One row of the log."""
        if row.get("server") != "slack":
            return
        kind, name, body = row.get("kind"), str(row.get("name", "")), row.get("body")
        if kind == "request":
            self._asked[row["n"]] = str(row.get("as", ""))
            self._tell("call", name, call_problems(name, body or {}))
        elif kind == "response":
            self._tell("call", name, refusal_problems(body or {}))
            self._tell("reply", name, reply_problems(self._samples, name, body or {}))
        elif kind == "event" and name == "ack":
            self._tell("call", "acknowledgement", call_problems("acknowledgement", (body or {}).get("payload")))
        elif kind == "event" and isinstance(body, dict) and "payload" in body:
            check = event_problems if body["type"] == "events_api" else interaction_problems
            self._tell("event", name, check(self._samples, body["type"], body["payload"]))

    def _tell(self, kind: str, name: str, problems: list[str]) -> None:
        if not problems:
            return
        line = json.dumps({"kind": kind, "name": name, "problems": problems})
        if self._violations is None:
            print(line, file=sys.stderr)
            return
        with open(self._violations, "a", encoding="utf-8") as file:
            file.write(line + "\n")
