"""The Google account that a run works with: its requester's, by the e-mail address that Slack has of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.errors import DependencyFailed, ModelMustRetry
from connectors import errors as e
from connectors.google import Accounts, GoogleWorkspace
from connectors.mcp import AuthorizationRequired, GrantStore

T = TypeVar("T")
CALLBACK = "/oauth/mcp/callback"  # where sign-ins come back, those at MCP servers too
READ_PAUSES_S = (0.3, 1.0, 3.0)
Emails = Callable[[str, str], Awaitable[str]]  # of a person of a team; "" when there is none


class GoogleAccounts:
    """Workspaces by team and person. Without `emails` everybody is the same to it."""

    def __init__(self, accounts: Accounts, emails: Emails | None = None) -> None:
        self._accounts, self._emails = accounts, emails

    async def of(self, team: str, person: str) -> GoogleWorkspace:
        """The workspace of a person. Raises connectors' SignInNeeded when they cannot be known to Google."""
        return await self._accounts.of(await self._email(team, person), principal(team, person))

    async def _email(self, team: str, person: str) -> str:
        return await self._emails(team, person) if self._accounts.personal and self._emails is not None else ""

    @property
    def signs_in(self) -> bool:
        """Whether each person signs in themselves."""
        return self._accounts.signs_in

    async def sign_in_again(self, team: str, person: str) -> AuthorizationRequired:
        """Where a person signs in whose account Google takes no more."""
        return await self._accounts.sign_in_again(await self._email(team, person), principal(team, person))

    def close(self) -> None:
        """Closes all connections."""
        self._accounts.close()


def principal(team: str, person: str) -> str:
    """A person as the store of grants knows them."""
    return f"user:{team}:{person}"


def connect(
    base_url: str,
    credentials: str,
    *,
    delegate: bool = False,
    emails: Emails | None = None,
    grants: GrantStore | None = None,
    public_url: str = "",
) -> GoogleAccounts | None:
    """Google as configured: the stand-in or another endpoint by URL, credentials by file, or nothing."""
    if not base_url and not credentials:
        return None
    accounts = Accounts(
        base_url=base_url, credentials_file=credentials, delegate=delegate, grants=grants,
        callback=f"{public_url or 'http://127.0.0.1'}{CALLBACK}",
    )  # fmt: skip
    return GoogleAccounts(accounts, emails)


async def opened(google: GoogleAccounts | None, team: str, person: str) -> GoogleWorkspace:
    """The workspace of a person. Raises ModelMustRetry with what somebody has to do first."""
    if google is None:
        raise ModelMustRetry("Google is not connected; the operator sets GOOGLE_APPLICATION_CREDENTIALS.")
    try:
        return await google.of(team, person)
    except e.SignInNeeded as error:
        raise ModelMustRetry(str(error)) from error


async def patient(read: Callable[[], Awaitable[T]]) -> T:
    """A read, repeated while Google is busy. Raises ModelMustRetry or DependencyFailed with Google's own reason."""
    for pause in (*READ_PAUSES_S, None):
        try:
            return await read()
        except (e.RateLimited, e.Unavailable, e.AmbiguousOutcome) as error:
            if pause is None:
                raise DependencyFailed(str(error)) from error
            await asyncio.sleep(pause)
        except e.ConnectorError as error:
            raise ModelMustRetry(str(error)) from error
    raise AssertionError("the last try returns or raises")
