"""Another assistant uses Cadre over MCP: it starts work as a person of Slack, follows it and answers its questions."""

from __future__ import annotations

import asyncio
import json

import pytest

from bot.store import callers
from connectors.mcp import Answer, Caller, CallParked, McpFailure, McpHost
from loopback.model.scripted import call
from tests.scenarios.scripted_stage import play

QUESTION = {"question": "Which quarter?", "options": ["Q2", "Q3"]}


def asks_first(body):
    """Asks a person one thing, then ends with the answer."""
    if body["metadata"]["user_id"].split("/")[-1].startswith("verifier"):
        return [call("finish", {"status": "done", "summary": "ok", "verdicts": []})]
    results = [
        b for m in body["messages"] for b in m["content"] if isinstance(b, dict) and b["type"] == "tool_result"
    ]
    if not results:
        return [call("ask_person", QUESTION)]
    said = json.loads(results[0]["content"][0]["text"])["answer"]
    return [call("finish", {"status": "refused", "summary": said, "reply": f"You said {said}."})]


def host(url, token):
    entry = {"url": f"{url}/mcp", "headers": {"Authorization": f"Bearer {token}"}, "x-cadre": {"trust": True}}
    return McpHost({"mcpServers": {"cadre": entry}})


async def waits(client, name, args, holds, who):
    async with asyncio.timeout(60):
        while True:
            found = (await client.call(name, args, caller=who)).structured
            if holds(found):
                return found
            await asyncio.sleep(0.1)


def test_another_assistant_starts_follows_and_answers_work_as_the_person_of_its_token(tmp_path):
    async def scenario():
        async with play(tmp_path, asks_first) as on:
            db, url = on.db, on.here.process.base_url
            maya = db.write_now(lambda tx: callers.make(tx, "T0LOCAL", "UMAYA", "CFINANCE", "agent"))
            jonas = db.write_now(lambda tx: callers.make(tx, "T0LOCAL", "UJONAS", "CGENERAL", "other"))
            alone = Caller(run="r1")
            async with host(url, maya) as mine, host(url, jonas) as other, host(url, "cadre_guess") as nobody:
                tools = {t.tool: t for t in await mine.tools("cadre", caller=alone)}
                assert {n for n, t in tools.items() if t.read_only} == {"get_run", "list_runs", "list_skills"}
                assert all(t.output_schema for t in tools.values()) and tools["cancel_run"].destructive
                with pytest.raises(McpFailure):
                    await nobody.tools("cadre", caller=alone)

                asking = Caller(run="r1", interactive=True)
                with pytest.raises(CallParked) as working:
                    await mine.call("mcp__cadre__start_run", {"request": "look at it", "key": "k1"}, caller=asking)
                parked = working.value.parked
                assert parked.kind == "task"
                run_id = parked.task_id
                asked = await waits(mine, "mcp__cadre__get_run", {"run_id": run_id}, lambda r: r["questions"], asking)
                assert [q["text"] for q in asked["questions"]] == ["Which quarter?"]
                with pytest.raises(CallParked) as again:
                    await mine.call("mcp__cadre__start_run", {"request": "look at it", "key": "k1"}, caller=asking)
                assert again.value.parked.task_id == run_id

                unseen = await other.call("mcp__cadre__get_run", {"run_id": run_id}, caller=alone)
                assert unseen.is_error and "no run" in unseen.text
                guessed = {"run_id": run_id, "question_id": asked["questions"][0]["question_id"], "answer": "Q2"}
                assert (await other.call("mcp__cadre__answer_question", guessed, caller=alone)).is_error

                with pytest.raises(CallParked) as question:
                    await mine.resume(parked, caller=asking)
                parked = question.value.parked
                (form,) = parked.questions
                assert (form.message, list(form.schema["properties"])) == ("Which quarter?", ["answer"])
                given, result = {form.key: Answer("accept", {"answer": "Q3"})}, None
                async with asyncio.timeout(60):
                    while result is None:
                        try:
                            result = await mine.resume(parked, given, caller=asking)
                        except CallParked as later:
                            parked, given = later.parked, {}
                            await asyncio.sleep(0.1)
                        except McpFailure as over:
                            result = str(over)
                told = await waits(
                    mine,
                    "mcp__cadre__get_run",
                    {"run_id": run_id},
                    lambda r: r["status"] == "stopped" and r["thread"],
                    alone,
                )
                assert told["summary"] == "You said Q3."
                listed = (await mine.call("mcp__cadre__list_runs", {}, caller=alone)).structured
                assert [r["run_id"] for r in listed["runs"]] == [run_id]
                skills = (await mine.call("mcp__cadre__list_skills", {}, caller=alone)).structured
                assert "quarterly-close" in {s["name"] for s in skills["skills"]}

                with pytest.raises(CallParked) as begun:
                    await mine.call("mcp__cadre__start_run", {"request": "look again"}, caller=alone)
                second = begun.value.parked.task_id
                over = await mine.call("mcp__cadre__cancel_run", {"run_id": second}, caller=alone)
                assert not over.is_error
                await waits(
                    mine, "mcp__cadre__get_run", {"run_id": second}, lambda r: r["status"] == "stopped", alone
                )
                assert db.write_now(lambda tx: callers.revoke(tx, "T0LOCAL", "UMAYA", "agent")) == 1
                with pytest.raises(McpFailure):
                    await mine.call("mcp__cadre__list_runs", {}, caller=alone)
            texts = [m["text"] for m in (await shown(on, "CFINANCE"))]
            assert any("look at it" in text for text in texts)

    asyncio.run(scenario())


async def shown(on, channel):
    import aiohttp

    url = f"{on.here.control}/_local/messages"
    async with aiohttp.ClientSession() as http, http.get(url, params={"channel": channel}) as reply:
        return (await reply.json())["messages"]
