"""Calls of tools over a connection, through the rounds in which a server asks back or goes on by itself."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Any

import mcp_types as types
from mcp import Client
from pydantic import ValidationError

from . import jobs, reading
from .calls import Call, completed, elicited
from .connection import Connection
from .content import CallResult, call_result, masked
from .errors import InputRequired, ProtocolFailure, QuestionLost, StillWorking
from .ports import Answer, Parked

_MOST_ROUNDS = 20
_INLINE_S = 2.0  # how long a server that only says "come back" is waited for inside of the call
_LONGEST_WAIT_S = 30.0
_LOOK_S = 10.0  # at a call that was left under way
_ASKS_FOR_URL = -32042
_EXPIRED_STATE = types.INVALID_PARAMS


async def made(connection: Connection, call: Call) -> CallResult:
    """A new call. Raises InputRequired or StillWorking where it goes on later."""
    return await _rounds(connection, call, None, None, 1)


async def resumed(connection: Connection, call: Call, parked: Parked, answers: Mapping[str, Answer]) -> CallResult:
    """A parked call with what people answered meanwhile."""
    given = {q.key: completed(q, answers[q.key]) for q in parked.questions if q.key in answers}
    known = [(q, given[q.key]) for q in parked.questions if q.key in given]
    if parked.kind == "held":
        return await _released(connection, replace(call, known=known), parked, given)
    if parked.kind == "task":
        return await _looked_at(connection, call, parked, given)
    responses = await _responses(connection, parked.requests, given) if connection.modern else None
    try:
        return await _rounds(connection, call, responses or None, parked.state, parked.round + 1)
    except ProtocolFailure as error:
        if error.code != _EXPIRED_STATE or parked.state is None:
            raise
        # What the server kept in its state ran out: the call begins again, and the same question gets its answer.
        return await _rounds(connection, replace(call, known=known), None, None, parked.round + 1)


async def given_up(connection: Connection, parked: Parked) -> None:
    """Nobody waits for the call any more: the server is told so."""
    call = connection.held.get(parked.held or "")
    if call is not None:
        await connection.untrack(call)
    if parked.task_id is not None:
        task_id = parked.task_id
        await connection.request(lambda c: jobs.cancel(c.session, task_id), "tasks/cancel", 10.0)


async def _released(connection: Connection, again: Call, parked: Parked, given: Mapping[str, Answer]) -> CallResult:
    """The call that was held open; one that is gone is made again only where that does no harm."""
    call = connection.held.pop(parked.held or "", None)
    if call is not None and not call.lapsed:
        if not parked.requests and call.limits.park is not None:
            call.limits = replace(call.limits, park=min(call.limits.park, _LOOK_S))
        call.answer(given)
        return _result(connection, call, await _outcome(connection, call))
    if call is not None:
        await connection.untrack(call)
    if again.tool.idempotent:
        return await made(connection, again)
    alias, tool = connection.config.alias, again.tool.tool
    gone = "no longer waits for this answer" if parked.requests else "was under way when Cadre stopped"
    raise QuestionLost(
        alias, f"{tool} of {alias} {gone}, and it may have been done in part. It is not called again by itself."
    )


async def _rounds(
    connection: Connection, call: Call, responses: dict[str, Any] | None, state: str | None, number: int
) -> CallResult:
    """Sends the call, and again with what the host itself can answer, until it is done or a person is needed."""
    waited, wait = 0.0, 0.1
    while True:
        try:
            raw = await _sent(connection, call, responses, state)
        except ProtocolFailure as error:
            if error.code == _ASKS_FOR_URL:
                raise _visits(connection, call, error, number) from error
            raise
        kind = raw.get("resultType") or "complete"
        if kind == "task":
            raise _working(connection, call, raw)
        if kind != "input_required":
            return _result(connection, call, raw)
        requests, state = raw.get("inputRequests") or {}, raw.get("requestState")
        parked = Parked("input", call.tool.name, call.arguments, requests, state, round=number)
        number += 1
        if number > _MOST_ROUNDS:
            raise ProtocolFailure(connection.config.alias, f"{call.tool.tool} asks back without end.")
        known = {q.key: answer for q in parked.questions if (answer := call.knows(q))}
        _need_nobody(connection, call, parked, known)
        responses = await _responses(connection, requests, known) or None
        if not requests:
            if waited >= _INLINE_S:
                raise StillWorking(
                    connection.config.alias, f"{call.tool.tool} is not done yet.", replace(parked, poll_s=wait)
                )
            await asyncio.sleep(wait)
            waited, wait = waited + wait, min(wait * 2, _LONGEST_WAIT_S)


async def _sent(connection: Connection, call: Call, responses: Any, state: str | None) -> dict[str, Any]:
    def send(client: Client) -> Awaitable[dict[str, Any]]:
        return jobs.raw(client.session, _request(call, responses, state), call.progressed)

    connection.track(call, send(connection.client))
    return await _outcome(connection, call)


def _request(call: Call, responses: Any, state: str | None) -> types.Request[Any, Any]:
    if call.tool.ours:
        return reading.request(call.tool.tool, call.arguments, responses, state)
    params = types.CallToolRequestParams(
        name=call.tool.tool, arguments=dict(call.arguments), input_responses=responses, request_state=state
    )
    return types.CallToolRequest(params=params)


async def _outcome(connection: Connection, call: Call) -> dict[str, Any]:
    """Waits for the server; a call that a question holds open is left under way."""
    assert call.sending is not None
    came = "failed"
    try:
        came = await call.wait()
        if came == "answered":
            found: dict[str, Any] = connection.settled(f"the call of {call.tool.tool}", call.sending)
            return found
    finally:
        if came in ("answered", "failed"):
            await connection.untrack(call)
    connection.held[call.id] = call
    if came == "asks":
        raise _asks(connection, call, call.parked())
    # Nobody may come back for it.
    asyncio.get_running_loop().call_later(2 * call.limits.total, call.sending.cancel)
    alias, parked = connection.config.alias, replace(call.parked(), poll_s=_LOOK_S)
    raise StillWorking(alias, parked.said or f"{call.tool.tool} of {alias} is still at work.", parked)


def _result(connection: Connection, call: Call, raw: Mapping[str, Any]) -> CallResult:
    config = connection.config
    try:
        if call.tool.ours:
            read = reading.result(call.tool, call.arguments, raw, config.max_text_bytes)
            return masked(read, config.masked)
        result = types.CallToolResult.model_validate(raw, by_name=False)
    except ValidationError as error:
        said = " ".join(str(error).split())[:300]
        raise ProtocolFailure(config.alias, f"{call.tool.tool} answered off the protocol: {said}") from error
    schema = call.tool.output_schema if config.check_output else None
    return masked(call_result(result, config.max_text_bytes, schema), config.masked)


# ---- questions


async def _responses(
    connection: Connection, requests: Mapping[str, Any], given: Mapping[str, Answer]
) -> dict[str, types.InputResponse]:
    """Answers by key: of people, and where the host knows itself, its own."""
    found: dict[str, types.InputResponse] = {}
    for key, request in requests.items():
        method = request.get("method")
        if method == "elicitation/create":
            found[key] = elicited(given.get(key, Answer("cancel")))
        elif method == "roots/list":
            found[key] = connection.roots()
        elif method == "sampling/createMessage" and connection.profile.sampler is not None:
            found[key] = await connection.sampled(request.get("params") or {})
        else:
            alias = connection.config.alias
            raise ProtocolFailure(alias, f"{alias} asks for {method}, which it was not offered.")
    return found


def _need_nobody(connection: Connection, call: Call, parked: Parked, known: Mapping[str, Answer]) -> None:
    """Raises what parks the call when a person has to answer first."""
    if not [q for q in parked.questions if q.key not in known]:
        return
    if not connection.profile.interactive:
        alias = connection.config.alias
        raise ProtocolFailure(alias, f"{call.tool.tool} of {alias} asks a person, and here nobody can be asked.")
    raise _asks(connection, call, parked)


def _asks(connection: Connection, call: Call, parked: Parked) -> InputRequired:
    alias = connection.config.alias
    return InputRequired(alias, f"{call.tool.tool} of {alias} asks for input before it goes on.", parked)


def _visits(connection: Connection, call: Call, error: ProtocolFailure, number: int) -> Exception:
    """The older protocol's way to have a person visit an address: an error, after which the call is made again."""
    listed = error.data.get("elicitations") if isinstance(error.data, Mapping) else None
    requests = {
        f"visit-{n}": {"method": "elicitation/create", "params": {"mode": "url", **params}}
        for n, params in enumerate(listed or [], 1)
        if isinstance(params, Mapping)
    }
    if not requests or not connection.profile.interactive or number > 2:
        return error
    return _asks(connection, call, Parked("input", call.tool.name, call.arguments, requests, round=number))


# ---- jobs


def _working(connection: Connection, call: Call, state: Mapping[str, Any]) -> StillWorking:
    parked = Parked(
        "task",
        call.tool.name,
        call.arguments,
        task_id=str(state.get("taskId")),
        poll_s=jobs.poll_s(state),
        said=state.get("statusMessage"),
    )
    alias = connection.config.alias
    return StillWorking(alias, parked.said or f"{call.tool.tool} of {alias} is at work.", parked)


async def _looked_at(connection: Connection, call: Call, parked: Parked, given: Mapping[str, Answer]) -> CallResult:
    """How a job is doing, after the answers it asked for were handed in."""
    assert parked.task_id is not None
    task_id, idle = parked.task_id, call.limits.idle
    if parked.requests:
        responses = await _responses(connection, parked.requests, given)
        await connection.request(lambda c: jobs.answer(c.session, task_id, responses), "tasks/update", idle)
    state = await connection.request(lambda c: jobs.look(c.session, task_id), "tasks/get", idle)
    alias, status = connection.config.alias, state.get("status")
    if status == "completed":
        return _result(connection, call, state.get("result") or {})
    if status == "failed":
        said = (state.get("error") or {}).get("message") or state.get("statusMessage") or "without saying why"
        raise ProtocolFailure(alias, f"{call.tool.tool} of {alias} failed: {connection.config.redacted(str(said))}")
    if status == "cancelled":
        raise ProtocolFailure(alias, f"{call.tool.tool} of {alias} was cancelled there.")
    working = _working(connection, call, {**state, "taskId": task_id})
    # A question may still be listed for a moment after its answer was taken.
    fresh = {k: r for k, r in (state.get("inputRequests") or {}).items() if k not in parked.requests}
    if status == "input_required" and fresh:
        asked = replace(working.parked, requests=fresh)
        _need_nobody(connection, call, asked, {})
        return await _looked_at(connection, call, asked, {})
    raise working
