"""The larger blocks: plan and tasks, approvals with their previews, and text cut to Slack's limits."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from bot.slack import document_words, messages, ways_words
from bot.slack.mrkdwn import NOTHING_SEEN, inert, link, quiet
from bot.types import Approval, Check, Json, Message, RunInfo, RunView, Task

Block = dict[str, Any]

SECTION_MAX = 2_900
TASKS_MAX = 50
DETAILS_BUDGET = 9_000  # characters of folded details in one plan card
ROWS_MAX, COLUMNS_MAX, TABLE_CHARS_MAX = 100, 20, 9_000
CELL_MAX = 300
EXCERPT_MAX = 1_500
OPTIONS_MAX = 20
CHANGES_MAX = 12  # shown one by one; more are counted
PREFORMATTED_ROWS = 12
CALL_MAX = 11_000  # characters of a single call's arguments

STATUS = {
    "pending": "pending",
    "working": "in_progress",
    "waiting": "in_progress",
    "person": "in_progress",
    "done": "complete",
    "failed": "error",
    "stopped": "error",
    "refused": "error",
}


def section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def context(text: str) -> Block:
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _mrkdwn(text: str) -> Block:
    """The one place where text becomes markup: what calls or links in it is what code wrote, and Slack adds none."""
    told = inert(messages.cut(inert(text), SECTION_MAX)) or NOTHING_SEEN
    return {"type": "mrkdwn", "text": told, "verbatim": True}


def sections(text: str) -> list[Block]:
    """Text of any length as section blocks: nothing lost, lines and words kept whole where they fit."""
    return [section(part) for part in split(inert(text)) if part.strip()]


def split(text: str, limit: int = SECTION_MAX) -> list[str]:
    """Parts of at most `limit` characters that join to the text again."""
    parts: list[str] = []
    while len(text) > limit:
        at = text.rfind("\n", 0, limit) + 1 or text.rfind(" ", 0, limit) + 1 or limit
        opened = text.rfind("<", 0, at)
        if opened > 0 and ">" not in text[opened:at] and ">" in text[at : at + limit]:
            at = opened  # never inside a link
        parts.append(text[:at])
        text = text[at:]
    return [*parts, text]


def rich(*elements: Block) -> Block:
    return {"type": "rich_text", "elements": list(elements)}


def words(text: str, **style: bool) -> Block:
    return {"type": "text", "text": text, **({"style": style} if style else {})}


def line(*elements: Block) -> Block:
    return {"type": "rich_text_section", "elements": list(elements)}


def bullets(items: list[Block]) -> Block:
    return {"type": "rich_text_list", "style": "bullet", "elements": items}


def button(label: str, action: str, value: Json, style: str = "") -> Block:
    told: Block = {
        "type": "button",
        "text": {"type": "plain_text", "text": messages.cut(label, 75)},
        "action_id": action,
        "value": json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    }
    return {**told, "style": style} if style else told


def feedback(run: RunInfo) -> Block:
    """Two buttons below a result: what people think of it, kept with the run."""

    def one(label: str, verdict: str) -> Block:
        value = json.dumps({"run": run.id, "verdict": verdict}, separators=(",", ":"))
        return {"text": {"type": "plain_text", "text": label}, "value": value}

    buttons = {
        "type": "feedback_buttons",
        "action_id": "feedback",
        "positive_button": one(ways_words.GOOD, "good"),
        "negative_button": one(ways_words.BAD, "bad"),
    }
    return {"type": "context_actions", "elements": [buttons]}


# -- plan ------------------------------------------------------------------------------------------------------------


def plan(view: RunView, title: str, ended: bool) -> Block:
    """The task graph as one plan block; a run that ended leaves no task spinning."""
    at = TASKS_MAX if len(view.tasks) <= TASKS_MAX else TASKS_MAX - 1
    shown, left = view.tasks[:at], view.tasks[at:]
    budget = max(180, DETAILS_BUDGET // max(1, len(shown)))
    told = [_task(task, _mail_of(task, view), budget, ended) for task in shown]
    if left:
        done = sum(task.status == "done" for task in left)
        status = "complete" if done == len(left) else "error" if ended else "pending"
        told.append(
            {
                "type": "task_card",
                "task_id": "_more",
                "title": f"{len(left)} more tasks, {done} done",
                "status": status,
            }
        )
    return {"type": "plan", "title": title, "tasks": told}


def controls(run: RunInfo) -> Block:
    """The buttons below a plan: stop it, and pause it or let it go on."""
    other = (messages.RESUME, "resume") if run.control == "pause" else (messages.PAUSE, "pause")
    told = {"run": run.id}
    return {"type": "actions", "elements": [button(messages.STOP, "stop", told), button(*other, told)]}


def _task(task: Task, mail: list[Message], budget: int, ended: bool) -> Block:
    status = STATUS.get(task.status, "pending")
    if ended and status == "in_progress":
        status = "error"
    card: Block = {
        "type": "task_card",
        "task_id": messages.cut(task.id, 250),
        "title": messages.cut(task.title.strip() or task.id, 150),
        "status": status,
    }
    details = _details(task, mail, budget)
    if details:
        card["details"] = rich(*details)
    output = _output(task.checks)
    if output:
        card["output"] = rich(line(words(output)))
    return card


def _mail_of(task: Task, view: RunView) -> list[Message]:
    """The messages folded under a task: what its owner sent, and what owners of nothing sent to its owner."""
    owners = {other.owner for other in view.tasks if other.owner}
    first = next((other.id for other in view.tasks if other.owner == task.owner), "")
    if not task.owner or first != task.id:
        return []  # an owner of several tasks shows its messages once
    return [m for m in view.messages if m.sender == task.owner or (m.to == task.owner and m.sender not in owners)]


def _details(task: Task, mail: list[Message], budget: int) -> list[Block]:
    left = budget
    elements: list[Block] = []
    if task.owner:
        elements.append(line(words(messages.cut(task.owner, 40), bold=True)))
    if task.progress:
        elements.append(line(words(messages.cut(task.progress, 120))))
    criteria = []
    for text in task.criteria:
        told = messages.cut(text, 160)
        if not told:
            continue
        if left < len(told):
            break
        left -= len(told)
        criteria.append(line(words(told)))
    if criteria:
        elements.append(bullets(criteria))
    told_mail: list[Block] = []
    for message in reversed(mail):
        told = f"→ {message.to}: {messages.cut(' '.join(message.text.split()), 200)}"
        told = told if message.sender == task.owner else f"{message.sender} {told}"
        if left < len(told):
            break
        left -= len(told)
        told_mail.insert(0, line(words(told)))
    if len(told_mail) < len(mail):
        told_mail.insert(0, line(words(f"{len(mail) - len(told_mail)} earlier messages", italic=True)))
    return [*elements, *told_mail]


def _output(checks: tuple[Check, ...]) -> str:
    failed = [check for check in checks if not check.passed]
    if failed:
        return messages.cut(f"Check failed: {failed[0].name}: {failed[0].evidence}", 250)
    if checks:
        return f"{len(checks)} of {len(checks)} checks passed"
    return ""


# -- approvals -------------------------------------------------------------------------------------------------------


def closed(approval: Approval, ended: bool) -> bool:
    """Whether a person can no longer answer."""
    return ended or approval.status != "pending"


def approval(one: Approval, requester: str, ended: bool, decided_at: float | None) -> list[Block]:
    """A question to a person: what would happen, exactly; then buttons, or how it ended."""
    blocks = [section(messages.asks(one, requester))]
    if one.kind == "changes":
        blocks += _changes(one.preview.get("changes") or [])
    if one.kind == "plan":
        blocks += sections(messages.planned(one.preview))
    if one.kind == "call":
        blocks += _call(one.preview)
    if closed(one, ended):
        return [*blocks, section(messages.outcome(one, decided_at))]
    if one.kind in ("changes", "plan", "call"):
        value = {"id": one.id, "sha": one.args_sha256}
        buttons = [
            button(messages.APPROVE, "approve", value, "primary"),
            button(messages.REJECT, "reject", value, "danger"),
        ]
        hint = f"Nothing is written before you approve. Fingerprint of these changes: {one.args_sha256[:12]}."
        if one.kind == "plan":
            hint = messages.PLAN_HINT
        if one.kind == "call":
            hint = f"It is made exactly as shown, once. Fingerprint of these arguments: {one.args_sha256[:12]}."
    else:
        options = [str(option) for option in one.preview.get("options") or []][:OPTIONS_MAX]
        buttons = [
            button(option, f"answer:{n}", {"id": one.id, "text": messages.cut(option, 1_500)})
            for n, option in enumerate(options)
            if option.strip()
        ]
        hint = messages.OWN_WORDS.get(one.kind, messages.OWN_WORDS["question"])
    if one.expires_at:
        hint = f"{hint} Open until {messages.at(one.expires_at)}."
    if buttons:
        blocks.append({"type": "actions", "block_id": f"approval:{one.id}", "elements": buttons})
    return [*blocks, context(hint)]


def _call(preview: Json) -> list[Block]:
    """The arguments of a single call, to the letter; of very long ones the beginning, and how much that is."""
    text = json.dumps(preview.get("args"), ensure_ascii=False, indent=2)
    shown = text[:CALL_MAX]
    blocks = [rich({"type": "rich_text_preformatted", "elements": [words(part)]}) for part in split(shown)]
    more = f"The first {len(shown):,} of {len(text):,} characters." if len(shown) < len(text) else ""
    return [*blocks, *([context(more)] if more else [])]


def _changes(changes: list[Json]) -> list[Block]:
    blocks: list[Block] = []
    table_free = True  # Slack allows one table per message
    markdown_left = 9_000  # and 12,000 characters of Markdown
    for number, change in enumerate(changes[:CHANGES_MAX], 1):
        blocks.append(section(_what(number, change)))
        if change.get("rows"):
            blocks += _rows(change, table_free)
            table_free = False
        text = change.get("markdown")
        if text and markdown_left > EXCERPT_MAX:
            excerpt = quiet(_excerpt(str(text)))
            markdown_left -= len(excerpt)
            blocks += [{"type": "markdown", "text": excerpt}, context(_fingerprint(change, excerpt))]
    if len(changes) > CHANGES_MAX:
        blocks.append(context(f"and {len(changes) - CHANGES_MAX} more changes of the same approval"))
    return blocks


def _what(number: int, change: Json) -> str:
    verb = document_words.VERBS.get(str(change.get("kind")), str(change.get("kind", "change")).replace("_", " "))
    title = messages.cut(str(change.get("title") or change.get("target") or "untitled"), 300)
    url = str(change.get("url") or "")
    named = link(url, title) if url.startswith(("http://", "https://")) else f"“{messages.escape(title)}”"
    summary = messages.escape(messages.cut(str(change.get("summary") or ""), 1_000))
    return f"*{number}. {messages.escape(verb)}* {named}" + (f"\n{summary}" if summary else "")


def _excerpt(text: str) -> str:
    if len(text) <= EXCERPT_MAX:
        return text
    at = text.rfind("\n", 0, EXCERPT_MAX)
    return text[: at if at > EXCERPT_MAX // 2 else EXCERPT_MAX].rstrip()


def _fingerprint(change: Json, excerpt: str) -> str:
    """How much of the whole the excerpt is; the preview itself may hold only the beginning of a long text."""
    text = str(change["markdown"])
    length = int(change.get("length") or len(text))
    digest = str(change.get("sha256") or hashlib.sha256(text.encode()).hexdigest())[:12]
    if len(excerpt) < length:
        return f"The first {len(excerpt):,} of {length:,} characters. Fingerprint of the whole text: {digest}."
    return f"The whole text, {length:,} characters. Fingerprint: {digest}."


def _rows(change: Json, as_table: bool) -> list[Block]:
    """The rows to be written, as a table where Slack still allows one, with what is left out counted."""
    rows = [[_cell(cell) for cell in row] for row in change["rows"]]
    total = int(change.get("rows_total") or len(rows))
    wide = max((len(row) for row in rows), default=0)
    width = min(wide, COLUMNS_MAX)
    if not width:
        return []
    shown: list[list[str]] = []
    left = TABLE_CHARS_MAX
    for row in rows[: ROWS_MAX if as_table else PREFORMATTED_ROWS]:
        padded = [*row[:width], *[""] * (width - len(row[:width]))]
        left -= sum(len(cell) for cell in padded)
        if left < 0 and shown:
            break
        shown.append(padded)
    more = [f"{total - len(shown)} more rows are not shown"] if total > len(shown) else []
    more += [f"{wide - width} more columns are not shown"] if wide > width else []
    block = _table(shown) if as_table else _preformatted(shown)
    return [block, *([context(". ".join(more) + ".")] if more else [])]


def _cell(value: Any) -> str:
    return messages.cut("" if value is None else " ".join(str(value).split()), CELL_MAX)


def _table(rows: list[list[str]]) -> Block:
    # An empty cell is refused, so that one holds a space.
    return {
        "type": "table",
        "rows": [[{"type": "raw_text", "text": cell or " "} for cell in row] for row in rows],
    }


def _preformatted(rows: list[list[str]]) -> Block:
    text = messages.cut("\n".join("  ".join(row).rstrip() for row in rows), SECTION_MAX)
    return rich({"type": "rich_text_preformatted", "elements": [words(text or " ")]})
