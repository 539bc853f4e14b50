"""`python -m loopback.model`: the offline model alone."""

import argparse
import asyncio
from pathlib import Path

from loopback.control import SERVICES, CallLog, Clock, Faults, announce, serve, stopped

from .interpreter import answer
from .replay import Recording
from .server import build


async def _run(port: int, ready_file: Path | None, brain: Recording | None) -> None:
    clock = Clock()
    app = build(log=CallLog(clock), faults=Faults(), clock=clock, brain=brain or answer)
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
    parser.add_argument("--replay", type=Path, help="repeat the replies of a run that `cadre runs export` wrote")
    given = parser.parse_args()
    try:
        brain = Recording(given.replay) if given.replay else None
    except ValueError as error:
        parser.error(str(error))
    asyncio.run(_run(given.port, given.ready_file, brain))


if __name__ == "__main__":
    main()
