"""The channel's own messages, from what Cadre has seen go by: what a digest reads."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select

from bot.policy.gate import Effect
from bot.store.schema import run, seen_message
from bot.tools.base import Args, Outcome, Tool, ToolContext, refused


class ReadChannelArgs(Args):
    since: str = ""  # ISO time; empty: everything seen


class ChannelTool:
    """read_channel: only the channel the request came from, so no one reads what they could not see."""

    def __init__(self, permalink_base: str) -> None:
        self._base = permalink_base

    async def run(self, ctx: ToolContext, args: ReadChannelArgs) -> Outcome:
        try:
            since = datetime.fromisoformat(args.since).timestamp() if args.since else 0.0
        except ValueError:
            return refused(f"{args.since!r} is not an ISO time such as {datetime.now(UTC).isoformat()[:16]}.")
        own = await ctx.db.read(lambda c: c.execute(select(run.c.thread).where(run.c.id == ctx.run_id)).scalar())
        found = await ctx.db.read(
            lambda c: c.execute(
                select(seen_message)
                .where(
                    seen_message.c.team_id == ctx.team,
                    seen_message.c.channel == ctx.channel,
                    seen_message.c.deleted.is_(False),
                    seen_message.c.author != "cadre",
                )
                .order_by(seen_message.c.ts)
            ).all()
        )
        messages = [
            {
                "ts": m.ts,
                "user": m.user,
                "text": m.text,
                "thread_ts": m.thread,
                "permalink": f"{self._base}/archives/{m.channel}/p{m.ts.replace('.', '')}",
            }
            for m in found
            if float(m.ts) >= since and (not own or own not in (m.ts, m.thread))  # a scheduled run has no thread yet
        ]
        return Outcome({"ok": True, "messages": messages, "total": len(messages)})


def channel_tools(permalink_base: str) -> list[Tool]:
    return [
        Tool("read_channel", "Read the messages of the channel that the request came from.", Effect.READ,
             ChannelTool(permalink_base).run, ReadChannelArgs, room=30_000)
    ]  # fmt: skip
