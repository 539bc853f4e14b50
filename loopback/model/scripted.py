"""A Messages server driven by a function, for tests that need a model with habits of its own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from loopback.control import CallLog, Clock, Faults

from .interpreter import Forget, Reply
from .server import MODEL_ID
from .server import build as build_server
from .wire import new_id

Block = Mapping[str, Any]
Script = Callable[[Mapping[str, Any]], Sequence[Block] | tuple[Sequence[Block], str]]
"""From a request to content blocks, or to (blocks, stop_reason); calls without an id get one."""


def build(script: Script, *, log: CallLog, faults: Faults, clock: Clock, model_id: str = MODEL_ID) -> web.Application:
    """The same server as the offline model's, with `script` as its brain."""

    def brain(body: Mapping[str, Any], forget: Forget) -> Reply:
        said = script(body)
        blocks, stop_reason = said if isinstance(said, tuple) and isinstance(said[1], str) else (said, "")
        kept: list[dict[str, Any]] = []
        for block in blocks:
            if block["type"] == "tool_use":
                if forget(block["name"], block["input"]):
                    continue
                kept.append({"id": new_id("toolu"), **block})
            else:
                kept.append(dict(block))
        calls = any(block["type"] == "tool_use" for block in kept)
        return Reply(kept, stop_reason or ("tool_use" if calls else "end_turn"))

    return build_server(log=log, faults=faults, clock=clock, brain=brain, model_id=model_id)


def text(words: str) -> Block:
    """A text block."""
    return {"type": "text", "text": words}


def call(name: str, arguments: Mapping[str, Any]) -> Block:
    """A tool call."""
    return {"type": "tool_use", "name": name, "input": dict(arguments)}
