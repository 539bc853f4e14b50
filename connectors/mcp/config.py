"""Servers from the `mcpServers` shape that the ecosystem shares; one bad entry never drops the others.

What is ours alone stands in each entry's `x-cadre`. Secrets come in by reference, `${VAR}` or `${VAR:-default}`.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args
from urllib.parse import SplitResult, urlsplit

import httpx2
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from .settings import Grant, OAuthConfig, Performer, Scope, ServerConfig, Transport

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9-]+")
_SECRET_NAME = re.compile(r"authorization|cookie|key|password|secret|token", re.IGNORECASE)
_KNOWN = {"command", "args", "env", "cwd", "type", "url", "headers", "oauth", "x-cadre"}
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SECONDS = ("start_timeout", "idle_timeout", "total_timeout", "park_after", "question_hold", "idle_stop")
_COUNTS = ("max_parallel", "max_message_bytes", "max_text_bytes")
_LARGEST = 10**10  # beyond it clocks overflow
_SWITCHES = ("trust", "sampling", "check_output")
_CHOICES: dict[str, tuple[str, ...]] = {
    "performer": get_args(Performer),
    "scope": get_args(Scope),
    "mode": ("auto", "legacy", *MODERN_PROTOCOL_VERSIONS),
}
_OF_THE_HOST = ("approval", "pin")  # read by whoever embeds the host
_LISTS = ("always_load", "allow", "deny", "channels")
_TRANSPORTS = {"stdio": "stdio", "http": "http", "streamable-http": "http", "streamableHttp": "http", "sse": "sse"}
_OAUTH = {
    "clientId": "client_id", "clientSecret": "client_secret", "scope": "scope", "issuer": "issuer", "grant": "grant",
    "privateKey": "private_key", "algorithm": "algorithm", "assertion": "assertion",
    "assertionFile": "assertion_file", "idpTokenEndpoint": "idp_token_endpoint", "idpClientId": "idp_client_id",
    "idToken": "id_token",
}  # fmt: skip


@dataclass(frozen=True)
class Config:
    """The servers that can be used, and a sentence for each thing that cannot."""

    servers: tuple[ServerConfig, ...]
    problems: tuple[str, ...]


class _Unusable(Exception):
    pass


def read_config(data: Mapping[str, Any], environ: Mapping[str, str]) -> Config:
    """Reads `{"mcpServers": {alias: {command, args, env} | {url, headers, oauth}}}`; `${VAR}` is of `environ`."""
    problems: list[str] = []
    if "mcpServers" not in data and "servers" in data:
        data = {"mcpServers": data["servers"]}
        problems.append("The servers are under `servers`; `mcpServers` is the usual name.")
    entries = data.get("mcpServers", {})
    if not isinstance(entries, Mapping):
        return Config((), (*problems, "mcpServers is not a mapping of names to servers."))
    servers: dict[str, ServerConfig] = {}
    for name, entry in entries.items():
        alias = _NOT_A_NAME.sub("-", str(name)).strip("-")
        try:
            if not alias or alias in servers:
                raise _Unusable("its name is empty or taken once it is written with letters, digits and -")
            if not isinstance(entry, Mapping):
                raise _Unusable("its entry is not a mapping")
            servers[alias] = replace(_Entry(alias, entry, environ).server(), name=str(name))
        except _Unusable as error:
            problems.append(f"MCP server {name}: {error}.")
            continue
        if unknown := _unknown(entry):
            problems.append(f"MCP server {name}: ignored {', '.join(unknown)}.")
    return Config(tuple(servers.values()), tuple(problems))


def _unknown(entry: Mapping[str, Any]) -> list[str]:
    ours = {*_SECONDS, *_COUNTS, *_SWITCHES, *_CHOICES, *_LISTS, *_OF_THE_HOST}
    return sorted(
        [str(key) for key in entry if key not in _KNOWN]
        + [f"x-cadre.{key}" for key in entry.get("x-cadre") or {} if key not in ours]
        + [f"oauth.{key}" for key in entry.get("oauth") or {} if key not in {*_OAUTH, "callbackPort"}]
    )


class _Entry:
    """One entry being read, with the secrets that came in by reference."""

    def __init__(self, alias: str, entry: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self._alias = alias
        self._entry = entry
        self._environ = environ
        self._secrets: list[str] = []

    def server(self) -> ServerConfig:
        entry = self._entry
        command, url = entry.get("command"), entry.get("url")
        if (command is None) == (url is None):
            raise _Unusable("it needs either a command or a url")
        args = entry.get("args") or []
        if not isinstance(args, list):
            raise _Unusable("args is not a list")
        url = self._text(url, "url") if url is not None else None
        if url is not None:
            _check_address(url)
        return ServerConfig(
            alias=self._alias,
            transport=self._transport(url),
            command=self._command(command) if command is not None else None,
            args=tuple(self._text(arg, f"args[{number}]") for number, arg in enumerate(args)),
            env=self._env(),
            cwd=self._text(entry["cwd"], "cwd") if entry.get("cwd") else None,
            url=url,
            headers=self._headers(),
            oauth=self._oauth(),
            **self._ours(),
            fingerprint=_fingerprint(self._alias, entry),
            secrets=tuple(self._secrets),
        )

    def _transport(self, url: str | None) -> Transport:
        given = self._entry.get("type") or ("stdio" if url is None else "http")
        if not isinstance(given, str) or given not in _TRANSPORTS:
            raise _Unusable(f"its type is {given!r}, not stdio, http or sse")
        transport = _TRANSPORTS[given]
        if (transport == "stdio") != (url is None):
            raise _Unusable(f"its type is {given} but it has {'no url' if url is None else 'a url'}")
        return transport  # type: ignore[return-value]

    def _text(self, value: Any, what: str) -> str:
        """`what` names the value in the problem: it may be a secret itself."""
        if not isinstance(value, str):
            raise _Unusable(f"{what} is not text")

        def look_up(found: re.Match[str]) -> str:
            name, default = found.group(1), found.group(2)
            given = self._environ.get(name) or default
            if given is None:
                raise _Unusable(f"the environment has no {name}")
            if name in self._environ and len(given) >= 4:
                self._secrets.append(given)
            return given

        # Addresses and keys are often pasted with a line end or a zero-width space.
        text = _REFERENCE.sub(look_up, value).strip().strip("\u200b\ufeff")
        if not _is_clean(text):
            raise _Unusable(f"{what} has characters that no program or server takes")
        return text

    def _command(self, given: Any) -> str:
        command = self._text(given, "command")
        if not command:
            raise _Unusable("its command is empty")
        return command

    def _env(self) -> dict[str, str]:
        read = self._mapping("env")
        for name in read:
            if not name or "=" in name or not _is_clean(name):
                raise _Unusable(f"{name!r} in env is not a name of a variable")
        return read

    def _headers(self) -> dict[str, str]:
        read = self._mapping("headers")
        for name, value in read.items():
            if not _HEADER.fullmatch(name):
                raise _Unusable(f"{name!r} in headers is not a name of a header")
            if not (value.isascii() and value.isprintable()):
                raise _Unusable(f"headers.{name} has characters that no header can hold")
        return read

    def _mapping(self, key: str) -> dict[str, str]:
        read = {str(k): self._text(v, f"{key}.{k}") for k, v in self._mapping_of(key).items()}
        self._secrets += [v for k, v in read.items() if _SECRET_NAME.search(k) and len(v) >= 4]
        return read

    def _oauth(self) -> OAuthConfig:
        given = {k: v for k, v in self._mapping_of("oauth").items() if k in _OAUTH}
        read = {_OAUTH[k]: self._text(v, f"oauth.{k}") for k, v in given.items()}
        if read.get("grant", "authorization_code") not in get_args(Grant):
            raise _Unusable(f"oauth.grant is not one of {', '.join(get_args(Grant))}")
        self._secrets += [
            v for k, v in read.items() if k in ("client_secret", "private_key", "assertion", "id_token")
        ]
        return OAuthConfig(**read)  # type: ignore[arg-type]

    def _mapping_of(self, key: str) -> Mapping[str, Any]:
        given = self._entry.get(key) or {}
        if not isinstance(given, Mapping):
            raise _Unusable(f"{key} is not a mapping")
        return given

    def _ours(self) -> dict[str, Any]:
        """The entry's `x-cadre`, checked."""
        ours = self._mapping_of("x-cadre")
        read: dict[str, Any] = {}
        checks: list[tuple[tuple[str, ...], Callable[[Any], bool], str]] = [
            (_SECONDS, _is_amount, "a positive number of seconds"),
            (_COUNTS, lambda v: _is_amount(v) and v == int(v), "a whole number from 1 on"),
            (_SWITCHES, lambda v: isinstance(v, bool), "true or false"),
            (_LISTS, lambda v: isinstance(v, list) and all(isinstance(i, str) for i in v), "a list of names"),
        ]
        for names, is_right, said in checks:
            for name in names:
                if name in ours:
                    if not is_right(ours[name]):
                        raise _Unusable(f"{name} in x-cadre is not {said}")
                    value = ours[name]
                    read[name] = tuple(value) if name in _LISTS else int(value) if name in _COUNTS else value
        for name, choices in _CHOICES.items():
            if name in ours:
                if ours[name] not in choices:
                    raise _Unusable(f"{name} in x-cadre is not one of {', '.join(choices)}")
                read[name] = ours[name]
        return read


def _check_address(url: str) -> None:
    """An address that all who use it can read: the SDK, the client, and what compares origins."""
    if not url.startswith(("http://", "https://")):
        raise _Unusable("its url is not an http address")
    try:
        parts = urlsplit(url)
        if not parts.hostname:
            raise _Unusable("its url has no host")
        if _port(parts) == 0:
            raise _Unusable("the port of its url is not a number from 1 to 65535")
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL) as error:
        raise _Unusable("its url cannot be read") from error  # whose own words may show a secret


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        return 0


def _is_clean(text: str) -> bool:
    """Whether it can be handed to the system: no NUL, no half of a character."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _LARGEST


def _fingerprint(alias: str, entry: Mapping[str, Any]) -> str:
    """What identifies this server's software for what is remembered about it; no secret is in it."""
    parts = [alias, entry.get("command"), entry.get("args"), entry.get("url"), entry.get("type")]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


__all__ = ["Config", "OAuthConfig", "ServerConfig", "read_config"]
