"""A tool: a name, a schema, what it can change, a function whose outcome goes to the model and the store."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.store.database import Database, Tx
from bot.types import Json
from bot.workspace import Workspace
from connectors.schemas import ForeignSchema

ROOM = 2_000  # characters of a result that enter the context; what is larger goes to a file, with a preview
WHOLE = 1_000_000  # room of a tool that is called for the text itself
SCHEMA_SHOWN = 4_000  # characters of a schema in an error


@dataclass(frozen=True)
class ToolContext:
    """Who calls: one agent of one run, one call."""

    db: Database
    run_id: str
    team: str
    requester: str
    channel: str
    agent_id: str
    agent_name: str
    call_id: str
    workspace: Workspace
    role_tools: tuple[str, ...] = ()
    data: tuple[str, ...] | None = None  # what the role may read; None: all
    skills: tuple[str, ...] | None = None  # that the role works by; None: all
    begun: bool = False  # an earlier activation began this call and was cut off


@dataclass(frozen=True)
class Outcome:
    """What a call came to. `commit` runs in the transaction that records the result and may complete the content.

    `parks` keeps the agent asleep in this call until something answers it.
    """

    content: Json
    is_error: bool = False
    commit: Callable[[Tx], Json | None] | None = None
    files: tuple[str, ...] = ()  # workspace files this call made
    parks: Json | None = None
    refers: tuple[str, ...] = ()  # tools whose schemas the model gets with this result
    labels: Json = field(default_factory=dict)  # where the content came from and who may read it


class Args(BaseModel):
    """Arguments as a model gives them: unknown ones are an error it can read."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Tool:
    """One tool. `run` gets validated arguments; an `args` of None passes the model's object on as it is."""

    name: str
    description: str
    effect: Effect
    run: Callable[[ToolContext, Any], Awaitable[Outcome]]
    args: type[Args] | None = None
    schema: Json = field(default_factory=dict)
    room: int = ROOM
    rule: str = ""  # the operator's: allow, ask or deny
    channels: tuple[str, ...] = ()  # the only ones it is offered in; (): everywhere
    resumes: bool = False  # a call that was cut off is given to it again, with `begun`
    always: bool = False  # its schema is shown however many tools there are

    def definition(self) -> Json:
        """The tool as the Messages API takes it."""
        return {"name": self.name, "description": self.description, "input_schema": self._input_schema}

    def parse(self, raw: Json) -> Any:
        """The arguments, checked. Raises ModelMustRetry naming each that is wrong."""
        if self.args is None:
            self._fits(raw)
            return raw
        try:
            return self.args.model_validate(raw)
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(str(p) for p in e['loc']) or 'arguments'}: {e['msg']}" for e in error.errors()[:6]
            )
            raise ModelMustRetry(f"{self.name} was not called: {wrong}.") from error

    @cached_property
    def _input_schema(self) -> Json:
        return _tidy(self.args.model_json_schema()) if self.args else self.schema

    @cached_property
    def _validator(self) -> ForeignSchema:
        return ForeignSchema(self.schema)

    def offered_in(self, channel: str) -> bool:
        return not self.channels or channel in self.channels

    def _fits(self, raw: Any) -> None:
        """Check arguments against a schema that is not ours; whoever guessed them may not have seen it."""
        if self.schema and (errors := self._validator.problems(raw)):
            wrong = "; ".join(f"{'.'.join(map(str, e.path)) or 'arguments'}: {e.message[:200]}" for e in errors)
            shape = json.dumps(self.schema, ensure_ascii=False)[:SCHEMA_SHOWN]
            raise ModelMustRetry(f"{self.name} was not called: {wrong}. It takes: {shape}")


def refused(sentence: str) -> Outcome:
    """The call did nothing; the model reads why."""
    return Outcome({"ok": False, "error": sentence}, is_error=True)


def _tidy(schema: Any) -> Any:
    """Pydantic's schema without titles: fewer tokens, the same meaning."""
    if isinstance(schema, dict):
        return {k: _tidy(v) for k, v in schema.items() if k != "title" or not isinstance(v, str)}
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    return schema
