"""The words about shared documents: what would be written, and what an undo brought back."""

from __future__ import annotations

from bot.coordinator.control import Told
from bot.slack import messages
from bot.slack.mrkdwn import mention
from bot.types import Json

VERBS = {
    "docs_create": "Create a new Google Doc",
    "sheets_write": "Write to the Google Sheet",
    "sheets_update": "Change cells of the Google Sheet",
    "sheets_chart": "Draw a chart in the Google Sheet",
    "docs_edit": "Edit the Google Doc",
    "docs_suggest": "Suggest edits in the Google Doc",
    "drive_comment": "Comment on",
    "drive_upload": "Put a new file into the Drive",
    "drive_folder": "Make a folder in the Drive",
    "drive_copy": "Make a copy",
    "drive_move": "Move or rename",
    "drive_share": "Give access to",
    "gmail_draft": "Put a draft into your mailbox",
}
TAKEN_BACK = {
    "docs_create": "In the trash",
    "drive_upload": "In the trash",
    "drive_folder": "In the trash",
    "drive_copy": "In the trash",
    "docs_suggest": "Suggestions withdrawn",
    "drive_comment": "Comment removed",
    "drive_share": "Access as before",
    "gmail_draft": "Draft removed",
}
NOT_UNDONE = {
    "live": " is still at work and has asked, or will ask, before it writes. Say `stop` to end it.",
    "already": " is being undone already.",
    "nothing": " has written nothing that could be undone, or it was undone before.",
    "not_yours": " can be undone only by the person who asked for it.",
}


def not_undone(told: Told) -> str:
    """The private line when an undo was asked for that cannot be; "" when it can."""
    if not told.about:
        return "There is nothing in this thread that I could undo."
    about = f"*{messages.escape(messages.cut(' '.join(told.about.split()), 120))}*"
    return about + NOT_UNDONE[told.outcome] if told.outcome in NOT_UNDONE else ""


def undone(body: Json) -> str:
    """The post that answers the wish to undo a run: what came back, and what stays and why."""
    who = mention(body["by"]) if body["by"] else "the operator"
    if "restored" not in body:
        return f"Undoing this, as {who} asked: I am taking back what I wrote."
    back, kept = body["restored"], body["kept"]
    first = "Undone" if not kept else "Undone as far as it can be" if back else "Not undone"
    lines = [f"{first}, as {who} asked."]
    for one in back[:20]:
        lines.append(
            f"• {TAKEN_BACK.get(one['kind'], 'As it was before')}: {messages.escape(messages.cut(one['title'], 200))}"
        )
    lines += [f"• Left alone: {messages.escape(messages.cut(one['why'], 400))}" for one in kept[:20]]
    more = len(back[20:]) + len(kept[20:])
    return "\n".join([*lines, *([f"• and {more} more"] if more else [])])
