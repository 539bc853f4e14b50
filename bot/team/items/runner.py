"""Works the items of a manifest side by side, within what the model takes; each answer is kept as it comes."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from bot.errors import DependencyFailed, Fenced, ModelMustRetry
from bot.model.batches import Batches
from bot.model.client import Model, ModelRejected, Prompt
from bot.model.reply import Reply
from bot.skills import read_role
from bot.store import items, leases
from bot.store.database import Database
from bot.store.leases import Claim
from bot.team.context import text
from bot.team.interrupts import Interrupts, Stopped
from bot.team.items import answers, asking, batch, closing, record
from bot.team.items.reading import Prepared, Reading, Unread, Window, prepare
from bot.team.items.width import Width
from bot.team.items.work import Ended, Halted, Work, load, result_of
from bot.team.roles import HERE
from bot.tools.forms import REPORT
from bot.types import Json
from bot.workspace import Workspace
from connectors.errors import Unavailable

log = structlog.get_logger()

HANDS = 4  # items read ahead beyond the width
ACTIVE_S = 60.0  # then the activation ends and the work wakes itself
HOLD_S = 5.0  # a longer pause is slept, not waited for
LOOK_S = 0.2
TELL_S = 1.0  # between two rows about progress
TELL_FAILING_S = 900.0  # between two words to the thread that nothing is taken
REJECTED = 3  # requests that the server could not take before any that it could: then it is not the item


@dataclass
class ItemRunner:
    """Activates agents of kind `bulk`."""

    db: Database
    model: Model
    home: Path
    page: str
    retry_budget: float
    batches: Batches | None = None  # for work without a deadline
    _heads: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._interrupts = Interrupts(self.db)
        self.width = Width(now=self.db.now)
        self._role = read_role(HERE / "item.md")

    async def activate(self, claim: Claim) -> float | None:
        """Work items until all have ended or something else comes first; returns when to wake, or None."""
        work = await self.db.read(lambda c: load(c, claim))
        if work.row["status"] != "live":
            return None
        if work.over:
            await self.db.write(lambda tx: record.stopped(tx, work))
            return None
        if work.run["control"] or not work.call:
            return None  # paused or put aside: whoever changes that wakes it
        if self.width.held_s > HOLD_S:
            return self.db.now() + self.width.held_s
        work.head = self._head(work)
        if self.batches is not None and not work.row["inputs"]["deadline"]:
            due = await batch.step(self, self.batches, work)
            if due is not None:
                return due
        await self._work(work)
        if work.halt == "unavailable":
            await self.db.write(lambda tx: record.unfinished(tx, work, work.failing))
        elif work.halt == "hold":
            await self.db.write(lambda tx: record.held(tx, work))
            return self.db.now() + self.width.held_s
        elif work.halt == "steer":
            await self.db.write(lambda tx: closing.put_aside(tx, work))
            return None
        elif work.halt:
            again = work.halt in ("time", "stop", "owner")
            await self.db.write(lambda tx: leases.yield_now(tx, claim) if again else None)
            return None
        await closing.deliver(self.db, work, self._workspace(work), self.page)
        return None

    def _head(self, work: Work) -> bytes:
        """The unchanging part of all requests of a form, encoded once."""
        model = work.run["rules"].get("model", "")
        key = (work.form_sha256, model)
        if key not in self._heads:
            system = [text(self._role.prompt), text(work.form.asked())]
            if self.model.offline and work.form.offline:
                system.append(text(work.form.offline_rules()))
            system[-1] = {**system[-1], "cache_control": {"type": "ephemeral"}}
            self._heads[key] = self.model.head(
                system=system, tools=[work.form.tool()], call=REPORT, model=model
            )  # fmt: skip
        return self._heads[key]

    def _workspace(self, work: Work) -> Workspace:
        return Workspace(self.home, work.row["run_id"], work.row["parent"])

    async def _work(self, work: Work) -> None:
        """Hands take one item after the other until none is left or the work halts."""
        work.queue = deque(work.open())
        until = time.monotonic() + ACTIVE_S
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(len(work.queue), self.width.most + HANDS)):
                    group.create_task(self._hand(work, until))
        except BaseExceptionGroup as failed:
            if failed.subgroup(Fenced) is not None:
                raise Fenced() from None
            raise failed.exceptions[0] from None

    async def _hand(self, work: Work, until: float) -> None:
        while work.queue and not work.halt:
            one = work.queue.popleft()
            try:
                await self._item(work, one)
            except Halted:
                return
            except Stopped:
                self._halt(work, "stop")
                return
            if time.monotonic() > until and work.queue:
                self._halt(work, "time")
            await self._look(work)

    def _halt(self, work: Work, why: str) -> None:
        work.halt = work.halt or why
        self.width.turn_away(work)

    async def _look(self, work: Work) -> None:
        """At an item's boundary: what people and money say, and whether the one who asked is still there."""
        if time.monotonic() < work.looked_at + LOOK_S:
            return
        work.looked_at = time.monotonic()
        now = await self.db.read(lambda c: load_control(c, work))
        for why, holds in now.items():
            if holds:
                self._halt(work, why)

    # -- one item --------------------------------------------------------------------------------------------------

    async def _item(self, work: Work, one: Json) -> None:
        """Bring one item to its end. Raises Halted or Stopped when that is not now."""
        try:
            if one["kept_from"]:
                given = await self.db.read(lambda c: result_of(c, one["result"]))
                await self._end(work, one, "done", one["reason"], many=one["windows"], given=given)
                return
            found = await self.read(work, one)
            reading = found.reading
            given = await self._windows(work, one, reading)
            reason, many = " ".join(reading.document.unread)[:500], len(reading.windows)
            await self._end(work, one, "done", reason, many=many, given=given, document=found.kept)
        except Ended as end:
            await self._end(work, one, end.status, end.reason, many=one["windows"])

    async def read(self, work: Work, one: Json) -> Prepared:
        size = work.form.window
        try:
            data = await asyncio.to_thread(self._workspace(work).read, one["path"])
            if hashlib.sha256(data).hexdigest() != one["sha256"]:
                raise Ended("failed", "the file is another one than when the manifest was fixed")
            return await prepare(one["name"], data, size.characters, size.overlap)
        except Unread as error:
            raise Ended("refused", str(error)) from error
        except ModelMustRetry as error:
            raise Ended("failed", f"the file is no longer there: {error}") from error
        except Unavailable as error:
            raise Ended("failed", str(error)) from error
        except Ended:
            raise
        except Exception as error:  # a document that breaks the reader is one unreadable document
            log.exception("a document could not be read", item=one["name"])
            raise Ended("refused", f"unreadable: {type(error).__name__}") from error

    async def _windows(self, work: Work, one: Json, reading: Reading) -> list[Json]:
        """The merged answers of all windows. The worst end of a window is the end of its item."""
        told = await asyncio.gather(
            *(self._window(work, one, reading, window) for window in reading.windows), return_exceptions=True
        )
        problems = [given for given in told if isinstance(given, BaseException)]
        for problem in problems:
            if not isinstance(problem, Ended | Halted):
                raise problem
        if any(isinstance(problem, Halted) for problem in problems):
            raise Halted()
        order = ("failed", "refused", "person")
        ends = sorted((p for p in problems if isinstance(p, Ended)), key=lambda end: order.index(end.status))
        if ends:
            raise ends[0]
        whole = [given for given in told if isinstance(given, list)]
        try:
            return answers.merged(work.form, whole)
        except answers.Wrong as wrong:
            raise Ended("person", str(wrong)) from wrong

    async def _window(self, work: Work, one: Json, reading: Reading, window: Window) -> list[Json]:
        """The accepted answers of one window; what was answered before is not asked again."""
        tries = work.answers.setdefault((one["id"], window.number), [])
        first = asking.first_message(one, window)
        while True:
            found = asking.settled(tries, window)
            if found is not None:
                return found
            reply = await self._call(work, asking.prompt(work, one, first, tries))
            row = {"window": window.number, "attempt": len(tries) + 1, **asking.judged(work, reading, window, reply)}
            control = await self._keep(work, one, len(reading.windows), row, reply)
            tries.append(row)
            if control:
                self._halt(work, "stop" if control in ("stop", "ended") else "control")

    async def _call(self, work: Work, prompt: Prompt) -> Reply:
        """One reply, as soon as there is a place for its request. Raises Halted, Stopped or Ended."""
        while True:
            ticket = await self.width.enter(work) if not work.halt else None
            if ticket is None:
                raise Halted()
            try:
                reply = await self._interrupts.guard(work.claim, self.model.complete(prompt))
            except DependencyFailed as error:
                self.width.lost(ticket, error.retry_after)
                await self._failing(work, error)
                continue
            except ModelRejected as error:
                self.width.over()
                work.refusals += 1
                if not work.answered and work.refusals >= REJECTED:
                    work.failing = str(error)
                    self._halt(work, "unavailable")
                    raise Halted() from error
                raise Ended("failed", str(error)) from error
            except BaseException:
                self.width.over()
                raise
            self.width.done()
            work.failing_since, work.answered = None, True
            return reply

    async def _failing(self, work: Work, error: DependencyFailed) -> None:
        """After a call that failed: go on, sleep for a while, or give up what is left. What lasts is told once."""
        now = self.db.now()
        work.failing_since = now if work.failing_since is None else work.failing_since
        work.failing = f"{error} It did not recover within {self.retry_budget:.0f} seconds."
        if now - work.failing_since >= self.retry_budget:
            self._halt(work, "unavailable")
            return
        if self.width.held_s > HOLD_S:
            self._halt(work, "hold")
        lasts = work.halt == "hold" or now - work.failing_since >= HOLD_S
        if lasts and now >= work.told_failing_at + TELL_FAILING_S:
            work.told_failing_at = now
            await self.db.write(lambda tx: record.failing(tx, work, str(error)))

    # -- rows ------------------------------------------------------------------------------------------------------

    async def _keep(self, work: Work, one: Json, many: int, row: Json, reply: Reply) -> str:
        one["windows"] = many
        width = int(self.width.current)
        control = await self.db.write(lambda tx: record.answer(tx, work, one, many, row, reply, width=width))
        work.row["trouble"] = None
        return control

    async def _end(
        self, work: Work, one: Json, status: str, reason: str, *, many: int, given: list[Json] | None = None,
        document: bytes | None = None,
    ) -> None:  # fmt: skip
        now = time.monotonic()
        tell = now >= work.told_at + TELL_S
        work.told_at = now if tell else work.told_at
        await self.db.write(
            lambda tx: record.end(
                tx, work, one, status, reason, many=many, answers=given, document=document, page=self.page, tell=tell
            )
        )
        one["status"], one["reason"] = status, reason


def load_control(connection: Any, work: Work) -> dict[str, bool]:
    """What may end an activation early, by why."""
    (control, status), *_ = items.CONTROL.execute(connection, {"of": work.row["run_id"]}).fetchall()
    asked = items.waits_in(connection, work.row["run_id"], work.row["parent"])
    return {
        "stop": control == "stop" or status in ("done", "failed", "stopped"),
        "control": control in ("pause", "budget"),
        "owner": asked != work.call,
        "steer": items.urgent(connection, work.row["run_id"], work.row["parent"]),
    }
