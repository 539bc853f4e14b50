"""The servers of a configuration as one set of tools, each connection for one principal and one kind of caller."""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self

import mcp_types as types
from mcp import Client

from . import auth, reading
from . import skills as published
from .auth import Session
from .calls import Limits, OnProgress
from .config import read_config
from .connection import Connection, Profile, pages
from .content import CallResult, ToolInfo, masked, mismatch, prompt_result, resource_result
from .discovery import OAuthFailure
from .egress import sign_in_client
from .errors import McpFailure, ProtocolFailure, ServerDown, SignInFailed, UnknownTool
from .grants import MemoryGrants
from .oauth import SignIn
from .pool import Server, ServerStatus
from .ports import SERVICE, Answer, Attempt, Caller, GrantStore, Parked, Sampler
from .settings import ServerConfig

_MOST_PROCESSES = 32


class _Key(NamedTuple):
    """Callers with the same key share a connection."""

    alias: str
    principal: str
    interactive: bool
    isolation: str | None


class McpHost:
    """Lists and calls the tools of every configured server; to be used within one event loop, from any task."""

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        environ: Mapping[str, str] | None = None,
        eras: MutableMapping[str, str] | None = None,
        grants: GrantStore | None = None,
        sign_in: SignIn | None = None,
        sampler: Sampler | None = None,
        on_resource_updated: Callable[[str, str], None] | None = None,
    ) -> None:
        """`config` is the `mcpServers` shape; `eras` remembers which protocol each server speaks.

        `on_resource_updated(alias, uri)` is told of each followed resource that changed, or that may have changed
        while the server was not heard. It is called within the loop, maybe twice for one change, and must not block.
        """
        read = read_config(config, os.environ if environ is None else environ)
        self.problems = read.problems
        self._configs = {server.alias: server for server in read.servers}
        self._eras: MutableMapping[str, str] = {} if eras is None else eras
        self._grants = grants or MemoryGrants()
        self._us = sign_in or SignIn("http://127.0.0.1/oauth/mcp/callback")
        self._sampler = sampler
        self._on_resource_updated = on_resource_updated or (lambda _alias, _uri: None)
        self._servers: dict[_Key, Server] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # ---- servers and tools

    @property
    def aliases(self) -> tuple[str, ...]:
        return tuple(self._configs)

    def config(self, alias: str) -> ServerConfig:
        try:
            return self._configs[alias]
        except KeyError:
            raise UnknownTool(alias, f"No MCP server is named {alias}.") from None

    def status(self) -> tuple[ServerStatus, ...]:
        """Every server that was used, for each of those it was used for; the others are new."""
        used = [server.status() for server in self._servers.values()]
        missing = self._configs.keys() - {status.alias for status in used}
        new = [ServerStatus(alias, "new", None, 0, 0, None) for alias in self._configs if alias in missing]
        return (*used, *new)

    async def tools(self, alias: str | None = None, *, caller: Caller | None = None) -> tuple[ToolInfo, ...]:
        """The tools of one server, or of all that start; those that do not are `down` in the status."""
        if alias is not None:
            return await self._server(alias, caller).tools()
        servers = [self._server(name, caller) for name in self._configs]
        answers = await asyncio.gather(*(server.tools() for server in servers), return_exceptions=True)
        found: list[ToolInfo] = []
        for answer in answers:
            if isinstance(answer, McpFailure):
                continue
            if isinstance(answer, BaseException):
                raise answer
            found.extend(answer)
        return tuple(found)

    async def instructions(self, alias: str, *, caller: Caller | None = None) -> str | None:
        """What the server says about itself; it is data, whoever shows it."""

        async def said(connection: Connection) -> str | None:
            return (connection.instructions or "")[:2048] or None

        return await self._server(alias, caller).attempt(said, "its instructions")

    async def find(self, name: str, *, caller: Caller | None = None) -> ToolInfo:
        """The tool of that name; starts its server when it is not running."""
        return await self._of(name, caller).find(name)

    # ---- calls

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        caller: Caller | None = None,
        idle_timeout: float | None = None,
        total_timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> CallResult:
        """Calls `mcp__<alias>__<tool>`; a failure of the tool itself is a result, everything else an McpFailure."""
        server, tool = await self._found(name, caller)
        if tool.ours:
            wrong = mismatch(dict(arguments), tool.input_schema)
            if wrong is not None:
                return CallResult(None, f"{tool.tool} was not called: {wrong}", True)
            if tool.tool in (reading.LIST_RESOURCES, reading.LIST_PROMPTS):
                return await self._listing(tool, str(arguments.get("query", "")), caller)
        limits = _limits(server.config, caller, idle_timeout, total_timeout)
        return _followed(server, tool, await server.call(tool, arguments, limits, on_progress))

    async def resume(
        self,
        parked: Parked,
        answers: Mapping[str, Answer] | None = None,
        *,
        caller: Caller | None = None,
        on_progress: OnProgress | None = None,
    ) -> CallResult:
        """Goes on with a parked call, also one of another process; it may be parked again."""
        server, tool = await self._found(parked.name, caller)
        limits = _limits(server.config, caller)
        return _followed(server, tool, await server.resume(tool, parked, answers or {}, limits, on_progress))

    async def give_up(self, parked: Parked, *, caller: Caller | None = None) -> None:
        """Nobody waits for this call any more; its server is told, where it is still at it."""
        await self._of(parked.name, caller).give_up(parked)

    # ---- what else servers offer

    async def _listing(self, tool: ToolInfo, query: str, caller: Caller | None) -> CallResult:
        """A list as a tool of ours gives it."""
        alias = tool.alias
        most = self.config(alias).max_text_bytes
        if tool.tool == reading.LIST_PROMPTS:
            return reading.prompt_list(await self.prompts(alias, caller=caller), query, most)
        resources = await self.resources(alias, caller=caller)
        templates = await self.resource_templates(alias, caller=caller)
        return reading.resource_list(resources, templates, query, most)

    async def resources(self, alias: str, *, caller: Caller | None = None) -> tuple[types.Resource, ...]:
        return await self._list(alias, caller, "resources", Client.list_resources, lambda page: page.resources)

    async def resource_templates(
        self, alias: str, *, caller: Caller | None = None
    ) -> tuple[types.ResourceTemplate, ...]:
        fetch = Client.list_resource_templates
        return await self._list(alias, caller, "resource templates", fetch, lambda page: page.resource_templates)

    async def read_resource(self, alias: str, uri: str, *, caller: Caller | None = None) -> CallResult:
        """What a resource holds; it is followed from then on."""
        server = self._server(alias, caller)
        limit = server.config.idle_timeout
        result = await server.attempt(
            lambda c: c.request(lambda client: client.session.read_resource(uri), f"the reading of {uri}", limit), uri
        )
        server.follow((uri,))
        return masked(resource_result(result.contents, server.config.max_text_bytes), server.config.masked)

    def follow(self, alias: str, uris: Iterable[str], *, caller: Caller | None = None) -> None:
        """Follows what came as `resources` of a result, as if it had been read; returns at once.

        Each connection follows the 32 that were read last, where its server tells of changes; without a connection,
        and for other servers, nothing is done.
        """
        self._server(alias, caller).follow(uris)

    async def prompts(self, alias: str, *, caller: Caller | None = None) -> tuple[types.Prompt, ...]:
        return await self._list(alias, caller, "prompts", Client.list_prompts, lambda page: page.prompts)

    async def prompt(
        self, alias: str, name: str, arguments: Mapping[str, str], *, caller: Caller | None = None
    ) -> CallResult:
        server = self._server(alias, caller)
        limit = server.config.idle_timeout
        result = await server.attempt(
            lambda c: c.request(
                lambda client: client.session.get_prompt(name, dict(arguments)), f"prompt {name}", limit
            ),
            name,
        )
        return masked(prompt_result(result, server.config.max_text_bytes), server.config.masked)

    async def complete(
        self,
        alias: str,
        ref: types.PromptReference | types.ResourceTemplateReference,
        argument: str,
        value: str,
        *,
        caller: Caller | None = None,
    ) -> tuple[str, ...]:
        """What the server proposes for an argument of a prompt or of a resource template."""
        server = self._server(alias, caller)
        limit = server.config.idle_timeout
        given = {"name": argument, "value": value}
        result = await server.attempt(
            lambda c: c.request(lambda client: client.complete(ref, given), "a completion", limit), argument
        )
        return tuple(result.completion.values)

    async def skills(self, alias: str, *, caller: Caller | None = None) -> tuple[published.PublishedSkill, ...]:
        server = self._server(alias, caller)
        limit = server.config.idle_timeout
        return await server.attempt(
            lambda c: c.request(lambda client: published.listed(client.session), "the list of skills", limit),
            "skills",
        )

    async def read_skill(
        self, alias: str, skill: published.PublishedSkill, uri: str | None = None, *, caller: Caller | None = None
    ) -> bytes:
        """A file of a skill, verified against the list; SkillMismatch where it is something else."""
        server = self._server(alias, caller)
        limit = server.config.idle_timeout
        return await server.attempt(
            lambda c: c.request(
                lambda client: published.read(client.session, skill, uri), f"skill {skill.name}", limit
            ),
            skill.name,
        )

    async def _list(
        self,
        alias: str,
        caller: Caller | None,
        what: str,
        fetch: Callable[..., Any],
        items: Callable[[Any], list[Any]],
    ) -> tuple[Any, ...]:
        """Every page of a list; a server that does not know it has none."""
        server = self._server(alias, caller)

        async def listed(client: Client) -> list[Any]:
            return await pages(lambda cursor: fetch(client, cursor=cursor), items)

        limit = server.config.idle_timeout
        try:
            return tuple(await server.attempt(lambda c: c.request(listed, f"the list of {what}", limit), what))
        except ProtocolFailure as error:
            if error.code == types.METHOD_NOT_FOUND:
                return ()
            raise

    # ---- signing in

    async def finish_sign_in(
        self, state: str, *, code: str | None = None, iss: str | None = None, error: str | None = None
    ) -> Attempt:
        """Finishes a sign-in with what its callback brought, once; says whose it was and at which server."""
        attempt = await self._grants.take_attempt(state)
        if attempt is None:
            raise SignInFailed("", "This link was used already, or it is too old. Ask for a new one.")
        alias = attempt.server
        if error is not None or code is None:
            raise SignInFailed(alias, f"Signing in at {alias} was not completed: {error or 'no code came back'}.")
        config = self.config(alias)
        async with sign_in_client(attempt.grant.server_url) as http:
            try:
                await auth.finish(http, self._grants, attempt, config, code, iss)
            except OAuthFailure as failure:
                said = config.redacted(str(failure))
                raise SignInFailed(alias, f"Signing in at {alias} does not work: {said}.") from failure
        return attempt

    async def sign_out(self, alias: str, principal: str) -> None:
        """Forgets the grant, and ends the connections that used it."""
        stored = await self._grants.grant(alias, principal)
        if stored is not None:
            await self._grants.forget(alias, principal, expected=stored.version)
        theirs = [server for key, server in self._servers.items() if key[:2] == (alias, principal)]
        await asyncio.gather(*(server.close() for server in theirs))

    async def close(self) -> None:
        """Ends every connection; the host can be used again afterwards."""
        await asyncio.gather(*(server.close() for server in self._servers.values()))

    # ---- connections

    def _of(self, name: str, caller: Caller | None) -> Server:
        alias = name.removeprefix("mcp__").partition("__")[0]
        if not name.startswith("mcp__") or alias not in self._configs:
            raise UnknownTool("", f"No MCP server has a tool named {name}.")
        return self._server(alias, caller)

    async def _found(self, name: str, caller: Caller | None) -> tuple[Server, ToolInfo]:
        """The tool and the server to call it at, which is another once it is known which protocol that speaks."""
        server = self._of(name, caller)
        tool = await server.find(name)
        alias = server.config.alias
        key = self._key(alias, caller or Caller())
        shared = key._replace(isolation=None)
        if key not in self._servers and self._servers.get(shared) is server:
            self._servers[key] = self._servers.pop(shared)
        return self._server(alias, caller), tool

    def _key(self, alias: str, caller: Caller) -> _Key:
        config = self.config(alias)
        principal = SERVICE if config.performer == "service" else caller.principal
        isolation = {"shared": None, "user": caller.principal, "run": caller.run}[config.scope]
        if caller.interactive and isolation is None and self._eras.get(config.fingerprint) == "legacy":
            # The older protocol does not say which call a question belongs to, so runs do not share a connection.
            isolation = caller.run
        return _Key(alias, principal, caller.interactive, isolation)

    def _server(self, alias: str, caller: Caller | None) -> Server:
        config, caller = self.config(alias), caller or Caller()
        key = self._key(alias, caller)
        if key not in self._servers:
            principal = key.principal
            root = caller.workspace if config.scope == "run" else None
            sampler = self._sampler if config.sampling else None
            profile = Profile(principal, caller.interactive, root, sampler)
            self._servers[key] = Server(
                config,
                self._eras,
                profile,
                lambda: self._session(config, principal),
                partial(self._on_resource_updated, alias),
            )
            self._make_room()
        return self._servers[key]

    def _session(self, config: ServerConfig, principal: str) -> Session | None:
        """The sign-in of an HTTP server whose entry does not bring its own authorization."""
        given = {name.lower() for name in config.headers}
        if config.url is None or "authorization" in given:
            return None
        return Session(config, principal, self._grants, self._us)

    def _make_room(self) -> None:
        """Ends the processes that were not used for longest when there are too many; forgets those that ended."""
        for key, server in list(self._servers.items()):
            if key.isolation is not None and not server.is_running and server.used_at:
                del self._servers[key]
        running = [s for s in self._servers.values() if s.is_running and s.config.transport == "stdio"]
        idle = sorted((s for s in running if not s.is_busy), key=lambda server: server.used_at)
        for server in idle[: max(0, len(running) - _MOST_PROCESSES)]:
            server.stop()


def _limits(
    config: ServerConfig, caller: Caller | None, idle: float | None = None, total: float | None = None
) -> Limits:
    # Only a run can come back to a call.
    park = config.park_after if caller is not None and caller.run is not None else None
    return Limits(idle or config.idle_timeout, total or config.total_timeout, park)


def _followed(server: Server, tool: ToolInfo, result: CallResult) -> CallResult:
    """What a tool of ours read is followed, as after `read_resource`; of others the caller decides."""
    if tool.ours:
        server.follow(result.resources)
    return result


__all__ = ["McpHost", "ServerDown", "ServerStatus"]
