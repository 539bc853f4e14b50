"""What is set for one server."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Transport = Literal["stdio", "http", "sse"]
Performer = Literal["service", "user", "channel"]
Scope = Literal["shared", "user", "run"]
Grant = Literal["authorization_code", "client_credentials", "identity_assertion", "workload"]

_SHORT = 8
# A word, a number, names with a number at the end, a path, a plain address: data holds these by itself.
_COMMON = re.compile(
    r"[A-Z]?[a-z]{,20}|[A-Z]{,20}|[0-9.,:-]+|[a-z]{,20}(?:[-_.][a-z]{,20})*+[-_.:]?[0-9]{,5}|[/~.][^@]*|[a-z+]+://[^@?]*"
)


@dataclass(frozen=True)
class OAuthConfig:
    """How to sign in where a server asks for it. With nothing set, a person does, and Cadre registers itself."""

    grant: Grant = "authorization_code"
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)  # PEM; signs the client's own assertion
    algorithm: str = "ES256"
    scope: str | None = None
    issuer: str | None = None  # the only one that gets these credentials; None: the first that the server names
    assertion: str | None = field(default=None, repr=False)  # of a workload, as its platform gives it
    assertion_file: str | None = None  # the same, read anew each time
    idp_token_endpoint: str | None = None
    idp_client_id: str | None = None
    id_token: str | None = field(default=None, repr=False)

    @property
    def has_credentials(self) -> bool:
        """Whether something is set that only the right issuer may get."""
        return any((self.client_secret, self.private_key, self.assertion, self.assertion_file, self.id_token))


@dataclass(frozen=True)
class ServerConfig:
    """One server: a command to start, or an address to reach."""

    alias: str
    name: str = ""  # as its entry in the configuration is called
    transport: Transport = "stdio"
    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    oauth: OAuthConfig = field(default_factory=OAuthConfig)
    trust: bool = False  # whether its hints about its tools are believed
    performer: Performer = "service"  # with whose rights it is called
    scope: Scope = "shared"  # who shares one started server
    sampling: bool = False
    check_output: bool = True  # whether results must match the schemas that the server gives
    mode: str = "auto"
    always_load: tuple[str, ...] = ()  # patterns of tools whose schemas are always shown
    allow: tuple[str, ...] = ()  # patterns of the only tools that are offered; none: all
    deny: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()  # where it may be used; none: everywhere
    start_timeout: float = 30.0
    idle_timeout: float = 60.0
    total_timeout: float = 600.0
    park_after: float = 120.0  # how long a run waits for a call before it goes on and looks again later
    question_hold: float = 600.0  # how long the older protocol's open question keeps its call
    idle_stop: float = 600.0
    max_parallel: int = 8
    max_message_bytes: int = 16 * 1024 * 1024
    max_text_bytes: int = 16 * 1024 * 1024
    fingerprint: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def redacted(self, text: str) -> str:
        """The text without the values that came in by reference."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def masked(self, text: str) -> str:
        """An answer without those of the values that can only be secrets: what is short or common is also data."""
        for secret in self._certain:
            text = text.replace(secret, "***")
        return text

    @cached_property
    def _certain(self) -> tuple[str, ...]:
        found = [secret for secret in self.secrets if len(secret) >= _SHORT and not _COMMON.fullmatch(secret)]
        # Also as they stand in JSON; the longest first, as one may hold another.
        return tuple(sorted({*found, *(json.dumps(secret)[1:-1] for secret in found)}, key=len, reverse=True))
