"""Bulk work as a whole: the manifest is fixed first, each item ends, and coverage is counted from rows."""

from __future__ import annotations

import asyncio

from bot.team.items import closing
from bot.workspace import FILE_BYTES, Workspace
from tests.bulk.harness import both, by_patterns, contract, lead, worker

FILES = {f"c{n:02}.txt": contract(n) for n in range(1, 13)}


def test_every_document_is_answered_once_and_each_quote_opens_its_place(tmp_path):
    async def scenario():
        async with worker(tmp_path, both(lead(FILES), by_patterns)) as here:
            run_id = await here.ask()
            view = await here.ended(run_id)
            return view, here.results(run_id), await here.manifest(run_id), await here.answers(run_id)

    view, rows, manifest, answers = asyncio.run(scenario())
    assert (view.run.status, view.run.error) == ("done", None)
    assert (view.coverage.total, view.coverage.done) == (12, 12)
    assert {row["status"] for row in manifest.values()} == {"done"}
    assert len(answers) == 12
    fees = {row["name"]: row for row in rows if row["question"] == "fee"}
    assert {name.removeprefix("docs/"): row["value"] for name, row in fees.items()} == {
        f"c{n:02}.txt": f"{100 + n}.50" for n in range(1, 13)
    }
    by_id = {e.id: e for e in view.evidence}
    for row in fees.values():
        assert row["quote"] in contract(int(row["name"][6:8]))
        assert by_id[row["evidence"]].value == row["quote"]
        assert row["evidence"] in row["url"]
    assert sum(not row["found"] for row in rows if row["question"] == "penalty") == 12
    assert "|12> of <" in view.summary_text


def test_texts_that_are_too_large_for_one_file_are_handed_over_in_several(tmp_path):
    workspace = Workspace(tmp_path, "run-a", "lead")
    line = b"x" * (FILE_BYTES * 2 // 5 - 1) + b"\n"
    names = closing.results(workspace, "results/a.jsonl", [], [{"item": "i1"}], [line] * 4)
    texts = {what: workspace.path(name).stat().st_size for what, name in names.items() if what.startswith("texts")}
    assert texts == {"texts": 2 * len(line), "texts_2": 2 * len(line)}
    assert names["texts_2"] == "results/a.texts.2.jsonl" and names["results"] == "results/a.jsonl"
    assert closing.parts([b"ab", b"c" * 9, b"d"], b"".join, 4) == [b"ab", b"d"]
