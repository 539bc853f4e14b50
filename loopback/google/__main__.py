"""`python -m loopback.google --drive DIR`: the Google stand-in alone."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from loopback.control import SERVICES, CallLog, Clock, Faults, serve
from loopback.google.app import build


async def _run(drive: Path, port: int, ready_file: Path | None) -> None:
    clock = Clock()
    app = build(drive_dir=drive, clock=clock, log=CallLog(clock), faults=Faults())
    runner, url = await serve(app, port)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    address = {"base_url": url, "control_url": url}
    app[SERVICES]["google"] = address
    ready = json.dumps(address)
    if ready_file is None:
        sys.stdout.write(ready + "\n")
        sys.stdout.flush()
    else:
        partial = ready_file.with_name(ready_file.name + ".part")
        partial.write_text(ready)
        os.replace(partial, ready_file)
    await stopped.wait()
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
