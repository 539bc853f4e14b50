"""Undo of a whole run: each written change brought back from its pre-image, the last one first, once.

What somebody changed since stays as it is, and the thread says so.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select, update

from bot.coordinator.changes import Writer, as_written
from bot.policy.gate import may_decide
from bot.store import journal, points, reads, staging
from bot.store import schema as t
from bot.store.database import Database, Tx, by_id
from bot.store.leases import Claim
from bot.types import Json

ENDED = ("done", "failed", "stopped")
SETTLED = ("done", "kept")


def written(connection: Connection, run_id: str) -> list[Any]:
    """The changes that a run has written and nobody has asked back yet, the last one first."""
    e = t.effect.c
    query = (
        select(t.change, e.result.label("result"), e.applied_at.label("applied_at"))
        .join(t.effect, e.op_key == t.change.c.op_key)
        .where(t.change.c.run_id == run_id, e.kind == "write", e.status == "done")
        .order_by(e.applied_at.desc(), t.change.c.position.desc(), t.change.c.id.desc())
    )
    back = set(connection.execute(select(e.op_key).where(e.run_id == run_id, e.status.in_(SETTLED))).scalars())
    return [row for row in connection.execute(query).mappings() if key_of(row["op_key"]) not in back]


def key_of(op_key: str) -> str:
    """The operation key of an undo."""
    return f"{op_key}/undo"


def ask(tx: Tx, run: Any, user: str) -> str:
    """Take the wish to undo a run: done, live, already, not_yours, or nothing when there is nothing to take back."""
    if run["status"] not in ENDED:
        return "live"
    if run["control"] == "undo":
        return "already"
    if not written(tx.connection, run["id"]):
        return "nothing"
    if not may_decide(user, requester=run["requester"]):
        return "not_yours"
    tx.execute(update(t.run).where(t.run.c.id == run["id"]).values(control="undo"))
    tx.wake(f"{run['id']}/_coordinator")
    return "done"


def ask_as_operator(tx: Tx, run_id: str) -> str:
    """The same for whoever runs Cadre; "" when it was taken, else why not, in words."""
    row = by_id(tx.connection, t.run, run_id)
    if row is None:
        return f"There is no run {run_id}; `cadre runs list` shows what there is."
    outcome = ask(tx, row, row["requester"])
    if outcome == "done":
        tx.execute(update(t.run).where(t.run.c.id == run_id).values(said=t.run.c.said + 1))
        journal.append(tx, run_id, "undo", {"by": ""})
    return {
        "done": "",
        "live": f"{run_id} is still at work; stop it first: cadre runs stop {run_id}",
        "already": f"{run_id} is being undone already.",
    }.get(outcome, f"{run_id} has written nothing to shared documents that could be undone.")


async def undo_all(db: Database, writer: Writer, claim: Claim, run: Any) -> None:
    """Bring back what a run wrote. Raises DependencyFailed to be called again later."""
    for item in await db.read(lambda c: written(c, run["id"])):
        change, image = await db.read(lambda c, i=item: (as_written(c, i), staging.pre_image(c, i)))  # type: ignore[misc]
        await db.write(lambda tx, i=item: _intend(tx, claim, i))  # type: ignore[misc]
        points.reached(f"google:undo:{item['kind']}:before", item["op_key"])
        why = await writer.undo(change, item["op_key"], item["result"], image)
        points.reached(f"google:undo:{item['kind']}:after", item["op_key"])
        await db.write(lambda tx, i=item, w=why: _settle(tx, claim, i, w))  # type: ignore[misc]


def _intend(tx: Tx, claim: Claim, item: Any) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    reads.written(tx, item["team_id"], "google")
    known = update(t.effect).where(t.effect.c.op_key == key_of(item["op_key"])).values(epoch=claim.epoch)
    if tx.execute(known).rowcount:
        return
    tx.execute(
        insert(t.effect).values(
            op_key=key_of(item["op_key"]), team_id=item["team_id"], run_id=item["run_id"], kind="undo",
            target=item["target"], args_sha256=item["args_sha256"], epoch=claim.epoch,
            change_set_id=item["change_set_id"], status="intent", result={}, intended_at=tx.now(),
        )
    )  # fmt: skip


def _settle(tx: Tx, claim: Claim, item: Any, why: str) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    reads.written(tx, item["team_id"], "google")
    title = str(item["post_image"].get("title") or item["target"])
    told = {"title": title, "url": item["result"].get("url", ""), "kind": item["kind"], "why": why}
    tx.execute(
        update(t.effect)
        .where(t.effect.c.op_key == key_of(item["op_key"]))
        .values(status="kept" if why else "done", result=told, applied_at=tx.now())
    )


def close(tx: Tx, claim: Claim, run: Any) -> Json:
    """The run is as before again, as far as it can be; returns what came back and what stays, for the thread."""
    tx.fence(claim.agent_id, claim.epoch)
    tx.execute(update(t.run).where(t.run.c.id == run["id"], t.run.c.control == "undo").values(control=""))
    tx.execute(
        update(t.change_set)
        .where(t.change_set.c.run_id == run["id"], t.change_set.c.status == "applied")
        .values(status="undone")
    )
    e = t.effect.c
    settled = select(e.result).where(e.run_id == run["id"], e.kind == "undo", e.status.in_(SETTLED))
    told = list(tx.execute(settled.order_by(e.applied_at, e.op_key)).scalars())
    return {"restored": [one for one in told if not one["why"]], "kept": [one for one in told if one["why"]]}
