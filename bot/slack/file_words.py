"""Every word a person or the lead reads about files that come from Slack or go there."""

from __future__ import annotations

from bot.slack.messages import cut

NOT_HOSTED = "it does not lie at Slack itself, so I cannot open it"
NO_FILE_SCOPE = "Slack does not let me read files here; whoever runs Cadre installs the app again from its manifest"


def file_too_large(most: int) -> str:
    return f"it is larger than {most >> 20} MB"


def too_many_files(most: int) -> str:
    return f"one message brings at most {most} files"


def not_fetched(error: str) -> str:
    return f"Slack did not give it to me ({error})"


def files_handed_over(names: list[str], lost: dict[str, str]) -> str:
    """What the lead reads about files that came with a request."""
    told = f"{len(names)} attached file{'s' if len(names) != 1 else ''}: {', '.join(names)}." if names else ""
    missing = " ".join(f"{name} is missing: {why}." for name, why in lost.items())
    return cut(f"{told} {missing}".strip(), 3_000)


def files_lost(lost: dict[str, str]) -> str:
    """What people read about files that could not be opened."""
    return " ".join(f"I could not open {name}: {why}." for name, why in lost.items())


def not_attached(error: str) -> str:
    why = NO_FILE_SCOPE.replace("read", "post") if error == "missing_scope" else f"Slack refused: {error}"
    return f"The files of the result could not be attached here: {why}."
