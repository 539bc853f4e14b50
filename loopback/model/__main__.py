"""`python -m loopback.model`: the offline model alone."""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from loopback.control import SERVICES, CallLog, Clock, Faults, serve

from .server import build


async def _run(port: int, ready_file: Path | None) -> None:
    clock = Clock()
    app = build(log=CallLog(clock), faults=Faults(), clock=clock)
    runner, url = await serve(app, port)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    address = {"base_url": url, "control_url": f"{url}/_local"}
    app[SERVICES]["model"] = address
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
    parser = argparse.ArgumentParser(prog="python -m loopback.model", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--ready-file", type=Path, help="gets the addresses as JSON; else they are printed")
    given = parser.parse_args()
    asyncio.run(_run(given.port, given.ready_file))


if __name__ == "__main__":
    main()
