"""Who waits for room and who never does."""

from __future__ import annotations

import asyncio
import time

from sqlalchemy import insert

from bot.store.clock import SystemClock
from bot.store.database import Database
from bot.store.dispatch import AT_ONCE, Dispatcher
from bot.store.schema import run
from bot.tools.team import open_agent


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
            tx.execute(
                insert(run).values(
                    id="run-1", team_id="T", requester="U", credential_owner="U", channel="C", kind="mention",
                    request="close", status="working", model="m", offline=True, created_at=0.0, labels={},
                )
            )  # fmt: skip
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
