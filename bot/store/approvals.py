"""A person's answer to what was asked, recorded once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from bot.store import journal
from bot.store.database import Tx
from bot.store.schema import approval


def close(tx: Tx, row: Any, status: str, user: str, words: str) -> None:
    """Close a pending approval and wake whoever waits for it; `words` is the answer as it is kept."""
    tx.execute(
        update(approval)
        .where(approval.c.id == row["id"], approval.c.status == "pending")
        .values(status=status, decided_by=user, decided_at=tx.now(), answer=words)
    )
    journal.append(tx, row["run_id"], "decided", {"approval": row["id"], "status": status, "by": user})
    tx.wake(f"{row['run_id']}/_coordinator")
    if row["agent_id"]:
        tx.wake(row["agent_id"])
