"""Servers that hang in the middle, say too much at once, or change without a word."""

import asyncio
import json
import re
import socket
import sys
from contextlib import asynccontextmanager

import httpx2
import pytest
from aiohttp import web

from connectors.mcp import McpHost, ProtocolFailure, ServerDown
from connectors.mcp.http import BoundedEvents
from connectors.mcp.oversize import Measured, refused
from tests.connectors.mcp_stub import Stub, text

HANG_S = 30  # after which a hang fails its test


def run(main):
    asyncio.run(main())


class Legacy:
    """A server of the older protocol over streamable HTTP; each method answers, or hangs where `hangs` has it."""

    def __init__(self, *hangs, streams=False):
        self.hangs = hangs
        self.streams = streams  # whether calls are answered by events
        self.log = []
        self.reached = {method: asyncio.Event() for method in hangs}

    async def answer(self, request):
        message = await request.json() if request.method == "POST" else {"method": request.method}
        method = message["method"]
        self.log.append(method)
        if method in self.hangs:
            self.reached[method].set()
            await asyncio.Event().wait()
        if method == "GET":
            return web.Response(status=405)
        if "id" not in message:
            return web.Response(status=202)
        result = result_of(message)
        if self.streams and method == "tools/call":
            stream = web.StreamResponse(headers={"content-type": "text/event-stream"})
            await stream.prepare(request)
            # What it says on the way is too large as well, and is no answer.
            params = {"level": "info", "data": "x" * message["params"]["arguments"]["size"]}
            for told in (
                {"method": "notifications/message", "params": params},
                {"result": result, "id": message["id"]},
            ):
                await stream.write(event({**told, "jsonrpc": "2.0"}))
            return stream
        said = {"result": result} if result is not None else {"error": {"code": -32601, "message": "no such method"}}
        session = {"mcp-session-id": "one"}
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], **said}, headers=session)


def result_of(message):
    match message["method"]:
        case "initialize":
            info = {"name": "rough", "version": "1"}
            return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            return {"tools": [{"name": "hello", "inputSchema": {"type": "object"}}]}
        case "tools/call":
            size = message["params"]["arguments"]["size"]
            # An id in the data names no request.
            return {"structuredContent": {"rows": [{"id": 1}]}, "content": [{"type": "text", "text": "x" * size}]}
    return None


def event(message):
    return b"event: message\r\ndata: " + json.dumps(message).encode() + b"\r\n\r\n"


@asynccontextmanager
async def serving(**routes):
    """The address of a server with a handler at each path."""
    app = web.Application()
    for path, handler in routes.items():
        app.router.add_route("*", f"/{path}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    finally:
        await runner.cleanup()


def over_http(base, **ours):
    return McpHost({"mcpServers": {"rough": {"url": f"{base}/mcp", "x-cadre": {"mode": "legacy", **ours}}}})


@pytest.mark.parametrize("hangs", [("tools/list",), ("tools/list", "DELETE")])
def test_a_server_that_hangs_while_it_starts_and_while_it_ends_is_down_after_its_start_time(hangs):
    async def main():
        server = Legacy(*hangs)
        async with serving(mcp=server.answer) as base, asyncio.timeout(HANG_S):
            host = over_http(base, start_timeout=0.5)
            with pytest.raises(ServerDown, match=r"did not start: no answer within 0\.5 s\.$"):
                await host.tools("rough")
            with pytest.raises(ServerDown):  # nothing is held that the next one needs
                await host.tools("rough")
            await host.close()

    run(main)


def test_closing_does_not_wait_for_a_server_that_hangs_at_the_end_of_its_session():
    async def main():
        server = Legacy("DELETE")
        async with serving(mcp=server.answer) as base, asyncio.timeout(HANG_S):
            host = over_http(base)
            assert [tool.tool for tool in await host.tools("rough")] == ["hello"]
            await host.close()
            assert server.reached["DELETE"].is_set()

    run(main)


def test_closing_ends_a_start_that_is_under_way():
    async def main():
        server = Legacy("tools/list")
        async with serving(mcp=server.answer) as base, asyncio.timeout(HANG_S):
            host = over_http(base, start_timeout=10 * HANG_S)
            asking = [asyncio.create_task(host.tools("rough")) for _ in range(3)]
            await server.reached["tools/list"].wait()
            await host.close()
            for one in asking:
                with pytest.raises(ServerDown, match="was closed before it had started"):
                    await one

    run(main)


STUBBORN = """
import json, signal, socket, sys

signal.signal(signal.SIGTERM, signal.SIG_IGN)
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "initialize":
        info = {"name": "rough", "version": "1"}
        result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": info}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
    elif "id" in message:
        error = {"code": -32601, "message": "no such method"}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}), flush=True)
there = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True:
    signal.pause()
"""


def test_a_process_that_does_not_end_is_killed_also_when_nobody_waits_for_its_end_any_longer():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)

        async def main():
            args = ["-c", STUBBORN, str(listener.getsockname()[1])]
            entry = {"command": sys.executable, "args": args, "x-cadre": {"mode": "legacy"}}
            host = McpHost({"mcpServers": {"rough": entry}})
            assert await host.tools("rough") == ()
            closing = asyncio.create_task(host.close())
            loop = asyncio.get_running_loop()
            there, _ = await loop.sock_accept(listener)  # its input has ended, and it goes on
            there.setblocking(False)
            (owner,) = [task for task in asyncio.all_tasks() if task.get_name() == "mcp rough"]
            owner.cancel()
            await closing
            async with asyncio.timeout(HANG_S):
                assert await loop.sock_recv(there, 1) == b""
            there.close()

        run(main)


# ---- too much at once

LIMIT = 100_000
STDIO = """
import json, sys

def out(i, result):
    print(json.dumps({"result": result, "jsonrpc": "2.0", "id": i}), flush=True)

calls = {}
for line in sys.stdin:
    message = json.loads(line)
    i, method = message.get("id"), message.get("method")
    if method == "initialize":
        info = {"name": "rough", "version": "1"}
        out(i, {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info})
    elif method == "tools/list":
        out(i, {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("small", "large")]})
    elif method == "tools/call":
        calls[message["params"]["name"]] = i
        if len(calls) == 2:
            rows = {"rows": [{"id": calls["small"]}]}
            out(calls["large"], {"structuredContent": rows, "content": [{"type": "text", "text": "x" * 300_000}]})
            out(calls["small"], {"content": [{"type": "text", "text": "small"}]})
    elif i is not None:
        print(json.dumps({"jsonrpc": "2.0", "id": i, "error": {"code": -32601, "message": "no"}}), flush=True)
"""


def test_a_line_over_the_limit_fails_the_call_it_answers_although_it_names_that_last_and_another_before():
    async def main():
        ours = {"mode": "legacy", "max_message_bytes": LIMIT}
        entry = {"command": sys.executable, "args": ["-c", STDIO], "x-cadre": ours}
        async with McpHost({"mcpServers": {"rough": entry}}) as host, asyncio.timeout(HANG_S):
            calls = (host.call("mcp__rough__small", {}), host.call("mcp__rough__large", {}))
            small, large = await asyncio.gather(*calls, return_exceptions=True)
            assert small.text == "small"
            assert isinstance(large, ProtocolFailure) and "the answer has 300" in str(large)
            assert f"more than the limit of {LIMIT}" in str(large)

    run(main)


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ('{"jsonrpc":"2.0","id":7,"result":{"id":1}}', 7),
        ('{ "id" : "7" , "error" : {"id":1} }', 7),
        ('{"result":{"id":1},"id":7}', 7),
        ('{"result":{"id":1},"id":7,"jsonrpc":"2.0"}\r', 7),
        ('{"jsonrpc":"2.0","result":{"id":1}}', None),
        ('{"jsonrpc":"2.0","result":[{"a":1,"id":1}]}', None),
        ('{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{}}', None),
        ('{"method":"sampling/createMessage","params":{},"id":7}', None),
        ('{"jsonrpc":"2.0","method":"notifications/message","params":{"result":1,"id":1}}', None),
        ('debug: {"result":1,"id":7}', None),
    ],
)
def test_only_an_id_of_the_message_itself_names_the_call_that_an_answer_is_too_large_for(line, answers):
    message = Measured(10)
    for at in range(0, len(line), 9):
        message.add(line[at : at + 9].encode())
    assert message.size == len(line) and not message.fits
    found = refused(message.head, message.tail, message.too_large)
    assert (found.id if found else None) == answers


def test_many_answers_over_the_oldest_transport_are_together_larger_than_the_limit_of_one():
    async def main():
        streams, encodings = [], []

        async def listen(request):
            encodings.append(request.headers["accept-encoding"])
            stream = web.StreamResponse(headers={"content-type": "text/event-stream"})
            await stream.prepare(request)
            await stream.write(b"event: endpoint\ndata: /post\n\n")
            streams.append(stream)
            await asyncio.Event().wait()

        async def post(request):
            message = await request.json()
            if result := result_of(message):
                await streams[-1].write(event({"result": result, "jsonrpc": "2.0", "id": message["id"]}))
            return web.Response(status=202)

        async with serving(sse=listen, post=post) as base, asyncio.timeout(HANG_S):
            ours = {"mode": "legacy", "max_message_bytes": LIMIT}
            entry = {"type": "sse", "url": f"{base}/sse", "x-cadre": ours}
            async with McpHost({"mcpServers": {"rough": entry}}) as host:
                for _ in range(4):
                    assert len((await host.call("mcp__rough__hello", {"size": 40_000})).text) == 40_000
                with pytest.raises(ProtocolFailure, match=f"more than the limit of {LIMIT}"):
                    await host.call("mcp__rough__hello", {"size": 200_000})
                assert (await host.call("mcp__rough__hello", {"size": 5})).text == "xxxxx"
                assert encodings == ["identity"]  # one connection served it all

    run(main)


def test_an_event_over_the_limit_fails_its_call_by_name_over_streamable_http_too():
    async def main():
        server = Legacy(streams=True)
        said = rf"the answer has 2\d+ bytes, more than the limit of {LIMIT}"
        async with serving(mcp=server.answer) as base, over_http(base, max_message_bytes=LIMIT) as host:
            with pytest.raises(ProtocolFailure, match=said):
                await host.call("mcp__rough__hello", {"size": 200_000})
            assert (await host.call("mcp__rough__hello", {"size": 5})).text == "xxxxx"
            assert [status.starts for status in host.status()] == [1]

    run(main)


class Chunks(httpx2.AsyncByteStream):
    def __init__(self, data, size):
        self.data, self.size = data, size

    async def __aiter__(self):
        for at in range(0, len(self.data), self.size):
            yield self.data[at : at + self.size]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_pass_unchanged_however_their_bytes_come_and_only_one_over_the_limit_does_not(end, size):
    def lines(*words):
        return b"".join(word + end for word in words)

    before = lines(b"event: message", b'data: {"a":', b"data: 1}", b"", b": ping", b"", b"", b"data: 2", b"")
    large = lines(b"id: 9", b'data: {"result": "' + b"x" * 80 + b'",', b'data: "id": 4}', b"")
    after = lines(b"data: 3", b"") + b"data: cut off"

    async def passed():
        inner = Chunks(before + large + after, size)
        return b"".join([part async for part in BoundedEvents(inner, 60, None)])

    found = asyncio.run(passed())
    assert found.startswith(before[:-1]) and found.endswith(after)
    (told,) = [line for line in found[len(before) : -len(after)].splitlines() if line.startswith(b"data: ")]
    error = json.loads(told.removeprefix(b"data: "))
    assert error["id"] == 4
    assert re.fullmatch(r"the answer has 1\d\d bytes, more than the limit of 60", error["error"]["message"])


# ---- changes without a word


class Silent(Stub):
    """A server that tells of no change of its tools; its list holds for so long as it says."""

    def __init__(self, ttl_ms):
        super().__init__({"first": self.said})
        self.ttl_ms = ttl_ms
        self.refuses = False
        self.may_list, self.is_asked = asyncio.Event(), asyncio.Event()
        self.may_list.set()

    async def said(self, _params, _who):
        return text("said")

    async def _result(self, method, params, who):
        if method == "tools/list":
            self.is_asked.set()
            await self.may_list.wait()
            if self.refuses:
                return {"error": {"code": -32603, "message": "not now"}}
        return {**await super()._result(method, params, who), "ttlMs": self.ttl_ms}


async def listed_until(host, wanted):
    """There is nothing to wait for: the server says nothing, and the list is read when somebody asks."""
    found = None
    while found != wanted:
        found = [tool.tool for tool in await host.tools("rough")]
        await asyncio.sleep(0.02)


def silently(server):
    return McpHost({"mcpServers": {"rough": server.entry()}})


def test_a_list_of_tools_is_read_again_once_it_has_held_for_as_long_as_the_server_said():
    async def main():
        async with Silent(1) as server, silently(server) as host, asyncio.timeout(HANG_S):
            await listed_until(host, ["first"])
            server.tools["second"] = server.said
            await listed_until(host, ["first", "second"])
            assert (await host.call("mcp__rough__second", {})).text == "said"

    run(main)


@pytest.mark.parametrize("ttl_ms", [60_000, 10**400])
def test_until_then_it_is_not_asked_again(ttl_ms):
    async def main():
        async with Silent(ttl_ms) as server, silently(server) as host:
            for _ in range(3):
                await listed_until(host, ["first"])
            assert server.times("tools/list") == 1

    run(main)


def test_nor_for_a_while_where_it_does_not_say():
    async def main():
        server = Legacy()
        async with serving(mcp=server.answer) as base, over_http(base) as host:
            for _ in range(3):
                await listed_until(host, ["hello"])
            assert server.log.count("tools/list") == 1

    run(main)


def test_no_call_fails_because_a_list_that_nobody_said_had_changed_is_not_given_again():
    async def main():
        async with Silent(1) as server, silently(server) as host, asyncio.timeout(HANG_S):
            await listed_until(host, ["first"])
            server.refuses = True
            while server.times("tools/list") < 2:
                assert (await host.call("mcp__rough__first", {})).text == "said"
                await asyncio.sleep(0.02)

    run(main)


def test_a_list_whose_reading_was_given_up_is_read_by_the_next_who_asks():
    async def main():
        async with Silent(1) as server, silently(server) as host, asyncio.timeout(HANG_S):
            await listed_until(host, ["first"])
            server.is_asked.clear()
            server.may_list.clear()
            asking = asyncio.create_task(listed_until(host, ["first", "second"]))
            await server.is_asked.wait()
            asking.cancel()
            await asyncio.wait({asking})
            server.may_list.set()
            server.tools["second"] = server.said
            assert [tool.tool for tool in await host.tools("rough")] == ["first", "second"]

    run(main)
