"""`python -m loopback.model`: the offline model alone."""

import argparse
import asyncio
from pathlib import Path

from loopback.control import SERVICES, CallLog, Clock, Faults, announce, serve, stopped

from .server import build


async def _run(port: int, ready_file: Path | None) -> None:
    clock = Clock()
    app = build(log=CallLog(clock), faults=Faults(), clock=clock)
    runner, url = await serve(app, port)
    address = {"base_url": url, "control_url": url}
    app[SERVICES]["model"] = address
    announce(address, ready_file)
    await stopped()
    await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loopback.model", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--ready-file", type=Path, help="gets the addresses as JSON; else they are printed")
    given = parser.parse_args()
    asyncio.run(_run(given.port, given.ready_file))


if __name__ == "__main__":
    main()
