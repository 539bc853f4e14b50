"""What Slack does by itself at a time of its clock: streams end, statuses fade, scheduled messages go out."""

import asyncio
from collections.abc import Callable

from loopback.control import Clock


class Timers:
    """Things to do later, however the clock gets there."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Does it once when the clock shows `when`."""
        task = asyncio.create_task(self._wait(when, do))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait(self, when: float, do: Callable[[], None]) -> None:
        await self._clock.until(when)
        do()

    def forget(self) -> None:
        for task in self._tasks:
            task.cancel()
