"""What the host asks of whoever embeds it, and what it hands over to be kept: grants, attempts, parked calls.

The host keeps nothing on disk. Everything here is a frozen value that survives as JSON, so that a question, a long
job or a sign-in begun in one process is finished in another.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self

SERVICE = "service"  # the principal of servers that one account connects for everybody


@dataclass(frozen=True)
class Caller:
    """On whose behalf a call is made, and what of it a server may see."""

    principal: str = SERVICE  # whose grant is used: "service", "user:<team>:<id>", "channel:<team>:<id>"
    run: str | None = None  # the work that questions of the server belong to
    workspace: Path | None = None  # the only root a server is told of
    interactive: bool = False  # whether a person can be asked; without it servers are told that nobody can


@dataclass(frozen=True)
class Registration:
    """Cadre as a client of one authorization server. It never serves at another issuer."""

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    auth_method: str = "none"
    redirect_uri: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**data)


@dataclass(frozen=True)
class Grant:
    """What one principal was given for one server, with all it takes to refresh it after a restart."""

    server_url: str  # a grant never serves at another address
    issuer: str
    token_endpoint: str
    registration: Registration
    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    token_type: str = "Bearer"
    expires_at: float | None = None  # seconds since the epoch
    scope: str | None = None
    resource: str | None = None
    dpop_key: str | None = field(default=None, repr=False)  # PEM, where the token is bound to a key

    def to_json(self) -> dict[str, Any]:
        """Holds secrets: to be encrypted before it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "registration": Registration.from_json(data["registration"])})


@dataclass(frozen=True)
class StoredGrant:
    """A grant at the version under which it was read."""

    grant: Grant
    version: int


@dataclass(frozen=True)
class Attempt:
    """A sign-in under way: what its callback needs to finish it, in whichever process that arrives."""

    state: str  # single use; what the callback is found by
    server: str
    principal: str
    url: str = field(repr=False)  # where the person goes
    verifier: str = field(repr=False)
    grant: Grant = field(repr=False)  # all but the tokens
    scope: str | None
    expires_at: float
    iss_promised: bool = False  # the issuer says that its callbacks name it

    def to_json(self) -> dict[str, Any]:
        """Holds secrets: to be encrypted before it is stored."""
        return {**asdict(self), "grant": self.grant.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "grant": Grant.from_json(data["grant"])})


class GrantStore(Protocol):
    """Where grants live. All of it may be called by several processes at once."""

    async def grant(self, server: str, principal: str) -> StoredGrant | None: ...

    async def keep(self, server: str, principal: str, grant: Grant, *, expected: int | None) -> bool:
        """Writes the grant if its version is still `expected` (None: whatever is there); False if it was not."""
        ...

    async def forget(self, server: str, principal: str, *, expected: int) -> bool: ...

    def refreshing(self, server: str, principal: str) -> AbstractAsyncContextManager[None]:
        """A lock across processes, held while one of them refreshes; it frees itself when its holder dies."""
        ...

    async def registration(self, server: str, issuer: str) -> Registration | None: ...

    async def keep_registration(self, server: str, registration: Registration) -> None: ...

    async def attempt(self, server: str, principal: str) -> Attempt | None:
        """The sign-in of this principal that is still open and not expired, so that many calls share one link."""
        ...

    async def keep_attempt(self, attempt: Attempt) -> None: ...

    async def take_attempt(self, state: str) -> Attempt | None:
        """The attempt of that state, once: the second taker, and one who is late, gets None."""
        ...


@dataclass(frozen=True)
class Question:
    """Something a server asks a person: a form to fill in, or an address to visit."""

    key: str
    mode: Literal["form", "url"]
    message: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    url: str | None = None


@dataclass(frozen=True)
class Answer:
    """A person's answer; `content` has the fields of the form when it was accepted."""

    action: Literal["accept", "decline", "cancel"]
    content: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Parked:
    """A call that waits for a person or for a long job. `McpHost.resume` goes on with it, in any process.

    `input`: the server holds nothing, the answers go in with the call made again. `task`: the server works on it
    under `task_id`. `held`: the call is still open inside this process, for a question of the older protocol or
    because it takes long; in another one it is gone, and is made again only where the tool says that it does no harm.
    """

    kind: Literal["input", "task", "held"]
    name: str  # mcp__<alias>__<tool>
    arguments: Mapping[str, Any]
    requests: Mapping[str, Any] = field(default_factory=dict)  # as they came, by key
    state: str | None = None  # the server's own, handed back byte for byte
    task_id: str | None = None
    held: str | None = None
    round: int = 1
    poll_s: float = 1.0  # not before
    said: str | None = None  # how the job is doing, in the server's words

    @property
    def questions(self) -> tuple[Question, ...]:
        """What people have to answer; servers may ask the host itself for other things beside."""
        asked = {k: r for k, r in self.requests.items() if r.get("method") == "elicitation/create"}
        return tuple(_question(key, request) for key, request in asked.items())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**data)


def _question(key: str, request: Mapping[str, Any]) -> Question:
    params = request.get("params") or {}
    by_url = params.get("mode") == "url"
    return Question(
        key,
        "url" if by_url else "form",
        str(params.get("message") or ""),
        params.get("requestedSchema") or {},
        params.get("url") if by_url else None,
    )


class Sampler(Protocol):
    """Answers a server's request for a completion; only servers whose entry allows it are told of it."""

    async def sample(self, alias: str, principal: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """`params` and result in the protocol's own JSON of `sampling/createMessage`."""
        ...
