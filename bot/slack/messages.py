"""Every word a person sees in Slack, in one place. Text in, text out; nothing here knows of blocks."""

from __future__ import annotations

import re
from decimal import Decimal

from bot.coordinator.control import Told
from bot.slack.mrkdwn import escape as escape
from bot.slack.mrkdwn import mention
from bot.types import Approval, Budget, Cost, Json, RunInfo, RunView, Said, Task

OFFLINE = "offline playbook, no language model"

HELP = (
    "Mention me with what you need, in a channel or here: I work in the thread and ask before I write anything.\n"
    "• `@cadre close Q3 2026` reviews the quarter against the forecast\n"
    "• `@cadre every weekday at 9:00 digest this channel`; add `in a canvas` and one shows the newest\n"
    "• in a thread where I work: `stop`, `pause`, `resume`, `status`, `why`, `mute`, when it is done `undo`; "
    "anything else you write there changes the course of that work, and so does an edit of your request; where "
    "others talk too, mention me for all but the first four\n"
    "• `@cadre stop` outside a thread, or `/cadre stop`, ends the latest work of the channel\n"
    "Commands: `/cadre close Q3 2026`, `/cadre status`, `/quarter-close Q3 2026`, `/quarter-close summary`."
)
HELLO = (
    "Hello, I am Cadre, an automated assistant. Mention me with a request and I work on it in the thread, "
    "for example `@cadre close Q3 2026`. I ask before I write anything outside it."
)
HOME = "*Cadre* works on requests in threads and asks before it writes anything.\n\n" + HELP

STATUS_LINES = {"processing": "is working…", "suspended": "waits for an answer"}  # where the app is no agent
APPROVE, REJECT, STOP, PAUSE, RESUME, UNDO = "Approve", "Reject", "Stop", "Pause", "Resume", "Undo"

UNREACHABLE = {
    "not_in_channel": "I am not a member of {place}",
    "channel_not_found": "I cannot see {place}: it is private or it is gone",
    "is_archived": "{place} is archived, nobody can post there",
    "thread_not_found": "The thread in {place} is gone",
    "restricted_action": "I may not post in {place}",
    "restricted_action_read_only_channel": "I may not post in {place}",
}
OUT_OF_BOUNDS = "restricted_action"  # what a refusal that has no words of its own comes to when it lasts
BROKEN_TOKEN = (
    "Slack refuses the bot token ({error}). Install the app again from its manifest and set SLACK_BOT_TOKEN; "
    "`cadre doctor` tells whether it works."
)
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

OWN_WORDS = {
    "question": "You can also answer in your own words: reply in this thread.",
    "budget": "You can also reply in this thread, for example: raise to $5. Until then it costs nothing.",
    "signin": "Nobody else sees the link, and Cadre uses the account for your requests only.",
}
DECISIONS = {
    "too_little": "That is not more than what is spent already. Name a higher limit.",
    "unclear": "That does not say which limit. Give the amount, for example: raise to $5; or say continue, or stop.",
    "already": "This was already decided; the message above shows how.",
    "not_allowed": "Only the person who asked for this can decide it.",
    "no_answer": "A reaction does not answer this: press one of its buttons, or reply here in your own words.",
    "expired": "This question has expired. Ask again and I prepare it anew.",
    "void": "This question is closed: the work it belonged to ended, or the proposal or the request changed.",
}


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
    return f"{asked} {mention(run.requester)}: *{escape(cut(run.request, 500))}*"


def plan_title(run: RunInfo, tasks: tuple[Task, ...]) -> str:
    """Present tense while there is work, past tense with the duration at the end."""
    about = topic(run)
    took = lasted((run.finished_at or run.created_at) - run.created_at)
    if run.status == "done":
        return cut(f"Worked for {took}: {about}", 200)
    if run.status == "stopped":
        return cut(f"Stopped after {took}: {about}", 200)
    if run.status == "failed":
        return cut(f"Failed after {took}: {about}", 200)
    if run.control == "pause":
        return cut(f"Paused: {about}", 200)
    if run.status == "waiting":
        return cut(f"Waiting for an answer: {about}", 200)
    done = sum(task.status == "done" for task in tasks)
    return cut(f"Working on {about} ({done} of {len(tasks)} done)", 200)


def asks(approval: Approval, requester: str) -> str:
    """The first line of an approval: what would happen and where."""
    preview = approval.preview
    if approval.kind == "budget":
        return f"{mention(requester)} {budget_question(preview)}"
    if approval.kind == "plan":
        return (
            f"{mention(requester)} *Work by this plan?* {escape(cut(str(preview.get('reason') or ''), 500))}".rstrip()
        )
    if approval.kind == "call":
        tool = str(preview.get("tool")).removeprefix("mcp__").replace("__", ": ", 1)
        return f"{mention(requester)} *May {escape(cut(str(preview.get('from')), 40))} call {escape(tool)} once?*"
    if approval.kind in ("question", "signin"):
        requester = str(preview.get("person") or requester)
        return f"{mention(requester)} {escape(cut(str(preview.get('title') or 'A question:'), 2_000))}"
    number = len(preview.get("changes") or [])
    if preview.get("access"):
        return f"{mention(requester)} *Give this access?* It is asked apart: others can open at once what is shared."
    title = cut(str(preview.get("title") or f"{number} change{'s' if number != 1 else ''}"), 300)
    return f"{mention(requester)} *Write {escape(title[0].lower() + title[1:])}?*"


PLAN_HINT = (
    "Nothing begins before you approve. To change it, reply in this thread: `drop 3`, `only 1 and 2`, or in your own "
    "words what should be different."
)


def way(run: RunInfo) -> str:
    """How the parts are worked and why, below the plan."""
    told = {"coordination": "The parts need each other, so a team works them together"}
    first = told.get(run.mode, "The parts are independent, so each is worked on its own")
    return escape(cut(f"{first}: {run.mode_reason.rstrip('.')}.", 400))


def planned(preview: Json) -> str:
    """The tasks of a plan that waits for approval, each with its owner, what it needs and when it is done."""
    lines = []
    for number, task in enumerate(preview.get("tasks") or [], 1):
        owner = f" ({task['owner']})" if task.get("owner") else ""
        after = f", after {', '.join(task['depends_on'])}" if task.get("depends_on") else ""
        done = cut("; ".join(task.get("criteria") or []), 200)
        lines.append(escape(f"{number}. {cut(task['title'], 150)}{owner}{after}. Done when: {done}"))
    if preview.get("estimate"):
        lines.append(f"It will likely cost about {dollars(str(preview['estimate']))}.")
    return "\n".join(lines)


def outcome(approval: Approval, decided_at: float | None) -> str:
    """The line that stands where the buttons were."""
    who = f" by {mention(approval.decided_by)}" if approval.decided_by else ""
    when = f", {at(decided_at)}" if decided_at else ""
    if approval.status == "answered":
        return f"Answered{who}{when}: {escape(cut(approval.answer, 1500))}"
    return {
        "approved": f"Approved{who}{when}, exactly as shown.",
        "rejected": f"Rejected{who}{when}. Nothing was written.",
        "expired": "Nobody answered in time. Nothing was written.",
        "withdrawn": "Taken back: somebody wrote in the thread before it was answered. Nothing was written.",
    }.get(approval.status, "Closed without an answer: the work ended or went on. Nothing was written.")


def failure(run: RunInfo, written: bool, lost: str = "") -> str:
    """What failed, why, and what to do next. `lost` says in mrkdwn why the thread cannot be reached."""
    if run.status == "stopped":
        why = escape((run.error or {}).get("message", ""))
        asked = (run.error or {}).get("kind", "stopped") == "stopped"
        return f"Okay, I stopped. {why}".strip() if asked or not why.strip() else why
    error = run.error or {"kind": "", "message": "it ended without a result"}
    why = lost or escape(cut(str(error["message"]), 2_500)).rstrip()
    why = why if why.endswith((".", "!", "?")) else f"{why}."
    follow = NEXT.get(error["kind"], NEXT_WRITTEN if written else NEXT_DEFAULT)
    return f"{mention(run.requester)} I could not finish *{escape(topic(run))}*: {why} {follow}".rstrip()


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


# -- words of control ------------------------------------------------------------------------------------------------

ALREADY_SAID = "I have that already."
RESUME_HINT = "Say `resume` here, or press Resume, and it goes on from where it is."
MUTED = "Muted: only the result, questions and approvals come in its thread from now on. `unmute` undoes this."
UNMUTED = "Unmuted: I show the progress of this work again."


def controlled(told: Told, *, here: bool) -> str:
    """The private line after a word of control; "" when the thread itself shows what it did."""
    if told.outcome == "nothing":
        return "Nothing is going on in this thread." if here else "Nothing of mine is going on in this channel."
    about = f"*{escape(cut(' '.join(told.about.split()), 120))}*"
    if told.outcome == "already":
        again = {"pause": "is paused already", "resume": "is not paused", "mute": "is muted already"}
        return f"{about} {again.get(told.word, 'is not muted')}."
    if told.outcome != "done":
        return f"{about} waits for an answer about its budget; answer that question in its thread."
    if told.word in ("mute", "unmute"):
        return MUTED if told.word == "mute" else UNMUTED
    if here:
        return ""
    where = f"<{told.permalink}|its thread>" if told.permalink else "its thread"
    return {
        "stop": f"Stopping {about}; what it has so far comes in {where}.",
        "pause": f"Paused {about}. {RESUME_HINT.replace('here', f'in {where}')}",
        "resume": f"{about} goes on.",
    }.get(told.word, f"The answer about {about} is in {where}.")


def said(one: Said, run: RunInfo) -> str:
    """The post that answers a word of control."""
    body = one.body
    match one.kind:
        case "pause":
            return f"Paused by {mention(body['by'])}. What is under way comes to the end of its step. {RESUME_HINT}"
        case "resume":
            return f"Resumed by {mention(body['by'])}."
        case "steer":
            return _steered(body, run)
        case "status":
            return _standing(body, run)
    return _reasons(body, run)


def _steered(body: Json, run: RunInfo) -> str:
    quoted = f"“{escape(cut(' '.join(str(body['text']).split()), 300))}”"
    who = f" from {mention(body['by'])}"
    if body["kind"] == "replace":
        return f"A new request{who} in place of this one: {quoted}. I stop this work and begin the other."
    first = {"addon": f"Added to this work{who}: {quoted}."}.get(body["kind"], f"Change of course{who}: {quoted}.")
    answered, plan = body.get("answer"), body.get("plan") or {}
    lines = [first]
    if answered:
        how = {"changed": "Taken in", "unchanged": "Nothing changes", "impossible": "Not possible"}
        lines.append(f"{how.get(answered['outcome'], 'Answer')}: {escape(cut(str(answered['text']), 1_000))}")
    elif not plan:
        lines.append(_not_yet(body, run))
    rows = [f"+ {escape(title)}" for title in plan.get("added", [])]
    rows += [f"− {escape(title)}" for title in plan.get("dropped", [])]
    if plan:
        reason = escape(cut(str(plan.get("reason", "")), 300))
        lines.append("\n".join([f"The plan changed: {reason}".rstrip(": "), *rows]))
    elif answered:
        lines.append("The rows of the plan stay as they are.")
    return "\n".join(lines)


def _not_yet(body: Json, run: RunInfo) -> str:
    if run.status in ("done", "failed", "stopped"):
        return "The work ended before this was answered."
    if body.get("read"):
        return "The lead has read it and works it in."
    if run.control in ("pause", "budget"):
        return "The work is paused; the lead reads it when it goes on."
    return "The lead reads it at its next step."


def _standing(body: Json, run: RunInfo) -> str:
    state = {"pause": "Paused", "budget": "Waiting for an answer about its budget", "stop": "Stopping"}
    ended = {"done": "Done", "failed": "Failed", "stopped": "Stopped", "waiting": "Waiting for an answer"}
    how = state.get(body["control"]) or ended.get(body["status"]) or "At work"
    over = body["status"] in ("done", "failed", "stopped")
    how = ended[body["status"]] if over else how
    since = f"{'after' if over else 'for'} {lasted(body['since'])}"
    lines = [f"*{how}* {since}: {escape(topic(run))}{' (muted)' if body['muted'] else ''}"]
    tasks = body["tasks"]
    if tasks["total"]:
        done = f": {escape(cut('; '.join(tasks['done']), 300))}" if tasks["done"] else ""
        lines.append(f"• Tasks: {len(tasks['done'])} of {tasks['total']} done{done}")
    lines += [f"• {escape(a['name'])} {_doing(a)} ({lasted(a['for_s'])})" for a in body["agents"][:12]]
    if len(body["agents"]) > 12:
        lines.append(f"• and {len(body['agents']) - 12} more agents")
    lines += [
        f"• {mention(q['person'])} is asked ({lasted(q['for_s'])}): {escape(cut(q['title'], 200))}"
        for q in body["asked"]
    ]
    return "\n".join([*lines, f"• Cost so far: {spent(Cost(**body['cost']))}"])


def _doing(agent: Json) -> str:
    what = escape(cut(", ".join(str(name) for name in agent["what"]), 200))
    return {
        "mail": f"waits for {what or 'a message'}",
        "calls": f"is in {what}",
        "checks": "is done; its result is being checked",
        "answer": "waits for a person's answer",
        "trouble": f"waits for a service that fails, attempt {agent.get('tries', 1)}",
    }.get(agent["does"], "is thinking")


def _reasons(body: Json, run: RunInfo) -> str:
    lines = [f"*Why* {escape(topic(run))}{' ended so' if body['error'] else ' stands so'}:"]
    if body["error"]:
        lines.append(f"• It ended: {escape(cut(body['error'], 500))}")
    mode = {"coordination": "a team that works together", "delegation": "parts worked each on its own"}
    way = ": ".join(x for x in (mode.get(body["mode"], ""), body["reason"] or body["way"]) if x)
    if way:
        lines.append(f"• Way of working: {escape(cut(way, 400))}")
    if body["control"] in ("pause", "budget"):
        paused = "a person paused it" if body["control"] == "pause" else "its budget is used up and a person is asked"
        lines.append(f"• It does not go on because {paused}")
    lines += [f"• {mention(q['person'])} is asked: {escape(cut(q['title'], 200))}" for q in body["asked"]]
    lines += [f"• {mention(s['by'])} changed the course: “{escape(cut(s['text'], 200))}”" for s in body["steers"]]
    lines += [f"• The plan changed: {escape(cut(reason, 200))}" for reason in body["changes"] if reason]
    lines += [f"• Check failed: {escape(c['name'])}: {escape(cut(c['evidence'], 250))}" for c in body["checks"]]
    lines += [f"• {escape(x['agent'])} waits for a failing service, attempt {x['tries']}" for x in body["trouble"]]
    lines += [f"• {escape(cut(text, 250))}" for text in body["notices"]]
    lines += [f"• Not allowed: {escape(d['tool'])}: {escape(cut(d['reason'], 200))}" for d in body["refused"]]
    return "\n".join(lines if len(lines) > 1 else [*lines, "• No decision was made yet beyond reading the request."])


# -- money -----------------------------------------------------------------------------------------------------------

WHOSE = {
    "task": "for one task of this request",
    "agent": "for one agent of this request",
    "run": "for this request",
    "automation": "for this recurring request",
    "channel": "for this channel",
    "org": "for everybody",
}


def dollars(amount: str) -> str:
    """An amount as people read it: cents, and two figures of what is below ten of them."""
    value = Decimal(amount or "0")
    places = Decimal("0.01")
    if value and value < Decimal("0.1"):
        places = min(places, Decimal(1).scaleb(value.adjusted() - 1))
    return f"${value.quantize(places):f}"


def whose(scope: str, period: str) -> str:
    """Whom a limit is for, and for how long."""
    words = WHOSE.get(scope, "")
    return words if period == "run" else f"{words} this {period}" if period != "day" else f"{words} today"


def limit(budget: Budget) -> str:
    """Said with the acknowledgement when a request has a limit."""
    return f"This may cost at most {dollars(budget.limit)}; I ask before it goes over.{_over(budget)}"


def _over(budget: Budget) -> str:
    if budget.estimate and budget.limit and Decimal(budget.estimate) > Decimal(budget.limit):
        return f" The estimate is higher: about {dollars(budget.estimate)}, {budget.basis}."
    return ""


def running_total(cost: Cost, budget: Budget) -> str:
    """What a run costs so far, its limit and its estimate, in one line; "" where money plays no part."""
    if not (Decimal(cost.amount) or budget.limit or budget.estimate):
        return ""
    told = f"Cost so far {dollars(cost.amount)}"
    told += f" of at most {dollars(budget.limit)}" if budget.limit else ""
    told += f" · estimate about {dollars(budget.estimate)}, {budget.basis}" if budget.estimate else ""
    return f"{told}{_priced(budget)}"


def _priced(budget: Budget) -> str:
    return f" · priced as {budget.priced_as} would be" if budget.priced_as else ""


CHECKS = {  # what a check is called where its name alone says little; nothing: it is not worth a reader's time
    "tasks_done": "every task is done",
    "numbers_cited": "every number has its source",
    "citations_known": "",
    "work_seen": "",
    "reply_not_empty": "",
    "reply_short": "",
}


def _named(names: list[str]) -> str:
    told = [name for name in names if CHECKS.get(name, name)] or names
    plain = (CHECKS.get(name) or (name if " " in name else name.replace("_", " ")) for name in told)
    return escape(cut(", ".join(dict.fromkeys(plain)), 400))


def not_verified(failed: list[str]) -> str:
    """The part of the last line about checks when one did not pass."""
    return f"Not verified: {_named(failed)}"


def verified(by_code: list[str], judged: list[str], offline: bool) -> list[str]:
    """The parts of the last line about checks: by code, by fresh eyes, and what nobody checked."""
    told = [f"Checked by code: {_named(by_code)}"] if by_code else []
    again = [name for name in judged if name in by_code]
    fresh = [name for name in judged if name not in by_code]
    if again:
        told.append(f"{len(again)} of these once more by an independent verifier on the files alone")
    if fresh:
        told.append(f"Judged by an independent verifier: {_named(fresh)}")
    if not fresh:
        told.append("Not checked: " + ("wording" if judged or offline else "wording and judgement"))
    return told


def final_cost(view: RunView) -> str:
    """The last line about money."""
    told = spent(view.cost)
    if not Decimal(view.cost.amount) and view.cost.output and not view.run.offline:
        told = f"no price is known for {escape(view.run.model)} ({told.partition('(')[2] or ')'}"
    if view.budget.limit:
        told += f" of at most {dollars(view.budget.limit)}"
    if view.budget.estimate:
        told += f", the estimate was {dollars(view.budget.estimate)}"
    return f"{told}{_priced(view.budget)}"


def soft_line(line: Json) -> str:
    """Posted once when a soft line is passed."""
    share = (Decimal(line["soft"]) / Decimal(line["hard"]) * 100).quantize(Decimal(1))
    about = whose(str(line["scope"]), str(line["period"]))
    spent, coming = f"{dollars(line['spent'])} of {dollars(line['hard'])}", dollars(line["reserved"])
    return (
        f"{share} % of the budget {about} is used or under way: {spent} is spent, and the next steps take about "
        f"{coming}. I go on, and ask here before it goes over."
    )


def budget_question(preview: Json) -> str:
    """The question when a hard line is reached."""
    about = whose(str(preview["scope"]), str(preview["period"]))
    if preview["scope"] == "task":
        about = f"for the task {escape(str(preview['scope_id']))}"
    if preview["scope"] == "agent":
        about = f"for the agent {escape(str(preview['scope_id']).rpartition('/')[2])}"
    told = f"*The budget {about} is reached:* {dollars(preview['spent'])} of {dollars(preview['hard'])} is spent"
    if Decimal(preview["next"]):
        told += f", and the next step would take about {dollars(preview['next'])}"
    told += ". All agents of this work are paused."
    if preview.get("estimate"):
        told += f" The estimate for the whole of it was {dollars(preview['estimate'])}."
    if preview["scope"] in ("channel", "org"):
        who = " or ".join(f"{mention(user)}" for user in preview.get("approvers", ()))
        told += f" Only {who or 'whoever runs Cadre'} can raise it."
    return f"{told} Go on for more, or take what is there?"
