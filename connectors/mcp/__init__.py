"""The host of MCP servers: configuration, connections that restart, tools and calls."""

from .config import ServerConfig, read_config
from .content import Attachment, CallResult, ToolInfo
from .errors import (
    AuthorizationRequired,
    CallParked,
    CallTimeout,
    InputRequired,
    McpFailure,
    ProtocolFailure,
    QuestionLost,
    ServerDown,
    StillWorking,
    UnknownOutcome,
    UnknownTool,
)
from .host import McpHost, ServerStatus
from .ports import (
    SERVICE,
    Answer,
    Attempt,
    Caller,
    Grant,
    GrantStore,
    Parked,
    Question,
    Registration,
    Sampler,
    StoredGrant,
)

__all__ = [
    "SERVICE",
    "Answer",
    "Attachment",
    "Attempt",
    "AuthorizationRequired",
    "CallParked",
    "CallResult",
    "CallTimeout",
    "Caller",
    "Grant",
    "GrantStore",
    "InputRequired",
    "McpFailure",
    "McpHost",
    "Parked",
    "ProtocolFailure",
    "Question",
    "QuestionLost",
    "Registration",
    "Sampler",
    "ServerConfig",
    "ServerDown",
    "ServerStatus",
    "StillWorking",
    "StoredGrant",
    "ToolInfo",
    "UnknownOutcome",
    "UnknownTool",
    "read_config",
]
