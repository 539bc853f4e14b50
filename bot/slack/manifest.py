"""The Slack app's manifest from what the code listens to and calls: `cadre manifest` writes it."""

from __future__ import annotations

import ast
from pathlib import Path

import yaml

from bot.slack import delegate, listeners, ways_words
from bot.types import Json

FILE = Path(__file__).parents[2] / "manifest.yml"
HEAD = (
    '# The Slack app, as "Create an app from a manifest" takes it. Written by `cadre manifest --write` from what\n'
    "# the code listens to and calls; change the code, not this file.\n"
)
FAMILIES = (
    "agents", "assistant", "auth", "bookmarks", "canvases", "chat", "conversations", "files", "reactions", "team",
    "usergroups", "users", "views",
)  # fmt: skip
# Which scopes a bot token needs, by Slack's method and event pages; a conversation's kind decides which of several.
NEEDS: dict[str, tuple[str, ...]] = {
    "agents.sessions.setStatus": ("chat:write", "assistant:write"),
    "assistant.threads.setStatus": ("chat:write",),
    "assistant.threads.setSuggestedPrompts": ("assistant:write",),
    "auth.test": (),
    "bookmarks.add": ("bookmarks:write",),
    "canvases.access.set": ("canvases:write",),
    "canvases.create": ("canvases:write",),
    "canvases.edit": ("canvases:write",),
    "canvases.sections.lookup": ("canvases:read",),
    "chat.appendStream": ("chat:write",),
    "chat.delete": ("chat:write",),
    "chat.getPermalink": (),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.startStream": ("chat:write",),
    "chat.stopStream": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.canvases.create": ("canvases:write",),
    "conversations.history": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "conversations.info": ("channels:read", "groups:read", "im:read", "mpim:read"),
    "conversations.open": ("im:write",),
    "conversations.replies": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "files.completeUploadExternal": ("files:write",),
    "files.getUploadURLExternal": ("files:write",),
    "files.info": ("files:read",),
    "reactions.add": ("reactions:write",),
    "reactions.remove": ("reactions:write",),
    "usergroups.users.list": ("usergroups:read",),
    "users.info": ("users:read", "users:read.email"),
    "views.open": (),
    "views.publish": (),
    "agent_session_stopped": ("assistant:write",),
    "app_context_changed": (),
    "app_home_opened": (),
    "app_mention": ("app_mentions:read",),
    "member_joined_channel": ("channels:read", "groups:read"),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "message.mpim": ("mpim:history",),
    "reaction_added": ("reactions:read",),
}
KINDS = {"message": ("message.channels", "message.groups", "message.im", "message.mpim")}
# Without the first, reports that should be kept in a canvas are posted. Without the second, rules that name user
# groups give nobody anything, and nobody is let in whom such a rule may deny something.
OPTIONAL = ("canvases:write", "usergroups:read")
COMMANDS = {
    "/cadre": ("Ask Cadre for something; it works in a thread of this channel", "close Q3 2026"),
    "/quarter-close": ("Review a quarter against the forecast, or summarise the last close", "Q3 2026 | summary"),
}
SHORTCUTS = {
    delegate.OF_MESSAGE: ("Delegate this", "Hand this message over, with what counts as done"),
    delegate.ANYWHERE: ("Ask Cadre", "Hand over work, with what counts as done"),
}


def calls() -> set[str]:
    """Every Web API method that the surface's own source names."""
    found: set[str] = set()
    for path in Path(__file__).parent.glob("*.py"):
        if path.name in ("budgets.py", "manifest.py", "scheduler.py"):  # they list methods without calling them
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_method(node.value):
                found.add(node.value)
    return found


def _is_method(text: str) -> bool:
    family, dot, rest = text.partition(".")
    return bool(dot) and family in FAMILIES and rest.replace(".", "").isalpha()


def events() -> list[str]:
    """The subscriptions behind what is listened to."""
    return sorted(name for event in listeners.EVENTS for name in KINDS.get(event, (event,)))


def scopes() -> set[str]:
    """What the bot's token needs for the events and the calls. Raises KeyError for one whose needs are not listed."""
    return {"commands", *(scope for name in (*calls(), *events()) for scope in NEEDS[name])}


def manifest(served: Json | None = None) -> Json:
    """The whole manifest; `served` are the MCP servers that come with the app."""
    needed = scopes()
    return {
        "_metadata": {"major_version": 2 if served else 1},
        "display_information": {
            "name": "Cadre",
            "description": "Works on requests in threads, checks its results by code and asks before it writes.",
            "background_color": "#1f3a5f",
        },
        "features": {
            "agent_view": {
                "agent_description": ways_words.AGENT,
                "suggested_prompts": [{"title": title, "message": told} for title, told in ways_words.PROMPTS],
            },
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": "cadre", "always_online": True},
            "shortcuts": [
                {"name": SHORTCUTS[id][0], "type": kind, "callback_id": id, "description": SHORTCUTS[id][1]}
                for id, kind in listeners.SHORTCUTS.items()
            ],
            "slash_commands": [
                {
                    "command": command,
                    "description": COMMANDS[command][0],
                    "usage_hint": COMMANDS[command][1],
                    "should_escape": True,
                }
                for command in listeners.COMMANDS
            ],
        },
        **({"mcp_servers": served} if served else {}),
        "oauth_config": {
            "scopes": {"bot": sorted(needed - set(OPTIONAL)), "bot_optional": sorted(needed & set(OPTIONAL))}
        },
        "settings": {
            "event_subscriptions": {"bot_events": events()},
            "interactivity": {"is_enabled": True},
            "org_deploy_enabled": False,
            "socket_mode_enabled": True,
            "token_rotation_enabled": False,
        },
    }


def text(served: Json | None = None) -> str:
    """The manifest as its file holds it."""
    told = yaml.safe_dump(manifest(served), sort_keys=False, allow_unicode=True, width=4_000)
    return HEAD + told
