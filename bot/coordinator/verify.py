"""Checks outside the worker: a skill's scripts over declared outputs, and what every text for people must keep."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from bot.errors import ModelMustRetry
from bot.skills import Skill
from bot.store import journal
from bot.store import schema as t
from bot.store.database import Database
from bot.tools import render
from bot.tools.child import run_child
from bot.types import Check, Json

REPLY_LINES = 12
LOOKING_AROUND = ("skill_open", "skill_search", "tool_search", "list_files")


async def lay_out(db: Database, run_id: str, place: Path, only: str = "") -> dict[str, str]:
    """Put the newest version of every declared output below `place`/<agent>/; returns path -> sha256."""

    def newest(connection: Any) -> dict[str, tuple[str, bytes]]:
        found = connection.execute(
            select(t.artifact).where(t.artifact.c.run_id == run_id).order_by(t.artifact.c.version)
        ).mappings()
        latest = {row["name"]: row for row in found if row["path"] and row["name"].startswith(only)}
        files = {name: (row["sha256"], journal.get_blob(connection, row["sha256"])) for name, row in latest.items()}
        kept = {name: row["status"] for name, row in latest.items() if row["status"] == "accepted"}
        if kept:  # what a person took as it is, against newer sources
            said = json.dumps(kept, sort_keys=True).encode()
            files["artifacts.json"] = hashlib.sha256(said).hexdigest(), said
        return files

    files = await db.read(newest)
    await asyncio.to_thread(_write_all, place, {name: data for name, (_, data) in files.items()})
    return {name: digest for name, (digest, _) in files.items()}


def _write_all(place: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name, data in files.items():
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


async def run_checks(skill: Skill, wanted: list[Json], place: Path) -> list[Check]:
    """Run check scripts in a directory of outputs. A script that breaks is a failed check, never a pass."""
    checks: list[Check] = []
    for entry in wanted:
        name = str(entry["script"])
        try:
            answer = await run_child(skill.script(name), entry.get("args", {}), place)
        except (ModelMustRetry, KeyError) as error:
            checks.append(Check(name, False, f"The check could not run: {error}"))
            continue
        found = [Check(str(c["name"]), bool(c["passed"]), _detail(c)) for c in answer.get("checks", [])]
        if not found or not answer.get("ok"):
            found.append(Check(name, bool(found) and False, str(answer.get("error", "it checked nothing"))))
        checks += found
    return checks


def _detail(check: Json) -> str:
    detail = check.get("detail", "")
    return detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False)


def check_reply(reply: str, lookup: render.Lookup, request: str) -> list[Check]:
    """What the final text must keep: every number cited, every citation known, at most twelve lines."""
    _, unknown = lookup.fill(reply, render.slack_link)
    bare = render.uncited_numbers(reply, request, lookup.messages)
    lines = len([line for line in reply.splitlines() if line.strip()])
    return [
        Check(
            "reply_not_empty", bool(reply.strip()), "the reply has text" if reply.strip() else "the reply is empty"
        ),
        Check(
            "numbers_cited",
            not bare,
            "every number is a recorded figure" if not bare else f"numbers without a source: {', '.join(bare[:8])}",
        ),
        Check(
            "citations_known",
            not unknown,
            "every citation exists" if not unknown else f"unknown: {', '.join(unknown[:8])}",
        ),
        Check("reply_short", lines <= REPLY_LINES, f"{lines} lines of at most {REPLY_LINES}"),
    ]


def check_work(connection: Connection, run_id: str) -> Check:
    """The result of planned work, or of work by a playbook, rests on something read, computed or made in the run."""
    query = select(t.tool_call.c.name).where(
        t.tool_call.c.run_id == run_id,
        t.tool_call.c.status == "done",
        t.tool_call.c.effect != "team",
        t.tool_call.c.name.not_in(LOOKING_AROUND),
    )
    items = select(t.tool_call.c.name).where(t.tool_call.c.run_id == run_id, t.tool_call.c.name == "work_through")
    seen = connection.execute(query.limit(1)).first() or connection.execute(items.limit(1)).first()
    if seen:
        return Check("work_seen", True, "the result rests on calls of this run")
    return Check(
        "work_seen", False, "nobody read, computed or made anything in this run, so nothing can be claimed to be done"
    )


def diagnosis(checks: list[Check]) -> str:
    """What failed, for the one who must repair it."""
    return " ".join(f"{c.name}: {c.evidence.rstrip('.')}." for c in checks if not c.passed)


def as_json(checks: list[Check]) -> list[Json]:
    return [{"name": c.name, "passed": c.passed, "evidence": c.evidence} for c in checks]
