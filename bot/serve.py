"""One process: the surface on the main loop, the worker on its own, until a signal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from aiohttp import web
from jinja2 import Environment

from bot import garbage
from bot.app import SKILLS, Worker, WorkerLoop, open_store
from bot.center.server import Center
from bot.center.signin import SignIns
from bot.errors import OperatorMustFix
from bot.mcp import http as mcp
from bot.mcp.work import Desk
from bot.policy import access
from bot.settings import Settings
from bot.skills import SkillLibrary
from bot.slack.app import build_app, make_client
from bot.slack.directory import Directory
from bot.slack.private import PrivateLinks
from bot.slack.scheduler import Scheduler
from bot.slack.sessions import sweep
from bot.slack.thread import ThreadWriter
from bot.store.clock import Clock
from bot.store.database import Database
from bot.store.dispatch import Dispatcher
from bot.store.grants import Grants
from bot.store.vault import Vault
from bot.tools.google_accounts import CALLBACK
from bot.tools.mcp.policy import tidied
from bot.tools.mcp.tools import signing_in_at
from bot.tools.mcp.waiting import signed_in
from connectors.google import client_of, signing_in
from connectors.mcp import McpHost

log = structlog.get_logger()


@dataclass
class Process:
    """What runs in this process. `start` returns once requests are taken; `close` leaves in good order."""

    settings: Settings
    surface: bool = True
    worker: bool = True
    http_port: int | None = 0  # 0: any free port
    db: Database = field(init=False)
    clock: Clock = field(init=False)
    dispatcher: Dispatcher = field(init=False)
    base_url: str = ""
    _center: Center | None = None
    _sign_ins: SignIns | None = None
    _slack: Any = None
    _loop: WorkerLoop | None = None
    _worker: Worker | None = None

    async def start(self) -> None:
        """Open the store, connect the surface and the worker, begin to dispatch."""
        settings = self.settings
        garbage.look_seldom()
        self.db, self.clock = await asyncio.to_thread(open_store, settings)
        role = "+".join(name for name, on in (("bot", self.surface), ("worker", self.worker)) if on)
        self.dispatcher = Dispatcher(self.db, self.clock, role=role, engine_url=settings.engine_url)
        if self.http_port is not None:
            self._center = Center(self.db, self._routes)
            self.base_url = await self._center.start("127.0.0.1", self.http_port)
        if self.worker:
            self._loop = WorkerLoop()
            people = Directory(make_client(settings.slack_bot_token, settings.slack_api_url))
            self._worker = Worker(
                settings, self.db, self.dispatcher, settings.public_url or self.base_url,
                people.email if settings.slack_bot_token else None,
            )  # fmt: skip
            await self._loop.call(self._worker.start())
        if self.surface:
            self._slack = await self._start_slack()
        await asyncio.to_thread(self.dispatcher.start)

    def _routes(self, app: web.Application, pages: Environment, base_url: str) -> None:
        """What else is served beside the pages: where people come to sign in at connected servers."""
        s, base_url = self.settings, self.settings.public_url or base_url
        vault = Vault.open_home(s.home, s.secret_key)
        host = McpHost(
            {"mcpServers": tidied(s.mcp_servers)}, environ=os.environ, grants=Grants(self.db, vault),
            sign_in=signing_in_at(base_url),
        )  # fmt: skip
        google = None
        if client_of(s.google_credentials):
            google = signing_in(s.google_credentials, Grants(self.db, vault), f"{base_url}{CALLBACK}")
        self._sign_ins = SignIns(self.db, vault, host, base_url, partial(signed_in, self.db), google)
        self._sign_ins.add_to(app, pages)
        desk = Desk(self.db, access.load(s.home), SkillLibrary(SKILLS, s.home / "skills"))
        mcp.add_to(app, desk, base_url)

    async def _start_slack(self) -> Any:
        s = self.settings
        if not s.slack_bot_token or not s.slack_app_token:
            raise OperatorMustFix(
                "Slack is not connected: set SLACK_BOT_TOKEN and SLACK_APP_TOKEN, or try `cadre demo`."
            )
        scheduler = Scheduler(make_client(s.slack_bot_token, s.slack_api_url), counted=s.slack_counts)
        surface = build_app(
            self.db, scheduler, app_token=s.slack_app_token, signing_secret=s.slack_signing_secret,
            access=access.load(s.home),
        )  # fmt: skip
        self.dispatcher.serve("thread", surface.showing(ThreadWriter(self.db, scheduler, s.dm_after * 60).activate))
        await self.db.write(sweep)
        vault = Vault.open_home(s.home, s.secret_key)
        private = PrivateLinks(self.db, scheduler, vault, s.public_url or self.base_url)
        self.dispatcher.serve("private", private.activate)
        await surface.start()
        return surface

    async def close(self) -> None:
        """Stop taking requests, then stop working, then let go of the store."""
        if self._slack is not None:
            await self._slack.close()
        if self._loop is not None:
            await self._loop.call(self.dispatcher.drain())
        await self.dispatcher.close()
        if self._worker is not None and self._loop is not None:
            await self._loop.call(self._worker.close())
            self._loop.close()
        if self._center is not None:
            await self._center.close()
        if self._sign_ins is not None:
            await self._sign_ins.close()
        self.clock.close()
        await asyncio.to_thread(self.db.close)


async def serve(settings: Settings, *, surface: bool, worker: bool, http_port: int | None) -> None:
    """Run until SIGTERM or SIGINT."""
    process = Process(settings, surface=surface, worker=worker, http_port=http_port)
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    await process.start()
    garbage.leave_loaded()  # here: what is loaded by whoever holds a Process among other things is not ours to keep
    log.info("ready", surface=surface, worker=worker, http=process.base_url)
    with contextlib.suppress(asyncio.CancelledError):
        await leave.wait()
    await process.close()
