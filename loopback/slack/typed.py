"""What a person types, in the form Slack keeps it: escaped, with mentions, channels and links as `<…>`."""

import re

from loopback.slack.state import Workspace

_KEPT = re.compile(r"<(?:[@#!][^>\s]+(?:\|[^>]*)?|(?:https?://|mailto:)[^>]+)>")
_URL = re.compile(r"https?://[^\s<>]*[^\s<>.,;:!?)\]'\"]")
_NAMED = re.compile(r"(?<![\w@#&./])([@#])([\w][\w.-]*[\w]|\w)", re.UNICODE)
_BARE_AND = re.compile(r"&(?!(?:amp|lt|gt);)")


def typed(text: str, space: Workspace) -> str:
    """The text as kept; what is already in `<…>` form stays, so that doing it twice changes nothing."""
    parts: list[str] = []
    at = 0
    for kept in _KEPT.finditer(text):
        parts += [_plain(text[at : kept.start()], space), kept.group()]
        at = kept.end()
    return "".join([*parts, _plain(text[at:], space)])


def _plain(text: str, space: Workspace) -> str:
    out: list[str] = []
    at = 0
    for url in _URL.finditer(text):
        out += [_named(text[at : url.start()], space), f"<{_escaped(url.group())}>"]
        at = url.end()
    return "".join([*out, _named(text[at:], space)])


def _escaped(text: str) -> str:
    return _BARE_AND.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;")


def _named(text: str, space: Workspace) -> str:
    def linked(found: re.Match[str]) -> str:
        sign, name = found.groups()
        if sign == "@":
            if name in ("here", "channel", "everyone"):
                return f"<!{name}>"
            user = space.user(name) or space.user(name.lower())
            group = space.group(name)
            return f"<@{user}>" if user else f"<!subteam^{group}>" if group else found.group()
        channel = space.channel(name)
        return f"<#{channel.id}|{channel.name}>" if channel and not channel.is_im else found.group()

    return _NAMED.sub(linked, _escaped(text))
