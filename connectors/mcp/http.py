"""Streamable HTTP with failures kept to the request that meets them, and a bound on every answer."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import mcp_types as types

NOT_SENT = -32097
LOST = -32096

_GOODBYE_S = 2.0  # for the end of a session, which no call waits for
_OF_A_PROXY = (429, 500, 502, 503, 504)


class Bounded(httpx2.AsyncByteStream):
    """A body that stops being read at the limit, and whose broken end is an error of this body alone."""

    def __init__(self, inner: httpx2.AsyncByteStream, limit: int) -> None:
        self._inner = inner
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for chunk in self._inner:
                size += len(chunk)
                if size > self._limit:
                    raise httpx2.StreamError(f"the answer is larger than the limit of {self._limit} bytes")
                yield chunk
        except httpx2.TransportError as error:
            raise httpx2.StreamError(f"the answer broke off: {error!r}") from error

    async def aclose(self) -> None:
        await self._inner.aclose()


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
        if response.status_code in _OF_A_PROXY and not _is_json(response):
            await response.aclose()
            # What stands before the server gave up on it; the server may still be at work on what it was asked.
            code = LOST if response.status_code in (502, 504) else types.INTERNAL_ERROR
            return failed(request, code, f"it answers {response.status_code}")
        if isinstance(response.stream, httpx2.AsyncByteStream):
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


def _is_json(response: httpx2.Response) -> bool:
    return str(response.headers.get("content-type", "")).startswith("application/json")


def failed(request: httpx2.Request, code: int, reason: str) -> httpx2.Response:
    error = types.JSONRPCError(jsonrpc="2.0", id=0, error=types.ErrorData(code=code, message=reason))
    body = error.model_dump_json(by_alias=True, exclude_unset=True)
    return httpx2.Response(503, headers={"content-type": "application/json"}, content=body, request=request)
