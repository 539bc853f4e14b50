"""Minutes of live runs on a virtual clock; `make drill-slack` plays hours of them."""

from bench.slack.simulation import simulate, targets


def test_ten_live_runs_share_slacks_budget_and_nobody_waits_too_long():
    told = simulate(10, 180)
    assert [one for one in targets(told, 15.0, 2.0) if not one.met] == [], told


def test_the_card_of_a_run_alone_is_never_older_than_three_seconds():
    told = simulate(1, 120)
    assert [one for one in targets(told, 3.0, 1.0) if not one.met] == [], told
