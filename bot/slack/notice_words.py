"""What a requester reads in a direct message about work that took long."""

from __future__ import annotations

from bot.slack.messages import asks, at, cut, dollars, escape, lasted, topic
from bot.types import Approval, RunView

OPEN, SNOOZE_HOUR, SNOOZE_DAY = "Open Thread", "Remind Me in an Hour", "Remind Me Tomorrow"
PICTURE = "The result as a picture"


def ended(view: RunView) -> str:
    """How it ended, in a line or two."""
    run = view.run
    about, took = escape(topic(run)), lasted((run.finished_at or run.created_at) - run.created_at)
    if run.status == "done":
        return f"*Done:* {about}, after {took}."
    why = escape(cut(str((run.error or {}).get("message", "")), 300)).rstrip()
    head = "*Stopped at its budget:*" if (run.error or {}).get("kind") == "budget" else "*Not finished:*"
    return f"{head} {about}, after {took}. {why}".rstrip()


def asked(view: RunView, one: Approval) -> str:
    """What it waits for."""
    about = escape(topic(view.run))
    if one.kind == "budget":
        spent, hard = dollars(str(one.preview.get("spent", "0"))), dollars(str(one.preview.get("hard", "0")))
        return f"*Out of budget:* {about} has spent {spent} of {hard} and is paused until you say whether it goes on."
    question = asks(one, view.run.requester).partition("> ")[2]
    return f"*Waits for you:* {about}.\n{cut(question, 600)}"


def settled(view: RunView) -> str:
    """In place of a question that nobody has to answer any more."""
    return f"*Settled:* {escape(topic(view.run))} does not wait for you any more."


def snoozed(until: float) -> str:
    return f"I remind you again {at(until)}."


def link(permalink: str) -> str:
    return f" <{permalink}|{OPEN}>" if permalink else ""
