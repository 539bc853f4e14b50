"""A call that changes something others see is shown to the requester first, made once, or not at all."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request

import pytest

from bot.coordinator.control import decide
from loopback.model.scripted import call
from tests.scenarios.scripted_stage import play

NOTE = {"campaign": "", "text": "Launch moved to <Monday> & told to all"}


def who(body):
    return body["metadata"]["user_id"].split("/")[-1]


def turns(body):
    return sum(m["role"] == "assistant" for m in body["messages"])


def noting(body):
    """Looks up the campaigns, adds a note to the first, and says what came of it."""
    if who(body).startswith("verifier"):
        return [call("finish", {"status": "done", "summary": "ok", "verdicts": []})]
    if turns(body) == 0:
        return [call("mcp__crm__campaigns", {})]
    if turns(body) == 1:
        NOTE["campaign"] = re.search(r"campaigns/([\w-]+)", last(body))[1]
        return [call("mcp__crm__add_note", dict(NOTE))]
    words = "It was noted." if '"ok":true' in last(body) else "It was not noted."
    return [call("finish", {"status": "refused", "summary": last(body)[:400], "reply": words})]


def last(body):
    """The text of the last result."""
    block = [b for b in body["messages"][-1]["content"] if b["type"] == "tool_result"][-1]
    return block["content"][0]["text"]


async def card(on, ts):
    async with asyncio.timeout(60):
        while True:
            for message in await on.here.thread("finance", ts):
                if "add_note" in message["text"] and "Approve" in str(message.get("blocks")):
                    return message
            await asyncio.sleep(0.02)


def notes(on):
    """The notes of every campaign in the CRM as its own pages show them."""
    base = on.here.ready["crm"]["url"].removesuffix("/mcp")
    with urllib.request.urlopen(f"{base}/campaigns/{NOTE['campaign']}", timeout=10) as page:
        return json.load(page).get("notes", [])


@pytest.mark.parametrize("pressed", ["approve", "reject"])
def test_a_write_through_mcp_is_made_once_after_approval_and_never_after_a_rejection(tmp_path, pressed):
    async def scenario():
        async with play(tmp_path, noting) as on:
            run_id, ts = await on.ask()
            shown = await card(on, ts)
            assert "May lead call crm: add_note once?" in shown["text"]
            assert NOTE["text"] in preformatted(shown)
            assert notes(on) == []
            refused = await on.here.act(
                **{"as": "jonas"}, do="click", channel="finance", ts=shown["ts"], action_id=pressed
            )
            assert refused is not None and notes(on) == []
            await on.here.act(**{"as": "maya"}, do="click", channel="finance", ts=shown["ts"], action_id=pressed)
            view = await on.until(run_id, lambda v: v.run.status == "stopped")
            (asked,) = view.approvals
            made = [c for c in view.tool_calls if c.name == "mcp__crm__add_note"]
            effects = [e.target for e in view.effects]
            told = await on.db.write(lambda tx: decide(tx, asked.id, view.run.requester, True, asked.args_sha256))
            assert told == "already"
            if pressed == "approve":
                assert (asked.status, view.run.error["message"]) == ("approved", "It was noted.")
                assert notes(on) == [NOTE["text"]]
                assert [c.status for c in made] == ["done"] and effects == ["mcp__crm__add_note"]
            else:
                assert (asked.status, view.run.error["message"]) == ("rejected", "It was not noted.")
                assert notes(on) == [] and effects == []
                assert [c.status for c in made] == ["failed"]

    asyncio.run(scenario())


def preformatted(message):
    """The text of the card's preformatted blocks, as JSON tells it."""
    found = [
        part["text"]
        for block in message["blocks"]
        if block["type"] == "rich_text"
        for element in block["elements"]
        if element["type"] == "rich_text_preformatted"
        for part in element["elements"]
    ]
    return json.loads("".join(found))["text"]
