"""Picks decisions, open questions, action items and busy threads out of a channel's messages, each with its link.

Arguments: messages ({ts, user, text, permalink, thread_ts}). Answers with the summary, at most twelve lines.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from typing import Any

Message = dict[str, Any]
DECIDED = re.compile(r"(?i)\b(decided|decision|we (?:have )?agreed?|agreed|approved|we (?:will )?go with|settled)\b")
ACTION = re.compile(r"(?i)\b(I will|I'll|will do|I take|please|todo|action item|can you|could you)\b")
PER_SECTION = {"Decided": 4, "Open questions": 3, "To do": 3, "Busy threads": 2}
MOST_LINES = 12
QUOTE = 140


def main() -> None:
    """Reads the arguments and prints the answer."""
    messages = [m for m in json.loads(sys.stdin.read() or "{}").get("messages") or [] if words(m)]
    messages.sort(key=lambda m: float(m["ts"]))
    answer = {"ok": True, "files": [], "figures": [], "findings": [], "checks": [], "summary": digest(messages)}
    print(json.dumps(answer, ensure_ascii=False))


def digest(messages: list[Message]) -> str:
    """The text of the digest."""
    if not messages:
        return "Nothing was said in this channel in that time."
    taken: set[str] = set()
    sections = []
    for title, candidates in (
        ("Decided", [m for m in reversed(messages) if DECIDED.search(words(m)) and "?" not in words(m)]),
        ("Open questions", [m for m in reversed(messages) if is_open_question(m, messages)]),
        ("To do", [m for m in reversed(messages) if ACTION.search(words(m))]),
        ("Busy threads", busiest(messages)),
    ):
        chosen = [m for m in candidates if m["ts"] not in taken][: PER_SECTION[title]]
        taken |= {m["ts"] for m in chosen}
        sections += [f"• {title}: [{quote(m)}]({m['permalink']})" for m in chosen]
    if not sections:
        latest = messages[-3:]
        sections = [f"• [{quote(m)}]({m['permalink']})" for m in latest]
    return "\n".join(sections[:MOST_LINES])


def words(message: Message) -> str:
    """A message's text without Slack's markup for people, channels and links."""
    text = re.sub(r"<(?:@|#|!)[^>|]*\|?([^>]*)>", r"\1", str(message.get("text") or ""))
    text = re.sub(r"<(?:https?|mailto):[^>|]*\|([^>]*)>", r"\1", text)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", text)).strip()


def quote(message: Message) -> str:
    """The beginning of a message as link text."""
    text = words(message).replace("[", "(").replace("]", ")")
    return text if len(text) <= QUOTE else text[:QUOTE].rsplit(" ", 1)[0] + " …"


def thread(message: Message) -> str:
    """The first message of the thread a message belongs to."""
    return str(message.get("thread_ts") or message["ts"])


def is_open_question(message: Message, messages: list[Message]) -> bool:
    """A question with no later message of somebody else in its thread."""
    if not words(message).rstrip(" )!").endswith("?"):
        return False
    later = [m for m in messages if thread(m) == thread(message) and float(m["ts"]) > float(message["ts"])]
    return all(m["user"] == message["user"] for m in later)


def busiest(messages: list[Message]) -> list[Message]:
    """First messages of the threads with the most replies, two or more."""
    replies = Counter(thread(m) for m in messages if thread(m) != str(m["ts"]))
    first = {str(m["ts"]): m for m in messages}
    return [first[ts] for ts, count in replies.most_common() if count > 1 and ts in first]


if __name__ == "__main__":
    main()
