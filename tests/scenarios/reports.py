"""Runs whose result is a file in the thread, as a person gets it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import aiohttp

from bot.local import Options, stage


def company(seed, home):
    """What was planted in the company of a seed."""
    command = [sys.executable, "-m", "loopback.company", "--seed", str(seed), "--out", str(home / "company")]
    subprocess.run([*command, "--truth", str(home / "truth.json")], check=True, capture_output=True)
    return json.loads((home / "truth.json").read_text())


async def report(request, seed, home, *, approve="none", files=1, watch=None):
    """One request to its end: the run as JSON, the lead's workspace, the attached files by name."""
    options = Options(seed=seed, approve=approve, timeout_s=150)
    async with stage(options, home) as here:
        run_id = await here.mention(request, options)
        await here.follow(run_id, options)
        run = await here.result(run_id)
        attached = await _attached(here, run["run"], files) if run["run"]["status"] == "done" else {}
        seen = await watch(here, run) if watch else None
    return run, home / "runs" / run_id / "lead", attached, seen


async def _attached(here, run, count):
    url = f"{here.control}/_local/thread"
    headers = {"Authorization": f"Bearer {here.ready['slack']['bot_token']}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        found = []
        while len(found) < count:
            await asyncio.sleep(0.05)
            async with session.get(url, params={"channel": run["channel"], "ts": run["thread_ts"]}) as reply:
                messages = (await reply.json())["messages"]
            found = [f for m in messages for f in m.get("files", []) if m.get("bot_id")]
        contents = {}
        for file in found:
            async with session.get(file["url_private_download"]) as reply:
                contents[file["name"]] = await reply.read()
        return contents
