"""What can go wrong between a call and its answer.

McpFailure
├── UnknownTool      no server has a tool of that name
├── ServerDown       the server does not start or cannot be reached; nothing was done
├── UnknownOutcome   the connection broke while the call was under way; it may have been done
├── CallTimeout      no sign of life for too long (idle), or too long altogether (total)
├── ProtocolFailure  the server refused the request, or answered off the protocol
└── InputRequired    the server wants an answer from a person before it goes on

A tool that ran and failed is no exception: its result says `is_error`.
"""

from collections.abc import Mapping
from typing import Any, Literal


class McpFailure(Exception):
    """A call that has no result; the message is a sentence for people."""

    def __init__(self, alias: str, message: str) -> None:
        super().__init__(message)
        self.alias = alias


class UnknownTool(McpFailure):
    pass


class ServerDown(McpFailure):
    pass


class UnknownOutcome(McpFailure):
    pass


class CallTimeout(McpFailure):
    def __init__(self, alias: str, tool: str, which: Literal["idle", "total"], seconds: float) -> None:
        said = "gave no sign of life for" if which == "idle" else "took longer than"
        super().__init__(alias, f"{tool} of {alias} {said} {seconds:g} s and was cancelled.")
        self.which = which


class ProtocolFailure(McpFailure):
    def __init__(self, alias: str, message: str, code: int | None = None) -> None:
        super().__init__(alias, message)
        self.code = code


class InputRequired(McpFailure):
    def __init__(self, alias: str, tool: str, requests: Mapping[str, Any], state: str | None) -> None:
        super().__init__(alias, f"{tool} of {alias} asks for input before it goes on.")
        self.requests = requests
        self.state = state
