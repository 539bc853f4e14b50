"""Tools of MCP servers, under names of our own aliases; they and ours look the same to an agent."""

from __future__ import annotations

from typing import Any

import structlog
from connectors.mcp import CallResult, McpError, McpHost, ToolInfo

from bot.policy.gate import Effect
from bot.tools.base import Outcome, Tool, ToolContext, refused
from bot.tools.tables import tabular
from bot.types import Json

log = structlog.get_logger()


class McpTools:
    """The configured servers' tools. A server that cannot be reached costs its tools, not the start."""

    def __init__(self, servers: dict[str, Any]) -> None:
        self._servers = servers
        self._host = McpHost(servers)

    async def tools(self) -> list[Tool]:
        found: list[Tool] = []
        for alias in self._servers:
            try:
                infos = await self._host.list_tools(alias)
            except McpError as error:
                log.error("mcp server not available", alias=alias, error=str(error))
                continue
            found += [self._tool(info) for info in infos]
        return found

    def _tool(self, info: ToolInfo) -> Tool:
        trusted = bool(self._servers[info.alias].get("trusted"))
        effect = Effect.READ if info.read_only and trusted else Effect.OTHER

        async def run(ctx: ToolContext, args: Json) -> Outcome:
            try:
                result = await self._host.call_tool(info.name, args)
            except McpError as error:
                return refused(str(error))
            return _outcome(ctx, info, result)

        return Tool(info.name, info.description, effect, run, schema=info.input_schema)

    async def close(self) -> None:
        await self._host.close()


def _outcome(ctx: ToolContext, info: ToolInfo, result: CallResult) -> Outcome:
    if result.is_error:
        return refused(result.text or f"{info.name} failed without saying why.")
    if isinstance(result.structured, dict):
        shown, files = tabular(ctx, info.tool, result.structured)
        return Outcome(shown, files=files)
    return Outcome({"ok": True, "text": result.text})
