"""A workspace belongs to the latest activation of its agent."""

from __future__ import annotations

import pytest

from bot.errors import Fenced
from bot.workspace import Workspace


def test_who_slept_through_its_lease_writes_nothing_over_what_came_after_it(tmp_path):
    early, late, beside = (Workspace(tmp_path, "run-a", "lead", epoch) for epoch in (3, 4, 0))
    early.write("a.txt", b"first")
    late.write("a.txt", b"second")
    for change in (lambda: early.write("a.txt", b"first again"), early.made):
        with pytest.raises(Fenced):
            change()
    assert late.text("a.txt") == early.text("a.txt") == "second"
    beside.write("b.txt", b"from the bulk work of the agent")
    assert late.names() == ["a.txt", "b.txt"]
