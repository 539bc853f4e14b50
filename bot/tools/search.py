"""tool_search: finds tools whose schemas are not shown at first and loads them; the tools sent stay the same."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable

from pydantic import Field

from bot.policy.gate import Effect
from bot.tools.base import Args, Outcome, Tool, ToolContext, refused

SEARCH = "tool_search"
FOUND = 6
NAME_WEIGHT = 3


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
        names = args.names or [tool.name for tool in ranked(list(tools.values()), args.query)[:FOUND]]
        shown = [{"name": name, "description": first_sentence(tools[name].description)} for name in names]
        return Outcome({"ok": True, "tools": shown}, refers=tuple(names))

    return Tool(
        SEARCH, "Load tools that are not loaded yet, by what they do or by name; then call them like any other.",
        Effect.READ, run, SearchArgs,
    )  # fmt: skip


def ranked(tools: list[Tool], query: str) -> list[Tool]:
    """Tools that share words with the query, best first (BM25; a word of the name counts more)."""
    texts = {tool.name: _words(tool) for tool in tools}
    wanted = set(stems(query))
    usual = sum(sum(words.values()) for words in texts.values()) / max(len(texts), 1)
    holding = Counter(word for words in texts.values() for word in words)

    def score(tool: Tool) -> float:
        words = texts[tool.name]
        length = sum(words.values()) / (usual or 1)
        return sum(
            math.log(1 + (len(texts) - holding[word] + 0.5) / (holding[word] + 0.5))
            * words[word] * 2.2 / (words[word] + 1.2 * (0.25 + 0.75 * length))
            for word in wanted & words.keys()
        )  # fmt: skip

    scores = {tool.name: score(tool) for tool in tools}
    return sorted((t for t in tools if scores[t.name] > 0), key=lambda t: (-scores[t.name], t.name))


def _words(tool: Tool) -> Counter[str]:
    schema = tool.definition()["input_schema"]
    words = Counter(stems(f"{first_sentence(tool.description)} {' '.join(schema.get('properties', {}))}"))
    for stem in stems(tool.name):
        words[stem] += NAME_WEIGHT
    return words


def stems(text: str) -> list[str]:
    """The words of a text without their commonest endings; names are cut at _ and at capitals."""
    split = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    found = re.findall(r"[a-z0-9]+", split.lower())
    return [re.sub(r"(?<=[a-z]{3})(?:ies|ing|ed|es|s|y|e)$", "", word) for word in found]


def first_sentence(text: str, most: int = 200) -> str:
    """The first sentence of a description, on one line."""
    words = " ".join(text.split())
    sentence = re.split(r"(?<=[.!?])\s", words, maxsplit=1)[0]
    return sentence if len(sentence) <= most else f"{sentence[: most - 1]}…"
