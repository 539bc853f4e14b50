"""Message batches of the offline model: create, look, results, cancel; answered beside other requests."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from loopback.control import Clock

from . import validate, wire

Answer = Callable[[dict[str, Any]], dict[str, Any]]
"""From the parameters of a request to its message; raises ApiError."""


@dataclass
class _Batch:
    id: str
    made: float
    requests: list[Mapping[str, Any]]
    results: list[dict[str, Any]] = field(default_factory=list)
    cancelled: bool = False


class Batches:
    """The batches of one server."""

    def __init__(self, answer: Answer, clock: Clock) -> None:
        self._answer, self._clock = answer, clock
        self._batches: dict[str, _Batch] = {}
        self._working: set[asyncio.Task[None]] = set()

    async def create(self, request: web.Request, request_id: str) -> web.StreamResponse:
        try:
            body = json.loads(await request.read())
            given = body["requests"]
            names = [one["custom_id"] for one in given]
        except (ValueError, KeyError, TypeError) as error:
            raise wire.ApiError(400, "requests: Field required") from error
        if not given or len(set(names)) != len(names):
            raise wire.ApiError(400, "requests: custom_id must be unique, and there must be at least one request")
        for place, one in enumerate(given):
            try:
                validate.check(
                    one["params"], version=request.headers["anthropic-version"], beta=False, counting=False
                )
            except validate.Invalid as error:
                raise wire.ApiError(400, f"requests.{place}.params.{error}") from error
        batch = _Batch(wire.new_id("msgbatch"), self._clock.now(), given)
        self._batches[batch.id] = batch
        work = asyncio.create_task(self._work(batch))
        self._working.add(work)
        work.add_done_callback(self._working.discard)
        return self._shown(request, batch, request_id)

    async def retrieve(self, request: web.Request, request_id: str) -> web.StreamResponse:
        return self._shown(request, self._known(request), request_id)

    async def cancel(self, request: web.Request, request_id: str) -> web.StreamResponse:
        batch = self._known(request)
        batch.cancelled = True
        return self._shown(request, batch, request_id)

    async def results(self, request: web.Request, request_id: str) -> web.StreamResponse:
        batch = self._known(request)
        if len(batch.results) < len(batch.requests):
            raise wire.ApiError(404, "The results of this batch are not ready")
        lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in batch.results)
        headers = {"request-id": request_id}
        return web.Response(text=lines, content_type="application/x-jsonl", headers=headers)

    async def _work(self, batch: _Batch) -> None:
        for one in batch.requests:
            await asyncio.sleep(0)  # other requests go on meanwhile
            if batch.cancelled:
                result: dict[str, Any] = {"type": "canceled"}
            else:
                try:
                    result = {"type": "succeeded", "message": self._answer(dict(one["params"]))}
                except wire.ApiError as error:
                    result = {"type": "errored", "error": wire.error_body(error.status, str(error))}
            batch.results.append({"custom_id": one["custom_id"], "result": result})

    def _known(self, request: web.Request) -> _Batch:
        found = self._batches.get(request.match_info["id"])
        if found is None:
            raise wire.ApiError(404, f"batch: {request.match_info['id']}")
        return found

    def _shown(self, request: web.Request, batch: _Batch, request_id: str) -> web.StreamResponse:
        ended = len(batch.results) == len(batch.requests)
        kinds = [one["result"]["type"] for one in batch.results]
        made = datetime.fromtimestamp(batch.made, UTC)
        told = {
            "id": batch.id, "type": "message_batch",
            "processing_status": "ended" if ended else "canceling" if batch.cancelled else "in_progress",
            "request_counts": {
                "processing": len(batch.requests) - len(kinds), "succeeded": kinds.count("succeeded"),
                "errored": kinds.count("errored"), "canceled": kinds.count("canceled"), "expired": 0,
            },
            "created_at": made.isoformat(), "expires_at": (made + timedelta(days=1)).isoformat(),
            "ended_at": made.isoformat() if ended else None, "archived_at": None,
            "cancel_initiated_at": made.isoformat() if batch.cancelled else None,
            "results_url": f"{request.url.origin()}/v1/messages/batches/{batch.id}/results" if ended else None,
        }  # fmt: skip
        return web.json_response(told, headers={"request-id": request_id})
