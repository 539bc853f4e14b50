"""Real servers through the production host: `python -m tests.conformance.servers`.

Each is installed at the version named here, started, listed and called; then its process is killed with a call under
way, while the others go on answering. One that cannot start has to say why in a line, within its start budget.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from connectors.mcp import CallResult, McpFailure, McpHost, ServerDown, UnknownOutcome
from tests.conformance.install import CannotInstall, npm, python

BUDGET_S = 90.0
NPM = [
    f"@modelcontextprotocol/server-{name}"
    for name in (
        "everything@2026.8.31",
        "filesystem@2026.8.31",
        "memory@2026.8.31",
        "sequential-thinking@2026.8.31",
        "slack@2025.4.25",
    )
]
MODERN = [
    "mcp-server-time==2026.10.19",
    "mcp-server-git==2026.10.19",
    "excel-mcp-server==2.2.2",
    "workspace-mcp==2.2.1",
    "fastmcp-tasks==4.1.2",
]
OLD = ["mcp<2", "mcp-server-sqlite==2025.4.25"]
UNPINNED = OLD[1:]  # with the library of today it dies at the start
POSTGRES = ["postgres-mcp==0.3.0"]


@dataclass(frozen=True)
class Probe:
    """How to start one server, and what to call."""

    alias: str
    programs: Callable[[], Path]
    command: str
    args: list[str]
    tool: str
    arguments: dict
    env: dict[str, str] = field(default_factory=dict)
    offline: bool = False  # the call itself needs the internet or an account; an answer saying so counts


@dataclass
class Row:
    alias: str
    state: str = "not started"
    era: str = ""
    tools: int = 0
    start_s: float = 0.0
    answer: str = ""
    after_kill: str = ""


def probes(folder: Path) -> list[Probe]:
    def node() -> Path:
        return npm("servers", NPM)

    def modern() -> Path:
        return python("modern", MODERN)

    repository = folder / "repository"
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    google = {"GOOGLE_OAUTH_CLIENT_ID": "dummy", "GOOGLE_OAUTH_CLIENT_SECRET": "dummy", "HOME": str(folder)}
    slack = {"SLACK_BOT_TOKEN": "xoxb-dummy", "SLACK_TEAM_ID": "T1"}
    thought = {"thought": "one", "thoughtNumber": 1, "totalThoughts": 1, "nextThoughtNeeded": False}
    book = {"path": str(folder / "book.xlsx"), "overwrite": True}
    return [
        Probe("everything", node, "mcp-server-everything", ["stdio"], "echo", {"message": "hello"}),
        Probe("filesystem", node, "mcp-server-filesystem", [str(folder)], "list_directory", {"path": str(folder)}),
        Probe(
            "memory", node, "mcp-server-memory", [], "read_graph", {},
            {"MEMORY_FILE_PATH": str(folder / "memory.json")},
        ),
        Probe("thinking", node, "mcp-server-sequential-thinking", [], "sequentialthinking", thought),
        Probe("slack", node, "mcp-server-slack", [], "slack_list_channels", {}, slack, offline=True),
        Probe("time", modern, "mcp-server-time", [], "get_current_time", {"timezone": "Europe/Berlin"}),
        Probe(
            "git", modern, "mcp-server-git", ["--repository", str(repository)], "git_status",
            {"repo_path": str(repository)},
        ),
        Probe("excel", modern, "excel-mcp-server", ["stdio"], "create_workbook", book),
        Probe(
            "workspace", modern, "workspace-mcp", ["--tool-tier", "core"], "list_calendars",
            {"user_google_email": "a@example.com"}, google, offline=True,
        ),
        Probe(
            "sqlite", lambda: python("old", OLD), "mcp-server-sqlite", ["--db-path", str(folder / "x.db")],
            "list_tables", {},
        ),
        Probe("postgres", lambda: python("postgres", POSTGRES), "postgres-mcp", ["postgresql://localhost/x"], "", {}),
        Probe(
            "unpinned", lambda: python("unpinned", UNPINNED), "mcp-server-sqlite", ["--db-path", str(folder / "y.db")],
            "", {},
        ),
        Probe("mute", modern, "python", ["-c", "import time; time.sleep(600)"], "", {}),
    ]  # fmt: skip


def entry(probe: Probe) -> dict:
    """The server as it would stand in `.mcp.json`; one that could not be installed has no program to start."""
    try:
        programs = probe.programs()
    except CannotInstall as error:
        print(f"{probe.alias}: {error}", file=sys.stderr)
        programs = Path("/not/installed")
    env = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", **probe.env}
    limits = {"start_timeout": 20.0 if probe.alias == "mute" else BUDGET_S}
    return {"command": str(programs / probe.command), "args": probe.args, "env": env, "x-cadre": limits}


async def started(host: McpHost, probe: Probe, row: Row) -> int | None:
    """Lists one server; its process where it runs."""
    before, began = children(), time.monotonic()
    try:
        tools = await host.tools(probe.alias)
    except McpFailure as error:
        row.state, row.answer = "down", " ".join(str(error).split())[:160]
        return None
    finally:
        row.start_s = time.monotonic() - began
    status = next(s for s in host.status() if s.alias == probe.alias)
    row.state, row.era, row.tools = "ready", status.era or "", sum(not tool.ours for tool in tools)
    return next(iter(children() - before), None)


async def called(host: McpHost, probe: Probe) -> CallResult:
    return await host.call(f"mcp__{probe.alias}__{probe.tool}", probe.arguments)


def said(result: CallResult) -> str:
    kind = "error: " if result.is_error else ""
    return kind + " ".join((result.text or json.dumps(result.structured)).split())[:60]


async def killed(host: McpHost, probe: Probe, pid: int, siblings: list[Probe]) -> str:
    """Kills a server with a call under way; the next call has to be answered, and everybody else's meanwhile."""
    os.kill(pid, signal.SIGSTOP)  # so that the call cannot be done before the kill
    lost = asyncio.create_task(called(host, probe))
    others = [asyncio.create_task(called(host, sibling)) for sibling in siblings]
    await asyncio.sleep(0.2)
    os.killpg(pid, signal.SIGKILL)
    try:
        await lost
        first = "repeated by the host"
    except UnknownOutcome:
        first = "reported as unknown"
    except ServerDown as error:
        return f"lost: {error}"
    again = await called(host, probe)
    gone = [s.alias for s, task in zip(siblings, await asyncio.gather(*others, return_exceptions=True), strict=True)
            if isinstance(task, BaseException)]  # fmt: skip
    same = not again.is_error or probe.offline
    return f"{first}, next call {'answered' if same else said(again)}" + (
        f"; {', '.join(gone)} disturbed" if gone else ""
    )


def children() -> set[int]:
    me = os.getpid()
    return {
        int(pid) for task in Path(f"/proc/{me}/task").iterdir() for pid in (task / "children").read_text().split()
    }


async def main(only: set[str], as_json: bool) -> int:
    with tempfile.TemporaryDirectory() as name:
        chosen = [p for p in probes(Path(name)) if not only or p.alias in only]
        rows = {p.alias: Row(p.alias) for p in chosen}
        async with McpHost({"mcpServers": {p.alias: entry(p) for p in chosen}}) as host:
            pids = {p.alias: await started(host, p, rows[p.alias]) for p in chosen}
            ready = [p for p in chosen if pids[p.alias] is not None and p.tool]
            for probe in ready:
                result = await called(host, probe)
                rows[probe.alias].answer = said(result)
                if result.is_error and not probe.offline:
                    rows[probe.alias].state = "wrong answer"
            for probe in ready:
                siblings = [p for p in ready if p is not probe and not p.offline][:4]
                rows[probe.alias].after_kill = await killed(host, probe, pids[probe.alias] or 0, siblings)
    report(list(rows.values()), as_json)
    expected_down = {"postgres", "unpinned", "mute"}
    wrong = [
        r.alias
        for r in rows.values()
        if r.state != ("down" if r.alias in expected_down else "ready")
        or "lost" in r.after_kill
        or "disturbed" in r.after_kill
        or (r.state == "ready" and "answered" not in r.after_kill)
    ]
    if wrong:
        print(f"not as expected: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


def report(rows: list[Row], as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    for row in rows:
        print(
            f"{row.alias:11} {row.state:6} {row.era:11} {row.tools:3} tools {row.start_s:5.1f} s  "
            f"{row.answer}{f' | killed: {row.after_kill}' if row.after_kill else ''}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="aliases, with commas")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sys.exit(asyncio.run(main(set(filter(None, (options.only or "").split(","))), options.json)))
