"""The whole product over the local Slack, with a model whose habits a test writes and a skill with a slow script."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import select

from bot.local import Options, stage
from bot.store import schema as t
from bot.store.view import run_view
from loopback import control
from loopback.model import scripted
from tests.team.fresh_eyes import with_fresh_eyes

SKILL = "---\nname: slow\ndescription: Work that takes its time.\n---\nRun hold.py.\n"
HOLD = """\
import json, subprocess, sys, time
given = json.load(sys.stdin)
try:
    subprocess.Popen(["sleep", given["mark"]])
except OSError:
    pass
open("started", "w").write("yes")
time.sleep(float(given["mark"]))
print(json.dumps({"ok": True}))
"""
OPTIONS = Options(channel="finance", timeout_s=60)


class Play:
    """A running stage, the script's faults, and looks at the rows."""

    def __init__(self, here, faults, home):
        self.here, self.faults, self.home, self.db = here, faults, home, here.process.db

    async def ask(self, text="look into it"):
        """Mention Cadre in #finance; gives the run and the thread."""
        posted = await self.here.act(**{"as": "maya"}, do="post", channel="finance", text=f"@cadre {text}")
        return await self.here.run_of(posted["ts"], 60), posted["ts"]

    async def say(self, ts, text, person="maya"):
        return await self.here.act(**{"as": person}, do="post", channel="finance", text=text, thread_ts=ts)

    async def until(self, run_id, holds):
        """The first view of a run of which this holds."""
        async with asyncio.timeout(60):
            while True:
                view = await self.db.read(lambda c: run_view(c, run_id))
                found = holds(view)
                if found:
                    return view
                await asyncio.sleep(0.02)

    async def shown(self, ts, *words):
        """The first message of the thread with all these words, once it is there."""
        async with asyncio.timeout(60):
            while True:
                for message in await self.here.thread("finance", ts):
                    if all(word in message["text"] for word in words):
                        return message
                await asyncio.sleep(0.02)

    async def texts(self, ts):
        return [m["text"] for m in await self.here.thread("finance", ts)]

    async def rows(self, run_id, kind):
        """The bodies of a run's journal rows of one kind."""
        query = select(t.journal.c.body).where(t.journal.c.run_id == run_id, t.journal.c.kind == kind)
        return list(await self.db.read(lambda c: c.execute(query.order_by(t.journal.c.seq)).scalars()))


@asynccontextmanager
async def play(home: Path, script, data: Path | None = None):
    """Everything running, `script` as the model's brain; `data` takes the place of the sample company."""
    place = home / "skills" / "slow"
    (place / "scripts").mkdir(parents=True)
    (place / "SKILL.md").write_text(SKILL)
    (place / "scripts" / "hold.py").write_text(HOLD)
    faults = control.Faults()
    runner = web.AppRunner(
        scripted.build(with_fresh_eyes(script), log=control.CallLog(), faults=faults, clock=control.Clock()),
        access_log=None,
        shutdown_timeout=0.5,
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base_url = "http://{}:{}".format(*runner.addresses[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CADRE_MODEL", f"local:{base_url}")
        try:
            async with stage(replace(OPTIONS, data=data), home) as here:
                yield Play(here, faults, home)
        finally:
            await runner.cleanup()


def processes(mark: str) -> list[str]:
    """The command lines of processes that carry a mark."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in line and int(place.parent.name) != os.getpid():
            found.append(line)
    return found


def now() -> float:
    return time.monotonic()
