"""The drill over hours: one run that waits for people, batches and an overloaded model, killed again and again.

Time is the stand-ins' clock: whenever nothing moves it goes on to the next time that anybody waits for.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.drill.trial import Trial, Work, get, import_everything, mask, post, stand_ins, words
from bot.errors import RunFailed
from bot.settings import Settings
from bot.types import Json

SKILL = Path(__file__).parent / "lease-register"
FOLDERS = ("Leases", "Ended leases")
BEGIN = 1_791_792_000.0  # Monday 12 October 2026, 08:00 UTC
HOUR = 3_600.0
STILL = 4  # looks in a row that find nothing moving
PRESS_AGAIN_S = 600.0  # a person whose click came to nothing presses again


@dataclass(frozen=True)
class Story:
    """How much there is to read, and how long things and people take: hours of simulated time."""

    leases: int
    ended: int
    limited: float  # the model turns requests of the lead away
    overloaded: float  # and those about documents
    batch: float  # until a batch is answered
    question: float  # until a person answers
    within: float  # what a person has for a task; a third of it until the reminder
    confirm: float  # when it is done, after the reminder; the second task is never done
    approve: float
    digest: str  # when another thread's schedule is due
    kills: int


STORIES = {
    "day": Story(30, 12, 0.5, 1.25, 1.5, 1.0, 2.0, 1.5, 1.5, "11:00", 30),
    "morning": Story(12, 4, 0.1, 0.2, 0.3, 0.25, 0.5, 0.4, 0.4, "9:00", 4),
}


@dataclass
class LongReport:
    """What a drill over hours came to."""

    points: int
    hours: float  # of simulated time, undisturbed
    swept: int
    hours_killed: float = 0.0
    killed: int = 0
    moments: int = 0  # kills at a moment of waiting, the others at points
    items: int = 0
    wall_s: float = 0.0
    repeated: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)

    def in_words(self) -> str:
        """The report as lines."""
        lines = [
            f"{self.hours:.1f} simulated hours undisturbed, {self.hours_killed:.1f} with {self.killed} kills, "
            f"{self.wall_s:.0f} s in all; {self.items} documents, {self.points} points",
            f"{len(self.repeated)} effects or finished calls repeated, {len(self.differing)} outcomes differ",
        ]
        return "\n".join([*lines, *self.repeated, *self.differing])

    def as_json(self) -> Json:
        return {
            **dataclasses.asdict(self),
            "hours": round(self.hours, 2),
            "hours_killed": round(self.hours_killed, 2),
        }


def long_drill(*, story: Story, seed: int, say: Callable[[str], None], kills: int | None = None) -> LongReport:
    """The same day twice, once undisturbed and once killed at seeded moments; both must come to the same.

    Raises RunFailed when the undisturbed one does not end well.
    """
    began = time.monotonic()
    home = Path(tempfile.mkdtemp(prefix="cadre-drill-"))
    try:
        import_everything()
        calm = _day(home / "calm", story, seed)
        if calm.status != "done" or calm.wrong:
            raise RunFailed("drill", f"The undisturbed day ended {calm.status or 'not'}: {calm.error or calm.wrong}")
        total = len(calm.trace())
        report = LongReport(total, calm.hours, calm.swept, items=len(calm.outcome["items"]))
        say(f"undisturbed: {calm.hours:.1f} simulated hours, {total} points, {report.items} documents")
        rng = random.Random(seed)
        places = sorted(rng.sample(range(1, total), story.kills if kills is None else kills))
        by_hand = frozenset(rng.sample(places, len(places) // 3))
        trial = _day(home / "killed", story, seed, tuple(places), by_hand)
        report.hours_killed, report.killed, report.moments = trial.hours, trial.kills, len(by_hand)
        report.repeated = trial.wrong
        report.differing = [told for told in calm.differences(trial) if told not in trial.wrong]
        report.wall_s = round(time.monotonic() - began, 1)
        return report
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _day(
    home: Path, story: Story, seed: int, kill_at: tuple[int, ...] = (), by_hand: frozenset[int] = frozenset()
) -> LongTrial:
    """One day from its first minute, on stand-ins of its own: their clock only goes forward."""
    _write_leases(home / "data" / "drive", story, seed)
    options = ("--small", "--seed", str(seed), "--clock", "simulated", "--data", str(home / "data"))
    with stand_ins(home, *options) as ready:
        return LongTrial(ready, home / "cadre", story, seed).run(kill_at=kill_at, by_hand=by_hand)


def _write_leases(drive: Path, story: Story, seed: int) -> None:
    """The documents: most are plain, one is long, one is empty, one no text at all."""
    rng = random.Random(f"leases {seed}")
    for folder, many in zip(FOLDERS, (story.leases, story.ended), strict=True):
        place = drive / folder
        place.mkdir(parents=True)
        for number in range(1, many + 1):
            filler = " ".join(rng.choice(("premises", "repair", "insurance", "keys", "notice")) for _ in range(120))
            lines = [f"Lease {number} of {folder.lower()}", f"Both parties agree on {filler}."]
            lines += [filler] * (90 if number == 3 else 1)
            lines.append(
                f"The tenant pays a rent of EUR {rng.randrange(400, 9_000)}.{rng.randrange(100):02} a month."
            )
            lines.append(f"This lease is governed by the laws of {rng.choice(('France', 'Portugal', 'Norway'))}.")
            if rng.random() < 0.5:
                lines.append(f"The tenant may leave early after {rng.randrange(2, 9)} years.")
            (place / f"{folder.split()[0].lower()}-{number:02}.txt").write_text(
                "\n\n".join(lines) + "\n", encoding="utf-8"
            )
    (drive / FOLDERS[0] / "leases-01.txt").write_text("", encoding="utf-8")
    (drive / FOLDERS[0] / "leases-00.pdf").write_bytes(b"%PDF-1.7 cut off")


class LongTrial(Trial):
    """A day: two threads, a clock that is moved, and weather."""

    patience_s = 600.0

    def __init__(self, ready: Json, home: Path, story: Story, seed: int) -> None:
        request = f"lease register of {FOLDERS[0]} and {FOLDERS[1]} within {story.within:g} h"
        super().__init__(ready, home, Work("finance", "maya", (request,)))
        self.story, self.rng = story, random.Random(f"moments {seed}")
        self.hours = 0.0
        self.jumps = 0
        self._pressed: dict[str, float] = {}  # approval -> when
        self._expects = ""  # a query that has rows as soon as what a person did is taken up
        self._expected_until = 0.0
        self._still = 0
        self._until: dict[str, float] = {}  # weather -> when it ends
        self._over: set[str] = set()
        self._hand_at = 0.0
        self._scheduled = ""
        shutil.copytree(SKILL, home / "skills" / SKILL.name)
        self._set_clock(BEGIN)

    def _settings(self) -> Settings:
        return dataclasses.replace(super()._settings(), retry_budget=24 * HOUR)

    # -- one look --------------------------------------------------------------------------------------------------

    def _go_on(self) -> bool:
        self._kill_by_hand()
        self._ask()
        self._weather()
        self._people()
        if self._done():
            self.hours = (self._now() - BEGIN) / HOUR
            return True
        if self._nothing_moves():
            self._jump()
        return False

    def _kill_by_hand(self) -> None:
        """At a moment of no particular point: in the middle of whatever goes on, or while all sleeps."""
        if self.kills >= len(self.kill_at) or (place := self.kill_at[self.kills]) not in self.by_hand:
            return
        if not self._hand_at:
            if len(self.trace()) >= place:
                self._hand_at = time.monotonic() + self.rng.uniform(0, 0.5)
        elif time.monotonic() >= self._hand_at:
            self._hand_at = 0.0
            os.kill(self.pid, signal.SIGKILL)

    def _ask(self) -> None:
        """First a schedule in another thread, then the work itself."""
        if self._scheduled and (self.asked or not self._rows("run where status = 'done'")):
            return
        if not self._listening():
            return
        if not self._scheduled:
            words = f"@cadre every day at {self.story.digest} digest this channel"
            self._scheduled = self._act(**{"as": "elena"}, do="post", channel="launch", text=words)["ts"]
            return
        self._until["limited"] = self._now() + self.story.limited * HOUR
        self._set_weather()
        text = f"@cadre {self.work.requests[0]}"
        self.asked.append(self._act(do="post", channel=self.work.channel, text=text)["ts"])
        self._expect("run where thread = (select max(thread) from inbox)")

    def _weather(self) -> None:
        """The overload begins with the documents; what is over is taken away."""
        now = self._now()
        if "overloaded" not in self._until and self._rows("agent where kind = 'bulk'"):
            self._until["overloaded"] = now + self.story.overloaded * HOUR
        for name, until in self._until.items():
            if until <= now and name not in self._over:
                self._over.add(name)
                self._set_weather()

    def _set_weather(self) -> None:
        url = f"{self.ready['model']['control_url']}/_local/fault"
        post(url, {}, method="DELETE")
        pause = self.story.limited * HOUR + 60
        faults: dict[str, list[Json]] = {
            "limited": [{"match": "/lead ", "kind": "429", "rate": 1.0, "retry_after_s": pause}],
            "overloaded": [
                {"match": "/i", "kind": "429", "count": 3, "retry_after_s": 20},
                {"match": {"name": "/i", "contains": "leases-1"}, "kind": "overloaded", "rate": 1.0},
            ],
        }
        post(url, {"match": "batches", "kind": "delay", "rate": 1.0, "delay_s": self.story.batch * HOUR})
        for name in faults.keys() - self._over:
            for fault in faults[name]:
                post(url, fault)

    def _people(self) -> None:
        """Answer and approve what is shown, each when its time has come."""
        now = self._now()
        for approval, channel, ts, due, action in self._open():
            if max(due, self._again_at(approval)) > now:
                continue
            if self._act(do="click", channel=channel, ts=ts, action_id=action).get("ok"):
                self._pressed[approval] = now
                self._expect(f"approval where id = '{approval}' and status <> 'pending'")

    def _again_at(self, approval: str) -> float:
        return self._pressed.get(approval, -PRESS_AGAIN_S) + PRESS_AGAIN_S

    def _open(self) -> list[tuple[str, str, str, float, str]]:
        """What waits for a person who will answer: approval, channel, ts of its card, when, and the button."""
        found = self._query(
            "select a.id, r.channel, e.result, a.asked_at, a.kind, a.preview from approval a "
            "join run r on r.id = a.run_id join effect e on e.run_id = a.run_id and e.op_key like '%' || a.id "
            "and e.status = 'done' where a.status = 'pending'"
        )
        cards = []
        for approval, channel, result, asked_at, kind, preview in found:
            task = json.loads(preview).get("task")
            if task == "register":
                continue
            hours = self.story.approve if kind == "changes" else self.story.confirm if task else self.story.question
            button = "approve" if kind == "changes" else "answer:0"
            cards.append((approval, channel, str(json.loads(result)["ts"]), asked_at + hours * HOUR, button))
        return cards

    def _done(self) -> bool:
        """Whether every run has ended, the scheduled one too, and the threads say so."""
        if not self.asked:
            return False
        ended = self._ended(3) and not self._rows("run where status not in ('done', 'failed', 'stopped')")
        failed = self._rows("run where status in ('failed', 'stopped')")
        if ended or failed:
            ((self.status, self.error),) = self._query(
                f"select status, error_message from run where thread = '{self.asked[0]}'"
            ) or [("", "")]
        return ended or failed

    # -- the clock -------------------------------------------------------------------------------------------------

    def _nothing_moves(self) -> bool:
        """Whether everybody sleeps and what people did is taken up, in several looks in a row."""
        if self._expects and self._rows(self._expects):
            self._expects = ""
        busy = (self._expects and time.monotonic() < self._expected_until) or self._rows(
            "agent where wake_seq > slept_seq or lease_owner is not null"
        )
        self._still = 0 if busy or self._rows("inbox where state = 'new'") else self._still + 1
        if self._still < STILL or not self.asked or not self._rows("agent where name = 'lead'"):
            return False
        state = get(f"{self.ready['slack']['control_url']}/_local/state")
        return bool(state.get("sockets")) and not state.get("undelivered")

    def _jump(self) -> None:
        """Go on to the next time that anybody waits for."""
        now = self._now()
        times = [due for (due,) in self._query("select due_at from agent where due_at is not null")]
        times += [until for name, until in self._until.items() if name not in self._over]
        times += [max(due, self._again_at(approval)) for approval, *_, due, _ in self._open()]
        if times and min(times) > now:
            self._set_clock(min(times) + 0.01)
            self.jumps += 1
            self._still = 0

    def _now(self) -> float:
        return float(get(f"{self.ready['slack']['control_url']}/_local/clock")["now"])

    def _set_clock(self, epoch: float) -> None:
        post(f"{self.ready['slack']['control_url']}/_local/clock", {"set": epoch})

    def _rows(self, where: str) -> bool:
        return bool(self._query(f"select 1 from {where} limit 1"))

    def _expect(self, where: str) -> None:
        self._expects, self._expected_until, self._still = where, time.monotonic() + 10, 0

    # -- what came of it -------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        super()._collect()
        slack, model = (self.ready[name]["control_url"] for name in ("slack", "model"))
        threads: list[tuple[Any, ...]] = []
        for channel, ts, request, status in self._query("select channel, thread, request, status from run"):
            said = get(f"{slack}/_local/thread?channel={channel}&ts={ts}").get("messages", [])
            threads.append((mask(request), status, sorted(words(message, {}) for message in said)))
        items = self._query("select name, status, reason, windows, attempts from item")
        answers = self._query(
            "select i.name, a.window, a.attempt, a.status from item_answer a "
            "join item i on i.run_id = a.run_id and i.id = a.item_id"
        )
        figures = self._query("select id, label, value, unit from figure")
        self.outcome |= {
            "threads": sorted(threads),
            "figures": sorted((mask(name), mask(label), *rest) for name, label, *rest in figures),
            "items": sorted(items),
            "answers": sorted(answers),
            "evidence": sorted(self._query("select kind, value, count(*) from evidence group by 1, 2")),
            "writes": sorted(self._query("select target, status from effect where kind <> 'post'")),
            "schedule": self._query("select status, last_local from automation"),
            "tasks": sorted(self._query("select id, status, attempt from task")),
        }
        log = get(f"{model}/_local/log?since=0&server=model")["log"]
        asked = Counter(
            (row["user"], len(row["body"]["messages"]), str(row["body"]["messages"][-1]["content"])[:300])
            for row in log if row["kind"] == "request" and row["name"] == "batch"
        )  # fmt: skip
        self.wrong += [f"asked twice in batches: {user}" for (user, *_), count in asked.items() if count > 1]
