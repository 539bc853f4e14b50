"""What happens when something fails, as data: who tries again, how often, for how long, and what a person reads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.store import board


class Who(StrEnum):
    """Who acts on a failure."""

    CADRE = "cadre"  # the same request again, in the background
    AGENT = "agent"  # the same agent, with a diagnosis
    COLLEAGUE = "colleague"  # somebody with a fresh context takes the task over
    PERSON = "person"  # the requester
    OPERATOR = "operator"  # whoever runs Cadre
    NOBODY = "nobody"


@dataclass(frozen=True)
class Rule:
    """One class of failure. Past its tries or its time the failure passes on to `then`."""

    kind: str
    by: Who
    tries: int  # 0: as many as the time allows
    for_s: float | None  # None: the retry budget of the settings
    then: Who
    words: str  # the sentence a person reads
    first_s: float = 0.0  # pause before the second try; it doubles
    longest_s: float = 0.0


QUICK_S = (0.5, 1.0, 2.0)  # pauses within one activation, before a failure counts at all
_RULES = (
    # What passes by itself: back off in the background, the state stays visible, nothing is lost.
    Rule("model_unavailable", Who.CADRE, 0, None, Who.PERSON,
         "The model does not answer properly.", 2.0, 60.0),
    # What the same agent can mend when it is told.
    Rule("model_refused", Who.AGENT, 2, 0.0, Who.COLLEAGUE,
         "The model declined to work on this request. Rephrase it, or leave out what it may object to."),
    Rule("model_output_cut", Who.AGENT, 3, 0.0, Who.COLLEAGUE,
         "The model's replies were cut at its output limit again and again."),
    Rule("model_stopped_short", Who.AGENT, 3, 0.0, Who.COLLEAGUE,
         "The model stopped without finishing its work, also when reminded."),
    Rule("verification", Who.AGENT, 3, 0.0, Who.PERSON,
         "The result did not pass its checks, so it is not delivered. Please look at what was found and send the "
         "request again."),
    # What needs a fresh start: the task returns to the plan with what was learned.
    Rule("model_context_full", Who.COLLEAGUE, 3, 0.0, Who.PERSON,
         "The work no longer fits into the model's context window. Ask for a smaller part of it."),
    Rule("too_many_turns", Who.COLLEAGUE, 2, 0.0, Who.PERSON,
         "An agent did not come to an end within its number of turns."),
    Rule("stalled", Who.COLLEAGUE, 3, 0.0, Who.PERSON,
         "An agent made no progress for a long time and was ended."),
    # What only people can change.
    Rule("google", Who.PERSON, 0, 0.0, Who.PERSON, "Google did not take an approved change."),
    Rule("conflict", Who.PERSON, 0, 0.0, Who.PERSON, "Somebody changed a document after its changes were approved."),
    Rule("model_rejected", Who.OPERATOR, 0, 0.0, Who.OPERATOR, "The model did not accept the request."),
    Rule("poison", Who.NOBODY, 0, 0.0, Who.OPERATOR, "Working on it crashed Cadre several times in a row."),
    Rule("blocked", Who.PERSON, 0, 0.0, Who.PERSON, "Something is in the way that Cadre cannot remove."),
    Rule("refused", Who.PERSON, 0, 0.0, Who.PERSON, "This request cannot be worked."),
    Rule("agent_failed", Who.PERSON, 0, 0.0, Who.PERSON, "An agent failed."),
    # What a person decided, or did not decide in time: no failure of the work, and nobody tries again unasked.
    Rule("stopped", Who.NOBODY, 0, 0.0, Who.PERSON, "The work was stopped."),
    Rule("rejected", Who.NOBODY, 0, 0.0, Who.PERSON, "The proposed changes were rejected."),
    Rule("expired", Who.NOBODY, 0, 0.0, Who.PERSON, "The proposed changes were not answered in time."),
    Rule("budget", Who.NOBODY, 0, 0.0, Who.PERSON, "The budget was not raised."),
    # Where the thread cannot be reached; people read the place and what to do there.
    *(Rule(kind, Who.PERSON, 0, 0.0, Who.PERSON, words) for kind, words in {
        "not_in_channel": "Cadre is not in the channel.",
        "channel_not_found": "Cadre does not see the channel.",
        "is_archived": "The channel is archived.",
        "thread_not_found": "The message the work belongs to is gone.",
        "restricted_action": "Nobody may post in the channel.",
        "restricted_action_read_only_channel": "The channel is read-only.",
    }.items()),
)  # fmt: skip
RULES = {rule.kind: rule for rule in _RULES}


def rule(kind: str) -> Rule:
    """The rule of a class of failure; what is not in the table goes to the requester."""
    return RULES.get(kind, RULES["agent_failed"])


def pause(kind: str, tries: int, budget_s: float, retry_after: float | None = None) -> float:
    """Seconds until the next try, the first try counting as 1: what the service asks for, else doubling."""
    if retry_after:
        return retry_after
    told = rule(kind)
    return min(told.first_s * 2.0 ** (tries - 1), told.longest_s, max(budget_s / 4, QUICK_S[0]))


def given_up(kind: str, tries: int, lasted_s: float, budget_s: float) -> bool:
    """Whether whoever tries first has used up the tries or the time."""
    told = rule(kind)
    if told.by is Who.CADRE:
        time_s = budget_s if told.for_s is None else told.for_s
        return lasted_s >= time_s or time_s < sum(QUICK_S)
    return bool(told.tries) and tries >= told.tries


def can_be_taken_over(kind: str) -> bool:
    """Whether somebody else with a fresh start may succeed where an agent failed."""
    told = rule(kind)
    return Who.COLLEAGUE in (told.by, told.then)


def owners(kind: str) -> int:
    """How many agents may end over a task in this way, one after the other, before a person has to look."""
    told = rule(kind)
    return told.tries if told.by is Who.COLLEAGUE else board.ATTEMPTS
