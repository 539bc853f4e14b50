"""Every word a person sees on a way in: why not, the form, the home tab, and thanks for an opinion."""

from __future__ import annotations

from bot.coordinator.limits import QUOTED
from bot.policy.access import Access, Role
from bot.slack.messages import at, cut, escape
from bot.types import Json, Person, RunInfo

# -- who may ---------------------------------------------------------------------------------------------------------

WHY_NOT = {
    "guest": "I work only for full members of this workspace, and you are here as a guest. Ask a member to ask me.",
    "outsider": "I work only for members of this workspace, and you are with another organisation. Ask somebody of "
    "this workspace to ask me.",
    "unseen": "I cannot see who you are, so I do nothing for you: whoever runs me installs the app again from its "
    "manifest, which asks for users:read.",
    "closed": "The rules of this workspace do not let you work with me here. Whoever runs me can change that.",
    "see": "The rules of this workspace do not let you see my work here. Whoever runs me can change that.",
    "ask": "The rules of this workspace let you look at my work here, and not ask for any or change it. Whoever runs "
    "me can change that.",
    "approve": "The rules of this workspace do not let you approve anything here. Somebody who may has to do it.",
    "administer": "Only those who administer me may do that.",
}
ROLE_APPROVES = "Your role here does not approve. Somebody whose role does has to decide it."


def denied(why: str) -> str:
    """One plain line why somebody may not."""
    return WHY_NOT.get(why, WHY_NOT["closed"])


FORWARDED_MAX = 8_000  # characters of one forwarded message
HELD = "I have that, and look up first whether you may ask for it here; the answer comes in this channel."

# -- what came beside the words of a message -------------------------------------------------------------------------


def attached(names: list[str]) -> str:
    """The request of a message that is nothing but files."""
    return f"Attached: {', '.join(names)}"


def forwarded(author: str, link: str, text: str) -> str:
    """A message that somebody forwarded, below their own words."""
    about = ", ".join(part for part in (" ".join(author.split()), "".join(link.split())) if part)
    lines = cut(text, FORWARDED_MAX).splitlines()
    return "\n".join([f"{QUOTED} ({about}):" if about else f"{QUOTED}:", *(f"> {line}" for line in lines)])


# -- the form --------------------------------------------------------------------------------------------------------

FORM_TITLE, FORM_SUBMIT, FORM_CLOSE = "Delegate this", "Delegate", "Cancel"
FORM_FIELDS = {
    "place": ("Where", "The channel in which the work is done, in a thread of its own. I must be a member of it."),
    "goal": ("Goal", "What should come out of it, in your words."),
    "done": ("What counts as done", "One criterion a line. The result is judged by each of them."),
    "budget": ("Budget in US dollars", "I stop and ask before it goes over."),
    "deadline": ("Wanted by", "Shown with the work; I say so when it passes."),
}
NO_GOAL = "Say what should come out of it."
NO_PLACE = "Choose a channel."
NO_AMOUNT = "An amount above 0, such as 2.50."
PAST = "A time that is still to come."
NOT_THERE = "I am not a member there. Invite me with /invite @cadre first, or choose another channel."
FORM_LATE = "The form could not be opened in time. Choose the shortcut again."


def too_long(most: int) -> str:
    """Why a form holds only the beginning of a message."""
    return f"The message is longer than the {most:,} characters that fit here: the goal holds its beginning."


def left_behind(fit: int, came: int) -> str:
    """Which files of a message a form cannot carry, and what to do about it."""
    return f"Files that come along: {fit} of {came}. Attach the others to a reply in the thread."


def criteria_too_many(most: int, longest: int) -> str:
    return f"At most {most} criteria, each on one line of at most {longest} characters."


def terms(run: RunInfo) -> str:
    """What a request was given along, below its acknowledgement; "" when it was nothing."""
    told = []
    if run.criteria:
        told.append(f"Done when: {escape(cut('; '.join(run.criteria), 600))}")
    if run.deadline:
        told.append(f"Wanted by {at(run.deadline)}")
    if run.canvas:
        told.append("The report comes in a canvas")
    return " · ".join(told)


# -- the agent's own conversation ------------------------------------------------------------------------------------

AGENT = (
    "Works on requests in a thread, alone or with a team of specialists, shows its plan, checks every figure by code "
    "and asks before it writes anything."
)
PROMPTS_TITLE = "For example"
PROMPTS = (
    ("Close the quarter", "close Q3 2026"),
    ("Review contracts", "review the contracts in Supplier contracts"),
    ("Minutes of a meeting", "turn the transcript of the steering meeting into a page"),
    ("What runs now", "status"),
)

# -- opinions --------------------------------------------------------------------------------------------------------

GOOD, BAD = "Good result", "Bad result"
THANKS = {
    "good": "Thank you, I keep that with this work.",
    "bad": "Thank you, I keep that with this work. Write here what is wrong with it, and I go on from there.",
}

# -- the home tab ----------------------------------------------------------------------------------------------------

NEEDS, RUNNING, RECENT, AUTOMATIONS, SETTINGS = "Needs you", "Running", "Recent", "Automations", "Settings"
EMPTY = {
    NEEDS: "Nothing waits for you. Questions and approvals of your work show up here.",
    RUNNING: "Nothing is running. Mention me in a channel, for example `@cadre close Q3 2026`, or choose *Delegate "
    "this* in the menu of any message.",
    RECENT: "No work of yours yet. When some is done, its result is one click away from here.",
    AUTOMATIONS: "Nothing repeats yet. Try `@cadre every weekday at 9:00 digest this channel` in a channel.",
}
OPEN, ASK, RULES = "Open", "Ask for work", "Who may do what"
STATES = {
    "queued": "queued",
    "working": "at work",
    "waiting": "waiting for an answer",
    "done": "done",
    "failed": "failed",
    "stopped": "stopped",
}
CONTROLS = {"pause": "paused", "budget": "waiting for an answer about its budget", "stop": "stopping"}
ROLE_WORDS = {
    Role.NOTHING: "may do nothing",
    Role.SEE: "may look",
    Role.ASK: "may ask for work",
    Role.APPROVE: "may ask for work and approve",
    Role.ADMINISTER: "may do everything",
}


def state(run: Json) -> str:
    """How a run stands, in a word or two."""
    ended = run["status"] in ("done", "failed", "stopped")
    now = STATES.get(str(run["status"]), "at work")
    return now if ended else CONTROLS.get(str(run["control"]), now)


def row(run: Json) -> str:
    """A run as the home tab shows it."""
    about = escape(cut(" ".join((run["understood"] or run["request"]).split()), 150))
    where = f"<#{run['channel']}>" if not run["channel"].startswith("D") else "our direct messages"
    return f"*{about}*\n{state(run).capitalize()} · {where} · {at(run['finished_at'] or run['created_at'])}"


HIDDEN = "*An approval in a private channel* needs somebody whose role approves. It is shown there."


def question(run: Json, asked: Json) -> str:
    """Something that waits for a person, as the home tab shows it."""
    kinds = {"changes": "Approve changes", "plan": "Approve a plan", "call": "Allow a call", "budget": "Budget"}
    about = escape(cut(" ".join((run["understood"] or run["request"]).split()), 120))
    title = escape(cut(str(asked["preview"].get("title") or ""), 200))
    return f"*{kinds.get(asked['kind'], 'Answer a question')}*: {title}\n{about} · <#{run['channel']}>"


def automation(one: Json) -> str:
    """A recurring request as the home tab shows it."""
    coming = f" · next {at(one['next_at'])}" if one["next_at"] and one["status"] == "active" else ""
    paused = "" if one["status"] == "active" else f" · {one['status']}"
    words = f"*{escape(cut(one['words'], 100))}*: {escape(cut(one['request'], 200))}"
    canvas = " · in a canvas" if one["canvas"] else ""
    return f"{words}\n<#{one['channel']}>{coming}{canvas}{paused}"


def role(held: Role) -> str:
    return f"You {ROLE_WORDS[held]} with me."


def updated(now: float) -> str:
    return f"Updated {at(now)}"


def rules(access: Access, person: Person) -> list[str]:
    """The rules of access in words; whole for those who administer, else what concerns the reader."""
    everyone = [
        f"• Members {ROLE_WORDS[access.everyone]}",
        f"• Guests {ROLE_WORDS[access.guests]}",
        f"• People of other organisations {ROLE_WORDS[access.outsiders]}",
    ]
    told = ["\n".join(everyone)]
    whole = access.role(person) >= Role.ADMINISTER
    if whole:
        named = [f"• <@{user}> {ROLE_WORDS[held]}" for user, held in access.people.items()]
        named += [f"• <!subteam^{group}> {ROLE_WORDS[held]}" for group, held in access.groups.items()]
        told += ["\n".join(named)] if named else []
    for channel, here in access.channels.items() if whole else ():
        lines = [f"*<#{channel}>*"]
        lines += [f"• Members {ROLE_WORDS[here.everyone]}"] if here.everyone is not None else []
        lines += [f"• <@{user}> {ROLE_WORDS[held]}" for user, held in here.people.items()]
        lines += [f"• <!subteam^{group}> {ROLE_WORDS[held]}" for group, held in here.groups.items()]
        lines += [f"• Model: {escape(here.model)}"] if here.model else []
        if here.connectors is not None:
            lines.append(f"• Connectors: {escape(', '.join(here.connectors)) or 'none'}")
        if here.instructions:
            lines.append(f"• Instructions: {escape(cut(' '.join(here.instructions.split()), 500))}")
        told.append("\n".join(lines))
    return told
