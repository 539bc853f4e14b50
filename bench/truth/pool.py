"""The same calls made by a bare pool: what the model alone takes, without any product around it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence

import aiohttp

HEADERS = {"x-api-key": "bench", "anthropic-version": "2023-06-01", "content-type": "application/json"}


async def bare(url: str, bodies: Sequence[bytes], width: int) -> float:
    """Seconds that `width` hands take to make these calls and to read each answer to its end."""
    left = deque(bodies)

    async def hand(session: aiohttp.ClientSession) -> None:
        while left:
            async with session.post(f"{url}/v1/messages", data=left.popleft(), headers=HEADERS) as reply:
                reply.raise_for_status()
                await reply.read()

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
        began = time.perf_counter()
        await asyncio.gather(*(hand(session) for _ in range(width)))
        return time.perf_counter() - began
