"""The survey scripts on files: exact tallies of real answers, unlike exports matched, nobody given away."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from bot.tools.formula import evaluate
from connectors.documents.tables import read_grid, write_grid
from tests.skills.drive import SKILLS, run_script

DATA = Path(__file__).parents[3] / "shared" / "data" / "survey"
needs_survey = pytest.mark.skipif(not DATA.is_dir(), reason="the survey data set is not on this machine")


def put(home, name, data):
    """A table as reading it leaves it in a workspace."""
    (home / "tables").mkdir(exist_ok=True)
    for grid in read_grid(data, name):
        write_grid(home / "tables" / f"{name}.csv", grid)


def tally(home, *years, **more):
    return run_script("survey-report", "tally.py", {"years": list(years), **more}, home)


def lines(home, name="tallies.csv"):
    with (home / name).open(newline="") as table:
        return list(csv.DictReader(table))


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    home = tmp_path_factory.mktemp("real")
    for year in ("us", "de"):
        put(home, f"rse_{year}", gzip.decompress((DATA / f"rse-2017-{year}.csv.gz").read_bytes()))
    return home, tally(home, "us", "de")


@needs_survey
def test_tallies_of_a_real_survey_equal_a_straightforward_recount(real):
    home, made = real
    assert made["ok"], made
    known = json.loads((home / "tally.json").read_text())["questions"]
    ways = {(q["id"], year): way for q in known for year, way in q["ways"].items()}
    answers = {}
    for year in ("us", "de"):
        with gzip.open(DATA / f"rse-2017-{year}.csv.gz", "rt", encoding="utf-8") as source:
            answers[year] = list(csv.DictReader(source))
    checked = 0
    for line in lines(home):
        if line["shown"] != "yes":
            continue
        way = ways[line["question"], line["year"]]
        columns = [c["name"] for c in way["columns"]]
        if way["kind"] == "multi":
            columns_of = {c["option"]: c["name"] for c in way["columns"]}
            n = sum(row[columns_of[line["option"]]] == "Yes" for row in answers[line["year"]])
        else:
            spelt = Counter(r[columns[0]].replace("\ufeff", "").strip().lower() for r in answers[line["year"]])
            n = spelt[line["option"].lower()]
        base = sum(any(row[c] not in ("", "NA") for c in columns) for row in answers[line["year"]])
        assert (line["count"], line["base"]) == (str(n), str(base)), line
        checked += 1
    assert checked > 800


@needs_survey
def test_every_figure_of_a_real_survey_recomputes_and_shows_no_small_group(real):
    _, made = real
    assert len(made["figures"]) > 2000
    for figure in made["figures"]:
        values = {i["as"]: Decimal(i["value"]) for i in figure["inputs"]}
        assert evaluate(figure["formula"], values) == Decimal(figure["value"])
        if figure["unit"] == "count":
            assert Decimal(figure["value"]) == 0 or Decimal(figure["value"]) >= 5


@needs_survey
def test_columns_of_a_real_survey_are_all_accounted_for_and_one_sided_questions_named(real):
    home, _ = real
    known = json.loads((home / "tally.json").read_text())
    used = [(y, c["name"]) for q in known["questions"] for y, w in q["ways"].items() for c in w["columns"]]
    used += [(entry["year"], entry["column"]) for entry in known["left_out"]]
    assert len(used) == len(set(used))
    for year in ("us", "de"):
        with (home / "tables" / f"rse_{year}.csv").open(newline="") as table:
            header = next(csv.reader(table))
        assert {name for y, name in used if y == year} == set(header) - {"_row"}
    alone = {q["title"] for q in known["questions"] if q["years"] == ["de"]}
    assert "Please select your gender" in alone


def survey(*rows, header="Id,Colour,Ways [Boat],Ways [Train],Words"):
    return "\n".join([header, *rows]).encode()


def person(number, colour="red", boat="Yes", train="No", words=""):
    return f"P{number},{colour},{boat},{train},{words}"


def two_years(home, earlier, later):
    put(home, "s_2024", earlier)
    put(home, "s_2025", later)
    return tally(home, "2024", "2025")


def test_one_column_per_option_and_all_options_in_one_cell_are_the_same_question(tmp_path):
    earlier = survey(*(person(n, boat="Yes" if n < 7 else "No", train="Yes") for n in range(12)))
    rows = [f"Q{n},red,{'Boat; Train' if n < 9 else 'Train'}," for n in range(14)]
    made = two_years(tmp_path, earlier, survey(*rows, header="Id,Colour,Ways,Words"))
    assert made["ok"], made
    boat = {line["year"]: (line["count"], line["base"]) for line in lines(tmp_path) if line["option"] == "Boat"}
    assert boat == {"2024": ("7", "12"), "2025": ("9", "14")}


def test_a_small_group_is_hidden_and_cannot_be_worked_out_from_the_others(tmp_path):
    colours = ["red"] * 20 + ["blue"] * 9 + ["green"] * 6 + ["grey"] * 2
    answers = survey(*(person(n, colour) for n, colour in enumerate(colours)))
    two_years(tmp_path, answers, answers)
    shown = {
        line["option"]: line["shown"]
        for line in lines(tmp_path)
        if line["year"] == "2024" and line["title"] == "Colour"
    }
    assert shown == {"red": "yes", "blue": "yes", "green": "neighbour", "grey": "small"}


def test_a_question_in_other_words_is_matched_only_when_told(tmp_path):
    earlier = survey(*(person(n) for n in range(12)))
    later = survey(*(person(n) for n in range(12)), header="Id,Which colour?,Ways [Boat],Ways [Train],Words")
    made = two_years(tmp_path, earlier, later)
    assert {u["title"] for u in made["unmatched"]} >= {"Colour", "Which colour?"}
    made = tally(tmp_path, "2024", "2025", matches={"Colour": "Which colour?"})
    assert not {u["title"] for u in made["unmatched"]} & {"Colour", "Which colour?"}
    assert "No question is called" in tally(tmp_path, "2024", "2025", matches={"Color": "Which colour?"})["error"]


def test_a_year_without_a_survey_ends_in_a_sentence(tmp_path):
    put(tmp_path, "s_2024", survey(*(person(n) for n in range(12))))
    assert "The survey of 2025" in tally(tmp_path, "2024", "2025")["error"]


def themed(home, texts, words):
    """Themes of a survey whose second year says this."""
    quiet = survey(*(person(n, words=f'"Fine, thank you, number {n % 3} of us all says so."') for n in range(12)))
    said = survey(*(person(n, words=f'"{text}"') for n, text in enumerate(texts)))
    made = two_years(home, quiet, said)
    assert made["ok"], made
    answer = run_script("survey-report", "themes.py", {"codebook": [{"title": "It", "words": [words]}]}, home)
    assert answer["ok"], answer
    (theme,) = json.loads((home / "themes.json").read_text())["themes"]
    return theme


def test_answers_that_tell_who_wrote_them_are_counted_and_not_quoted(tmp_path):
    telling = [
        "The lamp at Dorkum is too dim for us in the winter.", "I am the head of the lock and the lamp is dim.",
        "The lamp is dim, call me on 555 0148 about it please.", "The lamp is dim, write to a@b.example about that.",
    ]  # fmt: skip
    plain = [f"The lamp is too dim for us in the {when}." for when in ("winter", "morning", "rain", "fog", "evening")]
    theme = themed(tmp_path, [*telling, *plain, *["Nothing at all to say about this today."] * 4], "lamp")
    assert {q["text"] for q in theme["quotes"]} <= set(plain)
    assert len(theme["quotes"]) == 3
    (count,) = [
        f
        for f in run_script(
            "survey-report", "themes.py", {"codebook": [{"title": "It", "words": ["lamp"]}]}, tmp_path
        )["figures"]
        if f["id"].endswith("2025")
    ]
    assert count["value"] == "9"


def test_a_theme_of_fewer_than_five_people_is_neither_counted_nor_quoted(tmp_path):
    texts = ["The lamp is too dim for us in the winter."] * 4 + ["Nothing at all to say about this today."] * 9
    theme = themed(tmp_path, texts, "lamp")
    assert (theme["enough"], theme["quotes"]) == (False, [])


def test_an_altered_tally_and_an_altered_quote_fail_the_check(tmp_path):
    texts = [f"The lamp is too dim for us in the {when}." for when in ("winter", "morning", "rain", "fog", "evening")]
    themed(tmp_path, [*texts, *["Nothing at all to say about this today."] * 8], "lamp")
    made = run_script("survey-report", "report.py", {}, tmp_path)
    (tmp_path / "report.html").write_text((tmp_path / "report.json").read_text().replace("\\n", " "))
    assert made["ok"], made

    def failed():
        checks = run_script("survey-report", "check_report.py", {}, tmp_path)["checks"]
        return {c["name"] for c in checks if not c["passed"]}

    assert failed() == set()
    tallies = (tmp_path / "tallies.csv").read_text()
    (tmp_path / "tallies.csv").write_text(tallies.replace(",13,13,", ",12,13,", 1))
    assert failed() == {"tallies_exact"}
    (tmp_path / "tallies.csv").write_text(tallies)
    themes = (tmp_path / "themes.json").read_text()
    (tmp_path / "themes.json").write_text(
        themes.replace("in the rain", "in the RAIN")
        .replace("in the fog", "in fog")
        .replace("in the winter", "in winter")
    )
    assert "quotes_verbatim" in failed()


def test_the_skill_is_found_by_both_ways_of_asking():
    from bot.skills import SkillLibrary

    library = SkillLibrary(SKILLS)
    for text in ("survey report 2026 against 2025", "compare the customer surveys of 2025 and 2026"):
        match = library.match(text)
        assert match is not None
        assert (match.skill, match.inputs) == ("survey-report", {"left": "2025", "right": "2026"})


def test_a_question_whose_answers_on_offer_changed_shows_both_years_and_no_change(tmp_path):
    earlier = survey(*(person(n, ("often", "seldom")[n % 2]) for n in range(20)))
    two_years(tmp_path, earlier, survey(*(person(n, ("9", "7", "5")[n % 3]) for n in range(20))))
    known = json.loads((tmp_path / "tally.json").read_text())["questions"]
    (colour,) = [q for q in known if q["title"] == "Colour"]
    assert not colour["same_answers"] and [o["change"] for o in colour["options"]] == [""] * 5
    made = run_script("survey-report", "report.py", {}, tmp_path)
    assert "no change is shown" in (tmp_path / "report.json").read_text()
    assert "Colour" not in made["summary"]


def test_a_year_in_which_fewer_than_five_said_it_is_not_quoted(tmp_path):
    lamp = [f"The lamp is too dim for us in the {when}." for when in ("winter", "morning", "rain", "fog", "evening")]
    other = ["Nothing at all to say about this today."] * 9
    earlier = survey(
        *(person(n, words=f'"{text}"') for n, text in enumerate(["A lamp that we can see.", *other, *other]))
    )
    two_years(tmp_path, earlier, survey(*(person(n, words=f'"{text}"') for n, text in enumerate([*lamp, *other]))))
    run_script("survey-report", "themes.py", {"codebook": [{"title": "It", "words": ["lamp"]}]}, tmp_path)
    (theme,) = json.loads((tmp_path / "themes.json").read_text())["themes"]
    assert theme["shown"] == {"2024": False, "2025": True}
    assert {quote["year"] for quote in theme["quotes"]} == {"2025"}
