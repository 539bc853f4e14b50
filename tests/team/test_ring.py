"""Two hundred messages among eight specialists arrive once and in order, with and without kills, and idling is free."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import create_engine, text

from bench import ring
from loopback import control
from loopback.model import scripted
from tests.scenarios.standins import Slack, cadre, environment, loopback, until
from tests.team.harness import worker


def in_order(messages):
    """Each member got each round of the one before it once, in order."""
    for here, name in enumerate(ring.NAMES):
        before = ring.NAMES[here - 1]
        got = [words for sender, to, words in messages if to == name and sender == before]
        assert got == [f"{before}/{number}" for number in range(ring.ROUNDS)]


def test_undisturbed_each_message_arrives_once_and_nobody_is_woken_for_nothing(tmp_path):
    async def scenario():
        async with worker(tmp_path, ring.script) as here:
            view = await here.ended(await here.ask())
            assert (view.run.status, view.run.error) == ("done", None)
            in_order([(m.sender, m.to, m.text) for m in view.messages])
            assert all(m.delivered_at for m in view.messages if m.to != "lead")
            asked = [
                row for row in here.log.since(0) if row.get("kind") == "request" and row.get("name") == "messages"
            ]
            assert len(asked) == ring.CALLS

    asyncio.run(scenario())


@pytest.mark.timeout(240)
def test_with_the_worker_killed_again_and_again_each_message_still_arrives_once_and_in_order(tmp_path):
    async def scenario():
        log = control.CallLog()
        app = scripted.build(ring.script, log=log, faults=control.Faults(), clock=control.Clock())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = "http://{}:{}".format(*runner.addresses[0])
        try:
            await asyncio.to_thread(killed, tmp_path, address)
        finally:
            await runner.cleanup()

    asyncio.run(scenario())


def killed(home: Path, model: str):
    database = f"sqlite:///{home / 'cadre.db'}"
    engine = create_engine(database)

    def rows(sql):
        with engine.connect() as connection:
            return list(connection.execute(text(sql)))

    with loopback(home, "--small", "--seed", "1") as ready:
        env = environment(ready, home / "home", CADRE_DATABASE_URL=database, CADRE_MODEL=f"local:{model}")
        slack = Slack(ready)
        with cadre(env, "run", "--no-worker"):
            slack.connected()
            slack.act(do="post", channel="finance", text="@cadre pass it around the ring")
            for share in (40, 90, 140, None):
                child = subprocess.Popen([sys.executable, "-m", "bot", "worker"], env=env, stdout=subprocess.DEVNULL)
                reached(rows, share)
                child.send_signal(signal.SIGKILL if share else signal.SIGTERM)
                child.wait(30)
    members = "', '".join(ring.NAMES)
    in_order(rows(f"select sender, recipient, text from mail where recipient in ('{members}') order by seq"))
    for name in ring.NAMES:
        seen = [json.loads(body)["mail"] for (body,) in rows(
            f"select body from journal where kind = 'turn' and agent_id like '%/{name}' order by seq"
        )]  # fmt: skip
        flat = [int(short[1:]) for turn in seen for short in turn]
        assert flat == sorted(set(flat)), f"{name} read a message twice or out of order"
    engine.dispose()


def reached(rows, share):
    """Wait until so many messages are in the store, or until the run is done."""
    if share is None:
        until(lambda: rows("select 1 from run where status = 'done'"))
    else:
        until(lambda: rows(f"select 1 where (select count(*) from mail) >= {share}"))
