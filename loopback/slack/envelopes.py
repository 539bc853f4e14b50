"""What travels from Slack to an app, and the ways it may end."""

import secrets
from dataclasses import dataclass, field
from typing import Any, Protocol

ACK_S = 3.0


class NotAnswered(Exception):
    """The app did not acknowledge; the message says why, in Slack's word for it. `again` is whether to retry."""

    def __init__(self, reason: str, *, again: bool = True) -> None:
        super().__init__(reason)
        self.again = again


@dataclass(frozen=True)
class Envelope:
    """An event, a slash command or an interaction on its way to the app."""

    kind: str  # events_api, slash_commands or interactive
    name: str
    payload: dict[str, Any]
    id: str = field(default_factory=lambda: secrets.token_hex(16))


class Carrier(Protocol):
    """Socket Mode or signed HTTP."""

    @property
    def ready(self) -> bool:
        """Whether an app is there to take something now."""

    async def carry(self, envelope: Envelope, attempt: int, reason: str) -> Any:
        """Hands an envelope to the app and returns the acknowledgement's payload; raises NotAnswered."""
