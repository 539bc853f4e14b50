"""Tools of MCP servers, under names of our own aliases; they and ours look the same to an agent."""

from __future__ import annotations

import os
from typing import Any

import structlog

from bot.policy.gate import Effect
from bot.tools.base import Outcome, Tool, ToolContext, refused
from bot.tools.tables import tabular
from bot.types import Json
from connectors.mcp import CallResult, McpFailure, McpHost, ToolInfo

log = structlog.get_logger()


class McpTools:
    """The configured servers' tools. A server that cannot be reached costs its tools, not the start."""

    def __init__(self, servers: dict[str, Any]) -> None:
        self._trusted = {alias for alias, entry in servers.items() if entry.get("trusted")}
        plain = {alias: {k: v for k, v in entry.items() if k != "trusted"} for alias, entry in servers.items()}
        self._host = McpHost({"mcpServers": plain}, environ=os.environ)
        for problem in self._host.problems:
            log.error("mcp configuration", problem=problem)

    async def tools(self) -> list[Tool]:
        found: list[Tool] = []
        for alias in self._host.aliases:
            try:
                found += [self._tool(info) for info in await self._host.tools(alias)]
            except McpFailure as error:
                log.error("mcp server not available", alias=alias, error=str(error))
        return found

    def _tool(self, info: ToolInfo) -> Tool:
        # Annotations are the server's own words; they count only where the operator trusts it.
        effect = Effect.READ if info.read_only and info.alias in self._trusted else Effect.OTHER

        async def run(ctx: ToolContext, args: Json) -> Outcome:
            try:
                result = await self._host.call(info.name, args)
            except McpFailure as error:
                return refused(str(error))
            return _outcome(ctx, info, result)

        return Tool(info.name, info.description, effect, run, schema=dict(info.input_schema))

    async def close(self) -> None:
        await self._host.close()


def _outcome(ctx: ToolContext, info: ToolInfo, result: CallResult) -> Outcome:
    if result.is_error:
        return refused(result.text or f"{info.name} failed without saying why.")
    if result.structured is not None:
        shown, files = tabular(ctx, info.tool, dict(result.structured))
        return Outcome(shown, files=files)
    return Outcome({"ok": True, "text": result.text})
