"""The tools of connected servers as agents may have them: from the store, compared with what a server tells."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from bot.store import servers
from bot.store.database import Database, Tx
from bot.tools.mcp import pins
from bot.tools.mcp.pins import Pin
from bot.tools.mcp.policy import ServerPolicy
from connectors.mcp import SERVICE, AuthorizationRequired, Caller, McpFailure, McpHost, ToolInfo

log = structlog.get_logger()

FIRST_S = 5.0  # how long the first agent waits for servers that nobody has seen yet and its role does not name
AGAIN_S, LONGEST_S = 15.0, 300.0  # between two tries of a server that has never told its tools
LOOK_S = 3.0  # between two looks for what people decided on changed tools
SIGNS_IN = "sign_in"  # the tool that stands for a server which tells its tools only to who signs in


class Eras(MutableMapping[str, str]):
    """Which protocol each server speaks, as the store remembers it by fingerprint."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __getitem__(self, key: str) -> str:
        return self._known[key]

    def __setitem__(self, key: str, era: str) -> None:
        self._known[key] = era

    def __delitem__(self, key: str) -> None:
        del self._known[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


@dataclass
class Catalogue:
    """What is known of each server's tools. `changed` is told an alias whenever agents may have other tools."""

    db: Database
    host: McpHost
    policies: dict[str, ServerPolicy]
    fingerprints: dict[str, str]
    eras: Eras
    changed: Callable[[str], None]
    signs_in: set[str] = field(default_factory=set)  # servers that tell nothing to who has not signed in
    _pins: dict[str, dict[str, Pin]] = field(default_factory=dict)
    _told: dict[str, tuple[ToolInfo, ...]] = field(default_factory=dict)  # as a server last listed them
    _asking: list[asyncio.Task[None]] = field(default_factory=list)
    _first: dict[str, asyncio.Event] = field(default_factory=dict)  # of new servers, set when tried once
    _left_out: dict[str, tuple[str, ...]] = field(default_factory=dict)  # tools that say too much of themselves
    _down: dict[str, str] = field(default_factory=dict)  # why a server that never told its tools did not start
    _doubtful: set[str] = field(default_factory=set)  # new servers that did not start the last time either
    _until: float = 0.0
    _looked: float = 0.0
    _decided: float = 0.0

    async def begin(self) -> None:
        """Offer what the store knows; servers that it does not know are asked in the background, side by side."""
        await self._read()
        before = await self.db.read(servers.known)
        for alias in self.host.aliases:
            if alias in self._pins:
                continue
            tried = self._first[alias] = asyncio.Event()
            self._asking.append(asyncio.create_task(self._ask(alias, tried), name=f"mcp first {alias}"))
            if before.get(alias, {}).get("state") == "down":  # what did not start before is not waited for
                self._doubtful.add(alias)
        self._until = time.monotonic() + FIRST_S

    async def ready(self, patterns: tuple[str, ...] = ()) -> None:
        """Return when new servers have told their tools: those that a role's patterns name when each was tried once,
        which its start budget bounds, the others at the latest shortly after the start."""
        new = {alias: tried for alias, tried in self._first.items() if not tried.is_set()}
        named = {alias for alias in new if any(pattern.startswith(f"mcp__{alias}__") for pattern in patterns)}
        await asyncio.gather(*(new[alias].wait() for alias in named))
        left = [tried for alias, tried in new.items() if alias not in named | self._doubtful]
        if left and time.monotonic() < self._until:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._until - time.monotonic()):
                    await asyncio.gather(*(tried.wait() for tried in left))
        if time.monotonic() - self._looked > LOOK_S:
            self._looked = time.monotonic()
            if self._pins and await self.db.read(servers.decisions) != self._decided:
                await self._read()

    async def close(self) -> None:
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    def tools(self, alias: str) -> list[ToolInfo]:
        """The tools of a server that agents may have."""
        found = self._pins.get(alias, {}).values()
        return [pins.restored(pin.accepted) for pin in found if pin.status == "accepted" and pin.accepted]

    def absent(self, alias: str) -> dict[str, str]:
        """Tools that cannot be used, by tool, and why."""
        why = {
            "review": "it changed since it was last accepted, or is new, and an operator has to look at it first "
            f"(cadre mcp approve {alias})",
            "rejected": "an operator looked at its change and rejected it",
            "gone": "the server has no such tool any more",
        }
        found = {name: why[pin.status] for name, pin in self._pins.get(alias, {}).items() if pin.status in why}
        found |= dict.fromkeys(self._left_out.get(alias, ()), "what the server says of it is too large to be used")
        return found | ({"*": self._down[alias]} if alias in self._down else {})

    async def checked(self, info: ToolInfo, caller: Caller) -> str:
        """Why a tool must not be called now, or "": what the server tells today is compared with the accepted."""
        told = await self.listed(info.alias, caller)
        if not any((one.tool, one.name) == (info.tool, info.name) for one in told):
            return f"{info.alias} has no tool {info.tool} for this account."
        pin = self._pins.get(info.alias, {}).get(info.tool)
        if pin is None or pin.status != "accepted":
            return f"{info.name} cannot be used: {self.absent(info.alias).get(info.tool, 'it was not accepted')}."
        return ""

    async def listed(self, alias: str, caller: Caller) -> tuple[ToolInfo, ...]:
        """The tools as the server tells them to this caller; news are kept and compared first."""
        told = await self.host.tools(alias, caller=caller)
        if self._told.get(alias) != told:
            self._left_out[alias] = self._too_large(alias)
            await self._review(alias, told, complete=caller.principal == SERVICE)
            self._told[alias] = told
        return told

    def _too_large(self, alias: str) -> tuple[str, ...]:
        found = {name for status in self.host.status() if status.alias == alias for name in status.left_out}
        if found:
            log.error("tools that are too large are left out", server=alias, tools=sorted(found))
        return tuple(sorted(found))

    async def _ask(self, alias: str, tried: asyncio.Event) -> None:
        """What a server that nobody has seen yet can do; one that does not start is tried again and again."""
        pause = AGAIN_S
        try:
            while not await self._told_us(alias):
                tried.set()
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_S)
        finally:
            tried.set()

    async def _told_us(self, alias: str) -> bool:
        if self.policies[alias].performer in ("user", "channel"):
            await self._signs_in(alias)
            return True
        try:
            await self.listed(alias, Caller(interactive=True))
        except AuthorizationRequired:
            await self._signs_in(alias)
        except McpFailure as error:
            words = str(error)
            log.error("mcp server not available", alias=alias, error=words)
            await self.db.write(lambda tx: self._seen(tx, alias, "down", words))
            return self._unusable(alias, words)
        except self.db.trouble as error:
            log.warning("the database does not answer", error=str(error))
            return self._unusable(alias, "what it offers could not be kept; it is tried again")
        if self._down.pop(alias, ""):
            self.changed(alias)
        return True

    def _unusable(self, alias: str, why: str) -> bool:
        self._down[alias] = why
        self.changed(alias)
        return False

    async def _signs_in(self, alias: str) -> None:
        self.signs_in.add(alias)
        await self.db.write(lambda tx: self._seen(tx, alias, "signin"))
        self.changed(alias)

    async def _review(self, alias: str, told: tuple[ToolInfo, ...], *, complete: bool) -> None:
        policy, known = self.policies[alias], self._pins.get(alias, {})
        # Ours are called the same at each server, so that a tool names one of them says nothing.
        of_others = [found for other, found in self._pins.items() if other != alias]
        others = [name for found in of_others for name, pin in found.items() if not pin.ours]
        now = pins.reviewed(
            known, told, pinned=policy.pinned, trusted=policy.trusted, others=others, complete=complete
        )
        news = {name: pin for name, pin in now.items() if known.get(name) != pin}

        def work(tx: Tx) -> None:
            servers.keep_tools(tx, alias, {name: _row(pin) for name, pin in news.items()})
            self._seen(tx, alias, "ready")

        await self.db.write(work)
        self._pins[alias] = now
        waiting = sorted(name for name, pin in news.items() if pin.status == "review")
        if waiting:
            log.warning("tools wait for review: cadre mcp approve", server=alias, tools=waiting)
        if news or self._left_out.get(alias):
            self.changed(alias)

    def _seen(self, tx: Tx, alias: str, state: str, error: str = "") -> None:
        fingerprint = self.fingerprints[alias]
        era = self.eras.get(fingerprint, "")
        servers.seen(tx, alias, fingerprint=fingerprint, state=state, era=era, error=error)

    async def _read(self) -> None:
        """Take over what the store knows of the servers that are still configured as they were."""
        known = await self.db.read(servers.known)
        rows = await self.db.read(servers.tools)
        self._decided = await self.db.read(servers.decisions)
        moved = {a for a, row in known.items() if row["fingerprint"] != self.fingerprints.get(a, row["fingerprint"])}
        for alias in moved:
            await self.db.write(lambda tx, a=alias: servers.forget(tx, a))  # type: ignore[misc]
        for alias in set(self.host.aliases) - moved:
            mine = {row["tool"]: pins.pin_of(row) for row in rows if row["server"] == alias}
            if mine and self._pins.get(alias) != mine:
                self._pins[alias] = mine
                self.changed(alias)
            row = known.get(alias)
            if row is not None and row["era"]:
                self.eras[row["fingerprint"]] = row["era"]
            if row is not None and row["state"] == "signin":
                self.signs_in.add(alias)


def _row(pin: Pin) -> dict[str, Any]:
    return {
        "status": pin.status, "sha256": pin.sha256, "accepted": pin.accepted, "offered": pin.offered,
        "flags": list(pin.flags),
    }  # fmt: skip
