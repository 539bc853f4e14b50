"""Cadre over standard input and output, for assistants that start their servers themselves."""

from __future__ import annotations

from collections.abc import Mapping

from bot.errors import OperatorMustFix
from bot.mcp.server import build
from bot.mcp.work import Desk
from bot.store import callers
from bot.store.callers import Person


async def serve(desk: Desk, token: str) -> None:
    """Serve the one caller whose token this is; the work itself is done by `cadre run` on the same store."""

    async def who(_headers: Mapping[str, str] | None) -> Person | None:
        return await desk.db.read(lambda c: callers.person(c, token))

    if not token or await who(None) is None:
        raise OperatorMustFix("CADRE_MCP_TOKEN holds no token that counts. Make one: cadre mcp token --help")
    await build(desk, who).run_stdio_async()
