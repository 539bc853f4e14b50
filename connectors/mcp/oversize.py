"""Messages over the limit: of each only the two ends are kept, and they say which request it answers."""

import re

import mcp_types as types

_END = 4096
# A message is one object. What stands before its first nested value and after its last one is its own; an id in
# between is of the data in it. A request of the server has an id too, which is none of ours.
_HEAD = re.compile(
    rb'\s*\{(?:\s*"jsonrpc"\s*:\s*"[^"]*"\s*,|\s*"id"\s*:\s*"?(?P<id>\d{1,15})"?\s*,)*\s*"(?:result|error)"\s*:'
)
_TAIL = re.compile(rb',\s*"id"\s*:\s*"?(?P<id>\d{1,15})"?\s*(?:,\s*"jsonrpc"\s*:\s*"[^"]*"\s*)?\}\s*$')


class Measured:
    """A message while it comes in, kept whole up to the limit."""

    def __init__(self, limit: int) -> None:
        self.size = 0
        self.head = b""
        self.tail = b""
        self._limit = limit
        self._parts: list[bytes] = []

    def add(self, data: bytes) -> None:
        self.size += len(data)
        if self.fits:
            self._parts.append(data)
            return
        new = b"".join((*self._parts, data))
        self._parts.clear()
        self.head = (self.head + new)[:_END]
        self.tail = (self.tail + new)[-_END:]

    @property
    def fits(self) -> bool:
        return self.size <= self._limit

    def whole(self) -> bytes:
        return b"".join(self._parts)

    @property
    def too_large(self) -> str:
        return f"the answer has {self.size} bytes, more than the limit of {self._limit}"


def refused(head: bytes, tail: bytes, reason: str, only: int | None = None) -> types.JSONRPCError | None:
    """The error for the request that is answered; `only` is the one that can be. None for what is no answer."""
    found = _HEAD.match(head)
    if found is None:
        return None
    if found["id"] is None and (last := _TAIL.search(tail)):
        found = last
    answered = int(found["id"]) if found["id"] is not None else only
    if answered is None:
        return None
    error = types.ErrorData(code=types.INTERNAL_ERROR, message=reason)
    return types.JSONRPCError(jsonrpc="2.0", id=answered, error=error)
