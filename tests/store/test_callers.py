"""What callers over MCP see and may do is what their person sees and may do in Slack."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import insert

from bot.mcp.work import Desk, Refused
from bot.policy.access import Access, Rules
from bot.skills import SkillLibrary
from bot.store import people
from bot.store import schema as t
from bot.store.callers import Person as Caller
from bot.store.database import Database
from bot.types import Person

MAYA = Caller("T", "UMAYA", "CFIN")


@pytest.fixture
def db(tmp_path):
    db = Database(f"sqlite:///{tmp_path / 'cadre.db'}", time.time)
    db.migrate()
    row = {
        "id": "run-1", "team_id": "T", "requester": "UJONAS", "credential_owner": "UJONAS", "channel": "CFIN",
        "kind": "mention", "request": "salaries of the board", "status": "working", "summary": "one million",
        "model": "m", "offline": True, "created_at": 1.0, "labels": {},
    }  # fmt: skip
    db.write_now(lambda tx: tx.execute(insert(t.run).values(**row)))
    yield db
    db.close()


def sees(db, access):
    """The runs listed, and whether one may be read and stopped."""
    desk = Desk(db, access, SkillLibrary())

    async def scenario():
        listed = [one["run_id"] for one in await desk.runs(MAYA, 5)]
        may = []
        for act in (desk.run, desk.cancel):
            try:
                await act(MAYA, "run-1")
                may.append(True)
            except Refused:
                may.append(False)
        return listed, *may

    return asyncio.run(scenario())


def test_who_may_see_may_look_and_who_may_ask_may_stop(db):
    assert sees(db, Access()) == (["run-1"], True, True)
    assert sees(db, Access(people={"UMAYA": "see"})) == (["run-1"], True, False)
    assert sees(db, Access(people={"UMAYA": "nothing"})) == ([], False, False)
    closed = Access(channels={"CFIN": Rules(everyone="nothing")})
    assert sees(db, closed) == ([], False, False)


def test_guests_and_members_of_groups_are_judged_as_slack_knows_them(db):
    db.write_now(lambda tx: people.keep(tx, "T", Person("UMAYA", "guest", (), "maya")))
    assert sees(db, Access()) == ([], False, False)
    db.write_now(lambda tx: people.keep(tx, "T", Person("UMAYA", "member", ("S0FIN",), "maya")))
    assert sees(db, Access(everyone="nothing", groups={"S0FIN": "see"})) == (["run-1"], True, False)


def test_somebody_unknown_is_not_let_in_where_user_groups_decide(db):
    with pytest.raises(Refused, match="user groups"):
        sees(db, Access(groups={"S0FIN": "nothing"}))
