"""What was made from what: edges between artifacts, and what follows when a source gets a new version.

A piece is stale when a source it was made from has a newer version. Its owner makes it again, or a person accepts it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update

from bot.coordinator import limits
from bot.store import journal, mail
from bot.store import schema as t
from bot.store.database import Tx
from bot.store.leases import Claim
from bot.team.record import close_call
from bot.tools.team import open_agent
from bot.types import Json, Request

ROUNDS = 2  # an owner is asked this often to make a piece again from the same sources
ACCEPTING = re.compile(r"\b(?:accept|keep|leave)\b((?:(?!\b(?:accept|keep|leave)\b)[^.;\n])*)", re.IGNORECASE)
DERIVED, ACCEPTED = "derived_from", "accepted"


@dataclass(frozen=True)
class Stale:
    """An artifact that no longer fits its sources."""

    id: str
    name: str
    version: int
    because: tuple[Json, ...]  # {"name", "had", "now"}: sources with the version it was made from and the newest

    @property
    def owner(self) -> str:
        return self.name.split("/", 1)[0]

    @property
    def told(self) -> str:
        sources = ", ".join(f"{label(s['name'])} is now version {s['now']}" for s in self.because)
        return f"{label(self.name)} (version {self.version}) no longer fits: {sources}"


def label(name: str) -> str:
    """An artifact's name as people say it: press/press_release.md is the press release."""
    return name.rsplit("/", 1)[-1].rsplit(".", 1)[0].replace("_", " ").replace("-", " ")


def refresh(tx: Tx, run_id: str) -> list[Stale]:
    """Bring edges and statuses up to date; returns what is stale. Each change of status is a journal row."""
    versions = _versions(tx, run_id)
    newest = {name: rows[-1] for name, rows in versions.items()}
    had = _relate(tx, run_id, versions)
    stale: list[Stale] = []
    for name, rows in versions.items():
        for row in rows[:-1]:
            _status(tx, row, "replaced")
        row, sources = rows[-1], had.get(rows[-1]["id"], {})
        because = tuple(
            {"name": source, "had": version, "now": newest[source]["version"]}
            for source, (version, _) in sorted(sources.items())
            if version < newest[source]["version"]
        )
        if because:
            found = Stale(row["id"], name, row["version"], because)
            if row["status"] != "stale":
                body = {"name": name, "version": row["version"], "because": list(because)}
                journal.append(tx, run_id, "artifact.stale", body)
            _status(tx, row, "stale")
            stale.append(found)
        else:
            _status(tx, row, "accepted" if any(kind == ACCEPTED for _, kind in sources.values()) else "current")
    return stale


def _versions(tx: Tx, run_id: str) -> dict[str, list[Any]]:
    """The files that were declared, every version in order; what was written to shared documents is not one."""
    found: dict[str, list[Any]] = {}
    for row in tx.execute(
        select(t.artifact)
        .where(t.artifact.c.run_id == run_id, t.artifact.c.path != "")
        .order_by(t.artifact.c.name, t.artifact.c.version)
    ).mappings():
        found.setdefault(row["name"], []).append(row)
    return found


def _status(tx: Tx, row: Any, status: str) -> None:
    if row["status"] != status:
        tx.execute(update(t.artifact).where(t.artifact.c.id == row["id"]).values(status=status))


def _relate(tx: Tx, run_id: str, versions: Mapping[str, list[Any]]) -> dict[str, dict[str, tuple[int, str]]]:
    """Add the edges that mail and calls prove; returns target id -> source name -> (its newest version used, kind).

    Version 0 is a draft that its owner never declared.
    """
    newest = {rows[-1]["id"]: rows[-1] for rows in versions.values()}
    by_id = {row["id"]: row for rows in versions.values() for row in rows}
    had: dict[str, dict[str, tuple[int, str]]] = {}
    used = {owner: _used(tx, run_id, owner, versions) for owner in {name.split("/", 1)[0] for name in versions}}
    for target_id, row in newest.items():
        for name, (version, source_id) in used[row["name"].split("/", 1)[0]].items():
            had.setdefault(target_id, {})[name] = version, DERIVED
            if source_id:
                edge = {"source_id": source_id, "target_id": target_id, "kind": DERIVED}
                tx.add(t.artifact_edge, team_id=row["team_id"], **edge)
    edges = select(t.artifact_edge).where(t.artifact_edge.c.target_id.in_(list(newest)))
    for known in tx.execute(edges).mappings():
        source = by_id.get(known["source_id"])
        if source is None:
            continue
        sources = had.setdefault(known["target_id"], {})
        version, _ = sources.get(source["name"], (-1, ""))
        if source["version"] > version or (source["version"] == version and known["kind"] == ACCEPTED):
            sources[source["name"]] = source["version"], known["kind"]
    return had


def _used(tx: Tx, run_id: str, owner: str, versions: Mapping[str, list[Any]]) -> dict[str, tuple[int, str]]:
    """Which artifacts an agent used before it last finished: those whose file a call of its names.

    Returns source name -> (newest version used, its id).
    """
    call = t.tool_call.c
    calls = list(
        tx.execute(
            select(call.name, call.args, call.turn).where(call.agent_id == f"{run_id}/{owner}").order_by(call.turn)
        )
    )
    ended = max((c.turn for c in calls if c.name == "finish"), default=0)
    named = json.dumps([c.args for c in calls if c.turn <= ended], ensure_ascii=False)
    found: dict[str, tuple[int, str]] = {}
    for letter in mail.undelivered(tx.connection, run_id, owner, 0):
        short = letter["id"].rsplit("/", 1)[-1]
        for file in letter["files"]:
            if f"inbox/{short}/{file['name'].rsplit('/', 1)[-1]}" not in named:
                continue
            source = _source(versions, f"{letter['sender']}/{file['name']}", file["sha256"])
            if source is not None and source[0].split("/", 1)[0] != owner:
                name, version, source_id = source
                if version >= found.get(name, (-1, ""))[0]:
                    found[name] = version, source_id
    return found


def _source(versions: Mapping[str, list[Any]], name: str, sha256: str) -> tuple[str, int, str] | None:
    """The artifact that a file handed over is, by its sender's name for it or by its content alone."""
    for candidate in [name] if name in versions else list(versions):
        for row in reversed(versions[candidate]):
            if row["sha256"] == sha256:
                return candidate, row["version"], row["id"]
    return (name, 0, "") if name in versions else None


def accept(tx: Tx, run_id: str, name: str, by: str) -> bool:
    """A person takes a stale artifact as it is, against the sources as they are now; False when it is not stale."""
    found = next((s for s in refresh(tx, run_id) if s.name == name), None)
    if found is None:
        return False
    versions = _versions(tx, run_id)
    for cause in found.because:
        source = versions[cause["name"]][-1]
        edge = {"source_id": source["id"], "target_id": found.id, "kind": ACCEPTED}
        tx.add(t.artifact_edge, team_id=source["team_id"], **edge)
    body = {"name": name, "version": found.version, "by": by, "because": list(found.because)}
    journal.append(tx, run_id, "artifact.accepted", body)
    refresh(tx, run_id)
    tx.wake(f"{run_id}/_coordinator")
    return True


def accept_named(tx: Tx, run_id: str, words: str, by: str) -> list[str]:
    """Accept every stale artifact that a person's words name, as in "keep the press release as it is"."""
    said = " ".join(found[1].lower() for found in ACCEPTING.finditer(limits.own(words)))
    if not said:
        return []
    named = [s.name for s in refresh(tx, run_id) if re.search(rf"\b{re.escape(label(s.name).lower())}\b", said)]
    return [name for name in named if accept(tx, run_id, name, by)]


def reopen(tx: Tx, run: Any) -> list[Stale]:
    """Have the owners of stale artifacts make them again, sources before what is made from them.

    What the request itself accepts by name is not made again. Returns what is still stale.
    """
    accept_named(tx, run["id"], run["request"], run["requester"])
    stale = refresh(tx, run["id"])
    names = {s.name for s in stale}
    told: list[Stale] = []
    for owner in dict.fromkeys(s.owner for s in stale):
        pieces = [s for s in stale if s.owner == owner]
        waits = any(cause["name"] in names for piece in pieces for cause in _sources(tx, run["id"], piece))
        if not waits and _idle(tx, run["id"], owner) and _ask_again(tx, run, owner, pieces):
            told += pieces
    if told:
        words = "; ".join(s.told for s in told)
        journal.append(tx, run["id"], "notice", {"text": f"{words}. Being made again."})
    return stale


def _sources(tx: Tx, run_id: str, piece: Stale) -> list[Any]:
    """The newest version of everything an artifact was made from."""
    versions = _versions(tx, run_id)
    sources = _relate(tx, run_id, versions).get(piece.id, {})
    return [versions[name][-1] for name in sorted(sources)]


def _idle(tx: Tx, run_id: str, owner: str) -> bool:
    status = mail.roster(tx.connection, run_id).get(owner)
    return status in (None, "done")


def _ask_again(tx: Tx, run: Any, owner: str, pieces: list[Stale]) -> bool:
    """Write to the owner what changed, with the sources as they are now; an owner of an earlier run is opened anew.

    False when it was asked often enough.
    """
    wanted = {"redo": [{"name": s.name, "version": s.version, "because": list(s.because)} for s in pieces]}
    before = mail.undelivered(tx.connection, run["id"], owner, 0)
    if sum(letter["sender"] == mail.HARNESS and letter["data"] == wanted for letter in before) >= ROUNDS:
        return False
    if owner not in mail.roster(tx.connection, run["id"]) and not _open_again(tx, run, owner):
        return False
    files = {row["name"]: row for piece in pieces for row in _sources(tx, run["id"], piece)}
    shared = tuple(mail.SharedFile(name, row["sha256"], row["id"]) for name, row in files.items())
    text = f"{'. '.join(s.told for s in pieces)}. Make it again from these files and finish with all outputs."
    mail.send(tx, run["id"], mail.HARNESS, owner, text, data=wanted, files=shared)
    tx.execute(
        update(t.task)
        .where(t.task.c.run_id == run["id"], t.task.c.owner == owner)
        .values(status="working", attempt=t.task.c.attempt + 1)
    )
    return True


def _open_again(tx: Tx, run: Any, owner: str) -> bool:
    """Open an agent for what it made in an earlier run of the thread, with the task that it had there."""
    earlier = run["parent_id"]
    while earlier:
        row = tx.execute(select(t.agent).where(t.agent.c.id == f"{earlier}/{owner}")).mappings().first()
        if row is not None:
            break
        earlier = tx.execute(select(t.run.c.parent_id).where(t.run.c.id == earlier)).scalar()
    else:
        return False
    inputs = {**row["inputs"], "redo": True}
    open_agent(
        tx, run["id"], run["team_id"], name=owner, role=row["role"], skill=row["skill"], parent="lead",
        task_id=row["task"], brief=row["brief"], inputs=inputs,
    )  # fmt: skip
    _task_again(tx, run, earlier, row["task"])
    return True


def _task_again(tx: Tx, run: Any, earlier: str, task_id: str) -> None:
    """Put the task of an earlier run into this run's plan: it is open again because its sources changed."""
    old = tx.execute(select(t.task).where(t.task.c.run_id == earlier, t.task.c.id == task_id)).mappings().first()
    known = tx.execute(select(t.task.c.id).where(t.task.c.run_id == run["id"], t.task.c.id == task_id)).first()
    if old is None or known is not None:
        return
    planned = {row.id: row.position for row in tx.execute(select(t.task).where(t.task.c.run_id == run["id"]))}
    again = {
        "run_id": run["id"], "depends_on": [x for x in old["depends_on"] if x in planned], "checks": [],
        "attempt": 0, "position": max(planned.values(), default=-1) + 1, "status": "working",
    }  # fmt: skip
    tx.execute(insert(t.task).values({**old, **again}))
    reason = "a source of what it made has a new version"
    journal.append(tx, run["id"], "plan.changed", {"tasks": [task_id], "reason": reason})


def go_on(tx: Tx, request: Request, run_id: str, skill: str) -> Json:
    """Carry over what the thread's latest finished run of a skill made; returns its lead's inputs, and `earlier`.

    Without such a run `earlier` is empty.
    """
    run = t.run.c
    earlier = tx.execute(
        select(run.id)
        .where(
            run.team_id == request.team, run.channel == request.channel, run.thread == request.thread,
            run.thread != "", run.skill == skill, run.status == "done",
        )
        .order_by(run.created_at.desc())
    ).scalar()  # fmt: skip
    if earlier is None:
        return {"earlier": ""}
    carry(tx, earlier, run_id)
    given = tx.execute(select(t.agent.c.inputs).where(t.agent.c.id == f"{earlier}/lead")).scalar_one()
    return {"asked": given, "earlier": earlier}


def carry(tx: Tx, earlier: str, run_id: str) -> None:
    """Give a run the newest artifacts of an earlier one, with their versions, edges, figures and evidence."""
    refresh(tx, earlier)
    newest = {rows[-1]["id"]: rows[-1] for rows in _versions(tx, earlier).values()}
    copies: dict[str, str] = {}
    for old_id, row in newest.items():
        copies[old_id] = f"{run_id[-12:]}-{journal.next_id(tx, run_id, 'a')}"
        owner = row["name"].split("/", 1)[0]
        new = {"id": copies[old_id], "run_id": run_id, "agent_id": f"{run_id}/{owner}"}
        tx.execute(insert(t.artifact).values({**row, **new}))
    for edge in tx.execute(select(t.artifact_edge).where(t.artifact_edge.c.target_id.in_(list(newest)))).mappings():
        if edge["source_id"] in copies:
            ends = {"source_id": copies[edge["source_id"]], "target_id": copies[edge["target_id"]]}
            tx.execute(insert(t.artifact_edge).values({**edge, **ends}))
    for table in (t.evidence, t.figure):
        for row in tx.execute(select(table).where(table.c.run_id == earlier)).mappings().all():
            tx.add(table, **{**row, "run_id": run_id})
    highest = select(t.run.c.next_id).where(t.run.c.id == earlier).scalar_subquery()
    tx.execute(update(t.run).where(t.run.c.id == run_id, t.run.c.next_id < highest).values(next_id=highest))
    tx.execute(update(t.run).where(t.run.c.id == run_id).values(parent_id=earlier))
    names = sorted(row["name"] for row in newest.values())
    journal.append(tx, run_id, "artifact.carried", {"from": earlier, "names": names})


def hold(tx: Tx, claim: Claim, run: Any, lead: Any) -> str:
    """What keeps the lead's finish from counting: "" nothing, "working" wait, "back" given back, or a diagnosis."""
    tx.fence(claim.agent_id, claim.epoch)
    stale = reopen(tx, run)
    letters = mail.undelivered(tx.connection, run["id"], "lead", lead["mail_cursor"])
    agents = mail.roster(tx.connection, run["id"])
    if stale:
        void_question(tx, run["id"])
        if any(agents.get(s.owner) in ("live", "finishing") for s in stale):
            return "working"
        return f"{'. '.join(s.told for s in stale)}. Have the owner make it again, or ask whether to keep it by name"
    if not _asked_again(tx, run["id"]):
        return ""
    if any(agents.get(letter["sender"]) in ("live", "finishing") for letter in letters):
        return "working"
    if not any(letter["data"].get("report") for letter in letters):
        return ""
    words = "Not yet: pieces were made again after this answer. Read the reports and finish with an answer that fits."
    close_call(tx, run["id"], lead["id"], lead["finish"]["id"], {"ok": False, "error": words}, True, "failed")
    values = {"status": "live", "finish": None, "reopened": lead["reopened"] + 1}  # the next answer is judged anew
    tx.execute(update(t.agent).where(t.agent.c.id == lead["id"]).values(values))
    tx.wake(lead["id"])
    return "back"


def _asked_again(tx: Tx, run_id: str) -> bool:
    sent = select(t.mail.c.data).where(t.mail.c.run_id == run_id, t.mail.c.sender == mail.HARNESS)
    return any("redo" in data for data in tx.execute(sent).scalars())


def void_question(tx: Tx, run_id: str) -> None:
    """A preview that is being looked at shows what no longer fits: it is asked again when it does."""
    asked = (t.approval.c.run_id == run_id, t.approval.c.kind == "changes", t.approval.c.status == "pending")
    if tx.execute(update(t.approval).where(*asked).values(status="void")).rowcount:
        tx.execute(
            update(t.change_set)
            .where(t.change_set.c.run_id == run_id, t.change_set.c.status == "asked")
            .values(status="staged")
        )
        tx.execute(update(t.run).where(t.run.c.id == run_id).values(status="working"))
