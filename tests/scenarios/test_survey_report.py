"""Two years of a survey through the real Slack path: a page with exact tallies, quotes that give nobody away."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import re
import zipfile
from decimal import ROUND_HALF_UP, Decimal

import openpyxl
import pytest
from lxml import html

from bot.local import Options, stage
from tests.scenarios.reports import company, report

REQUEST = "survey report 2026 against 2025"


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """The run as JSON, its workspace, the files of the thread by name, the truth about the survey."""
    home = tmp_path_factory.mktemp("survey")
    truth = company(4, home)["survey"]
    run, place, files, _ = asyncio.run(report(REQUEST, 4, home))
    return run, place, {name: data.decode() for name, data in files.items()}, truth


def test_the_report_is_attached_and_the_run_is_done(reported):
    run, place, files, _ = reported
    assert (run["run"]["status"], run["run"]["error"]) == ("done", None)
    assert list(files) == ["report.html"]
    assert files["report.html"] == (place / "report.html").read_text()


def test_every_tally_equals_the_truth_and_small_groups_are_not_shown(reported):
    _, place, _, truth = reported
    seen = 0
    with (place / "tallies.csv").open() as lines:
        for line in csv.DictReader(lines):
            counts = truth["counts"][line["year"]][line["title"]]
            true = counts.get(line["option"], 0)
            if line["shown"] == "yes":
                share = (Decimal(true) / counts[""] * 100).quantize(Decimal("0.1"), ROUND_HALF_UP)
                assert (int(line["count"]), int(line["base"])) == (true, counts[""])
                assert Decimal(line["share"]) == share
                assert true == 0 or true >= 5
                seen += 1
            else:
                assert line["count"] == ""
    assert seen > 40
    with (place / "tallies.csv").open() as lines:
        rare = [line["shown"] for line in csv.DictReader(lines) if line["option"] == truth["rare"]]
    assert rare == ["small", "small"]


def test_every_number_of_the_page_opens_a_figure_that_recomputes_from_its_query(reported):
    run, _, files, _ = reported
    figures = {f["id"]: f for f in run["figures"]}
    evidence = {e["id"]: e for e in run["evidence"]}
    links = html.fromstring(files["report.html"]).xpath("//a[@class='n']")
    assert len(links) > 150
    for link in links:
        figure = figures[link.get("href").rsplit("/", 1)[-1]]
        assert Decimal(figure["value"]) == Decimal(re.sub(r"[^\d.-]", "", link.text_content()))
        assert all("SELECT" in evidence[e]["ref"] for e in figure["inputs"])


def test_quotes_are_answers_as_given_by_people_who_cannot_be_recognised(reported):
    _, place, files, truth = reported
    quoted = [p.text_content() for p in html.fromstring(files["report.html"]).xpath("//blockquote/p")]
    with (place / "texts.csv").open() as lines:
        answers = {row["answer"] for row in csv.DictReader(lines)}
    assert len(quoted) >= 10
    assert set(quoted) <= answers
    assert len(quoted) == len(set(quoted))
    assert not [text for text in truth["identifying"] if text in files["report.html"]]


def test_questions_of_one_year_only_are_named_and_not_compared(reported):
    run, _, files, _ = reported
    (alone,) = [
        s for s in html.fromstring(files["report.html"]).xpath("//section") if "one year only" in s[0].text_content()
    ]
    for title in ("Did you visit our stand at Aquatech?", "Do you use the Delta web view?"):
        assert title in alone.text_content()
        assert title.rstrip("?") in run["summary"]["text"]
    assert len(run["summary"]["lines"]) <= 12


def test_the_first_reader_is_told_what_was_verified(reported):
    run, *_ = reported
    (verifier,) = [a["name"] for a in run["agents"] if a["role"] == "verifier"]
    assert [c["status"] for c in run["tool_calls"] if c["agent"] == verifier and c["name"] == "run_script"] == [
        "done"
    ]


def workbook(rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    book.close()
    return out.getvalue()


def test_tables_attached_to_the_mention_are_compared_too(tmp_path):
    header = ["Id", "Which boat?", "Ways [Sail]", "Ways [Oar]"]
    earlier = [[f"A{n}", "red" if n < 9 else "blue", "Yes" if n < 7 else "No", "Yes"] for n in range(20)]
    later = [[f"B{n}", "red" if n < 6 else "blue", "Sail; Oar" if n < 11 else "Oar"] for n in range(22)]
    pack = io.BytesIO()
    with zipfile.ZipFile(pack, "w") as out:
        out.writestr("boats 2025.csv", "\n".join(";".join(row) for row in [header, *earlier]))
        out.writestr("boats 2026.xlsx", workbook([["Id", "Which boat?", "Ways"], *later]))
    told = {"content_b64": base64.b64encode(pack.getvalue()).decode(), "filename": "boats.zip"}

    async def scenario():
        options = Options(seed=4, timeout_s=120)
        async with stage(options, tmp_path) as here:
            posted = await here.act(
                **{"as": "maya"}, do="upload", channel="finance", text=f"@cadre {REQUEST}", **told
            )
            run_id = await here.run_of(posted["ts"], 60)
            await here.follow(run_id, options)
            return await here.result(run_id), tmp_path / "runs" / run_id / "lead" / "tallies.csv"

    run, tallies = asyncio.run(scenario())
    assert (run["run"]["status"], run["run"]["error"]) == ("done", None)
    with tallies.open() as lines:
        found = {(r["option"], r["year"]): (r["count"], r["base"]) for r in csv.DictReader(lines)}
    assert found["red", "2025"] == ("9", "20") and found["red", "2026"] == ("6", "22")
    assert found["Sail", "2025"] == ("7", "20") and found["Sail", "2026"] == ("11", "22")
    assert not [c for c in run["tool_calls"] if c["name"].startswith("google__")]
