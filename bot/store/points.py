"""Named places where a crash is most interesting: around commits and calls to other processes.

`cadre drill kill` counts them in one run and dies at each in another. Outside a drill a point does nothing.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

_lock = threading.Lock()
_kill_at = int(os.environ.get("CADRE_DRILL_KILL_AT", "0"))
_count_file = os.environ.get("CADRE_DRILL_COUNT_FILE", "")
_reached = 0


def arm(*, kill_at: int = 0, count_file: str = "") -> None:
    """Set the drill for this process: die at the n-th point, or write the names of all points reached."""
    global _kill_at, _count_file, _reached
    _kill_at, _count_file, _reached = kill_at, count_file, 0


def reached(name: str) -> None:
    """Pass a point; the drill may kill this process here, as kill -9 would."""
    if not _kill_at and not _count_file:
        return
    global _reached
    with _lock:
        _reached += 1
        if _count_file:
            with Path(_count_file).open("a") as out:
                out.write(f"{name}\n")
        if _reached == _kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
