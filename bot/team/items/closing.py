"""The end of bulk work: results as files, coverage as figures, and the answer to the call that asked for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, func, insert, select, update

from bot.store import items, journal, money
from bot.store import schema as t
from bot.store.database import Database, Tx
from bot.team.items import record
from bot.team.items.work import Work, result_of
from bot.team.record import close_call
from bot.tools.forms import Form
from bot.tools.results import to_csv
from bot.types import Json
from bot.workspace import FILE_BYTES, Workspace

T = TypeVar("T")

NAMED = 20  # items that the answer names; the table of items has all
COLUMNS = [
    "item", "name", "ref", "status", "reason", "question", "label", "found", "value", "quote", "at", "place", "url",
    "evidence",
]  # fmt: skip
LABELS = {
    "total": "documents asked for", "done": "documents read", "new": "documents read now",
    "kept": "documents read before", "refused": "documents that cannot be read", "failed": "documents that failed",
    "person": "documents for a person to look at",
}  # fmt: skip


async def deliver(db: Database, work: Work, workspace: Workspace, page: str) -> None:
    """Write the results into the workspace of the one who asked, then answer the call."""
    found, rows = await db.read(lambda c: _rows(c, work))
    texts = await db.read(lambda c: _texts(c, found))
    names = await asyncio.to_thread(results, workspace, work.row["inputs"]["save_as"], found, rows, texts)
    await db.write(lambda tx: _answer(tx, work, found, names, page))


def put_aside(tx: Tx, work: Work) -> None:
    """A person wrote meanwhile: the one who asked reads it first, and calls again to go on."""
    record.own(tx, work)
    told = items.counts(tx.connection, work.row["run_id"], work.name)
    words = (
        f"Put aside at {items.in_words(told)}: somebody wrote to you. Read it; to go on where this stands, make the "
        "same call again."
    )
    _close_call(tx, work, {"ok": False, "error": words, "coverage": told}, is_error=True)
    inputs = {**work.row["inputs"], "call": ""}
    tx.execute(update(t.agent).where(t.agent.c.id == work.claim.agent_id).values(inputs=inputs))


def _rows(connection: Connection, work: Work) -> tuple[list[Json], list[Json]]:
    """The items as they ended, and a row per entry of each that is done; one row for each that is not."""
    found = items.of_work(connection, work.row["run_id"], work.name)
    rows: list[Json] = []
    for one in found:
        base = {"item": one["id"], "name": one["name"], "ref": one["ref"], "status": one["status"],
                "reason": one["reason"]}  # fmt: skip
        if one["result"] is None or one["status"] != "done":
            rows.append(base)
            continue
        for told in result_of(connection, one["result"]):
            rows += _entries(work.form, base, told)
    return found, rows


def _texts(connection: Connection, found: list[Json]) -> list[bytes]:
    """The text of each document that is done with its places, as it was read: scripts look quotes up in it."""
    read = [one for one in found if one["status"] == "done" and one["document"]]
    return [
        b'{"item":%s,%s\n' % (json.dumps(one["id"]).encode(), journal.get_blob(connection, one["document"])[1:])
        for one in read
    ]


def _entries(form: Form, base: Json, told: Json) -> list[Json]:
    question = form.by_id[told["question"]]
    told_by = {**base, "question": question.id, "label": question.label, "found": told["found"]}
    if not told["entries"]:
        return [told_by]
    kept = ("value", "quote", "at", "place", "url", "evidence")
    return [{**told_by, **{name: entry[name] for name in kept if name in entry}} for entry in told["entries"]]


def results(
    workspace: Workspace, save_as: str, found: list[Json], rows: list[Json], texts: list[bytes]
) -> dict[str, str]:
    """Writes the files of the results, in parts where one is too large; gives their names by what they are."""
    stem, ending = str(PurePosixPath(save_as).with_suffix("")), PurePosixPath(save_as).suffix
    listed = [
        {"item": one["id"], "name": one["name"], "ref": one["ref"], "url": one["url"], "sha256": one["sha256"],
         "status": one["status"], "reason": one["reason"], "windows": one["windows"],
         "read_before": one["kept_from"] != ""}
        for one in found
    ]  # fmt: skip
    lines = [(json.dumps(row, ensure_ascii=False) + "\n").encode() for row in rows]
    files = (
        ("results", stem, ending, parts(lines, b"".join)),
        ("table", stem, ".csv", parts(rows, lambda some: to_csv(some, COLUMNS).encode())),
        ("manifest", f"{stem}.items", ".csv", parts(listed, lambda some: to_csv(some).encode())),
        ("texts", f"{stem}.texts", ".jsonl", parts(texts, b"".join)),
    )
    return {
        what if number == 1 else f"{what}_{number}": workspace.write(
            f"{name}{kind}" if number == 1 else f"{name}.{number}{kind}", data
        )
        for what, name, kind, pieces in files
        for number, data in enumerate(pieces, 1)
    }


def parts(some: list[T], told: Callable[[list[T]], bytes], most: int = FILE_BYTES) -> list[bytes]:
    """A list as one file, or as several where one would be too large; what has no room in any file is left out."""
    data = told(some)
    if len(data) <= most:
        return [data]
    if len(some) < 2:
        return []
    half = len(some) // 2
    return [*parts(some[:half], told, most), *parts(some[half:], told, most)]


def _answer(tx: Tx, work: Work, found: list[Json], names: dict[str, str], page: str) -> None:
    record.own(tx, work)
    now = items.counts(tx.connection, work.row["run_id"], work.name)
    now["new"] = now["done"] - now["kept"]
    _figures(tx, work, now, page)
    rest = [
        {"name": one["name"], "status": one["status"], "reason": one["reason"]}
        for one in found
        if one["status"] != "done" or one["reason"]
    ]
    content = {
        "ok": True, "work": work.name, "coverage": now, "say": say(work.name, now), **names,
        "unread": rest[:NAMED], "unread_total": len(rest),
    }  # fmt: skip
    run_id, owner = work.row["run_id"], work.owner["id"]
    journal.append(tx, run_id, "items", {"work": work.name, **now, "text": items.in_words(now)})
    journal.append(
        tx, run_id, "tool.files", {"call": work.call, "files": list(names.values())}, agent_id=owner
    )  # so that whoever cites them is traced to this call
    _close_call(tx, work, content, is_error=False)
    items.CLOSE.execute(tx.connection, {"of": work.claim.agent_id, "now": "done"})


def _close_call(tx: Tx, work: Work, content: Json, *, is_error: bool) -> None:
    """Answer the call in which the one who asked sleeps, and wake it."""
    run_id, owner = work.row["run_id"], work.owner["id"]
    close_call(tx, run_id, owner, work.call, content, is_error, "failed" if is_error else "done")
    tx.execute(update(t.agent).where(t.agent.c.id == owner).values(waiting=None))
    money.check(tx, run_id)
    tx.wake(owner)


def say(work: str, now: Json) -> str:
    """The coverage as a sentence for a reply; each number is a figure of the run."""

    def number(name: str) -> str:
        return f"{{{{f:{work}.{name}}}}}"

    words = [f"{number('done')} of {number('total')} read"]
    if now["kept"]:
        words.append(f"{number('kept')} kept from before, {number('new')} new")
    ends = {"refused": "cannot be read", "failed": "failed", "person": "for a person to look at"}
    words += [f"{number(name)} {told}" for name, told in ends.items() if now[name]]
    return ", ".join(words) + "."


def _figures(tx: Tx, work: Work, now: Json, page: str) -> None:
    """The numbers of the coverage as figures, each proven by the list of its items."""
    run_id, team = work.row["run_id"], work.row["team_id"]
    url = f"{page}/runs/{run_id}/work/{work.name}" if page else ""
    ids = {name: f"{work.name}.{name}" for name in LABELS}
    tx.execute(delete(t.figure).where(t.figure.c.run_id == run_id, t.figure.c.id.in_(ids.values())))
    last: Any = tx.execute(select(func.max(t.figure.c.position)).where(t.figure.c.run_id == run_id)).scalar()
    for place, (name, label) in enumerate(LABELS.items(), (last or 0) + 1):
        proof = journal.next_id(tx, run_id, "e")
        tx.execute(
            insert(t.evidence).values(
                run_id=run_id, id=proof, team_id=team, agent_id=work.row["id"], kind="items",
                ref=f"items:{work.name}#{name}", url=url, value=str(now[name]), via=work.call, labels={},
            )
        )  # fmt: skip
        tx.execute(
            insert(t.figure).values(
                run_id=run_id, id=ids[name], team_id=team, agent_id=work.row["id"], label=f"{label} ({work.name})",
                value=str(now[name]), unit="count", formula=proof, inputs=[proof], position=place,
            )
        )  # fmt: skip
