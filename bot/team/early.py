"""Reads that begin while the turn that asked for them is on its way to the disk: they change nothing, so a crash in
between only means that they are made again. One that is over at once is kept in the turn's own transaction. What
reaches out of the process waits until the decision about it is on disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from bot.policy.gate import Effect, Verdict, source_of
from bot.team.record import Judged
from bot.tools.base import Outcome
from bot.tools.registry import Registry
from bot.types import Json

Make = Callable[[Json], Coroutine[Any, Any, Outcome]]  # what a call comes to


@dataclass(frozen=True)
class Early:
    """The reads of one activation that were begun and not yet recorded, by call."""

    toolbox: Registry
    _going: dict[str, asyncio.Task[Outcome]] = field(default_factory=dict)

    async def begin(self, make: Make, content: list[Json], judged: list[Judged]) -> list[Judged]:
        """Begin the reads among a reply's calls; gives the calls as judged, with what was over at once."""
        blocks = [block for block in content if block["type"] == "tool_use"]
        if len({block["id"] for block in blocks}) < len(blocks):
            return judged  # the turn will be refused
        for block, one in zip(blocks, judged, strict=True):
            if one.outcome is None and one.decision.verdict is Verdict.ALLOW and self._stays_inside(block["name"]):
                call = {"id": block["id"], "name": block["name"], "args": block["input"]}
                self._going[block["id"]] = asyncio.create_task(make(call))
        if self._going:
            await asyncio.sleep(0)
        return [self._over(block["id"], one) for block, one in zip(blocks, judged, strict=True)]

    def _stays_inside(self, name: str) -> bool:
        tool = self.toolbox.get(name)
        return tool is not None and tool.effect is Effect.READ and not source_of(name)

    def _over(self, call_id: str, one: Judged) -> Judged:
        task = self._going.get(call_id)
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return one
        outcome = task.result()
        if outcome.parks is not None or outcome.commit is not None or outcome.files or outcome.labels:
            return one  # it brings more rows than its own
        del self._going[call_id]
        return replace(one, outcome=outcome, status="failed" if outcome.is_error else "done")

    def take(self, call_id: str) -> asyncio.Task[Outcome] | None:
        """The read that was begun for a call; whoever takes it awaits it."""
        return self._going.pop(call_id, None)

    def drop(self) -> None:
        """Leave what nobody has taken."""
        for task in self._going.values():
            task.add_done_callback(_heard)
            task.cancel()
        self._going.clear()


def _heard(task: asyncio.Task[Outcome]) -> None:
    """What came of it is of no interest any more, and no reason for a warning."""
    if not task.cancelled():
        task.exception()
