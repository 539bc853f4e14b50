"""Brings a requester the links that are theirs alone, in a direct message, each once.

Once a link has served, its message says so and leads nowhere any more.
"""

from __future__ import annotations

from bot.errors import DependencyFailed, OperatorMustFix
from bot.slack import messages
from bot.slack.blocks import Post
from bot.slack.cards import Block, context, section
from bot.slack.mrkdwn import link
from bot.slack.posting import Poster
from bot.slack.rows import known, op_of
from bot.slack.scheduler import Scheduler
from bot.store import links
from bot.store.database import Database
from bot.store.leases import Claim
from bot.store.links import Link
from bot.store.vault import Vault

OVER = {
    "answered": "Done: the work in the thread goes on.",
    "expired": "Nobody used this link in time.",
    "void": "The work this was for has ended.",
}


class PrivateLinks:
    """Activates the rows of kind `private`, one per run that has such links."""

    def __init__(self, db: Database, scheduler: Scheduler, vault: Vault, base_url: str) -> None:
        self._db, self._vault, self._base_url = db, vault, base_url
        self._poster = Poster(db, scheduler)

    async def activate(self, claim: Claim) -> float | None:
        """Bring the messages up to the rows; returns when to try again by product time, or None."""
        found = await self._db.read(lambda c: links.of_run(c, self._vault, claim.run_id))
        try:
            for one, status in found:
                about = await self._db.read(lambda c: known(c, claim.run_id))
                post = self._post(one, status)
                row = about.posts.get(op_of(claim.run_id, post.key))
                if row is not None and row["status"] == "done":
                    if row["result"]["sha"] != post.sha:
                        await self._poster.update(claim, row, post)
                elif row is not None or status == "pending":
                    await self._poster.post(claim, about, post, row)
        except (DependencyFailed, OperatorMustFix) as error:
            return self._poster.again(claim.run_id, error)
        self._poster.shown(claim.run_id)
        return None

    def _post(self, one: Link, status: str) -> Post:
        text, blocks = self._words(one, status)
        return Post(f"private/{one.approval_id}", text, tuple(blocks), private=True)

    def _words(self, one: Link, status: str) -> tuple[str, list[Block]]:
        server, host = messages.escape(one.server), messages.escape(one.host)
        if status != "pending":
            text = f"*{server}*: {OVER.get(status, OVER['void'])}"
            return text, [section(text)]
        address = f"{self._base_url}{links.PATH}{one.ticket}"
        if one.state:
            text = f"Cadre needs your own account at *{server}* for what you asked. "
            text += link(address, f"Connect it at {one.host}")
            hint = "For you alone: do not pass this link on. Cadre uses the account for your requests only."
        else:
            text = f"*{server}* asks you to visit a page at {host}. {link(address, 'See where it leads')}"
            hint = "The address comes from the connected server. Then answer in the thread that you went there."
        return text, [section(text), context(hint)]
