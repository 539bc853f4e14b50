"""Starts a server as a child process and speaks to it in lines of JSON, with a bound on everything it may send."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage

from .oversize import Measured, refused
from .settings import ServerConfig

_CHUNK = 65_536
_TAIL_BYTES = 8_192
_GRACE_S = 2.0
_NO_GRACE_S = 0.1

Received = SessionMessage | Exception


class Tail:
    """The last words of a server's stderr."""

    def __init__(self) -> None:
        self._kept = b""

    def add(self, data: bytes) -> None:
        self._kept = (self._kept + data)[-_TAIL_BYTES:]

    def text(self) -> str:
        return self._kept.decode(errors="replace").strip()

    def last_line(self) -> str:
        """What a program says when it gives up stands at the end."""
        return self.text().rpartition("\n")[2].strip()[:500]


@asynccontextmanager
async def stdio_transport(
    config: ServerConfig, tail: Tail, on_end: Callable[[], None], is_ready: Callable[[], bool]
) -> AsyncIterator[tuple[MemoryObjectReceiveStream[Received], MemoryObjectSendStream[SessionMessage]]]:
    """The streams of a started server; `on_end` is called as soon as its output ends.

    One that never got ready has nothing to finish and is ended at once.
    """
    assert config.command is not None
    process = await asyncio.create_subprocess_exec(
        config.command,
        *config.args,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=get_default_environment() | dict(config.env),
        cwd=config.cwd,
        start_new_session=True,
    )
    assert process.stdin and process.stdout and process.stderr
    to_session, from_server = anyio.create_memory_object_stream[Received](0)
    to_server, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    listening = asyncio.create_task(_collect(process.stderr, tail))
    reading = asyncio.create_task(_read(process.stdout, to_session, config.max_message_bytes, on_end))
    writing = asyncio.create_task(_write(process.stdin, from_session))
    try:
        yield from_server, to_server
    finally:
        for stream in (from_server, to_server):
            stream.close()
        await _stop(process, writing, _GRACE_S if is_ready() else _NO_GRACE_S)
        for task in (reading, writing, listening):
            await _ended(task)
        for stream in (to_session, from_session):
            stream.close()


async def _collect(stderr: asyncio.StreamReader, tail: Tail) -> None:
    while data := await stderr.read(_CHUNK):
        tail.add(data)


async def _read(
    stdout: asyncio.StreamReader,
    to_session: MemoryObjectSendStream[Received],
    limit: int,
    on_end: Callable[[], None],
) -> None:
    """Lines to messages. A line over the limit is skipped, and the call it answers is told so."""
    message = Measured(limit)
    try:
        async with to_session:
            while data := await stdout.read(_CHUNK):
                *lines, rest = data.split(b"\n")
                for line in lines:
                    message.add(line)
                    await _deliver(to_session, message)
                    message = Measured(limit)
                message.add(rest)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass  # the session went first; what the server still says is of no use
    finally:
        on_end()
    while await stdout.read(_CHUNK):
        pass  # a server that cannot write would not see its input end


async def _deliver(to_session: MemoryObjectSendStream[Received], message: Measured) -> None:
    if not message.fits:
        error = refused(message.head, message.tail, message.too_large)
        if error is not None:
            await to_session.send(SessionMessage(error))
        return
    line = message.whole()
    if not line.strip():
        return
    try:
        read = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        return  # stray output on stdout is no message
    await to_session.send(SessionMessage(read))


async def _write(stdin: asyncio.StreamWriter, from_session: MemoryObjectReceiveStream[SessionMessage]) -> None:
    try:
        async with from_session:
            async for message in from_session:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                stdin.write(text.encode() + b"\n")
                await stdin.drain()
    except (ConnectionError, anyio.BrokenResourceError):
        pass  # the end of the server's output tells the session


async def _stop(process: asyncio.subprocess.Process, writing: asyncio.Task[None], grace: float) -> None:
    """End of input, then SIGTERM, then SIGKILL to the whole process group."""
    assert process.stdin is not None
    try:
        await asyncio.wait({writing}, timeout=min(grace, 0.2))
        process.stdin.close()
        if not await _within(process.wait(), grace):
            _signal(process.pid, signal.SIGTERM)
            await _within(process.wait(), grace / 2)
    finally:  # also when nobody waits for its end any longer; and what it started itself and left behind
        _signal(process.pid, signal.SIGKILL)
        await _within(process.wait(), _GRACE_S)
    with suppress(ConnectionError):
        await process.stdin.wait_closed()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


async def _within(waiting: Awaitable[Any], seconds: float) -> bool:
    try:
        await asyncio.wait_for(waiting, seconds)
    except TimeoutError:
        return False
    return True


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task}, timeout=0.5)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
