"""Every word a person sees in Slack, in one place. Text in, text out; nothing here knows of blocks."""

from __future__ import annotations

import re
from decimal import Decimal

from bot.types import Approval, Cost, RunInfo, Task

OFFLINE = "offline playbook, no language model"

HELP = (
    "Mention me with what you need, in a channel or here: I work in the thread and ask before I write anything.\n"
    "• `@cadre close Q3 2026` reviews the quarter against the forecast\n"
    "• `@cadre every weekday at 9:00 digest this channel`\n"
    "• `@cadre stop` in a thread ends the work there\n"
    "Commands: `/cadre close Q3 2026`, `/quarter-close Q3 2026`, `/quarter-close summary`."
)
HELLO = (
    "Hello, I am Cadre, an automated assistant. Mention me with a request and I work on it in the thread, "
    "for example `@cadre close Q3 2026`. I ask before I write anything outside it."
)
HOME = "*Cadre* works on requests in threads and asks before it writes anything.\n\n" + HELP

APPROVE, REJECT, STOP = "Approve", "Reject", "Stop"

UNREACHABLE = {
    "not_in_channel": "I am not a member of {place}",
    "channel_not_found": "I cannot see {place}: it is private or it is gone",
    "is_archived": "{place} is archived, nobody can post there",
    "thread_not_found": "The thread in {place} is gone",
    "restricted_action": "I may not post in {place}",
    "restricted_action_read_only_channel": "I may not post in {place}",
}
NEXT = {
    "not_in_channel": "Invite me there with `/invite @cadre` and ask again.",
    "channel_not_found": "Invite me there with `/invite @cadre`, or ask me in another channel.",
    "is_archived": "Ask me in another channel.",
    "thread_not_found": "Ask me again in a new message.",
    "restricted_action": "Ask me in another channel.",
    "restricted_action_read_only_channel": "Ask me in another channel.",
}
NEXT_DEFAULT = "Nothing was written. Mention me again in this thread to try once more, with what should change."
NEXT_WRITTEN = "What was already written is listed in this thread. Mention me again here to go on."

DECISIONS = {
    "already": "This was already decided; the message above shows how.",
    "not_allowed": "Only the person who asked for this can decide it.",
    "expired": "This question has expired. Ask again and I prepare it anew.",
    "void": "This question is closed: the work it belonged to ended or the proposal changed.",
}


def escape(text: str) -> str:
    """Text as Slack wants it in mrkdwn: three characters escaped, so that nothing in it is a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def harmless(mrkdwn: str) -> str:
    """Rendered mrkdwn keeps its links but calls nobody: no @channel, @here, group."""
    return re.sub(r"<(?=[!])", "&lt;", mrkdwn)


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, with a mark where something is left out."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def brief(mrkdwn: str, limit: int) -> str:
    """The same words in at most `limit` characters: links give way to their labels before anything is cut."""
    if len(mrkdwn) <= limit:
        return mrkdwn
    return cut(re.sub(r"<https?://[^<>|]*\|([^<>]*)>", r"\1", mrkdwn), limit)


def lasted(seconds: float) -> str:
    """A duration as people say it."""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def at(when: float) -> str:
    """A moment in the reader's own zone."""
    return f"<!date^{int(when)}^{{date_short_pretty}} {{time}}|{int(when)}>"


def topic(run: RunInfo) -> str:
    """What the run is about in a few words."""
    return cut(" ".join((run.understood or run.request).split()), 120) or "your request"


def ack(run: RunInfo) -> str:
    """The first words in the thread: what was understood, and how it will be worked."""
    about = escape(topic(run))
    first = f"Understood: *{about}*." if run.understood else f"I am reading your request: *{about}*."
    if not run.way:
        return first
    mode = {"coordination": ", working together", "delegation": ", each on its own"}.get(run.mode, "")
    return f"{first}\nHow: {escape(cut(run.way.rstrip('.'), 300))}{mode if ' with ' in run.way else ''}."


def header(run: RunInfo, kind: str) -> str:
    """The top-level message of a request that had no thread of its own."""
    asked = "Scheduled for" if kind == "schedule" else "Asked by"
    return f"{asked} <@{run.requester}>: *{escape(cut(run.request, 500))}*"


def plan_title(run: RunInfo, tasks: tuple[Task, ...]) -> str:
    """Present tense while there is work, past tense with the duration at the end."""
    about = topic(run)
    took = lasted((run.finished_at or run.created_at) - run.created_at)
    if run.status == "done":
        return cut(f"Worked for {took}: {about}", 200)
    if run.status == "stopped":
        return cut(f"Stopped after {took}: {about}", 200)
    if run.status == "failed":
        return cut(f"Failed: {(run.error or {}).get('message') or about}", 200)
    if run.status == "waiting":
        return cut(f"Waiting for an answer: {about}", 200)
    done = sum(task.status == "done" for task in tasks)
    return cut(f"Working on {about} ({done} of {len(tasks)} done)", 200)


def asks(approval: Approval, requester: str) -> str:
    """The first line of an approval: what would happen and where."""
    preview = approval.preview
    if approval.kind == "question":
        return f"<@{requester}> {escape(cut(str(preview.get('title') or 'A question:'), 2_000))}"
    number = len(preview.get("changes") or [])
    title = cut(str(preview.get("title") or f"{number} change{'s' if number != 1 else ''}"), 300)
    return f"<@{requester}> *Write {escape(title[0].lower() + title[1:])}?*"


VERBS = {"docs_create": "Create a new Google Doc", "sheets_write": "Write to the Google Sheet"}


def outcome(approval: Approval, decided_at: float | None) -> str:
    """The line that stands where the buttons were."""
    who = f" by <@{approval.decided_by}>" if approval.decided_by else ""
    when = f", {at(decided_at)}" if decided_at else ""
    if approval.status == "answered":
        return f"Answered{who}{when}: {escape(cut(approval.answer, 1500))}"
    return {
        "approved": f"Approved{who}{when}, exactly as shown.",
        "rejected": f"Rejected{who}{when}. Nothing was written.",
        "expired": "Nobody answered in time. Nothing was written.",
    }.get(approval.status, "Closed: the work ended before an answer. Nothing was written.")


def failure(run: RunInfo, written: bool, lost: str = "") -> str:
    """What failed, why, and what to do next. `lost` says in mrkdwn why the thread cannot be reached."""
    if run.status == "stopped":
        why = escape((run.error or {}).get("message", "")).removeprefix("Stopped as asked. ")
        asked = (run.error or {}).get("kind", "stopped") == "stopped"
        return f"Okay, I stopped. {why}".strip() if asked or not why.strip() else why
    error = run.error or {"kind": "", "message": "it ended without a result"}
    why = lost or escape(cut(str(error["message"]), 2_500)).rstrip()
    why = why if why.endswith((".", "!", "?")) else f"{why}."
    follow = NEXT.get(error["kind"], NEXT_WRITTEN if written else NEXT_DEFAULT)
    return f"<@{run.requester}> I could not finish *{escape(topic(run))}*: {why} {follow}".rstrip()


def unreachable(kind: str, place: str) -> str:
    """Why nothing can be posted where the request came from."""
    words = UNREACHABLE[kind].format(place=place)
    return f"{words[0].upper()}{words[1:]}."


def not_member(command: str) -> str:
    """The private answer to a command in a channel the bot is not in."""
    return (
        "I am not in this channel, so I cannot work here. Invite me with `/invite @cadre` and send "
        f"`{escape(command)}` again, or write to me directly."
    )


def command_taken(text: str) -> str:
    return f"Understood: *{escape(cut(text, 300))}*. The answer comes in this channel, in a thread of its own."


def spent(cost: Cost) -> str:
    """What the run cost, as people say it."""
    amount = Decimal(cost.amount)
    tokens = f"{cost.input + cost.cache_read + cost.cache_write:,} tokens read, {cost.output:,} written"
    if amount == 0:
        return f"no model cost ({tokens})" if cost.output else "no model cost"
    return f"{amount.quantize(Decimal('0.0001')):f} {cost.currency} ({tokens})"
