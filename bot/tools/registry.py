"""The tools of a process by name, and the definitions one role gets to see."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from bot.tools.base import Tool
from bot.types import Json


class Registry:
    """Tools by name. Order of definitions is by name, so that the same role always sends the same bytes."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._definitions: dict[tuple[str, ...], list[Json]] = {}

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def allowed(self, patterns: tuple[str, ...]) -> list[str]:
        """Names of the tools that match a role's list."""
        return sorted(n for n in self._tools if any(fnmatchcase(n, p) for p in patterns))

    def definitions(self, patterns: tuple[str, ...]) -> list[Json]:
        """What the Messages API takes as `tools`, with a cache breakpoint on the last."""
        if patterns not in self._definitions:
            found = [self._tools[name].definition() for name in self.allowed(patterns)]
            if found:
                found[-1] = {**found[-1], "cache_control": {"type": "ephemeral"}}
            self._definitions[patterns] = found
        return self._definitions[patterns]
