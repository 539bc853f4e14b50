"""Reads begin before their turn is on disk, what changes anything or reaches out of the process does not."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from bot.policy.gate import Decision, Effect, Verdict
from bot.store import schema as t
from bot.team.early import Early
from bot.team.record import Judged
from bot.tools.base import Outcome, Tool
from bot.tools.registry import Registry
from loopback.model.scripted import call
from tests.team.harness import worker


async def answers(_ctx, _args):
    return Outcome({"ok": True})


ALLOWED = Judged(Decision(Verdict.ALLOW, "a test"))
TOOLS = Registry(
    [
        Tool("look", "", Effect.READ, answers),
        Tool("write", "", Effect.WORKSPACE, answers),
        Tool("tell", "", Effect.TEAM, answers),
        Tool("web_fetch", "", Effect.READ, answers),
        Tool("mcp__crm__find", "", Effect.READ, answers),
        Tool("google__drive_read", "", Effect.READ, answers),
    ]
)


def asks(*names):
    return [{"type": "tool_use", "id": f"c{n}", "name": name, "input": {}} for n, name in enumerate(names)]


def played(make, content, judged=ALLOWED):
    """The calls as they are judged once the early ones have begun, which those were, and what is left to take."""
    begun = []

    async def made(call):
        begun.append(call["name"])
        return await make(call)

    async def play():
        early = Early(TOOLS)
        found = await early.begin(made, content, [judged] * len(content))
        left = [call["id"] for call in content if early.take(call["id"])]
        early.drop()
        return [one.status for one in found], begun, left

    return asyncio.run(play())


async def at_once(_call):
    return Outcome({"ok": True})


async def later(_call):
    await asyncio.sleep(0)
    return Outcome({"ok": True})


def test_only_reads_of_this_process_begin_early():
    names = ("look", "write", "tell", "web_fetch", "mcp__crm__find", "google__drive_read")
    told, begun, left = played(at_once, asks(*names))
    assert begun == ["look"] and left == []
    assert told == ["done", "intent", "intent", "intent", "intent", "intent"]


def test_a_read_that_takes_longer_is_awaited_once_the_turn_is_kept():
    assert played(later, asks("look", "look")) == (["intent", "intent"], ["look", "look"], ["c0", "c1"])


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome({}, parks={"for": "mail"}),
        Outcome({}, commit=lambda tx: None),
        Outcome({}, files=("a.csv",)),
        Outcome({}, labels={"readers": ["C"]}),
    ],
)
def test_a_read_that_brings_rows_of_its_own_is_recorded_by_itself(outcome):
    async def make(_call):
        return outcome

    assert played(make, asks("look")) == (["intent"], ["look"], ["c0"])


def test_what_was_not_allowed_or_carries_the_id_of_another_call_never_begins():
    refused = Judged(Decision(Verdict.ASK, "a test"))
    assert played(at_once, asks("look"), refused) == (["intent"], [], [])
    twins = [{**one, "id": "c0"} for one in asks("look", "look")]
    assert played(at_once, twins)[1] == []


def test_a_defect_of_a_read_is_met_where_it_is_awaited():
    async def breaks(_call):
        raise ZeroDivisionError

    assert played(breaks, asks("look")) == (["intent"], ["look"], ["c0"])


def test_a_turn_and_what_its_read_came_to_share_a_commit_and_a_write_waits_for_its_turn(tmp_path):
    steps = [
        [call("list_files", {})],
        [call("write_file", {"path": "a.txt", "text": "a"})],
        [call("finish", {"status": "done", "summary": "done", "reply": "Done."})],
    ]
    seen = []

    def script(body):
        seen.append(here_db[0].read_now(lambda c: list(c.execute(select(t.tool_call.c.name, t.tool_call.c.status)))))
        return steps[sum(m["role"] == "assistant" for m in body["messages"])]

    here_db = []

    async def scenario():
        async with worker(tmp_path, script) as here:
            here_db.append(here.db)
            view = await here.ended(await here.ask())
            assert view.run.status == "done"
            return await here.db.read(
                lambda c: list(c.execute(select(t.journal.c.kind, t.journal.c.at).order_by(t.journal.c.seq)))
            )

    rows = [(kind, at) for kind, at in asyncio.run(scenario()) if kind in ("turn", "tool.result")]
    assert [kind for kind, _ in rows][:4] == ["turn", "tool.result", "turn", "tool.result"]
    assert rows[0][1] == rows[1][1]  # one transaction, one time
    assert rows[2][1] < rows[3][1]
    assert seen[1] == [("list_files", "done")]
