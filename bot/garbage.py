"""When Python looks for unreachable objects: seldom, and never through all that was loaded at the start."""

from __future__ import annotations

import gc

# Python's own are for small programs: here a sixth of the time of bulk work went into looking through the modules.
COLLECT = (20_000, 20, 20)


def look_seldom() -> None:
    """To be called before the imports, which otherwise take a quarter longer."""
    gc.set_threshold(*COLLECT)


def leave_loaded() -> None:
    """To be called once a process has started: looking through its modules halts all agents for 0.1 s."""
    gc.freeze()
