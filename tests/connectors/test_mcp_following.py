"""Resources that were read are followed, against real servers of both eras: what changes, or may have, is told."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from connectors.mcp import McpHost, ProtocolFailure, read_config
from connectors.mcp.following import MOST, Following

SERVER = """
import os, socket, sys

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated

how, port, does = sys.argv[1], int(sys.argv[2]), sys.argv[3]
bus = InMemorySubscriptionBus()
streams = ListenHandler(bus)
subscribed, asked, open_streams, mute = {}, [], [], []

async def list_tools(ctx, params):
    hint = types.ToolAnnotations(read_only_hint=True)
    names = ("change", "state", "end", "mute", "linked")
    return types.ListToolsResult(tools=[
        types.Tool(name=name, input_schema={"type": "object"}, annotations=hint) for name in names
    ])

async def call_tool(ctx, params):
    uri = (params.arguments or {}).get("uri", "")
    content, found = [], {}
    if params.name == "change":
        await bus.publish(ResourceUpdated(uri=uri))
        for session in list(subscribed.values())[:1]:  # whatever it subscribed to: some servers tell everything
            await session.send_resource_updated(uri)
    elif params.name == "end":
        streams.close()
    elif params.name == "mute":
        mute.append(1)
    elif params.name == "linked":
        content = [types.ResourceLink(type="resource_link", name="one", uri=uri)]
    streamed = {u for stream in open_streams for u in stream.resource_subscriptions or ()}
    found = {"pid": os.getpid(), "followed": sorted(streamed | subscribed.keys()), "asked": asked}
    return types.CallToolResult(content=content, structured_content=found)

async def list_resources(ctx, params):
    return types.ListResourcesResult(resources=[])

async def read_resource(ctx, params):
    if params.uri.endswith("/none"):
        raise ValueError("there is no such note")
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=params.uri, text="a note")])

async def subscribe(ctx, params):
    asked.append(params.uri)
    if params.uri.endswith("/refused"):
        raise ValueError("not this one")
    subscribed[params.uri] = ctx.session
    return types.EmptyResult()

async def unsubscribe(ctx, params):
    subscribed.pop(params.uri, None)
    return types.EmptyResult()

async def listen(ctx, params):
    if mute:
        await anyio.sleep_forever()
    wanted = params.notifications.resource_subscriptions or []
    asked.extend(wanted)
    params.notifications.resource_subscriptions = [uri for uri in wanted if not uri.endswith("/refused")]
    open_streams.append(params.notifications)
    try:
        return await streams(ctx, params)
    finally:
        open_streams.remove(params.notifications)

more = {} if does == "plain" else {
    "on_subscribe_resource": subscribe, "on_unsubscribe_resource": unsubscribe, "on_subscriptions_listen": listen,
}
server = Server(
    "notes", on_list_tools=list_tools, on_call_tool=call_tool, on_list_resources=list_resources,
    on_read_resource=read_resource, **more,
)

async def over_stdio():
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())

if how == "http":
    import uvicorn
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    running = uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="critical"))
    listening.listen()
    print("ready", flush=True)
    anyio.run(running.serve, [listening])
else:
    anyio.run(over_stdio)
"""
ERAS = ["2026-07-28", "legacy"]
WAIT_S = 20


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("mcp") / "server.py"
    path.write_text(SERVER)
    return str(path)


@pytest.fixture(scope="module", params=ERAS)
def shared(script, request):
    """A loop with a host whose one server no test kills, and how to run a test on it; each reads its own notes."""
    with asyncio.Runner() as runner:
        hosting = over_stdio(script, request.param)
        host, ears = runner.run(hosting.__aenter__())
        yield lambda test: runner.run(test(host, ears))
        assert [(s.starts, s.era) for s in host.status()] == [(1, request.param)]
        runner.run(hosting.__aexit__(None, None, None))


class Ears:
    """Hears of changed resources."""

    def __init__(self):
        self.told = asyncio.Queue()

    def __call__(self, alias, uri):
        assert alias == "fix"
        self.told.put_nowait(uri)

    async def hear(self, *uris, again=()):
        """Returns when all of them were told; another of that folder is a failure, but for those told before."""
        left = set(uris)
        async with asyncio.timeout(WAIT_S):
            while left:
                uri = await self.told.get()
                assert uri in (*uris, *again) or folder(uri) != folder(uris[0])
                left.discard(uri)

    def clear(self):
        while not self.told.empty():
            self.told.get_nowait()


def folder(uri):
    return uri.rpartition("/")[0]


@asynccontextmanager
async def over_stdio(script, era, does="follow"):
    config = {"mcpServers": {"fix": {"command": sys.executable, "args": [script, "stdio", "0", does]}}}
    async with hosted(config, era) as found:
        yield found


@asynccontextmanager
async def hosted(config, era):
    """A host and what hears its resources; when it is closed, it tells nothing and nothing of it is at work."""
    ears, before = Ears(), asyncio.all_tasks()
    eras = {read_config(config, {}).servers[0].fingerprint: era}
    async with McpHost(config, eras=eras, on_resource_updated=ears) as host:
        yield host, ears
        ears.clear()
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}
    assert ears.told.empty()


@asynccontextmanager
async def http_server(script, port):
    args = (sys.executable, script, "http", str(port), "follow")
    process = await asyncio.create_subprocess_exec(*args, stdout=asyncio.subprocess.PIPE)
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.kill()
        await process.communicate()


async def state(host):
    return (await host.call("mcp__fix__state", {})).structured


async def change(host, uri):
    await host.call("mcp__fix__change", {"uri": uri})


async def follows(host, *uris):
    """Returns when the server says that of this folder it is subscribed to exactly these."""
    async with asyncio.timeout(WAIT_S):
        while True:  # the subscription goes its own way, beside calls
            found = (await state(host))["followed"]
            if [uri for uri in found if folder(uri) == folder(uris[0])] == sorted(uris):
                return


def test_a_change_of_a_resource_that_was_read_is_heard_and_of_another_it_is_not(shared):
    one, two, three, refused, none = (f"note://read/{n}" for n in ("one", "two", "three", "refused", "none"))

    async def test(host, ears):
        assert "a note" in (await host.read_resource("fix", refused)).text
        assert "a note" in (await host.read_resource("fix", one)).text
        with pytest.raises(ProtocolFailure):
            await host.read_resource("fix", none)
        await follows(host, one)
        await host.read_resource("fix", two)
        await follows(host, one, two)
        assert ears.told.empty()
        await change(host, three)
        await change(host, one)
        await ears.hear(one)
        await change(host, two)
        await ears.hear(two, again=[one])  # while one stream replaces another, both tell
        ears.clear()

    shared(test)


def test_what_a_result_points_to_is_followed_when_the_caller_wants_it(shared):
    one = "note://linked/one"

    async def test(host, ears):
        result = await host.call("mcp__fix__linked", {"uri": one})
        assert result.resources == (one,) and one not in (await state(host))["asked"]
        host.follow("fix", result.resources)
        await follows(host, one)
        await change(host, one)
        await ears.hear(one)

    shared(test)


def test_a_connection_follows_a_bounded_number_of_resources_those_that_were_read_last(shared):
    names = [f"note://many/{n:03}" for n in range(MOST + 2)]

    async def test(host, ears):
        for name in names[:MOST]:
            await host.read_resource("fix", name)
        await follows(host, *names[:MOST])
        await host.read_resource("fix", names[0])
        for name in names[MOST:]:
            await host.read_resource("fix", name)
        await follows(host, names[0], *names[3:])
        assert len((await state(host))["followed"]) == MOST
        await change(host, names[1])
        await change(host, names[0])
        await ears.hear(names[0])

    shared(test)


@pytest.mark.parametrize("era", ERAS)
def test_after_a_crash_all_that_is_followed_counts_as_changed_and_is_followed_again(script, era):
    one, two = "note://crash/one", "note://crash/two"

    async def main():
        async with over_stdio(script, era) as (host, ears):
            await host.read_resource("fix", one)
            await host.read_resource("fix", two)
            await follows(host, one, two)
            os.kill((await state(host))["pid"], signal.SIGKILL)
            await ears.hear(one, two)
            await follows(host, one, two)
            await ears.hear(one, two)  # once more: what was read in between may be old too
            await change(host, one)
            await ears.hear(one)
            assert host.status()[0].starts == 2

    asyncio.run(main())


@pytest.mark.parametrize("era", ERAS)
def test_over_http_changes_are_heard_and_a_restart_counts_as_one(script, era):
    one, two = "note://http/one", "note://http/two"

    async def main():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        config = {"mcpServers": {"fix": {"url": f"http://127.0.0.1:{port}/mcp"}}}
        # the second server outlives the host: what a dying one has a host tell is no fault of its closing
        async with AsyncExitStack() as outliving, hosted(config, era) as (host, ears):
            async with http_server(script, port):
                await host.read_resource("fix", one)
                await follows(host, one)
                await change(host, one)
                await ears.hear(one)
            if era != "legacy":  # there the next request is the first to notice
                await ears.hear(one)
            await outliving.enter_async_context(http_server(script, port))
            await host.read_resource("fix", two)
            await follows(host, one, two)
            await ears.hear(one, again=[two])
            await change(host, two)
            await ears.hear(two, again=[one])

    asyncio.run(main())


def test_a_stream_that_the_server_ends_or_never_begins_costs_no_read(script):
    one, two = "note://ended/one", "note://ended/two"

    async def main():
        async with over_stdio(script, ERAS[0]) as (host, ears):
            await host.read_resource("fix", one)
            await follows(host, one)
            await host.call("mcp__fix__end", {})
            await ears.hear(one)
            await follows(host, one)
            await ears.hear(one)
            await host.call("mcp__fix__mute", {})
            for uri in (one, two):
                assert "a note" in (await host.read_resource("fix", uri)).text
            assert host.status()[0].starts == 1

    asyncio.run(main())


def test_a_server_that_tells_of_no_changes_is_read_as_before(script):
    one = "note://plain/one"

    async def main():
        async with over_stdio(script, ERAS[0], "plain") as (host, ears):
            assert "a note" in (await host.read_resource("fix", one)).text
            await change(host, one)
            assert not [t for t in asyncio.all_tasks() if t.get_name().startswith("mcp resources")]
            assert ears.told.empty()

    asyncio.run(main())


def test_a_changed_part_tells_the_whole_that_is_followed():
    told = []
    following = Following(told.append)
    following.read(["note://books", "note://book", "note://books/2/"])
    following.changed("note://books/2")
    following.changed("note://elsewhere")
    assert told == ["note://books", "note://books/2/"]
