"""Tools of MCP servers, under names of our own aliases; they and ours look the same to an agent."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.store import reads
from bot.tools.base import Outcome, Tool, ToolContext, refused
from bot.tools.results import shared
from bot.tools.tables import tabular
from bot.types import Json
from connectors.mcp import CallResult, McpFailure, McpHost, ToolInfo

log = structlog.get_logger()

FRESH_S = 300.0  # a server says nothing about versions, so an answer is shared within a run and for this long


class McpTools:
    """The configured servers' tools. A server that cannot be reached costs its tools, not the start."""

    def __init__(self, servers: dict[str, Any]) -> None:
        self._trusted = {alias for alias, entry in servers.items() if entry.get("trusted")}
        plain = {alias: {k: v for k, v in entry.items() if k != "trusted"} for alias, entry in servers.items()}
        self._reads = reads.SharedReads()
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

        run = self._read if effect is Effect.READ else self._write
        return Tool(info.name, info.description, effect, partial(run, info), schema=dict(info.input_schema))

    async def _read(self, info: ToolInfo, ctx: ToolContext, args: Json) -> Outcome:
        """What a colleague in the run has just read is read once; an agent that asks again is told anew."""
        source = f"mcp:{info.alias}"
        reader, anew = await ctx.db.read(
            lambda c: (reads.reader(c, ctx.run_id, source), reads.asked_before(c, ctx.agent_id, info.name, args))
        )

        async def fetch() -> bytes:
            result = await self._host.call(info.name, args)
            if result.is_error:
                raise ModelMustRetry(_why(info, result))
            return json.dumps({"structured": result.structured, "text": result.text}).encode()

        try:
            answer = await self._reads.read(
                ctx.db, reads.Key.of(reader, info.name, args, ctx.run_id), fetch,
                call=f"{ctx.agent_id}/{ctx.call_id}", fresh_s=FRESH_S, anew=anew,
                labels={"integrity": "external", "sources": [source], "readers": [ctx.requester]},
            )  # fmt: skip
        except McpFailure as error:
            return refused(str(error))
        found = json.loads(answer.data)
        outcome = _outcome(ctx, info, found["structured"], found["text"])
        return replace(outcome, labels=shared(ctx, answer))

    async def _write(self, info: ToolInfo, ctx: ToolContext, args: Json) -> Outcome:
        """A call that may change something: what was read before it, and while it ran, is not given out any more."""
        source = f"mcp:{info.alias}"
        await ctx.db.write(lambda tx: reads.written(tx, ctx.team, source))
        try:
            result = await self._host.call(info.name, args)
        except McpFailure as error:
            return refused(str(error))
        finally:
            await ctx.db.write(lambda tx: reads.written(tx, ctx.team, source))
        if result.is_error:
            return refused(_why(info, result))
        return _outcome(ctx, info, result.structured, result.text)

    async def close(self) -> None:
        await self._host.close()


def _why(info: ToolInfo, result: CallResult) -> str:
    return result.text or f"{info.name} failed without saying why."


def _outcome(ctx: ToolContext, info: ToolInfo, structured: Mapping[str, Any] | None, text: str) -> Outcome:
    if structured is not None:
        shown, files = tabular(ctx, info.tool, dict(structured))
        return Outcome(shown, files=files)
    return Outcome({"ok": True, "text": text})
