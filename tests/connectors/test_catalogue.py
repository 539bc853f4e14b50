"""The catalogue's entries are configurations that the host takes, and its page tells of each."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from connectors.mcp.config import read_config

DOCS = Path(__file__).parents[2] / "docs"
ENTRIES = json.loads((DOCS / "connectors.json").read_text())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["alias"])
def test_an_entry_is_a_configuration_without_a_secret_in_it(entry):
    text = json.dumps(entry["mcpServers"])
    named = set(re.findall(r"\$\{(\w+)\}", text))
    config = read_config(entry, dict.fromkeys(named, "given"))
    assert config.problems == () and [server.alias for server in config.servers] == [entry["alias"]]
    for secret in re.findall(r'"[^"]*(?:TOKEN|SECRET|Authorization)[^"]*": "([^"]*)"', text):
        assert re.fullmatch(r"(?:Bearer )?\$\{\w+\}", secret)


def test_the_page_tells_of_each_entry_what_it_needs_and_whether_it_was_tried():
    page = (DOCS / "connectors.md").read_text()
    for entry in ENTRIES:
        assert f"| `{entry['alias']}` | {entry['for']} | {entry['needs']} | {entry['tried']} |" in page
