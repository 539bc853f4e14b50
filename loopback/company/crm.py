"""The stand-in CRM: python -m loopback.company.crm --data FILE serves its records over MCP."""

import argparse
import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

HOST = "127.0.0.1"
INSTRUCTIONS = "Campaigns, segments and contacts of a company. Write only to contacts who gave consent."
Row = dict[str, Any]


class Records:
    """The CRM's tables; each row says where people see it."""

    def __init__(self, tables: dict[str, list[Row]], base: str) -> None:
        """Pages of records are below `base`."""
        self.tables = tables
        self._base = base

    def rows(self, table: str, key: str) -> list[Row]:
        """A table with a reference and an address on each row."""
        return [
            {**row, "ref": f"crm:{table}/{row[key]}", "url": f"{self._base}/{table}/{row[key]}"}
            for row in self.tables[table]
        ]


def build_server(records: Records) -> MCPServer[None]:
    """The server with its three tools that read and one that writes."""
    server: MCPServer[None] = MCPServer("crm", title="CRM", instructions=INSTRUCTIONS, log_level="WARNING")

    def tool(title: str) -> Callable[[Callable[..., object]], object]:
        reading = ToolAnnotations(
            title=title, read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        )
        return server.tool(title=title, annotations=reading)

    @tool("Campaigns")
    async def campaigns(product: str = "") -> CallToolResult:
        """Campaign records with dates, price and segments, of one product if named."""
        rows = records.rows("campaigns", "id")
        return _answer([r for r in rows if product.lower() in r["product"].lower()])

    @tool("Segments")
    async def segments() -> CallToolResult:
        """The groups that contacts belong to."""
        return _answer(records.rows("segments", "segment"))

    @tool("Contacts")
    async def contacts(segment: str = "") -> CallToolResult:
        """People with their mail address and consent, of one segment if named."""
        return _answer([r for r in records.rows("contacts", "contact") if segment in ("", r["segment"])])

    writing = ToolAnnotations(
        title="Note", read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
    )

    @server.tool(title="Note", annotations=writing)
    async def add_note(campaign: str, text: str) -> CallToolResult:
        """Add a note to a campaign's record; everybody at the company sees it."""
        found = [row for row in records.tables["campaigns"] if row["id"] == campaign]
        if not found:
            wrong = TextContent(type="text", text=f"There is no campaign {campaign}.")
            return CallToolResult(content=[wrong], is_error=True)
        found[0].setdefault("notes", []).append(text)
        return _answer([{"campaign": campaign, "notes": len(found[0]["notes"])}])

    return server


def _answer(rows: list[Row]) -> CallToolResult:
    found = {"rows": rows}
    return CallToolResult(content=[TextContent(type="text", text=json.dumps(found))], structured_content=found)


class _Uvicorn(uvicorn.Server):
    """Ends quietly on a signal; uvicorn itself raises the signal again after its shutdown."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._leave)
        yield

    def _leave(self) -> None:
        self.should_exit = True


def serve(tables: dict[str, list[Row]], port: int) -> None:
    """Listen, say where in one JSON line, and serve until a signal."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
        base = f"http://{HOST}:{listener.getsockname()[1]}"
        records = Records(tables, base)

        async def page(request: Request) -> JSONResponse:
            keys = {"campaigns": "id", "segments": "segment", "contacts": "contact"}
            table, name = request.path_params["table"], request.path_params["name"]
            found = [r for r in tables.get(table, []) if r[keys[table]] == name]
            return JSONResponse(found[0] if found else {"error": "no such record"}, 200 if found else 404)

        app = build_server(records).streamable_http_app(json_response=True, stateless_http=True, host=HOST)
        app.router.routes.append(Route("/{table}/{name}", page))
        print(json.dumps({"url": f"{base}/mcp"}), flush=True)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
        asyncio.run(_Uvicorn(config).serve(sockets=[listener]))


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m loopback.company.crm", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the CRM's tables as one JSON file")
    parser.add_argument("--http", type=int, default=0, metavar="PORT", help="of 127.0.0.1; 0 takes a free one")
    arguments = parser.parse_args()
    if not arguments.data.is_file():
        parser.error(f"there is no file {arguments.data}")
    serve(json.loads(arguments.data.read_text(encoding="utf-8")), arguments.http)


if __name__ == "__main__":
    main()
