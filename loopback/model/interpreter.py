"""The offline model's brain: follows the playbook found in a request, from what the conversation shows was done.

Nothing is kept between requests. A call's id names its step (`toolu_<step>`, `_<k>` for each item, `_w<n>` for waits,
`_r<round>` for rounds of repair), so the furthest step called is the place to go on from.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import forms
from .conversation import Call, Conversation, Skill, read
from .playbook import Group, OnError, PlaybookError, Role, Step, parse
from .templates import PlaybookTemplateError, render, truthy

Forget = Callable[[str, Mapping[str, Any]], bool]
"""Whether the model leaves out a call of this name with these arguments, as if it had forgotten it."""

_OPEN_SKILL = "toolu_offline_skill_open"
_OWN_FINISH = "toolu_offline_finish_"
_ANSWER = "answer_person"
_FIXED = (
    "No language model is connected, and the steps of a playbook are fixed: I go on as planned, and this stands in "
    "the thread for whoever reads the result. Say stop, or ask for something else instead."
)
_REPEATED = re.compile(r"(.+)_(w?)(\d+)\Z")
_ROUND = re.compile(r"(.+)_r(\d+)\Z")
_SPOKEN = "Offline playbook, no language model."


@dataclass(frozen=True)
class Reply:
    """An assistant message before it goes on the wire."""

    content: list[dict[str, Any]]
    stop_reason: str


@dataclass(frozen=True)
class _Stop:
    """The playbook ends here, short of its own end."""

    summary: str
    status: str = "blocked"
    reply: str | None = None


_Outcome = list[dict[str, Any]] | _Stop | None
"""Calls to make now, an early end, or None where every step is behind us."""


def answer(body: Mapping[str, Any], forget: Forget) -> Reply:
    """The next assistant message of a conversation."""
    reported = forms.answer(body)
    if reported is not None:
        return Reply([_use(f"toolu_report_{len(body['messages'])}", "report", reported)], "tool_use")
    conversation = read(body)
    try:
        outcome, say = _told(conversation, body) or _next(conversation, forget)
    except PlaybookError as error:
        outcome, say = _Stop(f"The playbook cannot be followed: {error}."), ""
    if isinstance(outcome, _Stop) or outcome is None:
        outcome = _own_finish(conversation, outcome, forget)
        say = say or "Nothing is left to do in the playbook."
    if not outcome:
        return Reply([{"type": "text", "text": f"{_SPOKEN} {say}"}], "end_turn")
    tools = ", ".join(dict.fromkeys(use["name"] for use in outcome))
    return Reply([{"type": "text", "text": f"{_SPOKEN} Next: {tools}."}, *outcome], "tool_use")


def _next(conversation: Conversation, forget: Forget) -> tuple[_Outcome, str]:
    if conversation.playbook is not None:
        role = parse(conversation.playbook, conversation.role or "lead")
        return _Walk(conversation, role, forget).outcome(), ""
    if conversation.request is None:
        return _no_playbook(conversation), ""
    request = conversation.request
    skill = _first_match(conversation.skills, request)
    if skill is None:
        return _no_match(conversation), ""
    opened = conversation.calls.get(_OPEN_SKILL)
    if opened is None:
        arguments = {"name": skill.name}
        if forget("skill_open", arguments):
            return [], f"The skill {skill.name} matches this request."
        return [_use(_OPEN_SKILL, "skill_open", arguments)], ""
    if opened.error is not None:
        return _Stop(f"The skill {skill.name} could not be opened: {opened.error}"), ""
    text = opened.result.get("playbook") if isinstance(opened.result, dict) else None
    if not isinstance(text, str):
        raise PlaybookError(f"opening the skill {skill.name} gave no playbook")
    return _Walk(conversation, _lead_part(text, request), forget).outcome(), ""


def _told(conversation: Conversation, body: Mapping[str, Any]) -> tuple[_Outcome, str] | None:
    """An honest answer to what a person wrote meanwhile: the steps of a playbook are fixed. None when nobody did."""
    if not any(tool.get("name") == _ANSWER for tool in body.get("tools") or ()):
        return None
    given = {call.input.get("message") for call in conversation.calls.values() if call.name == _ANSWER}
    for message in conversation.mail:
        data = message.get("data") or {}
        if data.get("steer") and message["id"] not in given:
            kept = data.get("accepted")
            arguments = {
                "message": message["id"],
                "outcome": "changed" if kept else "impossible",
                "text": f"Kept as it is: {', '.join(map(str, kept))}." if kept else _FIXED,
            }
            return [_use(f"toolu_offline_answer_{message['id']}", _ANSWER, arguments)], ""
    return None


def _first_match(skills: Sequence[Skill], request: str) -> Skill | None:
    for skill in skills:
        try:
            if any(re.search(pattern, request) for pattern in skill.patterns):
                return skill
        except re.error as error:
            raise PlaybookError(f"a pattern of the skill {skill.name} is no regular expression: {error}") from error
    return None


def _lead_part(text: str, request: str) -> Role:
    role = parse(text, "lead")
    matched = next((m for m in role.matches if m.pattern.search(request)), None)
    return role if matched is None or matched.role == "lead" else parse(text, matched.role)


def _use(use_id: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": use_id, "name": name, "input": dict(arguments)}


def _own_finish(conversation: Conversation, stop: _Stop | None, forget: Forget) -> list[dict[str, Any]]:
    """A `finish` the playbook does not have: an early end, or the accepted end once more."""
    earlier = [c for use_id, c in conversation.calls.items() if use_id.startswith(_OWN_FINISH)]
    if sum(c.error is not None for c in earlier) >= 2:
        return []
    arguments: Mapping[str, Any] = {"status": "done", "summary": "Every step of the offline playbook was followed."}
    if stop is None:
        accepted = [c for c in conversation.calls.values() if c.name == "finish" and c.error is None]
        arguments = accepted[-1].input if accepted else arguments
    else:
        arguments = {"status": stop.status, "summary": stop.summary}
        if stop.reply is not None:
            arguments["reply"] = stop.reply
    if forget("finish", arguments):
        return []
    return [_use(f"{_OWN_FINISH}{len(earlier)}", "finish", arguments)]


def _no_match(conversation: Conversation) -> _Stop:
    able = [s for s in conversation.skills if s.patterns]
    works = "\n".join(f"- {s.name}: {s.description}" for s in able) or "- none: no installed skill has a playbook"
    return _Stop(
        "No language model is connected and no skill's playbook matches the request.",
        "refused",
        "No language model is connected. Without one I can only follow the playbooks of installed skills, "
        f"and none of them fits this request.\n\nRequests that work offline:\n{works}\n\n"
        "To connect a language model, set `ANTHROPIC_API_KEY`, or name one with `CADRE_MODEL`, and start again.",
    )


def _no_playbook(conversation: Conversation) -> _Stop:
    who = conversation.me or "this agent"
    return _Stop(
        f"No language model is connected and {who} was given no playbook to follow.",
        "refused",
        f"No language model is connected, and {who} was given no playbook, so this task was not worked on. "
        "To connect a language model, set `ANTHROPIC_API_KEY`, or name one with `CADRE_MODEL`, and start again.",
    )


@dataclass
class _Made:
    """The calls a step made in one round."""

    calls: list[tuple[int, Call]] = field(default_factory=list)
    repeated: bool = False

    def in_order(self) -> list[Call]:
        return [call for _, call in sorted(self.calls, key=lambda pair: pair[0])]


class _Walk:
    """One pass over a role's steps."""

    def __init__(self, conversation: Conversation, role: Role, forget: Forget) -> None:
        self.conversation = conversation
        self.role = role
        self.forget = forget
        self.results: dict[str, Any] = {}
        self.errors: dict[str, str] = {}
        self.made = self._index()
        self.context: dict[str, Any] = {
            "request": conversation.request if conversation.request is not None else conversation.brief,
            "brief": conversation.brief,
            "task": conversation.task,
            "inputs": self._inputs(),
            "me": conversation.me,
            "role": role.name,
            "today": conversation.today,
            "results": self.results,
            "errors": self.errors,
            "mail": list(conversation.mail),
            "mail_from": conversation.mail_from,
            "round": 0,
        }

    def outcome(self) -> _Outcome:
        outcome = self._walk(self.role.groups, 0)
        if outcome is not None or not self.role.again:
            return outcome
        asked = [m for m in self.conversation.mail if isinstance(m.get("data"), dict) and "redo" in m["data"]]
        # An agent opened to make something once more has read the first of these in its ordinary steps.
        for number, letter in enumerate(asked[1:] if self.context["inputs"].get("redo") else asked, 1):
            self.context |= {"redo": letter["data"]["redo"], "round": number}
            outcome = self._walk(self.role.again, number)
            if outcome is not None:
                return outcome
        return None

    def _inputs(self) -> dict[str, Any]:
        inputs: dict[str, Any] = {}
        for match in self.role.matches:
            found = match.pattern.search(self.conversation.request or "")
            if found:
                groups = {k: v for k, v in found.groupdict().items() if v is not None}
                inputs = dict(groups)
                for name, template in match.inputs.items():
                    try:
                        inputs[name] = str(template).format_map(groups)
                    except (KeyError, ValueError, IndexError) as error:
                        raise PlaybookError(f"input {name} of a match cannot be made: {error}") from error
                break
        return inputs | dict(self.conversation.inputs)

    def _index(self) -> dict[tuple[str, int], _Made]:
        made: dict[tuple[str, int], _Made] = {}
        for use_id, call in self.conversation.calls.items():
            step, number, index, repeated = use_id.removeprefix("toolu_"), 0, 0, False
            if step not in self.role.ids and (round_ := _ROUND.match(step)):
                step, number = round_.group(1), int(round_.group(2))
            if step not in self.role.ids and (item := _REPEATED.match(step)):
                step, index, repeated = item.group(1), int(item.group(3)), not item.group(2)
            if step in self.role.ids:
                entry = made.setdefault((step, number), _Made())
                entry.calls.append((index, call))
                entry.repeated = repeated
        return made

    def _walk(self, groups: Sequence[Group], number: int) -> _Outcome:
        reached = max((i for i, g in enumerate(groups) if any((s.id, number) in self.made for s in g)), default=-1)
        for i, group in enumerate(groups):
            done = i <= reached
            outcome = self._absorb(group, number, i == reached) if done else self._start(group, number)
            if outcome:
                return outcome
        return None

    def _absorb(self, group: Group, number: int, last: bool) -> _Outcome:
        """Takes up what came back from a group; where it is the furthest one, sees to what went wrong."""
        for step in group:
            self._record(step, number)
            if last:
                outcome = self._settle(step, number)
                if outcome:
                    return outcome
            else:
                self._record_rounds(step)
        return None

    def _record(self, step: Step, number: int) -> None:
        made = self.made.get((step.id, number))
        if made is None:
            if step.for_each is not None:
                self.results.setdefault(step.id, [])
            return
        calls = made.in_order()
        judged = calls[-1:] if step.is_wait else calls
        problems = list(dict.fromkeys(c.error for c in judged if c.error is not None))
        self.results[step.id] = [c.result for c in calls] if made.repeated else calls[-1].result
        self.errors.pop(step.id, None)
        if problems:
            self.errors[step.id] = "; ".join(problems)

    def _record_rounds(self, step: Step) -> None:
        if step.on_error is None:
            return
        for number in range(1, step.on_error.max_rounds + 1):
            for repair in step.on_error.steps:
                for part in repair:
                    self._record(part, number)
            if (step.id, number) in self.made:
                self._record(step, number)

    def _settle(self, step: Step, number: int) -> _Outcome:
        if step.is_wait and (step.id, number) in self.made:
            waiting = self._wait(step, number)
            if not waiting or step.id not in self.errors:
                return waiting
        if step.id not in self.errors:
            return None
        handler = step.on_error
        if handler is None:
            handler = self.role.on_tool_error
            if handler is not None and handler.steps:
                return self._walk(handler.steps, 0) or _Stop(self.errors[step.id])
        if handler is None:
            return _Stop(self.errors[step.id])
        return None if handler.ignore else self._repair(step, handler)

    def _repair(self, step: Step, handler: OnError) -> _Outcome:
        """Rounds of repair: the steps, then the refused call again, a bounded number of times."""
        for number in range(1, handler.max_rounds + 1):
            self.context["round"] = number
            outcome = None
            if (step.id, number) not in self.made:
                outcome = self._walk(handler.steps, number) or self._start((step,), number)
            else:
                self._record_rounds(step)
                if step.id not in self.errors:
                    return None
            if outcome:
                return outcome
        error = self.errors.get(step.id)
        if error is None:
            return None
        return _Stop(f"{step.call} was still refused after {handler.max_rounds} rounds of revision: {error}")

    def _start(self, group: Group, number: int) -> _Outcome:
        calls: list[dict[str, Any]] = []
        for step in group:
            try:
                if step.when is not None and not truthy(step.when, self.context):
                    continue
                if step.is_wait:
                    waiting = self._wait(step, number)
                    if isinstance(waiting, _Stop):
                        return waiting
                    calls.extend(waiting or ())
                else:
                    calls.extend(self._calls(step, number))
            except PlaybookTemplateError as error:
                return _unrendered(step, error)
        return calls or None

    def _calls(self, step: Step, number: int) -> list[dict[str, Any]]:
        base, suffix = f"toolu_{step.id}", f"_r{number}" if number else ""
        if step.for_each is None:
            made = [(f"{base}{suffix}", render(step.with_, self.context))]
        else:
            items = render(step.for_each, self.context)
            if not isinstance(items, list):
                raise PlaybookTemplateError(str(step.for_each), f"gives a {type(items).__name__}, not a list")
            self.results[step.id] = []
            made = [
                (f"{base}_{k}{suffix}", render(step.with_, self.context | {"item": item, "index": k}))
                for k, item in enumerate(items)
            ]
        return [_use(use_id, step.call, given) for use_id, given in made if not self.forget(step.call, given)]

    def _wait(self, step: Step, number: int) -> _Outcome:
        try:
            names = render(step.wait_from, self.context)
            names = [names] if isinstance(names, str) else list(names)
            count = int(render(step.wait_count, self.context))
            missing = [n for n in names if len(self.conversation.mail_from(n)) < count]
            if not missing:
                self.errors.pop(step.id, None)
                return None
            arguments = {"from": missing, **render(step.with_, self.context)}
        except PlaybookTemplateError as error:
            return _unrendered(step, error)
        if self.forget("wait", arguments):
            return None
        waited = self.made.get((step.id, number), _Made()).calls
        suffix = f"_r{number}" if number else ""
        return [_use(f"toolu_{step.id}_w{len(waited)}{suffix}", "wait", arguments)]


def _unrendered(step: Step, error: PlaybookTemplateError) -> _Stop:
    return _Stop(f"Step {step.id} of the offline playbook failed at {error.expression}: {error.reason}")
