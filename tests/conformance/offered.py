"""What it costs to offer the tools of many real servers, and whether the right one is found.

`python -m tests.conformance.offered` starts the servers that the product is tried on and some more, 560 tools in all,
and prints what a turn costs against sending every schema, and how often a query finds its tool through `tool_search`.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from bot.policy.gate import Effect
from bot.store.journal import canonical
from bot.tools.base import Outcome, Tool, ToolContext
from bot.tools.ranking import ranked
from bot.tools.registry import Registry
from bot.tools.search import SEARCH, entry
from connectors.mcp import McpFailure, McpHost
from tests.conformance import servers
from tests.conformance.install import CannotInstall, npm, python

QUERIES = Path(__file__).parent / "queries.jsonl"
MOST_COST, LEAST_FOUND = 0.06, 0.70
TURNS, LOADED = 30, 12  # of a run: turns, and tools that are loaded on the way
NPM = [
    "@xeroapi/xero-mcp-server@0.0.17",
    "@notionhq/notion-mcp-server@2.5.2",
    "@playwright/mcp@0.0.83",
    "@zereight/mcp-gitlab@2.1.64",
]
PYPI = ["mcp-atlassian==0.23.1", "office-word-mcp-server==1.1.11", "office-powerpoint-mcp-server==2.0.7"]


def more() -> dict[str, dict]:
    """Servers of other kinds, which list their tools with credentials that are none."""
    node, modern = npm("more", NPM), python("more-python", PYPI)
    site = "https://example.atlassian.net"
    jira = {"JIRA_URL": site, "JIRA_USERNAME": "a@example.com", "JIRA_API_TOKEN": "none"}
    wiki = {"CONFLUENCE_URL": f"{site}/wiki", "CONFLUENCE_USERNAME": "a@example.com", "CONFLUENCE_API_TOKEN": "none"}
    given: dict[str, tuple[Path, dict[str, str]]] = {
        "xero": (node / "xero-mcp-server", {"XERO_CLIENT_ID": "none", "XERO_CLIENT_SECRET": "none"}),
        "notion": (node / "notion-mcp-server", {"NOTION_TOKEN": "ntn_none"}),
        "browser": (node / "playwright-mcp", {}),
        "gitlab": (node / "mcp-gitlab", {"GITLAB_PERSONAL_ACCESS_TOKEN": "none"}),
        "atlassian": (modern / "mcp-atlassian", {**jira, **wiki}),
        "word": (modern / "word_mcp_server", {}),
        "powerpoint": (modern / "ppt_mcp_server", {}),
    }
    return {
        alias: {
            "command": str(program),
            "env": {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", **env},
            "x-cadre": {"start_timeout": servers.BUDGET_S},
        }
        for alias, (program, env) in given.items()
    }


async def listed() -> list[Tool]:
    with tempfile.TemporaryDirectory() as name:
        entries = {p.alias: servers.entry(p) for p in servers.probes(Path(name)) if p.tool}
        found: list[Tool] = []
        async with McpHost({"mcpServers": {**entries, **more()}}) as host:
            for alias in host.aliases:
                try:
                    tools = await host.tools(alias)
                except McpFailure as error:
                    print(f"{alias}: {error}", file=sys.stderr)
                    continue
                found += [
                    Tool(t.name, t.description, Effect.READ, nothing, schema=dict(t.input_schema)) for t in tools
                ]
        return found


async def nothing(_ctx: ToolContext, _args: object) -> Outcome:
    return Outcome({"ok": True})


def cost(tools: list[Tool]) -> tuple[int, float]:
    """Characters of all schemas, and the share of them that an average turn sends instead."""
    whole = sum(len(canonical(tool.definition())) for tool in tools)
    sent = [d for d in Registry(tools).definitions(("*",)) if not d.get("defer_loading")]
    catalogue = sum(len(canonical(definition)) for definition in sent)
    # Loaded one after another over the run, so half of them are there on average.
    schemas = LOADED / 2 * whole / len(tools)
    assert [d["name"] for d in sent] == [SEARCH]
    return whole, (catalogue + schemas) / whole


def found(tools: list[Tool], queries: list[dict], most: int) -> float:
    entries = [entry(tool) for tool in tools]
    hits = 0
    for asked in queries:
        wanted = asked["expect"] if isinstance(asked["expect"], list) else [asked["expect"]]
        hits += bool({*wanted} & {*ranked(entries, asked["query"])[:most]})
    return hits / len(queries)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=Path, default=QUERIES, help="JSONL of {query, expect}")
    options = parser.parse_args()
    queries = [json.loads(line) for line in options.queries.read_text().splitlines()]
    try:
        tools = asyncio.run(listed())
    except CannotInstall as error:
        print(error, file=sys.stderr)
        return 2
    whole, share = cost(tools)
    at = {most: found(tools, queries, most) for most in (1, 5, 10)}
    print(f"{len(tools)} tools, {whole} characters of schemas; a turn sends {share:.1%} of them")
    print(f"{len(queries)} queries: " + ", ".join(f"{value:.0%} found at {most}" for most, value in at.items()))
    return 0 if share <= MOST_COST and at[5] >= LEAST_FOUND else 1


if __name__ == "__main__":
    sys.exit(main())
