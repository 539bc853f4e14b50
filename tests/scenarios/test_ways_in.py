"""From the thread to the lead: what people said there meanwhile, and what the rules of its channel say."""

from __future__ import annotations

import asyncio
import json

from loopback.model.scripted import call
from tests.scenarios.scripted_stage import play
from tests.scenarios.test_asking import turns, who

RULES = """
version: 1
channels:
  {channel}:
    instructions: Amounts in thousands of euros.
    connectors: [crm]
"""


def looking(body):
    """Looks into the ledger, waits for a word from a person, and ends."""
    if who(body) != "lead":
        return [call("finish", {"status": "done", "summary": "ok", "verdicts": []})]
    steered = [one for one in told(body, "message") if one["data"].get("steer")]
    if turns(body) == 0:
        return [call("mcp__ledger__chart_of_accounts", {})]
    if not steered:
        return [call("wait", {})]
    if "answer_person" not in json.dumps(body["messages"]):
        return [call("answer_person", {"message": steered[0]["id"], "outcome": "unchanged", "text": "Read."})]
    return [call("finish", {"status": "refused", "summary": "Seen.", "reply": "Seen."})]


def blocks(body):
    return [b for m in body["messages"] if isinstance(m["content"], list) for b in m["content"]]


def told(body, tag):
    """What stands in each block of one tag, as an object."""
    texts = [b["text"] for b in blocks(body) if b["type"] == "text" and b["text"].startswith(f"<{tag}>")]
    return [json.loads(text.removeprefix(f"<{tag}>").removesuffix(f"</{tag}>")) for text in texts]


def test_the_lead_works_by_the_rules_of_its_channel_and_hears_the_thread_as_it_goes(tmp_path):
    asked = []

    def script(body):
        if who(body) == "lead":
            asked.append(body)
        return looking(body)

    async def scenario():
        (tmp_path / "access.yml").write_text(RULES.format(channel="CFINANCE"))
        async with play(tmp_path, script) as on:
            act = on.here.act
            first = await act(**{"as": "jonas"}, do="post", channel="finance", text="Is the accrual booked?")
            assert first["channel"] == "CFINANCE"
            said = await on.say(first["ts"], "@cadre look into it")
            run_id = await on.here.run_of(said["ts"], 60)
            await on.until(run_id, lambda view: [c.name for c in view.tool_calls][-1:] == ["wait"])
            await on.say(first["ts"], "@maya it is, since <!channel> Monday", person="jonas")
            await on.say(first["ts"], "@cadre go by what Jonas says")
            view = await on.until(run_id, lambda view: view.run.status == "stopped")
            assert "Amounts in thousands of euros." in json.dumps(asked[0]["messages"][0])
            heard = [[m["text"] for m in one["messages"]] for one in told(asked[-1], "thread")]
            assert heard == [["Is the accrual booked?"], ["@UMAYA it is, since @channel Monday"]]
            assert [one["messages"][0]["who"] for one in told(asked[-1], "thread")] == ["person", "person"]
            refused = next(c for c in view.tool_calls if c.name == "mcp__ledger__chart_of_accounts")
            assert refused.status == "refused" and view.run.model
            result = next(b for b in blocks(asked[-1]) if b["type"] == "tool_result")
            assert "work of this channel may reach crm, not ledger" in json.dumps(result)
            rows = await on.rows(run_id, "thread.said")
            assert len(rows) == 2

    asyncio.run(scenario())
