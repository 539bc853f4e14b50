"""Every kind of Google write: done once whatever is lost, never over a person's change, undone to what it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.google.drill import Count, in_between, once
from bench.google.kinds import KINDS, Kind, seed
from bench.google.standin import Standin, standing


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with standing(seed(tmp_path_factory.mktemp("drive"))) as standin:
        yield standin


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_write_and_its_undo_happen_once_when_answers_are_lost(google: Standin, kind: Kind):
    count = Count()
    once(google, kind, "op-1", [(name, "accept_then_drop") for name in kind.calls], count)
    assert count.clean


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_a_person_changed_in_between_is_left_alone(google: Standin, kind: Kind):
    count = Count()
    in_between(google, kind, "op-1", count)
    assert (count.overwritten, count.conflicts) == (0, 2 if kind.guarded else 1)
