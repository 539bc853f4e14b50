"""The manifest is valid for Slack and asks for exactly what the code listens to and calls."""

import json
import re
from pathlib import Path

import jsonschema
import yaml

from bot.slack import listeners, scheduler

ROOT = Path(__file__).parents[2]
MANIFEST = yaml.safe_load((ROOT / "manifest.yml").read_text())
SCHEMA = json.loads((Path(__file__).parent / "data" / "manifest.schema.1.0.0.json").read_text())
BOT_EVENTS = set(MANIFEST["settings"]["event_subscriptions"]["bot_events"])
SCOPES = set(MANIFEST["oauth_config"]["scopes"]["bot"])

# Which scopes a bot token needs, by Slack's method and event pages; a conversation's kind decides which of several.
NEEDS = {
    "agents.sessions.setStatus": {"chat:write", "assistant:write"},
    "assistant.threads.setStatus": {"chat:write"},
    "auth.test": set(),
    "chat.delete": {"chat:write"},
    "chat.getPermalink": set(),
    "chat.postEphemeral": {"chat:write"},
    "chat.postMessage": {"chat:write"},
    "chat.update": {"chat:write"},
    "conversations.history": {"channels:history", "groups:history", "im:history"},
    "conversations.info": {"channels:read", "groups:read", "im:read"},
    "conversations.open": {"im:write"},
    "conversations.replies": {"channels:history", "groups:history", "im:history"},
    "files.completeUploadExternal": {"files:write"},
    "files.getUploadURLExternal": {"files:write"},
    "files.info": {"files:read"},
    "views.publish": set(),
    "agent_session_stopped": {"assistant:write"},
    "app_home_opened": set(),
    "app_mention": {"app_mentions:read"},
    "member_joined_channel": {"channels:read", "groups:read"},
    "message.channels": {"channels:history"},
    "message.groups": {"groups:history"},
    "message.im": {"im:history"},
}


def methods_called() -> set[str]:
    """Every Web API method named in the surface's source."""
    named = r"\"((?:agents|assistant|auth|chat|conversations|files|reactions|team|users|views)\.[a-zA-Z.]+)\""
    found: set[str] = set()
    for path in (ROOT / "bot" / "slack").glob("*.py"):
        if path.name != "scheduler.py":
            found |= set(re.findall(named, path.read_text()))
    return found


def test_the_manifest_is_valid_by_slacks_schema():
    jsonschema.Draft7Validator(SCHEMA).validate(MANIFEST)


def test_an_agent_app_has_a_bot_user_and_a_messages_tab():
    assert MANIFEST["features"]["bot_user"]["display_name"] == "cadre"
    assert MANIFEST["features"]["app_home"]["messages_tab_enabled"]


def test_every_event_listened_to_is_subscribed_and_no_other():
    listened = re.findall(r"app\.event\(\"([a-z_]+)\"\)", Path(listeners.__file__).read_text())
    assert {event.split(".")[0] for event in BOT_EVENTS} == set(listened)


def test_every_command_listened_to_is_declared_and_no_other():
    declared = {command["command"] for command in MANIFEST["features"]["slash_commands"]}
    assert declared == set(listeners.COMMANDS)


def test_buttons_and_socket_mode_are_switched_on():
    assert MANIFEST["settings"]["interactivity"]["is_enabled"] and MANIFEST["settings"]["socket_mode_enabled"]


def test_the_scopes_are_what_methods_and_events_need_and_no_more():
    used = {*methods_called(), *BOT_EVENTS}
    assert not used - set(NEEDS), "a method or event whose scopes are not listed here"
    assert set().union(*(NEEDS[name] for name in used)) | {"commands"} == SCOPES


def test_every_method_called_has_a_budget():
    effectful = methods_called() - set(scheduler.READS)
    assert effectful <= set(scheduler.PER_MINUTE)
