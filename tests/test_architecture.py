"""Imports go down, nothing loops, nothing grows past its ceiling."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Top to bottom: a module imports from its own floor's folder or from floors below.
FLOORS = [
    ["bot.__main__", "bot.cli"],
    ["bot.commands"],
    ["bot.operations"],
    ["bot.demo", "bot.drill"],
    ["bot.local"],
    ["bot.serve"],
    ["bot.app"],
    ["bot.slack", "bot.center", "bot.mcp"],
    ["bot.coordinator"],
    ["bot.team"],
    ["bot.tools"],
    ["bot.model", "bot.policy"],
    ["bot.skills", "bot.workspace"],
    ["bot.store"],
    ["bot.settings", "bot.types", "bot.errors", "bot.garbage"],
]
SURFACES = ("bot.slack", "bot.center", "bot.mcp")
MODULE_LINES = 500
FUNCTION_LINES = 60


@cache
def modules() -> dict[str, Path]:
    found = {}
    for top in ("bot", "connectors", "loopback"):
        for path in (ROOT / top).rglob("*.py"):
            if "migrations" in path.parts:
                continue
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(name: str, path: Path) -> set[str]:
    """Our own modules that a module imports, relative imports resolved."""
    known, found = modules(), set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, base] if base else package)
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base for alias in node.names}
    return {f for f in found if f in known and f != name}


def floor(name: str) -> int | None:
    for number, names in enumerate(FLOORS):
        if any(name == n or name.startswith(n + ".") for n in names):
            return number
    return None


def test_every_module_of_the_bot_has_a_floor():
    assert [name for name in modules() if name.startswith("bot.") and floor(name) is None] == []


def test_imports_inside_the_bot_go_down():
    upward = [
        f"{name} -> {other}"
        for name, path in modules().items()
        if (here := floor(name)) is not None
        for other in imported(name, path)
        if (there := floor(other)) is not None and there < here
    ]
    assert upward == []


def test_the_ways_in_never_import_one_another():
    crossed = [
        f"{name} -> {other}"
        for name, path in modules().items()
        for other in imported(name, path)
        for a in SURFACES
        for b in SURFACES
        if a != b and name.startswith(a) and other.startswith(b)
    ]
    assert crossed == []


def test_connectors_and_stand_ins_know_only_themselves():
    leaks = [
        f"{name} -> {other}"
        for name, path in modules().items()
        for other in imported(name, path)
        if (name.startswith("connectors") and not other.startswith("connectors"))
        or (name.startswith("loopback") and not other.startswith("loopback"))
        or (name.startswith("bot") and other.startswith("loopback"))
    ]
    assert leaks == []


def test_below_the_slack_surface_nothing_sees_slack():
    seen = [
        name
        for name, path in modules().items()
        if name.startswith(("bot.", "connectors.")) and not name.startswith("bot.slack")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        if module.split(".")[0] in ("slack_sdk", "slack_bolt")
    ]
    assert seen == []


def test_no_module_imports_itself_in_a_circle():
    graph = {name: imported(name, path) for name, path in modules().items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name in done:
            return
        for other in graph[name]:
            visit(other, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("name", sorted(modules()))
def test_modules_and_functions_stay_readable(name):
    path = modules()[name]
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MODULE_LINES, f"{name} has {lines} lines"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= FUNCTION_LINES, f"{name}.{node.name} has {length} lines"
            assert node.returns is not None, f"{name}.{node.name} does not say what it returns"


def test_every_module_says_what_it_is():
    silent = [name for name, path in modules().items() if path.stat().st_size and not ast.get_docstring(tree(path))]
    assert silent == []
