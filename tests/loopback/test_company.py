"""The sample company: its books balance, its causes recompute, and another seed plants others elsewhere."""

import csv
import json
import re
import subprocess
import sys
import time
from collections import defaultdict
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import pytest

from loopback.company import Company, generate, write

SEEDS = (1, 2, 3, 7, 42)
KINDS = {"timing", "one_off", "misposting", "price", "volume"}
ABSOLUTE, SHARE = Decimal(15000), Decimal("0.03")


@pytest.fixture(scope="module")
def companies() -> dict[int, Company]:
    return {seed: generate(seed) for seed in SEEDS}


@pytest.fixture(params=SEEDS)
def company(request: pytest.FixtureRequest, companies: dict[int, Company]) -> Company:
    return companies[request.param]


def natural(line) -> Decimal:
    """A line's amount, positive in the normal direction of its account."""
    amount = Decimal(line.debit_base) - Decimal(line.credit_base)
    return -amount if line.account.startswith("4") else amount


def actuals(company: Company) -> dict[tuple[str, str], Decimal]:
    found = defaultdict(Decimal)
    for line in company.entries:
        if line.period == "2026-Q3" and line.account >= "4000":
            found[line.account, line.department] += natural(line)
    return found


def planned(company: Company) -> dict[str, tuple[int, int]]:
    """Units and price planned for 2026-Q3, as the workbook tells them."""
    tabs = json.loads(company.drive["FY26 Forecast.sheet.json"])["tabs"]
    rows = next(tab["rows"] for tab in tabs if "Unit price" in tab["rows"][0])
    return {row[0]: (row[4], row[5]) for row in rows if row[3] == "Q3 2026"}


def cited(company: Company, cause: dict) -> list:
    """The cited lines in the cause's own account and department."""
    ids = set(cause["entries"])
    place = (cause["account"], cause["department"])
    return [x for x in company.entries if x.entry_id in ids and (x.account, x.department) == place]


def test_every_entry_balances_but_the_one_in_the_truth(company):
    differences = defaultdict(Decimal)
    for line in company.entries:
        differences[line.entry_id] += Decimal(line.debit_base) - Decimal(line.credit_base)
    imbalance = company.truth["imbalance"]
    unbalanced = {entry: amount for entry, amount in differences.items() if amount}
    assert unbalanced == {imbalance["entry"]: Decimal(imbalance["amount"])}


def test_the_unbalanced_entry_touches_the_balance_sheet_of_the_quarter_alone(company):
    lines = [x for x in company.entries if x.entry_id == company.truth["imbalance"]["entry"]]
    assert {x.period for x in lines} == {"2026-Q3"} and all(x.account < "4000" for x in lines)


def test_base_amounts_are_the_own_amounts_at_the_rate_rounded_per_line(company):
    for line in company.entries:
        rate = Decimal(line.rate)
        for own, base in ((line.debit, line.debit_base), (line.credit, line.credit_base)):
            assert (Decimal(own) * rate).quantize(Decimal("0.01"), ROUND_HALF_UP) == Decimal(base)


def test_periods_follow_dates_and_eight_quarters_are_there(company):
    assert {x.period for x in company.entries} == {
        "2024-Q4", "2025-Q1", "2025-Q2", "2025-Q3", "2025-Q4", "2026-Q1", "2026-Q2", "2026-Q3",
    }  # fmt: skip
    for line in company.entries:
        day = date.fromisoformat(line.date)
        assert line.period == f"{day.year}-Q{(day.month + 2) // 3}"


def test_there_are_thousands_of_entries_two_entities_and_eight_departments(company):
    assert len({x.entry_id for x in company.entries}) > 4000
    assert {(x.entity, x.currency) for x in company.entries} == {("LM-NL", "EUR"), ("LM-US", "USD")}
    assert len({x.department for x in company.entries} - {""}) == 8


def test_every_kind_is_planted_and_each_cause_has_a_line_of_its_own(company):
    causes = company.truth["causes"]
    assert {cause["kind"] for cause in causes} == KINDS
    assert 6 <= len(causes) <= 8
    assert len({(cause["account"], cause["department"]) for cause in causes}) == len(causes)


def test_causes_are_well_above_material_and_nothing_else_comes_near_it(company):
    planted = {(x["account"], x["department"]): Decimal(x["amount"]) for x in company.truth["causes"]}
    actual = actuals(company)
    assert set(actual) <= set(company.forecast)
    for line, forecast in company.forecast.items():
        threshold = max(ABSOLUTE, SHARE * forecast)
        effect = planted.get(line, Decimal(0))
        assert abs(actual[line] - forecast - effect) < threshold / 3
        if line in planted:
            assert abs(effect) >= threshold * Decimal("1.4")
            assert abs(actual[line] - forecast) >= threshold


def test_cost_causes_are_the_sum_of_their_entries(company):
    for cause in company.truth["causes"]:
        lines = cited(company, cause)
        if cause["kind"] == "one_off" or (cause["kind"] == "misposting" and Decimal(cause["amount"]) > 0):
            assert sum(natural(x) for x in lines) == Decimal(cause["amount"])
        if cause["kind"] == "timing":
            sign = 1 if lines[0].period == "2026-Q3" else -1
            assert sign * sum(natural(x) for x in lines) == Decimal(cause["amount"])


def test_price_and_volume_causes_recompute_from_invoices_and_drivers(company):
    plan = planned(company)
    for cause in company.truth["causes"]:
        if cause["kind"] == "price":
            effects = [(Decimal(x.unit_price) - plan[x.product][1]) * int(x.quantity) for x in cited(company, cause)]
        elif cause["kind"] == "volume":
            effects = [Decimal(plan[x.product][1]) * int(x.quantity) for x in cited(company, cause)]
        else:
            continue
        assert sum(effects) == Decimal(cause["amount"]) and all(effects)


def test_planted_products_sell_otherwise_exactly_as_planned(company):
    plan = planned(company)
    for cause in company.truth["causes"]:
        if cause["kind"] in ("price", "volume"):
            product = cited(company, cause)[0].product
            extra = set(cause["entries"]) if cause["kind"] == "volume" else set()
            sold = [x for x in company.entries if x.product == product and x.period == "2026-Q3"]
            assert sum(int(x.quantity) for x in sold if x.entry_id not in extra) == plan[product][0]


def test_timing_shows_in_dates_of_service_wholly_outside_the_quarter_of_booking(company):
    for cause in company.truth["causes"]:
        if cause["kind"] == "timing":
            for line in cited(company, cause):
                months = {(m + 2) // 3 for m in (int(line.service_from[5:7]), int(line.service_to[5:7]))}
                year = line.service_from[:4]
                assert len(months) == 1 and f"{year}-Q{months.pop()}" != line.period


def test_one_offs_come_from_parties_never_seen_before(company):
    for cause in company.truth["causes"]:
        if cause["kind"] == "one_off":
            party = cited(company, cause)[0].counterparty
            others = [x for x in company.entries if x.counterparty == party and x.period != "2026-Q3"]
            assert party and not others


def test_mispostings_stand_against_a_history_of_one_account_and_department(company):
    wrong, right = (
        next(x for x in company.truth["causes"] if x["kind"] == "misposting" and (Decimal(x["amount"]) > 0) == up)
        for up in (True, False)
    )
    assert wrong["entries"] == right["entries"]
    party = cited(company, wrong)[0].counterparty
    history = {
        (x.account, x.department)
        for x in company.entries
        if x.counterparty == party and x.account >= "4000" and x.period < "2026-Q3"
    }
    assert history == {(right["account"], right["department"])}
    assert sum(natural(x) for x in cited(company, wrong)) == -Decimal(right["amount"])


def test_volume_comes_from_a_customer_who_never_bought_the_product(company):
    cause = next(x for x in company.truth["causes"] if x["kind"] == "volume")
    lines = cited(company, cause)
    product, customer = lines[0].product, lines[0].counterparty
    bought = {x.entry_id for x in company.entries if x.product == product and x.counterparty == customer}
    assert bought == set(cause["entries"])


def test_another_seed_plants_other_causes_elsewhere(companies):
    truths = [
        {(x["kind"], x["account"], x["department"], x["amount"], *x["entries"]) for x in company.truth["causes"]}
        for company in companies.values()
    ]
    for n, one in enumerate(truths):
        for other in truths[n + 1 :]:
            assert not one & other
    places = {frozenset((x[1], x[2]) for x in truth) for truth in truths}
    assert len(places) == len(SEEDS)
    assert len({str(company.truth["imbalance"]) for company in companies.values()}) == len(SEEDS)


def test_the_same_seed_gives_the_same_company(companies):
    assert generate(7) == companies[7]


def test_the_small_company_has_the_same_shape_and_is_made_quickly():
    generate(2, small=True)
    started = time.process_time()
    small = generate(3, small=True)
    assert time.process_time() - started < 0.3
    assert len({x.period for x in small.entries}) == 3
    assert 200 <= len({x.entry_id for x in small.entries}) <= 450
    kinds = {x["kind"] for x in small.truth["causes"]}
    assert len(kinds) == 3 and kinds & {"price", "volume"}
    differences = defaultdict(Decimal)
    for line in small.entries:
        differences[line.entry_id] += Decimal(line.debit_base) - Decimal(line.credit_base)
    assert [x for x, amount in differences.items() if amount] == [small.truth["imbalance"]["entry"]]


def test_small_companies_of_many_seeds_hold_their_causes():
    for seed in range(25):
        small = generate(seed, small=True)
        actual = actuals(small)
        planted = {(x["account"], x["department"]): Decimal(x["amount"]) for x in small.truth["causes"]}
        for line, forecast in small.forecast.items():
            assert abs(actual[line] - forecast - planted.get(line, 0)) < max(ABSOLUTE, SHARE * forecast) / 3


def test_workbook_totals_are_formulas_over_all_lines_of_a_kind(company):
    workbook = json.loads(company.drive["FY26 Forecast.sheet.json"])
    rows = workbook["tabs"][0]["rows"]
    at = {row[0]: number for number, row in enumerate(rows, start=1) if row}
    for label, kept in (("Total revenue", ("4",)), ("Total costs", ("5", "6", "7"))):
        first, last = (int(n) for n in re.fullmatch(r"=SUM\(F(\d+):F(\d+)\)", rows[at[label] - 1][5]).groups())
        covered = rows[first - 1 : last]
        assert all(row[0].startswith(kept) for row in covered)
        assert sum(row[5] for row in covered) == sum(
            amount for (account, _), amount in company.forecast.items() if account.startswith(kept)
        )


def test_the_workspace_has_people_channels_and_threads(company):
    workspace = company.workspace
    users = {user["id"]: user for user in workspace["users"]}
    assert users["UMAYA"]["name"] == "maya" and users["UCADRE"]["is_bot"]
    assert sum(1 for user in users.values() if not user.get("is_bot")) >= 8
    channels = {channel["id"]: channel for channel in workspace["channels"]}
    assert {"general", "finance", "launch", "ops"} <= {channel["name"] for channel in channels.values()}
    assert [x["name"] for x in channels.values() if "UCADRE" not in x["members"]] == ["leads"]
    messages = workspace["messages"]
    assert len(messages) >= 120 and len({x["ts"] for x in messages}) == len(messages)
    assert all(x["user"] in channels[x["channel"]]["members"] for x in messages)
    starts = {x["ts"] for x in messages}
    assert all(x["thread_ts"] in starts and x["thread_ts"] < x["ts"] for x in messages if "thread_ts" in x)


def test_the_truth_is_written_outside_the_folder_and_only_when_asked_for(tmp_path):
    company = generate(5, small=True)
    write(company, tmp_path / "plain")
    assert not list(tmp_path.rglob("*truth*"))
    with pytest.raises(ValueError, match="must not lie inside"):
        write(company, tmp_path / "out", tmp_path / "out" / "truth.json")
    write(company, tmp_path / "out", tmp_path / "truth.json")
    assert json.loads((tmp_path / "truth.json").read_text(encoding="utf-8")) == company.truth
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not any(b'"causes"' in path.read_bytes() for path in files)


def test_the_command_writes_the_same_folder_each_time(tmp_path):
    for name in ("a", "b"):
        arguments = [
            "--seed",
            "9",
            "--small",
            "--out",
            str(tmp_path / name),
            "--truth",
            str(tmp_path / f"{name}.json"),
        ]
        subprocess.run([sys.executable, "-m", "loopback.company", *arguments], check=True)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    with (tmp_path / "a" / "ledger" / "entries.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file))[:4] == ["entry_id", "line", "date", "period"]
