"""The staged change set: asked about with an exact preview, applied once after approval, never otherwise."""

from __future__ import annotations

import secrets
from typing import Any, Protocol

from sqlalchemy import Connection, func, insert, select, update

from bot.errors import DependencyFailed
from bot.store import journal, points, reads, staging
from bot.store import schema as t
from bot.store.database import Database, Tx
from bot.store.leases import Claim
from bot.types import Json

APPROVAL_S = 7 * 86_400.0
NOT_MADE = ("drive_share", "drive_comment")


class Writer(Protocol):
    """What applies changes to shared documents; the connectors' side of an effect."""

    async def apply(self, change: Json, op_key: str, precondition: str) -> Json:
        """Apply once; returns {"url", "target", "revision"}. Raises DependencyFailed when it certainly did not happen
        or may not have, Conflict when the target changed since the preview."""
        ...

    async def find(self, change: Json, op_key: str) -> Json | None:
        """The same answer if the change already happened, else None."""
        ...

    async def undo(self, change: Json, op_key: str, result: Json, pre_image: Json) -> str:
        """Bring the target back once; returns "" or the sentence why it stays as it is. Raises DependencyFailed when
        it is to be called again."""
        ...


def ask(tx: Tx, run: Any) -> str | None:
    """Ask the requester about the run's next set of staged changes; None when there is none."""
    staged = staging.next_set(tx, run["id"])
    if not staged:
        return None
    access = all(change["kind"] == staging.ACCESS for change in staged)
    preview = {
        "title": f"{len(staged)} change{'s' if len(staged) > 1 else ''} to shared documents",
        "access": access,
        "changes": [
            {"id": c["id"], "kind": c["kind"], "target": c["target"], "url": c["url"], **c["post_image"]}
            for c in staged
        ],
    }
    digest = journal.sha256_of([[c["kind"], c["args_sha256"], c["precondition"], c["op_key"]] for c in staged])
    approval_id = f"ap-{secrets.token_hex(6)}"
    change_set = staged[0]["change_set_id"]
    tx.execute(
        insert(t.approval).values(
            id=approval_id, team_id=run["team_id"], run_id=run["id"], kind="changes", change_set_id=change_set,
            person=run["requester"], preview=preview, args_sha256=digest, status="pending", asked_at=tx.now(),
            expires_at=tx.now() + APPROVAL_S,
        )
    )  # fmt: skip
    tx.execute(update(t.change_set).where(t.change_set.c.id == change_set).values(status="asked"))
    tx.execute(update(t.run).where(t.run.c.id == run["id"]).values(status="waiting"))
    journal.append(tx, run["id"], "approval.asked", {"approval": approval_id})
    return approval_id


async def apply_all(db: Database, writer: Writer, claim: Claim, run: Any, change_set: str) -> None:
    """Apply an approved change set, each change once however often this is called.

    Raises DependencyFailed to be called again later, RunFailed when a target changed since it was shown.
    """
    changes = await db.read(lambda c: staging.changes_of(c, run["id"]))
    for item in changes:
        if item["change_set_id"] != change_set:
            continue
        change = await db.read(lambda c, i=item: as_written(c, i))  # type: ignore[misc]
        known = await db.write(lambda tx, i=item: _intend(tx, claim, run, i))  # type: ignore[misc]
        if known["status"] == "done":
            continue
        result = None
        if known["epoch"] != claim.epoch or known["status"] == "unknown":
            result = await writer.find(change, item["op_key"])
        if result is None:
            points.reached(f"google:{item['kind']}:before", item["op_key"])
            try:
                result = await writer.apply(change, item["op_key"], item["precondition"])
            except DependencyFailed:
                await db.write(lambda tx, i=item: _unknown(tx, claim, i))  # type: ignore[misc]
                raise
            points.reached(f"google:{item['kind']}:after", item["op_key"])
        await db.write(lambda tx, i=item, r=result: _applied(tx, claim, run, i, r))  # type: ignore[misc]


def as_written(connection: Connection, item: Any) -> Json:
    """A change with the file that another change of its run made, where it is for that one."""
    args = dict(item["args"])
    made = (
        connection.execute(
            select(t.effect.c.result)
            .join(t.change, t.change.c.op_key == t.effect.c.op_key)
            .where(t.change.c.id == args.get("file_id", ""), t.change.c.run_id == item["run_id"])
            .where(t.effect.c.status == "done")
        )
        .scalars()
        .first()
    )
    if made:
        args["file_id"] = made["target"]
    title = str(item["post_image"].get("title") or item["target"])
    return {"kind": item["kind"], "args": args, "target": item["target"], "title": title}


def _intend(tx: Tx, claim: Claim, run: Any, item: Any) -> Json:
    tx.fence(claim.agent_id, claim.epoch)
    row = tx.execute(select(t.effect).where(t.effect.c.op_key == item["op_key"])).mappings().first()
    if row is not None:
        return {"status": row["status"], "epoch": row["epoch"]}
    reads.written(tx, run["team_id"], "google")
    tx.execute(
        insert(t.effect).values(
            op_key=item["op_key"], team_id=run["team_id"], run_id=run["id"], kind="write", target=item["target"],
            args_sha256=item["args_sha256"], epoch=claim.epoch, change_set_id=item["change_set_id"],
            status="intent", result={}, intended_at=tx.now(),
        )
    )  # fmt: skip
    return {"status": "intent", "epoch": claim.epoch}


def _unknown(tx: Tx, claim: Claim, item: Any) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    tx.execute(update(t.effect).where(t.effect.c.op_key == item["op_key"]).values(status="unknown"))


def _applied(tx: Tx, claim: Claim, run: Any, item: Any, result: Json) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    reads.written(tx, run["team_id"], "google")
    tx.execute(
        update(t.effect)
        .where(t.effect.c.op_key == item["op_key"])
        .values(status="done", result=result, applied_at=tx.now())
    )
    if item["kind"] not in NOT_MADE:
        _made(tx, run, item, result)
    journal.append(
        tx, run["id"], "applied", {"op_key": item["op_key"], "target": item["target"], "url": result["url"]}
    )


def _made(tx: Tx, run: Any, item: Any, result: Json) -> None:
    """What a change wrote, as something the run made; a second change of the same is its next version."""
    title, a = str(item["post_image"].get("title", item["target"])), t.artifact.c
    known = select(func.count()).select_from(t.artifact).where(a.run_id == run["id"], a.name == title)
    tx.execute(
        insert(t.artifact).values(
            id=f"{run['id'][-12:]}-{journal.next_id(tx, run['id'], 'a')}", team_id=run["team_id"], run_id=run["id"],
            agent_id=item["agent_id"], name=title, version=1 + int(tx.execute(known).scalar() or 0),
            url=result["url"], path="", sha256=item["args_sha256"], created_at=tx.now(), labels={},
        )
    )  # fmt: skip


def discard(tx: Tx, run_id: str, status: str) -> None:
    """Let go of what is still staged; nothing of it was written."""
    over = ("applied", "undone")
    tx.execute(
        update(t.change_set)
        .where(t.change_set.c.run_id == run_id, t.change_set.c.status.not_in(over))
        .values(status=status)
    )


def partly_written(connection: Connection, run_id: str) -> bool:
    """Whether a set of the run is written already."""
    query = select(t.change_set.c.id).where(t.change_set.c.run_id == run_id, t.change_set.c.status == "applied")
    return connection.execute(query).first() is not None


def applied(tx: Tx, change_set: str) -> None:
    """All changes of a set are written."""
    tx.execute(update(t.change_set).where(t.change_set.c.id == change_set).values(status="applied"))
