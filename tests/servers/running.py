"""Servers of our own for tests: child processes and threads on loopback ports, ended with the test."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

from aiohttp import web

from loopback import control
from loopback.model import scripted


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


@contextmanager
def child(module, home, *options):
    """A server in a process of its own; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", module, "--home", str(home), "--port", str(port), *options]
    process = subprocess.Popen(command)
    try:
        listens(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def listens(port, process=None, patience_s=30.0):
    """Return once something answers on a port."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline and (process is None or process.poll() is None)
            time.sleep(0.02)


@contextmanager
def model(script):
    """A scripted model on a loop of its own; gives its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start():
        app = scripted.build(script, log=control.CallLog(), faults=control.Faults(), clock=control.Clock())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield "http://{}:{}".format(*runner.addresses[0])
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
