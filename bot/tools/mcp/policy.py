"""What the operator's configuration says of a server: trust, rules for single tools, accounts, channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from bot.policy.gate import Effect
from bot.tools.base import ToolContext
from bot.types import Json
from connectors.mcp import SERVICE, ToolInfo

Rule = Literal["", "allow", "ask", "deny"]
OURS = "x-cadre"
PERSON = "authorization_code"  # the OAuth grant in which a person signs in
RULES = ("read", "allow", "ask")  # of x-cadre.approval, from loose to strict


@dataclass(frozen=True)
class ServerPolicy:
    """One server. Hints of a trusted one count; those of any other can only tighten."""

    alias: str
    trusted: bool = False
    performer: str = "service"  # whose account serves: service, user or channel
    channels: tuple[str, ...] = ()  # ids of those where its tools are offered; (): everywhere
    pinned: bool = True  # whether a changed tool waits for review
    offered: tuple[str, ...] = ()  # globs of the only tools that are offered; (): all
    denied: tuple[str, ...] = ()
    approval: Mapping[str, tuple[str, ...]] | None = None  # read | allow | ask -> globs
    always_load: tuple[str, ...] = ()  # globs of tools whose schemas agents always see

    def judge(self, info: ToolInfo) -> tuple[Effect, Rule]:
        """What a tool can change as far as it is known, and the operator's rule; of several the strictest counts."""
        if _any(self.denied, info.tool) or (self.offered and not _any(self.offered, info.tool)):
            return Effect.OTHER, "deny"
        told = self.approval or {}
        named = [rule for rule in RULES if _any(told.get(rule, ()), info.tool)]
        if "ask" in named:
            return Effect.OTHER, "ask"
        if "read" in named or (self.trusted and info.read_only and "allow" not in named):
            return Effect.READ, ""
        return Effect.OTHER, "allow" if "allow" in named else ""

    def loads(self, tool: str) -> bool:
        return _any(self.always_load, tool)

    def principal(self, ctx: ToolContext) -> str:
        """Whose account serves a call: never that of whoever spoke last."""
        match self.performer:
            case "user":
                return f"user:{ctx.team}:{ctx.requester}"
            case "channel":
                return f"channel:{ctx.team}:{ctx.channel}"
        return SERVICE


def read_policy(alias: str, entry: Json) -> ServerPolicy:
    """The policy of an entry whose shape is known to be right."""
    ours: Json = entry.get(OURS) or {}
    approval = ours.get("approval")
    approval = approval if isinstance(approval, Mapping) else {}
    return ServerPolicy(
        alias,
        trusted=ours.get("trust") is True,
        performer=str(ours.get("performer", SERVICE)),
        channels=_words(ours.get("channels")),
        pinned=ours.get("pin") is not False,
        offered=_words(ours.get("allow")),
        denied=_words(ours.get("deny")),
        approval={rule: _words(approval.get(rule)) for rule in RULES},
        always_load=_words(ours.get("always_load")),
    )


def tidied(servers: Mapping[str, Any]) -> Json:
    """The configuration with what entries leave to us: the short `trusted`, and that people sign in themselves."""
    told: Json = {}
    for alias, entry in servers.items():
        if isinstance(entry, Mapping) and isinstance(entry.get(OURS, {}), Mapping):
            rest = {key: value for key, value in entry.items() if key != "trusted"}
            ours = {"trust": entry["trusted"]} if "trusted" in entry else {}
            oauth = entry.get("oauth")
            if isinstance(oauth, Mapping) and oauth.get("grant", PERSON) == PERSON:
                ours["performer"] = "user"
            ours |= rest.get(OURS) or {}
            entry = {**rest, OURS: ours} if ours else rest
        told[alias] = entry
    return told


def _any(globs: tuple[str, ...], tool: str) -> bool:
    return any(fnmatchcase(tool, glob) for glob in globs)


def _words(value: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list | tuple) else ()
