"""Runs one script in a cell, a child process with walls: arguments as JSON in, one JSON object out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import structlog

from bot.errors import ModelMustRetry
from bot.tools import inside, kit
from bot.types import Json
from bot.workspace import size_of
from connectors import cell

log = structlog.get_logger()

SCRIPT_S = 120.0
OUTPUT_BYTES = 8 * 1024**2
ERROR_BYTES = 64 * 1024
WORKSPACE_BYTES = 1024**3
LOOK_S = 0.5  # how often a running script's files are measured
LIMITS = {"AS": 4 * 1024**3, "CORE": 0, "FSIZE": 256 * 1024**2, "NOFILE": 512}
INSIDE = Path(inside.__path__[0])
KIT = str(Path(kit.__path__[0]).resolve())

_told: set[str] = set()  # walls that are missing here, each logged once


def missing_walls() -> frozenset[str]:
    """The walls that scripts so far had to do without on this system, in words."""
    return frozenset(line.removeprefix(cell.MARK).strip() for line in _told)


async def run_child(
    script: Path, args: Json, cwd: Path, *, seconds: float = SCRIPT_S, beside: Path | None = None
) -> Json:
    """The script's answer. It sees its folder (`beside` or the skill's), the kit, Python, and `cwd`, where it writes.

    Raises ModelMustRetry with the script's own words when it gave no answer.
    """
    order = _order(script, cwd, seconds, beside)
    env = {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(cwd), "TMPDIR": str(cwd)}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-E", "-s", "-P", "-B", cell.__file__, json.dumps(order),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        cwd=cwd, env=env, start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(seconds):
            out, err = await _talk(child, json.dumps(args).encode(), cwd, script.name)
    except TimeoutError as error:
        raise ModelMustRetry(f"{script.name} did not end within {seconds:.0f} seconds.") from error
    finally:
        await _end(child)
    complaints = _complaints(err)
    try:
        answer = json.loads(out)
        if not isinstance(answer, dict):
            raise ValueError("not an object")
    except ValueError as error:
        words = complaints[-1] if complaints else "it printed no JSON object"
        raise ModelMustRetry(f"{script.name} failed: {words[:500]}") from error
    return answer


def _order(script: Path, cwd: Path, seconds: float, beside: Path | None) -> Json:
    """What the cell is told: what to run, what may be seen, where to write, and how much."""
    script, cwd = script.resolve(), cwd.resolve()
    return {
        "script": str(script), "see": [*cell.python_paths(), KIT, str(beside or script.parents[1])], "kit": KIT,
        "work": str(cwd), "parent": os.getpid(), "limits": {**LIMITS, "CPU": int(seconds) + 1},
    }  # fmt: skip


async def _talk(child: asyncio.subprocess.Process, given: bytes, cwd: Path, name: str) -> tuple[bytes, bytes]:
    """What the child printed and complained about. Raises ModelMustRetry when it prints or writes too much."""
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    complaining = asyncio.create_task(_tail(child.stderr))
    side = [complaining, asyncio.create_task(_feed(child.stdin, given)), asyncio.create_task(_measure(cwd, name))]
    printing = asyncio.create_task(_whole(child.stdout, name))
    try:
        await asyncio.wait({printing, side[2]}, return_when=asyncio.FIRST_COMPLETED)
        if side[2].done():
            side[2].result()
        out = await printing
        await child.wait()
        return out, await complaining
    finally:
        for task in (*side, printing):
            task.cancel()
        await asyncio.gather(*side, printing, return_exceptions=True)


async def _feed(stream: asyncio.StreamWriter, given: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        stream.write(given)
        await stream.drain()
    stream.close()


async def _whole(stream: asyncio.StreamReader, name: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    while piece := await stream.read(1 << 16):
        parts.append(piece)
        size += len(piece)
        if size > OUTPUT_BYTES:
            raise ModelMustRetry(f"{name} printed more than {OUTPUT_BYTES >> 20} MB; it should write files instead.")
    return b"".join(parts)


async def _tail(stream: asyncio.StreamReader) -> bytes:
    kept = b""
    while piece := await stream.read(1 << 16):
        kept = (kept + piece)[-ERROR_BYTES:]
    return kept


async def _measure(cwd: Path, name: str) -> bytes:
    while True:
        await asyncio.sleep(LOOK_S)
        if await asyncio.to_thread(size_of, cwd) > WORKSPACE_BYTES:
            raise ModelMustRetry(f"{name} filled the workspace beyond {WORKSPACE_BYTES >> 30} GB and was ended.")


async def _end(child: asyncio.subprocess.Process) -> None:
    """Leave no process behind, whatever happened: it leads a group of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child._transport.close()  # type: ignore[attr-defined]  # pipes not read to their end would hold up the wait
    await child.wait()
    await asyncio.sleep(0)


def _complaints(err: bytes) -> list[str]:
    lines = []
    for line in err.decode("utf-8", "replace").strip().splitlines():
        if not line.startswith(cell.MARK):
            lines.append(line)
        elif line not in _told:
            _told.add(line)
            log.warning("scripts run with fewer walls on this system", missing=line.removeprefix(cell.MARK).strip())
    return lines
