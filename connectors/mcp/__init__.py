"""The host of MCP servers: configuration, connections that restart, tools and calls."""

from .config import ServerConfig, read_config
from .content import Attachment, CallResult, ToolInfo
from .errors import (
    CallTimeout,
    InputRequired,
    McpFailure,
    ProtocolFailure,
    ServerDown,
    UnknownOutcome,
    UnknownTool,
)
from .host import McpHost, ServerStatus

__all__ = [
    "Attachment",
    "CallResult",
    "CallTimeout",
    "InputRequired",
    "McpFailure",
    "McpHost",
    "ProtocolFailure",
    "ServerConfig",
    "ServerDown",
    "ServerStatus",
    "ToolInfo",
    "UnknownOutcome",
    "UnknownTool",
    "read_config",
]
