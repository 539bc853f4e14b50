"""Every word a person reads about a report that is kept in a canvas, and those around it there."""

from __future__ import annotations

from bot.slack.messages import OFFLINE

NO_ANSWER = "no_answer"  # not one of Slack's: it did not do it in time
WHY_NOT = {
    NO_ANSWER: "Slack did not take it in time",
    "canvas_disabled_user_team": "canvases are switched off in this workspace",
    "free_teams_cannot_create_non_tabbed_canvases": "this workspace is on Slack's free plan, which lets me make none",
    "missing_scope": "I may not write any here; whoever runs Cadre installs the app again from its manifest",
    "restricted_action": "this workspace does not let me make one",
}


def shown(headline: str, link: str) -> str:
    """The short post beside the canvas."""
    return f"{headline}\nThe whole report is in the canvas {link}.".lstrip("\n")


def not_kept(error: str) -> str:
    """Why the report is here and not in a canvas."""
    return f"There is no canvas for this report: {WHY_NOT.get(error, f'Slack refused it ({error})')}."


def made(when: str, schedule: str, offline: bool) -> str:
    """The first line in the canvas. `schedule` says when it recurs, "" for a report made once."""
    by = f" by the schedule “{schedule}”" if schedule else ""
    return f"Made {when}{by}{f' · {OFFLINE}' if offline else ''}"
