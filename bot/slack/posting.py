"""Makes each message visible exactly once, and keeps it current.

Slack has no idempotency key. So: intent row, post with the operation's key as metadata, result row; whatever is
unclear is looked up before anything is posted again, and every later change of a message is a repeatable update.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from bot.errors import DependencyFailed, OperatorMustFix
from bot.slack import answers, messages
from bot.slack.blocks import Post
from bot.slack.rows import Known, intend, op_of, record
from bot.slack.scheduler import Done, NotSent, Outcome, Priority, Refused, Scheduler, Unclear
from bot.store.database import Database
from bot.store.leases import Claim
from bot.types import Json

log = structlog.get_logger()

SETTLE_S = 0.75  # how long Slack may take to show what it accepted
RETRY_S = 1.0
ATTEMPTS = 3  # at one message in one activation
PAGE, PAGES_MAX = 200, 10
EARLIER_S = 600.0  # before the time of ours from which on a post is looked for: clocks differ
UPDATE_TEXT_MAX = 3_900  # chat.update refuses more than 4,000
AGAIN_MAX_S = 60.0  # between two tries while Slack refuses
GIVE_UP_S = 600.0  # a place that refuses for so long is given up
BROKEN_TOKEN = (
    "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope",
    "not_allowed_token_type", "org_login_required", "ekm_access_denied", "team_access_not_granted",
)  # fmt: skip
TOO_MUCH = ("invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "too_many_attachments")


class Unreachable(Exception):
    """Nothing can be posted where the request came from; the argument is Slack's error."""


class Poster:
    """Posts and updates the messages of runs."""

    def __init__(self, db: Database, scheduler: Scheduler) -> None:
        self.db, self.scheduler = db, scheduler
        self._refused: dict[str, float] = {}  # run -> since when its place refuses
        self._tries: dict[str, int] = {}  # run -> how often in a row it could not be shown

    def again(self, run_id: str, error: DependencyFailed | OperatorMustFix) -> float:
        """When to try again to show a run. Slack's refusal ends no run: somebody mends it, sooner or later."""
        wait = error.retry_after if isinstance(error, DependencyFailed) else None
        if wait is None:
            tries = self._tries[run_id] = self._tries.get(run_id, 0) + 1
            wait = min(RETRY_S * 2.0 ** min(tries - 1, 10), AGAIN_MAX_S)
        say = log.warning if isinstance(error, DependencyFailed) else log.error
        say("a run is not shown for now", run=run_id, why=str(error), again_in_s=wait)
        return self.db.now() + wait

    def shown(self, run_id: str) -> None:
        """A run is shown whole: whatever stood in the way is over."""
        self._refused.pop(run_id, None)
        self._tries.pop(run_id, None)

    async def post(self, claim: Claim, known: Known, post: Post, row: Any) -> None:
        """Make one message visible that is not known to be so. `row` is what an earlier attempt left, or None.

        Raises Unreachable when the place is gone, DependencyFailed when it must be tried again.
        """
        place = await self._place(known, post)
        unclear = row is not None
        for _ in range(ATTEMPTS):
            if unclear and await self._adopt(claim, known, post, place):
                return  # an earlier attempt got through
            await self.db.write(lambda tx: intend(tx, claim, known, post.key, post.sha, place["channel"]))
            outcome = await self._send(known, op_of(claim.run_id, post.key), post, place)
            if not isinstance(outcome, Unclear):
                break
            log.info("a post's answer was lost; looking it up", op=post.key, why=outcome.reason)
            unclear = True
        if isinstance(outcome, Done):
            await self._posted(claim, post, place, str(outcome.data["ts"]))
            return
        if isinstance(outcome, Refused) and not post.private and self._out_of_bounds(claim.run_id, outcome.error):
            raise Unreachable(messages.OUT_OF_BOUNDS)
        if isinstance(outcome, Refused) and post.private and outcome.error not in BROKEN_TOKEN:
            log.error("the requester cannot be told", run=claim.run_id, why=outcome.error)
            await self._posted(claim, post, place, "")
            return
        raise_for(outcome)

    async def update(self, claim: Claim, row: Any, post: Post) -> None:
        """Bring a visible message up to date; repeating it changes nothing."""
        result = row["result"]
        if not result["ts"]:
            return
        text = messages.brief(post.text, UPDATE_TEXT_MAX)
        payload = {"channel": result["channel"], "ts": result["ts"], "text": text, "blocks": list(post.blocks)}
        outcome = await self._drawn(row["team_id"], "chat.update", payload, post, key=result["ts"])
        if isinstance(outcome, Refused) and outcome.error not in BROKEN_TOKEN:
            log.warning("a message cannot be updated", post=post.key, why=outcome.error)
        elif not isinstance(outcome, Done):
            raise_for(outcome)
        told = {**result, "sha": post.sha, "at": self.db.now()}
        await self.db.write(lambda tx: record(tx, claim, post, told))

    async def _send(self, known: Known, op: str, post: Post, place: Json) -> Outcome:
        payload = {
            **place,
            "text": post.text,
            "blocks": list(post.blocks),
            "metadata": {"event_type": "cadre_post", "event_payload": {"op": op, "sha": post.sha}},
            "unfurl_links": False,
            "unfurl_media": False,
        }
        return await self._drawn(known.run["team_id"], "chat.postMessage", payload, post)

    async def _drawn(self, team: str, method: str, payload: Json, post: Post, key: str = "") -> Outcome:
        """Make the call; what Slack refuses to draw goes with tables and charts as text, then as the text alone."""
        call, blocks = self.scheduler.call, payload["blocks"]
        outcome = await call(team, method, payload, priority=_priority(post), key=key)
        plainer = answers.plainer(blocks)
        if isinstance(outcome, Refused) and outcome.error in TOO_MUCH and plainer != blocks:
            log.warning("slack refused a table or a chart; showing it as text", post=post.key, why=outcome.error)
            outcome = await call(team, method, {**payload, "blocks": plainer}, priority=_priority(post), key=key)
        if isinstance(outcome, Refused) and outcome.error in TOO_MUCH:
            log.error("slack refused the blocks; showing the text alone", post=post.key, why=outcome.error)
            outcome = await call(team, method, {**payload, "blocks": []}, priority=_priority(post), key=key)
        return outcome

    def _out_of_bounds(self, run_id: str, error: str) -> bool:
        """Whether a place has refused for so long, with no word about the token, that nothing more is to come."""
        if error in BROKEN_TOKEN or error in messages.UNREACHABLE:
            return False
        return self.db.now() >= self._refused.setdefault(run_id, self.db.now()) + GIVE_UP_S

    async def _place(self, known: Known, post: Post) -> Json:
        if post.private:
            opened = await self.scheduler.call(
                known.run["team_id"], "conversations.open", {"users": known.run["requester"]}
            )
            if isinstance(opened, Done):
                return {"channel": opened.data["channel"]["id"]}
            if not isinstance(opened, Refused):
                raise_for(opened)
            return {"channel": known.run["requester"]}
        if post.top:
            return {"channel": known.run["channel"]}
        return {"channel": known.run["channel"], "thread_ts": known.run["thread"]}

    async def _posted(self, claim: Claim, post: Post, place: Json, ts: str) -> None:
        now = self.db.now()
        result = {"ts": ts, "sha": post.sha, "at": now, "posted": now, "channel": place["channel"]}
        await self.db.write(lambda tx: record(tx, claim, post, result))

    async def _adopt(self, claim: Claim, known: Known, post: Post, place: Json) -> bool:
        """Find what an earlier attempt left: keep the oldest, delete younger twins."""
        op = op_of(claim.run_id, post.key)
        found = await self._find(known, op, place)
        if not found:
            await asyncio.sleep(SETTLE_S)
            found = await self._find(known, op, place)
        for twin in found[1:]:
            payload = {"channel": place["channel"], "ts": twin["ts"]}
            await self.scheduler.call(known.run["team_id"], "chat.delete", payload)
        if not found:
            return False
        await self._posted(claim, post, place, found[0]["ts"])
        if _told(found[0]).get("sha") != post.sha:  # what it should say by now is another matter
            row = {"result": {"ts": found[0]["ts"], "channel": place["channel"]}, "team_id": known.run["team_id"]}
            await self.update(claim, row, post)
        return True

    async def _find(self, known: Known, op: str, place: Json) -> list[Json]:
        return await find(self.scheduler, known.run["team_id"], op, place, since=known.run["created_at"] - EARLIER_S)


async def find(scheduler: Scheduler, team: str, op: str, place: Json, *, since: float) -> list[Json]:
    """Messages that carry this operation's key, oldest first. Raises as `raise_for` when Slack does not say."""
    method, query = "conversations.history", {"channel": place["channel"], "limit": PAGE}
    if "thread_ts" in place:
        method, query = "conversations.replies", {**query, "ts": place["thread_ts"]}
    else:
        query["oldest"] = f"{since:.6f}"
    found: list[Json] = []
    for _ in range(PAGES_MAX):
        outcome = await scheduler.call(team, method, {**query, "include_all_metadata": True})
        if not isinstance(outcome, Done):
            raise_for(outcome)
            break
        found += [message for message in outcome.data.get("messages", []) if _told(message).get("op") == op]
        cursor = (outcome.data.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            break
        query["cursor"] = cursor
    return sorted(found, key=lambda message: float(message["ts"]))


def raise_for(outcome: Outcome) -> None:
    """An outcome that is no answer, as the error of whoever must act."""
    if isinstance(outcome, Refused):
        if outcome.error in messages.UNREACHABLE:
            raise Unreachable(outcome.error)
        if outcome.error in BROKEN_TOKEN:
            raise OperatorMustFix(messages.BROKEN_TOKEN.format(error=outcome.error))
        raise OperatorMustFix(f"Slack refused: {outcome.error}.")
    wait = outcome.retry_after if isinstance(outcome, NotSent) else RETRY_S
    raise DependencyFailed(f"Slack did not answer: {outcome}", retry_after=wait)


def _priority(post: Post) -> Priority:
    if post.key.startswith("approval/") or post.key in ("header", "ack"):  # somebody looks at the thread now
        return Priority.URGENT
    return Priority.UPDATE if post.held else Priority.RESULT


def _told(message: Json) -> Json:
    """What a post of ours says about itself."""
    return (message.get("metadata") or {}).get("event_payload") or {}
