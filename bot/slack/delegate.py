"""The form behind "Delegate this": a goal, what counts as done, a budget and a time, as one durable request."""

from __future__ import annotations

import json
from decimal import Decimal

from bot.coordinator import amounts
from bot.coordinator.intake import receive
from bot.policy.access import Role
from bot.slack import ways_words as words
from bot.slack.cards import context
from bot.slack.requests import attached, clean, id_of, mapping, ts_of, words_of
from bot.slack.taken import Ask, Taken
from bot.store.database import Tx
from bot.types import Json, Request

OF_MESSAGE, ANYWHERE = "delegate", "ask"  # callback ids of the two shortcuts
FORM = "delegate"  # callback id of the form
GOAL, DONE, BUDGET, DEADLINE, PLACE = "goal", "done", "budget", "deadline", "place"
CRITERIA_MOST, CRITERION_MAX, GOAL_MAX = 10, 500, 3_000
BUDGET_MOST = Decimal(100_000)
CARRIED_MAX = 2_900  # characters of private_metadata


def opened(tx: Tx, ask: Ask) -> Taken:
    """Somebody picked the shortcut: the form to open, or why not."""
    body = ask.body
    team, user = who(body)
    message = mapping(body.get("message"))
    channel = id_of(mapping(body.get("channel")).get("id"))
    if not (team and user) or body.get("callback_id") not in (OF_MESSAGE, ANYWHERE):
        return Taken(reason="no shortcut of ours")
    ts = ts_of(message.get("ts")) or ts_of(body.get("message_ts"))
    thread = ts_of(message.get("thread_ts")) or ts
    denied = ask.why_not(tx, team, user, channel, Role.ASK)
    if denied:
        return Taken(denied=denied, place=(team, channel, user, thread))
    if not ts or not channel:
        return Taken(view=form(""), place=(team, "", user, ""))
    carried: Json = {"channel": channel, "thread": thread, "files": [*attached(message)]}
    carried["files"] = [{**file, "url": ""} for file in carried["files"]]
    came = len(carried["files"])
    while len(json.dumps(carried)) > CARRIED_MAX:
        carried["files"].pop()
    text = clean(words_of(message.get("text")), ask.bot_user)
    fit = len(carried["files"])
    left = words.left_behind(fit, came) if fit < came else ""
    return Taken(view=form(text, carried, left), place=(team, channel, user, thread))


def form(goal: str, carried: Json | None = None, left: str = "") -> Json:
    """The modal; with `carried` the work goes into the thread of a message, else the person says where. What does
    not fit is said above the fields, `left` too."""
    lines = [*([words.too_long(GOAL_MAX)] if len(goal) > GOAL_MAX else []), *([left] if left else [])]
    fields = [
        *([{**context("\n".join(lines)), "block_id": "left"}] if lines else []),
        _field(GOAL, {**_text(GOAL_MAX, many=True), **({"initial_value": goal[:GOAL_MAX]} if goal else {})}),
        _field(DONE, {**_text(GOAL_MAX, many=True)}, optional=True),
        _field(BUDGET, {"type": "number_input", "is_decimal_allowed": True, "min_value": "0.01"}, optional=True),
        _field(DEADLINE, {"type": "datetimepicker"}, optional=True),
    ]
    if carried is None:
        chooser = {
            "type": "conversations_select",
            "default_to_current_conversation": True,
            "filter": {"include": ["public", "private"], "exclude_bot_users": True},
        }
        fields.insert(0, _field(PLACE, chooser))
    return {
        "type": "modal",
        "callback_id": FORM,
        "title": {"type": "plain_text", "text": words.FORM_TITLE},
        "submit": {"type": "plain_text", "text": words.FORM_SUBMIT},
        "close": {"type": "plain_text", "text": words.FORM_CLOSE},
        "private_metadata": json.dumps(carried) if carried else "",
        "blocks": fields,
    }


def _text(most: int, *, many: bool) -> Json:
    return {"type": "plain_text_input", "multiline": many, "max_length": most}


def _field(name: str, element: Json, *, optional: bool = False) -> Json:
    label, hint = words.FORM_FIELDS[name]
    return {
        "type": "input",
        "block_id": name,
        "optional": optional,
        "label": {"type": "plain_text", "text": label},
        "hint": {"type": "plain_text", "text": hint},
        "element": {**element, "action_id": name},
    }


def place_of(body: Json) -> tuple[str, str]:
    """The workspace and channel that a submitted form wants work in."""
    view = mapping(body.get("view"))
    if view.get("callback_id") != FORM:
        return "", ""
    return who(body)[0], _carried(view).get("channel") or _given(view, PLACE, "selected_conversation")


def take(tx: Tx, ask: Ask) -> Taken:
    """A submitted form: a request on disk, or what is wrong with which field."""
    body = ask.body
    view = mapping(body.get("view"))
    team, user = who(body)
    key = id_of(view.get("id"))
    if view.get("callback_id") != FORM or not (team and user and key):
        return Taken(reason="no form of ours")
    carried = _carried(view)
    _, channel = place_of(body)
    thread = carried.get("thread", "")
    goal = clean(words_of(_given(view, GOAL, "value")), "")
    wrong, terms = _terms(tx, view)
    spot = GOAL if thread else PLACE
    if not goal:
        wrong[GOAL] = words.NO_GOAL
    if not channel:
        wrong[spot] = words.NO_PLACE
    else:
        denied = ask.why_not(tx, team, user, channel, Role.ASK)
        if denied:
            wrong[spot] = words.denied(denied)
        elif not ask.member:
            wrong[spot] = words.NOT_THERE
    if wrong:
        return Taken(errors=wrong)
    request = Request(
        team=team, channel=channel, thread=thread, key=key, kind="delegate", user=user, text=goal,
        files=tuple(carried.get("files") or ()), terms=terms,
    )  # fmt: skip
    return Taken(request, reason="delegated", fresh=receive(tx, request), place=(team, channel, user, thread))


def _terms(tx: Tx, view: Json) -> tuple[Json, Json]:
    """What is wrong by field, and the terms."""
    wrong: Json = {}
    terms: Json = {}
    lines = [line.strip(" \t-*•") for line in words_of(_given(view, DONE, "value")).splitlines()]
    criteria = [line for line in lines if line]
    if len(criteria) > CRITERIA_MOST or any(len(line) > CRITERION_MAX for line in criteria):
        wrong[DONE] = words.criteria_too_many(CRITERIA_MOST, CRITERION_MAX)
    elif criteria:
        terms["criteria"] = criteria
    budget = words_of(_given(view, BUDGET, "value")).strip()
    if budget:
        amount = _amount(budget)
        if amount is None:
            wrong[BUDGET] = words.NO_AMOUNT
        else:
            terms["budget"] = f"{amount:f}"
    deadline = mapping(mapping(mapping(mapping(view.get("state")).get("values")).get(DEADLINE)).get(DEADLINE))
    wanted = deadline.get("selected_date_time")
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        if not tx.now() < wanted < 1e11:
            wrong[DEADLINE] = words.PAST
        else:
            terms["deadline"] = float(wanted)
    return wrong, terms


def _amount(told: str) -> Decimal | None:
    amount = amounts.read(told.removeprefix("$").strip())
    return amount if amount and amount <= BUDGET_MOST else None


def _given(view: Json, field: str, what: str) -> str:
    values = mapping(mapping(view.get("state")).get("values"))
    told = words_of(mapping(mapping(values.get(field)).get(field)).get(what))
    return id_of(told) if field == PLACE else told


def _carried(view: Json) -> Json:
    """What the form brought along of its message; the parts that are what they should be."""
    try:
        told = mapping(json.loads(words_of(view.get("private_metadata")) or "{}"))
    except (ValueError, RecursionError):
        return {}
    files = [file for file in told.get("files", ()) if id_of(mapping(file).get("id"))] if told.get("files") else []
    return {"channel": id_of(told.get("channel")), "thread": ts_of(told.get("thread")), "files": files}


def who(body: Json) -> tuple[str, str]:
    """The workspace and person of an interaction."""
    user = mapping(body.get("user"))
    return id_of(mapping(body.get("team")).get("id")) or id_of(user.get("team_id")), id_of(user.get("id"))
