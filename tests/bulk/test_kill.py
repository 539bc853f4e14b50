"""A process that dies in the middle of bulk work repeats no call whose answer was kept."""

from __future__ import annotations

import asyncio
import collections
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.coordinator.intake import ensure_intake
from bot.store.item_tables import item_answer
from tests.bulk.harness import FORM, Here, asks_item, both, by_patterns, comes, contract, lead, model_server
from tests.migrated import database

FILES = {f"c{n:02}.txt": contract(n, 5) for n in range(1, 31)}
ROOT = Path(__file__).parents[2]


@contextmanager
def child(home, base_url):
    command = [sys.executable, "-m", "tests.bulk.child", str(home), base_url]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("after", [1, 9, 20])
def test_what_was_answered_before_a_kill_is_not_asked_again(tmp_path, after):
    place = tmp_path / "skills" / "agreed"
    (place / "forms").mkdir(parents=True)
    (place / "SKILL.md").write_text("---\nname: agreed\ndescription: What is agreed.\n---\nRead.\n")
    (place / "forms" / "agreed.yml").write_text(FORM)

    async def scenario():
        db = database(tmp_path)
        db.write_now(ensure_intake)

        def kept(connection):
            query = select(item_answer.c.run_id, item_answer.c.item_id)
            return {f"{row.run_id}/{row.item_id}" for row in connection.execute(query)}

        async def enough():
            return await db.read(lambda c: c.execute(select(func.count(item_answer.c.item_id))).scalar()) >= after

        async with model_server(both(lead(FILES), by_patterns)) as (base_url, faults, log):
            here = Here(db, faults, log, tmp_path, None)
            faults.add({"match": " report", "kind": "delay", "delay_s": 0.02, "rate": 1.0})
            asking = asyncio.ensure_future(here.ask())
            with child(tmp_path, base_url):
                run_id = await asking
                await comes(enough)
            before = await db.read(kept)
            asked = [
                row["user"] for row in log.since(0, "model") if row["kind"] == "request" and asks_item(row["body"])
            ]
            last = log.since(0)[-1]["n"]
            with child(tmp_path, base_url):
                view = await here.ended(run_id)
            again = [
                row["user"] for row in log.since(last, "model") if row["kind"] == "request" and asks_item(row["body"])
            ]
            rows = here.results(run_id)
        db.close()
        return view, before, asked, again, rows

    view, before, asked, again, rows = asyncio.run(scenario())
    assert len(before) >= after
    assert len(before) < 30
    assert before.isdisjoint(again)
    # A call that was under way when the process died is noted late by the server, and is made once more.
    assert len(set(again)) == 30 - len(before)
    assert max(collections.Counter(again).values()) <= 2
    assert set(asked) | set(again) >= before
    assert (view.coverage.total, view.coverage.done) == (30, 30)
    assert sum(row["question"] == "fee" and row["found"] for row in rows) == 30
    quotes = [e for e in view.evidence if e.kind == "quote"]
    assert len(quotes) == sum("evidence" in row for row in rows)
