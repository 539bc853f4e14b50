"""A morning of waits killed four times: people's answers, an overloaded model, a batch and a schedule, each once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.timeout(400)
def test_a_morning_killed_four_times_ends_like_the_undisturbed_one_and_repeats_nothing():
    command = [sys.executable, "-m", "bot", "drill", "kill", "--work", "morning", "--seed", "2", "--json"]
    drill = subprocess.run(command, capture_output=True, text=True)
    assert drill.stdout, drill.stderr
    report = json.loads(drill.stdout)
    assert (report["differing"], report["repeated"]) == ([], [])
    assert drill.returncode == 0
    assert report["killed"] == 4
    assert min(report["hours"], report["hours_killed"]) >= 1.9
    assert report["swept"] == 0
