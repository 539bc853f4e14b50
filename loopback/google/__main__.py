"""`python -m loopback.google --drive DIR`: the Google stand-in alone."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from loopback.control import SERVICES, CallLog, Clock, Faults, announce, serve, stopped
from loopback.google.app import build


async def _run(drive: Path, port: int, ready_file: Path | None) -> None:
    clock = Clock()
    app = build(drive_dir=drive, clock=clock, log=CallLog(clock), faults=Faults())
    runner, url = await serve(app, port)
    address = {"base_url": url, "control_url": url}
    app[SERVICES]["google"] = address
    announce(address, ready_file)
    await stopped()
    await runner.cleanup()


def main() -> None:
    """Reads the arguments and serves until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m loopback.google", description=__doc__)
    parser.add_argument("--drive", type=Path, required=True, help="the folder whose files the Drive holds")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--ready-file", type=Path, help="gets the addresses as JSON; else they are printed")
    given = parser.parse_args()
    if not given.drive.is_dir():
        parser.error(f"{given.drive} is not a folder")
    asyncio.run(_run(given.drive, given.port, given.ready_file))


if __name__ == "__main__":
    main()
