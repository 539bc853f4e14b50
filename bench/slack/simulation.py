"""Hours of live runs in one workspace on a virtual clock, through the real Bolt app, scheduler and thread writer."""

from __future__ import annotations

import asyncio
import random
import re
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select, update

from bench.slack import audit
from bench.slack.world import TEAM, World, play, quiet
from bench.targets import Target, report
from bot.coordinator.runs import end_run
from bot.slack.sessions import standing
from bot.store import journal
from bot.store import schema as t
from bot.store.database import Tx
from bot.store.view import run_view
from bot.types import RunStatus
from loopback.slack.seed import BOT_TOKEN

CHANNELS = ("general", "finance", "board")
PEOPLE = "maya"
TASKS = 6
WORD = re.compile(r"w\d+\.[0-9a-f]{4}")  # of an answer
LOOK_S = 20.0  # between two looks at what people see
STATUS_S = 60.0  # a session's status may lag behind the rows for a moment


@dataclass
class Seen:
    """What the simulation noted while it ran."""

    changes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # run -> when each step was
    answers: dict[str, str] = field(default_factory=dict)
    asked: dict[str, tuple[str, str]] = field(default_factory=dict)  # run -> channel and ts of the request
    wrong_status: list[str] = field(default_factory=list)
    at_work: dict[str, float] = field(default_factory=dict)  # run -> seconds in which its card had news
    requests: int = 0


class Simulation:
    """`runs` runs side by side for `seconds`, each asked for by a mention whose event may come twice or late."""

    def __init__(self, runs: int, seconds: float, seed: int = 1, every: float = 8.0) -> None:
        self.runs, self.seconds, self.every = runs, seconds, every
        self._chance = random.Random(seed)
        self._wrong: dict[str, float] = {}  # run -> since when its session shows something else
        self.seen = Seen()

    async def play(self, world: World) -> audit.Rows:
        """Returns Slack's log."""
        world.faults.add({"match": "events_api:app_mention", "kind": "duplicate", "rate": 0.3, "seed": 1})
        world.faults.add({"match": "events_api", "kind": "reorder", "rate": 0.2, "seed": 2})
        world.faults.add({"match": "events_api", "kind": "accept_then_drop", "rate": 0.1, "seed": 3})
        watching = asyncio.ensure_future(self._watch(world))
        await asyncio.gather(*(self._one(world, number) for number in range(self.runs)))
        await world.settled()
        watching.cancel()
        await self._look(world, late=True)
        return world.log.since(0)

    async def _one(self, world: World, number: int) -> None:
        chance = random.Random(f"{self._chance.random()}:{number}")
        await asyncio.sleep(number * min(30.0, self.seconds / 20))
        said = await world.act(PEOPLE, "post", channel=CHANNELS[number % 3], text=f"@cadre request {number}")
        self.seen.requests += 1
        run = await world.until(lambda c: _run_of(c, said["ts"]))
        self.seen.asked[run] = (said["channel"], said["ts"])
        await world.db.write(lambda tx: _plan(tx, run))
        end = world.clock.now() + self.seconds * chance.uniform(0.9, 1.1)
        began, waited = world.clock.now(), 0.0
        step, question = 0, world.clock.now() + chance.uniform(0.2, 0.6) * self.seconds
        while world.clock.now() < end:
            await asyncio.sleep(chance.uniform(0.3, 2 * self.every))
            step += 1
            self.seen.changes[run].append(world.clock.now())
            await world.db.write(lambda tx, step=step: _step(tx, run, step))
            if question and world.clock.now() > question:
                question = 0.0
                asked_at = world.clock.now()
                await self._ask(world, run, said["channel"], chance)
                waited += world.clock.now() - asked_at
        self.seen.at_work[run] = world.clock.now() - began - waited
        length = chance.choice((200, 2_500, 3_100, 9_000, 24_000, 60_000))
        answer = self.seen.answers[run] = _words(run, length, chance)
        await world.db.write(lambda tx: end_run(tx, run, RunStatus.DONE, summary=answer))

    async def _ask(self, world: World, run: str, channel: str, chance: random.Random) -> None:
        """A question that a person answers by a click some time later."""
        await world.db.write(lambda tx: _question(tx, run))
        op = f"{run}/post/approval/{run}/q"
        done = select(t.effect.c.result).where(t.effect.c.op_key == op, t.effect.c.status == "done")
        card = await world.until(lambda c: c.execute(done).scalar())
        await asyncio.sleep(chance.uniform(20, min(900, self.seconds / 3)))
        await world.act(PEOPLE, "click", channel=channel, ts=card["ts"], action_id="answer:0")

    async def _watch(self, world: World) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self._look(world)

    async def _look(self, world: World, late: bool = False) -> None:
        """Compare the session's status that people see with where the run stands since a while."""
        told = (await world.look("state"))["sessions"]
        for run, place in self.seen.asked.items():
            view = await world.db.read(lambda c, run=run: run_view(c, run))
            shown = next((s["status"] for s in told if (s["channel"], s["thread_ts"]) == place), "nothing")
            if shown == standing(view):
                self._wrong.pop(run, None)
            elif late or world.clock.now() - self._wrong.setdefault(run, world.clock.now()) > STATUS_S:
                self.seen.wrong_status.append(f"{run} shows {shown}, not {standing(view)}")


@dataclass(frozen=True)
class Outcome:
    """What came of a simulation."""

    over_limit: list[str]
    oldest_s: float
    unseen: int
    rates: dict[str, float]  # updates of each run's card, per second in which it had news
    wrong_status: list[str]
    lost: list[str]  # runs whose answer is not whole
    runs: int
    requests: int
    took_s: float

    @property
    def spread(self) -> float:
        """How many times as often as the least served card the most served one was shown."""
        return max(self.rates.values()) / min(self.rates.values())


def simulate(runs: int, seconds: float, seed: int = 1) -> Outcome:
    """Play it and look at what Slack saw."""
    began = time.monotonic()
    sim = Simulation(runs, seconds, seed)

    async def work(world: World) -> Outcome:
        rows = await sim.play(world)
        ages = audit.card_ages(rows, sim.seen.changes)
        made = await world.db.read(lambda c: list(c.execute(select(t.run.c.id)).scalars()))
        lost = []
        for run, (channel, ts) in sim.seen.asked.items():
            if not await whole(world, channel, ts, sim.seen.answers[run]):
                lost.append(run)
        return Outcome(
            over_limit=audit.over_limit(rows),
            oldest_s=max((max(one) for one in ages.values()), default=0.0),
            unseen=audit.unseen(ages, sim.seen.changes),
            rates={run: len(times) / sim.seen.at_work[run] for run, times in _shown_at(rows).items()},
            wrong_status=sim.seen.wrong_status,
            lost=lost,
            runs=len(made),
            requests=sim.seen.requests,
            took_s=time.monotonic() - began,
        )

    outcome: Outcome = play(work)
    return outcome


async def whole(world: World, channel: str, ts: str, answer: str) -> bool:
    """Whether every word of an answer is in the thread in its order: in its messages, or in the file beside them."""
    thread = (await world.look("thread", channel=channel, ts=ts))["messages"]
    said = audit.text_of(m for m in thread if m.get("bot_id"))
    if answer.split() == [word for word in said.split() if WORD.fullmatch(word)]:
        return True
    for message in thread:
        for file in message.get("files") or ():
            headers = {"Authorization": f"Bearer {BOT_TOKEN}"}
            async with world.http.get(file["url_private_download"], headers=headers) as reply:
                if (await reply.text()).split() == answer.split():
                    return True
    return False


def _shown_at(rows: audit.Rows) -> dict[str, list[float]]:
    """When each run's card was brought up to date while it worked."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in audit.calls(rows):
        if row["name"] == "chat.update":
            for run in {run for run, _ in audit.marks(row)}:
                found[run].append(row["at"])
    return found


# -- rows ------------------------------------------------------------------------------------------------------------


def _run_of(connection: Any, ts: str) -> str:
    found = select(t.inbox.c.run_id).where(t.inbox.c.key == ts, t.inbox.c.run_id.is_not(None))
    return str(connection.execute(found).scalar() or "")


def _plan(tx: Tx, run: str) -> None:
    for number in range(TASKS):
        tx.execute(
            insert(t.task).values(
                run_id=run, id=f"t{number}", team_id=TEAM, title=f"Part {number}", status="pending", position=number
            )
        )
    tx.execute(update(t.run).where(t.run.c.id == run).values(understood="a long piece of work", way="six parts"))
    journal.append(tx, run, "plan", {})


def _step(tx: Tx, run: str, step: int) -> None:
    """Something happens that the card shows."""
    status = ("working", "done", "pending")[step // TASKS % 3]
    where = (t.task.c.run_id == run, t.task.c.id == f"t{step % TASKS}")
    tx.execute(update(t.task).where(*where).values(status=status))
    journal.append(tx, run, "notice", {"text": f"step {step} of {run}"})


def _question(tx: Tx, run: str) -> None:
    tx.execute(
        insert(t.approval).values(
            id=f"{run}/q", team_id=TEAM, run_id=run, kind="question", person="UMAYA", status="pending",
            preview={"title": "Which of the two?", "options": ["The first", "The second"]},
            asked_at=tx.now(), expires_at=tx.now() + 86_400,
        )
    )  # fmt: skip
    journal.append(tx, run, "asked", {"approval": f"{run}/q"})


def _words(run: str, length: int, chance: random.Random) -> str:
    """Text in which every word is known by its number."""
    words, size = [], 0
    while size < length:
        word = f"w{len(words)}.{run[-4:]}" + chance.choice((" ", " ", " ", " ", "\n", "\n\n"))
        words.append(word)
        size += len(word)
    return "".join(words).strip()


# -- as a target -----------------------------------------------------------------------------------------------------


def main() -> bool:
    """Twenty runs of three hours, and one run alone."""
    quiet()
    met = True
    for runs, seconds, oldest in ((1, 1_800.0, 3.0), (20, 3 * 3_600.0, 30.0)):
        told = simulate(runs, seconds)
        title = f"{runs} live runs for {seconds / 3_600:g} h of virtual time, in {told.took_s:.0f} s"
        met &= report(title, targets(told, oldest))
        for line in [*told.over_limit[:5], *told.wrong_status[:5], *told.lost[:5]]:
            print(line)
    return met


def targets(told: Outcome, oldest: float, spread: float = 1.25) -> list[Target]:
    return [
        Target("calls over a rate limit", 0, len(told.over_limit)),
        Target("oldest a card became", oldest, told.oldest_s, "s"),
        Target("steps never shown", 0, told.unseen),
        Target("most updates of a card to least", spread, told.spread, "times"),
        Target("wrong status for a minute, or at the end", 0, len(told.wrong_status)),
        Target("answers with a lost character", 0, len(told.lost)),
        Target("runs without a request of their own", 0, told.runs - told.requests),
        Target("requests without a run", 0, told.requests - told.runs),
    ]


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
