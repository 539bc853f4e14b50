"""Slack delivers twice, late and out of order; each mention still starts exactly one run and is answered once."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.local import Options, ask_once, stage
from bot.store.schema import run

DATA = Path(__file__).parents[3] / "shared" / "data" / "budget"


def test_a_duplicated_a_late_and_a_reordered_event_each_start_exactly_one_run():
    async def scenario(home: Path):
        options = Options(timeout_s=60)
        counts, answers = [], []
        async with stage(options, home) as here:
            for kind in ("duplicate", "delay", "reorder"):
                await here.fault("slack", {"match": "events_api", "kind": kind, "count": 1, "delay_s": 1})
                run_id = await here.mention("digest this channel", options)
                await here.follow(run_id, options)
                counts.append(await here.process.db.read(lambda c: c.execute(select(func.count(run.c.id))).scalar()))
                result = await here.result(run_id)
                answers.append([m["text"] for m in result["thread"] if m["text"] == result["summary"]["text"]])
        return counts, answers

    with tempfile.TemporaryDirectory() as home:
        counts, answers = asyncio.run(scenario(Path(home)))
    assert counts == [1, 2, 3]
    assert [len(a) for a in answers] == [1, 1, 1]


@pytest.mark.skipif(not DATA.is_dir(), reason="the public budgets are not beside this checkout")
def test_public_budgets_are_compared_exactly_and_their_imbalances_reported():
    def figures(request_text):
        result = asyncio.run(ask_once(request_text, Options(data=DATA, timeout_s=120)))
        assert result["run"]["error"] is None
        return {f["id"]: f["value"] for f in result["figures"]}, result["findings"]

    values, findings = figures("compare FY16-17 adjusted with adopted")
    assert (values["expense_left"], values["revenue_left"]) == ("1239428331", "1237091825")
    assert (values["expense_right"], values["revenue_right"]) == ("1182157681", "1182137681")
    assert {f["amount"] for f in findings if f["kind"] == "imbalance"} == {"2336506", "20000"}
    values, findings = figures("compare FY20-21 with FY19-20")
    assert (values["expense_left"], values["expense_right"]) == ("1652052100", "1656222651")
    assert (values["revenue_left"], values["revenue_right"]) == ("1652052100", "1656222651")
    assert [f for f in findings if f["kind"] == "imbalance"] == []
