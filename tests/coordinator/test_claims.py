"""What a reply claims against the rows of its run: documents left out, quotes that nobody saw."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, update

from bot.coordinator import claims
from bot.store import items, journal
from bot.store.item_tables import item
from bot.store.items import Source
from bot.tools.team import open_agent
from tests.tools.harness import run_row, store


@pytest.fixture
def db(tmp_path):
    with store(tmp_path) as db:
        run_row(db, "run-a")
        yield db


def named(db, *documents):
    """The request named these documents of a Drive, by place and name."""

    def work(tx):
        told = json.dumps([{"ref": ref, "name": name} for ref, name in documents]).encode()
        inputs = {"named": journal.put_blob(tx, "T", told)}
        open_agent(tx, "run-a", "T", name="bulk1", role="item", kind="bulk", parent="lead", inputs=inputs)

    db.write_now(work)


def handed(db, *sources):
    db.write_now(lambda tx: items.fix(tx, "run-a", "T", "bulk1", "U", sources, "f", "m"))


def handed_in(db, reply):
    return db.read_now(lambda c: claims.check_handed_in(c, "run-a", reply))


def test_one_copy_stands_for_one_document_however_many_have_its_name(db):
    named(db, ("drive:1", "acme/contract.txt"), ("drive:2", "zeta/contract.txt"))
    handed(db, Source("contract.txt", "file:downloads/contract.txt", "downloads/contract.txt", sha256="a" * 64))
    told = handed_in(db, "Reviewed contract.txt.")
    assert not told.passed and "zeta/contract.txt" in told.evidence
    assert handed_in(db, "Reviewed one; zeta/contract.txt is left out, it is a draft.").passed


def test_what_was_handed_in_by_its_place_counts_whatever_it_is_called(db):
    named(db, ("drive:1", "acme/contract.txt"), ("drive:2", "zeta/contract.txt"))
    handed(db, Source("x", "drive:2", "x", sha256="a" * 64), Source("contract.txt", "file:c", "c/contract.txt"))
    assert handed_in(db, "Reviewed.").passed


def test_a_folder_that_was_not_looked_into_is_named(db):
    named(db, ("drive:1", "a.txt"), ("drive:9", "more/2019/"))
    handed(db, Source("a.txt", "drive:1", "a.txt", sha256="a" * 64))
    assert "more/2019/" in handed_in(db, "Reviewed.").evidence


def test_a_result_that_is_taken_over_still_says_what_could_not_be_read(db):
    source = Source("scan.pdf", "file:scan.pdf", "scan.pdf", sha256="a" * 64)
    gaps = "pages 3-9 could not be read"
    ended = {
        "status": "done",
        "reason": gaps,
        "result": "r" * 64,
        "document": "d" * 64,
        "windows": 1,
        "ended_at": 1.0,
    }
    handed(db, source)
    db.write_now(lambda tx: tx.execute(update(item).values(**ended)))
    run_row(db, "run-b")
    db.write_now(lambda tx: items.fix(tx, "run-b", "T", "bulk1", "U", [source], "f", "m"))
    kept = db.read_now(lambda c: c.execute(select(item).where(item.c.run_id == "run-b")).mappings().one())
    assert (kept["kept_from"], kept["reason"]) == ("run-a", gaps)
