"""Who waits for room and who never does."""

from __future__ import annotations

import asyncio
import time

from sqlalchemy import insert, select, update

from bot.store.clock import SystemClock
from bot.store.database import Database
from bot.store.dispatch import AT_ONCE, POISON_AFTER, SHOW_AGAIN_S, Dispatcher
from bot.store.schema import agent, run
from bot.tools.team import open_agent

RUN = {
    "id": "run-1", "team_id": "T", "requester": "U", "credential_owner": "U", "channel": "C", "kind": "mention",
    "request": "close", "status": "working", "model": "m", "offline": True, "created_at": 0.0, "labels": {},
}  # fmt: skip


def test_control_and_what_people_see_start_at_once_while_all_places_are_taken(tmp_path):
    async def scenario():
        db = Database(f"sqlite:///{tmp_path / 'cadre.db'}", time.time)
        db.migrate()
        dispatcher = Dispatcher(
            db, SystemClock(), role="worker", engine_url=f"sqlite:///{tmp_path / 'engine.db'}"
        )  # fmt: skip
        busy, all_busy, ended = set(), asyncio.Event(), asyncio.Event()
        control = {"coordinator": asyncio.Event(), "thread": asyncio.Event()}

        async def work(claim):
            busy.add(claim.agent_id)
            if len(busy) == AT_ONCE:
                all_busy.set()
            await ended.wait()

        async def act(claim):
            control[claim.kind].set()

        dispatcher.serve("agent", work)
        for kind in control:
            dispatcher.serve(kind, act)
        dispatcher.start()
        await dispatcher.ready()

        def make(tx):
            tx.execute(insert(run).values(**RUN))
            for number in range(AT_ONCE + 20):
                open_agent(tx, "run-1", "T", name=f"a{number}", role="specialist")

        try:
            async with asyncio.timeout(60):
                await db.write(make)
                await all_busy.wait()
                for kind in control:
                    await db.write(lambda tx, k=kind: open_agent(tx, "run-1", "T", name=f"_{k}", role="", kind=k))
                    await control[kind].wait()
                assert len(busy) == AT_ONCE
        finally:
            ended.set()
            await dispatcher.close()
            db.close()

    asyncio.run(scenario())


def test_who_only_shows_never_ends_a_run_however_often_it_fails_and_is_tried_again(tmp_path):
    async def scenario():
        db = Database(f"sqlite:///{tmp_path / 'cadre.db'}", time.time)
        db.migrate()
        dispatcher = Dispatcher(db, SystemClock(), role="worker", engine_url="")
        ended, asleep = [], asyncio.Event()
        loop = asyncio.get_running_loop()

        async def fail(claim):
            raise RuntimeError("Slack is not itself")

        dispatcher.serve("thread", fail)
        dispatcher.on_poison(lambda tx, claim: ended.append(claim))
        db.on_commit(lambda: loop.call_soon_threadsafe(asleep.set))

        def make(tx):
            tx.execute(insert(run).values(**RUN))
            open_agent(tx, "run-1", "T", name="_thread", role="", kind="thread")
            tx.execute(update(agent).values(barren=POISON_AFTER))

        state = select(agent.c.barren, agent.c.due_at)
        try:
            async with asyncio.timeout(20):
                await db.write(make)
                while (row := await db.read(lambda c: c.execute(state).one())).due_at is None:
                    asleep.clear()
                    await asleep.wait()
            assert ended == [] and row.barren == 0
            assert SHOW_AGAIN_S - 10 < row.due_at - time.time() <= SHOW_AGAIN_S
        finally:
            await dispatcher.close()
            db.close()

    asyncio.run(scenario())
