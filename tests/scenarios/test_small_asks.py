"""Small asks stay small: one agent, one reply, no plan, no team; larger ones say how they are worked and why."""

from __future__ import annotations

import asyncio
import json

import pytest

from bot.local import Options, ask_once


def blocks(run):
    return [block for message in run["thread"] for block in message.get("blocks", [])]


@pytest.mark.parametrize("request_text", ["close summary", "digest this channel", "write me a poem about spring"])
def test_a_small_ask_is_one_agent_one_reply_and_no_plan(request_text):
    run = asyncio.run(ask_once(request_text, Options(seed=1, timeout_s=90)))
    assert [agent["name"] for agent in run["agents"]] == ["lead"]
    assert (run["tasks"], run["messages"]) == ([], [])
    assert "plan" not in {block["type"] for block in blocks(run)}
    assert len(run["thread"]) == 3  # the request, the acknowledgement, the reply


def test_a_large_ask_shows_its_plan_with_the_way_of_working_and_the_reason():
    run = asyncio.run(ask_once("close Q3 2026", Options(seed=1, approve="all", timeout_s=150)))
    assert run["run"]["status"] == "done"
    assert run["run"]["mode"] == "coordination"
    assert run["run"]["mode_reason"] in json.dumps(run["thread"], ensure_ascii=False)
    assert all(task["criteria"] and task["owner"] for task in run["tasks"])
