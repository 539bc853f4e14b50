"""What a server asks before its call goes on: which question comes next, and what the answers so far make. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import urlsplit

from bot.tools.mcp import forms
from bot.tools.mcp.forms import DECLINE, SKIP, Field, Unfit
from bot.types import Json
from connectors.mcp import Answer, Parked, Question
from connectors.schemas import ForeignSchema


@dataclass(frozen=True)
class Ask:
    """One question to the person: its words, the answers offered, and the address it is about, if any."""

    key: str
    field: str  # "" where a yes or no is asked
    words: str
    options: tuple[str, ...]
    url: str = ""

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True)
class Interview:
    """A parked call with its questions and the answers so far. Survives as JSON."""

    parked: Parked
    actions: Mapping[str, str] = field(default_factory=dict)  # of the questions that are done
    contents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    skipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wrong: str = ""  # why the last words did not do
    asked: int = 0

    def next(self, server: str) -> Ask | None:
        """The question to put now; None when all is answered."""
        for question in self.parked.questions:
            if question.key in self.actions:
                continue
            if question.mode == "url":
                return _visit(server, question)
            form = forms.fields(question.schema)
            one = self._open_field(question)
            number, total = (form.index(one) + 1, len(form)) if one else (1, 0)
            words = forms.asks(server, question.message, one, number, total, self.wrong)
            return Ask(question.key, one.name if one else "", words, tuple(forms.options(one)))
        return None

    def answered(self, words: str) -> Interview:
        """With a person's words to the question that is next."""
        question = next(q for q in self.parked.questions if q.key not in self.actions)
        told = replace(self, wrong="", asked=self.asked + 1)
        if words.strip().lower() == DECLINE.lower():
            return told._close(question, "decline")
        one = self._open_field(question) if question.mode == "form" else None
        if one is None:
            yes = words.strip().lower().startswith(("yes", "ok", "done", "go on"))
            if yes or words == forms.GO_ON:
                return told._close(question, "accept")
            return replace(told, wrong="answer “Yes, go on” or “Decline”.")
        return told._filled(question, one, words)._complete(question)

    def unanswered(self) -> Interview:
        """Nobody answered in time: what is open is cancelled."""
        left = {q.key: "cancel" for q in self.parked.questions if q.key not in self.actions}
        return replace(self, actions={**self.actions, **left})

    @property
    def answers(self) -> dict[str, Answer]:
        return {
            key: Answer(action, dict(self.contents.get(key, {})) if action == "accept" else None)  # type: ignore[arg-type]
            for key, action in self.actions.items()
        }

    def to_json(self) -> Json:
        return {
            "parked": self.parked.to_json(), "actions": dict(self.actions), "contents": dict(self.contents),
            "skipped": dict(self.skipped), "wrong": self.wrong, "asked": self.asked,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Json) -> Self:
        skipped = {key: tuple(names) for key, names in data["skipped"].items()}
        return cls(**{**data, "parked": Parked.from_json(data["parked"]), "skipped": skipped})

    def _open_field(self, question: Question) -> Field | None:
        done = {*self.contents.get(question.key, {}), *self.skipped.get(question.key, ())}
        return next((one for one in forms.fields(question.schema) if one.name not in done), None)

    def _filled(self, question: Question, one: Field, words: str) -> Interview:
        form = {f.name: f for f in forms.fields(question.schema)}
        given = forms.several_at_once(list(form.values()), words) if len(form) > 1 else None
        told = self
        try:
            for name, text in (given or {one.name: words}).items():
                told = told._with(question, form[name], text)
        except Unfit as error:
            return replace(self, wrong=str(error))
        return told

    def _with(self, question: Question, one: Field, words: str) -> Interview:
        if words.strip().lower() == SKIP.lower() and not one.required:
            skipped = (*self.skipped.get(question.key, ()), one.name)
            return replace(self, skipped={**self.skipped, question.key: skipped})
        content = {**self.contents.get(question.key, {}), one.name: forms.value(one, words)}
        return replace(self, contents={**self.contents, question.key: content})

    def _complete(self, question: Question) -> Interview:
        """Accept a form once each field has its value, and they fit together."""
        if self.wrong or self._open_field(question) is not None:
            return self
        content = dict(self.contents.get(question.key, {}))
        for problem in ForeignSchema(question.schema, formats=True).problems(content, 1):
            return replace(
                self, wrong=f"{problem.message[:200]}.", contents={**self.contents, question.key: {}},
                skipped={**self.skipped, question.key: ()},
            )  # fmt: skip
        return self._close(question, "accept")

    def _close(self, question: Question, action: str) -> Interview:
        return replace(self, actions={**self.actions, question.key: action})


def _visit(server: str, question: Question) -> Ask:
    url = question.url or ""
    host = urlsplit(url).hostname or "a page"
    said = " ".join(question.message.split())
    words = f"{server} asks you to visit {host}: {said}\nThe link came to you in a direct message."
    return Ask(question.key, "", words, (forms.GO_ON, DECLINE), url)
