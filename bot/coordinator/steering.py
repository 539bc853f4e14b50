"""What people write while a run is at work: a change of course, an addition, or a new request in its place.

Told apart by rules on the words, so that it is instant and the same every time; the lead decides what it means.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from sqlalchemy import Connection, select, update

from bot.coordinator import artifacts, control, limits
from bot.coordinator.control import ENDED
from bot.coordinator.intake import taken
from bot.skills import SkillLibrary
from bot.store import mail
from bot.store import schema as t
from bot.store.database import Tx, by_id
from bot.team.record import close_call
from bot.tools.steering import unanswered
from bot.types import Check, Request

KINDS = ("mention", "reply", "edit")
_INSTEAD = re.compile(
    r"(?i)^(?:no[,:.]?\s+)?(?:please\s+)?(?:forget|scrap|drop|never\s?mind|cancel|stop)"
    r"(?:\s+(?:about\s+)?(?:it|that|this|everything|all\s+(?:of\s+)?(?:that|this)))?"
    r"\s*(?:[,.;:]|\s[-–—]|\band\b)+\s*(?:(?:and|just|rather|instead|better|please)[,:]?\s+)*"
    r"(?P<rest>(?!only\b|(?:please\W+)?(?:thank|thx)|please\W*$)\S.*)$",  # courtesy is no request
    re.DOTALL,
)
_START_OVER = re.compile(r"(?i)^(?:start\s+over|new\s+request|begin\s+again)\s*[:,;.–-]\s*(?P<rest>\S.*)$", re.DOTALL)
_ENDS_INSTEAD = re.compile(
    r"(?i)^(?:instead[,:]?\s+(?P<rest>\S.*)|(?P<first>\S.*?),?(?<!\s)\s+instead[.!]*)$", re.DOTALL
)
_ADD = re.compile(
    r"(?i)^(?:(?:and|please|but)[,]?\s+)?(?:also|additionally|in\s+addition|on\s+top|plus|and\s+add|add)\b"
    r"|\b(?:as\s+well|too)[.!]*$"
)
NOT_OFFLINE = (
    "No language model is connected, so I can only follow the playbook, and what it proposes is ready as shown. "
    "Approve or reject it, or stop this work and ask anew."
)

BEING_WRITTEN = (
    "The changes were approved before this came and are being written. When I am done, write again, or say undo."
)


@dataclasses.dataclass(frozen=True)
class Course:
    """What words mean for a run at work: steer, addon or replace; `text` without what only says so."""

    kind: str
    text: str


def take(tx: Tx, request: Request, library: SkillLibrary) -> Request | None:
    """Bring what was said in the thread of a run at work to that run.

    Returns the request that starts a run of its own, as it came or what takes the running one's place; None when
    there is none.
    """
    if request.kind not in KINDS:
        return request
    origin = None
    if request.kind == "edit":
        origin = _first_words(tx, request)
        row = _live(tx, t.run.c.id == (origin["run_id"] or "")) if origin else None
        if row is None:
            taken(tx, request, None)  # the work has ended: what was done stays as it was asked
            return None
    else:
        row = _at_work(tx, request)
    if row is None:
        return request
    course = _edited(origin, request, library) if origin else classify(request.text, row, library)
    if course is None:
        return request
    if course.kind == "replace":
        _say(tx, row, request, course, "")
        control.stop_run(tx, row["id"], request.user, "replaced")
        return dataclasses.replace(request, text=course.text)
    _deliver(tx, row, request, course)
    return None


def classify(text: str, run: Any, library: SkillLibrary) -> Course | None:
    """What words in a run's thread mean for it; None for a request of its own."""
    for pattern in (_INSTEAD, _START_OVER):
        found = pattern.match(text)
        if found is not None:
            return Course("replace", found["rest"].strip())
    found = _ENDS_INSTEAD.match(text)
    if found is not None:
        rest = (found["rest"] or found["first"]).rstrip(".!").strip()
        whole = library.match(limits.plain(rest)) is not None
        return Course("replace", rest) if whole else Course("steer", text)
    if _ADD.search(text):
        return Course("addon", text)
    match = library.match(limits.plain(text))
    if match is not None and not (match.skill == run["skill"] and run["status"] == "waiting"):
        return None
    return Course("steer", text)


def _edited(origin: Any, request: Request, library: SkillLibrary) -> Course:
    """An edit that asks for other work takes the place of the first words; any other changes the course."""
    before, after = library.match(origin["text"]), library.match(request.text)
    if after is not None and (before is None or (before.skill, before.inputs) != (after.skill, after.inputs)):
        return Course("replace", request.text)
    return Course("steer", f"The request was edited. It now reads: {request.text}")


def _first_words(tx: Tx, request: Request) -> Any:
    """What the edited message said before: its own row, or that of an earlier edit."""
    ts = request.key.partition(":")[0]
    mine = select(t.inbox.c.id).where(
        t.inbox.c.team_id == request.team, t.inbox.c.channel == request.channel, t.inbox.c.key == request.key,
        t.inbox.c.kind == "edit",
    )  # fmt: skip
    query = (
        select(t.inbox)
        .where(
            t.inbox.c.team_id == request.team, t.inbox.c.channel == request.channel,
            (t.inbox.c.key == ts) | t.inbox.c.key.startswith(f"{ts}:"), t.inbox.c.id < mine.scalar_subquery(),
            t.inbox.c.run_id.is_not(None),
        )
        .order_by(t.inbox.c.id.desc())
    )  # fmt: skip
    return tx.execute(query).mappings().first()


def _at_work(tx: Tx, request: Request) -> Any:
    if not request.thread or request.thread == request.key:
        return None
    return _live(
        tx, t.run.c.team_id == request.team, t.run.c.channel == request.channel, t.run.c.thread == request.thread
    )


def _live(tx: Tx, *where: Any) -> Any:
    """The latest run at work of these that has a lead to write to."""
    query = (
        select(t.run)
        .join(t.agent, (t.agent.c.run_id == t.run.c.id) & (t.agent.c.name == "lead"))
        .where(*where, t.run.c.status.not_in(ENDED), t.run.c.control != "stop")
        .where(t.agent.c.status.in_(("live", "finishing")))
        .order_by(t.run.c.created_at.desc())
    )
    return tx.execute(query).mappings().first()


def _deliver(tx: Tx, row: Any, request: Request, course: Course) -> None:
    """Put the words into the lead's mailbox, urgent: it reads them at its next step, whatever it waits for.

    Only a call that a connected server has begun and holds is heard out first, and an approved change is written.
    """
    accepted = artifacts.accept_named(tx, row["id"], course.text, request.user)
    lead = by_id(tx.connection, t.agent, f"{row['id']}/lead")
    late = _too_late(tx, row) if lead["status"] == "finishing" else ""
    if late:
        number = _say(tx, row, request, course, "")
        control.note(tx, row["id"], "steer.answered", {"mail": f"#{number}", "outcome": "impossible", "text": late})
        return
    if lead["status"] == "finishing":
        _give_back(tx, row, lead, request, course)
    data = {"urgent": True, "steer": course.kind, "by": request.user, "accepted": accepted}
    sent = mail.send(tx, row["id"], mail.HARNESS, "lead", course.text, data=data)
    _say(tx, row, request, course, sent)


def _too_late(tx: Tx, row: Any) -> str:
    """Why the answer of a lead that has finished can no longer be taken back, or ""."""
    if row["offline"]:  # a playbook has no way back from its end
        return NOT_OFFLINE
    approved = select(t.approval.c.id).where(
        t.approval.c.run_id == row["id"], t.approval.c.kind == "changes", t.approval.c.status == "approved"
    )
    return BEING_WRITTEN if tx.execute(approved).first() else ""


def _say(tx: Tx, row: Any, request: Request, course: Course, sent: str) -> int:
    """The words as a row of the run, which the thread shows with what became of them."""
    _note_taken(tx, request, row["id"])
    body = {"kind": course.kind, "by": request.user, "text": course.text, "mail": sent}
    return control.note(tx, row["id"], "steer", body)


def _note_taken(tx: Tx, request: Request, run_id: str) -> None:
    taken(tx, request, run_id)
    tx.execute(
        update(t.inbox)
        .where(
            t.inbox.c.team_id == request.team, t.inbox.c.channel == request.channel, t.inbox.c.key == request.key,
            t.inbox.c.kind == request.kind,
        )
        .values(state="steered")
    )  # fmt: skip


def _give_back(tx: Tx, row: Any, lead: Any, request: Request, course: Course) -> None:
    """The lead had finished: its answer does not count before it has read this, nor what was asked about it."""
    words = f"Not yet: <{request.user}> wrote in the thread: {course.text}"
    close_call(tx, row["id"], lead["id"], lead["finish"]["id"], {"ok": False, "error": words}, True, "failed")
    tx.execute(
        update(t.agent)
        .where(t.agent.c.id == lead["id"])
        .values(status="live", finish=None, reopened=t.agent.c.reopened + 1)
    )
    artifacts.void_question(tx, row["id"])
    tx.wake(lead["id"])


def answered(connection: Connection, run_id: str) -> list[Check]:
    """A check that fails while the lead owes somebody an answer; none when nobody wrote."""
    open_ = unanswered(connection, run_id)
    if open_ is None:
        return []
    words = "; ".join(f"{m['id'].rsplit('/', 1)[-1]}: {m['text'][:200]}" for m in open_)
    told = f"use answer_person for: {words}" if open_ else "everybody who wrote was answered"
    return [Check("people_answered", not open_, told)]
