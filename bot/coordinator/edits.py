"""A person's change to a plan that waits for approval: `drop task 3`, `only the press release`. Told apart by rules.

The changed plan is another proposal, so it is shown once more; what the rules do not understand goes to the lead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update

from bot.coordinator import limits
from bot.store import approvals, board, journal, money
from bot.store import schema as t
from bot.store.database import Tx
from bot.tools.planning import PlannedTask, digest
from bot.types import Json

_POLITE = r"(?i)^\W*(?:(?:yes|ok|okay|fine|good|no)\b[\s,.:;–-]*)?(?:but\s+)?(?:please\s+)?"
_KIND = r"(?:(?:the\s+)?(?:tasks?|steps?|parts?|numbers?|no\.|#)\s*)?"
_ONLY = re.compile(rf"{_POLITE}(?:only|just|nothing\s+but)\s+(?:do\s+|work\s+on\s+)?{_KIND}(?P<what>\S.*)$")
_DROP = re.compile(
    rf"{_POLITE}(?:drop|skip|remove|delete|omit|leave\s+out|without|leave\s+away)\s+{_KIND}(?P<what>\S.*)$"
)
_AND = re.compile(
    r"(?:(?<!\s)\s+)?(?:,|;|&|\band\b|\bor\b|\+)\s*(?:(?:and|the|task|step|part|number)\s+)*", re.IGNORECASE
)
_ENDS = " \n\t.!"
_SMALL = frozenset(("the", "a", "an", "task", "step", "part", "please", "for", "of", "to"))


def kept(text: str, tasks: Sequence[Json]) -> list[str] | None:
    """The ids of the tasks that these words leave of a plan, in its order; None when they mean no such thing.

    Who keeps a task keeps what it needs; who drops one drops what needs it. A plan of nothing is no plan.
    """
    needs = {one["id"]: set(one["depends_on"]) for one in tasks}
    only, drop = _ONLY.match(text.rstrip(_ENDS)), _DROP.match(text.rstrip(_ENDS))
    found = only or drop
    named = _named(found["what"], tasks) if found else None
    if not named:
        return None
    if only:
        while more := {on for name in named for on in needs[name] if on in needs} - named:
            named |= more
        left = [name for name in needs if name in named]
    else:
        while more := {name for name, on in needs.items() if on & named} - named:
            named |= more
        left = [name for name in needs if name not in named]
    return left if left and len(left) < len(needs) else None


def _named(words: str, tasks: Sequence[Json]) -> set[str] | None:
    """The tasks that a list names, by number on the card, id or words of the title; None if one is not found."""
    parts = [part.strip(" .\"'“”`#") for part in _AND.split(words)]
    found = [_one(part, tasks) for part in parts if part]
    return {name for name in found if name} if found and all(found) else None


def _one(words: str, tasks: Sequence[Json]) -> str:
    for number, one in enumerate(tasks, 1):
        if words in (str(number), one["id"]) or words.lower() == one["title"].lower():
            return str(one["id"])
    wanted = set(re.findall(r"\w+", words.lower())) - _SMALL
    fits = [one["id"] for one in tasks if wanted and wanted <= set(re.findall(r"\w+", one["title"].lower()))]
    return str(fits[0]) if len(fits) == 1 else ""


def take(tx: Tx, row: Any, user: str, text: str) -> bool:
    """Change the plan that waits for approval as the words say and show it anew; False when they do not say how."""
    left = kept(text, row["preview"]["tasks"])
    plan = board.tasks(tx.connection, row["run_id"])
    if left is None or any(plan[one["id"]]["status"] != "pending" for one in row["preview"]["tasks"]):
        return False
    dropped = [one["id"] for one in row["preview"]["tasks"] if one["id"] not in left]
    tx.execute(delete(t.task).where(t.task.c.run_id == row["run_id"], t.task.c.id.in_(dropped)))
    told = {"added": [], "dropped": dropped, "reason": f"asked for by <@{user}>: {text}"[:500], "by": user}
    journal.append(tx, row["run_id"], "plan.changed", told)
    limits.plan_changed(tx, row["run_id"])
    _ask_anew(tx, row, left, dropped)
    approvals.close(tx, row, "answered", user, text)
    return True


def _ask_anew(tx: Tx, row: Any, left: list[str], dropped: list[str]) -> None:
    """The agent that sleeps in its call of plan waits for the new question from now on."""
    args = tx.execute(
        select(t.tool_call.c.args).where(
            t.tool_call.c.agent_id == row["agent_id"], t.tool_call.c.id == row["call_id"]
        )
    ).scalar_one()
    planned = [PlannedTask.model_validate(one) for one in args["tasks"] if one["id"] in left]
    name = f"{row['run_id'][-12:]}-{journal.next_id(tx, row['run_id'], 'p')}"
    preview: Mapping[str, Any] = row["preview"]
    expected = money.expected(tx.connection, row["run_id"], len(left))
    changed = {
        **preview, "title": f"a plan of {len(left)} task{'s' if len(left) > 1 else ''}",
        "tasks": [one for one in preview["tasks"] if one["id"] in left],
        "dropped": [*preview.get("dropped", ()), *dropped],
        "estimate": f"{expected:f}" if expected else "",
    }  # fmt: skip
    tx.execute(
        insert(t.approval).values(
            id=name, team_id=row["team_id"], run_id=row["run_id"], kind="plan", agent_id=row["agent_id"],
            call_id=row["call_id"], person=row["person"], args_sha256=digest(planned), status="pending",
            asked_at=tx.now(), expires_at=row["expires_at"], preview=changed,
        )
    )  # fmt: skip
    waiting = {"id": row["call_id"], "for": "answer", "approval": name}
    tx.execute(update(t.agent).where(t.agent.c.id == row["agent_id"]).values(waiting=waiting))
    journal.append(tx, row["run_id"], "asked", {"approval": name, "about": "plan"}, agent_id=row["agent_id"])
