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
    SignInFailed,
    StillWorking,
    UnknownOutcome,
    UnknownTool,
)
from .grants import MemoryGrants
from .host import McpHost, ServerStatus
from .oauth import SignIn
from .pins import Change, changes
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
from .skills import PublishedSkill, SkillMismatch

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
    "Change",
    "Grant",
    "GrantStore",
    "InputRequired",
    "McpFailure",
    "McpHost",
    "MemoryGrants",
    "Parked",
    "ProtocolFailure",
    "PublishedSkill",
    "Question",
    "QuestionLost",
    "Registration",
    "Sampler",
    "ServerConfig",
    "ServerDown",
    "ServerStatus",
    "SignIn",
    "SignInFailed",
    "SkillMismatch",
    "StillWorking",
    "StoredGrant",
    "ToolInfo",
    "UnknownOutcome",
    "UnknownTool",
    "changes",
    "read_config",
]
