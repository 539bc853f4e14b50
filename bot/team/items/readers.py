"""Reads documents beside the loop: a few in threads, many in a process of its own, so that no call waits for it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from bot.team.items.reading import Prepared, Unread, prepare

MANY = 24  # documents, from which a process pays
LOOK_S = 1.0


class Readers:
    """Where documents are read. The process starts when it is first wanted; until it is there, threads read."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._ready: Future[None] | None = None

    def expect(self, documents: int) -> None:
        """Get ready to read so many."""
        if documents >= MANY and self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, context, initializer=_end_with, initargs=(os.getpid(),))
            self._ready = self._pool.submit(_here)

    async def read(self, name: str, data: bytes, characters: int, overlap: int) -> Prepared:
        """A document in windows. Raises Unread; what breaks the reader is unreadable too."""
        loop = asyncio.get_running_loop()
        pool = self._pool
        if pool is not None and self._ready is not None and self._ready.done():
            try:
                return await loop.run_in_executor(pool, prepare, name, data, characters, overlap)
            except BrokenProcessPool:
                if self._pool is pool:
                    self.close()
                return await self._alone(name, data, characters, overlap)
        return await asyncio.to_thread(prepare, name, data, characters, overlap)

    async def _alone(self, name: str, data: bytes, characters: int, overlap: int) -> Prepared:
        """Read one document in a process that nothing else depends on."""
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, context, initializer=_end_with, initargs=(os.getpid(),)) as pool:
            try:
                return await asyncio.get_running_loop().run_in_executor(
                    pool, prepare, name, data, characters, overlap
                )
            except BrokenProcessPool as error:
                raise Unread("unreadable: reading it ended the reader") from error

    def close(self) -> None:
        """Let the process go."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._ready = None


def _here() -> None:
    return None


def _end_with(parent: int) -> None:
    """In the process: leave when whoever started it is gone, however it went."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_S)
        os._exit(0)

    threading.Thread(target=look, daemon=True).start()
