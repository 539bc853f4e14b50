"""What bulk work leaves behind, each in one transaction that holds the fence: an answer, the end of an item."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from sqlalchemy import update

from bot.errors import Fenced
from bot.model.cost import following, price
from bot.model.reply import Reply
from bot.store import items, journal, money
from bot.store.database import Tx
from bot.store.schema import agent
from bot.team.items.work import Work
from bot.team.record import SPEND
from bot.types import Json

SHOWN = 2_000  # characters of a quote in its evidence row


def own(tx: Tx, work: Work, calls: int = 0) -> None:
    """Raises Fenced when a newer activation works these items."""
    told = {"of": work.claim.agent_id, "holds": work.claim.epoch, "calls": calls}
    if not items.OWN.execute(tx.connection, told).fetchall():
        raise Fenced()


def answer(
    tx: Tx, work: Work, one: Json, many: int, row: Json, reply: Reply, *, width: int = 1, share: Decimal = Decimal(1)
) -> str:
    """Keep an answer with its price; returns what the run's control says now ("ended" for a run that is over)."""
    own(tx, work, calls=1)
    if work.row["trouble"]:
        _trouble(tx, work, None)
    run_id, team = work.row["run_id"], work.row["team_id"]
    told = {**row, "run_id": run_id, "item_id": one["id"], "team_id": team, "at": tx.now(), "epoch": work.claim.epoch}
    items.ADD_ANSWER.execute(tx.connection, {**told, "body": json.dumps(row["body"], ensure_ascii=False)})
    items.AT_WORK.execute(tx.connection, {"of": run_id, "the": one["id"], "many": many})
    amount = price(reply, work.run["price_as"]) * share
    SPEND.execute(
        tx.connection,
        {
            "team_id": team, "run_id": run_id, "agent_id": work.row["id"], "parent": work.row["parent"],
            "model": reply.model, "amount": f"{amount:f}", "currency": "USD", **reply.usage,
        },
    )  # fmt: skip
    control = money.settle(tx, run_id, work.row["id"], amount, lambda: following(reply, work.run["price_as"]) * width)
    if control:
        return control
    (now, status), *_ = items.CONTROL.execute(tx.connection, {"of": run_id}).fetchall()
    return "ended" if status in ("done", "failed", "stopped") else str(now)


def end(
    tx: Tx, work: Work, one: Json, status: str, reason: str = "", *, many: int = 0, answers: list[Json] | None = None,
    document: bytes | None = None, page: str = "", tell: bool = False,
) -> None:  # fmt: skip
    """End an item; what it answered becomes evidence, each quote with the page that opens it at its place."""
    own(tx, work)
    run_id, team = work.row["run_id"], work.row["team_id"]
    kept = one["document"]
    if document is not None:
        kept = journal.put_blob(tx, team, document)
    result = None
    if answers is not None:
        proven = _proven(tx, work, one, answers, page)
        result = journal.put_blob(tx, team, json.dumps(proven, ensure_ascii=False).encode())
    items.END.execute(
        tx.connection,
        {
            "of": run_id, "the": one["id"], "now": status, "why": reason, "many": many, "text": kept,
            "answers": result, "at": tx.now(),
        },
    )  # fmt: skip
    if tell:
        told = work.counts()
        told[status] += 1  # this one
        journal.append(tx, run_id, "items", {"work": work.name, **told, "text": items.in_words(told)})


def _proven(tx: Tx, work: Work, one: Json, answers: list[Json], page: str) -> list[Json]:
    """The answers with an evidence row for each quote."""
    run_id = work.row["run_id"]
    quoted = sum("spans" in entry for told in answers for entry in told["entries"])
    number = journal.count(tx, run_id, rows=0, ids=quoted).number if quoted else 0
    rows: list[Json] = []
    proven: list[Json] = []
    for told in answers:
        entries: list[Json] = []
        for entry in told["entries"]:
            if "spans" not in entry:
                entries.append(entry)
                continue
            name = f"e{number + len(rows)}"
            url = f"{page}/runs/{run_id}/items/{one['id']}?quote={name}#quote" if page else one["url"]
            rows.append(
                {
                    "run_id": run_id, "id": name, "team_id": work.row["team_id"], "agent_id": work.row["id"],
                    "kind": "quote", "ref": f"{one['ref']}#{entry['at']}", "url": url,
                    "value": entry["quote"][:SHOWN], "via": work.call, "labels": {},
                }
            )  # fmt: skip
            entries.append({**entry, "evidence": name, "url": url})
        proven.append({**told, "entries": entries})
    if rows:
        items.ADD_EVIDENCE.execute_all(tx.connection, rows)
    return proven


def failing(tx: Tx, work: Work, words: str) -> None:
    """The thread hears that nothing is taken, and that the work goes on when it is; when, is kept over a restart."""
    held(tx, work)
    told = {**work.row["inputs"], "told_failing_at": work.told_failing_at}
    tx.execute(update(agent).where(agent.c.id == work.claim.agent_id).values(inputs=told))
    text = f"{words.rstrip('.')}. What is left is read by itself as soon as it answers."
    journal.append(tx, work.row["run_id"], "notice", {"text": text})


def held(tx: Tx, work: Work) -> None:
    """Nothing is taken: since when is kept over sleep and restart."""
    own(tx, work)
    if work.failing_since is not None:
        work.row["trouble"] = {"since": work.failing_since, "tries": 1}
        _trouble(tx, work, work.row["trouble"])


def _trouble(tx: Tx, work: Work, told: Json | None) -> None:
    tx.execute(update(agent).where(agent.c.id == work.claim.agent_id).values(trouble=told))


def stopped(tx: Tx, work: Work) -> None:
    """The work ends unfinished, with its run or with the one who asked for it."""
    own(tx, work)
    _close(tx, work, "stopped")


def unfinished(tx: Tx, work: Work, words: str) -> None:
    """Items that nobody could work end as failed."""
    own(tx, work)
    for one in work.open():
        told: dict[str, Any] = {"of": work.row["run_id"], "the": one["id"], "now": "failed", "why": words}
        items.END.execute(
            tx.connection,
            {**told, "many": one["windows"], "text": one["document"], "answers": None, "at": tx.now()},
        )


def _close(tx: Tx, work: Work, status: str) -> None:
    items.CLOSE.execute(tx.connection, {"of": work.claim.agent_id, "now": status})
