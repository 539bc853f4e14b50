"""Work without a deadline goes through the batch endpoint; its rows are the same as those of live calls."""

from __future__ import annotations

import asyncio

from bot.store.item_tables import item_batch
from loopback.model import forms
from loopback.model.scripted import call
from tests.bulk.harness import both, by_patterns, contract, lead, told, worker

FILES = {f"c{n:02}.txt": contract(n) for n in range(1, 7)}
ASKED = {"files": ["docs/*"], "skill": "agreed", "form": "agreed", "deadline": False}


def test_a_batch_answers_what_live_calls_would_and_what_is_sent_back_goes_into_the_next(tmp_path):
    def script(body):
        given = forms.answer(body)
        if told(body)["name"] == "docs/c02.txt" and len(body["messages"]) == 1:
            given["answers"] = given["answers"][:1]
            return [call("report", given)]
        return by_patterns(body)

    async def scenario():
        async with worker(tmp_path, both(lead(FILES, ASKED), script)) as here:
            run_id = await here.ask()
            view = await here.ended(run_id)
            return view, await here.rows(item_batch, run_id), await here.answers(run_id), here

    view, batches, answers, here = asyncio.run(scenario())
    assert (view.run.status, view.coverage.done) == ("done", 6)
    assert [(row["status"], len(row["requests"])) for row in batches] == [("done", 6), ("done", 1)]
    assert len(answers) == 7
    names = [row["name"] for row in here.asked()]
    assert names == ["batch"] * 7
