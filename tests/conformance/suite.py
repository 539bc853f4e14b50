"""Runs the official client suite against the production host: `python -m tests.conformance.suite --runs 3`.

Each run is three commands: every scenario, and what each revision of the protocol requires. By default the host is not
told which era a server speaks; one more run tells it.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.install import CannotInstall, npm

SUITE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
COMMANDS = (["--suite", "all"], ["--requirements", "2025-11-25"], ["--requirements", "2026-07-28"])
SCENARIO = re.compile(r"^\s*([✓✗⚠]\S*)\s+(\S+): (\d+) passed, (\d+) failed(?:, (\d+) warning)?", re.MULTILINE)
PATIENCE_S = 600  # with a scenario, waiting for its turn included
LIMIT_S = 1800


@dataclass(frozen=True)
class Scenario:
    name: str
    passed: int
    failed: int
    warnings: int
    is_ok: bool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", help="one scenario, alone")
    options = parser.parse_args()
    try:
        programs = npm("suite", [SUITE], node=True)
    except CannotInstall as error:
        print(error, file=sys.stderr)
        return 2
    if options.only:
        return 0 if run(programs, ["--scenario", options.only], told=False) else 1
    plan = [
        (number, told)
        for number in range(1, options.runs + 1)
        for told in ([False, True] if number == 1 else [False])
    ]
    ok = True
    for number, told in plan:
        for command in COMMANDS:
            label = f"run {number}, era {'told' if told else 'not told'}, {' '.join(command)}"
            ok = run(programs, command, told=told, label=label) and ok
    print("conformance holds" if ok else "conformance does not hold")
    return 0 if ok else 1


def run(programs: Path, command: list[str], *, told: bool, label: str = "") -> bool:
    """One command of the suite, its result on one line; a scenario that fails is run again alone before it counts."""
    began = time.monotonic()
    found, output, code = suite(programs, command, told)
    failed = [scenario.name for scenario in found if not scenario.is_ok]
    warnings = sum(scenario.warnings for scenario in found)
    seconds = time.monotonic() - began
    checks = sum(s.passed + s.failed for s in found)
    print(
        f"{label}: {len(found) - len(failed)} of {len(found)} scenarios, "
        f"{sum(s.passed for s in found)} of {checks} checks, {warnings} warnings, {seconds:.0f} s"
    )
    if not found:
        print(output[-3000:])
        return code == 0
    if len(failed) > 5:
        print(f"  failed: {', '.join(failed)}")
        return False
    alone = {name: suite(programs, ["--scenario", name], told) for name in failed}
    for name, (_, said, result) in alone.items():
        print(f"  {name}: failed beside the others, {'passes' if result == 0 else 'fails'} alone")
        if result != 0:
            print(said[-2000:])
    return not failed


def suite(programs: Path, command: list[str], told: bool) -> tuple[list[Scenario], str, int]:
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "CADRE_CONFORMANCE_ERA": "told" if told else "",
    }
    client = f"{sys.executable} -m tests.conformance.client"
    words = [
        str(programs / "conformance"),
        "client",
        "--command",
        client,
        "--timeout",
        str(PATIENCE_S * 1000),
        *command,
    ]
    done = subprocess.run(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S
    )
    return read(done.stdout), done.stdout, done.returncode


def read(output: str) -> list[Scenario]:
    """The suite's summary, a line per scenario."""
    return [
        Scenario(name, int(passed), int(failed), int(warnings or 0), mark.startswith("✓"))
        for mark, name, passed, failed, warnings in SCENARIO.findall(output)
    ]


if __name__ == "__main__":
    sys.exit(main())
