"""`python -m loopback.slack` as a developer of another app uses it."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from test_slack_process import read

README = Path(__file__).parents[2] / "loopback" / "slack" / "README.md"
PATIENCE_S = 60


@contextmanager
def serving(*options):
    """A local Slack in its own process; its addresses."""
    command = [sys.executable, "-m", "loopback.slack", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        try:
            yield json.loads(child.stdout.readline())["slack"]
        finally:
            child.terminate()


def until(holds):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := holds():
            return found
    raise AssertionError("it did not come to that in time")


def test_the_example_of_the_page_answers(tmp_path):
    page = README.read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    with serving() as slack:
        app = tmp_path / "app.py"
        app.write_text(example.replace("http://127.0.0.1:8765/api/", slack["api_url"]), encoding="utf-8")
        with subprocess.Popen([sys.executable, str(app)], stdout=subprocess.DEVNULL) as bot:
            try:
                until(lambda: read(f"{slack['control_url']}/_local/state")["sockets"])
                hello = {"as": "maya", "do": "post", "channel": "general", "text": "@cadre hello"}
                ts = read(f"{slack['control_url']}/_local/act", hello)["ts"]
                thread = f"{slack['control_url']}/_local/thread?channel=general&ts={ts}"
                said = until(lambda: read(thread)["messages"][1:])
            finally:
                bot.terminate()
    assert [one["text"] for one in said] == ["Hello <@UMAYA>"]


def test_the_manifest_names_the_app_and_what_it_offers(tmp_path):
    manifest = tmp_path / "manifest.yml"
    manifest.write_text(
        "features:\n"
        "  bot_user: {display_name: Note Taker}\n"
        "  slash_commands: [{command: /note, description: Take a note}]\n"
        "  shortcuts: [{name: Keep, type: message, callback_id: keep, description: Keep it}]\n"
        "oauth_config: {scopes: {bot: [commands]}}\n",
        encoding="utf-8",
    )
    with serving("--manifest", str(manifest)) as slack:
        state = read(f"{slack['control_url']}/_local/state")
        assert "note-taker" in [one["name"] for one in state["users"]]
        assert [one["command"] for one in state["commands"]] == ["/note"]
        assert [one["callback_id"] for one in state["shortcuts"]] == ["keep"]


def test_rate_limits_are_on_unless_they_are_switched_off():
    for options, expected in (((), True), (("--no-rate-limits",), False)):
        with serving(*options) as slack:
            assert read(f"{slack['control_url']}/_local/app")["rate_limits"] is expected
