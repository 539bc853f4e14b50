"""Counts tokens (four bytes of compact JSON to one) and plays the prompt cache: prefixes by hash, with lifetimes."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

_MIN_CACHEABLE = 1024
_LOOKBACK = 20
_LIFETIMES = {"5m": 300.0, "1h": 3600.0}
_KEPT = 20_000

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


def tokens(value: Any) -> int:
    """The tokens of a value."""
    return (len(_encode(value).encode()) + 3) // 4


def blocks_in_prefix_order(body: Mapping[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Tools, then system, then messages, each block with the place it stands in.

    A deferred tool takes no room until a result refers to it; its schema then stands there.
    """
    tools = list(body.get("tools") or ())
    later = {tool["name"]: tool for tool in tools if tool.get("defer_loading")}
    blocks = [(tool, "tools") for tool in tools if not tool.get("defer_loading")]
    blocks += [(block, "system") for block in _as_blocks(body.get("system"))]
    for message in body["messages"]:
        blocks += [(_loaded(block, later), message["role"]) for block in _as_blocks(message["content"])]
    return blocks


def _loaded(block: dict[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    parts = block.get("content")
    if not later or block.get("type") != "tool_result" or not isinstance(parts, list):
        return block
    return {**block, "content": [later.get(part.get("tool_name", ""), part) for part in parts]}


def _as_blocks(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content or ())


def input_tokens(body: Mapping[str, Any]) -> int:
    """What count_tokens answers."""
    return sum(tokens(block) for block, _ in blocks_in_prefix_order(body))


class PromptCache:
    """Which prefixes were written, and until when they can be read."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def clear(self) -> None:
        self._until.clear()

    def usage(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The input side of a reply's usage; remembers what this request writes."""
        chain, marks = self._chain(body)
        total = chain[-1][1] if chain else 0
        read = max((self._longest_read(chain, mark) for mark, _ in marks), default=0)
        written = {"5m": 0, "1h": 0}
        reached = read
        for mark, ttl in marks:
            digest, size = chain[mark]
            self._keep(digest, ttl)
            if size > reached:
                written[ttl] += size - reached
                reached = size
        return {
            "input_tokens": total - max(read, reached),
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": sum(written.values()),
            "cache_creation": {f"ephemeral_{ttl}_input_tokens": n for ttl, n in written.items()},
            "service_tier": "standard",
        }

    def _chain(self, body: Mapping[str, Any]) -> tuple[list[tuple[bytes, int]], list[tuple[int, str]]]:
        prefix, size = hashlib.blake2b(body["model"].encode(), digest_size=16), 0
        chain: list[tuple[bytes, int]] = []
        marks: list[tuple[int, str]] = []
        for block, place in blocks_in_prefix_order(body):
            control = block.get("cache_control")
            if control is not None:
                marks.append((len(chain), control.get("ttl", "5m")))
                block = {k: v for k, v in block.items() if k != "cache_control"}
            encoded = _encode(block).encode()
            size += (len(encoded) + 3) // 4
            prefix.update(place.encode())
            prefix.update(encoded)
            chain.append((prefix.digest(), size))
        automatic = body.get("cache_control")
        if automatic is not None and chain:
            marks.append((len(chain) - 1, automatic.get("ttl", "5m")))
        return chain, [(mark, ttl) for mark, ttl in marks if chain[mark][1] >= _MIN_CACHEABLE]

    def _longest_read(self, chain: list[tuple[bytes, int]], mark: int) -> int:
        for digest, size in reversed(chain[max(0, mark - _LOOKBACK + 1) : mark + 1]):
            until = self._until.get(digest, 0.0)
            if until > self._now():
                self._until[digest] = max(until, self._now() + _LIFETIMES["5m"])
                return size
        return 0

    def _keep(self, digest: bytes, ttl: str) -> None:
        self._until[digest] = max(self._until.get(digest, 0.0), self._now() + _LIFETIMES[ttl])
        self._until.move_to_end(digest)
        while len(self._until) > _KEPT:
            self._until.popitem(last=False)
