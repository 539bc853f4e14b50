"""Slack's own markup: words from outside are inert in it, and only what code writes is a link or calls somebody."""

from __future__ import annotations

import re

# What turns the reading direction, and what no screen shows.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_OURS = (
    r"<(?:@[UW][A-Z0-9]{1,30}|#[CGD][A-Z0-9]{1,30}|!date\^\d+\^[^<>|\n]*\|[^<>|\n]*"
    r"|(?:https?://|mailto:)[^<>|\s]+(?:\|[^<>|\n]*)?)>"
)
_OPENED = re.compile(f"(?P<ours>{_OURS})|<")
_WHOLE = re.compile(f"{_OURS}|&(?:lt|gt|amp);")
NOTHING_SEEN = "…"  # in place of words of which no screen shows anything
_PERSON = re.compile(r"[UW][A-Z0-9]{1,30}")
_MENTION = re.compile(r"<(?=[@#!])")


def escape(text: str) -> str:
    """Words from outside as Slack wants them: nothing in them is a link, a mention or a block of their own."""
    plain = _UNSEEN.sub("", text).replace("```", "`\u200b`\u200b`")
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mention(user: str) -> str:
    """A person called by their id; anything else is words."""
    return f"<@{user}>" if _PERSON.fullmatch(user) else escape(user[:80])


def inert(mrkdwn: str) -> str:
    """The last look at every text that goes out: an opening bracket that begins none of what code writes is a
    bracket, so that nothing calls a channel, a group or everybody."""
    return _OPENED.sub(lambda found: found["ours"] or "&lt;", mrkdwn)


def split(text: str, limit: int) -> list[str]:
    """Parts of at most `limit` characters that join to the text again. What is markup is never cut: a link alone may
    be longer.
    """
    parts: list[str] = []
    while len(text) > limit:
        at = text.rfind("\n", 0, limit) + 1 or text.rfind(" ", 0, limit) + 1 or limit
        for found in _WHOLE.finditer(text):
            if found.end() > at:
                at = at if found.start() >= at else found.start() or found.end()
                break
        parts.append(text[:at])
        text = text[at:]
    return [*parts, text] if text or not parts else parts


def quiet(markdown: str) -> str:
    """A text in Markdown that calls nobody."""
    return _MENTION.sub(r"\\<", _UNSEEN.sub("", markdown)) or NOTHING_SEEN


def link(url: str, label: str) -> str:
    """A link whose label is words from outside."""
    safe = url.replace("|", "%7C").replace(">", "%3E").replace("<", "%3C").replace("&", "&amp;")
    safe = re.sub(r"\s", "%20", safe)
    return f"<{safe}|{escape(' '.join(label.split())).replace('|', '¦') or NOTHING_SEEN}>"
