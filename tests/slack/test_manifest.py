"""The manifest is what the code listens to and calls, valid for Slack, and asks for no more than that."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from bot.mcp import manifest_entry
from bot.slack import budgets, listeners, manifest, scheduler
from tests.slack.harness import app_of

ROOT = Path(__file__).parents[2]
TOLD = manifest.manifest()
SCHEMA = json.loads((Path(__file__).parent / "data" / "manifest.schema.1.0.0.json").read_text())
SCOPES = TOLD["oauth_config"]["scopes"]
BOT_EVENTS = TOLD["settings"]["event_subscriptions"]["bot_events"]


def test_the_file_is_what_the_code_says():
    assert (ROOT / "manifest.yml").read_text() == manifest.text(), "run: cadre manifest --write"
    assert yaml.safe_load(manifest.text()) == TOLD


def test_the_manifest_is_valid_by_slacks_schema():
    jsonschema.Draft7Validator(SCHEMA).validate(TOLD)


@pytest.mark.parametrize(
    "broken",
    [
        {"features": {**TOLD["features"], "slash_commands": [{"command": "cadre", "description": "no slash"}]}},
        {"features": {**TOLD["features"], "shortcuts": [{"name": "x" * 80, "type": "global", "callback_id": "a"}]}},
        {"settings": {**TOLD["settings"], "unheard_of": True}},
    ],
)
def test_the_schema_can_say_no(broken):
    assert not jsonschema.Draft7Validator(SCHEMA).is_valid({**TOLD, **broken})


def test_an_agent_app_has_a_bot_user_and_a_messages_tab():
    assert TOLD["features"]["bot_user"]["display_name"] == "cadre"
    assert TOLD["features"]["app_home"]["messages_tab_enabled"]


def test_what_is_declared_is_what_the_app_listens_to(tmp_path):
    """By asking the app itself: each declared event, command and shortcut has a listener that is not the catch-all."""
    app = app_of(tmp_path)
    heard = {one.ack_function.__name__ for one in app._async_listeners}
    assert {"event", "command", "shortcut", "form", "press"} <= heard
    assert {name.split(".")[0] for name in BOT_EVENTS} == set(listeners.EVENTS)
    assert {one["command"] for one in TOLD["features"]["slash_commands"]} == set(listeners.COMMANDS)
    assert {one["callback_id"]: one["type"] for one in TOLD["features"]["shortcuts"]} == listeners.SHORTCUTS


def test_no_scope_is_asked_for_that_nothing_needs():
    asked = {*SCOPES["bot"], *SCOPES["bot_optional"]}
    assert asked == manifest.scopes()
    for scope in asked - {"commands"}:
        assert any(scope in manifest.NEEDS[name] for name in (*manifest.calls(), *manifest.events())), scope


def test_a_call_is_found_wherever_the_surface_makes_it():
    """The generator's own oracle: a search by eye for the methods that the scheduler is given."""
    named = set()
    for path in (ROOT / "bot" / "slack").glob("*.py"):
        if path.name not in ("budgets.py", "manifest.py", "scheduler.py"):
            words = path.read_text().replace("\n", " ").split('"')
            named |= {word for word in words if word in manifest.NEEDS and "." in word}
    assert manifest.calls() == {name for name in named if not name.startswith("message.")}


def test_every_method_called_has_a_budget():
    effectful = manifest.calls() - set(scheduler.READS)
    assert effectful <= set(budgets.PER_MINUTE)


def test_cadre_is_told_of_as_a_server_where_slack_can_reach_it():
    entry = manifest_entry("https://cadre.example.com")
    assert manifest.manifest(entry)["mcp_servers"]["cadre"]["url"] == "https://cadre.example.com/mcp"
    assert manifest_entry("http://127.0.0.1:8080") == {} and "mcp_servers" not in manifest.manifest({})
