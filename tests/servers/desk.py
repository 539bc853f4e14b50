"""A travel desk as an MCP server of its own: it asks before it books, and ships as a long job. Speaks both eras.

What it did is in the lines of a file, so that a test sees what happened once, twice or never.
"""

import argparse
from pathlib import Path
from typing import Annotated, Any

import mcp_types as types
import uvicorn
from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp.server.request_state import RequestStateSecurity
from pydantic import BaseModel, Field

READS = types.ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True)
WRITES = types.ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False)
TASKS = "io.modelcontextprotocol/tasks"


class Stay(BaseModel):
    """What the desk wants to know."""

    nights: int = Field(ge=1, le=30, title="Nights")
    breakfast: bool = Field(title="Breakfast")


class _TaskParams(types.RequestParams):
    task_id: str = Field(alias="taskId")


class Jobs(Extension):
    """Shipping goes on after the call was answered: done once the file `shipped` is there."""

    identifier = TASKS

    def __init__(self, home: Path) -> None:
        self._home = home

    async def intercept_tool_call(self, params: Any, ctx: Any, call_next: Any) -> Any:
        if params.name != "ship":
            return await call_next(ctx)
        note(self._home, "ship begun")
        return {"resultType": "task", "taskId": "job-1", "status": "working", "ttlMs": None, "pollIntervalMs": 200}

    def methods(self) -> list[MethodBinding]:
        return [
            MethodBinding("tasks/get", _TaskParams, self._get),
            MethodBinding("tasks/cancel", _TaskParams, self._cancel),
        ]

    async def _get(self, _ctx: Any, params: _TaskParams) -> Any:
        note(self._home, f"looked at {params.task_id}")
        told = {"taskId": params.task_id, "ttlMs": None, "pollIntervalMs": 200, "createdAt": "2026-11-27T10:00:00Z",
                "lastUpdatedAt": "2026-11-27T10:00:00Z"}  # fmt: skip
        if (self._home / "shipped").exists():
            words = "shipped 12 parts"
            result = {"content": [{"type": "text", "text": words}], "structuredContent": {"result": words}}
            return {"resultType": "complete", "status": "completed", **told, "result": result}
        return {"resultType": "complete", "status": "working", "statusMessage": "packing", **told}

    async def _cancel(self, _ctx: Any, params: _TaskParams) -> Any:
        note(self._home, f"cancelled {params.task_id}")
        return {"resultType": "complete"}


def note(home: Path, line: str) -> None:
    with (home / "did").open("a") as file:
        file.write(line + "\n")


def did(home: Path) -> list[str]:
    place = home / "did"
    return place.read_text().splitlines() if place.exists() else []


def build(home: Path, name: str = "desk", extensions: tuple[Extension, ...] = ()) -> MCPServer:
    server = MCPServer(
        name, log_level="ERROR", extensions=[Jobs(home), *extensions],
        request_state_security=RequestStateSecurity(keys=[b"k" * 32]),
    )  # fmt: skip

    async def stay() -> Elicit[Stay]:
        return Elicit("How long is the stay?", Stay)

    Told = Annotated[ElicitationResult[Stay], Resolve(stay)]

    @server.tool(annotations=WRITES)
    async def book(room: str, told: Told) -> str:
        """Book a room. It cannot be taken back."""
        if not isinstance(told, AcceptedElicitation):
            return "not booked"
        note(home, f"booked {room} for {told.data.nights} with breakfast {told.data.breakfast}")
        return f"booked {room} for {told.data.nights} nights"

    @server.tool(annotations=READS)
    async def look(room: str, told: Told) -> str:
        """Look whether a room is free."""
        if not isinstance(told, AcceptedElicitation):
            return "not looked"
        note(home, f"looked for {room}")
        return f"{room} is free for {told.data.nights} nights"

    @server.tool(annotations=WRITES)
    async def ship(parts: int) -> str:
        """Ship parts. It takes long."""
        raise AssertionError(parts)

    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    given.home.mkdir(parents=True, exist_ok=True)
    uvicorn.run(build(given.home).streamable_http_app(), host="127.0.0.1", port=given.port, log_level="error")
