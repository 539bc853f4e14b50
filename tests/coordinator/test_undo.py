"""An undo is rows: a lost answer or a crash in the middle repeats nothing, and what stays has its reason."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import insert, select, update

from bot.coordinator import undo
from bot.errors import DependencyFailed
from bot.store import leases, staging
from bot.store import schema as t
from bot.store.database import by_id
from tests.tools.harness import run_row, store

RUN = "run-a"


class Writer:
    """A hand on documents that counts; `trouble` strikes once at a key."""

    def __init__(self):
        self.undone, self.trouble, self.stays = [], "", {}

    async def undo(self, change, op_key, result, pre_image):
        if op_key == self.trouble:
            self.trouble = ""
            raise DependencyFailed("the line dropped")
        self.undone.append((op_key.rpartition("/")[2], change["args"]["file_id"], pre_image["was"]))
        return self.stays.get(op_key, "")


@pytest.fixture
def db(tmp_path):
    """A finished run that wrote three changes, the last to a file that the second made."""
    with store(tmp_path) as opened:
        run_row(opened, RUN, status="done")
        made = {}

        def write(tx):
            agent = {"team_id": "T", "run_id": RUN, "kind": "coordinator", "name": "_coordinator", "status": "live"}
            tx.execute(insert(t.agent).values(id=f"{RUN}/_coordinator", labels={}, wake_seq=1, **agent))
            for number in (1, 2, 3):
                file_id = made[2] if number == 3 else f"f{number}"
                kind = "drive_share" if number == 3 else "sheets_update"
                made[number] = staging.stage(
                    tx, RUN, "T", f"{RUN}/lead", kind=kind, args={"file_id": file_id}, op_key=f"{RUN}/lead/{number}",
                    target=f"t{number}", url="", precondition="", pre_image={"was": number},
                    post_image={"title": f"File {number}"},
                )  # fmt: skip
                tx.execute(
                    insert(t.effect).values(
                        op_key=f"{RUN}/lead/{number}", team_id="T", run_id=RUN, kind="write", target=f"t{number}",
                        args_sha256="", epoch=1, status="done", intended_at=0, applied_at=number,
                        result={"url": "", "target": f"made{number}", "revision": ""},
                    )
                )  # fmt: skip
            tx.execute(update(t.change_set).values(status="applied"))

        opened.write_now(write)
        yield opened


def run_of(db):
    return db.read_now(lambda c: by_id(c, t.run, RUN))


def ask(db, user="U"):
    return db.write_now(lambda tx: undo.ask(tx, run_of_tx(tx), user))


def run_of_tx(tx):
    return by_id(tx.connection, t.run, RUN)


def work(db, writer):
    claim = db.write_now(lambda tx: leases.claim(tx, f"{RUN}/_coordinator", "worker-1"))
    try:
        asyncio.run(undo.undo_all(db, writer, claim, run_of(db)))
        return db.write_now(lambda tx: undo.close(tx, claim, run_of_tx(tx)))
    finally:
        db.write_now(lambda tx: tx.execute(update(t.agent).values(lease_owner=None)))


def test_the_last_change_is_undone_first_and_each_with_what_was_there_before(db):
    writer = Writer()
    assert ask(db) == "done"
    told = work(db, writer)
    assert writer.undone == [("3", "made2", 3), ("2", "f2", 2), ("1", "f1", 1)]
    assert [one["title"] for one in told["restored"]] == ["File 3", "File 2", "File 1"] and told["kept"] == []
    assert db.read_now(lambda c: set(c.execute(select(t.change_set.c.status)).scalars())) == {"undone"}
    assert (run_of(db)["control"], ask(db)) == ("", "nothing")


def test_after_a_lost_answer_it_goes_on_where_it_was(db):
    writer = Writer()
    writer.trouble = f"{RUN}/lead/2"
    ask(db)
    with pytest.raises(DependencyFailed):
        work(db, writer)
    assert ask(db) == "already"
    work(db, writer)
    assert [one[0] for one in writer.undone] == ["3", "2", "1"]


def test_what_somebody_changed_stays_and_is_not_tried_again(db):
    writer = Writer()
    writer.stays = {f"{RUN}/lead/2": "File 2 was changed by someone."}
    ask(db)
    told = work(db, writer)
    assert [one["why"] for one in told["kept"]] == ["File 2 was changed by someone."]
    assert ask(db) == "nothing"


def test_only_the_requester_may_ask_and_only_when_the_work_is_over(db):
    assert ask(db, "U2") == "not_yours"
    db.write_now(lambda tx: tx.execute(update(t.run).values(status="working")))
    assert ask(db) == "live"
    assert "stop it first" in db.write_now(lambda tx: undo.ask_as_operator(tx, RUN))
    db.write_now(lambda tx: tx.execute(update(t.run).values(status="done")))
    assert db.write_now(lambda tx: undo.ask_as_operator(tx, RUN)) == ""
    assert "There is no run run-x" in db.write_now(lambda tx: undo.ask_as_operator(tx, "run-x"))
