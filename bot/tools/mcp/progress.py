"""What a server says about a call it still works on, kept for whoever shows the run."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import structlog

from bot.store import journal
from bot.store.database import Tx
from bot.tools.base import ToolContext

log = structlog.get_logger()

TELL_S = 2.0  # between two rows about one call
MOST = 300  # characters of a server's words


def tell(tx: Tx, ctx: ToolContext, alias: str, words: str) -> None:
    """Keep what was said last about a call."""
    text = f"{alias}: {' '.join(words.split())[:MOST]}"
    journal.append(tx, ctx.run_id, "call.progress", {"agent": ctx.agent_name, "call": ctx.call_id, "text": text})


@contextlib.asynccontextmanager
async def telling(ctx: ToolContext, alias: str) -> AsyncIterator[Callable[[float, float | None, str | None], None]]:
    """Takes a call's progress as it comes; what comes within two seconds of what was kept is passed over."""
    writing: asyncio.Task[Any] | None = None
    next_at = 0.0

    def on_progress(done: float, total: float | None, message: str | None) -> None:
        nonlocal writing, next_at
        if time.monotonic() < next_at or (writing is not None and not writing.done()):
            return
        next_at = time.monotonic() + TELL_S
        words = " ".join(part for part in (message or "", _share(done, total)) if part)
        writing = asyncio.create_task(ctx.db.write(lambda tx: tell(tx, ctx, alias, words)))

    try:
        yield on_progress
    finally:
        if writing is not None:
            await asyncio.wait({writing})
            if not writing.cancelled() and (error := writing.exception()) is not None:
                log.warning("what a server said was not kept", server=alias, error=str(error))  # the call goes on


def _share(done: float, total: float | None) -> str:
    return f"({done:g} of {total:g})" if total else f"({done:g})"
