"""Server entries as people write them, and names and results as the model gets them."""

import asyncio
import base64
import random

import mcp_types as types
import pytest

from connectors.mcp import McpHost, read_config
from connectors.mcp.content import call_result, tool_infos
from tests.connectors.mcp_stub import Stub, text

OURS = (
    "start_timeout", "idle_timeout", "total_timeout", "park_after", "question_hold", "idle_stop", "max_parallel",
    "max_message_bytes", "max_text_bytes", "trust", "sampling", "check_output", "performer", "scope", "mode",
    "always_load", "allow", "deny", "channels", "approval", "pin",
)  # fmt: skip
OAUTH = ("clientId", "clientSecret", "scope", "issuer", "grant", "privateKey", "assertionFile", "callbackPort")


def servers(**entries):
    return read_config({"mcpServers": entries}, {"TOKEN": "secret-token", "HOST": "mcp.example"})


def test_references_come_from_the_environment_or_their_default():
    entry = {"url": "https://${HOST}/${PATH_:-mcp}\n", "headers": {"Authorization": "Bearer ${TOKEN}"}}
    (server,) = servers(remote=entry).servers
    assert server.url == "https://mcp.example/mcp"
    assert server.headers == {"Authorization": "Bearer secret-token"}
    assert server.redacted("401 for secret-token") == "401 for ***"
    assert "secret-token" not in repr(server)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"command": "x", "env": {"KEY": "${MISSING}"}}, "the environment has no MISSING"),
        ({}, "either a command or a url"),
        ({"command": "x", "url": "http://y"}, "either a command or a url"),
        ({"url": "ftp://y"}, "not an http address"),
        ({"url": "http://y", "type": "ws"}, "not stdio, http or sse"),
        ({"command": "y", "type": "http"}, "its type is http but it has no url"),
        ({"url": "http://y", "oauth": {"grant": "password"}}, "oauth.grant is not one of"),
        ({"command": "x", "args": "y"}, "args is not a list"),
        ({"command": "x", "x-cadre": {"idle_timeout": -1}}, "not a positive number"),
        ({"command": "x", "x-cadre": {"idle_timeout": 10**400}}, "not a positive number"),
        ({"command": "x", "x-cadre": {"idle_stop": float("inf")}}, "not a positive number"),
        ({"command": "x", "x-cadre": {"max_parallel": 0.5}}, "max_parallel in x-cadre is not a whole number"),
        ({"command": "x", "x-cadre": {"mode": "2031"}}, "mode in x-cadre is not one of auto, legacy"),
        ({"command": "x", "x-cadre": {"performer": ["user"]}}, "performer in x-cadre is not one of"),
        ({"command": ""}, "its command is empty"),
        ({"command": "x\0"}, "command has characters that no program or server takes"),
        ({"command": "x", "args": [1]}, "args[0] is not text"),
        ({"command": "x", "env": {"a=b": "c"}}, "'a=b' in env is not a name of a variable"),
        ({"url": "http://y", "type": ["http"]}, "its type is ['http'], not stdio, http or sse"),
        ({"url": "https://y:port/mcp"}, "the port of its url is not a number from 1 to 65535"),
        ({"url": "https://y:99999/mcp"}, "the port of its url is not a number from 1 to 65535"),
        ({"url": "http://[oops/mcp"}, "its url cannot be read"),
        ({"url": "http://\ud800/mcp"}, "url has characters that no program or server takes"),
        ({"url": "https:///mcp"}, "its url has no host"),
        ({"url": "http://y", "headers": {"a b": "c"}}, "'a b' in headers is not a name of a header"),
        ({"url": "http://y", "headers": {"A": "b\nC: d"}}, "headers.A has characters that no header can hold"),
        ({"url": "http://y", "headers": {"A": ["b"]}}, "headers.A is not text"),
        ("x", "not a mapping"),
    ],
)
def test_a_bad_entry_is_named_and_drops_no_other(entry, said):
    config = servers(bad=entry, good={"command": "y"})
    assert [s.alias for s in config.servers] == ["good"]
    assert config.problems[0].startswith("MCP server bad: ") and said in config.problems[0]


def anything(chance, depth=0):
    """A value that JSON can hold, some of them as large or as odd as they get."""
    plain = [
        None, True, False, 0, 1, -1, 0.5, 2.0, 10**400, 1e308, float("inf"), float("nan"), "", " ", "x", "*", "[", "\0",
        "\ud800", "a\nb", "é", "${MISSING}", "${TOKEN}", "http://[oops", "https://h:port/", "http://127.0.0.1:9/x", "http",
        "stdio", "sse", "auto", "2026-07-28", "x" * 300,
    ]  # fmt: skip
    kind = chance.randrange(4) if depth < 2 else 0
    if kind == 1:
        return [anything(chance, depth + 1) for _ in range(chance.randrange(3))]
    if kind == 2:
        return {str(anything(chance, 2)): anything(chance, depth + 1) for _ in range(chance.randrange(3))}
    return chance.choice(plain)


def spoiled(chance):
    """An entry that would be right, with anything under one key; of our own keys under each in turn, many times."""
    at = "http://127.0.0.1:9/mcp"
    for _ in range(6):
        for key in ("command", "args", "env", "cwd", "type", "x-cadre", "oauth", "nonsense"):
            yield {"command": "/nowhere/at/all", key: anything(chance)}
        for key in ("url", "headers", "type", "x-cadre", "oauth"):
            yield {"url": at, key: anything(chance)}
        for key in OURS:
            yield {"url": at, "x-cadre": {key: anything(chance)}}
        for key in OAUTH:
            yield {"url": at, "oauth": {key: anything(chance)}}
        yield {"url": at, "headers": {str(anything(chance, 2)): anything(chance)}}
        yield {"command": "/nowhere/at/all", "env": {str(anything(chance, 2)): anything(chance)}}
        yield anything(chance)


def test_whatever_stands_in_entries_the_good_one_is_served_and_each_unread_one_is_named():
    async def hello(_params, _who):
        return text("hello")

    async def main():
        async with Stub({"hello": hello}) as stub:
            entries = {f"bad{number}": entry for number, entry in enumerate(spoiled(random.Random(7)))}
            config = {"mcpServers": {**entries, "good": stub.entry()}}
            async with McpHost(config, environ={"TOKEN": "secret-token"}) as host, asyncio.timeout(60):
                unread = entries.keys() - set(host.aliases)
                assert 50 < len(unread) < len(entries)
                told = [problem for problem in host.problems if ": ignored " not in problem]
                assert {problem.split(": ")[0] for problem in told} == {f"MCP server {name}" for name in unread}
                assert [tool.name for tool in await host.tools()] == ["mcp__good__hello"]
                assert (await host.call("mcp__good__hello", {})).text == "hello"

    asyncio.run(main())


def test_a_key_that_is_no_text_is_ignored_like_any_other_unknown_one():
    config = servers(one={"command": "x", 5: "a", "colour": "red"})
    assert config.problems == ("MCP server one: ignored 5, colour.",)


def test_an_unknown_key_is_ignored_and_listed():
    ours = {"trust": True, "approval": {"ask": ["*"]}, "colour": "red"}
    config = servers(one={"command": "x", "colour": "red", "x-cadre": ours})
    assert config.servers[0].command == "x" and config.servers[0].trust
    assert config.problems == ("MCP server one: ignored colour, x-cadre.colour.",)


def test_the_other_usual_name_of_the_servers_is_taken_with_a_word():
    config = read_config({"servers": {"one": {"command": "x"}}}, {})
    assert [s.alias for s in config.servers] == ["one"]
    assert config.problems == ("The servers are under `servers`; `mcpServers` is the usual name.",)


def test_secrets_written_out_are_kept_from_sight_too():
    entry = {
        "url": "https://x.example",
        "headers": {"X-Api-Key": "plain-key"},
        "oauth": {"clientSecret": "plain-secret"},
    }
    (server,) = servers(one=entry).servers
    assert server.redacted("plain-key plain-secret") == "*** ***"
    assert "plain" not in repr(server)


def test_names_fit_the_models_api_and_stay_apart():
    tools = [types.Tool(name=n, input_schema={"type": "object"}) for n in ("a.b", "a_b", "x" * 200)]
    infos = tool_infos("srv", tools)
    assert [i.tool for i in infos] == ["a.b", "a_b", "x" * 200]
    assert len({i.name for i in infos}) == 3
    assert infos[1].name == "mcp__srv__a_b"
    assert all(len(i.name) <= 128 and i.name.replace("_", "").isalnum() for i in infos)


def test_a_name_means_the_same_tool_whatever_else_is_listed_and_in_which_order():
    both = [types.Tool(name=n, input_schema={"type": "object"}) for n in ("get.user", "get_user")]
    told = [both, both[::-1], both[:1], both[1:], [*both, *both]]
    meant = {(info.name, info.tool) for listed in told for info in tool_infos("crm", listed)}
    assert len(meant) == len(dict(meant)) == 2


def test_a_result_joins_its_texts_and_keeps_bytes_apart():
    image = types.ImageContent(type="image", data=base64.b64encode(b"png").decode(), mime_type="image/png")
    texts = [types.TextContent(type="text", text=t) for t in ("one\u200b", "two")]
    result = call_result(types.CallToolResult(content=[texts[0], image, texts[1]]), 1000)
    assert result.text == "one\n[image-1.png: image/png, 3 bytes]\ntwo"
    assert result.attachments[0].data == b"png"
    assert result.structured is None and not result.is_error
