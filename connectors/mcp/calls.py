"""Calls under way: how long each may be silent, and the questions that the older protocol holds it open with."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import mcp_types as types

from .content import ToolInfo
from .errors import CallTimeout
from .ports import Answer, Parked, Question

OnProgress = Callable[[float, float | None, str | None], None]

_CANCEL_GRACE_S = 1.0


@dataclass(frozen=True)
class Limits:
    """Seconds a call may be silent, may take altogether, and is waited for before its caller goes on without it."""

    idle: float
    total: float
    park: float | None = None


@dataclass
class _Open:
    request: Mapping[str, Any]
    answer: asyncio.Future[Answer]


@dataclass
class Call:
    """One request to a server; the time of open questions does not count."""

    tool: ToolInfo
    arguments: Mapping[str, Any]
    limits: Limits
    on_progress: OnProgress | None = None
    known: list[tuple[Question, Answer]] = field(default_factory=list)  # of a call made again: given once more
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    sending: asyncio.Task[Any] | None = None
    open: dict[str, _Open] = field(default_factory=dict)
    lapsed: bool = False
    said: str | None = None  # by the server, about how it is doing
    _asked: asyncio.Event = field(default_factory=asyncio.Event)
    _begun: float = 0.0
    _heard: float = 0.0

    def start(self, request: Awaitable[Any]) -> None:
        self.sending = asyncio.ensure_future(request)
        self._begun = self._heard = _now()

    async def progressed(self, progress: float, total: float | None, message: str | None) -> None:
        self._heard = _now()
        self.said = message or self.said
        if self.on_progress is not None:
            self.on_progress(progress, total, message)

    async def wait(self) -> Literal["answered", "asks", "later"]:
        """Until the server answered, asks something or takes too long to be waited for; raises CallTimeout."""
        assert self.sending is not None
        until = _now() + self.limits.park if self.limits.park is not None else float("inf")
        while not self.sending.done():
            if self.open:
                return "asks"
            if _now() >= until:
                return "later"
            self._asked.clear()
            left_idle, left_total = (
                self._heard + self.limits.idle - _now(),
                self._begun + self.limits.total - _now(),
            )
            if min(left_idle, left_total) <= 0:
                which: Literal["idle", "total"] = "idle" if left_idle <= left_total else "total"
                seconds = self.limits.idle if which == "idle" else self.limits.total
                raise CallTimeout(self.tool.alias, self.tool.tool, which, seconds)
            asked = asyncio.create_task(self._asked.wait())
            try:
                await asyncio.wait(
                    {self.sending, asked},
                    timeout=min(left_idle, left_total, until - _now()),
                    return_when="FIRST_COMPLETED",
                )
            finally:
                asked.cancel()
        return "answered"

    async def ask(self, params: types.ElicitRequestParams, hold: float) -> types.ElicitResult:
        """A question of the server, answered when the call is resumed, or cancelled after `hold` seconds."""
        request = {
            "method": "elicitation/create",
            "params": params.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        key = f"question-{len(self.open) + 1}"
        known = self.knows(Parked("held", self.tool.name, {}, {key: request}).questions[0])
        if known is not None:
            return elicited(known)
        waiting = _Open(request, asyncio.get_running_loop().create_future())
        self.open[key] = waiting
        self._asked.set()
        began = _now()
        try:
            answer = await asyncio.wait_for(waiting.answer, hold)
        except TimeoutError:
            self.lapsed = True
            answer = Answer("cancel")
        finally:
            self.open.pop(key, None)
            self._begun += _now() - began
            self._heard = _now()
        return elicited(answer)

    def knows(self, question: Question) -> Answer | None:
        """What was answered to the same words before the call was made again; each answer serves once."""
        for pair in self.known:
            if replace(pair[0], key=question.key) == question:
                self.known.remove(pair)
                return pair[1]
        return None

    def parked(self) -> Parked:
        """The call as its questions hold it."""
        requests = {key: waiting.request for key, waiting in self.open.items()}
        return Parked("held", self.tool.name, self.arguments, requests, held=self.id, said=self.said)

    def answer(self, answers: Mapping[str, Answer]) -> None:
        """Gives what the person said; a question left out is cancelled."""
        for key, waiting in self.open.items():
            if not waiting.answer.done():
                waiting.answer.set_result(answers.get(key, Answer("cancel")))
        self.open.clear()

    async def end(self) -> None:
        """Cancels what is still under way, at the server too."""
        if self.sending is not None:
            self.sending.cancel()
            await asyncio.wait({self.sending}, timeout=_CANCEL_GRACE_S)


def elicited(answer: Answer) -> types.ElicitResult:
    content = dict(answer.content) if answer.content is not None and answer.action == "accept" else None
    return types.ElicitResult(action=answer.action, content=content)


def completed(question: Question, answer: Answer) -> Answer:
    """The answer with the form's own defaults where a field was left out."""
    if answer.action != "accept" or question.mode != "form":
        return answer
    fields = question.schema.get("properties") or {}
    defaults = {
        name: spec["default"] for name, spec in fields.items() if isinstance(spec, dict) and "default" in spec
    }
    return Answer(answer.action, {**defaults, **(answer.content or {})})


def _now() -> float:
    return asyncio.get_running_loop().time()
