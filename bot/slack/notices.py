"""The requester is told by direct message when long work is done, waits for them or is out of budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select, update

from bot.slack import cards
from bot.slack import notice_words as words
from bot.slack.blocks import Post
from bot.slack.cards import Block, context, section
from bot.slack.rows import FILES, Known, op_of
from bot.store import schema as t
from bot.store.database import Tx
from bot.types import Json, RunStatus

HOUR_S, DAY_S = 3_600, 86_400
SNOOZE = "snooze"  # button: put a notice off
END = "notice/end"
MOST = 20  # reminders of one thing
PICTURES = ("png", "jpg", "jpeg", "gif")


def render(known: Known, now: float, after: float) -> tuple[list[Post], float | None]:
    """The notices that there should be at this moment, and when there is to be another. `after` is what long means
    in seconds; 0 means that nobody is told."""
    run = known.view.run
    if not after or run.channel.startswith("D") or known.kind == "schedule" or known.lost or not run.thread_ts:
        return [], None
    posts: list[Post] = []
    due: list[float] = []
    for what, text, still in _things(known):
        long = (run.finished_at or now) - run.created_at >= after
        if not (long or op_of(run.id, f"notice/{what}") in known.posts):
            if still and not run.finished_at:
                due.append(run.created_at + after)
            continue
        made, again = _reminders(known, what, text, still, now)
        posts += made
        due += [again] if again else []
    return posts, min(due, default=None)


def _things(known: Known) -> Iterator[tuple[str, str, bool]]:
    """What could be told: a name, the words, and whether it still concerns the requester."""
    view = known.view
    over = RunStatus(view.run.status).ended
    for one in view.approvals:
        open_still = one.status == "pending" and not over
        told = op_of(view.run.id, f"notice/asked/{one.id}") in known.posts
        if open_still or told:
            yield f"asked/{one.id}", words.asked(view, one) if open_still else words.settled(view), open_still
    if over and (view.run.error or {}).get("kind") not in ("stopped", "rejected"):
        yield "end", words.ended(view), True


def _reminders(known: Known, what: str, text: str, still: bool, now: float) -> tuple[list[Post], float | None]:
    """The first notice and one more after each time that it was put off."""
    posts: list[Post] = []
    since = 0.0
    for number in range(MOST):
        key = f"notice/{what}" + (f"/{number}" if number else "")
        row = known.posts.get(op_of(known.run["id"], key))
        if row is None and (since > now or (number and not still)):
            return posts, since if still else None
        until = float((row["result"] if row is not None else {}).get("snoozed", 0.0))
        posts.append(_notice(known, key, text, still, until))
        if not until:
            break
        since = until
    return posts, None


def _notice(known: Known, key: str, text: str, still: bool, until: float) -> Post:
    run = known.view.run
    blocks: list[Block] = [section(text)]
    picture = _picture(known) if key == END else None
    if picture:
        blocks.append({"type": "image", "slack_file": {"id": picture}, "alt_text": words.PICTURE})
    buttons = [{**cards.button(words.OPEN, "open", {"run": run.id}), "url": run.permalink}] if run.permalink else []
    if still and not until:
        value = {"op": op_of(run.id, key)}
        buttons.append(cards.button(words.SNOOZE_HOUR, f"{SNOOZE}:{HOUR_S}", value))
        buttons.append(cards.button(words.SNOOZE_DAY, f"{SNOOZE}:{DAY_S}", value))
    if buttons:
        blocks.append({"type": "actions", "elements": buttons})
    if still and until:
        blocks.append(context(words.snoozed(until)))
    return Post(key, f"{text}{words.link(run.permalink)}", tuple(blocks), private=True)


def _picture(known: Known) -> str:
    """The first picture among the files of the answer, by Slack's id."""
    row = known.posts.get(op_of(known.run["id"], FILES))
    result: Json = row["result"] if row is not None else {}
    for id, name in zip(result.get("ids", []), result.get("names", []), strict=False):
        if name.rpartition(".")[2].lower() in PICTURES:
            return str(id)
    return ""


def snooze(tx: Tx, op: str, user: str, seconds: int) -> bool:
    """Put a notice off for its requester; False when it is none of theirs."""
    query = select(t.effect.c.result, t.effect.c.run_id, t.run.c.requester).join(
        t.run, t.run.c.id == t.effect.c.run_id
    )
    row: Any = tx.execute(query.where(t.effect.c.op_key == op, t.effect.c.status == "done")).first()
    if row is None or row.requester != user or "/post/notice/" not in op or seconds not in (HOUR_S, DAY_S):
        return False
    result = {**row.result, "snoozed": tx.now() + seconds}
    tx.execute(update(t.effect).where(t.effect.c.op_key == op).values(result=result))
    tx.wake(f"{row.run_id}/_thread")
    return True
