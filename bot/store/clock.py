"""Product time: the machine's clock, or the stand-ins' clock so that hours and seasons can be simulated."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Epoch seconds for everything a person would call a time; leases use the database's clock instead."""

    def now(self) -> float: ...

    def on_jump(self, listener: Callable[[], None]) -> None: ...

    def close(self) -> None: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def on_jump(self, listener: Callable[[], None]) -> None:
        """The machine's clock does not jump."""

    def close(self) -> None:
        """Nothing to let go of."""


class LoopbackClock:
    """The stand-ins' clock: real time plus an offset that a tester moves; every process follows it."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._offset = 0.0
        self._version = -1
        self._listeners: list[Callable[[], None]] = []
        self._closed = threading.Event()
        self._read(since=None)
        self._thread = threading.Thread(target=self._follow, name="loopback-clock", daemon=True)
        self._thread.start()

    def now(self) -> float:
        return time.time() + self._offset

    def on_jump(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each jump, from the clock's thread."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Stop following; the thread ends with its current long poll."""
        self._closed.set()

    def _read(self, since: int | None) -> bool:
        query = "" if since is None else f"?since={since}"
        with urllib.request.urlopen(f"{self._url}/clock{query}", timeout=40) as reply:
            told = json.load(reply)
        jumped = bool(told["version"] != self._version)
        self._version = int(told["version"])
        if jumped:
            self._offset = float(told["now"]) - time.time()
        return jumped

    def _follow(self) -> None:
        while not self._closed.is_set():
            try:
                jumped = self._read(since=self._version)
            except (urllib.error.URLError, OSError, ValueError):
                self._closed.wait(1.0)  # the stand-ins restart; keep the last offset
                continue
            if jumped:
                for listener in self._listeners:
                    listener()
