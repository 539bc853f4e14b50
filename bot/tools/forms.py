"""Forms: what is asked of every item of bulk work, as data in a skill, and how a request carries it."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bot.errors import ModelMustRetry, OperatorMustFix
from bot.skills import SkillLibrary
from bot.store.journal import sha256_of
from bot.types import Json

REPORT = "report"  # the one tool an item's answer is given by
WINDOW = 48_000  # characters of a document that one call reads
OVERLAP = 1_500  # and what two neighbours share: nine in ten clauses are shorter than 600
ANSWER_TOKENS = 8_000


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Question(_Part):
    """One question, answered once per window of every item."""

    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,60}$")
    label: str = Field(max_length=200)
    ask: str
    quote: str = Field(default="required", pattern="^(required|optional|none)$")
    many: bool = True
    value: dict[str, Any] | None = None  # JSON schema


class WindowSize(_Part):
    """How a long document is cut, in characters."""

    characters: int = Field(default=WINDOW, ge=500, le=400_000)
    overlap: int = Field(default=OVERLAP, ge=0)


class Pattern(_Part):
    """A rule of the offline model: what matches, or its sentence, is the quote; named groups fill the value."""

    pattern: str
    whole: str = Field(default="match", pattern="^(match|sentence)$")
    value: Any = None


class Form(_Part):
    """A form as its file says it."""

    name: str = ""
    title: str = Field(max_length=200)
    instructions: str
    window: WindowSize = WindowSize()
    max_tokens: int = Field(default=ANSWER_TOKENS, ge=100, le=64_000)
    questions: list[Question] = Field(min_length=1)
    offline: dict[str, list[Pattern]] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Form:
        ids = [one.id for one in self.questions]
        if len(set(ids)) != len(ids):
            raise ValueError("two questions have the same id")
        unknown = sorted(set(self.offline) - set(ids))
        if unknown:
            raise ValueError(f"offline rules for questions that do not exist: {', '.join(unknown)}")
        if self.window.overlap * 2 > self.window.characters:
            raise ValueError("neighbouring windows share more than half of their text")
        return self

    @cached_property
    def digest(self) -> str:
        """The hash of all that decides what a form gets as an answer."""
        return sha256_of(self.model_dump(exclude={"name"}))

    @cached_property
    def by_id(self) -> dict[str, Question]:
        return {one.id: one for one in self.questions}

    def asked(self) -> str:
        """The form as it stands in the system prompt."""
        questions = [
            {k: v for k, v in one.model_dump().items() if v is not None and (k, v) != ("many", True)}
            for one in self.questions
        ]
        told = {"title": self.title, "instructions": self.instructions.strip(), "questions": questions}
        return f'<form name="{self.name}">\n{json.dumps(told, ensure_ascii=False, indent=1)}\n</form>'

    def offline_rules(self) -> str:
        """What the offline model answers by; it reads nothing but the request."""
        rules = {name: [one.model_dump(exclude_none=True) for one in found] for name, found in self.offline.items()}
        return f"<offline>{json.dumps(rules, ensure_ascii=False)}</offline>"

    def tool(self) -> Json:
        """The call by which a window is answered."""
        entry: Json = {
            "quote": {"type": "string", "description": "Verbatim; pieces of it joined by <omitted>."},
            "at": {"type": "string", "description": "The anchor, without brackets, of the passage it begins in."},
        }
        schemas = [one.value for one in self.questions if one.value is not None]
        distinct = [schema for place, schema in enumerate(schemas) if schema not in schemas[:place]]
        if distinct:
            entry["value"] = distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
        answer = {
            "question": {"type": "string", "enum": [one.id for one in self.questions]},
            "found": {"type": "boolean"},
            "entries": {"type": "array", "items": {"type": "object", "properties": entry}},
        }
        return {
            "name": REPORT,
            "description": "Answer every question of the form for this window, each exactly once.",
            "input_schema": {
                "type": "object",
                "properties": {
                    "window": {"type": "integer", "description": "The number of the window that was read."},
                    "answers": {
                        "type": "array",
                        "items": {"type": "object", "properties": answer, "required": list(answer)},
                    },
                },
                "required": ["window", "answers"],
            },
        }


def of_question(question: str) -> Form:
    """A form with one free question, answered by passages."""
    return Form(
        name="question",
        title=question[:200],
        instructions="Find every passage that answers the question. Say in `value` what the passage says about it.",
        questions=[
            Question(id="answer", label=question[:200], ask=question, value={"type": "string", "maxLength": 1_000})
        ],
    )


def load(library: SkillLibrary, skill: str, name: str) -> Form:
    """A skill's form. Raises ModelMustRetry when there is none of that name, OperatorMustFix when it is no form."""
    owner = library.skills.get(skill)
    if owner is None:
        raise ModelMustRetry(f"There is no skill {skill!r}; there are {', '.join(library.skills)}.")
    folder = owner.path / "forms"
    known = {place.stem: place for place in sorted(folder.glob("*.yml"))}
    if name not in known:
        raise ModelMustRetry(f"{skill} has no form {name!r}; it has {', '.join(known) or 'none'}.")
    try:
        told = yaml.load(known[name].read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        beside = told.pop("instructions_file", None) if isinstance(told, dict) else None
        if beside:
            place = (folder / str(beside)).resolve()
            if place.parent != folder.resolve():
                raise ValueError(f"{beside} does not lie beside the form")
            told["instructions"] = place.read_text(encoding="utf-8")
        return read(told, name)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise OperatorMustFix(f"{known[name]} is not a form: {str(error)[:400]}") from error


def read(told: Any, name: str = "") -> Form:
    """A form from its data. Raises ValueError naming what is wrong."""
    try:
        return Form.model_validate({**told, "name": name} if isinstance(told, dict) else told)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'form'}: {first['msg']}") from error
