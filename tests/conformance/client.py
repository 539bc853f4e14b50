"""The client that the official suite starts for each scenario: `python -m tests.conformance.client URL`."""

import asyncio
import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn() -> Iterator[None]:
    """The suite starts a client for every scenario at once; no more of them work than there are processors.

    So what takes long on a small machine is the waiting in front of a scenario, and not an answer within it. Those
    that are handed credentials do not wait: some of them end in minutes.
    """
    if os.environ.get("MCP_CONFORMANCE_CONTEXT"):
        yield
        return
    place = os.getpid() % (os.cpu_count() or 1)
    with (Path(tempfile.gettempdir()) / f"cadre-conformance-{os.getuid()}-{place}").open("w") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    with turn():
        from tests.conformance.play import play  # most of the work is to load it

        sys.exit(asyncio.run(play(sys.argv[1])))
