"""The offline model's wire, driven by the real SDK: replies, streams, refusals, the prompt cache and every fault."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import get_type_hints

import aiohttp
import anthropic
import httpx2
import pytest
from anthropic.types import message_count_tokens_params, message_create_params

from loopback.control import CallLog, Clock, Faults, serve
from loopback.model import MODEL_ID, build, scripted, validate
from loopback.model.usage import input_tokens

HELLO = [{"role": "user", "content": "<request>hello</request>"}]
CLOSE = [{"role": "user", "content": "<request>close it</request>"}]
SYSTEM = "<skills>\n- closing: closes things\n    matches: (?i)close\n</skills>"
TOOLS = [{"name": "skill_open", "description": "opens", "input_schema": {"type": "object"}}]


@dataclass
class Served:
    client: anthropic.AsyncAnthropic
    url: str
    log: CallLog
    faults: Faults
    clock: Clock

    async def say(self, messages=CLOSE, **given):
        return await self.client.messages.create(
            **{"model": MODEL_ID, "max_tokens": 4000, "system": SYSTEM, "messages": messages} | given
        )

    async def stream(self, messages=CLOSE, **given):
        asked = {"model": MODEL_ID, "max_tokens": 4000, "system": SYSTEM, "messages": messages} | given
        async with self.client.messages.stream(**asked) as stream:
            return [event async for event in stream], await stream.get_final_message()


@asynccontextmanager
async def served(script=None) -> AsyncIterator[Served]:
    clock = Clock()
    log, faults = CallLog(clock), Faults()
    parts = {"log": log, "faults": faults, "clock": clock}
    runner, url = await serve(scripted.build(script, **parts) if script else build(**parts))
    try:
        async with anthropic.AsyncAnthropic(api_key="none", base_url=url, max_retries=0) as client:
            yield Served(client, url, log, faults, clock)
    finally:
        await runner.cleanup()


def run(body: Callable[[Served], Awaitable[None]], script=None) -> None:
    async def main() -> None:
        async with served(script) as server:
            await body(server)

    asyncio.run(main())


def test_a_plain_and_a_streamed_reply_are_the_same_message():
    async def body(server):
        plain = await server.say(tools=TOOLS)
        events, streamed = await server.stream(tools=TOOLS)
        assert [b.model_dump(exclude={"parsed_output"}) for b in streamed.content] == [
            b.model_dump() for b in plain.content
        ]
        assert (plain.stop_reason, streamed.stop_reason) == ("tool_use", "tool_use")
        assert plain.content[1].name == "skill_open"
        assert plain.content[1].input == {"name": "closing"}
        assert plain.usage.output_tokens == streamed.usage.output_tokens > 0
        kinds = [e.type for e in events]
        assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
        assert "content_block_delta" in kinds and "message_delta" in kinds

    run(body)


def test_a_stream_carries_a_ping_and_the_arguments_in_pieces():
    async def body(server):
        headers = {"x-api-key": "k", "anthropic-version": "2026-10-21"}
        asked = {"model": MODEL_ID, "max_tokens": 4000, "messages": HELLO, "stream": True}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{server.url}/v1/messages", json=asked, headers=headers) as r,
        ):
            text = await r.text()
            assert r.headers["request-id"].startswith("req_")
        assert "event: ping\n" in text
        assert text.count('"input_json_delta"') > 2

    run(body)


def test_every_reply_says_that_it_is_the_offline_playbook():
    async def body(server):
        reply = await server.say(HELLO)
        assert reply.content[0].text.startswith("Offline playbook, no language model.")

    run(body)


def test_models_and_token_counts_are_answered():
    async def body(server):
        assert [m.id async for m in server.client.models.list()] == [MODEL_ID]
        assert (await server.client.models.retrieve(MODEL_ID)).lifecycle == "active"
        counted = await server.client.messages.count_tokens(model=MODEL_ID, messages=HELLO, system=SYSTEM)
        assert counted.input_tokens == (await server.say(HELLO)).usage.input_tokens
        with pytest.raises(anthropic.NotFoundError):
            await server.say(model="claude-of-another-name")

    run(body)


def test_the_fields_known_to_the_server_are_those_of_the_sdk():
    known = set(get_type_hints(message_create_params.MessageCreateParamsBase))
    assert known | {"stream"} == validate._CREATED
    assert set(get_type_hints(message_count_tokens_params.MessageCountTokensParams)) == validate._COUNTED


USE = {"type": "tool_use", "id": "toolu_a", "name": "skill_open", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_a", "content": "{}"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"extra_body": {"temperature": 0}}, "temperature: this parameter was removed"),
        ({"extra_body": {"tempo": 1}}, "tempo: Extra inputs"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "first message"),
        ({"messages": [HELLO[0], HELLO[0]]}, "roles must alternate"),
        ({"messages": [{"role": "user", "content": [RESULT]}]}, "unexpected `tool_use_id`"),
        ({"messages": [HELLO[0], {"role": "assistant", "content": [USE]}]}, "without `tool_result`"),
        (
            {"messages": [HELLO[0], {"role": "assistant", "content": [USE]}, HELLO[0]]},
            "without `tool_result` blocks immediately after: toolu_a",
        ),
        ({"messages": [{"role": "user", "content": " "}]}, "must be non-empty"),
        ({"tool_choice": {"type": "tool", "name": "nothing"}}, "not found in provided tools"),
        ({"tool_choice": {"type": "maybe"}}, "does not match any of"),
        ({"tools": [TOOLS[0], TOOLS[0]]}, "must be unique"),
        ({"tools": [{"name": "a.b", "input_schema": {"type": "object"}}]}, "should match pattern"),
        ({"metadata": {"user": "x"}}, "metadata"),
        ({"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}] * 5}, "maximum of 4"),
    ],
)
def test_a_request_the_api_would_refuse_is_refused_with_the_field_named(given, said):
    async def body(server):
        with pytest.raises(anthropic.BadRequestError) as refused:
            await server.say(**given)
        assert said in str(refused.value)
        assert refused.value.body["error"]["type"] == "invalid_request_error"
        assert refused.value.request_id.startswith("req_")

    run(body)


def test_a_repeated_prefix_is_read_from_the_cache_until_it_expires():
    async def body(server):
        marked = {"type": "text", "text": "rules " * 2000, "cache_control": {"type": "ephemeral"}}
        first = (await server.say(HELLO, system=[marked])).usage
        assert first.cache_creation_input_tokens > 2000 and first.cache_read_input_tokens == 0
        again = (await server.say(CLOSE, system=[marked])).usage
        assert again.cache_read_input_tokens == first.cache_creation_input_tokens
        assert again.cache_creation_input_tokens == 0
        assert again.input_tokens < 20
        changed = (await server.say(HELLO, system=[{**marked, "text": "laws " * 2000}])).usage
        assert changed.cache_read_input_tokens == 0
        server.clock.advance(301)
        assert (await server.say(HELLO, system=[marked])).usage.cache_read_input_tokens == 0

    run(body)


def test_an_automatic_breakpoint_reads_the_conversation_so_far():
    async def body(server):
        said = [{"role": "user", "content": "word " * 2000}]
        auto = {"type": "ephemeral"}
        await server.say(said, cache_control=auto)
        longer = [*said, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "and " * 2000}]
        usage = (await server.say(longer, cache_control=auto)).usage
        assert usage.cache_read_input_tokens > 2000
        assert usage.cache_creation_input_tokens > 1500
        assert usage.input_tokens == 0

    run(body)


def test_a_reply_longer_than_max_tokens_stops_inside_its_call():
    async def body(server):
        plain = await server.say(max_tokens=25)
        assert plain.stop_reason == "max_tokens"
        _, streamed = await server.stream(max_tokens=25)
        assert streamed.stop_reason == "max_tokens"
        assert streamed.content[-1].input == plain.content[-1].input == {}

    run(body)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("overloaded", anthropic.InternalServerError),
        ("429", anthropic.RateLimitError),
        ("5xx", anthropic.InternalServerError),
        ("accept_then_drop", anthropic.APIConnectionError),
    ],
)
def test_a_fault_that_refuses_a_request_strikes_once_and_is_typed(kind, error):
    async def body(server):
        server.faults.add({"match": "messages", "kind": kind})
        with pytest.raises(error):
            await server.say()
        assert (await server.say()).stop_reason == "tool_use"

    run(body)


def test_the_sdk_gets_over_an_overload_by_itself():
    async def body(server):
        server.faults.add({"match": "messages", "kind": "429", "retry_after_s": 0.01})
        patient = server.client.with_options(max_retries=1)
        reply = await patient.messages.create(model=MODEL_ID, max_tokens=500, messages=HELLO)
        assert reply.stop_reason == "tool_use"

    run(body)


def test_a_cut_stream_breaks_in_the_middle_and_an_error_event_is_an_error():
    async def body(server):
        server.faults.add({"match": "", "kind": "cut"})
        with pytest.raises(httpx2.RemoteProtocolError):
            await server.stream()
        server.faults.add({"match": "", "kind": "error_event"})
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            await server.stream()

    run(body)


def test_faults_of_content_change_only_how_the_reply_ends():
    async def body(server):
        for kind, stop_reason, blocks in (
            ("refusal", "refusal", 0),
            ("pause", "pause_turn", 1),
            ("empty", "end_turn", 0),
            ("max_tokens", "max_tokens", 2),
        ):
            for say in (server.say, server.stream):
                server.faults.add({"match": "", "kind": kind})
                reply = await say()
                reply = reply[1] if isinstance(reply, tuple) else reply
                assert (reply.stop_reason, len(reply.content)) == (stop_reason, blocks)

    run(body)


def test_a_fault_finds_its_request_by_agent_by_tool_and_by_content():
    async def body(server):
        for match in ("r1/lead", "skill_open", {"contains": "close it"}):
            server.faults.add({"match": match, "kind": "empty", "rate": 1})
            other = await server.say(HELLO, metadata={"user_id": "r1/scout"})
            assert other.stop_reason == "tool_use"
            struck = await server.say(CLOSE, metadata={"user_id": "r1/lead"})
            assert struck.stop_reason == "end_turn"
            server.faults.reset()

    run(body)


def test_a_dropped_call_is_left_out_as_if_forgotten():
    async def body(server):
        server.faults.add({"match": {"name": "skill_open", "contains": "closing"}, "kind": "drop"})
        reply = await server.say()
        assert [b.type for b in reply.content] == ["text"]
        assert (await server.say()).content[1].name == "skill_open"

    run(body)


def test_a_delay_holds_the_reply_back():
    async def body(server):
        server.faults.add({"match": "", "kind": "delay", "delay_s": 0.05})
        started = asyncio.get_running_loop().time()
        await server.say()
        assert asyncio.get_running_loop().time() - started >= 0.05

    run(body)


def test_the_control_interface_shows_the_log_and_takes_faults():
    async def body(server):
        async with aiohttp.ClientSession() as http:
            await http.post(f"{server.url}/_local/fault", json={"match": "", "kind": "empty"})
            assert (await server.say(metadata={"user_id": "r1/lead"})).stop_reason == "end_turn"
            rows = (await (await http.get(f"{server.url}/_local/log?since=0")).json())["log"]
            assert [(r["kind"], r["user"]) for r in rows] == [("request", "r1/lead"), ("response", "r1/lead")]
            assert rows[1]["fault"] == "empty"
            await http.post(f"{server.url}/_local/reset")
            assert (await (await http.get(f"{server.url}/_local/state")).json())["answered"] == 0

    run(body)


def test_a_scripted_model_speaks_through_the_same_wire():
    def script(request):
        if any(m["role"] == "assistant" for m in request["messages"]):
            return [scripted.text("done")]
        return [scripted.text("looking"), scripted.call("look", {"at": 1}), scripted.call("look", {"at": 2})]

    async def body(server):
        _, reply = await server.stream()
        assert reply.stop_reason == "tool_use"
        assert [b.input for b in reply.content[1:]] == [{"at": 1}, {"at": 2}]
        assert len({b.id for b in reply.content[1:]}) == 2
        server.faults.add({"match": "look", "kind": "drop", "rate": 1})
        assert (await server.say()).stop_reason == "end_turn"

    run(body, script)


def test_the_server_runs_alone_and_ends_when_told():
    async def main():
        command = [sys.executable, "-m", "loopback.model"]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        told = json.loads(await process.stdout.readline())
        async with aiohttp.ClientSession() as http:
            services = await (await http.get(f"{told['control_url']}/_local/services")).json()
        assert services == {"model": told}
        process.terminate()
        await process.communicate()
        assert process.returncode == 0

    asyncio.run(main())


def test_a_deferred_tool_takes_no_room_until_a_result_refers_to_it():
    tool = {
        "name": "mcp__a__b",
        "description": "x" * 4_000,
        "input_schema": {"type": "object"},
        "defer_loading": True,
    }
    asked = {"role": "user", "content": "hello"}
    bare, offered = {"messages": [asked]}, {"messages": [asked], "tools": [tool]}
    part = {"type": "tool_reference", "tool_name": "mcp__a__b"}
    found = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [part]}]}
    assert input_tokens(offered) == input_tokens(bare)
    assert input_tokens({"messages": [asked, found], "tools": [tool]}) > input_tokens(bare) + 1_000
