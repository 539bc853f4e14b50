"""`make bench-loop` and `make bench-cost`: Cadre's loop in the agent-loop bench beside other people's loops.

The bench is a folder of its own, given by `--bench`. Other loops run in environments of their own, made from pip in a
cache directory; ours runs in this one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.targets import Target, report

HERE = Path(__file__).parent
BENCH = HERE.parent.parent / "shared" / "bench" / "agentloop"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cadre" / "bench"
OURS = "loop_driver"
RAW = "raw_httpx2_sse"  # what ours is compared with
NAIVE = "raw_httpx2"  # without a cache
BESIDE = ("raw_httpx2", RAW, "sdk", "sdk_tool_runner", "pydanticai", "langgraph_agent")
LONG = {"name": "long0", "agents": 1, "turns": 120, "fan": 1, "ms": 0}  # six times as many turns as seq0
LOOP = """
import sys
sys.argv = [{script!r}, *{arguments!r}]
import run
run.SCENARIOS.append({long!r})
run.main()
"""
# The bench's other scripts choose a driver's interpreter by the name of its environment; ours is this one.
JOIN = """
import pathlib, sys
sys.argv = [{script!r}, *{arguments!r}]
import run
made = run.environment
run.DRIVERS[{driver!r}] = "ours"
run.environment = lambda root, name: pathlib.Path({python!r}) if name == "ours" else made(root, name)
import {script}
{script}.main()
"""
FAULTS = 12


def main() -> None:
    """Read the arguments, run what is asked, and exit 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.agentloop", description=__doc__)
    parser.add_argument("what", choices=("loop", "faults", "cost"))
    parser.add_argument("--bench", type=Path, default=BENCH, help="the folder of the agent-loop bench")
    parser.add_argument("--beside", default=",".join(BESIDE), help="other drivers in the same round, by comma")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--envs", type=Path, default=CACHE, help="other loops' environments")
    given = parser.parse_args()
    if not (given.bench / "run.py").is_file():
        print(
            f"skipped: there is no agent-loop bench at {given.bench}; name its folder with --bench", file=sys.stderr
        )
        return
    beside = [name for name in given.beside.split(",") if name]
    if given.what == "cost":
        beside = [NAIVE]
    elif given.what == "faults":
        beside = []
    beside = installed(given.bench, given.envs, beside)
    with tempfile.TemporaryDirectory(prefix="cadre-bench-") as scratch:
        work = {"loop": loop, "faults": faults, "cost": cost}[given.what]
        sys.exit(0 if work(given, beside, Path(scratch)) else 1)


def installed(bench: Path, envs: Path, drivers: list[str]) -> list[str]:
    """Those of the drivers whose environment is there or could be made; why another is left out is printed."""
    spec = importlib.util.spec_from_file_location("agentloop_run", bench / "run.py")
    assert spec is not None and spec.loader is not None
    run: Any = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(run)
    problems: dict[str, str] = {}
    for group in dict.fromkeys(run.DRIVERS[name] for name in drivers):
        home = envs / group
        if (home / ".ready").exists():
            continue
        print(f"making the environment {group} in {home} …", file=sys.stderr)
        home.parent.mkdir(parents=True, exist_ok=True)
        pip = [home / "bin" / "python", "-m", "pip", "install", "-q", *run.GROUPS[group]]
        for command in ([sys.executable, "-m", "venv", "--clear", home], pip):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                problems[group] = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
                break
        else:
            (home / ".ready").touch()
    for name in drivers:
        if run.DRIVERS[name] in problems:
            print(f"skipped {name}: cannot be installed: {problems[run.DRIVERS[name]]}", file=sys.stderr)
    return [name for name in drivers if run.DRIVERS[name] not in problems]


# -- CPU, wall time and memory ---------------------------------------------------------------------------------------


def loop(given: argparse.Namespace, beside: list[str], scratch: Path) -> bool:
    """One interleaved run with the other loops; returns whether every target is met."""
    out = scratch / "rounds.json"
    arguments = [
        "--only", ",".join(beside) or "none", "--add", f"ours={sys.executable}:{HERE / OURS}.py", "--json", str(out),
        "--rounds", str(given.rounds), "--envs", str(given.envs),
    ]  # fmt: skip
    _script(LOOP.format(script="run", arguments=arguments, long=LONG), given.bench)
    rounds = json.loads(out.read_text())["rounds"]
    for got in rounds:
        wrong = got[OURS].get("error") or got[OURS].get("wrong")
        if wrong:
            print(f"our loop did not do the work: {wrong}", file=sys.stderr)
            return False
    return report(f"Cadre's loop over {given.rounds} rounds", _loop_targets(rounds))


def _loop_targets(rounds: list[Any]) -> list[Target]:
    def middle(value: Any) -> float | None:
        found = [one for one in (value(got) for got in rounds) if one is not None]
        return statistics.median(found) if found else None

    def of(got: Any, driver: str, name: str) -> Any:
        return got.get(driver, {}).get("scenarios", {}).get(name)

    def cpu(got: Any, driver: str, name: str) -> float | None:
        row = of(got, driver, name)
        return row["cpu_ms"] / row["requests"] if row and not row["failed"] else None

    def beside(name: str, other: str = RAW) -> float | None:
        def ratio(got: Any) -> float | None:
            ours, theirs = cpu(got, OURS, name), cpu(got, other, name)
            return ours / theirs if ours is not None and theirs else None

        return middle(ratio)

    def over(name: str) -> float | None:
        # A stream takes its server longer than the nominal pause: the raw loop's time is the critical path.
        return middle(lambda got: of(got, OURS, name)["wall_ms"] / of(got, RAW, name)["wall_ms"])

    def memory(got: Any) -> float:
        row = of(got, OURS, "fleet50")
        return float((row["rss_mib"] - got[OURS]["rss_idle_mib"]) / row["agents"])

    return [
        Target("CPU per turn over the raw httpx2 streaming loop's, 50 agents", 1.0, beside("fleet0")),
        Target("CPU per turn over the raw httpx2 streaming loop's, one agent", 2.0, beside("seq0")),
        Target(
            "CPU per turn, 120 turns over 20 turns", 1.15,
            middle(lambda got: cpu(got, OURS, "long0") / cpu(got, OURS, "seq0")),  # type: ignore[operator]
        ),
        Target("tools at once", 10, middle(lambda got: of(got, OURS, "par50")["peak_tools"]), least=True),
        Target("memory per running agent", 0.3, middle(memory), "MiB"),
        Target("makespan over the raw httpx2 streaming loop's, 20 turns of 50 ms", 1.05, over("seq50")),
    ]  # fmt: skip


# -- faults and cost -------------------------------------------------------------------------------------------------


def faults(given: argparse.Namespace, _beside: list[str], scratch: Path) -> bool:
    """Each fault once; returns whether our loop outlived all of them."""
    said = _joined(given, scratch, "faults", ["--only", OURS])
    cells = next((line.split("|")[2:-1] for line in said.splitlines() if line.startswith(f"| {OURS} ")), [])
    passed = sum(cell.strip().split(" ")[0] == "ok" for cell in cells)
    return report("Faults of the model", [Target("faults outlived", FAULTS, passed, least=True)])


def cost(given: argparse.Namespace, beside: list[str], scratch: Path) -> bool:
    """What our requests would be billed; returns whether every target is met."""
    said = _joined(given, scratch, "cost", ["--wire", "--only", ",".join((*beside, OURS))])
    rows = {cells[1].strip(): [cell.strip() for cell in cells] for cells in _table(said) if len(cells) > 8}
    ours, naive = rows.get(OURS), rows.get(NAIVE)
    if ours is None:
        print("our loop is not in the bench's table", file=sys.stderr)
        return False
    uncached, read, written, billed = (_number(ours[at]) for at in (4, 5, 6, 7))
    targets = [
        Target("input that is not cached, all turns", 1.0, 100 * uncached / (uncached + read + written), "%"),
        Target("cost over a loop without a cache", 0.06, billed / _number(naive[7]) if naive else None),
    ]
    return report("Input tokens as billed", targets)


def _table(said: str) -> list[list[str]]:
    return [line.split("|") for line in said.splitlines() if line.startswith("| ")]


def _number(cell: str) -> float:
    return float(cell.replace(",", ""))


def _joined(given: argparse.Namespace, scratch: Path, script: str, arguments: list[str]) -> str:
    """Run a script of the bench with our driver among its own; returns what it printed."""
    place = scratch / "agentloop"
    shutil.copytree(given.bench, place, ignore=shutil.ignore_patterns(".envs", "__pycache__"))
    for folder in (place, place / "drivers"):
        folder.chmod(0o755)
    shutil.copy(HERE / f"{OURS}.py", place / "drivers")
    whole = [*arguments, "--envs", str(given.envs)]
    return _script(JOIN.format(script=script, arguments=whole, driver=OURS, python=sys.executable), place)


def _script(code: str, place: Path) -> str:
    """Run Python code in a folder of the bench; what it prints is shown and returned."""
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=place, env=env, stdout=subprocess.PIPE, text=True)
    print(done.stdout, flush=True)
    if done.returncode:
        sys.exit(f"the bench failed with {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    main()
