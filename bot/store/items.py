"""Items of bulk work as rows: the manifest is fixed first, an answer is kept once, coverage is counted from here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, func, insert, or_, select, update

from bot.store import journal
from bot.store.database import Tx
from bot.store.fast import Statement
from bot.store.item_tables import item, item_answer
from bot.store.schema import agent, evidence, mail, run
from bot.types import Coverage, Json

KIND = "bulk"  # of the agents that work items
ENDS = ("done", "failed", "refused", "person")
MANY = 500  # hashes looked up at once

ADD_ITEM = Statement(
    insert(item),
    names=(
        "run_id", "id", "team_id", "work", "position", "requester", "name", "ref", "path", "url", "sha256", "form",
        "model", "status", "reason", "windows", "kept_from", "document", "result", "ended_at", "labels",
    ),
)  # fmt: skip
ADD_ANSWER = Statement(
    insert(item_answer),
    names=("run_id", "item_id", "window", "attempt", "team_id", "at", "epoch", "status", "diagnosis", "body"),
)
AT_WORK = Statement(
    update(item)
    .where(item.c.run_id == bindparam("of"), item.c.id == bindparam("the"))
    .values(status="working", windows=bindparam("many"), attempts=item.c.attempts + 1)
)
END = Statement(
    update(item)
    .where(
        item.c.run_id == bindparam("of"), item.c.id == bindparam("the"),
        or_(item.c.status == "open", item.c.status == "working"),
    )
    .values(
        status=bindparam("now"), reason=bindparam("why"), windows=bindparam("many"), document=bindparam("text"),
        result=bindparam("answers"), ended_at=bindparam("at"),
    )
)  # fmt: skip
ADD_EVIDENCE = Statement(
    insert(evidence), names=("run_id", "id", "team_id", "agent_id", "kind", "ref", "url", "value", "via", "labels")
)
OWN = Statement(  # the fence, the proof of progress and what else happened, in one statement
    update(agent)
    .where(agent.c.id == bindparam("of"), agent.c.epoch == bindparam("holds"))
    .values(turns=agent.c.turns + bindparam("calls"), barren=0)
    .returning(agent.c.status)
)
CLOSE = Statement(
    update(agent).where(agent.c.id == bindparam("of")).values(status=bindparam("now"), reserved=0, trouble=None)
)
CONTROL = Statement(select(run.c.control, run.c.status).where(run.c.id == bindparam("of")))


@dataclass(frozen=True)
class Source:
    """One document of a manifest. `status` is open, or how it ended before any work, with the reason."""

    name: str
    ref: str
    path: str
    url: str = ""
    sha256: str = ""
    status: str = "open"
    reason: str = ""


def settled(sources: Sequence[Source]) -> list[Source]:
    """The sources in their order, each content once: later ones of the same content are refused as duplicates."""
    first: dict[str, str] = {}
    found = []
    for one in sources:
        if one.status == "open" and one.sha256 in first:
            reason = f"the same content as {first[one.sha256]}"
            one = Source(one.name, one.ref, one.path, one.url, one.sha256, "refused", f"duplicate: {reason}")
        elif one.status == "open":
            first[one.sha256] = one.name
        found.append(one)
    return found


def fix(
    tx: Tx, run_id: str, team: str, work: str, requester: str, sources: Sequence[Source], form: str, model: str
) -> None:
    """Write the manifest; what an earlier run of the same person has answered by the same form is taken over."""
    known = _known(tx.connection, team, requester, form, model, {s.sha256 for s in sources if s.status == "open"})
    first = journal.count(tx, run_id, rows=0, ids=len(sources)).number
    rows: list[Json] = []
    for place, one in enumerate(sources):
        kept = known.get(one.sha256) if one.status == "open" else None
        rows.append(
            {
                "run_id": run_id, "id": f"i{first + place}", "team_id": team, "work": work, "position": place + 1,
                "requester": requester, "name": one.name, "ref": one.ref, "path": one.path, "url": one.url,
                "sha256": one.sha256, "form": form, "model": model, "status": one.status,
                "reason": kept.reason if kept else one.reason,
                "windows": kept.windows if kept else 0, "kept_from": kept.run_id if kept else "",
                "document": kept.document if kept else None, "result": kept.result if kept else None,
                "ended_at": None if one.status == "open" else tx.now(), "labels": {},
            }
        )  # fmt: skip
    ADD_ITEM.execute_all(tx.connection, rows)


def _known(connection: Connection, team: str, requester: str, form: str, model: str, wanted: set[str]) -> Json:
    """Finished items of this person, by content: the latest of each."""
    found: Json = {}
    shas = sorted(wanted)
    for at in range(0, len(shas), MANY):
        told = item.c.sha256, item.c.run_id, item.c.windows, item.c.document, item.c.result, item.c.reason
        query = select(*told).where(
            item.c.team_id == team, item.c.requester == requester, item.c.form == form,
            item.c.sha256.in_(shas[at : at + MANY]), item.c.model == model, item.c.status.in_(("done", "replaced")),
            item.c.result.is_not(None),
        )  # fmt: skip
        for row in connection.execute(query.order_by(item.c.ended_at)):
            found[row.sha256] = row
    return found


def replace(tx: Tx, run_id: str, works: Iterable[str], form: str, sources: Iterable[Source]) -> None:
    """Earlier rows of these documents no longer count: a new manifest of the same form has them again.

    A document is the same by its place or by its content, wherever it was fetched from.
    """
    mine = and_(item.c.run_id == run_id, item.c.work.in_(list(works)), item.c.form == form)
    told = list(sources)
    for column, values in ((item.c.ref, {one.ref for one in told}), (item.c.sha256, {one.sha256 for one in told})):
        again = sorted(values - {""})
        for at in range(0, len(again), MANY):
            tx.execute(update(item).where(mine, column.in_(again[at : at + MANY])).values(status="replaced"))


def of_work(connection: Connection, run_id: str, work: str) -> list[Json]:
    """A work's items in their order."""
    query = select(item).where(item.c.run_id == run_id, item.c.work == work).order_by(item.c.position)
    return [dict(row) for row in connection.execute(query).mappings()]


def answers(connection: Connection, run_id: str, work: str) -> dict[tuple[str, int], list[Json]]:
    """What the model answered for windows of items that have not ended, in order."""
    query = (
        select(item_answer)
        .join(item, and_(item.c.run_id == item_answer.c.run_id, item.c.id == item_answer.c.item_id))
        .where(item.c.run_id == run_id, item.c.work == work, item.c.status.in_(("open", "working")))
        .order_by(item_answer.c.item_id, item_answer.c.window, item_answer.c.attempt)
    )
    found: dict[tuple[str, int], list[Json]] = {}
    for row in connection.execute(query).mappings():
        found.setdefault((row["item_id"], row["window"]), []).append({**row, "body": json.loads(row["body"])})
    return found


def counts(connection: Connection, run_id: str, work: str = "") -> Json:
    """How many items ended how: total, done, failed, refused, person, and kept of those that are done."""
    told: Json = {"total": 0, "kept": 0, **dict.fromkeys(ENDS, 0)}
    where = [item.c.run_id == run_id, item.c.status != "replaced"]
    if work:
        where.append(item.c.work == work)
    kept = (item.c.kept_from != "").label("kept")
    for status, was_kept, number in connection.execute(
        select(item.c.status, kept, func.count()).where(*where).group_by(item.c.status, kept)
    ):
        told["total"] += number
        if status in told:
            told[status] += number
        if status == "done" and was_kept:
            told["kept"] += number
    return told


def coverage(connection: Connection, run_id: str) -> Coverage | None:
    """How far a run's bulk work went; None when it had none."""
    told = counts(connection, run_id)
    if not told["total"]:
        return None
    return Coverage(**{name: told[name] for name in ("total", *ENDS)})


def progress(connection: Connection, run_id: str) -> dict[str, str]:
    """How far each agent's work is, in words, by the agent's name."""
    works = connection.execute(
        select(agent.c.name, agent.c.parent).where(agent.c.run_id == run_id, agent.c.kind == KIND)
    ).all()
    told = {}
    for row in works:
        now = counts(connection, run_id, row.name)
        if now["total"]:
            told[row.parent] = in_words(now)
    return told


def in_words(now: Json) -> str:
    """Such as "112 of 200 read, 3 refused"."""
    ends = {"refused": "refused", "failed": "failed", "person": "for a person to look at"}
    more = "".join(f", {now[end]} {words}" for end, words in ends.items() if now[end])
    return f"{now['done']} of {now['total']} read{more}"


def urgent(connection: Connection, run_id: str, name: str) -> bool:
    """Whether an agent has a message that should wake it out of its wait."""
    cursor = select(agent.c.mail_cursor).where(agent.c.run_id == run_id, agent.c.name == name).scalar_subquery()
    query = select(mail.c.data).where(
        mail.c.run_id == run_id, mail.c.recipient == name, mail.c.seq > cursor, mail.c.delivered_at.is_(None)
    )
    return any(data.get("urgent") for data in connection.execute(query).scalars())


def waits_in(connection: Connection, run_id: str, name: str) -> str:
    """The call that an agent sleeps in until items have ended; "" when it does not."""
    query = select(agent.c.waiting).where(agent.c.run_id == run_id, agent.c.name == name, agent.c.status == "live")
    waiting = connection.execute(query).scalar() or {}
    return str(waiting["id"]) if waiting.get("for") == "items" else ""
