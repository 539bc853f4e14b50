"""What can go wrong between a call and its answer.

McpFailure
├── UnknownTool      no server has a tool of that name
├── ServerDown       the server does not start or cannot be reached; nothing was done
├── UnknownOutcome   the connection broke while the call was under way; it may have been done
├── CallTimeout      no sign of life for too long (idle), or too long altogether (total)
├── ProtocolFailure  the server refused the request, or answered off the protocol
├── AuthorizationRequired  this principal has not signed in at this server, or not for enough
├── SignInFailed     signing in does not work here; whoever runs Cadre has to look at the entry
├── QuestionLost     the call that waited for an answer is gone with its process; it may have been done
└── CallParked       the call goes on later, by `McpHost.resume` with what the exception carries
    ├── InputRequired    the server wants answers from a person
    └── StillWorking     the server works on it as a long job

A tool that ran and failed is no exception: its result says `is_error`.
"""

from typing import Any, Literal
from urllib.parse import urlsplit

from .ports import Parked


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
    def __init__(self, alias: str, message: str, code: int | None = None, data: Any = None) -> None:
        super().__init__(alias, message)
        self.code = code
        self.data = data


class AuthorizationRequired(McpFailure):
    """Only the principal may be shown the address, and privately."""

    def __init__(self, alias: str, principal: str, url: str, state: str, scope: str | None) -> None:
        host = urlsplit(url).hostname or ""
        super().__init__(alias, f"{alias} needs a sign-in at {host} before it can be used.")
        self.principal = principal
        self.url = url
        self.state = state
        self.host = host
        self.scope = scope


class SignInFailed(McpFailure):
    pass


class QuestionLost(McpFailure):
    pass


class CallParked(McpFailure):
    def __init__(self, alias: str, message: str, parked: Parked) -> None:
        super().__init__(alias, message)
        self.parked = parked


class InputRequired(CallParked):
    pass


class StillWorking(CallParked):
    pass
