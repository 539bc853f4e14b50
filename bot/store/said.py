"""Words of control as a thread shows them: what was said, what code answered, what became of a change of course."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.types import Json, Said

SHOWN = ("control.pause", "control.resume", "steer", "status", "why", "undo")
PLANS = ("plan", "plan.changed")
READ = (*SHOWN, *PLANS, "steer.answered", "undone", "run.ended")  # the kinds of rows it is told from


def said(notes: Sequence[Any], mails: Sequence[Any], titles: Mapping[str, str]) -> tuple[Said, ...]:
    """From a run's journal rows, its mail, and the titles of its tasks."""
    ended = next((row["seq"] for row in notes if row["kind"] == "run.ended"), None)
    words = []
    for row in notes:
        if row["kind"] in SHOWN:
            body = dict(row["body"])
            if row["kind"] == "steer":
                body |= _became(row, notes, mails, titles)
            if row["kind"] == "undo":
                body |= next((r["body"] for r in notes if r["kind"] == "undone" and r["seq"] > row["seq"]), {})
            late = ended is not None and row["seq"] > ended
            words.append(Said(row["seq"], row["kind"].removeprefix("control."), body, late))
    return tuple(words)


def _became(steer: Any, notes: Sequence[Any], mails: Sequence[Any], titles: Mapping[str, str]) -> Json:
    """Whether the lead has it, what it answered, and which rows of the plan changed after it."""
    sent = steer["body"].get("mail") or f"#{steer['seq']}"
    read = any(m["id"].rsplit("/", 1)[-1] == sent and m["delivered_at"] for m in mails)
    later = [row for row in notes if row["seq"] > steer["seq"]]
    following = next((row["seq"] for row in later if row["kind"] == "steer"), None)
    answer = next((r["body"] for r in later if r["kind"] == "steer.answered" and r["body"]["mail"] == sent), None)
    plans = [row["body"] for row in later if row["kind"] in PLANS and (following is None or row["seq"] < following)]
    changed: Json = {}
    if plans:
        changed = {
            "added": [titles.get(task, task) for body in plans for task in body.get("added", body.get("tasks", []))],
            "dropped": [task for body in plans for task in body.get("dropped", [])],
            "reason": str(plans[-1].get("reason", "")),
        }
    return {"read": read, "answer": answer, "plan": changed}
