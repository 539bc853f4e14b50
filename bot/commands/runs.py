"""`cadre runs`: look at runs, stop one, take one along as a file, and work one again as it was."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.commands.shared import AsJson, Data, Seed, print_json, read, say, write
from bot.errors import CadreError
from bot.types import Json

runs = typer.Typer(help="Look at runs, stop them, and work one again as it was.", no_args_is_help=True)


@runs.command("list")
def runs_list(as_json: AsJson = False) -> None:
    """Recent runs, newest first."""
    from sqlalchemy import select

    from bot.store import schema as t

    columns = (t.run.c.id, t.run.c.status, t.run.c.request, t.run.c.requester, t.run.c.channel, t.run.c.created_at)
    query = select(*columns).order_by(t.run.c.created_at.desc()).limit(100)
    found = read(lambda c: [dict(r) for r in c.execute(query).mappings()])
    if as_json:
        print_json(found)
        return
    for row in found:
        print(f"{row['id']}  {row['status']:8}  {row['request'][:70]}")


@runs.command("show")
def runs_show(run_id: str, as_json: AsJson = False) -> None:
    """One run: its summary, or everything as JSON."""
    from bot.store.view import to_json

    view = _view(run_id)
    if as_json:
        print_json(to_json(view))
        return
    print(f"{view.run.request}\n{view.run.status}\n\n{view.summary_text}")


@runs.command("export")
def runs_export(run_id: str) -> None:
    """One run as JSON, with every reply of the model: what CADRE_MODEL=replay:FILE and `runs replay` play."""
    print_json(_exported(run_id))


@runs.command("stop")
def runs_stop(run_id: str) -> None:
    """Stop a run: calls in flight break off, nothing staged is written."""
    from bot.coordinator.control import stop_run

    _view(run_id)
    write(lambda tx: stop_run(tx, run_id, "operator"))
    say(f"{run_id} stops.")


@runs.command("undo")
def runs_undo(run_id: str, as_json: AsJson = False) -> None:
    """Undo what a run wrote to shared documents, except where somebody changed it since; its thread tells."""
    from bot.coordinator.undo import ask_as_operator

    refused = write(lambda tx: ask_as_operator(tx, run_id))
    if as_json:
        print_json({"run": run_id, "accepted": not refused, "why": refused})
    elif refused:
        raise CadreError(refused)
    else:
        say(f"{run_id} is being undone.")
    if refused:
        sys.exit(1)


@runs.command("replay")
def runs_replay(
    run_id: str,
    data: Data = None,
    seed: Seed = 1,
    timeout: Annotated[float, typer.Option(help="Seconds it may take.")] = 600.0,
    as_json: AsJson = False,
) -> None:
    """Work a run again on the stand-ins, with the replies its model gave, and compare what comes out.

    Give --data or --seed as the run had them. Exit 0 when status, figures, findings and checks are the same.
    """
    kept = _exported(run_id)
    again = asyncio.run(_replayed(kept, data, seed, timeout))
    before, after = _outcome(kept), _outcome(again)
    differs = {name: {"was": before[name], "became": after[name]} for name in before if before[name] != after[name]}
    if as_json:
        print_json({"run": run_id, "differs": differs, "again": again})
    else:
        print(f"{run_id}: {', '.join(differs)} differ" if differs else f"{run_id}: the same again")
    sys.exit(1 if differs else 0)


def _view(run_id: str) -> Any:
    from bot.store.view import run_view

    try:
        return read(lambda c: run_view(c, run_id))
    except KeyError:
        raise CadreError(f"There is no run {run_id}; `cadre runs list` shows what there is.") from None


def _exported(run_id: str) -> Json:
    from bot.store import journal
    from bot.store.view import to_json

    shown = to_json(_view(run_id))
    rows = read(lambda c: journal.rows(c, run_id))
    turns = [
        {"agent": row["agent_id"].partition("/")[2], **{k: row["body"].get(k) for k in ("content", "stop_reason")}}
        for row in rows
        if row["kind"] == "turn"
    ]
    return {**shown, "turns": turns}


async def _replayed(kept: Json, data: Path | None, seed: int, timeout_s: float) -> Json:
    """The same request by the same person in a workspace of its own, approved as it was."""
    from bot.local import Options, ask_once

    decided = [one["status"] for one in kept["approvals"]]
    with tempfile.TemporaryDirectory(prefix="cadre-") as scratch:
        recording = Path(scratch) / "run.json"
        recording.write_text(json.dumps(kept, default=str), encoding="utf-8")
        options = Options(
            data=data, seed=seed, channel=kept["run"]["channel"], user=kept["run"]["requester"],
            approve="all" if "approved" in decided else "none", timeout_s=timeout_s, model=f"replay:{recording}",
        )  # fmt: skip
        return await ask_once(kept["run"]["request"], options)


def _outcome(run: Json) -> Json:
    """What a run came to, without what is new each time: ids of rows, times and addresses."""
    return {
        "status": run["run"]["status"],
        "figures": {one["id"]: (one["value"], one["unit"], one["formula"]) for one in run["figures"]},
        "findings": sorted(
            [one["kind"], one["account"], one["department"], one["period"], one["amount"], *one["entries"]]
            for one in run["findings"]
        ),
        "checks": sorted((task["id"], c["name"], c["passed"]) for task in run["tasks"] for c in task["checks"]),
    }
