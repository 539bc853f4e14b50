"""What somebody asked for beside the words of a request: what counts as done, by when, and where it is kept."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import select

from bot.coordinator import limits
from bot.store import journal
from bot.store import schema as t
from bot.store.database import Tx
from bot.store.leases import Claim
from bot.types import Json

PASSED = "deadline.passed"
LATE = "The time by which this was wanted has passed; the work goes on. Write `stop` to end it with what is there."
UNJUDGED = (
    "No language model is connected, so what counts as done is not judged in your own words: the playbook's own "
    "checks decide."
)

_PLACE = r"(?:in|as)\s+(?:a|one)\s+canvas"
CANVAS = re.compile(
    rf"(?i)^\s*{_PLACE}\s*[,:]?\s+"
    rf"|(?<![\s,;(])[\s,;(]*\b(?:(?:and\s+)?(?:keep|put|show)\s+(?:it|this|the\s+report)\s+)?{_PLACE}[)\s.!]*$"
)


def in_canvas(text: str) -> tuple[str, bool]:
    """Understand `… in a canvas`, `… and keep it in a canvas`, before a limit or at the end of a request.

    Returns the request without these words, and whether there were any.
    """
    head = limits.plain(text)
    bare = CANVAS.sub("", head, count=1)
    asked = bare != head and bool(bare.strip())
    return (bare + text[len(head) :], True) if asked else (text, False)


def criteria(run: Any) -> list[Json]:
    """What the requester says counts as done, as a verifier judges it; a playbook cannot judge free words."""
    told = [] if run["offline"] else run["terms"].get("criteria", [])
    return [{"id": f"request.{number}", "task": "", "text": words} for number, words in enumerate(told, 1)]


def begin(tx: Tx, run_id: str, terms: Json, offline: bool) -> None:
    """Say at the start of a run what cannot be kept of its terms."""
    if offline and terms.get("criteria"):
        journal.append(tx, run_id, "notice", {"text": UNJUDGED})


def deadline(run: Any) -> float | None:
    told = run["terms"].get("deadline")
    return float(told) if told else None


def look(tx: Tx, claim: Claim, run: Any, due: float | None) -> float | None:
    """When to look again: by `due`, and by the deadline, whose passing is told once."""
    wanted = deadline(run)
    if wanted is None:
        return due
    if tx.now() < wanted:
        return min(wanted, due or wanted)
    tx.fence(claim.agent_id, claim.epoch)
    told = select(t.journal.c.seq).where(t.journal.c.run_id == run["id"], t.journal.c.kind == PASSED)
    if tx.execute(told).first() is None:
        journal.append(tx, run["id"], PASSED, {"deadline": wanted})
        journal.append(tx, run["id"], "notice", {"text": LATE})
    return due
