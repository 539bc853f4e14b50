"""Requests of the tasks extension: a call that the server goes on with after it answered."""

from collections.abc import Mapping
from typing import Any, Literal

import mcp_types as types
from mcp import ClientSession
from pydantic import BaseModel, ConfigDict, Field

EXTENSION = "io.modelcontextprotocol/tasks"

_SLOWEST_S = 60.0


class _Params(types.RequestParams):
    task_id: str = Field(alias="taskId")
    input_responses: dict[str, Any] | None = Field(default=None, alias="inputResponses")


class _Get(types.Request[_Params, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    params: _Params
    name_param = "taskId"


class _Update(types.Request[_Params, Literal["tasks/update"]]):
    method: Literal["tasks/update"] = "tasks/update"
    params: _Params
    name_param = "taskId"


class _Cancel(types.Request[_Params, Literal["tasks/cancel"]]):
    method: Literal["tasks/cancel"] = "tasks/cancel"
    params: _Params
    name_param = "taskId"


class _Raw(BaseModel):
    model_config = ConfigDict(extra="allow")


async def raw(session: ClientSession, request: Any, progress: Any = None) -> dict[str, Any]:
    """The result as it came: what it is, is decided by who asked."""
    result = await session.send_request(request, _Raw, progress_callback=progress)
    return result.model_extra or {}


async def look(session: ClientSession, task_id: str) -> dict[str, Any]:
    return await raw(session, _Get(params=_Params(taskId=task_id)))


async def answer(session: ClientSession, task_id: str, responses: Mapping[str, types.Result]) -> None:
    given = {k: v.model_dump(mode="json", by_alias=True, exclude_none=True) for k, v in responses.items()}
    await raw(session, _Update(params=_Params(taskId=task_id, inputResponses=given)))


async def cancel(session: ClientSession, task_id: str) -> None:
    await raw(session, _Cancel(params=_Params(taskId=task_id)))


def poll_s(state: Mapping[str, Any]) -> float:
    """How long the server wants to be left alone."""
    try:
        return min(max(float(state.get("pollIntervalMs") or 1000) / 1000, 0.1), _SLOWEST_S)
    except (TypeError, ValueError):
        return 1.0
