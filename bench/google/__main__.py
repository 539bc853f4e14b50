"""`python -m bench.google [--faults N] [--seed S]`: loses the answers of Google writes and counts what is there."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from bench.google.drill import drill
from bench.google.kinds import seed
from bench.google.standin import standing


def main() -> int:
    """Runs the drill and prints its count as JSON; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.google", description=__doc__)
    parser.add_argument("--faults", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, standing(seed(Path(folder))) as google:
        count = drill(google, given.faults, given.seed)
    print(
        json.dumps({**asdict(count), "clean": count.clean, "seconds": round(time.monotonic() - began, 1)}, indent=2)
    )
    return 0 if count.clean else 1


if __name__ == "__main__":
    sys.exit(main())
