"""Starts sleeping agents when they are woken: here and at once, through the engine, or found by the sweep."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import structlog
from sqlalchemy import select, update

from bot.errors import Fenced
from bot.store import leases
from bot.store.clock import Clock
from bot.store.database import Database, Tx
from bot.store.engine import DbosEngine
from bot.store.leases import Claim
from bot.store.schema import agent

log = structlog.get_logger()

Handler = Callable[..., Awaitable[float | None]]
Begin = Callable[[Tx, Claim], Any]
SWEEP_S = 1.0
SOON_S = 60.0  # a sleep this short gets a timer of its own
EARLY_S = 0.005  # a timer and a clock need not agree to the last digit
HANG_S = 15.0  # a loop that does not answer for this long is not coming back
POISON_AFTER = 5  # activations in a row without a new durable row
SHOWING = ("thread", "private")  # who only shows: what stands in its way is no failure of the work
SHOW_AGAIN_S = 60.0
GATHER_S = {"thread": 0.05}  # kinds that only show: rows that come close together are shown together
AT_ONCE = 256  # agents at work side by side in one process; more wait in the queue of the engine
QUEUED = ("agent",)  # who waits there: control and what people see start at once, however many agents are busy


class Dispatcher:
    """Activates agents of the kinds registered with it, each kind on the loop that registered it."""

    def __init__(self, db: Database, clock: Clock, *, role: str, engine_url: str) -> None:
        self.db, self.clock, self.role = db, clock, role
        self.owner = f"w-{uuid.uuid4().hex[:12]}"
        self._handlers: dict[str, tuple[asyncio.AbstractEventLoop, Handler]] = {}
        self._begins: dict[str, Begin] = {}
        self._poisoned: Callable[[Tx, Claim], None] | None = None
        self._running: dict[str, bool] = {}  # agent id -> woken again meanwhile
        self._lock = threading.Lock()
        self._seen_idle: dict[str, int] = {}
        self._stop = threading.Event()
        self._tick = threading.Event()
        self._alive_at: dict[int, float] = {}
        self._engine_url = engine_url
        self._engine: DbosEngine | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}  # of agents that sleep for a moment only
        clock.on_jump(self._tick.set)
        db.on_wake(self.hint)

    def serve(self, kind: str, handler: Handler, begin: Begin | None = None) -> None:
        """Activate agents of this kind on the running loop. `handler(claim)` works until nothing is left to do and
        returns the product time at which to wake again, or None. `begin` may do the first step in the transaction
        of the claim; the handler gets what it returns as a second argument."""
        self._handlers[kind] = (asyncio.get_running_loop(), handler)
        if begin is not None:
            self._begins[kind] = begin

    def on_poison(self, end: Callable[[Tx, Claim], None]) -> None:
        """Call `end` in a transaction when an agent dies again and again without any progress."""
        self._poisoned = end

    def start(self) -> None:
        """Begin to beat, to sweep and to listen; every kind must be registered before."""
        self.db.write_now(lambda tx: leases.beat(tx, self.owner, self.role), point=False)
        self.db.lengthen_log()
        self._engine = DbosEngine(self._engine_url, tuple(self._handlers), self._activate_blocking, limit=AT_ONCE)
        for target in (self._beat, self._sweep):
            threading.Thread(target=target, name=f"dispatch{target.__name__}", daemon=True).start()

    async def ready(self) -> None:
        """Wait until other processes can be reached; this one works from the start."""
        if self._engine is not None:
            await asyncio.to_thread(self._engine.ready)

    async def drain(self) -> None:
        """Start nothing more, and cancel what runs on this loop."""
        self._stop.set()
        self._tick.set()
        for timer in self._timers.values():
            timer.cancel()
        running = [task for task in self._tasks if task.get_loop() is asyncio.get_running_loop()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def close(self) -> None:
        """Drain this loop, stop the engine, give back the leases. Other loops are drained before."""
        await self.drain()
        if self._engine is not None:
            await asyncio.to_thread(self._engine.close)
        await asyncio.to_thread(self.db.write_now, lambda tx: leases.leave(tx, self.owner), False)

    def hint(self, woken: dict[str, str]) -> None:
        """A commit woke these agents: start them here, or tell the process that serves their kind."""
        if self._stop.is_set():
            return
        for agent_id, kind in woken.items():
            if kind in self._handlers:
                self._start(agent_id, kind)
            elif self._engine is not None:
                self._engine.enqueue(agent_id, kind)

    def _start(self, agent_id: str, kind: str) -> None:
        loop, _ = self._handlers[kind]
        with self._lock:
            if agent_id in self._running:
                self._running[agent_id] = True
                return
            if kind in QUEUED and len(self._running) >= AT_ONCE and self._engine is not None:
                self._engine.enqueue(agent_id, kind)
                return
            self._running[agent_id] = False
        if kind in GATHER_S:
            loop.call_soon_threadsafe(loop.call_later, GATHER_S[kind], self._spawn, agent_id, kind)
        else:
            loop.call_soon_threadsafe(self._spawn, agent_id, kind)

    def _spawn(self, agent_id: str, kind: str) -> None:
        if self._stop.is_set():
            return
        task = asyncio.get_running_loop().create_task(self._run(agent_id, kind))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _activate_blocking(self, agent_id: str) -> None:
        """The engine's entry: start the agent here if this process serves it."""
        kind = self.db.read_now(lambda c: c.execute(select(agent.c.kind).where(agent.c.id == agent_id)).scalar())
        if kind in self._handlers and not self._stop.is_set():
            self._start(agent_id, kind)

    async def _run(self, agent_id: str, kind: str) -> None:
        try:
            held, begun = None, None
            with self._lock:  # what woke it until here is in the store, where the claim sees it
                self._running[agent_id] = False
            with _outlived(self.db):  # the sweep comes back to it
                held, begun = await self.db.write(lambda tx: self._claim(tx, agent_id))
            if held is not None:
                await self._activation(held, kind, begun)
        finally:
            with self._lock:
                again = self._running.pop(agent_id, False)
            if again and not self._stop.is_set():
                self._start(agent_id, kind)

    def _claim(self, tx: Tx, agent_id: str) -> tuple[Claim | None, Any]:
        held = leases.claim(tx, agent_id, self.owner)
        if held is None:
            return None, None
        if held.barren > POISON_AFTER and held.kind in SHOWING:
            leases.sleep(tx, held, held.wake_seq, tx.now() + SHOW_AGAIN_S)
            return None, None
        if held.barren > POISON_AFTER and self._poisoned is not None:
            self._poisoned(tx, held)
            leases.sleep(tx, held, held.wake_seq)
            return None, None
        return held, self._begin(tx, held)

    def _begin(self, tx: Tx, held: Claim) -> Any:
        begin = self._begins.get(held.kind)
        if begin is None:
            return None
        try:
            return begin(tx, held)
        except self.db.trouble:
            raise
        except Exception:  # the activation meets it again, and backs off
            return None

    def _let_go(self, tx: Tx, held: Claim, seen: int, due: float | None) -> tuple[int | None, Any]:
        """Sleep, or begin again when something woke the agent meanwhile."""
        newer = leases.sleep(tx, held, seen, due)
        return newer, None if newer is None else self._begin(tx, held)

    async def _activation(self, held: Claim, kind: str, begun: Any) -> None:
        _, handler = self._handlers[kind]
        seen: int | None = held.wake_seq
        try:
            while seen is not None:
                due = await (handler(held) if begun is None else handler(held, begun))
                let_go = partial(self._let_go, held=held, seen=seen, due=due)
                seen, begun = await self.db.write(let_go)
            self._remember(held.agent_id, due)
        except Fenced:
            log.info("taken over", agent=held.agent_id, epoch=held.epoch)
        except Exception:
            log.exception("activation failed", agent=held.agent_id)
            with _outlived(self.db):  # then the lease runs out instead
                await self.db.write(lambda tx: _back_off(tx, held))

    def _remember(self, agent_id: str, due: float | None) -> None:
        """Wake the agent in time when it sleeps for a moment only; the sweep is for what is later or was missed."""
        timer = self._timers.pop(agent_id, None)
        if timer is not None:
            timer.cancel()
        wait = None if due is None else due - self.clock.now()
        if wait is not None and wait <= SOON_S:
            loop = asyncio.get_running_loop()
            self._timers[agent_id] = loop.call_later(max(0.0, wait), self._spawn_due, agent_id)

    def _spawn_due(self, agent_id: str) -> None:
        self._timers.pop(agent_id, None)
        if not self._stop.is_set():
            task = asyncio.get_running_loop().create_task(self._wake(agent_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _wake(self, agent_id: str) -> None:
        with _outlived(self.db):
            await self.db.write(lambda tx: leases.wake_due(tx, self.clock.now() + EARLY_S, agent_id))

    def _beat(self) -> None:
        while not self._stop.wait(leases.BEAT_S):
            if not self._loops_answer():
                log.critical("a loop hangs; leaving so that another worker takes over")
                os._exit(70)

            with _outlived(self.db):
                self.db.write_now(self._renew, point=False)

    def _renew(self, tx: Tx) -> None:
        with self._lock:
            at_work = tuple(self._running)
        leases.beat(tx, self.owner, self.role, at_work)
        leases.reap(tx, self.owner)

    def _loops_answer(self) -> bool:
        now = time.monotonic()
        for loop in {loop for loop, _ in self._handlers.values()}:
            if loop.is_closed():
                continue
            self._alive_at.setdefault(id(loop), now)
            loop.call_soon_threadsafe(self._alive_at.__setitem__, id(loop), now)
        return all(now - seen < HANG_S for seen in self._alive_at.values())

    def _sweep(self) -> None:
        ticks = 0
        while not self._stop.is_set():
            self._tick.wait(SWEEP_S)
            self._tick.clear()
            if self._stop.is_set():
                return
            with _outlived(self.db):
                self._wake_due()
                self._heal()
                ticks += 1
                if ticks % 60 == 0 and self._engine is not None:
                    self._engine.tidy()

    def _wake_due(self) -> None:
        now = self.clock.now()
        due = self.db.read_now(
            lambda c: c.execute(select(agent.c.id).where(agent.c.due_at.is_not(None), agent.c.due_at <= now)).first()
        )
        if due is not None:
            self.db.write_now(lambda tx: leases.wake_due(tx, now), point=False)

    def _heal(self) -> None:
        """Start what a dead worker held, and what has been awake and free for a whole sweep."""
        kinds = tuple(self._handlers)
        lost = self.db.read_now(lambda c: leases.awake_and_free(c, kinds, time.time()))
        with self._lock:
            idle = {
                agent_id: self._seen_idle.get(agent_id, 0) + 1
                for agent_id, _, _ in lost
                if agent_id not in self._running
            }
            room = AT_ONCE - len(self._running)
        self._seen_idle = idle
        for agent_id, kind, abandoned in lost:
            if self._stop.is_set():
                return
            if agent_id not in idle or (idle[agent_id] < 2 and not abandoned):
                continue
            if kind in QUEUED:
                room -= 1
                if room < 0:  # it is not lost: it waits until one of those at work is done
                    continue
            self.db.write_now(lambda tx, a=agent_id: _count_swept(tx, a), point=False)  # type: ignore[misc]
            self._start(agent_id, kind)


@contextlib.contextmanager
def _outlived(db: Database) -> Iterator[None]:
    """A database that does not answer now must not end the thread that finds out when it answers again, and neither
    must any other error."""
    try:
        yield
    except db.trouble as error:
        log.warning("the database does not answer", error=str(error))
    except Exception:
        log.exception("a turn failed; the next one comes")


def _count_swept(tx: Tx, agent_id: str) -> None:
    tx.execute(update(agent).where(agent.c.id == agent_id).values(swept=agent.c.swept + 1))


def _back_off(tx: Tx, held: Claim) -> None:
    """Leave the agent to its next try a little later; `barren` counts the tries that changed nothing."""
    row: Any = tx.execute(select(agent.c.barren).where(agent.c.id == held.agent_id)).first()
    later = tx.now() + min(2.0 ** (row.barren if row else 1), 30.0) / 4
    tx.execute(
        update(agent)
        .where(agent.c.id == held.agent_id, agent.c.epoch == held.epoch)
        .values(lease_owner=None, lease_until=0.0, slept_seq=agent.c.wake_seq, due_at=later)
    )
