"""`make bench-loop` and `make bench-cost`: Cadre's loop in the agent-loop bench beside other people's loops.

The bench is a folder of its own, given by `--bench`; it is copied to a scratch folder where our driver joins it.
Other loops run in environments that it makes; ours runs in this one.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
BENCH = HERE.parent.parent / "shared" / "bench" / "agentloop"
DRIVER = "loop_driver"
BESIDE = "raw_httpx2,raw_httpx2_sse,sdk,sdk_tool_runner,pydanticai,langgraph_agent"
# The bench's own scripts choose a driver's interpreter by the name of its environment; ours is this one.
JOIN = """
import sys
sys.argv = [{script!r}, *{arguments!r}]
import run
made = run.environment
run.DRIVERS[{driver!r}] = "ours"
run.environment = lambda root, name: {python!r} if name == "ours" else made(root, name)
import {script}
{script}.main()
"""


def main() -> None:
    """Read the arguments and run what is asked."""
    parser = argparse.ArgumentParser(prog="python -m bench.agentloop", description=__doc__)
    parser.add_argument("what", choices=("loop", "faults", "cost"))
    parser.add_argument("--bench", type=Path, default=BENCH, help="the folder of the agent-loop bench")
    parser.add_argument("--beside", default=BESIDE, help="other drivers in the same round, by comma")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--envs", type=Path, default=HERE.parent / ".venv" / "bench", help="other loops' environments"
    )
    given = parser.parse_args()
    if not (given.bench / "run.py").is_file():
        print(
            f"skipped: there is no agent-loop bench at {given.bench}; name its folder with --bench", file=sys.stderr
        )
        return
    with tempfile.TemporaryDirectory(prefix="cadre-bench-") as scratch:
        place = Path(scratch) / "agentloop"
        shutil.copytree(given.bench, place, ignore=shutil.ignore_patterns(".envs", "__pycache__"))
        place.chmod(0o755)
        (place / "drivers").chmod(0o755)
        shutil.copy(HERE / f"{DRIVER}.py", place / "drivers")
        sys.exit(_run(place, given))


def _run(place: Path, given: argparse.Namespace) -> int:
    environments = ["--envs", str(given.envs)]
    drivers = f"{given.beside},{DRIVER}"
    script, arguments = {
        "loop": ("run", ["--only", drivers, "--rounds", str(given.rounds), *environments]),
        "faults": ("faults", ["--only", DRIVER, *environments]),
        "cost": ("cost", ["--wire", "--only", DRIVER, *environments]),
    }[given.what]
    code = JOIN.format(script=script, arguments=arguments, driver=DRIVER, python=Path(sys.executable))
    code = code.replace("PosixPath(", "__import__('pathlib').Path(")
    done = subprocess.run([sys.executable, "-c", code], cwd=place)
    return done.returncode


if __name__ == "__main__":
    main()
