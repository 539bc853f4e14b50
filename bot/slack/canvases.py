"""Keeps a report current in one canvas of its channel.

Slack finds no canvas by a key, but a new one is visible to nobody: it is made empty, its id kept in a row, and only
then written and shown to the channel, which can be repeated. A lost answer leaves an empty canvas that nobody sees.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from bot.errors import DependencyFailed
from bot.slack import blocks, canvas_text, messages
from bot.slack import canvas_words as words
from bot.slack.posting import BROKEN_TOKEN, raise_for
from bot.slack.rows import CANVAS, Known, record_beside
from bot.slack.scheduler import Done, Refused, Scheduler
from bot.store import schema as t
from bot.store.database import Database, Tx, by_id
from bot.store.leases import Claim
from bot.store.surface_tables import canvas
from bot.types import Json

log = structlog.get_logger()

GIVE_UP_S = 600.0  # a report that no canvas takes for so long is posted
TITLE_MAX = 120
GONE = "canvas_not_found"  # somebody deleted it


@dataclass(frozen=True)
class Report:
    """What a canvas is to show, and which canvas that is."""

    team: str
    channel: str
    of: str  # the automation's id, or the run's
    title: str
    markdown: str
    done_at: float
    requester: str

    @property
    def mine(self) -> ColumnElement[bool]:
        """The canvas's row."""
        return and_(canvas.c.team_id == self.team, canvas.c.channel == self.channel, canvas.c.of == self.of)


class NoCanvas(Exception):
    """Slack refuses; the argument is its error."""


class Canvases:
    """Writes the canvases of reports; everything but making one can be repeated."""

    def __init__(self, db: Database, scheduler: Scheduler) -> None:
        self.db, self.scheduler = db, scheduler
        self._workspaces: dict[str, str] = {}  # team -> its address

    async def keep(self, claim: Claim, known: Known) -> None:
        """Show the report of a run that is done in its canvas, and keep where that is, or why there is none.

        Raises DependencyFailed when it must be tried again, within a bound.
        """
        report = await self.db.read(lambda c: _report(c, known))
        await self.db.write(lambda tx: record_beside(tx, claim, known, CANVAS, {}, "intent"))
        try:
            id = await self._show(claim, report)
            url = f"{await self._workspace(report.team)}/docs/{report.team}/{id}"
            result: Json = {"url": url, "title": report.title}
        except NoCanvas as error:
            log.warning("a report is posted, for it has no canvas", run=claim.run_id, why=str(error))
            result = {"why": str(error)}
        except DependencyFailed:
            if self.db.now() < report.done_at + GIVE_UP_S:
                raise
            result = {"why": words.NO_ANSWER}
        await self.db.write(lambda tx: record_beside(tx, claim, known, CANVAS, result))

    async def _show(self, claim: Claim, report: Report) -> str:
        """Write the report over what its canvas showed; returns the canvas's id."""
        for _ in range(2):
            row = await self.db.read(lambda c: _row(c, report)) or await self._make(claim, report)
            if not await self.db.write(lambda tx: _newest(tx, claim, report)):
                return str(row["id"])  # a later report is there already
            try:
                await self._write(report, row["id"])
                if not row["shared"]:
                    await self._share(claim, report, row["id"])
                return str(row["id"])
            except NoCanvas as error:
                if str(error) != GONE:
                    raise
            await self.db.write(lambda tx, gone=row["id"]: _forget(tx, claim, report, gone))  # type: ignore[misc]
        raise NoCanvas(GONE)

    async def _make(self, claim: Claim, report: Report) -> Any:
        made = await self._call(report.team, "canvases.create", {"title": report.title})
        return await self.db.write(lambda tx: _made(tx, claim, report, str(made["canvas_id"])))

    async def _write(self, report: Report, id: str) -> None:
        content = {"type": "markdown", "markdown": report.markdown}
        change = {"operation": "replace", "document_content": content}
        await self._call(report.team, "canvases.edit", {"canvas_id": id, "changes": [change]})

    async def _share(self, claim: Claim, report: Report, id: str) -> None:
        """Let those read it who read the channel; Slack takes people in place of a direct conversation."""
        direct = report.channel.startswith("D")
        readers = {"user_ids": [report.requester]} if direct else {"channel_ids": [report.channel]}
        given = {"canvas_id": id, "access_level": "read", **readers}
        told = await self._call(report.team, "canvases.access.set", given)
        if told.get("failed_to_update_channel_ids") or told.get("failed_to_update_user_ids"):
            raise NoCanvas("access_denied")
        await self.db.write(lambda tx: _shared(tx, claim, report))

    async def _workspace(self, team: str) -> str:
        if team not in self._workspaces:
            told = await self._call(team, "auth.test", {})
            self._workspaces[team] = str(told["url"]).rstrip("/")
        return self._workspaces[team]

    async def _call(self, team: str, method: str, payload: Json) -> Json:
        """What Slack answered. Raises NoCanvas when it refused, DependencyFailed when it may be tried again."""
        outcome = await self.scheduler.call(team, method, payload)
        if isinstance(outcome, Done):
            return outcome.data
        # Without the scope there are no canvases; with a broken token there is no post either.
        if isinstance(outcome, Refused) and (outcome.error == "missing_scope" or outcome.error not in BROKEN_TOKEN):
            raise NoCanvas(outcome.error)
        raise_for(outcome)
        raise DependencyFailed("Slack did not answer.")


# -- rows ------------------------------------------------------------------------------------------------------------


def _report(connection: Connection, known: Known) -> Report:
    run, automation = known.run, known.run["automation_id"]
    row = by_id(connection, t.automation, automation) if automation else None
    zone = row["zone"] if row is not None else "UTC"
    when = datetime.datetime.fromtimestamp(run["finished_at"], ZoneInfo(zone))
    schedule = row["words"] if row is not None else ""
    about = row["request"] if row is not None else messages.topic(known.view.run)
    title = f"{about[0].upper()}{about[1:]}{f', {schedule}' if schedule else ''}"
    first = words.made(f"{when:%A %d %B %Y, %H:%M} ({zone})", schedule, run["offline"])
    return Report(
        team=run["team_id"], channel=run["channel"], of=automation or run["id"],
        title=messages.cut(" ".join(title.split()), TITLE_MAX),
        markdown=f"*{first}*\n\n{canvas_text.markdown(blocks.answer(known.view))}", done_at=run["finished_at"],
        requester=run["requester"],
    )  # fmt: skip


def _row(connection: Connection, report: Report) -> Any:
    return connection.execute(select(canvas).where(report.mine)).mappings().first()


def _made(tx: Tx, claim: Claim, report: Report, id: str) -> Any:
    """Keep the new canvas, unless another run of the same schedule was first; then that one is used."""
    tx.fence(claim.agent_id, claim.epoch)
    tx.add(canvas, team_id=report.team, channel=report.channel, of=report.of, id=id, shared=False, shown_at=0.0)
    return _row(tx.connection, report)


def _newest(tx: Tx, claim: Claim, report: Report) -> bool:
    """Whether no later report was written, or is about to be; from now on this one is."""
    tx.fence(claim.agent_id, claim.epoch)
    mine = update(canvas).where(report.mine, canvas.c.shown_at <= report.done_at)
    return tx.execute(mine.values(shown_at=report.done_at)).rowcount > 0


def _shared(tx: Tx, claim: Claim, report: Report) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    tx.execute(update(canvas).where(report.mine).values(shared=True))


def _forget(tx: Tx, claim: Claim, report: Report, id: str) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    tx.execute(delete(canvas).where(report.mine, canvas.c.id == id))
