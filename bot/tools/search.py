"""tool_search: finds tools whose schemas are not shown at first and loads them; the tools sent stay the same."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from bot.policy.gate import Effect
from bot.tools.base import Args, Outcome, Tool, ToolContext, refused
from bot.tools.ranking import Entry, first_sentence, ranked

SEARCH = "tool_search"
FOUND = 6


class SearchArgs(Args):
    query: str = Field(default="", max_length=400, description="What the tool should do, in a few words.")
    names: list[str] = Field(default=[], max_length=20, description="Tools to load by name.")


def search_tool(deferred: Callable[[tuple[str, ...], str], list[Tool]]) -> Tool:
    """The tool over what `deferred` gives for the tools of a role in a channel."""

    async def run(ctx: ToolContext, args: SearchArgs) -> Outcome:
        tools = {tool.name: tool for tool in deferred(ctx.role_tools, ctx.channel)}
        unknown = [name for name in args.names if name not in tools]
        if unknown:
            return refused(f"There is no tool {unknown[0]!r} to load; see the list in the description of {SEARCH}.")
        names = args.names or ranked(map(entry, tools.values()), args.query)[:FOUND]
        shown = [{"name": name, "description": first_sentence(tools[name].description)} for name in names]
        return Outcome({"ok": True, "tools": shown}, refers=tuple(names))

    return Tool(
        SEARCH, "Load tools that are not loaded yet, by what they do or by name; then call them like any other.",
        Effect.READ, run, SearchArgs,
    )  # fmt: skip


def entry(tool: Tool) -> Entry:
    """A tool as it is searched for."""
    return Entry(tool.name, tool.description, tuple(tool.definition()["input_schema"].get("properties", {})))
