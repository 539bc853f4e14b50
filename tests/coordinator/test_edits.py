"""What a person's words leave of a plan that waits for approval."""

from __future__ import annotations

import pytest

from bot.coordinator.edits import kept

PLAN = [
    {"id": "house", "title": "Message house", "depends_on": []},
    {"id": "press", "title": "Press release", "depends_on": ["house"]},
    {"id": "page", "title": "Landing page", "depends_on": ["house", "press"]},
    {"id": "posts", "title": "Social posts", "depends_on": ["page"]},
    {"id": "list", "title": "Contact list", "depends_on": []},
]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("drop task 5", ["house", "press", "page", "posts"]),
        ("Please drop the contact list.", ["house", "press", "page", "posts"]),
        ("yes, but without 4", ["house", "press", "page", "list"]),
        ("drop 3", ["house", "press", "list"]),  # what needs it goes with it
        ("leave out posts and list", ["house", "press", "page"]),
        ("skip steps 4, 5", ["house", "press", "page"]),
        ("only the press release", ["house", "press"]),  # what it needs stays
        ("just do 1 and 5", ["house", "list"]),
        ("OK but only “Landing page” please", ["house", "press", "page"]),
    ],
)
def test_words_that_drop_or_keep_tasks_are_understood(words, left):
    assert kept(words, PLAN) == left


@pytest.mark.parametrize(
    "words",
    [
        "yes", "approve", "drop it", "drop 9", "only if Sam agrees", "drop the price by 3",
        "make the press release shorter", "drop 1 and 5", "only 1, 2, 3, 4 and 5", "why 3?", "without task", "",
    ],
)  # fmt: skip
def test_what_is_not_surely_understood_is_left_to_the_lead(words):

    assert kept(words, PLAN) is None
