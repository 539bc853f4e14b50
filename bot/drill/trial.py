"""One piece of work from mention to the last reply, with the process killed on the way, and what people end up with.

The parent stays free of threads: it imports everything once and forks a bot per life, so a life costs no imports.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bot.app import wait_ready
from bot.local import local_settings
from bot.settings import Settings
from bot.store import points
from bot.types import Json

TRIAL_S = 120.0
MASKS = (
    (re.compile(r"https?://127\.0\.0\.1:\d+"), "URL"),
    (re.compile(r"[\d,]+ tokens read, [\d,]+ written"), "TOKENS"),  # how often agents woke differs
    (re.compile(r"(gid=|(?:sheetId|metadataId|gid)\W+)\d+"), r"\1ID"),  # made from the operation's key
    (re.compile(r"\b(cadre-)?[0-9a-f]{12,}\b"), "HASH"),
    (re.compile(r"(run|ap|auto)-(HASH|[0-9a-f]{10,12})"), r"\1-ID"),
    (re.compile(r"p?\d{10}(\.?\d{6})?"), "TS"),
    (re.compile(r"\b\d+ ?(h|min|m|s|ms)\b|\b\d+:\d\d(:\d\d)?\b|\d{4}-\d\d-\d\dT[\d:.+-]+"), "TIME"),
    (re.compile(r"\b([emdi]|bulk)\d+\b"), "ROW"),
    (re.compile(r"^(\W*)\d+\. ", re.MULTILINE), r"\1N. "),  # of an approval card
)


@dataclass(frozen=True)
class Work:
    """What a person asks for in one thread, each request once the one before is done; all is approved."""

    channel: str
    person: str
    requests: tuple[str, ...]


def import_everything() -> None:
    """What a life needs, so that its fork has it."""
    import anthropic
    import dbos
    import duckdb
    import mcp
    from googleapiclient import discovery

    import bot.serve
    import bot.slack.app

    del anthropic, dbos, duckdb, mcp, discovery, bot


@contextmanager
def stand_ins(home: Path, *options: str) -> Iterator[Json]:
    """The stand-in servers as a child process; gives where they listen."""
    home.mkdir(parents=True, exist_ok=True)
    ready_file = home / "ready.json"
    command = [sys.executable, "-m", "loopback", *options, "--ready-file", str(ready_file)]
    child = subprocess.Popen([*command, "--home", str(home / "loopback")], stderr=subprocess.DEVNULL)
    try:
        yield wait_ready(ready_file, child)
    finally:
        child.terminate()
        child.wait(10)


class Trial:
    """One thread from mention to the last reply, with the process killed on the way."""

    patience_s = TRIAL_S

    def __init__(self, ready: Json, home: Path, work: Work) -> None:
        self.ready, self.home, self.work = ready, home, work
        self.kills = 0
        self.pid = 0  # of the life that is
        self.asked: list[str] = []  # the messages that asked, by ts
        self.clicked: set[str] = set()
        self.status, self.error = "", ""
        self.outcome: Json = {}
        self.wrong: list[str] = []  # what happened twice or ended by itself
        self.swept = 0

    def trace(self) -> list[str]:
        """The points reached so far, in order, each with the call it is about."""
        file = self.home / "trace"
        return file.read_text().splitlines() if file.exists() else []

    def run(self, *, kill_at: tuple[int, ...] = (), by_hand: frozenset[int] = frozenset()) -> Self:
        """Do the work; the process dies at the points of that number, counted over its lives.

        Those `by_hand` are left to `_go_on`, which may let the moment come a little later.
        """
        for name in ("slack", "google", "model"):
            post(f"{self.ready[name]['control_url']}/_local/reset", {})
        self.home.mkdir(parents=True, exist_ok=True)
        self.kill_at, self.by_hand = kill_at, by_hand
        self.pid = self._fork()
        committed: set[str] = set()
        passed = 0
        deadline = time.monotonic() + self.patience_s
        try:
            while time.monotonic() < deadline:
                gone, ended = os.waitpid(self.pid, os.WNOHANG)
                if gone:
                    self.kills += 1
                    if self.kills > len(kill_at) or ended != signal.SIGKILL:
                        self.wrong.append(f"the process ended by itself ({ended})")
                    self._look_back(committed, passed)
                    committed, passed = self._committed(), len(self.trace())
                    self.pid = self._fork()
                if self._go_on():
                    break
                time.sleep(0.02)
            self._look_back(committed, passed)
            self._collect()
        finally:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        return self

    def _go_on(self) -> bool:
        """Ask for what comes next and approve what is shown; True once all is done."""
        self._approve()
        if not self.asked or self._ended(len(self.asked)):
            if len(self.asked) == len(self.work.requests) or self.status not in ("", "done"):
                return True
            if self._listening():
                thread = {"thread_ts": self.asked[0]} if self.asked else {}
                words = f"@cadre {self.work.requests[len(self.asked)]}"
                self.asked.append(self._act(do="post", channel=self.work.channel, text=words, **thread)["ts"])
        return False

    def _look_back(self, committed: set[str], passed: int) -> None:
        """Name the calls that a life made although their results were on disk before it."""
        self.wrong += [f"called again: {call}" for call in calls(self.trace()[passed:]) if call in committed]

    def _committed(self) -> set[str]:
        """Calls that must never be made again: their results were on disk when the process died."""
        tools = self._query("select agent_id || '/' || id from tool_call where status <> 'intent'")
        effects = self._query("select op_key from effect where status = 'done'")
        effects += self._query("select op_key from item_batch where status in ('open', 'done')")
        turns = self._query("select id, turns from agent where kind = 'agent'")
        models = {f"model {agent}#{turn}" for agent, count in turns for turn in range(count)}
        answers = self._query(
            "select a.run_id || '/' || a.item_id || '#' || a.attempt from item_answer a join item i "
            "on i.run_id = a.run_id and i.id = a.item_id where i.windows = 1"  # else a call does not say its window
        )
        models |= {f"model {answer}" for (answer,) in answers}
        return models | {f"tool {key}" for (key,) in tools} | {f"effect {key}" for (key,) in effects}

    def _fork(self) -> int:
        """The next life; it dies at the point whose turn it is."""
        place = self.kill_at[self.kills] if self.kills < len(self.kill_at) else 0
        left = max(place - len(self.trace()), 1) if place and place not in self.by_hand else 0
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            from bot.serve import serve

            # What a killed process leaves is its own affair, and no news to whoever runs the drill.
            sys.warnoptions.append("ignore::UserWarning:multiprocessing.resource_tracker")
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 1)
            points.arm(self.home / "trace", kill_at=left)
            asyncio.run(serve(self._settings(), surface=True, worker=True, http_port=0))
            code = 0
        finally:
            os._exit(code)

    def _settings(self) -> Settings:
        return local_settings(self.ready, self.home)

    def _act(self, **action: Any) -> Json:
        return post(f"{self.ready['slack']['control_url']}/_local/act", {"as": self.work.person, **action})

    def _listening(self) -> bool:
        return bool(get(f"{self.ready['slack']['control_url']}/_local/state").get("sockets"))

    def _query(self, sql: str) -> list[tuple[Any, ...]]:
        try:
            with closing(sqlite3.connect(f"file:{self.home / 'cadre.db'}?mode=ro", uri=True, timeout=10)) as db:
                return list(db.execute(sql))
        except sqlite3.OperationalError:
            return []  # not there yet, or between two lives

    def _approve(self) -> None:
        cards = self._query(
            "select a.id, e.result, r.channel from approval a join run r on r.id = a.run_id join effect e on "
            "e.run_id = a.run_id and e.op_key like '%' || a.id and e.status = 'done' where a.status = 'pending'"
        )
        for approval, result, channel in cards:
            if approval not in self.clicked:
                ts = json.loads(result)["ts"]
                if self._act(do="click", channel=channel, ts=ts, action_id="approve").get("ok"):
                    self.clicked.add(approval)

    def _ended(self, runs: int) -> bool:
        """Whether so many runs have ended and the thread says so."""
        rows = self._query(
            "select r.status, r.error_message from run r join agent a on a.id = r.id || '/_thread' "
            "where r.status in ('done','failed','stopped') and a.wake_seq = a.slept_seq and a.due_at is null "
            "order by r.created_at"
        )
        if len(rows) < runs:
            return False
        self.status, self.error = rows[-1]
        return True

    def _collect(self) -> None:
        slack, google = (self.ready[name]["control_url"] for name in ("slack", "google"))
        thread = get(f"{slack}/_local/thread?channel={self.work.channel}&ts={self.asked[0]}").get("messages", [])
        drive = get(f"{google}/_local/state")
        names = {file["id"]: file["name"] for file in drive.get("files", [])}  # ids follow the order of creation
        self.outcome = {
            "thread": sorted(words(m, names) for m in thread),
            "google": sorted(
                mask(json.dumps(file, sort_keys=True))
                for kind in ("docs", "sheets")
                for file in drive.get(kind, {}).values()
            ),
            "figures": sorted(self._query("select id, label, value, unit from figure")),
            "findings": sorted(self._query("select kind, account, department, period, amount, entries from finding")),
            "runs": self._query("select count(*) from run"),
            "pieces": sorted(
                (mask(name), version, status, mask(bytes(data).decode("utf-8", "replace")))
                for name, version, status, data in self._query(
                    "select a.name, a.version, a.status, b.data from artifact a join blob b on b.sha256 = a.sha256"
                )
            ),
            "made again": sorted(
                (to, mask(text))
                for to, text in self._query(
                    "select recipient, text from mail where sender = 'cadre' and data not like '%steer%'"
                )
            ),
        }
        ops = Counter(
            m.get("metadata", {}).get("event_payload", {}).get("op", "") for m in thread if m.get("metadata")
        )
        self.wrong += [f"posted twice: {op}" for op, count in ops.items() if count > 1]
        results = "select agent_id, count(*), count(distinct body) from journal where kind = 'tool.result' group by 1"
        self.wrong += [f"{agent} has a result twice" for agent, n, unique in self._query(results) if n != unique]
        ((self.swept,),) = self._query("select sum(swept) from agent")

    def differences(self, other: Trial) -> list[str]:
        """What the other trial's people would see differently."""
        wrong = [f"ended {other.status} ({other.error})"] if other.status != self.status else []
        for name, mine in self.outcome.items():
            theirs = other.outcome.get(name)
            if mine != theirs:
                wrong.append(f"{name} differs: {_first_difference(mine, theirs)}")
        return wrong + other.wrong


def calls(trace: list[str]) -> list[str]:
    """The calls that a trace begins: "model <agent>#<turn>", "tool <agent>/<call>" or "effect <operation key>"."""
    begun = [line.split("\t") for line in trace]
    kinds = {"model": "model", "tool": "tool"}
    return [f"{kinds.get(name.split(':')[0], 'effect')} {about}" for name, about in begun if name.endswith(":before")]


def _first_difference(mine: Any, theirs: Any) -> str:
    """The first place where two outcomes part, in a few words."""
    a, b = (json.dumps(value, ensure_ascii=False, default=str) for value in (mine, theirs))
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return f"{a[max(at - 60, 0) : at + 60]!r} became {b[max(at - 60, 0) : at + 60]!r}"


def words(message: Json, names: dict[str, str]) -> str:
    """A message as text: the lines of its fallback and of every text inside its blocks, masked, in a stable order.

    Files are called by their `names` instead of their ids.
    """
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                if key in ("text", "title", "url", "status") and isinstance(item, str):
                    found.append(item)
                else:
                    walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(message.get("blocks", []))
    text = "\n".join([str(message.get("text", "")), *found])
    for file, name in names.items():
        text = text.replace(file, name)
    lines = re.split(r"\n|; ", mask(text))
    return "\n".join(sorted(line.rstrip(".") for line in lines))  # parallel tasks end in either order


def mask(text: str) -> str:
    """A text without what differs between two runs that are alike: addresses, ids, times, counts of tokens."""
    for pattern, instead in MASKS:
        text = pattern.sub(instead, text)
    return text


def post(url: str, body: Json, method: str = "POST") -> Json:
    """POST as JSON; the answer, also of a refusal."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    return _open(request)


def get(url: str) -> Json:
    """GET; the JSON that comes back."""
    return _open(urllib.request.Request(url))


def _open(request: urllib.request.Request) -> Json:
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            answer: Json = json.load(reply)
            return answer
    except urllib.error.HTTPError as error:
        return {"ok": False, "error": error.read().decode("utf-8", "replace")[:300]}
