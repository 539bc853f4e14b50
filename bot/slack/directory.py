"""Who people are outside of Slack: the e-mail address that Slack has of them."""

from __future__ import annotations

import time
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import DependencyFailed

log = structlog.get_logger()
FRESH_S = 900.0  # somebody who left is nobody after this


class Directory:
    """Looks people up, and knows them for a while."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._known: dict[tuple[str, str], tuple[float, str]] = {}

    async def email(self, team: str, user: str) -> str:
        """A person's address; "" when they have none or have left. Raises DependencyFailed when Slack is away."""
        until, email = self._known.get((team, user), (0.0, ""))
        if time.monotonic() < until:
            return email
        try:
            found: Any = await self._client.api_call("users.info", params={"user": user})
            person: Any = found["user"]
            email = "" if person.get("deleted") else str((person.get("profile") or {}).get("email") or "")
        except SlackApiError as error:
            if error.response.status_code >= 429:
                raise DependencyFailed(f"Slack does not say who {user} is: {error.response['error']}") from error
            log.warning("slack does not know a person's address", user=user, why=error.response["error"])
            email = ""
        except (OSError, aiohttp.ClientError) as error:
            raise DependencyFailed(f"Slack does not say who {user} is: {error}") from error
        self._known[team, user] = (time.monotonic() + FRESH_S, email)
        return email
