"""Message batches of the offline model: create, list, look, results, cancel; answered beside other requests.

Faults of the name `batches`: `delay` (answered so much later, by the clock) and `accept_then_drop`.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from loopback.control import Clock, Faults, hang_up

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
    ready_at: float = 0.0  # when it ends at the earliest


class Batches:
    """The batches of one server."""

    def __init__(self, answer: Answer, clock: Clock, faults: Faults) -> None:
        self._answer, self._clock, self._faults = answer, clock, faults
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
        late = self._faults.take("batches", body, ("delay",))
        batch.ready_at = batch.made + (late.delay_s if late is not None else 0.0)
        self._batches[batch.id] = batch
        work = asyncio.create_task(self._work(batch))
        self._working.add(work)
        work.add_done_callback(self._working.discard)
        if self._faults.take("batches", body, ("accept_then_drop",)) is not None:
            return hang_up(request)
        return web.json_response(self._told(request, batch), headers={"request-id": request_id})

    async def list(self, request: web.Request, request_id: str) -> web.StreamResponse:
        """A page of batches, newest first, after the one named."""
        newest = list(reversed(self._batches.values()))
        names = [batch.id for batch in newest]
        after = request.query.get("after_id")
        if after is not None and after not in names:
            raise wire.ApiError(400, f"after_id: {after}")
        begin = names.index(after) + 1 if after is not None else 0
        page = newest[begin : begin + int(request.query.get("limit", "20"))]
        told = {
            "data": [self._told(request, batch) for batch in page], "has_more": begin + len(page) < len(newest),
            "first_id": page[0].id if page else None, "last_id": page[-1].id if page else None,
        }  # fmt: skip
        return web.json_response(told, headers={"request-id": request_id})

    async def retrieve(self, request: web.Request, request_id: str) -> web.StreamResponse:
        return web.json_response(self._told(request, self._known(request)), headers={"request-id": request_id})

    async def cancel(self, request: web.Request, request_id: str) -> web.StreamResponse:
        batch = self._known(request)
        batch.cancelled = True
        return web.json_response(self._told(request, batch), headers={"request-id": request_id})

    async def results(self, request: web.Request, request_id: str) -> web.StreamResponse:
        batch = self._known(request)
        if not self._ended(batch):
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

    def _ended(self, batch: _Batch) -> bool:
        return len(batch.results) == len(batch.requests) and self._clock.now() >= batch.ready_at

    def _told(self, request: web.Request, batch: _Batch) -> dict[str, Any]:
        ended = self._ended(batch)
        kinds = [one["result"]["type"] for one in batch.results] if ended else []
        made = datetime.fromtimestamp(batch.made, UTC)
        return {
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
