"""A loop that lives as long as the surface: no error of one turn ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger()

PAUSE_S = 1.0


async def follow(turn: Callable[[], Awaitable[None]], what: str) -> None:
    """Take turn after turn, with a pause after one that failed."""
    while True:
        try:
            await turn()
        except Exception:
            log.exception("a turn failed; the next one comes", of=what)
            await asyncio.sleep(PAUSE_S)
