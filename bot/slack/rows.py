"""What the rows say about a run's thread, and the rows that say what was posted there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from bot.coordinator import control
from bot.slack import messages
from bot.slack.blocks import Kept, Post
from bot.store import schema as t
from bot.store.database import Tx, by_id
from bot.store.leases import Claim
from bot.store.view import run_view
from bot.types import Json, RunView

# Rows beside the posts: thread gone, session's status, files, the canvas of the report.
LOST, STATUS, FILES, CANVAS = "_lost", "_status", "_files", "_canvas"
SHOWN_AT_ONCE = ("team_id", "status", "control", "understood", "way", "mode", "thread", "muted", "said")


@dataclass(frozen=True)
class Known:
    """What the rows say about a run's thread at one moment."""

    view: RunView
    run: Any
    kind: str
    decided: dict[str, float]
    posts: dict[str, Any]  # op key -> effect row

    @property
    def lost(self) -> str:
        """Why the thread cannot be reached, when it cannot."""
        row = self.posts.get(op_of(self.run["id"], LOST))
        return row["result"]["words"] if row is not None else ""

    @property
    def canvas(self) -> Kept | None:
        """What became of the report's canvas, once that is known."""
        row = self.posts.get(op_of(self.run["id"], CANVAS))
        return Kept(**row["result"]) if row is not None and row["status"] == "done" else None

    @property
    def last_post(self) -> float:
        """When a message of the run was posted last; 0 before the first."""
        return max((row["result"].get("posted", 0.0) for row in self.posts.values()), default=0.0)


def op_of(run_id: str, key: str) -> str:
    """The operation key of one message of a run."""
    return f"{run_id}/post/{key}"


def glance(connection: Connection, run_id: str) -> Json:
    """What must be shown at once when it changes, cheaply read."""
    run = by_id(connection, t.run, run_id)
    asked = select(t.approval.c.id, t.approval.c.status).where(t.approval.c.run_id == run_id)
    planned = select(t.task.c.id).where(t.task.c.run_id == run_id).limit(1)
    return {
        **{name: run[name] for name in SHOWN_AT_ONCE},
        "asked": sorted(tuple(row) for row in connection.execute(asked)),
        "planned": connection.execute(planned).first() is not None,
    }


def known(connection: Connection, run_id: str) -> Known:
    """Everything the thread of a run is drawn from."""
    run = by_id(connection, t.run, run_id)
    approvals = connection.execute(
        select(t.approval.c.id, t.approval.c.decided_at).where(
            t.approval.c.run_id == run_id, t.approval.c.decided_at.is_not(None)
        )
    )
    effects = connection.execute(select(t.effect).where(t.effect.c.run_id == run_id, t.effect.c.kind == "post"))
    return Known(
        view=run_view(connection, run_id, proof=False),
        run=run,
        kind=run["kind"],
        decided={row.id: row.decided_at for row in approvals},
        posts={row["op_key"]: row for row in effects.mappings()},
    )


def intend(tx: Tx, claim: Claim, known: Known, key: str, sha: str, channel: str) -> None:
    """Say on disk that a message is about to be posted."""
    tx.fence(claim.agent_id, claim.epoch)
    op = op_of(claim.run_id, key)
    told = {"epoch": claim.epoch, "args_sha256": sha}
    if tx.execute(update(t.effect).where(t.effect.c.op_key == op).values(**told)).rowcount == 0:
        tx.execute(insert(t.effect).values(**{**_effect(tx, claim, known, op, channel), **told}))


def record(tx: Tx, claim: Claim, post: Post, result: Json) -> None:
    """Keep where the message is; a message that opened the thread names it."""
    tx.fence(claim.agent_id, claim.epoch)
    tx.execute(
        update(t.effect)
        .where(t.effect.c.op_key == op_of(claim.run_id, post.key))
        .values(status="done", result=result, applied_at=tx.now())
    )
    if post.top:
        tx.execute(update(t.run).where(t.run.c.id == claim.run_id, t.run.c.thread == "").values(thread=result["ts"]))


def record_beside(tx: Tx, claim: Claim, known: Known, key: str, result: Json, status: str = "done") -> None:
    """Keep something about the thread that is no message of ours."""
    tx.fence(claim.agent_id, claim.epoch)
    op = op_of(claim.run_id, key)
    told = {"status": status, "result": result, "applied_at": tx.now()}
    if tx.execute(update(t.effect).where(t.effect.c.op_key == op).values(**told)).rowcount == 0:
        row = {**_effect(tx, claim, known, op, known.run["channel"]), **told, "args_sha256": ""}
        tx.execute(insert(t.effect).values(**row))


def give_up(tx: Tx, claim: Claim, kind: str) -> None:
    """End the run if it still goes on, and note that its thread is lost: the requester is told privately."""
    tx.fence(claim.agent_id, claim.epoch)
    now_known = known(tx.connection, claim.run_id)
    plain = f"#{now_known.run['channel_name']}" if now_known.run["channel_name"] else "that channel"
    control.fail(tx, claim.run_id, kind, messages.unreachable(kind, plain))
    words = messages.unreachable(kind, f"<#{now_known.run['channel']}>")
    record_beside(tx, claim, now_known, LOST, {"words": words})


def _effect(tx: Tx, claim: Claim, known: Known, op: str, channel: str) -> Json:
    return {
        "op_key": op,
        "team_id": known.run["team_id"],
        "run_id": claim.run_id,
        "kind": "post",
        "target": channel,
        "epoch": claim.epoch,
        "status": "intent",
        "result": {},
        "intended_at": tx.now(),
    }
