"""The Google account that a run works with: its requester's, by the e-mail address that Slack has of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.errors import DependencyFailed, ModelMustRetry
from connectors import errors as e
from connectors.google import Accounts, GoogleWorkspace

T = TypeVar("T")
READ_PAUSES_S = (0.3, 1.0, 3.0)
Emails = Callable[[str, str], Awaitable[str]]  # of a person of a team; "" when there is none


class GoogleAccounts:
    """Workspaces by team and person. Without `emails` everybody is the same to it."""

    def __init__(self, accounts: Accounts, emails: Emails | None = None) -> None:
        self._accounts, self._emails = accounts, emails

    async def of(self, team: str, person: str) -> GoogleWorkspace:
        """The workspace of a person. Raises connectors' SignInNeeded when they cannot be known to Google."""
        email = ""
        if self._accounts.personal and self._emails is not None:
            email = await self._emails(team, person)
        return self._accounts.of(email)

    def close(self) -> None:
        """Closes all connections."""
        self._accounts.close()


def connect(
    base_url: str, credentials: str, *, delegate: bool = False, emails: Emails | None = None
) -> GoogleAccounts | None:
    """Google as configured: the stand-in or another endpoint by URL, credentials by file, or nothing."""
    if not base_url and not credentials:
        return None
    accounts = Accounts(base_url=base_url, credentials_file=credentials, delegate=delegate)
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
