"""The offline model as a server: Anthropic's Messages API on loopback, answered by a brain that is no model."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from loopback.control import CallLog, Clock, Faults, add_control, hang_up

from . import validate, wire
from .batches import Batches
from .interpreter import Forget, Reply, answer
from .usage import PromptCache, input_tokens, tokens

MODEL_ID = "cadre-offline-playbook"
Brain = Callable[[Mapping[str, Any], Forget], Reply]

_MAX_BODY = 32 * 1024 * 1024
_REFUSED = {
    "overloaded": (529, "Overloaded"),
    "429": (429, "This request would exceed your organization's rate limit."),
    "5xx": (500, "Internal server error"),
}
_VANISHED = ("accept_then_drop", "disconnect")
_BENT = ("max_tokens", "refusal", "pause", "empty")
_FAULTS = (*_REFUSED, *_VANISHED, *_BENT, "cut", "error_event", "delay")


def build(
    *, log: CallLog, faults: Faults, clock: Clock, brain: Brain = answer, model_id: str = MODEL_ID
) -> web.Application:
    """The application; `brain` answers a valid request, by default from the playbook found in it."""
    server = _Server(log, faults, clock, brain, model_id)
    app = web.Application(client_max_size=_MAX_BODY)
    app.router.add_post("/v1/messages", server.handled(server.messages))
    batches = Batches(server.batched, clock, faults)
    app.router.add_post("/v1/messages/batches", server.handled(batches.create))
    app.router.add_get("/v1/messages/batches", server.handled(batches.list))
    app.router.add_get("/v1/messages/batches/{id}", server.handled(batches.retrieve))
    app.router.add_get("/v1/messages/batches/{id}/results", server.handled(batches.results))
    app.router.add_post("/v1/messages/batches/{id}/cancel", server.handled(batches.cancel))
    app.router.add_post("/v1/messages/count_tokens", server.handled(server.count_tokens))
    app.router.add_get("/v1/models", server.handled(server.models))
    app.router.add_get("/v1/models/{id}", server.handled(server.model))
    add_control(
        app,
        server="model",
        log=log,
        faults=faults,
        clock=clock,
        act=server.act,
        state=server.state,
        thread=server.thread,
        reset=server.reset,
    )
    return app


class _Server:
    def __init__(self, log: CallLog, faults: Faults, clock: Clock, brain: Brain, model_id: str) -> None:
        self._log = log
        self._faults = faults
        self._clock = clock
        self._brain = brain
        self._model_id = model_id
        self._cache = PromptCache(clock.now)
        self._answered = 0

    # ---- control

    async def act(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"ok": False, "error": "the offline model has no actions"}

    async def state(self) -> dict[str, Any]:
        return {"model": self._model_id, "answered": self._answered}

    async def thread(self, query: Mapping[str, str]) -> dict[str, Any]:
        return {"ok": False, "error": "the offline model keeps no threads"}

    async def reset(self) -> None:
        self._cache.clear()
        self._answered = 0

    # ---- the API

    def handled(
        self, handler: Callable[[web.Request, str], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Authentication, request ids and typed errors around a handler."""

        async def handle(request: web.Request) -> web.StreamResponse:
            request_id = wire.new_id("req")
            try:
                if not (request.headers.get("x-api-key") or request.headers.get("authorization")):
                    raise wire.ApiError(401, "x-api-key header is required")
                if "anthropic-version" not in request.headers:
                    raise wire.ApiError(400, "anthropic-version: header is required")
                return await handler(request, request_id)
            except wire.ApiError as error:
                self._log.append(
                    {"server": "model", "kind": "response", "name": request.path, "status": error.status}
                )
                return error.response(request_id)

        return handle

    async def messages(self, request: web.Request, request_id: str) -> web.StreamResponse:
        body = await self._body(request, counting=False)
        user = (body.get("metadata") or {}).get("user_id") or ""
        self._log.append({"server": "model", "kind": "request", "name": "messages", "user": user, "body": body})

        def forget(name: str, arguments: Mapping[str, Any]) -> bool:
            return self._faults.take(f"{user} {name}", {"input": arguments}, ("drop",)) is not None

        reply = self._brain(body, forget)
        tools = " ".join(block["name"] for block in reply.content if block["type"] == "tool_use")
        fault = self._faults.take(f"messages {user} {tools}", body, _FAULTS)
        kind = fault.kind if fault is not None else ""
        if fault is not None and kind == "delay":
            await asyncio.sleep(fault.delay_s)
        if fault is not None and kind in _REFUSED:
            headers = {"retry-after": f"{fault.retry_after_s:g}"} if kind == "429" else None
            raise wire.ApiError(*_REFUSED[kind], headers)
        reply = _bent(kind, reply)
        reply = wire.limited(reply, body["max_tokens"])
        sent = wire.message(reply, self._model_id, self._cache.usage(body))
        self._answered += 1
        self._log.append(
            {
                "server": "model",
                "kind": "response",
                "name": "messages",
                "user": user,
                "status": 200,
                "fault": kind,
                "body": sent,
            }
        )
        if kind in _VANISHED or (kind == "cut" and not body.get("stream")):
            return hang_up(request)
        if not body.get("stream"):
            if kind == "error_event":
                raise wire.ApiError(500, "Internal server error")
            return web.json_response(sent, headers={"request-id": request_id})
        return await _stream(request, request_id, sent, kind)

    def batched(self, body: dict[str, Any]) -> dict[str, Any]:
        """The message for one request of a batch."""
        self._known(body["model"])
        user = (body.get("metadata") or {}).get("user_id") or ""
        self._log.append({"server": "model", "kind": "request", "name": "batch", "user": user, "body": body})
        reply = wire.limited(self._brain(body, lambda _name, _arguments: False), body["max_tokens"])
        self._answered += 1
        return wire.message(reply, self._model_id, self._cache.usage(body))

    async def count_tokens(self, request: web.Request, request_id: str) -> web.StreamResponse:
        body = await self._body(request, counting=True)
        return web.json_response({"input_tokens": input_tokens(body)}, headers={"request-id": request_id})

    async def models(self, request: web.Request, request_id: str) -> web.StreamResponse:
        only = _model_info(self._model_id)
        page = {"data": [only], "has_more": False, "first_id": self._model_id, "last_id": self._model_id}
        return web.json_response(page, headers={"request-id": request_id})

    async def model(self, request: web.Request, request_id: str) -> web.StreamResponse:
        self._known(request.match_info["id"])
        return web.json_response(_model_info(self._model_id), headers={"request-id": request_id})

    # ---- parts

    async def _body(self, request: web.Request, *, counting: bool) -> dict[str, Any]:
        try:
            body = json.loads(await request.read())
        except web.HTTPRequestEntityTooLarge as error:
            raise wire.ApiError(413, "Request exceeds the maximum size") from error
        except ValueError as error:
            raise wire.ApiError(400, "The request body is not valid JSON") from error
        headers = request.headers
        try:
            validate.check(
                body, version=headers["anthropic-version"], beta="anthropic-beta" in headers, counting=counting
            )
        except validate.Invalid as error:
            raise wire.ApiError(400, str(error)) from error
        self._known(body["model"])
        checked: dict[str, Any] = body
        return checked

    def _known(self, model: str) -> None:
        if model != self._model_id:
            raise wire.ApiError(404, f"model: {model}")


def _bent(kind: str, reply: Reply) -> Reply:
    """The reply as a fault of content leaves it."""
    spoken = [block for block in reply.content if block["type"] == "text"]
    if kind == "max_tokens":
        return wire.limited(reply, sum(tokens(b) for b in spoken) + 1)
    if kind == "refusal":
        return Reply([], "refusal")
    if kind == "pause":
        return Reply(spoken[:1], "pause_turn")
    if kind == "empty":
        return Reply([], "end_turn")
    return reply


async def _stream(request: web.Request, request_id: str, sent: Mapping[str, Any], kind: str) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    )
    response.headers["request-id"] = request_id
    await response.prepare(request)
    chunks = list(wire.events(sent, partial_call=sent["stop_reason"] == "max_tokens"))
    if kind in ("cut", "error_event"):
        await response.write(b"".join(chunks[: max(1, len(chunks) // 2)]))
        if kind == "error_event":
            await response.write(wire.error_event(529, "Overloaded"))
        elif request.transport is not None:
            request.transport.close()
        return response
    await response.write(b"".join(chunks))
    await response.write_eof()
    return response


def _model_info(model_id: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": model_id,
        "display_name": "Offline playbook (no language model)",
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
        "max_input_tokens": 1_000_000,
        "max_tokens": 128_000,
        "capabilities": None,
    }
