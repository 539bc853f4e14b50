"""The tools of a process by name, and the definitions one role gets to see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase

from bot.tools.base import Tool
from bot.tools.results import keeping
from bot.tools.search import SEARCH, first_sentence, search_tool
from bot.types import Json

SHOWN = 20  # with more tools than these, those of connectors are shown by name and loaded when searched for


class Registry:
    """Tools by name. Order of definitions is by name, so that the same role always sends the same bytes."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools = {tool.name: replace(tool, run=keeping(tool)) for tool in tools}
        self._tools[SEARCH] = search_tool(lambda patterns: [self._tools[name] for name in self.deferred(patterns)])
        self._definitions: dict[tuple[str, ...], list[Json]] = {}

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def allowed(self, patterns: tuple[str, ...]) -> list[str]:
        """Names of the tools that match a role's list."""
        return sorted(n for n in self._tools if any(fnmatchcase(n, p) for p in patterns))

    def deferred(self, patterns: tuple[str, ...]) -> list[str]:
        """Names of the tools that a role finds by searching: those of connectors, when it has many tools."""
        names = [name for name in self.allowed(patterns) if name != SEARCH]
        return [name for name in names if "__" in name] if len(names) > SHOWN else []

    def catalogue(self, patterns: tuple[str, ...]) -> str:
        """A role's deferred tools, one line each."""
        return "\n".join(
            f"- {name}: {first_sentence(self._tools[name].description, 100)}" for name in self.deferred(patterns)
        )

    def definitions(self, patterns: tuple[str, ...]) -> list[Json]:
        """What the Messages API takes as `tools`, the same for an agent's whole life.

        Deferred ones come last; the model gets their schemas when tool_search refers to them. The cache breakpoint is
        on the last tool that is not deferred.
        """
        if patterns not in self._definitions:
            deferred = self.deferred(patterns)
            shown = [n for n in self.allowed(patterns) if n not in deferred and (n != SEARCH or deferred)]
            found = [self._tools[name].definition() for name in shown]
            for definition in found:
                if definition["name"] == SEARCH:
                    definition["description"] += f" There are:\n{self.catalogue(patterns)}"
            if found:
                found[-1] = {**found[-1], "cache_control": {"type": "ephemeral"}}
            later = [{**self._tools[name].definition(), "defer_loading": True} for name in deferred]
            self._definitions[patterns] = found + later
        return self._definitions[patterns]
