"""What a run that ends early has made is named with links that open it."""

from __future__ import annotations

import time

from sqlalchemy import insert

from bot.coordinator.partial import partial_result
from bot.store import schema as t
from bot.tools.team import open_agent
from tests.tools.harness import run_row, store

URL = "https://docs.example.com/document/d/abc"


def test_documents_made_so_far_are_links(tmp_path):
    with store(tmp_path) as db:
        run_row(db, "run-1")
        row = {
            "id": "run-1/a1", "team_id": "T", "run_id": "run-1", "agent_id": "run-1/lead", "name": "Report [draft]", "version": 1, "url": URL,
            "path": "", "sha256": "a" * 64, "created_at": time.time(), "labels": {},
        }  # fmt: skip
        db.write_now(lambda tx: open_agent(tx, "run-1", "T", name="lead", role="lead"))
        db.write_now(lambda tx: tx.execute(insert(t.artifact).values(**row)))
        told = db.read_now(lambda c: partial_result(c, "run-1", ""))
    assert told.endswith(f"• Made so far: <{URL}|Report (draft)>")
