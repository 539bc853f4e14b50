"""Named places where a crash is most interesting: around commits, tool calls and calls to other processes.

`cadre drill kill` writes them down in one run and dies at each in another. Outside a drill a point does nothing.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

_lock = threading.Lock()
_kill_at = 0
_trace: Path | None = None
_reached = 0


def arm(trace: Path, *, kill_at: int = 0) -> None:
    """Set the drill for this process: append every point reached to `trace`, and die at the n-th."""
    global _kill_at, _trace, _reached
    _kill_at, _trace, _reached = kill_at, trace, 0


def reached(name: str, about: str = "") -> None:
    """Pass a point; the drill may kill this process here, as kill -9 would. `about` says which call it is."""
    if _trace is None:
        return
    global _reached
    with _lock:
        _reached += 1
        with _trace.open("a") as out:
            out.write(f"{name}\t{about}\n")
        if _reached == _kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
