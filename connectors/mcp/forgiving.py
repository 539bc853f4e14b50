"""What servers leave out and the protocol tells clients to assume, added before the SDK checks what arrives."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import mcp_types as types


class _Forgiving:
    """A read stream on which a result of the modern era that does not say so is complete."""

    def __init__(self, inner: Any, is_modern: Callable[[], bool]) -> None:
        self._inner = inner
        self._is_modern = is_modern

    @property
    def last_context(self) -> Any:
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> Any:
        return self._completed(await self._inner.receive())

    async def aclose(self) -> None:
        await self._inner.aclose()

    def __aiter__(self) -> "_Forgiving":
        return self

    async def __anext__(self) -> Any:
        return self._completed(await self._inner.__anext__())

    async def __aenter__(self) -> "_Forgiving":
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *reason: Any) -> bool | None:
        ended: bool | None = await self._inner.__aexit__(*reason)
        return ended

    def _completed(self, item: Any) -> Any:
        message = getattr(item, "message", None)
        if isinstance(message, types.JSONRPCResponse) and self._is_modern():
            message.result.setdefault("resultType", "complete")
        return item


@asynccontextmanager
async def forgiving(
    transport: AbstractAsyncContextManager[Any], is_modern: Callable[[], bool]
) -> AsyncIterator[tuple[Any, Any]]:
    """The streams of a transport, the reading one forgiving."""
    async with transport as (reading, writing):
        yield _Forgiving(reading, is_modern), writing
