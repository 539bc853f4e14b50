"""What a server tells and answers, page by page and checked, from one that does it wrong."""

import asyncio
import base64
import json

import mcp_types as types
import pytest
from aiohttp import web

from connectors.mcp import McpHost, ProtocolFailure, ServerDown, UnknownOutcome
from connectors.mcp.content import call_result, preview
from tests.connectors.mcp_stub import Stub, text

TOTAL = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}


def run(main):
    asyncio.run(main())


def modern(stub, **ours):
    return McpHost({"mcpServers": {"crm": stub.entry(**ours)}})


def answering(result, schema=None):
    async def tool(_params, _who):
        return result

    if schema is not None:
        tool.schema = schema
    return tool


def test_every_page_of_the_tools_is_read_and_a_cursor_that_repeats_ends_it():
    async def main():
        tools = {f"tool{n}": answering(text("x")) for n in range(7)}
        async with Stub(tools) as stub, modern(stub) as host:
            stub.page, stub.loops = 3, True
            assert [t.tool for t in await host.tools("crm")] == list(tools)
            assert stub.times("tools/list") == 3

    run(main)


def test_an_entry_decides_which_tools_are_offered_at_all():
    async def main():
        tools = {name: answering(text("x")) for name in ("read_one", "read_all", "write_one")}
        async with Stub(tools) as stub, modern(stub, allow=["read_*"], deny=["*_all"]) as host:
            assert [t.tool for t in await host.tools("crm")] == ["read_one"]

    run(main)


def test_an_answer_off_its_schema_is_a_failure_that_the_model_can_read():
    wrong = {**text("about 5"), "structuredContent": {"total": "5"}}
    tools = {
        "right": answering({**text("5"), "structuredContent": {"total": 5}}, TOTAL),
        "wrong": answering(wrong, TOTAL),
        "missing": answering(text("about 5"), TOTAL),
        "elsewhere": answering(wrong, {"$ref": "https://example.com/schema.json"}),
        "failed": answering({**text("no such period"), "isError": True}, TOTAL),
    }

    async def main():
        async with Stub(tools) as stub:
            async with modern(stub) as host:
                answers = {name: await host.call(f"mcp__crm__{name}", {}) for name in tools}
            assert answers["right"].structured == {"total": 5} and not answers["right"].is_error
            assert answers["wrong"].is_error and "total: '5' is not of type 'integer'" in answers["wrong"].text
            assert answers["wrong"].text.endswith("about 5")
            assert answers["missing"].is_error and "without the structured content" in answers["missing"].text
            assert answers["failed"].text == "no such period"
            # A schema that leads elsewhere is not fetched, and can say nothing.
            assert answers["elsewhere"].structured == {"total": "5"}
            async with modern(stub, check_output=False) as host:
                assert (await host.call("mcp__crm__wrong", {})).structured == {"total": "5"}

    run(main)


@pytest.mark.timeout(30)
def test_a_schema_that_cannot_be_used_takes_nothing_away_from_what_was_done():
    done = {**text("done"), "structuredContent": {"total": "a" * 40 + "!"}}
    tools = {
        "loops": answering(done, {"type": "object", "$ref": "#"}),
        "slow": answering(done, {"type": "object", "properties": {"total": {"pattern": "(a+)+$"}}}),
    }

    async def main():
        async with Stub(tools) as stub, modern(stub) as host:
            for name in tools:
                told = await host.call(f"mcp__crm__{name}", {})
                assert not told.is_error and told.structured == done["structuredContent"]

    run(main)


def of(*blocks, structured=None, is_error=False):
    told = {"content": list(blocks), "structuredContent": structured, "isError": is_error}
    return call_result(types.CallToolResult.model_validate(told, by_name=False), 10_000)


def block(words, **more):
    return {"type": "text", "text": words, **more}


LINK = {"type": "resource_link", "uri": "crm://log", "name": "log"}
FOR_PEOPLE = {"annotations": {"audience": ["user"]}}


@pytest.mark.parametrize(
    ("structured", "blocks", "beside"),
    [
        ({"rows": 6}, [block('{ "rows": 6 }')], ""),
        ({"result": "fine"}, [block("fine")], ""),
        ({"result": [{"a": 1}, {"a": 2}]}, [block('{"a": 1}'), block('{"a": 2}')], ""),
        ({"rows": 6}, [block("3 of 9 rows were skipped"), LINK], "3 of 9 rows were skipped\nlog: crm://log"),
        ({"rows": 6}, [block("[" * 100_000)], "[" * 10_000 + "\n[cut: 100000 bytes, 10000 shown]"),
        ({"rows": 6}, [block("Dear person", **FOR_PEOPLE)], ""),
    ],
)
def test_what_is_said_beside_structured_content_is_told_apart_from_its_repetition(structured, blocks, beside):
    assert of(*blocks, structured=structured).beside == beside


def test_what_is_meant_for_people_only_is_kept_for_them_and_an_error_is_read_by_all():
    told = of(block("for both"), block("Dear person", **FOR_PEOPLE), {**LINK, **FOR_PEOPLE})
    assert told.text == "for both"
    assert [a.data for a in told.attachments] == [b"Dear person", b"log: crm://log"]
    assert of(block("It failed", **FOR_PEOPLE), is_error=True).text == "It failed"


def test_no_secret_of_the_entry_comes_back_in_an_answer_and_common_words_stay():
    key, pem = "sk-live-SECRET123", 'line "one" 77\nline two'
    environ = {"KEY": key, "PEM": pem, "MODE": "production", "HOME_OF_IT": "/home/cadre", "REGION": "eu-central-1",
               "HOST": "https://example.com/mcp", "PIN": "4711"}  # fmt: skip
    told = json.dumps(environ)
    file = {"uri": "crm://env.txt", "mimeType": "text/plain", "blob": base64.b64encode(told.encode()).decode()}
    picture = {
        "uri": "crm://a.png",
        "mimeType": "image/png",
        "blob": base64.b64encode(b"\xff" + key.encode()).decode(),
    }
    answer = {
        "structuredContent": {"environ": [environ], "all": told},
        "content": [block(told), {"type": "resource", "resource": file}, {"type": "resource", "resource": picture}],
    }

    async def main():
        async with Stub({"environ": answering(answer)}) as stub:
            entry = {**stub.entry(), "headers": {f"X-{name}": f"${{{name}}}" for name in environ}}
            entry["headers"].pop("X-PEM")
            entry["oauth"] = {"clientId": "c", "clientSecret": "${PEM}"}
            async with McpHost({"mcpServers": {"crm": entry}}, environ=environ) as host:
                got = await host.call("mcp__crm__environ", {})
        wanted = {**environ, "KEY": "***", "PEM": "***"}
        assert got.structured["environ"] == [wanted]
        assert [json.loads(said) for said in (got.structured["all"], got.beside.split("\n")[0])] == [wanted] * 2
        assert json.loads(got.attachments[0].data) == wanted and got.text.startswith(json.dumps(wanted))
        assert got.attachments[1].data.startswith(b"\xff")  # what is no text is left whole

    run(main)


def test_a_tool_that_says_too_much_of_itself_is_left_out_by_name_and_the_others_stay():
    huge = {"type": "object", "properties": {"a": {"description": "do this now. " * 200_000}}}

    async def main():
        tools = {"huge": answering(text("x"), huge), "fine": answering(text("x"), TOTAL)}
        async with Stub(tools) as stub, modern(stub) as host:
            assert [t.tool for t in await host.tools("crm")] == ["fine"]
            assert host.status()[0].left_out == ("huge",)

    run(main)


def test_an_answer_off_the_protocol_is_named_and_the_next_is_taken():
    async def main():
        tools = {"odd": answering({"content": "words"}), "even": answering(text("fine"))}
        async with Stub(tools) as stub, modern(stub) as host:
            with pytest.raises(ProtocolFailure, match="answered off the protocol"):
                await host.call("mcp__crm__odd", {})
            assert (await host.call("mcp__crm__even", {})).text == "fine"

    run(main)


def test_servers_start_beside_each_other_and_one_that_cannot_delays_nobody():
    async def main():
        async with Stub({"one": answering(text("x"))}) as stub:
            nowhere = {"command": "/no/such/program"}
            async with McpHost({"mcpServers": {"gone": nowhere, "crm": stub.entry()}}) as host:
                assert [t.name for t in await host.tools()] == ["mcp__crm__one"]
                states = {s.alias: (s.state, s.error) for s in host.status()}
                assert states["gone"] == (
                    "down", "MCP server gone did not start: the program /no/such/program is not installed.",
                )  # fmt: skip
                with pytest.raises(ServerDown):
                    await host.tools("gone")

    run(main)


async def passing_on(_params, _who):
    raise web.HTTPBadGateway


async def busy(_params, _who):
    raise web.HTTPServiceUnavailable


def test_what_a_proxy_says_is_named_and_a_write_behind_it_may_have_been_done():
    async def main():
        async with Stub({"write": passing_on, "busy": busy}) as stub, modern(stub) as host:
            with pytest.raises(UnknownOutcome, match="it answers 502"):
                await host.call("mcp__crm__write", {})
            with pytest.raises(ProtocolFailure, match="it answers 503"):
                await host.call("mcp__crm__busy", {})

    run(main)


SAMPLE = {
    "method": "sampling/createMessage",
    "params": {"maxTokens": 5, "messages": [{"role": "user", "content": {"type": "text", "text": "Say hello"}}]},
}


class Parrot:
    async def sample(self, alias, principal, params):
        said = params["messages"][0]["content"]["text"]
        return {"model": "parrot", "role": "assistant", "content": {"type": "text", "text": f"{alias}: {said}"}}


async def sampling(params, _who):
    given = (params.get("inputResponses") or {}).get("hello")
    return (
        text(given["content"]["text"])
        if given
        else {"resultType": "input_required", "inputRequests": {"hello": SAMPLE}}
    )


def test_a_completion_is_given_only_to_a_server_that_was_offered_it():
    async def main():
        async with Stub({"sampling": sampling}) as stub:
            for allowed in (True, False):
                config = {"mcpServers": {"crm": stub.entry(sampling=allowed)}}
                async with McpHost(config, sampler=Parrot()) as host:
                    if allowed:
                        assert (await host.call("mcp__crm__sampling", {})).text == "crm: Say hello"
                    else:
                        with pytest.raises(ProtocolFailure, match="sampling/createMessage, which it was not offered"):
                            await host.call("mcp__crm__sampling", {})

    run(main)


def test_a_connection_that_nobody_uses_ends_and_comes_back_when_called():
    async def main():
        async with Stub({"one": answering(text("x"))}) as stub, modern(stub, idle_stop=0.01) as host:
            await host.tools("crm")
            await next(iter(host._servers.values()))._connection.broken.wait()
            assert (await host.call("mcp__crm__one", {})).text == "x"
            assert host.status()[0].starts >= 2

    run(main)


def test_a_long_text_is_shown_by_its_ends_and_where_the_whole_is():
    whole = "\n".join(f"line {n}" for n in range(1000))
    shown = preview(whole, 300, "results/1.txt")
    assert shown.startswith("line 0\n") and shown.endswith("line 999")
    assert "8889 bytes in 1000 lines, whole in results/1.txt" in shown and len(shown) < 500
    assert preview("short", 300, "x") == "short"
