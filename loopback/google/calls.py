"""What a handler is given: the person, the checked parameters and the body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loopback.google.files import Drive


@dataclass(frozen=True)
class Bytes:
    """An answer that is not JSON."""

    data: bytes
    mime: str


@dataclass(frozen=True)
class Call:
    """One request, already checked against the discovery document."""

    drive: Drive
    user: str
    params: dict[str, Any]
    body: dict[str, Any] = field(default_factory=dict)
    media: Bytes | None = None
    base: str = ""


Answer = dict[str, Any] | Bytes | None
Handler = Callable[[Call], Answer]
