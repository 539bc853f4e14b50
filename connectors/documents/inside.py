"""The process that reads documents: it stands behind walls, and starts a process of its own for each document.

It never looks into a document itself. A process that reads one has no network, no files and no other process in
reach, gives its answer and ends, so that nothing in one document reaches the next.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors import cell
from connectors.documents import operations, wire


@dataclass(frozen=True)
class Child:
    """One process at work on a document."""

    line: socket.socket
    until: float


class Nursery:
    """Starts a process for each connection that comes over `control`, and says on it how the process ended."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.children: dict[int, Child] = {}
        self.parent = os.getpid()
        self.selector = selectors.DefaultSelector()
        self.wake, wake = socket.socketpair()
        for end in (self.wake, wake):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self._keep = wake
        self.selector.register(control, selectors.EVENT_READ)
        self.selector.register(self.wake, selectors.EVENT_READ)

    def run(self) -> None:
        """Until whoever wants documents read is gone."""
        while True:
            wait = min((child.until for child in self.children.values()), default=None)
            ready = self.selector.select(None if wait is None else max(0.0, wait - time.monotonic()))
            if any(key.fileobj is self.wake for key, _ in ready):
                self._drain()
            self._reap()
            if any(key.fileobj is self.control for key, _ in ready) and not self._start():
                return

    def _drain(self) -> None:
        try:
            while self.wake.recv(4096):
                pass
        except BlockingIOError:
            return

    def _start(self) -> bool:
        said, ends, _, _ = socket.recv_fds(self.control, 4096, 1)
        if not ends:
            return bool(said)
        line = socket.socket(fileno=ends[0])
        order = json.loads(said)
        pid = os.fork()
        if pid == 0:
            self._work(line, order)
        self.children[pid] = Child(line, time.monotonic() + order["seconds"])
        return True

    def _work(self, line: socket.socket, order: dict[str, Any]) -> None:
        """In the new process: never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self.selector.close()
            for other in (self.control, self.wake, self._keep, *(child.line for child in self.children.values())):
                other.close()
            cell.confine_one({"parent": self.parent, "limits": order["limits"]})
            status = operations.answer(line)
        except MemoryError:
            status = wire.NO_MEMORY
        finally:
            os._exit(status)

    def _reap(self) -> None:
        now = time.monotonic()
        for pid, child in list(self.children.items()):
            if now > child.until:
                os.kill(pid, signal.SIGKILL)
            ended, status = os.waitpid(pid, os.WNOHANG if now <= child.until else 0)
            if ended:
                del self.children[pid]
                late = now > child.until
                try:
                    child.line.settimeout(1.0)
                    wire.send(child.line, {"ended": "late" if late else os.waitstatus_to_exitcode(status)})
                except OSError:
                    pass  # nobody waits for it any more
                child.line.close()


def _size() -> int:
    """Bytes of address space in use."""
    if sys.platform != "linux":
        return 0
    return resource.getpagesize() * int(Path("/proc/self/statm").read_text().split()[0])


def main() -> None:
    """Stand behind the walls and wait for documents."""
    order = json.loads(sys.argv[1])
    control = socket.socket(fileno=0)
    size = _size()
    missing = cell.enclose({**order, "see": cell.python_paths()})
    gc.collect()
    gc.freeze()  # what is there now is shared by all that are started from here
    control.sendall(json.dumps({"missing": missing, "size": size}).encode())
    Nursery(control).run()


if __name__ == "__main__":
    main()
