"""The money tree: what is charged, reserved and limited, by rows alone."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from sqlalchemy import insert, select, update

from bot.coordinator import amounts, budget, limits
from bot.model import cost
from bot.model.client import OFFLINE_MODEL
from bot.model.reply import Reply
from bot.store import journal, money
from bot.store import schema as t
from bot.store.database import Database

MARCH = datetime.datetime(2026, 3, 20, 9, 0, tzinfo=datetime.UTC).timestamp()


class Hand:
    """A clock set by hand."""

    def __init__(self) -> None:
        self.at = MARCH

    def now(self):
        return self.at


class Books:
    """A store with runs to charge."""

    def __init__(self, db, hand):
        self.db, self.hand = db, hand

    def run(self, name, *, channel="C1", automation=None, request="close Q3 2026", agents=("lead",)):
        def work(tx):
            row = {
                "id": name, "team_id": "T", "requester": "U", "credential_owner": "U", "channel": channel,
                "kind": "mention", "request": request, "skill": "quarterly-close", "status": "working", "model": "m",
                "offline": False, "created_at": tx.now(), "labels": {}, "automation_id": automation,
            }  # fmt: skip
            tx.execute(insert(t.run).values(**row))
            for agent in ("_thread", "_coordinator", *agents):
                kind = agent[1:] if agent[0] == "_" else "agent"
                told = {"id": f"{name}/{agent}", "team_id": "T", "run_id": name, "kind": kind, "name": agent}
                tx.execute(insert(t.agent).values(**told, status="live", labels={}))
            limits.begin(tx, name)

        self.db.write_now(work)
        return name

    def spend(self, run_id, amount, following="0", agent="lead"):
        """Charge one request; returns the run's control after it."""
        work = (f"{run_id}/{agent}", Decimal(amount), lambda: Decimal(following))
        return self.db.write_now(lambda tx: money.settle(tx, run_id, *work)) or ""

    def limit(self, scope, scope_id, hard, period="run", team="T"):
        self.db.write_now(lambda tx: money.set_limit(tx, team, scope, scope_id, period, Decimal(hard)))

    def told(self, run_id, kind):
        return [r["body"] for r in self.db.read_now(lambda c: journal.rows(c, run_id)) if r["kind"] == kind]

    def row(self, run_id):
        return self.db.read_now(lambda c: c.execute(select(t.run).where(t.run.c.id == run_id)).mappings().one())

    def ask(self, run_id):
        """The question a paused run asks, as its row."""

        def work(tx):
            (line, *_) = [x for x in money.lines(tx.connection, run_id, tx.now()) if x.crossed]
            approval = budget.ask(tx, self.row(run_id), line)
            return tx.execute(select(t.approval).where(t.approval.c.id == approval)).mappings().one()

        return self.db.write_now(work)

    def answer(self, asked, words, user="U"):
        return self.db.write_now(lambda tx: budget.answer(tx, asked, user, words))


@pytest.fixture
def books(tmp_path):
    hand = Hand()
    db = Database(f"sqlite:///{tmp_path / 'cadre.db'}", hand.now)
    db.migrate()
    yield Books(db, hand)
    db.close()


def test_what_a_run_spends_adds_up_exactly(books):
    run = books.run("run-1")
    for _ in range(10):
        books.spend(run, "0.000000025")
    assert money.dollars(books.row(run)["spent"]) == Decimal("0.00000025")


def test_a_model_without_a_price_touches_no_row(books):
    run = books.run("run-1")
    books.limit("run", run, "0.01")
    assert books.spend(run, "0", "1") == ""
    assert (books.row(run)["spent"], books.row(run)["control"]) == (0, "")


def test_the_hard_line_pauses_the_run_before_it_is_passed(books):
    run = books.run("run-1")
    books.limit("run", run, "1")
    assert books.spend(run, "0.5", "0.2") == ""
    assert books.spend(run, "0.2", "0.31") == "budget"  # what comes next would pass it
    assert books.row(run)["control"] == "budget"
    (line,) = books.told(run, "budget.hard")
    assert (line["spent"], line["hard"]) == ("0.700000000", "1")


def test_a_paused_run_that_settles_what_was_in_flight_asks_once(books):
    run = books.run("run-1", agents=("lead", "actuals"))
    books.limit("run", run, "1")
    books.spend(run, "1.2")
    assert books.spend(run, "0.3", agent="actuals") == "budget"
    assert len(books.told(run, "budget.hard")) == 1
    assert money.dollars(books.row(run)["spent"]) == Decimal("1.5")


def test_agents_side_by_side_reserve_together(books):
    run = books.run("run-1", agents=("lead", "actuals", "forecast"))
    books.limit("run", run, "1")
    assert books.spend(run, "0.1", "0.3", agent="actuals") == ""
    assert books.spend(run, "0.1", "0.3", agent="forecast") == ""
    assert books.spend(run, "0.1", "0.3", agent="lead") == "budget"


def test_an_agent_asleep_in_a_call_holds_nothing(books):
    run = books.run("run-1", agents=("lead", "actuals"))
    books.limit("run", run, "1")
    books.spend(run, "0.1", "0.6", agent="lead")
    sleeping = update(t.agent).where(t.agent.c.id == f"{run}/lead")
    books.db.write_now(lambda tx: tx.execute(sleeping.values(waiting={"id": "w", "for": "mail", "from": []})))
    assert books.spend(run, "0.1", "0.6", agent="actuals") == ""
    books.db.write_now(lambda tx: tx.execute(sleeping.values(waiting=None)))
    assert books.db.write_now(lambda tx: money.check(tx, run)) == "budget"


def test_a_new_agent_reserves_its_first_request(books):
    run = books.run("run-1", agents=("lead", "actuals"))
    books.limit("run", run, "1")
    books.spend(run, "0.3", "0.4")
    assert books.db.write_now(lambda tx: money.opened(tx, run, f"{run}/actuals")) == "budget"


def test_a_task_has_a_line_of_its_own_that_a_person_raises(books):
    run = books.run("run-1", agents=("lead", "actuals"))

    def plan(tx):
        told = {
            "run_id": run,
            "id": "actuals",
            "team_id": "T",
            "title": "Actuals",
            "status": "working",
            "position": 0,
        }
        tx.execute(insert(t.task).values(**told, budget="0.50"))
        tx.execute(update(t.agent).where(t.agent.c.id == f"{run}/actuals").values(task="actuals"))

    books.db.write_now(plan)
    row = {"run_id": run, "team_id": "T", "agent_id": f"{run}/actuals", "model": "m", "amount": "0.45"}
    used = {"input": 1, "output": 1, "cache_read": 0, "cache_write": 0}
    books.db.write_now(lambda tx: tx.execute(insert(t.spend).values(**row, **used)))
    assert books.spend(run, "9", "9", agent="lead") == ""
    assert books.spend(run, "0.45", "0.1", agent="actuals") == "budget"
    asked = books.ask(run)
    assert (asked["preview"]["scope"], asked["preview"]["hard"]) == ("task", "0.50")
    assert books.answer(asked, "raise to $2") == "done"
    assert books.spend(run, "0.1", "0.1", agent="actuals") == ""


def test_a_soft_line_is_told_once(books):
    run = books.run("run-1")
    books.limit("run", run, "1")
    for _ in range(3):
        books.spend(run, "0.3")
    books.spend(run, "0.05")
    (line,) = books.told(run, "budget.soft")
    assert (line["soft"], line["spent"]) == ("0.8", "0.900000000")


def test_a_limit_for_every_run_gives_way_to_a_runs_own(books):
    books.limit("run", money.ALL, "0.10", team="")
    small, large = books.run("run-1"), books.run("run-2", request="close Q3 2026 for at most $5")
    assert books.spend(small, "0.2") == "budget"
    assert books.spend(large, "0.2") == ""


@pytest.mark.parametrize(
    ("scope", "scope_id", "other"),
    [("channel", "C1", "C2"), ("channel", money.ALL, "C2"), ("automation", "auto-1", "C1"), ("org", money.ALL, None)],
)
def test_runs_below_one_node_share_its_limit_and_others_do_not(books, scope, scope_id, other):
    books.limit(scope, scope_id, "1", "month", team="" if scope_id == money.ALL else "T")
    first, second = books.run("run-1", automation="auto-1"), books.run("run-2", automation="auto-1")
    assert books.spend(first, "0.7") == ""
    if other is not None:
        assert books.spend(books.run("run-3", channel=other), "0.7") == ""
    assert books.spend(second, "0.7") == "budget"
    assert books.row(first)["control"] == ""


def test_a_new_run_below_an_exhausted_node_pauses_before_its_first_request(books):
    books.limit("channel", money.ALL, "1", "month", team="")
    books.spend(books.run("run-1"), "1.01")
    assert books.row(books.run("run-2"))["control"] == "budget"


def test_a_new_period_begins_with_nothing_spent(books):
    books.limit("channel", money.ALL, "1", "month", team="")
    books.spend(books.run("run-1"), "0.9")
    books.hand.at = money.period_end("month", MARCH)
    assert books.hand.at == datetime.datetime(2026, 4, 1, tzinfo=datetime.UTC).timestamp()
    assert books.spend(books.run("run-2"), "0.9") == ""


def test_settings_replace_the_limits_they_set_before(books):
    books.db.write_now(lambda tx: money.set_defaults(tx, {"run": Decimal("0.1"), "channel": Decimal(0)}))
    assert books.spend(books.run("run-1"), "0.2") == "budget"
    books.db.write_now(lambda tx: money.set_defaults(tx, {"run": Decimal("0.5"), "channel": Decimal(0)}))
    assert books.spend(books.run("run-2"), "0.2") == ""


def test_raising_wakes_all_agents_and_lets_them_go_on(books):
    run = books.run("run-1", agents=("lead", "actuals"))
    books.limit("run", run, "1")
    books.spend(run, "1.1")
    asked = books.ask(run)
    assert asked["preview"]["options"][0].startswith("Raise to $")
    before = books.db.read_now(lambda c: c.execute(select(t.agent.c.id, t.agent.c.wake_seq)).all())
    assert books.answer(asked, asked["preview"]["options"][0]) == "done"
    assert (books.row(run)["control"], books.row(run)["status"]) == ("", "working")
    after = dict(books.db.read_now(lambda c: [tuple(r) for r in c.execute(select(t.agent.c.id, t.agent.c.wake_seq))]))
    assert all(after[agent] > woken for agent, woken in before)
    assert books.spend(run, "0.1") == ""


@pytest.mark.parametrize(
    "words", ["yes, but not more than what is spent", "continue without the images", "raise to $1,00,0"]
)
def test_a_yes_with_more_words_than_an_amount_is_asked_again(books, words):
    run = books.run("run-1")
    books.limit("run", run, "1")
    books.spend(run, "1.1")
    assert books.answer(books.ask(run), words) == "unclear"
    assert books.row(run)["control"] == "budget"
    assert books.told(run, "notice") == [{"text": budget.UNCLEAR}]


def test_a_limit_whose_amount_cannot_be_read_is_said_and_not_guessed(books):
    run = books.run("run-1", request="close Q3 2026 for at most $1,00,0")
    (told,) = books.told(run, "notice")
    assert "for at most $1,00,0" in told["text"]
    assert books.db.read_now(lambda c: money.lines(c, run, books.hand.at)) == []
    assert limits.plain("close Q3 2026 for at most $1,00,0") == "close Q3 2026"


def test_a_raise_below_what_is_spent_is_told_and_changes_nothing(books):
    run = books.run("run-1")
    books.limit("run", run, "1")
    books.spend(run, "1.1")
    assert books.answer(books.ask(run), "raise to $1.05") == "too_little"
    assert books.row(run)["control"] == "budget"


def test_only_the_requester_raises_a_run_and_only_approvers_what_belongs_to_all(books):
    run = books.run("run-1")
    books.limit("run", run, "1")
    books.spend(run, "1.1")
    assert books.answer(books.ask(run), "raise to $5", user="UOTHER") == "not_allowed"
    books.limit("channel", money.ALL, "1", "month", team="")
    shared = books.run("run-2")
    line = books.db.read_now(lambda c: money.lines(c, shared, books.hand.at))[0]
    approval = books.db.write_now(lambda tx: budget.ask(tx, books.row(shared), line, ("UBOSS",)))
    row = books.db.read_now(
        lambda c: c.execute(select(t.approval).where(t.approval.c.id == approval)).mappings().one()
    )
    assert books.answer(row, "raise to $5") == "not_allowed"
    assert books.answer(row, "raise to $5", user="UBOSS") == "done"
    assert books.db.read_now(lambda c: money.lines(c, shared, books.hand.at))[0].limit.hard == 5
    books.hand.at = money.period_end("month", MARCH)
    later = books.run("run-3")
    assert books.db.read_now(lambda c: money.lines(c, later, books.hand.at))[0].limit.hard == 1


def test_an_estimate_comes_from_earlier_runs_of_the_kind(books):
    for number, spent in enumerate(("0.20", "0.40", "0.30")):
        books.spend(books.run(f"run-{number}"), spent)
    books.db.write_now(lambda tx: tx.execute(update(t.run).values(status="done")))
    run = books.row(books.run("run-9", request="close Q3 2026 for at most $0.25"))
    assert (run["estimate"], run["estimate_basis"]) == ("0.30", "by 3 earlier runs of this kind")
    (told,) = books.told("run-9", "budget.estimate")
    assert told["hard"] == "0.25"  # over it, and said before anything is spent


def test_the_offline_model_costs_nothing_or_what_the_model_it_is_priced_as_would():
    used = {"input": 1_000, "output": 1_000, "cache_read": 10_000, "cache_write": 2_000}
    offline, named = (Reply([], "end_turn", used, name) for name in (OFFLINE_MODEL, "claude-sonnet-4-5"))
    assert cost.price(offline) == 0
    assert cost.price(offline, "claude-sonnet-4-5") == cost.price(named) > cost.following(named) > 0
    assert cost.price(Reply([], "end_turn", used, "a-model-of-ours")) == 0
    assert cost.known("claude-sonnet-4-5") and not cost.known("a-model-of-ours")


@pytest.mark.parametrize(
    ("words", "text", "hard", "period"),
    [
        ("close Q3 2026 for at most $2", "close Q3 2026", "2", "run"),
        ("close Q3 2026, budget $2.50", "close Q3 2026", "2.50", "run"),
        ("close Q3 2026 (up to $ 0.75).", "close Q3 2026", "0.75", "run"),
        ("close Q3 2026 with a budget of $3", "close Q3 2026", "3", "run"),
        ("close Q3 2026 for at most $1,000", "close Q3 2026", "1000", "run"),
        ("close Q3 2026 for at most $1.000,50", "close Q3 2026", "1000.50", "run"),
        ("digest this channel for no more than $20 a month", "digest this channel", "20", "month"),
        ("digest this channel spending at most $1 per day", "digest this channel", "1", "day"),
    ],
)
def test_a_limit_is_understood_from_the_words_of_a_request(words, text, hard, period):
    found = limits.parse(words)
    assert (found.text, found.hard, found.period) == (text, Decimal(hard), period)


@pytest.mark.parametrize(
    "words",
    [
        "close Q3 2026",
        "compare the adopted budget of $2 million with the adjusted one",
        "compare FY20 with a budget of $2 million",
        "which invoices are over $500",
        "budget $2",
    ],
)
def test_other_amounts_are_no_limit(words):
    assert limits.parse(words) is None


@pytest.mark.parametrize(
    ("words", "choice", "amount"),
    [
        ("Raise to $0.53", "raise", "0.53"), ("raise to 3", "raise", "3"), ("yes", "raise", "9"),
        ("please go on", "raise", "9"), ("ok, raise it to $4,5", "raise", "4.5"), ("continue up to $7", "raise", "7"),
        ("raise to $1,000", "raise", "1000"), ("raise to $1,000.50", "raise", "1000.50"), ("yes, 2.000", "raise", "2000"),
        ("increase by $5", "raise", "9"), ("yes please go on", "raise", "9"), ("raise the limit to 20 dollars", "raise", "20"),
        ("increase budget by 5", "raise", "9"), ("yes, $5 more, please", "raise", "9"), ("continue, thanks", "raise", "9"),
        ("yes, but not more than $20", "raise", "20"), ("raise to $2k", "unclear", "0"),
        ("yes but only the summary", "unclear", "0"), ("go on without the images", "unclear", "0"),
        ("Finish with what is there", "finish", "0"), ("no", "finish", "0"), ("No, that is enough", "finish", "0"),
        ("stop", "stop", "0"), ("only the Sales department", "", "0"), ("what does it cost?", "", "0"),
    ],
)  # fmt: skip
def test_an_answer_is_understood_from_plain_words(words, choice, amount):
    assert budget.understood(words, {"offer": "9", "hard": "4"}) == (choice, Decimal(amount))


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("1,000", "1000"), ("1.000", "1000"), ("1'000", "1000"), ("1 000", "1000"), ("1\u202f000", "1000"),
        ("1,000.50", "1000.50"), ("1.000,50", "1000.50"), ("1 000 000,5", "1000000.5"), ("12,5", "12.5"),
        ("0.05", "0.05"), ("0.0125", "0.0125"), ("1500", "1500"), ("1,00,0", None), ("1.000.00", None),
        ("1,000.500", None), ("2.5000", None), ("1" * 40, None), ("12 34", None),
    ],
)  # fmt: skip
def test_an_amount_is_read_as_people_write_it_or_not_at_all(written, amount):
    assert amounts.read(written) == (amount and Decimal(amount))


def test_an_agents_own_limit_pauses_the_run_and_raising_it_lets_it_go_on(books):
    run = books.run("run-own", agents=("lead", "ann"))
    books.db.write_now(lambda tx: money.set_limit(tx, "T", "agent", f"{run}/ann", "run", Decimal("0.10")))

    def spend(agent, amount, following="0"):
        row = {"team_id": "T", "run_id": run, "agent_id": f"{run}/{agent}", "model": "m", "amount": amount}
        used = {"input": 1, "output": 1, "cache_read": 0, "cache_write": 0}
        books.db.write_now(lambda tx: tx.execute(insert(t.spend).values(**row, **used)))
        return books.spend(run, amount, following, agent)

    assert spend("lead", "0.50") == ""  # the lead has no limit of its own
    assert spend("ann", "0.05") == ""
    assert spend("ann", "0.04", following="0.04") == "budget"
    crossed = [x for x in books.db.read_now(lambda c: money.lines(c, run, MARCH)) if x.crossed]
    assert [(x.limit.scope, x.limit.scope_id, x.spent) for x in crossed] == [("agent", f"{run}/ann", Decimal("0.09"))]
    books.db.write_now(lambda tx: money.set_limit(tx, "T", "agent", f"{run}/ann", "run", Decimal("0.20")))
    assert not any(x.crossed for x in books.db.read_now(lambda c: money.lines(c, run, MARCH)))
