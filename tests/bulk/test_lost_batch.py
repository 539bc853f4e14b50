"""A batch whose answer was lost, by a crash or on the wire, is found again by the names of its requests."""

from __future__ import annotations

import asyncio

import pytest

from bot.store.item_tables import item_batch
from tests.bulk.harness import both, by_patterns, contract, lead, worker

FILES = {f"c{n:02}.txt": contract(n) for n in range(1, 7)}
ASKED = {"files": ["docs/*"], "skill": "agreed", "form": "agreed", "deadline": False}


def asked_by_batch(here):
    return [row["user"] for row in here.asked() if row["name"] == "batch"]


@pytest.mark.parametrize("fault", [{"kind": "accept_then_drop"}, {"kind": "accept_then_drop", "late": True}])
def test_a_batch_whose_answer_was_lost_is_taken_up_and_not_handed_in_again(tmp_path, fault):
    async def scenario():
        async with worker(tmp_path, both(lead(FILES, ASKED), by_patterns)) as here:
            here.faults.add({"match": "batches", "kind": fault["kind"]})
            if "late" in fault:
                here.faults.add({"match": "batches", "kind": "delay", "delay_s": 1.0})
            run_id = await here.ask()
            view = await here.ended(run_id)
            return view, await here.rows(item_batch, run_id), asked_by_batch(here)

    view, batches, asked = asyncio.run(scenario())
    assert (view.run.status, view.coverage.done) == ("done", 6)
    assert [row["status"] for row in batches] == ["done"]
    assert len(asked) == len(set(asked)) == 6


def test_a_batch_that_never_arrived_is_handed_in_once_more(tmp_path):
    async def scenario():
        async with worker(tmp_path, both(lead(FILES, ASKED), by_patterns)) as here:
            here.faults.add({"match": "batches", "kind": "drop"})
            run_id = await here.ask()
            view = await here.ended(run_id)
            return view, await here.rows(item_batch, run_id), asked_by_batch(here)

    view, batches, asked = asyncio.run(scenario())
    assert (view.run.status, view.coverage.done) == ("done", 6)
    assert [row["status"] for row in batches] == ["done"]
    assert len(asked) == len(set(asked)) == 6
