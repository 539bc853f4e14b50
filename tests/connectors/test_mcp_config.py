"""Server entries as people write them, and names and results as the model gets them."""

import base64

import mcp_types as types
import pytest

from connectors.mcp import read_config
from connectors.mcp.content import call_result, tool_infos


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
        ("x", "not a mapping"),
    ],
)
def test_a_bad_entry_is_named_and_drops_no_other(entry, said):
    config = servers(bad=entry, good={"command": "y"})
    assert [s.alias for s in config.servers] == ["good"]
    assert config.problems[0].startswith("MCP server bad: ") and said in config.problems[0]


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
    assert infos[0].name == "mcp__srv__a_b"
    assert all(len(i.name) <= 128 and i.name.replace("_", "").isalnum() for i in infos)


def test_a_result_joins_its_texts_and_keeps_bytes_apart():
    image = types.ImageContent(type="image", data=base64.b64encode(b"png").decode(), mime_type="image/png")
    texts = [types.TextContent(type="text", text=t) for t in ("one\u200b", "two")]
    result = call_result(types.CallToolResult(content=[texts[0], image, texts[1]]), 1000)
    assert result.text == "one\n[image-1.png: image/png, 3 bytes]\ntwo"
    assert result.attachments[0].data == b"png"
    assert result.structured is None and not result.is_error
