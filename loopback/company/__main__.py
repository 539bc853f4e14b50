"""Write the sample company: python -m loopback.company --seed N --out DIR [--truth FILE] [--small]."""

import argparse
from pathlib import Path

from loopback.company import generate, write


def main() -> None:
    """Read the arguments and write the company."""
    parser = argparse.ArgumentParser(prog="python -m loopback.company", description="Write the sample company.")
    parser.add_argument("--seed", type=int, default=7, help="another seed plants other causes elsewhere (default 7)")
    parser.add_argument("--out", type=Path, required=True, help="folder that gets workspace.json, drive/ and ledger/")
    parser.add_argument("--truth", type=Path, help="file that gets what was planted; must lie outside --out")
    parser.add_argument("--small", action="store_true", help="three quarters, about 300 entries, three causes")
    arguments = parser.parse_args()
    try:
        write(generate(arguments.seed, small=arguments.small), arguments.out, arguments.truth)
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
