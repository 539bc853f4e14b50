"""What the conformance targets need from npm and PyPI, pinned, in a folder that git ignores."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "conformance"
NODE = 22  # the suite uses what came with it


class CannotInstall(Exception):
    """Says what is missing and how to get it."""


def npm(name: str, packages: list[str], *, node: bool = False) -> Path:
    """The folder of programs of these npm packages; with `node`, also a Node that is new enough."""
    if shutil.which("npm") is None:
        raise CannotInstall("npm is not installed, and this target needs it: install Node.js 22 or newer.")
    wanted = [*packages, f"node@{NODE}"] if node and _node() < NODE else packages
    folder = FOLDER / name
    programs = folder / "node_modules" / ".bin"
    if not _is_done(folder, wanted):
        print(f"installing {', '.join(wanted)}", file=sys.stderr)
        (folder / "package.json").write_text('{"private": true}')
        _run(["npm", "install", "--save-exact", "--no-fund", "--no-audit", *wanted], folder)
        _done(folder, wanted)
    return programs


def python(name: str, packages: list[str]) -> Path:
    """The folder of programs of a virtual environment with these packages."""
    folder = FOLDER / name
    if not _is_done(folder, packages):
        print(f"installing {', '.join(packages)}", file=sys.stderr)
        _run([sys.executable, "-m", "venv", str(folder)], FOLDER)
        _run([str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *packages], FOLDER)
        _done(folder, packages)
    return folder / "bin"


def _node() -> int:
    if shutil.which("node") is None:
        return 0
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.strip().removeprefix("v").partition(".")[0])


def _is_done(folder: Path, packages: list[str]) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / "installed.json"
    return mark.exists() and json.loads(mark.read_text()) == packages


def _done(folder: Path, packages: list[str]) -> None:
    (folder / "installed.json").write_text(json.dumps(packages))


def _run(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip().splitlines()
        raise CannotInstall(f"{' '.join(command[:3])} failed: {' '.join(said[-3:])[:500]}")
