"""The close's scripts on generated books: every planted cause, no other, and what the checks catch."""

from __future__ import annotations

import json
import re
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.tools.formula import evaluate
from bot.tools.render import uncited_numbers
from tests.skills.drive import PERIOD, SKILLS, Close, edit, recompute

CHECKS = ("tie_out", "decomposition", "signs", "unexplained", "provenance")
# a normal child imports these beside it; the property test calls them in this process
sys.path.insert(0, str(SKILLS / "quarterly-close" / "scripts"))
from closelib import Row, materiality, quarter_bounds  # noqa: E402
from entries import Entry  # noqa: E402
from products import ProductEffect  # noqa: E402


@pytest.fixture
def close(tmp_path: Path) -> Close:
    return Close(tmp_path, 3)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Close:
    return Close(tmp_path_factory.mktemp("large"), 7, small=False)


@pytest.fixture
def large(prepared: Close, tmp_path: Path) -> Close:
    return prepared.copy(tmp_path)


def found(findings):
    return sorted(
        (f["kind"], f["account"], f["department"], f["amount"], tuple(sorted(f["entries"]))) for f in findings
    )


@pytest.mark.parametrize(("seed", "small"), [(1, False), (2, True), (5, True), (7, False), (11, False)])
def test_every_planted_cause_is_found_with_its_entries_and_none_is_invented(tmp_path, seed, small):
    close = Close(tmp_path, seed, small)
    truth = json.loads((tmp_path / "truth.json").read_text())
    spoiled = truth["imbalance"]
    planted = [*truth["causes"], {"kind": "imbalance", "account": "", "department": "", "amount": spoiled["amount"],
                                  "entries": [spoiled["entry"]]}]  # fmt: skip
    assert found(close.causes()["findings"]) == found(planted)
    assert [name for name in CHECKS if not close.check(name)[0]] == []


def test_every_figure_recomputes_from_the_cells_it_cites(close):
    figures = [*close.variance()["figures"], *close.causes()["figures"]]
    assert len(figures) > 25
    assert recompute(close.work, figures, evaluate) == []


def test_the_texts_state_no_number_of_their_own_and_cite_only_what_exists(close):
    figures = [*close.variance()["figures"], *close.causes()["figures"]]
    made = close.script("write_up.py", period=PERIOD, variance="variance.csv", causes="causes.csv")
    report = (close.work / "report.md").read_text()
    assert len(made["summary"].splitlines()) <= 12
    assert uncited_numbers(made["summary"] + report, "") == []
    cited = set(re.findall(r"\{\{f:(.*?)\}\}", made["summary"] + report))
    assert cited and cited <= {figure["id"] for figure in figures}
    assert "imbalance" in made["summary"].lower()


def test_the_summary_stays_within_twelve_lines_and_keeps_the_imbalance_with_many_causes(large):
    close = large
    close.causes()
    made = close.script(
        "write_up.py",
        period=PERIOD,
        variance="variance.csv",
        causes="causes.csv",
        notes=["Columns not understood: X."],
    )
    assert len(made["summary"].splitlines()) <= 12
    assert "Imbalance" in made["summary"] and "not understood" in made["summary"]


def test_the_forecast_is_chosen_by_columns_and_period_whatever_the_files_are_called(large):
    close = large
    picked = close.pick()
    assert picked["kinds"] == ["forecast", "drivers", "conventions"]
    assert picked["workbook"] == "FY26 Forecast"
    close.readings = [r for r in close.readings if r.get("long_file") != picked["forecast"]]
    assert "2025-Q4" in close.pick()["error"] and PERIOD in close.pick()["error"]


def test_text_where_a_number_belongs_ends_the_search_naming_the_cell(close):
    rows = [["Account", "Department", "Q3 2026", "Q4 2026"], ["4010", "SALES", "tbd", 5], ["4020", "SALES", 7, 9]]
    close.readings = []
    close.read_tab("a", "Plan", "Lines", rows)
    assert close.pick()["error"] == (
        'Plan, tab Lines, cell C2: "tbd" stands where a number belongs (column Q3 2026).'
    )


def test_a_problem_in_another_quarter_does_not_stop_this_one(close):
    rows = [["Account", "Department", "Q3 2026", "Q4 2026"], ["4010", "SALES", 5, "tbd"], ["4020", "SALES", 7, 9]]
    close.readings = []
    close.read_tab("a", "Plan", "Lines", rows)
    assert close.pick()["ok"]


def test_without_the_entries_of_a_colleague_the_variance_stays_unexplained_and_the_check_fails(close):
    close.variance()
    close.given["variance"] = "variance.csv"
    answer = close.script("causes.py", **close.given, activity=[], counterparties=[])
    assert {f["kind"] for f in answer["findings"]} == {"unexplained", "imbalance"}
    passed, detail = close.check("unexplained")
    assert not passed and "has no cause" in detail


def test_without_the_history_of_a_party_no_one_off_and_no_misposting_is_claimed(large):
    close = large
    lines = close.variance()["lines"]
    close.given |= {"variance": "variance.csv", "activity": close.entries(lines)}
    answer = close.script("causes.py", **close.given, counterparties=[])
    assert not {"one_off", "misposting"} & {f["kind"] for f in answer["findings"]}


def test_an_entry_that_no_message_brought_is_named_by_the_provenance_check(close):
    answer = close.causes()
    (close.work / answer["sources"][-1]).unlink(missing_ok=True)
    for path in close.work.glob("inbox/m3/*"):
        path.unlink()
    passed, detail = close.check("provenance")
    assert not passed and re.search(r"JE-\d+ is cited from inbox/m3/", detail)


def test_an_entry_moved_to_a_file_of_the_analyst_itself_is_refused(close):
    close.causes()
    edit(close.work / "cause_entries.csv", 0, file="notes.csv")
    passed, detail = close.check("provenance")
    assert not passed and "no message brought" in detail


@pytest.mark.parametrize(
    ("check", "file", "change"),
    [
        ("tie_out", "variance.csv", {"actual": "1.00"}),
        ("tie_out", "variance.csv", {"variance": "0.01"}),
        ("signs", "variance.csv", {"effect": "X"}),
        ("decomposition", "decomposition.csv", {"volume": "17.01"}),
        ("unexplained", "causes.csv", {"amount": "1.00"}),
        ("provenance", "causes.csv", {"entries": "JE-999999"}),
    ],
)
def test_an_altered_result_fails_its_check(close, check, file, change):
    close.causes()
    assert close.check(check)[0]
    edit(close.work / file, 0, **change)
    assert not close.check(check)[0]


def test_a_ledger_row_left_out_of_the_variances_is_named(close):
    close.causes()
    path = close.work / "variance.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[2:]))
    passed, detail = close.check("tie_out")
    assert not passed and "is in the trial balance and in no line" in detail


def test_a_check_without_outputs_fails_instead_of_passing(close):
    passed, detail = close.check("tie_out")
    assert not passed and "among the outputs" in detail


def test_a_wrong_period_and_a_text_amount_are_told_with_their_place(close):
    close.variance()
    wrong = close.script("variance.py", **close.given | {"period": "third quarter"})
    assert wrong["error"] == '"third quarter" is not a quarter such as 2026-Q3.'
    path = close.work / "inbox/m1/trial_balance.csv"
    place = next(n for n, line in enumerate(path.read_text().splitlines()) if ",4010," in line)
    edit(path, place - 1, balance="n/a")
    wrong = close.script("variance.py", **close.given)
    assert wrong["error"] == (
        f'inbox/m1/trial_balance.csv, row {place}: "n/a" stands where a number belongs (column balance).'
    )


def test_the_headline_names_the_entry_that_does_not_balance(close):
    close.variance()
    made = close.script("headline.py", period=PERIOD, variance="variance.csv", imbalances=close.given["imbalances"])
    assert made["summary"].count("\n") < 12 and "{{e:JE-" in made["summary"]
    assert made["findings"][0]["kind"] == "imbalance"


money = st.decimals(min_value=0, max_value=10_000, places=2)
units = st.integers(min_value=0, max_value=5_000)


@settings(max_examples=200)
@given(planned=units, price=money, sales=st.lists(st.tuples(units, money), max_size=6))
def test_volume_and_price_add_up_to_the_variance_of_any_product(planned, price, sales):
    driver = Row("drivers.csv", 1, {"product": "P", "quantity": str(planned), "unit_price": str(price)})
    now = tuple(
        Entry(f"JE-{n}", "1", PERIOD, "4000", "S", "C", "P", Decimal(q), -q * p, None, driver)
        for n, (q, p) in enumerate(sales)
    )
    effect = ProductEffect(driver, -1, now, (), {})
    assert effect.volume + effect.price == effect.actual - planned * price


def test_a_quarter_ends_on_its_last_day():
    assert [str(day) for day in quarter_bounds("2026-Q4")] == ["2026-10-01", "2026-12-31"]
    assert [str(day) for day in quarter_bounds("2024-Q1")] == ["2024-01-01", "2024-03-31"]


@pytest.mark.parametrize(
    ("text", "amount", "percent"),
    [
        ("A variance is material when it is at least EUR 15,000 and at least 3 % of the forecast.", "15000", "3"),
        ("Material: 2500.50 or 7.5 percent.", "2500.50", "7.5"),
    ],
)
def test_materiality_is_read_from_the_words_of_the_conventions(text, amount, percent):
    assert materiality(text) == {"material_amount": Decimal(amount), "material_percent": Decimal(percent)}
