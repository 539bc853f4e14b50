"""Holds the local Slack to the real one: a test in which something travelled that Slack would not send fails.

Stand-ins in this process and in child processes are told by the environment where Slack's recorded samples are and
where to write what does not fit them. Without the samples nothing is checked.
"""

import json
import os
from pathlib import Path

import pytest

from bot import garbage
from bot.slack import lint
from loopback.slack.fidelity import SAMPLES, VIOLATIONS

RECORDED = Path(__file__).parents[2] / "shared" / "data" / "slack-payloads" / "slack-json-samples.zip"


def pytest_configure(config):
    garbage.look_seldom()  # as the product does
    config.addinivalue_line("markers", "sends_wrong: the test calls Slack wrongly on purpose")


@pytest.fixture(scope="session", autouse=True)
def violations(tmp_path_factory):
    """The file that stand-ins write to."""
    path = tmp_path_factory.mktemp("fidelity") / "violations.jsonl"
    path.touch()
    if RECORDED.exists():
        os.environ |= {SAMPLES: str(RECORDED), VIOLATIONS: str(path)}
    return path


@pytest.fixture(autouse=True)
def slack_stays_slack(request, violations):
    """Fails the test that made the local Slack unlike the real one, or called it in a way the real one refuses."""
    before = violations.stat().st_size
    yield
    with violations.open(encoding="utf-8") as file:
        file.seek(before)
        found = [json.loads(line) for line in file]
    if request.node.get_closest_marker("sends_wrong"):
        found = [one for one in found if one["kind"] != "call"]
    assert not found, "unlike Slack:\n" + "\n".join(map(str, found))


@pytest.fixture(autouse=True)
def messages_keep_their_rules(request, monkeypatch):
    """Fails the test in which a message went out that breaks the rules of our own messages."""
    found = []
    monkeypatch.setattr(lint, "report", lambda method, problems: found.extend(f"{method}: {p}" for p in problems))
    yield
    if not request.node.get_closest_marker("sends_wrong"):
        assert found == []
