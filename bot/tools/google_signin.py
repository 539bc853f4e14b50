"""Google's tools where each person signs in: a call without an account asks its requester privately, and goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from bot.errors import ModelMustRetry
from bot.store.vault import Vault
from bot.tools.base import Outcome, Tool, ToolContext
from bot.tools.google_accounts import GoogleAccounts
from bot.tools.mcp.tools import held
from bot.tools.mcp.waiting import WaitingCalls
from connectors.errors import SignInNeeded
from connectors.mcp import AuthorizationRequired


def personal(tools: Iterable[Tool], accounts: GoogleAccounts | None, vault: Vault) -> list[Tool]:
    """The tools, waiting for sign-ins where people have accounts of their own; else as they are."""
    if accounts is None or not accounts.signs_in:
        return list(tools)
    waiting = WaitingCalls(vault)
    return [replace(tool, run=partial(_run, tool, accounts, waiting), resumes=True) for tool in tools]


async def _run(tool: Tool, accounts: GoogleAccounts, waiting: WaitingCalls, ctx: ToolContext, args: Any) -> Outcome:
    known, asked = await ctx.db.read(lambda c: waiting.find(c, ctx))
    if known is not None:
        if (outcome := held(known, asked)) is not None:
            return outcome
        await waiting.over(ctx)
    try:
        return await tool.run(ctx, args)
    except AuthorizationRequired as error:
        return waiting.signs_in(ctx, error)
    except ModelMustRetry as error:
        if not isinstance(error.__cause__, SignInNeeded):
            raise
    return waiting.signs_in(ctx, await accounts.sign_in_again(ctx.team, ctx.requester))
