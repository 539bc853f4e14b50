"""`make bench-truth`: nothing that labels say is lost on the way to people, and no fault reaches them."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from bench.truth.labels import Json
from bench.truth.run import PARTS, SETS, run_set, write

DATA = Path(__file__).parent.parent.parent.parent / "shared" / "data"


def main() -> None:
    """Read the arguments, run what is asked; exits 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.truth", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="a folder of data sets; files are found by pattern")
    parser.add_argument("--only", default="", help=f"by comma, of {', '.join(SETS)} and of {', '.join(PARTS)}")
    parser.add_argument("--seed", default="1,2,3", help="of the careless oracle's faults; several by comma")
    parser.add_argument("--most", type=int, default=0, help="at most so many documents of a set; 0: all")
    parser.add_argument("--report", type=Path, help="a JSON file for the report")
    given = parser.parse_args()
    if not given.data.is_dir():
        print(f"skipped: there is no folder {given.data}; name one with DATA=", file=sys.stderr)
        return
    wanted = [word for word in given.only.replace(",", " ").split() if word]
    strange = [word for word in wanted if word not in SETS and word not in PARTS]
    if strange:
        parser.error(f"there is no {', '.join(strange)}")
    seeds = [int(word) for word in given.seed.replace(",", " ").split() if word.isdigit()]
    if not seeds:
        parser.error(f"--seed takes numbers, not {given.seed!r}")
    sets = [name for name in SETS if name in wanted] or list(SETS)
    parts = tuple(part for part in PARTS if part in wanted) or PARTS
    found: Json = {}
    began = time.monotonic()
    for name in sets:
        found[name] = asyncio.run(run_set(name, given.data, given.most, seeds, parts))
        if given.report:
            write(given.report, found, given.data, seeds)
    print(f"\ntook {(time.monotonic() - began) / 60:.1f} min")
    missed = [name for name, told in found.items() if not told.get("good", True)]
    print(f"\nmissed: {', '.join(missed)}" if missed else "\nevery target is met")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
