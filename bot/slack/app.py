"""The Bolt app and its Socket Mode connection; nothing happens at import."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.policy.access import Access
from bot.slack.listeners import Listeners, register_listeners
from bot.slack.scheduler import TIMEOUT_S, Scheduler
from bot.store.database import Database
from bot.store.leases import Claim

Activate = Callable[[Claim], Awaitable[float | None]]
EVERYBODY = Access()  # the rules where nobody wrote any


def make_client(token: str, base_url: str = "") -> AsyncWebClient:
    """Slack's Web API without the SDK's own retries, which post twice when an answer is lost."""
    place = f"{base_url.rstrip('/')}/" if base_url else AsyncWebClient.BASE_URL
    return AsyncWebClient(token=token, base_url=place, timeout=TIMEOUT_S, retry_handlers=[])


@dataclass
class Surface:
    """The Slack side of one process: the app, its listeners and, with an app token, its connection."""

    app: AsyncApp
    listeners: Listeners
    scheduler: Scheduler
    socket: AsyncSocketModeHandler | None

    async def start(self) -> None:
        """Connect; events flow when this returns. Without an app token they come over HTTP instead."""
        self.listeners.start()
        if self.socket is not None:
            await self.socket.connect_async()  # type: ignore[no-untyped-call]

    def showing(self, write: Activate) -> Activate:
        """What brings a run's thread up to date, and after it the homes that show the run."""

        async def activate(claim: Claim) -> float | None:
            due = await write(claim)
            self.listeners.homes.changed(claim.run_id)
            return due

        return activate

    async def close(self) -> None:
        """Disconnect first, so that nothing new is acknowledged, then let small answers go out."""
        if self.socket is not None:
            await self.socket.close_async()  # type: ignore[no-untyped-call]
        await self.listeners.close()
        await self.scheduler.close()


def build_app(
    db: Database, scheduler: Scheduler, *, app_token: str = "", signing_secret: str = "", access: Access = EVERYBODY
) -> Surface:
    """The app for one workspace. `scheduler` holds the client that every call goes through."""
    app = AsyncApp(
        name="cadre",  # or it looks for one in the source of every frame of the stack
        client=scheduler.client,
        signing_secret=signing_secret or None,
        request_verification_enabled=bool(signing_secret),
        ignoring_self_events_enabled=False,  # a thread's memory holds what Cadre said there, too
    )
    listeners = register_listeners(app, db, scheduler, access)
    socket = AsyncSocketModeHandler(app, app_token) if app_token else None
    return Surface(app, listeners, scheduler, socket)
