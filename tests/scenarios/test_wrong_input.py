"""Input that cannot be used is told in the thread, once, naming what is wrong and where; nothing is written."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from bot.errors import OperatorMustFix
from bot.local import Options, ask_once, stage
from bot.store.schema import run

ENTRIES = """entry_id,date,account,department,description,debit,credit
JE-1,2026-07-03,6100,Sales,Flights to the fair,1200.00,0.00
JE-1,2026-07-03,1000,,Flights to the fair,0.00,1200.00
JE-2,2026-08-14,4000,Sales,Ten sensors sold,0.00,{sold}
JE-2,2026-08-14,1000,,Ten sensors sold,5000.00,0.00
"""
ACCOUNTS = "account,name,type\n1000,Cash,asset\n4000,Product revenue,income\n6100,Travel,expense\n"
PLAN = "account,department,2026-Q2,2026-Q3\n"
PLANNED = "4000,Sales,4000.00,{planned}\n6100,Sales,900.00,1000.00\n"


@pytest.fixture
def close(tmp_path):
    """Close the quarter of a folder of files; gives the run as JSON and the texts of its thread."""

    def work(sold="5000.00", planned="5200.00", plan=PLAN + PLANNED):
        (tmp_path / "entries.csv").write_text(ENTRIES.format(sold=sold))
        (tmp_path / "accounts.csv").write_text(ACCOUNTS)
        if plan is not None:
            (tmp_path / "FY26 plan.csv").write_text(plan.format(planned=planned))
        result = asyncio.run(ask_once("close Q3 2026", Options(data=tmp_path, timeout_s=90, approve="all")))
        return result, [message["text"] for message in result["thread"]]

    return work


def test_a_folder_of_plain_files_is_closed_and_its_figures_are_exact(close):
    result, _ = close()
    assert (result["run"]["status"], result["run"]["error"]) == ("done", None)
    figures = {f["id"]: f["value"] for f in result["figures"]}
    assert (figures["revenue_variance"], figures["opex_variance"]) == ("-200.00", "200.00")
    assert all(e["url"].startswith("http") for e in result["evidence"])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"plan": PLAN}, ["FY26 plan.csv has a header row and nothing below it", "2026-Q3"]),
        ({"plan": ""}, ["FY26 plan.csv is empty", "2026-Q3"]),
        ({"plan": None}, ["No table with accounts and a column for 2026-Q3", "shared files"]),
        ({"planned": "about five"}, ["FY26 plan.csv, cell D2", "about five", "column 2026-Q3"]),
        ({"sold": "not yet"}, ["entries.csv, line 4, column credit", "not yet"]),
    ],
    ids=["a sheet without rows", "an empty sheet", "no forecast", "text in the sheet", "text in the ledger"],
)
def test_the_thread_names_what_is_wrong_and_where(close, wrong, words):
    result, texts = close(**wrong)
    assert result["run"]["status"] == "failed"
    assert result["effects"] == []
    (told,) = [text for text in texts if all(word in text for word in words)]
    assert told == texts[-1]


def test_a_ledger_that_does_not_balance_is_reported_with_entry_and_difference(close):
    result, texts = close(sold="4900.00")
    assert result["run"]["status"] == "done"
    (imbalance,) = [f for f in result["findings"] if f["kind"] == "imbalance"]
    assert (imbalance["entries"], imbalance["amount"]) == (["JE-2"], "100.00")
    assert [text for text in texts if "JE-2" in text and "100.00" in text]


def test_in_a_channel_that_the_assistant_is_not_in_the_person_is_told_how_to_invite_it(tmp_path):
    async def scenario():
        async with stage(Options(timeout_s=60), tmp_path) as here:
            await here.act(**{"as": "maya"}, do="leave", channel="finance", user="cadre")
            asked = {"do": "slash", "channel": "finance", "command": "/quarter-close", "text": "Q3 2026"}
            answer = await here.act(**{"as": "maya"}, **asked)
            return answer["ack"], await here.process.db.read(lambda c: c.execute(select(run.c.id)).all())

    told, runs = asyncio.run(scenario())
    assert told["response_type"] == "ephemeral"
    assert "I am not in this channel" in told["text"]
    assert "/invite @cadre" in told["text"]
    assert runs == []


@pytest.mark.parametrize(
    ("request_", "options", "error", "words"),
    [
        ("close Q3 2026", Options(channel="leads"), OperatorMustFix, "not in #leads"),
        ("close Q3 2026", Options(timeout_s=0.5), OperatorMustFix, "Not done within 0.5 s"),
    ],
    ids=["a channel it does not hear", "too little time"],
)
def test_the_shell_says_why_a_request_came_to_nothing(request_, options, error, words):
    with pytest.raises(error, match=words):
        asyncio.run(ask_once(request_, options))


def test_a_quarter_that_no_year_has_is_an_unknown_period(tmp_path):
    result = asyncio.run(ask_once("close Q9 2026", Options(timeout_s=60)))
    assert result["run"]["status"] == "failed"
    assert "no period “2026-Q9”" in result["thread"][-1]["text"]
