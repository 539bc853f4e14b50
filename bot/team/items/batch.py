"""Work without a deadline: windows are asked about in batches; their answers become the same rows as live ones."""

from __future__ import annotations

import functools
import hashlib
from typing import Any, Protocol

from sqlalchemy import insert, select, update

from bot.errors import DependencyFailed
from bot.model.batches import SHARE, Batches
from bot.model.client import ModelRejected, Prompt
from bot.model.reply import Reply
from bot.store import journal, points
from bot.store.database import Database, Tx
from bot.store.item_tables import item_batch
from bot.team.items import asking, record
from bot.team.items.reading import Prepared
from bot.team.items.work import Ended, Work
from bot.types import Json

MOST = 2_000  # requests of one batch
BYTES = 64 * 1024**2  # and their size
SOONEST_S, LATEST_S = 1.0, 120.0  # between two looks; a tenth of the batch's age in between


class Runner(Protocol):
    """What a batch needs of whoever works the items."""

    db: Database

    async def read(self, work: Work, one: Json) -> Prepared: ...


async def step(runner: Runner, batches: Batches, work: Work) -> float | None:
    """One look at the work's batches; returns when to look again, or None when nothing is left to ask in one."""
    query = select(item_batch).where(item_batch.c.run_id == work.row["run_id"], item_batch.c.work == work.name)
    rows = await runner.db.read(lambda c: [dict(row) for row in c.execute(query).mappings()])
    now = runner.db.now()
    try:
        for row in rows:
            later = float(now + min(max((now - row["made_at"]) / 10, SOONEST_S), LATEST_S))
            if row["status"] == "intent" and not await _looked_up(runner, batches, work, row):
                return later
            if row["status"] != "open":
                continue
            if not await batches.ended(row["batch_id"]):
                return later
            await _take(runner, batches, work, row)
        if len(rows) > 2 * asking.TRIES:
            return None  # what batches do not answer is asked live
        return await _ask(runner, batches, work, rows)
    except ModelRejected:
        return None  # the server has no batches
    except DependencyFailed as error:
        since = min((row["made_at"] for row in rows if row["status"] != "done"), default=now)
        return now + (error.retry_after or min(max((now - since) / 2, SOONEST_S), LATEST_S))


async def _looked_up(runner: Runner, batches: Batches, work: Work, row: Json) -> bool:
    """What became of a batch whose answer never came: the server has it, or nobody and its requests are made again.

    False while that cannot be told.
    """
    found = await batches.find(row["requests"], row["made_at"])
    if found is None:
        return False
    row |= {"batch_id": found, "status": "open" if found else "lost"}
    told = {"batch_id": found, "status": row["status"]}
    await runner.db.write(lambda tx: _note(tx, work, row["op_key"], **told))
    return True


async def _ask(runner: Runner, batches: Batches, work: Work, rows: list[Json]) -> float | None:
    """Hand in what is still to be asked; the operation is a row before the call. What was lost is the same one."""
    prompts: dict[str, Prompt] = {}
    meant: Json = {}
    size = 0
    lost = next((row["op_key"] for row in rows if row["status"] == "lost"), "")
    key = lost or f"{work.claim.agent_id}/batch{len(rows) + 1}"
    ours = hashlib.sha256(key.encode()).hexdigest()[:12]  # so that the batch is found by the names of its requests
    for one in [] if work.halt else work.open():
        if one["kept_from"]:
            continue
        try:
            reading = (await runner.read(work, one)).reading
        except Ended:
            continue  # told as such when the work is closed
        for window in reading.windows:
            tries = work.answers.setdefault((one["id"], window.number), [])
            try:
                if asking.settled(tries, window) is not None:
                    continue
            except Ended:
                continue
            name = f"{ours}-{one['id']}-{window.number}-{len(tries) + 1}"
            prompts[name] = asking.prompt(work, one, asking.first_message(one, window), tries)
            meant[name] = [one["id"], window.number, len(tries) + 1]
            size += len(prompts[name].head) + sum(map(len, prompts[name].messages))
        if len(prompts) >= MOST or size >= BYTES:
            break
    if not prompts:
        return None
    await runner.db.write(lambda tx: _intend(tx, work, key, meant, again=bool(lost)))
    points.reached("batch:before", key)
    made = await batches.create(prompts)
    points.reached("batch:after", key)
    await runner.db.write(lambda tx: _note(tx, work, key, batch_id=made, status="open"))
    return runner.db.now() + SOONEST_S


async def _take(runner: Runner, batches: Batches, work: Work, row: Json) -> None:
    """Keep a batch's answers, each once; what has no answer is asked again."""
    found: dict[str, dict[int, tuple[int, Reply]]] = {}
    async for name, reply in batches.replies(row["batch_id"]):
        meant = row["requests"].get(name)
        if meant is not None and isinstance(reply, Reply):
            found.setdefault(meant[0], {})[meant[1]] = (meant[2], reply)
    for one in work.open():
        if one["id"] not in found:
            continue
        reading = (await runner.read(work, one)).reading
        for window in reading.windows:
            attempt, answer = found[one["id"]].get(window.number, (0, None))
            tries = work.answers.setdefault((one["id"], window.number), [])
            if answer is None or attempt != len(tries) + 1:
                continue
            told = {"window": window.number, "attempt": attempt, **asking.judged(work, reading, window, answer)}
            many = len(reading.windows)
            keep = functools.partial(
                record.answer, work=work, one=one, many=many, row=told, reply=answer, share=SHARE
            )
            control = await runner.db.write(keep)
            tries.append(told)
            work.halt = work.halt or ("control" if control else "")
    await runner.db.write(lambda tx: _note(tx, work, row["op_key"], status="done"))


def _intend(tx: Tx, work: Work, key: str, meant: Json, *, again: bool) -> None:
    record.own(tx, work)
    if again:
        _note(tx, work, key, requests=meant, status="intent")
        return
    tx.execute(
        insert(item_batch).values(
            run_id=work.row["run_id"], op_key=key, team_id=work.row["team_id"], work=work.name, status="intent",
            requests=meant, made_at=tx.now(),
        )
    )  # fmt: skip
    journal.append(tx, work.row["run_id"], "items.batch", {"work": work.name, "requests": len(meant)})


def _note(tx: Tx, work: Work, key: str, **values: Any) -> None:
    record.own(tx, work)
    mine = (item_batch.c.run_id == work.row["run_id"], item_batch.c.op_key == key)
    tx.execute(update(item_batch).where(*mine).values(**values))
