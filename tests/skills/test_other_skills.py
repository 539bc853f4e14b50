"""Budget comparison on the city's tables, the channel digest, and what every skill folder must keep."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from bot.skills import SkillLibrary
from bot.tools.formula import evaluate
from bot.tools.render import uncited_numbers
from connectors.documents.columns import understand, write_long
from connectors.documents.tables import read_grid
from loopback.model.playbook import parse
from tests.skills.drive import SKILLS, recompute, run_script

BUDGET = Path(__file__).parents[3] / "shared" / "data" / "budget"
needs_budget = pytest.mark.skipif(not BUDGET.is_dir(), reason="the shared budget tables are not on this machine")


def budget_readings(work: Path, tables: dict[str, bytes]):
    readings = []
    for name, data in tables.items():
        for grid in read_grid(data, name):
            found = understand(grid)
            path = f"tables/{name}.long.csv"
            write_long(work / path, grid, found, f"file:{name}", lambda row, _: f"http://drive.test/x?row={row}")
            readings.append(
                {"long_file": path, "columns": found.described(), "problems": list(found.problems),
                 "unknown_columns": list(found.unknown)}
            )  # fmt: skip
    return readings


def compare(work: Path, left: str, right: str, readings):
    return run_script("budget-comparison", "compare.py", {"left": left, "right": right, "readings": readings}, work)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory):
    """A directory with the city's tables as read, and what reading them said."""
    work = tmp_path_factory.mktemp("city")
    tables = {path.name: path.read_bytes() for path in sorted(BUDGET.glob("*.csv.gz"))}
    return work, budget_readings(work, tables)


@needs_budget
def test_adjusted_and_adopted_are_compared_exactly_and_both_imbalances_are_reported(city):
    work, readings = city
    made = compare(work, "FY16-17 adjusted", "adopted", readings)
    values = {figure["id"]: figure["value"] for figure in made["figures"]}
    assert (values["expense_left"], values["revenue_left"]) == ("1239428331", "1237091825")
    assert (values["expense_right"], values["revenue_right"]) == ("1182157681", "1182137681")
    assert [(f["kind"], f["amount"]) for f in made["findings"]] == [("imbalance", "2336506"), ("imbalance", "20000")]
    assert "FUND-999999" in made["summary"]
    assert len(made["summary"].splitlines()) <= 12
    report = (work / "comparison.md").read_text()
    assert uncited_numbers(made["summary"] + report, "") == []
    assert set(re.findall(r"\{\{f:(.*?)\}\}", made["summary"] + report)) <= values.keys()
    assert recompute(work, made["figures"], evaluate) == []
    checks = run_script("budget-comparison", "check_sums.py", {}, work)["checks"]
    assert len(checks) == 2 and all(check["passed"] for check in checks)


@needs_budget
def test_two_years_that_balance_are_said_to_balance(city):
    work, readings = city
    made = compare(work, "FY20-21", "FY19-20", readings)
    values = {figure["id"]: figure["value"] for figure in made["figures"]}
    assert values["expense_left"] == values["revenue_left"] == "1652052100"
    assert values["expense_right"] == values["revenue_right"] == "1656222651"
    assert made["findings"] == [] and made["summary"].count("balances exactly") == 2


@needs_budget
def test_a_year_with_two_versions_needs_the_word_and_an_unknown_year_is_named(city):
    work, readings = city
    assert "Several data sets could be FY16-17" in compare(work, "FY16-17", "FY19-20", readings)["error"]
    assert "nothing for FY30-31" in compare(work, "FY30-31", "FY19-20", readings)["error"]
    assert "called amended" in compare(work, "FY16-17 amended", "adopted", readings)["error"]


def test_versions_in_a_column_are_told_apart_without_the_title(tmp_path):
    text = b"Year;Version;Department;Type;Amount\nFY23-24;adopted;Parks;Expense;10\nFY23-24;adjusted;Parks;Expense;12,50\n"
    made = compare(tmp_path, "FY23-24 adjusted", "adopted", budget_readings(tmp_path, {"b": text}))
    values = {figure["id"]: Decimal(figure["value"]) for figure in made["figures"]}
    assert values["expense_change"] == Decimal("2.5")


def test_an_altered_sum_fails_the_check(tmp_path):
    text = b"year,department,fund,type,amount\nFY23-24,Parks,10,Expense,10\nFY24-25,Parks,10,Expense,12\n"
    compare(tmp_path, "FY24-25", "FY23-24", budget_readings(tmp_path, {"b": text}))
    assert all(c["passed"] for c in run_script("budget-comparison", "check_sums.py", {}, tmp_path)["checks"])
    path = tmp_path / "departments.csv"
    path.write_text(path.read_text().replace("12,10,2", "13,10,3"))
    assert not all(c["passed"] for c in run_script("budget-comparison", "check_sums.py", {}, tmp_path)["checks"])


def message(ts: str, user: str, text: str, thread: str = ""):
    return {"ts": ts, "user": user, "text": text, "thread_ts": thread, "permalink": f"http://slack.test/p{ts}"}


def test_a_digest_quotes_decisions_open_questions_and_promises_with_their_links():
    said = [
        message("1.1", "A", "Shall we ship on Friday?"),
        message("2.1", "B", "Decided: we ship on Monday.", "1.1"),
        message("3.1", "A", "Who tells <@U123|Rosa>?", "1.1"),
        message("4.1", "C", "I will write the notes [draft]", ""),
    ]
    lines = run_script("channel-digest", "digest.py", {"messages": said}, SKILLS)["summary"].splitlines()
    assert "• Decided: [Decided: we ship on Monday.](http://slack.test/p2.1)" in lines
    assert "• Open questions: [Who tells Rosa?](http://slack.test/p3.1)" in lines
    assert "• To do: [I will write the notes (draft)](http://slack.test/p4.1)" in lines
    assert not any("Open questions: [Shall" in line for line in lines)


def test_a_quiet_channel_gets_one_line():
    assert run_script("channel-digest", "digest.py", {"messages": []}, SKILLS)["summary"].count("\n") == 0


@pytest.mark.parametrize("place", sorted(SKILLS.glob("*/SKILL.md")), ids=lambda place: place.parent.name)
def test_a_skill_is_valid_short_and_its_playbook_can_be_followed(place):
    skill = SkillLibrary(SKILLS).skills[place.parent.name]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", skill.name) and 0 < len(skill.description) <= 1024
    assert len(skill.text) // 4 <= 2000
    for role in skill.playbook["roles"]:
        parse(yaml.safe_dump(skill.playbook), role)
        assert role == "lead" or skill.role(role) is not None
    for check in [*skill.checks, *(c for task in skill.playbook.get("task_checks", {}).values() for c in task)]:
        assert skill.script(check["script"]).is_file()


@pytest.mark.parametrize(
    ("request_text", "skill", "inputs"),
    [
        ("close Q3 2026", "quarterly-close", {"period": "2026-Q3"}),
        ("please close the books for Q3 2026", "quarterly-close", {"period": "2026-Q3"}),
        ("quarter close Q2 2025", "quarterly-close", {"period": "2025-Q2"}),
        ("summary", "close-summary", {}),
        ("/quarter-close summary", "close-summary", {}),
        (
            "compare FY16-17 adjusted with adopted",
            "budget-comparison",
            {"left": "FY16-17 adjusted", "right": "adopted"},
        ),
        ("compare FY20-21 with FY19-20", "budget-comparison", {"left": "FY20-21", "right": "FY19-20"}),
        (
            "compare adjusted FY16-17 with adopted",
            "budget-comparison",
            {"left": "FY16-17 adjusted", "right": "adopted"},
        ),
        ("digest this channel", "channel-digest", {"since": ""}),
        ("digest this channel since 2026-09-01", "channel-digest", {"since": "2026-09-01"}),
    ],
)
def test_a_request_finds_its_skill(request_text, skill, inputs):
    match = SkillLibrary(SKILLS).match(request_text)
    assert match is not None and (match.skill, match.inputs) == (skill, inputs)


def test_other_requests_match_no_skill():
    library = SkillLibrary(SKILLS)
    assert [t for t in ("hello", "close the door", "summarise the launch thread") if library.match(t)] == []
