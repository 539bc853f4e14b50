"""Runs as tasks: a client that declares the extension gets a run's id, polls it, and answers its questions."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import mcp_types as types
from mcp.server.extension import Extension, MethodBinding
from mcp.shared.exceptions import MCPError
from pydantic import Field

from bot.mcp.work import Desk, Refused
from bot.store.callers import Person
from bot.types import Json

EXTENSION = "io.modelcontextprotocol/tasks"
POLL_MS = 2_000
STATUS = {"done": "completed", "failed": "failed", "stopped": "cancelled"}


class _Named(types.RequestParams):
    task_id: str = Field(alias="taskId")


class _Answered(_Named):
    input_responses: dict[str, Any] = Field(default_factory=dict, alias="inputResponses")


class Tasks(Extension):
    """The extension; a task's id is the run's, so that any process knows it."""

    identifier = EXTENSION

    def __init__(self, desk: Desk, who: Callable[[Mapping[str, str] | None], Awaitable[Person | None]]) -> None:
        self._desk, self._who = desk, who

    async def intercept_tool_call(self, params: Any, ctx: Any, call_next: Any) -> Any:
        """start_run is answered by a task where the client can take one."""
        capabilities = ctx.session.client_capabilities
        declared = (getattr(capabilities, "extensions", None) or {}) if capabilities is not None else {}
        if params.name != "start_run" or EXTENSION not in declared:
            return await call_next(ctx)
        given = params.arguments or {}
        try:
            run = await self._desk.start(
                await self._person(ctx), str(given.get("request", "")), str(given.get("key", ""))
            )
        except Refused as error:
            content: list[Any] = [types.TextContent(type="text", text=str(error))]
            return types.CallToolResult(content=content, is_error=True)
        return {"resultType": "task", **_head(run["run_id"], "working")}

    def methods(self) -> Sequence[MethodBinding]:
        return [
            MethodBinding("tasks/get", _Named, self._get),
            MethodBinding("tasks/update", _Answered, self._update),
            MethodBinding("tasks/cancel", _Named, self._cancel),
        ]

    async def _get(self, ctx: Any, params: _Named) -> Json:
        run = await self._made(self._desk.run(await self._person(ctx), params.task_id))
        told: Json = {"resultType": "complete", **_head(params.task_id, STATUS.get(run["status"], "working"))}
        asked = {q["question_id"]: _elicits(q) for q in run["questions"] if q["answer_here"]}
        if run["status"] in STATUS:
            text = run["summary"] or run["error"] or f"The run is {run['status']}."
            result = {"content": [{"type": "text", "text": text}], "structuredContent": run}
            if run["status"] == "failed":
                return told | {"error": {"code": types.INTERNAL_ERROR, "message": run["error"] or text}}
            return told | {"result": result}
        if asked:
            return told | {"status": "input_required", "inputRequests": asked}
        waits = "Waits for a person in Slack." if run["questions"] else ""
        done = sum(one["status"] == "done" for one in run["tasks"])
        return told | {"statusMessage": waits or f"{done} of {len(run['tasks'])} tasks done."}

    async def _update(self, ctx: Any, params: _Answered) -> Json:
        person = await self._person(ctx)
        for question, response in params.input_responses.items():
            told = response if isinstance(response, dict) else json.loads(json.dumps(response, default=dict))
            accepted = told.get("action") == "accept"
            words = (
                str((told.get("content") or {}).get("answer", "")) if accepted else "I do not want to answer that."
            )
            await self._made(self._desk.answer(person, question, words))
        return {"resultType": "complete"}

    async def _cancel(self, ctx: Any, params: _Named) -> Json:
        await self._made(self._desk.cancel(await self._person(ctx), params.task_id))
        return {"resultType": "complete"}

    async def _person(self, ctx: Any) -> Person:
        found = await self._who(getattr(ctx.request, "headers", None))
        if found is None:
            raise MCPError(types.INVALID_REQUEST, "This token is not known, or it was revoked.")
        return found

    async def _made(self, work: Awaitable[Any]) -> Any:
        try:
            return await work
        except Refused as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from error


def _head(task_id: str, status: str) -> Json:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "taskId": task_id, "status": status, "createdAt": now, "lastUpdatedAt": now, "ttlMs": None,
        "pollIntervalMs": POLL_MS,
    }  # fmt: skip


def _elicits(question: Json) -> Json:
    """A question of a run as a form with one field."""
    answer: Json = {"type": "string", "title": "Answer", "minLength": 1}
    if question["options"]:
        answer["description"] = f"One of: {', '.join(question['options'])}; or in own words"
    schema = {"type": "object", "properties": {"answer": answer}, "required": ["answer"]}
    return {
        "method": "elicitation/create",
        "params": {"mode": "form", "message": question["text"], "requestedSchema": schema},
    }
