"""Staged effects of a run on shared documents: rows until a person approves them."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, insert, select

from bot.errors import RunFailed
from bot.store import journal
from bot.store import schema as t
from bot.store.database import Tx
from bot.types import Json

BLOB_OVER = 8_000  # characters
ACCESS = "drive_share"


class Conflict(RunFailed):
    """The document changed after the preview was made."""

    def __init__(self, target: str) -> None:
        super().__init__(
            "conflict", f"{target} was changed by someone after the preview was made, so nothing was written to it."
        )


def stage(
    tx: Tx, run_id: str, team: str, agent_id: str, *, kind: str, args: Json, op_key: str, target: str, url: str,
    precondition: str, pre_image: Any, post_image: Json,
) -> str:  # fmt: skip
    """Add a change to the run's open change set, in place of an earlier one for the same target; returns its id.

    Access is a change set of its own: it is asked about apart, after the documents it may be for were written.
    """
    same = t.change.c.kind == ACCESS if kind == ACCESS else t.change.c.kind != ACCESS
    open_set = tx.execute(
        select(t.change_set.c.id)
        .join(t.change, t.change.c.change_set_id == t.change_set.c.id)
        .where(t.change_set.c.run_id == run_id, t.change_set.c.status == "staged", same)
    ).scalar()
    if open_set is None:
        open_set = f"{run_id[-12:]}-{journal.next_id(tx, run_id, 'cs')}"
        tx.execute(
            insert(t.change_set).values(
                id=open_set, team_id=team, run_id=run_id, status="staged", created_at=tx.now()
            )
        )
    tx.execute(
        t.change.delete().where(
            t.change.c.change_set_id == open_set, t.change.c.kind == kind, t.change.c.target == target
        )
    )
    change_id = f"{run_id[-12:]}-{journal.next_id(tx, run_id, 'c')}"
    tx.execute(
        insert(t.change).values(
            id=change_id, team_id=team, run_id=run_id, change_set_id=open_set,
            position=len(changes_of(tx, run_id)), agent_id=agent_id, kind=kind, args=args,
            args_sha256=journal.sha256_of(args), op_key=op_key, target=target, precondition=precondition,
            pre_image=_kept(tx, team, pre_image), post_image=post_image, url=url, labels={},
        )
    )  # fmt: skip
    return change_id


def _kept(tx: Tx, team: str, image: Any) -> Any:
    """A pre-image as its row keeps it: a large one as a blob."""
    text = json.dumps(image, ensure_ascii=False)
    return {"blob": journal.put_blob(tx, team, text.encode())} if len(text) > BLOB_OVER else image


def pre_image(connection: Connection, change: Any) -> Json:
    """What a change's target was before, whole."""
    image: Json = change["pre_image"] or {}
    if set(image) == {"blob"}:
        image = json.loads(journal.get_blob(connection, image["blob"]))
    return image


def next_set(tx: Tx, run_id: str) -> list[Any]:
    """The changes of the set to ask about next, documents before access; none when all were asked about."""
    open_sets = set(
        tx.execute(
            select(t.change_set.c.id).where(t.change_set.c.run_id == run_id, t.change_set.c.status == "staged")
        ).scalars()
    )
    staged = [change for change in changes_of(tx, run_id) if change["change_set_id"] in open_sets]
    documents = [change for change in staged if change["kind"] != ACCESS]
    return documents or staged


def changes_of(tx: Any, run_id: str) -> list[Any]:
    """The run's staged changes in the order in which they will be applied.

    Turn by turn as staged; calls of one turn run side by side, so among them the order of the turn counts.
    """
    call = t.tool_call.c
    rows = (
        tx.execute(
            select(t.change, call.turn, call.position.label("asked"))
            .join(t.tool_call, call.op_key == t.change.c.op_key)
            .where(t.change.c.run_id == run_id)
            .order_by(t.change.c.position, t.change.c.id)
        )
        .mappings()
        .all()
    )
    turns: dict[Any, int] = {}
    for row in rows:
        turns.setdefault((row["agent_id"], row["turn"]), len(turns))
    return sorted(rows, key=lambda row: (turns[row["agent_id"], row["turn"]], row["asked"]))
