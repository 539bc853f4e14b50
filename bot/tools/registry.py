"""The tools of a process by name, and the definitions one role gets to see in one channel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from fnmatch import fnmatchcase

from bot.store.journal import canonical
from bot.tools.base import Tool
from bot.tools.ranking import first_sentence
from bot.tools.results import keeping
from bot.tools.search import SEARCH, search_tool
from bot.types import Json

SHOWN = 20  # with more tools than these, those of connectors are shown by name and loaded when searched for
SHOWN_CHARS = 40_000  # or with larger schemas than this: a twentieth of a context window
LINES_CHARS = 6_000  # of the list of those with a sentence for each; beyond it stand names alone
LISTED = 2_000  # and beyond this many tools the servers alone


async def _at_once(_patterns: tuple[str, ...] = ()) -> None:
    """Nothing has to be waited for."""


class Registry:
    """Tools by name. Order of definitions is by name, so that the same role always sends the same bytes."""

    def __init__(self, tools: Iterable[Tool], ready: Callable[..., Awaitable[None]] = _at_once) -> None:
        """`ready(patterns)` returns when the tools of connectors that a role may have are there, as far as they are
        coming soon."""
        self._tools: dict[str, Tool] = {}
        self.ready = ready
        self.version = 0
        self._absent: dict[str, str] = {}
        self._definitions: dict[tuple[tuple[str, ...], str], list[Json]] = {}
        self.put("", tools)
        self._tools[SEARCH] = search_tool(
            lambda patterns, channel: [self._tools[name] for name in self.deferred(patterns, channel)]
        )

    def put(self, family: str, tools: Iterable[Tool], absent: dict[str, str] | None = None) -> None:
        """Replace the tools of a family (`mcp__crm__`) by these; `absent` says why others of it cannot be used, or
        under `*` why none can."""
        for name in [n for n in self._tools if family and n.startswith(family)]:
            del self._tools[name]
        self._tools.update((tool.name, replace(tool, run=keeping(tool))) for tool in tools)
        self._absent = {n: why for n, why in self._absent.items() if not n.startswith(family)} | (absent or {})
        self._definitions.clear()
        self.version += 1

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def missing(self, name: str, patterns: tuple[str, ...], channel: str = "") -> str:
        """What an agent reads that called a tool which is not there."""
        why = next((why for absent, why in self._absent.items() if fnmatchcase(name, absent)), "")
        if why:
            return f"{name} cannot be used: {why}"
        alike = [n for n in self.deferred(patterns, channel) if n.endswith(f"__{name}")]
        if alike:
            shape = canonical(self._tools[alike[0]].definition()["input_schema"])
            return f"There is no tool {name}; its name is {alike[0]}. It takes: {shape[:4_000]}"
        deferred = set(self.deferred(patterns, channel))
        known = [n for n in self.allowed(patterns, channel) if n not in deferred]
        return f"There is no tool {name}. You have: {', '.join(known)}."

    def allowed(self, patterns: tuple[str, ...], channel: str = "") -> list[str]:
        """Names of the tools that match a role's list and are offered in a channel."""
        return sorted(
            name
            for name, tool in self._tools.items()
            if any(fnmatchcase(name, p) for p in patterns) and tool.offered_in(channel)
        )

    def scope(self, channel: str) -> str:
        """What of the channel decides which tools there are; "" where nothing does."""
        return channel if any(channel in tool.channels for tool in self._tools.values()) else ""

    def deferred(self, patterns: tuple[str, ...], channel: str = "") -> list[str]:
        """Names of the tools that a role finds by searching: those of connectors, when it has many or large ones."""
        names = [name for name in self.allowed(patterns, channel) if name != SEARCH]
        later = [name for name in names if "__" in name and not self._tools[name].always]
        if len(names) > SHOWN:
            return later
        size = sum(len(canonical(self._tools[name].definition())) for name in later)
        return later if size > SHOWN_CHARS else []

    def catalogue(self, patterns: tuple[str, ...], channel: str = "") -> str:
        """A role's deferred tools: a line for each, or their names by server where that would be long."""
        names = self.deferred(patterns, channel)
        lines = "\n".join(f"- {name}: {first_sentence(self._tools[name].description, 100)}" for name in names)
        if len(lines) <= LINES_CHARS:
            return lines
        families: dict[str, list[str]] = defaultdict(list)
        for name in names:
            family, _, short = name.rpartition("__")
            families[family].append(short)
        if len(names) > LISTED:
            return "\n".join(f"- {family}__*: {len(found)} tools" for family, found in families.items())
        return "\n".join(f"- {family}__: {' '.join(found)}" for family, found in families.items())

    def definitions(self, patterns: tuple[str, ...], channel: str = "") -> list[Json]:
        """What the Messages API takes as `tools`; the same until tools of connectors come or go.

        Deferred ones come last; the model gets their schemas when tool_search refers to them. The cache breakpoint is
        on the last tool that is not deferred.
        """
        key = (patterns, self.scope(channel))
        if key not in self._definitions:
            deferred = self.deferred(patterns, channel)
            shown = [n for n in self.allowed(patterns, channel) if n not in deferred and (n != SEARCH or deferred)]
            found = [self._tools[name].definition() for name in shown]
            for definition in found:
                if definition["name"] == SEARCH:
                    definition["description"] += f" There are:\n{self.catalogue(patterns, channel)}"
            if found:
                found[-1] = {**found[-1], "cache_control": {"type": "ephemeral"}}
            later = [{**self._tools[name].definition(), "defer_loading": True} for name in deferred]
            self._definitions[key] = found + later
        return self._definitions[key]
