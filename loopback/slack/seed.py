"""What a workspace starts with: people, channels, messages and the app as its manifest declares it."""

import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

BOT_USER = "UCADRE"
BOT_ID = "BCADRE"
APP_ID = "ACADRE"
BOT_TOKEN = "xoxb-local-cadre"
APP_TOKEN = "xapp-local-cadre"
SIGNING_SECRET = "local-signing-secret"
CLIENT_ID = "1000000000.2000000000"
CLIENT_SECRET = "local-client-secret"

DEFAULT_EVENTS = (
    "app_mention",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "member_joined_channel",
    "member_left_channel",
    "reaction_added",
    "reaction_removed",
    "app_home_opened",
    "agent_session_stopped",
    "agent_session_title_changed",
    "app_context_changed",
    "file_shared",
    "pin_added",
    "pin_removed",
    "subteam_created",
    "subteam_updated",
)
DEFAULT_SCOPES = (
    *("app_mentions:read", "assistant:write", "chat:write", "commands"),
    *("channels:history", "channels:join", "channels:manage", "channels:read"),
    *("groups:history", "groups:read", "groups:write", "im:history", "im:read", "im:write"),
    *("mpim:history", "mpim:read", "mpim:write", "dnd:read", "emoji:read"),
    *("files:read", "files:write", "remote_files:read", "remote_files:share", "remote_files:write"),
    *("bookmarks:read", "bookmarks:write", "canvases:read", "canvases:write", "lists:read", "lists:write"),
    *("calls:read", "calls:write", "links:read", "links:write", "pins:read", "pins:write"),
    *("reactions:read", "reactions:write", "usergroups:read", "usergroups:write"),
    *("team.billing:read", "team.preferences:read", "team:read"),
    *("users:read", "users:read.email", "users.profile:read"),
)

SMALL_WORKSPACE: dict[str, Any] = {
    "team": {"id": "T0LOCAL", "name": "Local workspace"},
    "users": [
        {"id": "UMAYA", "name": "maya", "real_name": "Maya Lindqvist", "title": "Finance lead"},
        {"id": "UJONAS", "name": "jonas", "real_name": "Jonas Brandsma", "title": "Controller"},
        {"id": "UPRIYA", "name": "priya", "real_name": "Priya Raman", "title": "Analyst"},
        {"id": "UGUS", "name": "gus", "real_name": "Gus Okafor", "title": "Contractor", "is_restricted": True},
        {"id": "UOLGA", "name": "olga", "real_name": "Olga Novak", "title": "Auditor", "team_id": "T0OTHER"},
        {"id": BOT_USER, "name": "cadre", "real_name": "Cadre", "title": "Assistant", "is_bot": True},
    ],
    "channels": [
        {"id": "CGENERAL", "name": "general", "members": ["UMAYA", "UJONAS", "UPRIYA", BOT_USER]},
        {"id": "CRANDOM", "name": "random", "members": ["UMAYA", "UJONAS", "UPRIYA", BOT_USER]},
        {"id": "CFINANCE", "name": "finance", "members": ["UMAYA", "UJONAS", BOT_USER]},
        {"id": "COPS", "name": "ops", "members": ["UMAYA", "UPRIYA"]},
        {"id": "CPARTNERS", "name": "partners", "members": ["UMAYA", "UGUS", "UOLGA", BOT_USER]},
        {"id": "GBOARD", "name": "board", "members": ["UMAYA", BOT_USER], "is_private": True},
    ],
    "usergroups": [{"id": "SFINANCE", "handle": "finance-team", "name": "Finance", "users": ["UMAYA", "UJONAS"]}],
    "messages": [{"channel": "CGENERAL", "user": "UJONAS", "text": "Good morning.", "ts": "1760000000.000100"}],
}


@dataclass(frozen=True)
class Shortcut:
    """An entry of the lightning menu ("global") or of a message's menu ("message")."""

    callback_id: str
    name: str
    type: str
    description: str = ""


DEFAULT_SHORTCUTS = (Shortcut("delegate", "Delegate this", "message"), Shortcut("ask", "Ask Cadre", "global"))


@dataclass(frozen=True)
class AppDefinition:
    """What the installed app may do and hears of."""

    scopes: frozenset[str] = frozenset(DEFAULT_SCOPES)
    events: frozenset[str] = frozenset(DEFAULT_EVENTS)
    commands: tuple[tuple[str, str], ...] = (("/cadre", "Ask Cadre"),)
    shortcuts: tuple[Shortcut, ...] = DEFAULT_SHORTCUTS
    unfurl_domains: tuple[str, ...] = ()
    is_agent: bool = True
    rotates_tokens: bool = False
    redirect_urls: tuple[str, ...] = ()
    bot_name: str = ""

    @classmethod
    def from_manifest(cls, path: Path) -> "AppDefinition":
        """The app as a Slack manifest declares it."""
        manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
        scopes = manifest.get("oauth_config", {}).get("scopes", {})
        settings = manifest.get("settings", {})
        features = manifest.get("features", {})
        commands = features.get("slash_commands", [])
        shortcuts = features.get("shortcuts", [])
        return cls(
            frozenset([*scopes.get("bot", []), *scopes.get("bot_optional", [])]),
            frozenset(settings.get("event_subscriptions", {}).get("bot_events", [])),
            tuple((one["command"], one.get("description", "")) for one in commands),
            tuple(
                Shortcut(one["callback_id"], one["name"], one["type"], one.get("description", ""))
                for one in shortcuts
            ),
            tuple(features.get("unfurl_domains", [])),
            "agent_view" in features or "assistant_view" in features,
            bool(settings.get("token_rotation_enabled")),
            tuple(manifest.get("oauth_config", {}).get("redirect_urls", [])),
            features.get("bot_user", {}).get("display_name", ""),
        )


def load_workspace(path: Path) -> dict[str, Any]:
    """A workspace.json."""
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def with_bot(workspace: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The workspace with its app called `name`."""
    called = {"name": re.sub(r"[^\w.-]+", "-", name.lower()), "real_name": name}
    users = [one | called if one["id"] == BOT_USER else one for one in workspace["users"]]
    return {**workspace, "users": users}


def with_export(workspace: Mapping[str, Any], export: Path) -> dict[str, Any]:
    """The workspace with a Slack export's people, channels and messages added; the bot joins each channel."""
    users = {user["id"]: user for user in workspace["users"]}
    channels = {channel["id"]: channel for channel in workspace["channels"]}
    messages = list(workspace.get("messages", []))
    with zipfile.ZipFile(export) as archive:
        names = archive.namelist()
        for user in json.loads(archive.read(_ending(names, "users.json"))):
            users.setdefault(user["id"], _person(user))
        rooms = json.loads(archive.read(_ending(names, "channels.json")))
        for channel in rooms:
            members = [*channel.get("members", []), *(id for id in (BOT_USER, *_hosts(workspace)) if id in users)]
            topic = channel.get("topic") or {}
            channels[channel["id"]] = {
                "id": channel["id"],
                "name": channel["name"],
                "topic": topic.get("value", "") if isinstance(topic, dict) else topic,
                "members": list(dict.fromkeys(members)),
            }
            pages = re.compile(rf"(?:^|/){re.escape(channel['name'])}/[^/]+\.json$")
            for name in filter(pages.search, names):
                messages += [
                    {**one, "channel": channel["id"]} for one in json.loads(archive.read(name)) if "ts" in one
                ]
    return {**workspace, "users": [*users.values()], "channels": [*channels.values()], "messages": messages}


def _hosts(workspace: Mapping[str, Any]) -> list[str]:
    """The workspace's own people, so that someone can ask about the exported channels."""
    return [user["id"] for user in workspace["users"] if not user.get("is_bot")]


def _ending(names: list[str], wanted: str) -> str:
    for name in names:
        if name == wanted or name.endswith("/" + wanted):
            return name
    raise ValueError(f"the Slack export has no {wanted}")


def _person(user: Mapping[str, Any]) -> dict[str, Any]:
    profile = user.get("profile") or {}
    return {
        "id": user["id"],
        "name": user.get("name") or user["id"].lower(),
        "real_name": user.get("real_name") or profile.get("real_name") or user.get("name") or user["id"],
        "title": profile.get("title", ""),
        "is_bot": bool(user.get("is_bot")),
    }
