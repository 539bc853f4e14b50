"""The MCP host against real servers: child processes over stdio, and streamable HTTP, killed and started again."""

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager

import pytest
from mcp_types import ResourceTemplateReference

from connectors.mcp import CallTimeout, McpHost, ProtocolFailure, ServerDown, UnknownOutcome, UnknownTool, read_config
from connectors.mcp.breaker import Breaker

SERVER = '''
import os, socket, sys

if sys.argv[1:2] == ["broken"]:
    print("no licence for " + os.environ.get("SECRET_WORD", ""), file=sys.stderr)
    sys.exit(4)

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel

server = MCPServer("fixture")
met, arrived = anyio.Event(), []
READ = ToolAnnotations(read_only_hint=True)

class Sum(BaseModel):
    total: int

@server.tool(annotations=READ)
async def add(a: int, b: int) -> Sum:
    """Adds."""
    return Sum(total=a + b)

@server.tool(annotations=READ)
async def meet(of: int) -> str:
    """Answers once `of` calls are here together."""
    arrived.append(1)
    if len(arrived) >= of:
        met.set()
    await met.wait()
    return "met"

@server.tool(annotations=READ)
async def hang() -> str:
    await anyio.sleep_forever()

@server.tool(annotations=READ)
async def tick(times: int, every: float, ctx: Context) -> str:
    for n in range(times):
        await anyio.sleep(every)
        await ctx.report_progress(n + 1, times, "ticking")
    return "done"

@server.tool()
async def write(path: str) -> str:
    """Leaves a trace, then the server dies with the answer unsaid."""
    with open(path, "a") as out:
        out.write("x")
    os._exit(3)

@server.tool(annotations=READ)
async def flaky(path: str) -> str:
    """Dies the first time."""
    if not os.path.exists(path):
        open(path, "w").close()
        os._exit(3)
    return "second time"

@server.tool(annotations=READ)
async def fail() -> str:
    raise ToolError("the ledger is closed")

@server.tool(annotations=READ)
async def big(size: int) -> str:
    return "x" * size

@server.tool(annotations=READ)
async def environment() -> dict[str, str]:
    return dict(os.environ)

@server.tool(annotations=READ)
async def pid() -> int:
    return os.getpid()

@server.tool(annotations=READ)
async def kinds() -> list:
    """One of everything that a result can hold."""
    from mcp.types import (
        AudioContent, BlobResourceContents, EmbeddedResource, ImageContent, ResourceLink, TextContent,
        TextResourceContents,
    )
    return [
        TextContent(type="text", text="words"),
        ImageContent(type="image", data="cG5n", mime_type="image/png"),
        AudioContent(type="audio", data="d2F2", mime_type="audio/wav"),
        ResourceLink(type="resource_link", name="ledger", uri="note://one", mime_type="text/plain"),
        EmbeddedResource(type="resource", resource=TextResourceContents(uri="note://two", text="inside")),
        EmbeddedResource(type="resource", resource=BlobResourceContents(
            uri="file:///a/b%20c.pdf", blob="cGRm", mime_type="application/pdf")),
    ]

@server.tool()
async def grow(name: str, ctx: Context) -> str:
    """Gives the server one more tool, and says so to who listens."""
    server.add_tool(lambda: "grown", name)
    await ctx.notify_tools_changed()
    return "grown"

@server.resource("note://one")
def note() -> str:
    return "a note"

@server.resource("note://by/{name}")
def by(name: str) -> str:
    return f"a note by {name}"

@server.prompt()
def greet(name: str) -> str:
    return f"Greet {name}."

@server.completion()
async def complete(ref, argument, context):
    from mcp.types import Completion
    return Completion(values=[n for n in ("ann", "andy", "bob") if n.startswith(argument.value)])

if sys.argv[1:2] in (["http"], ["sse"]):
    import uvicorn
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", int(sys.argv[2])))
    app = server.sse_app() if sys.argv[1] == "sse" else server.streamable_http_app()
    running = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    listening.listen()
    print("ready", flush=True)
    anyio.run(running.serve, [listening])
else:
    print("a stray line on stdout", flush=True)
    server.run()
'''


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("mcp") / "server.py"
    path.write_text(SERVER)
    return str(path)


@pytest.fixture(scope="module")
def shared(script):
    """A loop with a host whose one server none of its users kills, and how to run a test on it."""
    limits = {"max_text_bytes": 1000, "max_message_bytes": 300_000}
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        patch.setenv("ANTHROPIC_API_KEY", "not-for-servers")
        host = McpHost(stdio(script, env={"GIVEN": "yes"}, **limits))
        yield lambda test: runner.run(test(host))
        assert [s.starts for s in host.status()] == [1]
        runner.run(host.close())
        assert [s.state for s in host.status()] == ["new"]


def stdio(script, *args, env=None, **limits):
    entry = {"command": sys.executable, "args": [script, *args], "env": env or {}, "x-cadre": limits}
    return {"mcpServers": {"fix": entry}}


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@asynccontextmanager
async def http_server(script, port, transport="http"):
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, transport, str(port), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def over_http(port, **limits):
    return {"mcpServers": {"fix": {"url": f"http://127.0.0.1:{port}/mcp", "x-cadre": limits}}}


def run(main):
    asyncio.run(main)


async def calls_meet(host):
    """Five calls that can only be answered together."""
    answers = await asyncio.gather(*(host.call("mcp__fix__meet", {"of": 5}) for _ in range(5)))
    assert [a.text for a in answers] == ["met"] * 5


def test_a_stdio_server_starts_when_first_used_and_serves_calls_in_parallel(shared):
    async def test(host):
        result = await host.call("mcp__fix__add", {"a": 2, "b": 3})
        assert (result.structured, result.is_error) == ({"total": 5}, False)
        await calls_meet(host)
        status = host.status()[0]
        assert (status.state, status.starts, status.era) == ("ready", 1, "2026-07-28")

    shared(test)


def test_tools_are_named_described_and_hinted(shared):
    async def test(host):
        tools = {t.name: t for t in await host.tools()}
        add, write = tools["mcp__fix__add"], tools["mcp__fix__write"]
        assert (add.alias, add.tool, add.description) == ("fix", "add", "Adds.")
        assert add.output_schema["properties"]["total"]["type"] == "integer"
        assert add.input_schema["required"] == ["a", "b"]
        assert (add.read_only, add.destructive, add.idempotent) == (True, False, True)
        assert (write.read_only, write.destructive, write.idempotent) == (False, True, False)

    shared(test)


def test_a_failing_tool_is_a_result_and_everything_else_an_error_of_its_kind(shared):
    async def test(host):
        failed = await host.call("mcp__fix__fail", {})
        assert failed.is_error and "the ledger is closed" in failed.text
        refused = await host.call("mcp__fix__add", {"a": "two"})
        assert refused.is_error and "a" in refused.text
        with pytest.raises(UnknownTool, match="mcp__fix__nothing"):
            await host.call("mcp__fix__nothing", {})
        with pytest.raises(UnknownTool):
            await host.call("mcp__other__add", {})

    shared(test)


def test_a_silent_call_is_stopped_after_its_idle_time_and_the_server_goes_on(shared):
    async def test(host):
        await host.tools()
        with pytest.raises(CallTimeout) as stopped:
            await host.call("mcp__fix__hang", {}, idle_timeout=0.2)
        assert stopped.value.which == "idle"
        assert (await host.call("mcp__fix__add", {"a": 1, "b": 1})).structured == {"total": 2}

    shared(test)


def test_progress_extends_the_idle_time_but_not_the_total(shared):
    async def test(host):
        await host.tools()
        heard = []
        done = await host.call(
            "mcp__fix__tick",
            {"times": 5, "every": 0.15},
            idle_timeout=0.5,
            on_progress=lambda *at: heard.append(at),
        )
        assert done.text == "done"
        assert heard[0] == (1.0, 5.0, "ticking") and len(heard) >= 4
        with pytest.raises(CallTimeout) as stopped:
            await host.call("mcp__fix__tick", {"times": 50, "every": 0.1}, idle_timeout=5, total_timeout=0.35)
        assert stopped.value.which == "total"

    shared(test)


def test_a_cancelled_call_leaves_the_connection_usable(shared):
    async def test(host):
        await host.tools()
        hanging = asyncio.create_task(host.call("mcp__fix__hang", {}))
        await calls_meet(host)
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert (await host.call("mcp__fix__add", {"a": 1, "b": 1})).structured == {"total": 2}

    shared(test)


def test_the_next_call_after_a_kill_is_answered_by_a_new_process(script):
    async def main():
        async with McpHost(stdio(script)) as host:
            first = (await host.call("mcp__fix__pid", {})).structured["result"]
            os.kill(first, signal.SIGKILL)
            second = (await host.call("mcp__fix__pid", {})).structured["result"]
            assert second != first
            assert host.status()[0].starts == 2

    run(main())


def test_a_read_is_repeated_after_a_crash_and_a_write_is_not(script, tmp_path):
    async def main():
        async with McpHost(stdio(script)) as host:
            again = await host.call("mcp__fix__flaky", {"path": str(tmp_path / "once")})
            assert again.text == "second time"
            trace = tmp_path / "trace"
            with pytest.raises(UnknownOutcome, match="may have been done"):
                await host.call("mcp__fix__write", {"path": str(trace)})
            assert trace.read_text() == "x"
            assert (await host.call("mcp__fix__add", {"a": 1, "b": 1})).structured == {"total": 2}

    run(main())


def test_many_workers_survive_several_kills_without_a_lost_call(script):
    async def main():
        async with McpHost(stdio(script)) as host:

            async def worker(n):
                for i in range(10):
                    if n == 0 and i in (3, 7):
                        os.kill((await host.call("mcp__fix__pid", {})).structured["result"], signal.SIGKILL)
                    for attempt in range(4):
                        try:
                            result = await host.call("mcp__fix__add", {"a": n, "b": i})
                            break
                        except ServerDown:
                            assert attempt < 3
                    assert result.structured == {"total": n + i}

            await asyncio.gather(*(worker(n) for n in range(4)))
            assert host.status()[0].starts >= 3

    run(main())


def test_a_server_that_dies_at_the_start_says_its_last_words_without_secrets(script):
    async def main():
        entry = stdio(script, "broken", env={"SECRET_WORD": "${WORD}"})
        async with McpHost(entry, environ={"WORD": "opensesame"}) as host:
            with pytest.raises(ServerDown) as down:
                await host.tools("fix")
            assert "no licence for ***" in str(down.value)
            assert host.status()[0].state == "down"
            assert await host.tools() == ()

    run(main())


def test_a_command_that_does_not_exist_is_a_sentence():
    async def main():
        async with McpHost({"mcpServers": {"gone": {"command": "/no/such/program"}}}) as host:
            with pytest.raises(ServerDown, match="MCP server gone did not start"):
                await host.tools("gone")

    run(main())


def test_a_server_that_never_answers_is_given_up_after_its_start_time():
    async def main():
        entry = {"command": sys.executable, "args": ["-c", "input(); input()"], "x-cadre": {"start_timeout": 0.3}}
        async with McpHost({"mcpServers": {"mute": entry}}) as host:
            with pytest.raises(ServerDown, match=r"no answer within 0\.3 s"):
                await host.tools("mute")

    run(main())


def test_a_child_process_sees_only_the_minimal_environment(shared):
    async def test(host):
        seen = (await host.call("mcp__fix__environment", {})).structured
        assert seen["GIVEN"] == "yes"
        assert set(seen) <= {"HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "GIVEN", "LC_CTYPE"}

    shared(test)


def test_long_text_is_cut_and_an_oversized_message_fails_its_own_call(shared):
    async def test(host):
        cut = await host.call("mcp__fix__big", {"size": 5000})
        assert cut.truncated and "5000 bytes, 1000 shown" in cut.text
        with pytest.raises(ProtocolFailure, match="more than the limit of 300000"):
            await host.call("mcp__fix__big", {"size": 400_000})
        assert (await host.call("mcp__fix__add", {"a": 1, "b": 1})).structured == {"total": 2}

    shared(test)


def test_the_host_can_be_closed_from_another_task_and_used_again(script):
    async def main():
        host = McpHost(stdio(script))
        assert host.status()[0].state == "new"
        await asyncio.create_task(host.tools())
        await asyncio.create_task(host.close())
        assert (await host.call("mcp__fix__add", {"a": 1, "b": 1})).structured == {"total": 2}
        await host.close()

    run(main())


@pytest.mark.parametrize("era", ["2026-07-28", "legacy"])
def test_streamable_http_serves_calls_in_parallel_and_survives_a_restart(script, era):
    async def main():
        port = free_port()
        config = over_http(port)
        eras = {read_config(config, {}).servers[0].fingerprint: era}
        async with McpHost(config, eras=eras) as host:
            async with http_server(script, port):
                await calls_meet(host)
                assert (await host.call("mcp__fix__add", {"a": 2, "b": 3})).structured == {"total": 5}
            # The server that comes back knows nothing of the session before.
            async with http_server(script, port):
                assert (await host.call("mcp__fix__add", {"a": 2, "b": 3})).structured == {"total": 5}
            with pytest.raises(ServerDown):
                await host.call("mcp__fix__add", {"a": 2, "b": 3})
            async with http_server(script, port):
                assert (await host.call("mcp__fix__add", {"a": 2, "b": 3})).structured == {"total": 5}

    run(main())


def test_a_call_under_way_over_http_ends_with_its_server(script, tmp_path):
    async def main():
        port = free_port()
        async with http_server(script, port), McpHost(over_http(port)) as host:
            with pytest.raises(UnknownOutcome):
                await host.call("mcp__fix__write", {"path": str(tmp_path / "trace")})
            assert (tmp_path / "trace").read_text() == "x"

    run(main())


def test_idle_time_and_size_hold_over_http_too(script):
    async def main():
        port = free_port()
        async with http_server(script, port), McpHost(over_http(port, max_message_bytes=300_000)) as host:
            with pytest.raises(CallTimeout):
                await host.call("mcp__fix__hang", {}, idle_timeout=0.3)
            with pytest.raises((ProtocolFailure, ServerDown)):
                await host.call("mcp__fix__big", {"size": 400_000})
            assert (await host.call("mcp__fix__add", {"a": 2, "b": 3})).structured == {"total": 5}

    run(main())


def test_the_oldest_transport_serves_calls_in_parallel_and_survives_a_restart(script):
    async def main():
        port = free_port()
        entry = {"type": "sse", "url": f"http://127.0.0.1:{port}/sse"}
        async with McpHost({"mcpServers": {"fix": entry}}) as host:
            for _ in range(2):
                async with http_server(script, port, "sse"):
                    await calls_meet(host)

    run(main())


def test_a_tool_that_a_server_gains_while_it_runs_is_offered_and_called(script):
    async def main():
        async with McpHost(stdio(script)) as host:
            before = await host.tools("fix")
            await host.call("mcp__fix__grow", {"name": "late"})
            while len(await host.tools("fix")) == len(before):
                await host.call("mcp__fix__add", {"a": 1, "b": 1})  # the news comes on a stream of its own
            assert (await host.call("mcp__fix__late", {})).text == "grown"
            assert host.status()[0].starts == 1

    run(main())


def test_every_kind_of_content_is_text_or_a_file(shared):
    async def test(host):
        result = await host.call("mcp__fix__kinds", {})
        assert [(a.name, a.mime_type, a.data) for a in result.attachments] == [
            ("image-1.png", "image/png", b"png"),
            ("audio-2.wav", "audio/wav", b"wav"),
            ("b_c.pdf", "application/pdf", b"pdf"),
        ]
        assert result.text.startswith("words\n[image-1.png: image/png, 3 bytes]\n")
        assert "ledger: note://one (text/plain)" in result.text and "[note://two]\ninside" in result.text

    shared(test)


def test_resources_prompts_and_completions_are_there_too(shared):
    async def test(host):
        assert [str(r.uri) for r in await host.resources("fix")] == ["note://one"]
        (template,) = await host.resource_templates("fix")
        assert (await host.read_resource("fix", "note://by/ann")).text == "[note://by/ann]\na note by ann"
        (prompt,) = await host.prompts("fix")
        assert (await host.prompt("fix", prompt.name, {"name": "Ann"})).text == "user:\nGreet Ann."
        ref = ResourceTemplateReference(type="ref/resource", uri=template.uri_template)
        assert await host.complete("fix", ref, "name", "an") == ("ann", "andy")
        with pytest.raises(ProtocolFailure):
            await host.read_resource("fix", "note://nowhere/else")

    shared(test)


def test_the_protocol_a_server_speaks_is_remembered(script):
    async def main():
        eras = {}
        async with McpHost(stdio(script), eras=eras) as host:
            await host.tools()
        assert list(eras.values()) == ["2026-07-28"]
        assert json.loads(json.dumps(eras)) == eras
        eras = dict.fromkeys(eras, "legacy")
        async with McpHost(stdio(script), eras=eras) as host:
            assert (await host.call("mcp__fix__add", {"a": 2, "b": 3})).structured == {"total": 5}
            assert host.status()[0].era == "legacy"

    run(main())


def test_the_breaker_backs_off_opens_and_lets_one_attempt_through():
    breaker = Breaker()
    waits = []
    for _ in range(5):
        breaker.failed(0.0)
        waits.append(breaker.wait_s(0.0))
    assert waits == sorted(waits) and 0.08 <= waits[0] <= 0.1
    assert breaker.is_open(1.0) and not breaker.is_open(31.0)
    breaker.succeeded()
    assert not breaker.is_open(1.0) and breaker.wait_s(1.0) == 0
