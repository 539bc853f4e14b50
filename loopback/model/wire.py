"""The Messages API on the wire: replies as JSON or server-sent events, errors as typed bodies, request ids."""

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web

from .interpreter import Reply
from .usage import tokens

_STATUS_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    529: "overloaded_error",
}
_CHUNKS = 6
_MIN_CHUNK = 32


class ApiError(Exception):
    """An answer that is not a message."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}

    def response(self, request_id: str) -> web.Response:
        body = {**error_body(self.status, str(self)), "request_id": request_id}
        headers = {"request-id": request_id, **self.headers}
        return web.json_response(body, status=self.status, headers=headers)


def error_body(status: int, message: str) -> dict[str, Any]:
    """The body the API sends with a status, also as an error event inside a stream."""
    kind = _STATUS_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}}


def new_id(prefix: str) -> str:
    return f"{prefix}_01{secrets.token_hex(11)}"


def message(reply: Reply, model: str, usage: Mapping[str, Any]) -> dict[str, Any]:
    """A reply as the API's message object."""
    refused = reply.stop_reason == "refusal"
    return {
        "id": new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": reply.content,
        "stop_reason": reply.stop_reason,
        "stop_sequence": None,
        "stop_details": {"type": "refusal", "category": None, "explanation": None} if refused else None,
        "usage": {**usage, "output_tokens": sum(tokens(b) for b in reply.content)},
    }


def limited(reply: Reply, limit: int) -> Reply:
    """The reply as far as `limit` output tokens reach; a call cut off has the arguments read so far, none."""
    left, kept = limit, []
    for block in reply.content:
        size = tokens(block)
        if size <= left:
            kept.append(block)
            left -= size
            continue
        if block["type"] == "text" and left > 0:
            kept.append({**block, "text": block["text"][: left * 4]})
        elif block["type"] == "tool_use" and left > 0:
            kept.append({**block, "input": {}})
        return Reply(kept, "max_tokens")
    return reply


def events(sent: Mapping[str, Any], partial_call: bool) -> Iterator[bytes]:
    """The events of a streamed message; with `partial_call` its last call's JSON stops in the middle."""
    usage = sent["usage"]
    opening = {**sent, "content": [], "stop_reason": None, "stop_details": None}
    opening["usage"] = {**usage, "output_tokens": 1}
    yield _event("message_start", {"message": opening}) + _event("ping", {})
    last = len(sent["content"]) - 1
    for index, block in enumerate(sent["content"]):
        yield from _block(index, block, partial_call and index == last)
    ending = {k: sent[k] for k in ("stop_reason", "stop_sequence", "stop_details")}
    totals = {k: v for k, v in usage.items() if k.endswith("_tokens")}
    yield _event("message_delta", {"delta": ending, "usage": totals}) + _event("message_stop", {})


def error_event(status: int, text: str) -> bytes:
    return _event("error", error_body(status, text))


def _block(index: int, block: Mapping[str, Any], partial: bool) -> Iterator[bytes]:
    empty: Mapping[str, Any] = block
    deltas: list[dict[str, str]] = []
    if block["type"] == "text":
        empty = {**block, "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
    elif block["type"] == "tool_use":
        empty = {**block, "input": {}}
        whole = json.dumps(block["input"], ensure_ascii=False, separators=(",", ":"))
        whole = '{"' if partial and not block["input"] else whole
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *_pieces(whole))]
    yield _event("content_block_start", {"index": index, "content_block": empty})
    for delta in deltas:
        yield _event("content_block_delta", {"index": index, "delta": delta})
    yield _event("content_block_stop", {"index": index})


def _pieces(text: str) -> list[str]:
    size = max(_MIN_CHUNK, -(-len(text) // _CHUNKS))
    return [text[at : at + size] for at in range(0, len(text), size)]


def _event(kind: str, data: Mapping[str, Any]) -> bytes:
    text = json.dumps({"type": kind, **data}, ensure_ascii=False, separators=(",", ":"))
    return f"event: {kind}\ndata: {text}\n\n".encode()
