"""Calls in flight break off when their run stops and when their agent is ended or taken over, and only then."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import insert, text, update
from structlog.testing import capture_logs

from bot.store import board, leases
from bot.store import schema as t
from bot.team.interrupts import Interrupts, Stopped
from bot.tools.team import open_agent
from tests.migrated import database


@pytest.fixture
def db(tmp_path):
    store = database(tmp_path)

    def make(tx):
        tx.execute(
            insert(t.run).values(
                id="run-1", team_id="T", requester="U", credential_owner="U", channel="C", kind="mention",
                request="close", status="working", model="m", offline=True, created_at=0.0, labels={},
            )
        )  # fmt: skip
        for name in ("lead", "ann", "ben"):
            open_agent(tx, "run-1", "T", name=name, role="specialist", parent="" if name == "lead" else "lead")

    store.write_now(make)
    yield store
    store.close()


def stopped_run(tx):
    tx.execute(update(t.run).values(control="stop"))


def stopped_agent(tx):
    board.end_agent(tx, "run-1", "ann", "stopped", "no longer needed")


def taken_over(tx):
    tx.execute(update(t.agent).where(t.agent.c.id == "run-1/ann").values(lease_until=0.0))
    assert leases.claim(tx, "run-1/ann", "another worker") is not None


@pytest.mark.parametrize(("ended", "others"), [(stopped_run, True), (stopped_agent, False), (taken_over, False)])
def test_a_call_in_flight_breaks_off_for_those_who_are_ended_and_for_nobody_else(db, ended, others):
    async def scenario():
        ann = await db.write(lambda tx: leases.claim(tx, "run-1/ann", "w"))
        ben = await db.write(lambda tx: leases.claim(tx, "run-1/ben", "w"))
        interrupts = Interrupts(db)
        forever = [asyncio.create_task(interrupts.guard(c, asyncio.Event().wait())) for c in (ann, ben)]
        await asyncio.sleep(0)
        await db.write(ended)
        with pytest.raises(Stopped):
            async with asyncio.timeout(30):
                await forever[0]
        if others:
            with pytest.raises(Stopped):
                async with asyncio.timeout(30):
                    await forever[1]
        else:
            assert await interrupts.guard(ben, asyncio.sleep(0, "went on")) == "went on"
            assert not forever[1].done()
            forever[1].cancel()
            with pytest.raises(asyncio.CancelledError):
                await forever[1]

    asyncio.run(scenario())


def test_a_stop_breaks_off_a_call_though_the_database_failed_while_it_ran(db):
    async def scenario():
        ann = await db.write(lambda tx: leases.claim(tx, "run-1/ann", "w"))
        call = asyncio.create_task(Interrupts(db).guard(ann, asyncio.Event().wait()))
        with capture_logs() as told:
            await db.write(lambda tx: tx.execute(text("ALTER TABLE agent RENAME TO away")))
            while not told:
                await db.read(lambda c: None)
        await db.write(lambda tx: tx.execute(text("ALTER TABLE away RENAME TO agent")))
        await db.write(stopped_run)
        with pytest.raises(Stopped):
            await call

    async def within():
        async with asyncio.timeout(20):
            await scenario()

    asyncio.run(within())
