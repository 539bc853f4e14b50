"""Killed at seeded points of a small close, the process comes back and people see what they would have seen."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.timeout(900)
def test_a_close_killed_at_seeded_points_ends_like_the_undisturbed_one_and_repeats_no_finished_call():
    command = [sys.executable, "-m", "bot", "drill", "kill", "--points", "20", "--kills", "4", "--seed", "7"]
    drill = subprocess.run([*command, "--json"], capture_output=True, text=True)
    assert drill.stdout, drill.stderr
    report = json.loads(drill.stdout)
    assert report["differing"] == []
    assert (report["trials"], drill.returncode) == (5, 0)
    assert report["killed"] >= 18  # a point near the end may lie behind the last commit of a luckier run
    assert report["swept_undisturbed"] == 0
