"""The width of calls side by side follows what the other side takes."""

from __future__ import annotations

import asyncio

from bot.team.items.width import Width


class Clock:
    def __init__(self):
        self.at = 0.0

    def now(self):
        return self.at


def in_loop(scenario):
    return asyncio.run(scenario())


def test_it_opens_to_the_whole_width_while_all_goes_well_and_no_further():
    async def scenario():
        width = Width(start=4, most=16)
        for _ in range(40):
            await width.enter(width)
            width.done()
        return width

    width = in_loop(scenario)
    assert (width.current, width.in_flight) == (16, 0)


def test_a_round_of_losses_halves_it_once_and_success_brings_one_more_per_round():
    async def scenario():
        clock = Clock()
        width = Width(start=16, most=16, now=clock.now)
        tickets = [await width.enter(width) for _ in range(16)]
        for ticket in tickets:
            width.lost(ticket, 1.0)
        seen = [width.current]
        clock.at = 2.0
        for _ in range(8):
            await width.enter(width)
            width.done()
        seen.append(int(width.current))
        width.lost(await width.enter(width), 0.0)
        seen.append(int(width.current))
        return seen

    assert in_loop(scenario) == [8, 8, 4]


def test_nobody_is_let_in_before_the_other_side_said_so():
    async def scenario():
        clock = Clock()
        width = Width(start=2, most=2, now=clock.now)
        width.lost(await width.enter(width), 30.0)
        waiting = asyncio.ensure_future(width.enter("work"))
        await asyncio.sleep(0)
        before = waiting.done()
        clock.at = 31.0
        width._again()
        return before, await waiting, width.held_s

    before, ticket, held = in_loop(scenario)
    assert (before, ticket, held) == (False, 1, 0.0)


def test_work_that_halts_leaves_the_queue_and_takes_no_place():
    async def scenario():
        width = Width(start=1, most=1)
        ticket = await width.enter("a")
        waits = [asyncio.ensure_future(width.enter(of)) for of in ("b", "a", "b")]
        await asyncio.sleep(0)
        width.turn_away("b")
        first = [await waits[0], await waits[2]]
        width.over()
        other = await waits[1]
        cancelled = asyncio.ensure_future(width.enter("c"))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        width.over()
        return ticket, first, other, width.in_flight

    assert in_loop(scenario) == (0, [None, None], 0, 0)


def test_it_never_closes_altogether():
    async def scenario():
        width = Width(start=2, most=16, now=Clock().now)
        for _ in range(10):
            width.lost(await width.enter(width), 0.0)
        return width.current

    assert in_loop(scenario) == 1
