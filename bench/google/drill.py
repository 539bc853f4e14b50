"""Writes whose answers are lost, one after the other, and the count of what is there afterwards."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from bench.google.kinds import KINDS, Kind
from bench.google.standin import Standin
from connectors import errors
from connectors.google import Applied, Change, GoogleWorkspace, Preview

TRIES = 12


@dataclass
class Count:
    """What came of a number of writes."""

    writes: int = 0
    faults: int = 0
    early: int = 0  # a preview wrote something
    doubled: int = 0
    lost: int = 0
    not_restored: int = 0
    overwritten: int = 0
    conflicts: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether every promise was kept."""
        return not (self.early or self.doubled or self.lost or self.not_restored or self.overwritten)


async def until_known(
    google: GoogleWorkspace, change: Change, op: str, revision: str | None = None
) -> tuple[Applied, int]:
    """Apply as the product does: after a lost answer look before applying again; counts the troubles."""
    troubles = 0
    while True:
        try:
            return await google.apply(change, op, revision), troubles
        except (errors.AmbiguousOutcome, errors.Unavailable, errors.RateLimited):
            troubles += 1
            if troubles > TRIES:
                raise
            if done := await google.find(op, change):
                return done, troubles


async def until_undone(google: GoogleWorkspace, change: Change, op: str, done: Applied, preview: Preview) -> int:
    """Undo as the product does; counts the troubles."""
    troubles = 0
    while True:
        try:
            await google.undo(change, op, done, preview.pre_image)
        except (errors.AmbiguousOutcome, errors.Unavailable, errors.RateLimited):
            troubles += 1
            if troubles > TRIES:
                raise
        else:
            return troubles


def picture(google: Standin) -> Any:
    """What people see in the Drive: everything but the marks that programs leave and what lies in the trash."""
    state = google.state()
    files = [f for f in state["files"] if not f["trashed"]]
    seen = ("id", "name", "mimeType", "parents", "owner", "permissions", "comments")
    kept = {f["id"] for f in files}
    docs = {i: [d["title"], d["content"]] for i, d in state["docs"].items() if i in kept}
    sheets = {i: [s["title"], s["tabs"]] for i, s in state["sheets"].items() if i in kept}
    drafts = {who: mine for who, mine in state["drafts"].items() if mine}
    return {"files": [{k: f[k] for k in seen} for f in files], "docs": docs, "sheets": sheets, "drafts": drafts}


def once(google: Standin, kind: Kind, op: str, struck: list[tuple[str, str]], count: Count) -> None:
    """One write and its undo under faults, counted."""
    google.post("reset")
    before = picture(google)
    change = kind.change(google)
    preview = google.run(lambda g: g.preview(change))
    count.early += picture(google) != before
    for name, fault in struck:
        google.fault(name, fault)
    done, _ = google.run(lambda g: until_known(g, change, op, preview.revision))
    there = kind.there(google)
    count.doubled += there > 1
    count.lost += there < 1
    for name in kind.undoing:
        google.fault(name, struck[0][1])
    for _ in range(2):  # asked for again, it is still one undo
        google.run(lambda g: until_undone(g, change, op, done, preview))
    count.not_restored += picture(google) != before
    count.writes += 1
    count.faults += len(struck) + len(kind.undoing)
    count.by_kind[kind.name] = count.by_kind.get(kind.name, 0) + 1


def in_between(google: Standin, kind: Kind, op: str, count: Count) -> None:
    """Somebody changes the target between preview and writing, and between writing and undo."""
    if kind.guarded:
        google.post("reset")
        change = kind.change(google)
        preview = google.run(lambda g: g.preview(change))
        kind.meddle(google)
        theirs = picture(google)
        if refuses(google, lambda g: g.apply(change, op, preview.revision)):
            count.conflicts += 1
        count.overwritten += picture(google) != theirs
    google.post("reset")
    change = kind.change(google)
    preview = google.run(lambda g: g.preview(change))
    done = google.run(lambda g: g.apply(change, op, preview.revision))
    kind.meddle(google)
    theirs = picture(google)
    if refuses(google, lambda g: g.undo(change, op, done, preview.pre_image)):
        count.conflicts += 1
    count.overwritten += picture(google) != theirs


def refuses(google: Standin, work: Any) -> bool:
    """Whether the work stops at a conflict."""
    try:
        google.run(work)
    except errors.ConflictError:
        return True
    return False


def drill(google: Standin, faults: int, seed: int) -> Count:
    """Writes of every kind in turn until that many faults have struck, then one of each with a person in between."""
    chance, count, number = random.Random(seed), Count(), 0
    while count.faults < faults:
        kind = KINDS[number % len(KINDS)]
        struck = [(name, "accept_then_drop") for name in kind.calls]
        if number >= len(KINDS):  # after one plain round, other troubles before it
            extra = [
                (chance.choice(kind.calls), chance.choice(("drop", "5xx", "429"))) for _ in range(chance.randrange(3))
            ]
            struck = [*struck, *extra]
        once(google, kind, f"run-{seed}/lead/{number}", struck, count)
        number += 1
    for kind in KINDS:
        in_between(google, kind, f"run-{seed}/between/{kind.name}", count)
    return count
