"""The launch and its changed key message, killed again and again: the same pieces, the same posts, the same redone."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.timeout(300)
def test_a_launch_killed_five_times_ends_like_the_undisturbed_one_and_makes_the_same_pieces_again():
    command = [sys.executable, "-m", "bot", "drill", "kill", "--work", "launch", "--points", "5", "--kills", "5"]
    drill = subprocess.run([*command, "--seed", "2", "--json"], capture_output=True, text=True)
    assert drill.stdout, drill.stderr
    report = json.loads(drill.stdout)
    assert report["differing"] == []
    assert (report["trials"], drill.returncode) == (1, 0)
    assert report["killed"] >= 4  # a point near the end may lie behind the last commit of a luckier run
    assert report["swept_undisturbed"] == 0
