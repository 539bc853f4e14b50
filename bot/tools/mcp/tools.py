"""Tools of MCP servers, under names of our own aliases; they and ours look the same to an agent."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from sqlalchemy import select

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.store import journal, reads
from bot.store.database import Database
from bot.store.leases import Claim
from bot.store.schema import run
from bot.store.vault import Vault
from bot.tools.base import Outcome, Tool, ToolContext, refused
from bot.tools.mcp import answers
from bot.tools.mcp.catalogue import SIGNS_IN, Catalogue, Eras
from bot.tools.mcp.followed import Followed
from bot.tools.mcp.policy import read_policy, tidied
from bot.tools.mcp.progress import telling
from bot.tools.mcp.questions import Interview
from bot.tools.mcp.waiting import OPEN_S, Waiting, WaitingCalls
from bot.tools.registry import Registry
from bot.tools.results import shared
from bot.types import Json
from connectors.mcp import (
    AuthorizationRequired,
    Caller,
    CallParked,
    CallResult,
    GrantStore,
    McpFailure,
    McpHost,
    Parked,
    QuestionLost,
    SignIn,
    ToolInfo,
)

log = structlog.get_logger()

FRESH_S = 300.0  # a server says nothing about versions, so an answer is shared within a run and for this long
ROUNDS_MOST = 50  # questions and looks in one call before it counts as one that does not end
UNCLEAR = (
    "{tool} was begun, and Cadre stopped in the middle: whether it happened is not known, and it is not made again. "
    "Look it up, or name it in your answer."
)


def signing_in_at(base_url: str) -> SignIn:
    """How authorization servers know us: by our own address, and by what is told there where they can reach it."""
    about = f"{base_url}/oauth/mcp/client.json" if base_url.startswith("https://") else None
    return SignIn(f"{base_url or 'http://127.0.0.1'}/oauth/mcp/callback", about)


class McpTools:
    """The configured servers. One that cannot be reached costs its own tools, and delays nobody."""

    def __init__(
        self, servers: Mapping[str, Any], db: Database, vault: Vault, grants: GrantStore, environ: Mapping[str, str],
        base_url: str = "",
    ) -> None:  # fmt: skip
        """`base_url` is where a browser reaches us: sign-ins come back there."""
        told = tidied(servers)
        eras = Eras()
        self._followed = Followed(db)
        self.host = McpHost(
            {"mcpServers": told}, environ=environ, eras=eras, grants=grants, sign_in=signing_in_at(base_url),
            on_resource_updated=self._followed.updated,
        )  # fmt: skip
        for problem in self.host.problems:
            log.error("mcp configuration", problem=problem)
        names = {alias: self.host.config(alias).name for alias in self.host.aliases}
        policies = {alias: read_policy(alias, dict(told[name])) for alias, name in names.items()}
        fingerprints = {alias: self.host.config(alias).fingerprint for alias in self.host.aliases}
        self.catalogue = Catalogue(db, self.host, policies, fingerprints, eras, self._changed)
        self._db = db
        self._reads = reads.SharedReads()
        self._waiting = WaitingCalls(vault)
        self._registry: Registry | None = None

    async def begin(self, registry: Registry) -> None:
        """Put what is known into the registry, and keep it current from then on."""
        self._registry = registry
        await self.catalogue.begin()

    async def close(self) -> None:
        await self.catalogue.close()
        await self.host.close()
        await self._followed.close()

    # -- what agents see --------------------------------------------------------------------------------------------

    def _changed(self, alias: str) -> None:
        assert self._registry is not None
        infos = self.catalogue.tools(alias)
        tools = [tool for info in infos if (tool := self._tool(info)).rule != "deny"]
        if not infos and alias in self.catalogue.signs_in:
            tools = [self._signing_in(alias)]
        absent = {f"mcp__{alias}__{name}": why for name, why in self.catalogue.absent(alias).items()}
        self._registry.put(f"mcp__{alias}__", tools, absent)

    def _tool(self, info: ToolInfo) -> Tool:
        policy = self.catalogue.policies[info.alias]
        effect, rule = policy.judge(info)
        return Tool(
            info.name, info.description, effect, partial(self._call, info, effect), schema=dict(info.input_schema),
            rule=rule, channels=policy.channels, resumes=True, always=policy.loads(info.tool),
        )  # fmt: skip

    def _signing_in(self, alias: str) -> Tool:
        return Tool(
            f"mcp__{alias}__{SIGNS_IN}",
            f"Connect the requester's own account at {alias}. Its tools are known once somebody has signed in.",
            Effect.TEAM, partial(self._sign_in, alias), schema={"type": "object", "properties": {}},
            channels=self.catalogue.policies[alias].channels,
        )  # fmt: skip

    # -- calls ------------------------------------------------------------------------------------------------------

    async def _sign_in(self, alias: str, ctx: ToolContext, _args: Json) -> Outcome:
        waiting, asked = await ctx.db.read(lambda c: self._waiting.find(c, ctx))
        if waiting is not None and (outcome := held(waiting, asked)) is not None:
            return outcome
        try:
            await self.catalogue.listed(alias, self._caller(ctx, alias))
        except AuthorizationRequired as error:
            return self._needs(ctx, error)
        except McpFailure as error:
            return refused(str(error))
        tools = [info.name for info in self.catalogue.tools(alias)]
        return Outcome({"ok": True, "tools": tools, "next": "Call them like any other tool."})

    async def _call(self, info: ToolInfo, effect: Effect, ctx: ToolContext, args: Json) -> Outcome:
        """One call, from where the rows say that it stands."""
        waiting, asked = await ctx.db.read(lambda c: self._waiting.find(c, ctx))
        try:
            if waiting is not None and waiting.kind != "signin":
                return await self._go_on(info, ctx, waiting, asked)
            if waiting is not None and (outcome := held(waiting, asked)) is not None:
                return outcome
            if ctx.begun and waiting is None and not info.idempotent:
                return refused(UNCLEAR.format(tool=info.name))
            if waiting is not None:
                await self._waiting.over(ctx)
            return await self._fresh(info, effect, ctx, args)
        except AuthorizationRequired as error:
            return self._needs(ctx, error)
        except QuestionLost as error:
            return await self._lost(ctx, info, str(error))
        except McpFailure as error:
            return refused(str(error))

    async def _fresh(self, info: ToolInfo, effect: Effect, ctx: ToolContext, args: Json) -> Outcome:
        caller = self._caller(ctx, info.alias)
        try:
            problem = await self.catalogue.checked(info, caller)
            if problem:
                return refused(problem)
            if effect is Effect.READ:
                return await self._read(info, ctx, args, caller)
            return await self._write(info, ctx, args, caller)
        except CallParked as error:
            return self._parks(ctx, info.alias, caller, error.parked, time.time())

    def _caller(self, ctx: ToolContext, alias: str) -> Caller:
        principal = self.catalogue.policies[alias].principal(ctx)
        return Caller(principal, ctx.run_id, ctx.workspace.made(), interactive=True)

    def _needs(self, ctx: ToolContext, error: AuthorizationRequired) -> Outcome:
        if error.principal == "service":
            return refused(
                f"{error} An operator has to let people use their own accounts (x-cadre.performer: user), or give "
                "Cadre one of its own (oauth.grant: client_credentials)."
            )
        return self._waiting.signs_in(ctx, error)

    # -- calls that wait --------------------------------------------------------------------------------------------

    def _parks(
        self, ctx: ToolContext, alias: str, caller: Caller, parked: Parked, begun_at: float, heard: str | None = None
    ) -> Outcome:
        """Sleep until a person has answered, or until it is time to look at a job again; `heard` was told before."""
        interview = Interview(parked)
        waiting = Waiting(parked.kind, alias, caller.principal, interview, "", "asked", begun_at)
        ask = interview.next(alias)
        if ask is not None:
            return self._waiting.asks(ctx, waiting, interview, ask)
        return self._waiting.works_on(ctx, waiting, None if parked.said == heard else parked.said)

    async def _go_on(self, info: ToolInfo, ctx: ToolContext, waiting: Waiting, asked: Any) -> Outcome:
        """Go on with a call that was parked, in whichever process that was."""
        interview = waiting.interview
        assert interview is not None
        caller = replace(self._caller(ctx, info.alias), principal=waiting.principal)
        if waiting.phase == "sent" and waiting.kind == "input" and not info.idempotent:
            return refused(UNCLEAR.format(tool=info.name))
        if waiting.phase == "asked" and waiting.approval_id:
            if asked is None or asked["status"] == "pending":
                return Outcome({}, parks={"for": "answer", "approval": waiting.approval_id})
            said = asked["status"] == "answered"
            interview = interview.answered(asked["answer"]) if said else interview.unanswered()
            ask = interview.next(info.alias)
            if ask is not None:
                return self._waiting.asks(ctx, waiting, interview, ask)
            sent = replace(waiting, interview=interview, phase="sent")
            await ctx.db.write(lambda tx: self._waiting.keep(tx, ctx, sent))
        if time.time() - waiting.begun_at > OPEN_S or interview.parked.round > ROUNDS_MOST:
            await self.host.give_up(interview.parked, caller=caller)
            return refused(f"{info.name} did not come to an end and was given up.")
        try:
            async with telling(ctx, info.alias) as heard:
                result = await self.host.resume(interview.parked, interview.answers, caller=caller, on_progress=heard)
        except CallParked as error:
            return self._parks(ctx, info.alias, caller, error.parked, waiting.begun_at, interview.parked.said)
        if waiting.kind != "input":
            await self._waiting.ended(ctx)
        await ctx.db.write(lambda tx: reads.written(tx, ctx.team, f"mcp:{info.alias}"))
        return refused(_why(info, result)) if result.is_error else self._outcome(ctx, info, result)

    async def _lost(self, ctx: ToolContext, info: ToolInfo, words: str) -> Outcome:
        """The server's question died with its call, and making it again could do it twice: people are told."""
        text = (
            f"{info.alias} asked something before it went on with {info.tool}, and the call did not outlive a "
            "restart of Cadre. Whether it was done is not known, so it is not made again by itself."
        )
        await ctx.db.write(lambda tx: journal.append(tx, ctx.run_id, "notice", {"text": text}))
        return refused(f"{words} {UNCLEAR.format(tool=info.name)}")

    async def give_up(self, claim: Claim) -> float | None:
        """Cancel at the servers what a run that has ended left there; activates the run's row of kind `jobs`."""
        over = await self._db.read(
            lambda c: c.execute(select(run.c.status, run.c.control).where(run.c.id == claim.run_id)).one()
        )
        if over.control != "stop" and over.status not in ("done", "failed", "stopped"):
            return None
        for waiting, ctx_id in await self._db.read(lambda c: self._waiting.left(c, claim.run_id)):
            parked = waiting.interview.parked if waiting.interview else None
            if parked is not None and waiting.server in self.host.aliases:
                try:
                    await self.host.give_up(parked, caller=Caller(waiting.principal, claim.run_id))
                except McpFailure as error:
                    log.warning("a job could not be cancelled", server=waiting.server, why=str(error))
            await self._db.write(lambda tx, at=ctx_id: self._waiting.drop(tx, *at))  # type: ignore[misc]
        return None

    # -- reading and writing ----------------------------------------------------------------------------------------

    async def _read(self, info: ToolInfo, ctx: ToolContext, args: Json, caller: Caller) -> Outcome:
        """What a colleague in the run has just read is read once; an agent that asks again is told anew, and so is
        one that asks after a resource changed that the answer held or pointed to."""
        source = f"mcp:{info.alias}"
        await self._followed.settled()
        reader, anew = await ctx.db.read(
            lambda c: (reads.reader(c, ctx.run_id, source), reads.asked_before(c, ctx.agent_id, info.name, args))
        )
        reader = replace(reader, principal=f"{ctx.requester}/{caller.principal}"[:140])

        async def fetch() -> bytes:
            async with telling(ctx, info.alias) as heard:
                with self._followed.reading(info.alias, ctx.team):
                    result = await self.host.call(info.name, args, caller=caller, on_progress=heard)
            if result.is_error:
                raise ModelMustRetry(_why(info, result))
            self._followed.rests(info.alias, ctx.team, result.resources)
            self.host.follow(info.alias, result.resources, caller=caller)
            return answers.packed(result)

        answer = await self._reads.read(
            ctx.db, reads.Key.of(reader, info.name, args, ctx.run_id), fetch,
            call=f"{ctx.agent_id}/{ctx.call_id}", fresh_s=FRESH_S, anew=anew, labels=_labels(ctx, info),
        )  # fmt: skip
        outcome = self._outcome(ctx, info, answers.unpacked(answer.data))
        return replace(outcome, labels=shared(ctx, answer))

    async def _write(self, info: ToolInfo, ctx: ToolContext, args: Json, caller: Caller) -> Outcome:
        """A call that may change something: what was read before it, and while it ran, is not given out any more."""
        source = f"mcp:{info.alias}"
        await ctx.db.write(lambda tx: reads.written(tx, ctx.team, source))
        try:
            async with telling(ctx, info.alias) as heard:
                result = await self.host.call(info.name, args, caller=caller, on_progress=heard)
        finally:
            await ctx.db.write(lambda tx: reads.written(tx, ctx.team, source))
        return refused(_why(info, result)) if result.is_error else self._outcome(ctx, info, result)

    def _outcome(self, ctx: ToolContext, info: ToolInfo, result: CallResult) -> Outcome:
        trusted = self.catalogue.policies[info.alias].trusted
        return replace(answers.outcome(ctx, info, result, trusted=trusted), labels=_labels(ctx, info))


def held(waiting: Waiting, asked: Any) -> Outcome | None:
    """What a call comes to whose sign-in is waited for or was not wanted; None when it may go on."""
    if asked is not None and asked["status"] == "pending":
        return Outcome({}, parks={"for": "answer", "approval": waiting.approval_id})
    if asked is not None and asked["status"] == "answered" and asked["answer"] == "signed in":
        return None
    said = "does not want to connect an account" if asked is not None and asked["status"] == "answered" else (
        "did not sign in in time"
    )  # fmt: skip
    return refused(
        f"The requester {said} at {waiting.server}. Go on without it, and say in the answer what is missing."
    )


def _labels(ctx: ToolContext, info: ToolInfo) -> Json:
    return {"integrity": "external", "sources": [f"mcp:{info.alias}"], "readers": [ctx.requester]}


def _why(info: ToolInfo, result: CallResult) -> str:
    return result.text or f"{info.name} failed without saying why."
