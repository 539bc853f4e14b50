"""The whole product on one machine: stand-in servers as a child process and a person's hands on the local Slack."""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import select

from bot.app import wait_ready
from bot.errors import OperatorMustFix
from bot.serve import Process
from bot.settings import Settings, load
from bot.store import schema as t
from bot.store.view import run_view, to_json
from bot.types import Json, RunStatus

POLL_S = 0.05

REFUSALS = {  # of the local Slack, in words that name the fix
    "not_in_channel": "{who} is not in #{channel} of the sample workspace; choose another with --channel or --as.",
    "channel_not_found": "The sample workspace has no channel {channel}; choose another with --channel.",
    "user_not_found": "The sample workspace has nobody called {who}; choose somebody else with --as.",
}


@dataclass(frozen=True)
class Options:
    """What `cadre demo` and `cadre ask` take."""

    data: Path | None = None
    seed: int = 1
    port: int = 0
    channel: str = "finance"
    user: str = "maya"
    approve: str = "none"  # all | none
    timeout_s: float = 600.0
    keep: Path | None = None
    model: str = ""  # another than the one that is set


class Stage:
    """Stand-ins and Cadre running together, and a person's hands on the local Slack."""

    def __init__(self, ready: Json, process: Process) -> None:
        self.ready, self.process = ready, process
        self.control = ready["slack"]["control_url"].rstrip("/")

    async def act(self, **action: Any) -> Json:
        """Do something as a person: post, click, slash, react. Raises OperatorMustFix with Slack's own refusal."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.control}/_local/act", json=action) as reply,
        ):
            answer: Json = await reply.json()
        if not answer.get("ok"):
            error = str(answer.get("error", answer))
            said = REFUSALS.get(error, f"The local Slack refused: {error}")
            raise OperatorMustFix(said.format(who=action.get("as"), channel=action.get("channel")))
        return answer

    async def log(self, server: str) -> list[Json]:
        """Every request a stand-in saw."""
        url = f"{self.ready[server]['control_url'].rstrip('/')}/_local/log"
        async with aiohttp.ClientSession() as session, session.get(url, params={"since": "0"}) as reply:
            answer = await reply.json()
        rows: list[Json] = answer if isinstance(answer, list) else answer["log"]
        return rows

    async def fault(self, server: str, spec: Json) -> None:
        """Make a stand-in fail as described."""
        url = f"{self.ready[server]['control_url'].rstrip('/')}/_local/fault"
        async with aiohttp.ClientSession() as session, session.post(url, json=spec) as reply:
            reply.raise_for_status()

    async def thread(self, channel: str, ts: str) -> list[Json]:
        """The messages of a thread as people see them."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.control}/_local/thread", params={"channel": channel, "ts": ts}) as reply,
        ):
            answer: Json = await reply.json()
        return [
            {"ts": m["ts"], "user": m.get("user") or m.get("bot_id", ""), "text": m.get("text", ""),
             "blocks": m.get("blocks", []),
             **({"files": [{"name": f["name"], "size": f["size"]} for f in m["files"]]} if m.get("files") else {})}
            for m in answer.get("messages", [])
        ]  # fmt: skip

    async def mention(self, text: str, options: Options) -> str:
        """Mention Cadre in a channel as a person; returns the run that it starts."""
        request = {"as": options.user, "do": "post", "channel": options.channel, "text": f"@cadre {text}"}
        posted = await self.act(**request)
        if not await self._listens(posted["channel"]):
            raise OperatorMustFix(
                f"Cadre is not in #{options.channel}, so it does not hear what is said there. "
                "Invite it with /invite @Cadre, or choose a channel it is in."
            )
        return await self.run_of(posted["ts"], options.timeout_s)

    async def _listens(self, channel: str) -> bool:
        """Whether the bot is a member of a channel."""
        slack = self.ready["slack"]
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {slack['bot_token']}"}) as session,
            session.post(f"{slack['api_url'].rstrip('/')}/conversations.info", data={"channel": channel}) as reply,
        ):
            answer: Json = await reply.json()
        return bool(answer.get("ok") and answer["channel"].get("is_member"))

    async def run_of(self, ts: str, timeout_s: float) -> str:
        """The run that a message started."""
        async with asyncio.timeout(timeout_s):
            while True:
                found = await self.process.db.read(
                    lambda c: (
                        c.execute(select(t.inbox.c.run_id).where(t.inbox.c.key == ts, t.inbox.c.run_id.is_not(None)))
                        .scalars()
                        .first()
                    )
                )
                if found:
                    return str(found)
                await asyncio.sleep(POLL_S)

    async def follow(self, run_id: str, options: Options) -> str:
        """Follow a run until it ends, or until it waits for a person who does not answer; returns its status.

        With approve `all` the requester clicks Approve on what is shown.
        """
        async with asyncio.timeout(options.timeout_s):
            while True:
                row = await self.process.db.read(
                    lambda c: c.execute(select(t.run.c.status, t.run.c.channel).where(t.run.c.id == run_id)).one()
                )
                if RunStatus(row.status).ended:
                    await self._settled(run_id)
                    return str(row.status)
                pending = await self.process.db.read(lambda c: _pending(c, run_id))
                if pending is not None:
                    ts = await self._card(run_id, pending["id"])
                    if options.approve != "all" or pending["kind"] not in ("changes", "plan", "call"):
                        await self._settled(run_id)
                        return str(RunStatus.WAITING)
                    await self.act(
                        **{"as": options.user}, do="click", channel=row.channel, ts=ts, action_id="approve"
                    )
                await asyncio.sleep(POLL_S)

    async def answered(self, run_id: str) -> None:
        """Wait until nothing is asked of a person any more."""
        while await self.process.db.read(lambda c: _pending(c, run_id)) is not None:
            await asyncio.sleep(POLL_S)

    async def _card(self, run_id: str, approval_id: str) -> str:
        """The ts of the approval's card once it is posted."""
        while True:
            found = await self.process.db.read(
                lambda c: c.execute(
                    select(t.effect.c.result).where(
                        t.effect.c.run_id == run_id, t.effect.c.kind == "post", t.effect.c.status == "done",
                        t.effect.c.op_key.endswith(approval_id),
                    )
                ).scalar()
            )  # fmt: skip
            if found:
                return str(found["ts"])
            await asyncio.sleep(POLL_S)

    async def _settled(self, run_id: str) -> None:
        """Wait until the thread shows what the rows say."""
        while True:
            row = await self.process.db.read(
                lambda c: c.execute(
                    select(t.agent.c.wake_seq, t.agent.c.slept_seq, t.agent.c.due_at).where(
                        t.agent.c.id == f"{run_id}/_thread"
                    )
                ).one()
            )
            if row.wake_seq == row.slept_seq and (row.due_at is None or row.due_at > self.process.clock.now() + 60):
                return
            await asyncio.sleep(POLL_S)

    async def result(self, run_id: str) -> Json:
        """The run as `cadre ask --json` prints it, with its thread."""
        view = await self.process.db.read(lambda c: run_view(c, run_id))
        thread = await self.thread(view.run.channel, view.run.thread_ts) if view.run.thread_ts else []
        return to_json(view, thread)


def _pending(connection: Any, run_id: str) -> Any:
    query = select(t.approval).where(t.approval.c.run_id == run_id, t.approval.c.status == "pending")
    return connection.execute(query).mappings().first()


async def ask_once(text: str, options: Options) -> Json:
    """One request from its mention to its end, or until it waits for a person; the run as JSON."""
    with tempfile.TemporaryDirectory(prefix="cadre-") as scratch:
        home = options.keep or Path(scratch)
        async with stage(options, home) as here:
            try:
                run_id = await here.mention(text, options)
                await here.follow(run_id, options)
            except TimeoutError as error:
                raise OperatorMustFix(
                    f"Not done within {options.timeout_s:g} s; give it longer with --timeout."
                ) from error
            return await here.result(run_id)


@asynccontextmanager
async def stage(options: Options, home: Path) -> AsyncIterator[Stage]:
    """Stand-ins in their own process and Cadre in this one, on the same client code as against the real services."""
    ready_file = Path(tempfile.mkdtemp(prefix="cadre-")) / "ready.json"
    command = [sys.executable, "-m", "loopback", "--seed", str(options.seed), "--ready-file", str(ready_file)]
    command += ["--home", str(home / "loopback")]
    if options.port:
        command += ["--port", str(options.port)]
    if options.data is not None:
        if not options.data.is_dir():
            raise OperatorMustFix(f"--data {options.data} is not a folder.")
        command += ["--data", str(options.data)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ready = await asyncio.to_thread(wait_ready, ready_file, child)
        process = Process(local_settings(ready, home, options.model))
        await process.start()
        try:
            yield Stage(ready, process)
        finally:
            await process.close()
    finally:
        await asyncio.to_thread(_end, child)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def local_settings(ready: Json, home: Path, model: str = "") -> Settings:
    """Settings against the stand-ins; keys in the environment count only with CADRE_USE_REAL=1."""
    settings = load()
    if model:
        settings = dataclasses.replace(settings, model=model)
    servers = {name: {"url": ready[name]["url"], "trusted": True} for name in ("ledger", "crm") if name in ready}
    local = {
        "home": home,
        "database_url": f"sqlite:///{home / 'cadre.db'}",
        "engine_url": f"sqlite:///{home / 'engine.db'}",
        "clock_url": ready["clock"]["url"],
        "slack_api_url": ready["slack"]["api_url"],
        "slack_bot_token": ready["slack"]["bot_token"],
        "slack_app_token": ready["slack"]["app_token"],
        "slack_signing_secret": ready["slack"]["signing_secret"],
        "slack_counts": ready["slack"].get("rate_limits", True),
        "google_base_url": ready["google"]["base_url"],
        "google_credentials": "",
        "mcp_servers": servers,
    }
    if settings.model.startswith(("local:", "replay:")):
        local |= {"anthropic_api_key": ""}
    elif not _use_real():
        local |= {"model": "offline", "anthropic_api_key": "", "anthropic_base_url": ready["model"]["base_url"]}
    return dataclasses.replace(settings, **local)


def _use_real() -> bool:
    import os

    return os.environ.get("CADRE_USE_REAL", "") in ("1", "true", "yes")
