"""A slice of `make drill-slack`: calls that Slack accepts and does not answer, on every posting method."""

from bench.slack.exactly_once import targets, trial


def test_what_people_see_is_posted_once_whatever_answers_are_lost():
    told = trial(8)
    assert [one for one in targets(told) if not one.met] == [], told
    assert told.faults["conversations.replies"] > 0  # something was looked up, so something was lost
