"""Servers that hang in the middle, say too much at once, or change without a word."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from connectors.mcp import McpHost, ServerDown

HANG_S = 30  # after which a hang fails its test


def run(main):
    asyncio.run(main())


class Legacy:
    """A server of the older protocol over streamable HTTP; each method answers, or hangs where `hangs` has it."""

    def __init__(self, *hangs):
        self.hangs = hangs
        self.reached = {method: asyncio.Event() for method in hangs}

    async def answer(self, request):
        message = await request.json() if request.method == "POST" else {"method": request.method}
        method = message["method"]
        if method in self.hangs:
            self.reached[method].set()
            await asyncio.Event().wait()
        if method == "GET":
            return web.Response(status=405)
        if "id" not in message:
            return web.Response(status=202)
        result = result_of(message)
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
    return None


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
