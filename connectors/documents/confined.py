"""Documents are read in processes of their own, behind walls and within limits: whatever a file holds, we go on.

One process waits behind the walls with everything imported and starts one for each document, which costs some
milliseconds. It is shared by all that read in this process, starts when it is first wanted, and again when it ended.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from connectors import errors
from connectors.documents import wire
from connectors.documents.document import Document
from connectors.documents.redline import Change
from connectors.documents.tables import DocumentError, Grid

log = logging.getLogger(__name__)

AT_ONCE = max(3, min(6, os.cpu_count() or 1))  # a document that takes its whole time holds up few others
START_S = 60.0
GRACE_S = 10.0
_ENDED_BY_CPU = (-signal.SIGXCPU, -signal.SIGKILL)

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What one document may take."""

    cpu_s: int = 20
    memory: int = 512 * 1024 * 1024  # bytes
    seconds: float = 120.0  # by the clock, on a machine that is busy with other things
    output: int = 256 * 1024 * 1024  # bytes


LIMITS = Limits()


async def read(name: str, data: bytes, limits: Limits = LIMITS) -> Document:
    """The document that these bytes hold, as `reading.read` reads it. Raises Unreadable and what is below it.

    Unavailable when documents cannot be read here at all.
    """
    about, blobs = await _asked("read", name, {}, [data], limits)
    return _meant(name, lambda: wire.unpacked(about, blobs[0]))


async def grids(name: str, data: bytes, limits: Limits = LIMITS) -> list[Grid]:
    """All tables of a document, as `tables.read_grid` reads them. Raises DocumentError, or Unreadable like `read`."""
    about, _ = await _asked("grids", name, {}, [data], limits)
    return _meant(name, lambda: [wire.grid_in(grid) for grid in about["grids"]])


async def unpack(name: str, data: bytes, limits: Limits = LIMITS) -> dict[str, bytes]:
    """The files of an archive by path; those in archives inside it stay there. Raises Unreadable like `read`."""
    about, blobs = await _asked("unpack", name, {}, [data], limits)
    return _meant(name, lambda: dict(zip(map(str, about["paths"]), blobs, strict=True)))


async def redline(original: bytes | str, changes: Sequence[Change], author: str, date: datetime, name: str) -> bytes:
    """A Word file with tracked changes, as `redline.redline` makes it. Raises Misplaced or Unreadable."""
    given = [(change.quote, change.new, change.reason, change.at) for change in changes]
    text = original if isinstance(original, str) else None
    args = {"changes": given, "author": author, "date": date.isoformat(), "text": text}
    _, blobs = await _asked("redline", name, args, [] if isinstance(original, str) else [original], LIMITS)
    return _meant(name, lambda: blobs[0])


async def views(data: bytes, name: str) -> tuple[str, str]:
    """The text of a Word file with its tracked changes accepted, and rejected. Raises Unreadable like `read`."""
    about, _ = await _asked("views", name, {}, [data], LIMITS)
    return _meant(name, lambda: (str(about["accepted"]), str(about["rejected"])))


async def _asked(
    operation: str, name: str, args: Json, blobs: Sequence[bytes], limits: Limits
) -> tuple[Json, list[bytes]]:
    asked = {"operation": operation, "args": {**args, "name": name}}
    loop = asyncio.get_running_loop()
    about, out = await loop.run_in_executor(_threads, _reader.ask, name, asked, blobs, limits)
    if "error" in about:
        raise _told(about)
    return about, out


def _meant(name: str, made: Callable[[], T]) -> T:
    try:
        return made()
    except (wire.Broken, KeyError, IndexError, TypeError, ValueError) as error:
        raise errors.Unreadable(f"{name} could not be read: it upset the reader.", name=name) from error


def _told(about: Json) -> Exception:
    """The error that reading ended with, as the process told it."""
    if about["error"] == DocumentError.__name__:
        return DocumentError(str(about["message"]))
    kind = getattr(errors, str(about["error"]), None)
    if not (isinstance(kind, type) and issubclass(kind, errors.BadInput | errors.Unreadable)):
        kind = errors.Unreadable
    error = kind(str(about["message"]))
    vars(error).update(about.get("told") or {})
    return error


class Reader:
    """The process that starts others, from this side."""

    def __init__(self, program: Sequence[str] = ("-m", "connectors.documents.inside")) -> None:
        self._program = program
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._size = 0  # bytes of address space before a document
        self._told: set[str] = set()

    def ask(self, name: str, asked: Json, blobs: Sequence[bytes], limits: Limits) -> tuple[Json, list[bytes]]:
        """The answer of a process that only this is asked of. Raises Unreadable, TooLarge or Unavailable."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._hand_over(theirs, limits)
            ours.settimeout(limits.seconds + GRACE_S)
            try:
                return self._talk(ours, name, asked, blobs, limits)
            except TimeoutError as error:  # not even who watches it answers
                self.close()
                raise errors.TooLarge(_slow(name, limits), name=name) from error

    def close(self) -> None:
        """End it and everything it started."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        control, self._control = self._control, None
        if control is not None:
            control.close()
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _talk(
        self, line: socket.socket, name: str, asked: Json, blobs: Sequence[bytes], limits: Limits
    ) -> tuple[Json, list[bytes]]:
        try:
            wire.send(line, asked, blobs)
            got = wire.receive(line, limits.output)
        except wire.Broken as error:
            raise errors.TooLarge(
                f"{name} comes to more than {limits.output >> 20} MB of text and was not read.", name=name
            ) from error
        except (BrokenPipeError, ConnectionError):
            got = wire.receive(line)  # it ended before it had taken everything: how, stands behind
        if got is None:
            raise errors.Unavailable("The process that reads documents ended; try again.")
        about, out = got
        if "ended" not in about:
            return about, out
        raise _ended(name, about["ended"], limits)

    def _hand_over(self, line: socket.socket, limits: Limits) -> None:
        """Give one end of a connection to a new process."""
        most = {"CPU": limits.cpu_s, "CORE": 0, "FSIZE": 0, "NOFILE": 64}
        for last in (False, True):
            with self._lock:
                try:
                    control = self._running()
                    order = {"seconds": limits.seconds, "limits": {**most, "AS": self._size + limits.memory}}
                    socket.send_fds(control, [json.dumps(order).encode()], [line.fileno()])
                    return
                except (OSError, ValueError) as error:
                    self._end()
                    if last:
                        raise errors.Unavailable(f"Documents cannot be read here: {error}.") from error

    def _running(self) -> socket.socket:
        """The connection to the process; starts it when there is none."""
        if self._process is not None and self._process.poll() is None and self._control is not None:
            return self._control
        self._end()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-E", "-s", "-P", "-B", *self._program, json.dumps({"parent": os.getpid()})],
                stdin=theirs.fileno(), stdout=subprocess.DEVNULL, cwd="/",
                env={"PATH": os.defpath, "LANG": "C.UTF-8"}, start_new_session=True,
            )  # fmt: skip
        ours.settimeout(START_S)
        self._control = ours
        hello = json.loads(ours.recv(65536) or b"null")
        if hello is None:
            raise OSError("the reader did not start")
        self._size = hello["size"]
        for wall in hello["missing"]:
            if wall not in self._told:
                self._told.add(wall)
                log.warning("documents are read behind fewer walls on this system: %s", wall)
        return ours


def _ended(name: str, how: Any, limits: Limits) -> errors.Unreadable:
    if how == "late" or how in _ENDED_BY_CPU:
        return errors.TooLarge(_slow(name, limits), name=name)
    if how == wire.NO_MEMORY:
        return errors.TooLarge(
            f"{name} takes more than {limits.memory >> 20} MB of memory to read and was not read.", name=name
        )
    return errors.Unreadable(f"{name} is damaged in a way that ended the process that read it.", name=name)


def _slow(name: str, limits: Limits) -> str:
    return f"{name} takes more than {limits.cpu_s} seconds to read and was not read."


_reader = Reader()
_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="documents")  # they outlive what they start
atexit.register(_reader.close)
