"""The only writer to a run's thread: follows the journal and owns its posts, plan card, files, canvas and status."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import update

from bot.errors import DependencyFailed, OperatorMustFix
from bot.slack import answers, blocks, notices
from bot.slack.blocks import Post
from bot.slack.canvases import Canvases
from bot.slack.files import Attachment, Files
from bot.slack.posting import Poster, Unreachable
from bot.slack.rows import FILES, Known, give_up, glance, known, op_of
from bot.slack.scheduler import Done, Priority, Scheduler
from bot.slack.sessions import Sessions
from bot.store import schema as t
from bot.store.database import Database
from bot.store.leases import Claim
from bot.types import Json, RunStatus

UPDATE_EVERY_S = 1.5  # between two updates of a card while its run works


class ThreadWriter:
    """Activates the rows of kind `thread`, one per run."""

    def __init__(self, db: Database, scheduler: Scheduler, dm_after: float = 300.0) -> None:
        self.db, self.scheduler, self.dm_after = db, scheduler, dm_after
        self._poster = Poster(db, scheduler)
        self._sessions = Sessions(db, scheduler)
        self._files = Files(db, scheduler)
        self._canvases = Canvases(db, scheduler)
        self._shown: dict[str, tuple[Json, float]] = {}  # run -> what a glance saw, and until when that is enough
        self._granted: set[str] = set()  # cards whose turn has come and is not used yet

    async def activate(self, claim: Claim) -> float | None:
        """Bring the thread up to the rows; returns when to look again by product time, or None."""
        now_seen = await self.db.read(lambda connection: glance(connection, claim.run_id))
        seen, until = self._shown.pop(claim.run_id, ({}, 0.0))
        if seen == now_seen and (rest := self._rest(claim, now_seen["team_id"], until)) > 0:
            self._shown[claim.run_id] = (seen, self.db.now() + rest)
            return self.db.now() + rest  # only details changed: reading a long run for each row would add up
        try:
            try:
                due, held = await self._show(claim)
            except Unreachable as error:
                kind = str(error)
                await self.db.write(lambda tx: give_up(tx, claim, kind))
                due, held = await self._show(claim)
            await self._files.bring(claim)
        except (DependencyFailed, OperatorMustFix) as error:
            return self._poster.again(claim.run_id, error)
        self._poster.shown(claim.run_id)
        if not RunStatus(now_seen["status"]).ended:
            self._shown[claim.run_id] = (now_seen, held or self.db.now() + UPDATE_EVERY_S)
        return due

    async def _show(self, claim: Claim) -> tuple[float | None, float | None]:
        """Show what is not shown; returns when to look again, and until when a card's turn is waited for."""
        about = await self.db.read(lambda connection: known(connection, claim.run_id))
        if about.view.run.canvas and about.view.run.status == RunStatus.DONE and not (about.lost or about.canvas):
            await self._canvases.keep(claim, about)
            about = await self.db.read(lambda connection: known(connection, claim.run_id))
        due: list[float] = []
        for post in blocks.render(about.view, about.kind, about.decided, about.lost, about.canvas):
            row = about.posts.get(op_of(claim.run_id, post.key))
            if row is None and post.quiet:
                continue
            if row is None or row["status"] != "done":
                await self._poster.post(claim, about, post, row)
                if post.top:
                    return await self._show(claim)  # the rest belongs into the thread that now exists
            elif row["result"]["sha"] != post.sha:
                later = self._turn(claim, row, post)
                if later > 0:
                    due.append(self.db.now() + later)
                else:
                    await self._poster.update(claim, row, post)
        if not about.run["permalink"] and about.run["thread"] and not about.lost:
            await self._permalink(about.run)
        if RunStatus(about.view.run.status).ended:
            await self._attach(claim, about)
        again = await self._sessions.show(claim, about)
        told = await self._tell(claim, about)
        held = min(due, default=None)
        return min([*due, *(one for one in (again, told) if one)], default=None), held

    async def _tell(self, claim: Claim, about: Known) -> float | None:
        """Tell the requester by direct message what long work needs or has become; returns when to look again."""
        if op_of(claim.run_id, notices.END) not in about.posts and RunStatus(about.view.run.status).ended:
            about = await self.db.read(
                lambda connection: known(connection, claim.run_id)
            )  # with the files, now shared
        posts, due = notices.render(about, self.db.now(), self.dm_after)
        for post in posts:
            row = about.posts.get(op_of(claim.run_id, post.key))
            if row is None or row["status"] != "done":
                await self._poster.post(claim, about, post, row)
            elif row["result"]["sha"] != post.sha:
                await self._poster.update(claim, row, post)
        return due

    def _rest(self, claim: Claim, team: str, until: float) -> float:
        """Seconds for which a run of which only details changed need not be read."""
        card = op_of(claim.run_id, blocks.PLAN)
        if not self.scheduler.in_line(team, "chat.update", card):
            return until - self.db.now()
        rest = self.scheduler.turn(team, "chat.update", card)
        if rest == 0:
            self._granted.add(card)
        return rest

    def _turn(self, claim: Claim, row: Any, post: Post) -> float:
        """Seconds until this update may be made: a card of a run at work waits for its turn among all cards."""
        team, holder = row["team_id"], op_of(claim.run_id, post.key)
        granted = holder in self._granted
        self._granted.discard(holder)
        if not post.held:
            self.scheduler.no_turn(team, "chat.update", holder)
        if granted or not post.held:
            return 0.0
        rest = row["result"]["at"] + UPDATE_EVERY_S - self.db.now()
        return self.scheduler.turn(team, "chat.update", holder, after=max(0.0, rest))

    async def _attach(self, claim: Claim, about: Known) -> None:
        """Put the files of the answer where the answer is: into the thread, or below the private message."""
        channel, ts = about.run["channel"], about.run["thread"]
        if about.lost:
            # with the private message, which may be new
            about = await self.db.read(lambda connection: known(connection, claim.run_id))
            told = about.posts.get(op_of(claim.run_id, "private"), {"result": {}})["result"]
            channel, ts = told.get("channel", ""), told.get("ts", "")
        op = op_of(claim.run_id, FILES)
        if channel and ts:
            in_canvas = about.canvas is not None and about.canvas.url and not about.lost
            whole = b"" if in_canvas else answers.whole(blocks.answer(about.view))
            made = (Attachment(answers.FILE, hashlib.sha256(whole).hexdigest(), whole),) if whole else ()
            await self._files.attach(claim, about.run, about.posts.get(op), op, (channel, ts), made)

    async def _permalink(self, run: Any) -> None:
        payload = {"channel": run["channel"], "message_ts": run["thread"]}
        outcome = await self.scheduler.call(run["team_id"], "chat.getPermalink", payload, priority=Priority.STATUS)
        if isinstance(outcome, Done):
            link = str(outcome.data["permalink"])
            await self.db.write(
                lambda tx: tx.execute(update(t.run).where(t.run.c.id == run["id"]).values(permalink=link))
            )
