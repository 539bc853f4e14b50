"""What a change's target was before is kept whole, whatever its size; access is a change set of its own."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bot.store import schema as t
from bot.store import staging
from tests.tools.harness import run_row, store


@pytest.fixture
def db(tmp_path):
    with store(tmp_path) as opened:
        run_row(opened, "run-a")
        yield opened


def stage(db, number, kind="sheets_update", image=None):
    return db.write_now(
        lambda tx: staging.stage(
            tx, "run-a", "T", "run-a/lead", kind=kind, args={"n": number}, op_key=f"run-a/lead/{number}",
            target=f"t{number}", url="", precondition="", pre_image=image or {}, post_image={},
        )
    )  # fmt: skip


@pytest.mark.parametrize("cells", [1, 5_000])
def test_a_pre_image_comes_back_as_it_was_and_a_large_one_is_a_blob(db, cells):
    image = {"cells": [["é" * 3] * cells]}
    name = stage(db, 1, image=image)
    row = db.read_now(lambda c: c.execute(select(t.change).where(t.change.c.id == name)).mappings().one())
    assert ("blob" in row["pre_image"]) == (cells > 1)
    assert db.read_now(lambda c: staging.pre_image(c, row)) == image


def test_access_and_documents_are_different_change_sets(db):
    for number, kind in enumerate(("sheets_update", staging.ACCESS, "docs_edit", staging.ACCESS)):
        stage(db, number, kind)
    rows = db.read_now(lambda c: c.execute(select(t.change.c.kind, t.change.c.change_set_id)).all())
    sets = {row.change_set_id for row in rows if row.kind == staging.ACCESS}
    assert len(sets) == 1
    assert len({row.change_set_id for row in rows} - sets) == 1
