"""Servers from the `mcpServers` shape that the ecosystem shares; one bad entry never drops the others."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9-]+")
_LIMITS = ("start_timeout", "idle_timeout", "total_timeout", "max_message_bytes", "max_text_bytes")
_KNOWN = {"command", "args", "env", "cwd", "type", "url", "headers", "x-cadre"}


@dataclass(frozen=True)
class ServerConfig:
    """One server: a command to start, or an address to reach."""

    alias: str
    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    start_timeout: float = 30.0
    idle_timeout: float = 60.0
    total_timeout: float = 600.0
    max_message_bytes: int = 16 * 1024 * 1024
    max_text_bytes: int = 2 * 1024 * 1024
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def redacted(self, text: str) -> str:
        """The text without the values that came in by reference."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def fingerprint(self) -> str:
        """What identifies this server's software for what is remembered about it."""
        parts = json.dumps([self.alias, self.command, self.args, self.url])
        return hashlib.sha256(parts.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Config:
    """The servers that can be used, and a sentence for each thing that cannot."""

    servers: tuple[ServerConfig, ...]
    problems: tuple[str, ...]


class _Unusable(Exception):
    pass


def read_config(data: Mapping[str, Any], environ: Mapping[str, str]) -> Config:
    """Reads `{"mcpServers": {alias: {command, args, env} | {url, headers}}}`; `${VAR}` comes from `environ`."""
    entries = data.get("mcpServers", {})
    servers: dict[str, ServerConfig] = {}
    problems: list[str] = []
    if not isinstance(entries, Mapping):
        return Config((), ("mcpServers is not a mapping of names to servers.",))
    for name, entry in entries.items():
        alias = _NOT_A_NAME.sub("-", str(name)).strip("-")
        try:
            if not alias or alias in servers:
                raise _Unusable("its name is empty or taken once it is written with letters, digits and -")
            servers[alias] = _server(alias, entry, environ)
        except _Unusable as error:
            problems.append(f"MCP server {name}: {error}.")
            continue
        unknown = sorted(set(entry) - _KNOWN)
        if unknown:
            problems.append(f"MCP server {name}: ignored {', '.join(unknown)}.")
    return Config(tuple(servers.values()), tuple(problems))


def _server(alias: str, entry: Any, environ: Mapping[str, str]) -> ServerConfig:
    if not isinstance(entry, Mapping):
        raise _Unusable("its entry is not a mapping")
    secrets: list[str] = []

    def expanded(value: Any) -> str:
        if not isinstance(value, str):
            raise _Unusable(f"{value!r} should be text")

        def look_up(found: re.Match[str]) -> str:
            name, default = found.group(1), found.group(2)
            given = environ.get(name) or default
            if given is None:
                raise _Unusable(f"the environment has no {name}")
            if name in environ and len(given) >= 4:
                secrets.append(given)
            return given

        # Addresses and keys are often pasted with a line end or a zero-width space.
        return _REFERENCE.sub(look_up, value).strip().strip("\u200b\ufeff")

    def mapping(key: str) -> dict[str, str]:
        given = entry.get(key) or {}
        if not isinstance(given, Mapping):
            raise _Unusable(f"{key} is not a mapping")
        return {str(k): expanded(v) for k, v in given.items()}

    command, url = entry.get("command"), entry.get("url")
    if (command is None) == (url is None):
        raise _Unusable("it needs either a command or a url")
    if entry.get("type") == "sse":
        raise _Unusable("the SSE transport is not supported, only stdio and streamable HTTP")
    args = entry.get("args") or []
    if not isinstance(args, list):
        raise _Unusable("args is not a list")
    ours = entry.get("x-cadre") or {}
    limits: dict[str, Any] = {k: ours[k] for k in _LIMITS if k in ours}
    if not all(isinstance(n, int | float) and n > 0 for n in limits.values()):
        raise _Unusable("a limit in x-cadre is not a positive number")
    url = expanded(url) if url is not None else None
    if url is not None and not url.startswith(("http://", "https://")):
        raise _Unusable("its url is not an http address")
    return ServerConfig(
        alias,
        expanded(command) if command is not None else None,
        tuple(expanded(a) for a in args),
        mapping("env"),
        expanded(entry["cwd"]) if entry.get("cwd") else None,
        url,
        mapping("headers"),
        secrets=tuple(secrets),
        **limits,
    )
