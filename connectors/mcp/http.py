"""Streamable HTTP with failures kept to the request that meets them, and a bound on every answer."""

import asyncio
import re
from collections.abc import AsyncIterator

import httpx2
import mcp_types as types

from .oversize import Measured, refused

NOT_SENT = -32097
LOST = -32096

_GOODBYE_S = 2.0  # for the end of a session, which no call waits for
_OF_A_PROXY = (429, 500, 502, 503, 504)
_BLANK = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")  # ends an event
_NOT_DATA = re.compile(rb"(?<=[\r\n])(?:data: ?|(?:event|id|retry)?:[^\r\n]*)")


class Bounded(httpx2.AsyncByteStream):
    """A body that stops being read at the limit, and whose broken end is an error of this body alone."""

    def __init__(self, inner: httpx2.AsyncByteStream, limit: int) -> None:
        self._inner = inner
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._chunks():
            size += len(chunk)
            if size > self._limit:
                raise httpx2.StreamError(f"the answer is larger than the limit of {self._limit} bytes")
            yield chunk

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._inner:
                yield chunk
        except httpx2.TransportError as error:
            raise httpx2.StreamError(f"the answer broke off: {error!r}") from error

    async def aclose(self) -> None:
        await self._inner.aclose()


class BoundedEvents(Bounded):
    """An event stream, which may go on for ever: one event over the limit becomes the error of what it answers."""

    def __init__(self, inner: httpx2.AsyncByteStream, limit: int, only: int | None) -> None:
        """`only` stands for the request whose stream this is, where it is that of one request."""
        super().__init__(inner, limit)
        self._only = only

    async def __aiter__(self) -> AsyncIterator[bytes]:
        event = Measured(self._limit)
        line_end = b""  # which the next chunk may go on with
        async for chunk in self._chunks():
            data, begin = line_end + chunk, 0
            for blank in _BLANK.finditer(data):
                event.add(data[begin : blank.end()])
                yield self._passed(event)
                event, begin = Measured(self._limit), blank.end()
            rest = data[begin:]
            body = rest.rstrip(b"\r\n")
            event.add(body)
            line_end = rest[len(body) :]
        event.add(line_end)
        yield self._passed(event)

    def _passed(self, event: Measured) -> bytes:
        if event.fits:
            return event.whole()
        head, tail = (_NOT_DATA.sub(b"", end) for end in (b"\n" + event.head, event.tail))
        error = refused(head, tail, event.too_large, self._only)
        said = error.model_dump_json(by_alias=True, exclude_unset=True).encode() if error is not None else b""
        return b"event: message\ndata: " + said + b"\n\n"


class PerRequestFailures(httpx2.AsyncBaseTransport):
    """Turns a refused or broken connection into a JSON-RPC error for one request.

    An exception here would end the session's task group, and with it every other call on the connection.
    """

    def __init__(self, limit: int) -> None:
        self._inner = httpx2.AsyncHTTPTransport()
        self._limit = limit

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "DELETE":
            return await self._goodbye(request)
        try:
            response = await self._inner.handle_async_request(request)
        except httpx2.TransportError as error:
            unsent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
            return failed(request, NOT_SENT if unsent else LOST, str(error) or type(error).__name__)
        if response.status_code == 404 and "mcp-session-id" in request.headers:
            # The specification's sign of a session the server has forgotten; servers word the body as they like.
            await response.aclose()
            return failed(request, NOT_SENT, "the server no longer knows this session")
        if response.status_code in _OF_A_PROXY and _media_type(response) != "application/json":
            await response.aclose()
            # What stands before the server gave up on it; the server may still be at work on what it was asked.
            code = LOST if response.status_code in (502, 504) else types.INTERNAL_ERROR
            return failed(request, code, f"it answers {response.status_code}")
        if isinstance(response.stream, httpx2.AsyncByteStream):
            if _media_type(response) == "text/event-stream" and "content-encoding" not in response.headers:
                # The SDK knows itself which request the stream of a POST answers, whatever id stands in it.
                only = 0 if request.method == "POST" else None
                response.stream = BoundedEvents(response.stream, self._limit, only)
            else:
                response.stream = Bounded(response.stream, self._limit)
        return response

    async def _goodbye(self, request: httpx2.Request) -> httpx2.Response:
        """The end of a session. A server that does not take it in time finds out by itself."""
        try:
            async with asyncio.timeout(_GOODBYE_S):
                response = await self._inner.handle_async_request(request)
                await response.aclose()
        except (TimeoutError, httpx2.TransportError):
            return httpx2.Response(204, request=request)
        return httpx2.Response(response.status_code, request=request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _media_type(response: httpx2.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def failed(request: httpx2.Request, code: int, reason: str) -> httpx2.Response:
    error = types.JSONRPCError(jsonrpc="2.0", id=0, error=types.ErrorData(code=code, message=reason))
    body = error.model_dump_json(by_alias=True, exclude_unset=True)
    return httpx2.Response(503, headers={"content-type": "application/json"}, content=body, request=request)
