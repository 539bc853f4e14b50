"""Eight specialists who pass two hundred messages around: a script for the Messages server, and its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loopback.model.scripted import Block, call

NAMES = tuple(f"member{number}" for number in range(8))
ROUNDS = 25  # messages that each of them sends


def script(body: Mapping[str, Any]) -> Sequence[Block]:
    """The lead opens the team and waits; a member writes a note, sends to the next, waits for the one before."""
    name = body["metadata"]["user_id"].split("/")[-1]
    turn = sum(message["role"] == "assistant" for message in body["messages"])
    if name == "lead":
        return _lead(turn)
    here = NAMES.index(name)
    before, after = NAMES[here - 1], NAMES[(here + 1) % len(NAMES)]
    sent = turn  # one message a turn
    got = str(body["messages"]).count(f'"text":"{before}/')
    if sent == ROUNDS:
        return [call("finish", {"status": "done", "summary": f"{name} passed on all it had"})]
    said = [
        call("write_file", {"path": f"round{turn}.txt", "text": f"{name} in round {turn}"}),
        call("send_message", {"to": after, "text": f"{name}/{turn}"}),
    ]
    # The one before may be rounds ahead: what it sent is here already, and nothing more may come.
    return said if got > sent else [*said, call("wait", {"from": [before]})]


def _lead(turn: int) -> list[Block]:
    if turn == 0:
        return [call("spawn_agent", {"name": name, "role": "specialist", "brief": "pass it on"}) for name in NAMES]
    if turn == 1:
        return [call("wait", {"from": list(NAMES), "all": True})]
    return [call("finish", {"status": "done", "summary": "passed around", "reply": "The ring has closed."})]


# Turns in a row on the longest way: the lead opens the team, a member's rounds and its end, the lead's end.
CRITICAL_TURNS = 1 + ROUNDS + 1 + 1
# Model calls that the work needs: the lead's three turns and the members' rounds and ends. More would be idle ones.
CALLS = 3 + len(NAMES) * (ROUNDS + 1)
