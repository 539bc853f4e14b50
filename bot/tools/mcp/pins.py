"""Tools as they were accepted: one that changes afterwards is kept from agents until somebody has looked. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.types import Json
from connectors.mcp import ToolInfo
from connectors.mcp.pins import changes, flags


@dataclass(frozen=True)
class Pin:
    """A tool as it stands in the store."""

    tool: str
    status: str  # accepted | review | rejected | gone
    sha256: str  # of what was accepted
    accepted: Json | None  # what agents see
    offered: Json | None  # what the server says now, when that is something else
    flags: tuple[str, ...] = ()  # for the reviewer's eye

    @property
    def ours(self) -> bool:
        """Whether what was accepted is a tool of the host's own."""
        return bool((self.accepted or {}).get("ours"))


def definition(info: ToolInfo) -> Json:
    """All of a tool that an agent or the gate goes by, as it is kept."""
    told: Json = json.loads(json.dumps(dataclasses.asdict(info), default=dict))
    return told


def restored(told: Mapping[str, Any]) -> ToolInfo:
    """The tool of a kept definition; what this version does not know is left out."""
    known = {one.name for one in dataclasses.fields(ToolInfo)}
    return ToolInfo(**{key: value for key, value in told.items() if key in known})


def pin_of(row: Any) -> Pin:
    """A row of the store."""
    return Pin(row["tool"], row["status"], row["sha256"], row["accepted"], row["offered"], tuple(row["flags"]))


def difference(pin: Pin) -> str:
    """What changed, line by line."""
    before = {pin.tool: str(pin.accepted["pin"])} if pin.accepted else {}
    now = {pin.tool: str(pin.offered["pin"])} if pin.offered else {}
    return "\n".join(change.diff for change in changes(before, now))


def reviewed(
    known: Mapping[str, Pin], infos: Iterable[ToolInfo], *, pinned: bool, trusted: bool, others: Iterable[str],
    complete: bool = True,
) -> dict[str, Pin]:  # fmt: skip
    """The pins after a server has told its tools.

    The first time all is accepted, but for what carries a flag and comes from a server that is not trusted. Later,
    what is new or differs waits for a person, also a tool of the server in the place of one of ours; ours never wait.
    `complete`: a tool that is missing is gone.
    """
    first, others = all(pin.ours for pin in known.values()), tuple(others)
    now: dict[str, Pin] = {}
    for info in infos:
        told, sha = definition(info), info.fingerprint
        marks = () if info.ours else flags(info.pin, others)
        old = known.get(info.tool)
        accepted, before = (old.accepted, old.sha256) if old is not None else (None, "")
        same = old is not None and accepted is not None and before == sha and not old.ours
        fresh = first and old is None and (trusted or not marks)
        if info.ours or not pinned or same or fresh:
            now[info.tool] = Pin(info.tool, "accepted", sha, told, None, marks)
        elif old is not None and old.status == "rejected" and (old.offered or {}).get("pin") == info.pin:
            now[info.tool] = old
        else:
            now[info.tool] = Pin(info.tool, "review", before, accepted, told, marks)
    gone = {
        name: dataclasses.replace(pin, status="gone", offered=None)
        for name, pin in known.items()
        if complete and name not in now
    }
    return {**known, **now, **gone}
