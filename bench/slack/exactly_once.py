"""Two thousand runs whose calls are accepted and then lost: what people see is posted once, all of it."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert

from bench.slack.world import TEAM, World, play, quiet
from bench.targets import Target, report
from bot.slack import blocks
from bot.slack.blocks import Post
from bot.slack.posting import SETTLE_S
from bot.slack.rows import FILES, STATUS, known
from bot.store import journal
from bot.store import schema as t
from bot.store.database import Tx
from bot.types import RunStatus
from loopback.slack.seed import BOT_USER

TOGETHER = 50  # runs at once
CHANNELS = 25
POSTING = ("chat.postMessage", "chat.update", "files.", "agents.", "conversations.open")
LAG_S = 0.6 * SETTLE_S
WORKSPACE: dict[str, Any] = {
    "team": {"id": TEAM, "name": "Local workspace"},
    "users": [
        {"id": "UMAYA", "name": "maya", "real_name": "Maya Lindqvist", "title": "Finance lead"},
        {"id": BOT_USER, "name": "cadre", "real_name": "Cadre", "title": "Assistant", "is_bot": True},
    ],
    "channels": [{"id": f"C{n:03}", "name": f"room-{n}", "members": ["UMAYA", BOT_USER]} for n in range(CHANNELS)],
}


@dataclass
class Told:
    """What was looked for afterwards."""

    posts: int = 0  # that should be visible
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)  # visible, and not saying what the rows say
    statuses: list[str] = field(default_factory=list)  # sessions that do not rest
    faults: Counter[str] = field(default_factory=Counter)
    took_s: float = 0.0


def trial(runs: int, rate: float = 0.2, seed: int = 1) -> Told:
    """Play that many runs, each from its first post to its last."""
    told = Told()
    began = time.monotonic()

    async def work(world: World) -> None:
        for method in POSTING:
            world.faults.add({"match": method, "kind": "accept_then_drop", "rate": rate, "seed": f"{seed}{method}"})
        chance = random.Random(seed)
        for first in range(0, runs, TOGETHER):
            names = [f"run-{n:06x}" for n in range(first, min(runs, first + TOGETHER))]
            channels = [f"C{n % CHANNELS:03}" for n in range(len(names))]
            for name, channel in zip(names, channels, strict=True):
                await world.db.write(lambda tx, n=name, c=channel: _begin(tx, n, c, chance))
            await world.settled()
            for name in names:
                await world.db.write(lambda tx, n=name: _end(tx, n, chance))
            await world.settled()
            for name, channel in zip(names, channels, strict=True):
                await _check(world, name, channel, told)
            _forget(world, told)

    play(work, workspace=WORKSPACE, lag_s=LAG_S)
    told.took_s = time.monotonic() - began
    return told


async def _check(world: World, run: str, channel: str, told: Told) -> None:
    """Compare what is in the channel with what the run's rows say should be."""
    about = await world.db.read(lambda c: known(c, run))
    wanted: dict[str, Post | None] = {
        f"{run}/post/{p.key}": p for p in blocks.render(about.view, about.kind, about.decided)
    }
    thread = (await world.look("thread", channel=channel, ts=about.run["thread"]))["messages"]
    everywhere = thread + (await world.look("messages", channel=channel))["messages"]
    ours = {m["ts"]: m for m in everywhere if m.get("bot_id")}.values()
    seen = Counter(_op(m) for m in ours if _op(m).startswith(f"{run}/"))
    files = sum(1 for m in thread if m.get("files"))
    wanted.setdefault(f"{run}/post/header", None)
    told.posts += len(wanted) + 1
    told.doubled += [op for op, times in seen.items() if times > 1]
    told.lost += [op for op in wanted if op not in seen]
    if files != 1:
        (told.doubled if files > 1 else told.lost).append(f"{run}/{FILES}")
    for message in ours:
        post = wanted.get(_op(message))
        if post is not None and message["blocks"] and _words(message["blocks"]) != _words(list(post.blocks)):
            told.stale.append(_op(message))
    sessions = (await world.look("state"))["sessions"]
    rests = [s["status"] for s in sessions if (s["channel"], s["thread_ts"]) == (channel, about.run["thread"])]
    if rests != ["active"]:
        told.statuses.append(f"{run}: {rests} {about.posts[f'{run}/post/{STATUS}']['status']}")


def _forget(world: World, told: Told) -> None:
    """Count the calls and let go of the log, which would be gigabytes at the end."""
    told.faults.update(row["name"] for row in world.log.since(0) if row["kind"] == "request")
    world.log.reset("slack")


def _op(message: dict[str, Any]) -> str:
    return str(((message.get("metadata") or {}).get("event_payload") or {}).get("op", ""))


def _words(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [word for key in ("text", "title", "elements", "tasks") for word in _words(value.get(key))]
    if isinstance(value, list):
        return [word for one in value for word in _words(one)]
    return [value] if isinstance(value, str) else []


# -- rows ------------------------------------------------------------------------------------------------------------


def _begin(tx: Tx, run: str, channel: str, chance: random.Random) -> None:
    """A run that was asked for by a command, with a plan."""
    tx.execute(
        insert(t.run).values(
            id=run, team_id=TEAM, requester="UMAYA", credential_owner="UMAYA", channel=channel, kind="command",
            request=f"request {run}", status="working", model="offline", offline=True, created_at=tx.now(), labels={},
        )
    )  # fmt: skip
    tx.execute(
        insert(t.agent).values(
            id=f"{run}/_thread", team_id=TEAM, run_id=run, kind="thread", name="_thread", status="live", labels={}
        )
    )
    for number in range(2):
        tx.execute(
            insert(t.task).values(
                run_id=run, id=f"t{number}", team_id=TEAM, title=f"Part {number}", status="working", position=number
            )
        )
    journal.append(tx, run, "run.started", {})


def _end(tx: Tx, run: str, chance: random.Random) -> None:
    """It ends with an answer of one message or several, and a file."""
    digest = journal.put_blob(tx, TEAM, f"the output of {run}".encode())
    tx.execute(
        insert(t.artifact).values(
            id=f"{run}-a", team_id=TEAM, run_id=run, agent_id=f"{run}/lead", name="lead/out.txt", version=1,
            sha256=digest, created_at=tx.now(), labels={},
        )
    )  # fmt: skip
    tx.execute(
        insert(t.agent).values(
            id=f"{run}/lead", team_id=TEAM, run_id=run, kind="agent", name="lead", status="done", labels={},
            wake_seq=0, finish={"id": "f", "args": {"attach": ["out.txt"]}},
        )
    )  # fmt: skip
    tx.execute(t.task.update().where(t.task.c.run_id == run).values(status="done"))
    summary = " ".join(f"word{n}" for n in range(chance.choice((20, 20, 20, 2_500))))
    ended = {"status": RunStatus.DONE, "summary": summary, "finished_at": tx.now()}
    tx.execute(t.run.update().where(t.run.c.id == run).values(**ended))
    journal.append(tx, run, "run.ended", {})


def targets(told: Told) -> list[Target]:
    return [
        Target("doubled posts", 0, len(told.doubled)),
        Target("lost posts", 0, len(told.lost)),
        Target("posts that say something else", 0, len(told.stale)),
        Target("sessions that do not rest", 0, len(told.statuses)),
    ]


def main() -> bool:
    quiet()
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    told = trial(runs)
    title = f"{runs} runs, {told.posts} posts, 20 % of calls accepted and lost, in {told.took_s:.0f} s"
    met = report(title, targets(told))
    for line in [*told.doubled[:5], *told.lost[:5], *told.stale[:5], *told.statuses[:5]]:
        print(line)
    return met


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
