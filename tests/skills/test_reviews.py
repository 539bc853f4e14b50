"""The scripts of the reviews: what deviates, who does what by when, what is met; and checks that catch what is wrong."""

from __future__ import annotations

import datetime
import importlib
import json
import sys

import pytest

from bot.tools.child import KIT
from connectors.documents.reading import read
from loopback.company import generate
from tests.skills.drive import SKILLS, run_script

PAGE = "<html><body>{body}</body></html>"


@pytest.fixture
def lib(request):
    """A module of a skill's scripts, imported and forgotten again."""
    skill, name = request.param
    place, before = str(SKILLS / skill / "scripts"), set(sys.modules)
    sys.path[:0] = [place, KIT]
    yield importlib.import_module(name)
    sys.path.remove(place)
    sys.path.remove(KIT)
    for other in set(sys.modules) - before:
        if str(getattr(sys.modules[other], "__file__", "") or "").startswith(place):
            del sys.modules[other]


def using(skill, name):
    return pytest.mark.parametrize("lib", [(skill, name)], indirect=True)


# -- a small contract review in files --------------------------------------------------------------------------------


def text_of(item, name, words):
    document = read(name, words.encode())
    passages = [[p.start, p.end, p.anchor.label, p.anchor.place] for p in document.passages]
    return {"item": item, "name": name, "text": document.text, "passages": passages}


def answer(item, name, question, label, quote="", at="", **more):
    told = {"item": item, "name": name, "ref": name, "status": "done", "reason": "", "question": question}
    told |= {"label": label, "found": bool(quote)}
    return {**told, **({"quote": quote, "at": at, "place": "line 1", "url": "", **more} if quote else {})}


LAW = "This contract is governed by the laws of Eastmark."
PAY = "Invoices are paid within 10 days."


@pytest.fixture
def reviewed(tmp_path):
    """Results of two contracts and one that could not be read, with page data and workbook made of them."""
    folder = tmp_path / "reviewer"
    (folder / "results").mkdir(parents=True)
    one, two = ("i1", "oak.txt"), ("i2", "elm.txt")
    results = [
        answer(*one, "governing_law", "Governing law", LAW, "l1", value="Eastmark"),
        answer(*one, "payment_terms", "Time to pay", PAY, "l2", value={"number": "10", "unit": "days"}),
        answer(
            *two, "governing_law", "Governing law", "The laws of the Netherlands apply.", "l1", value="Netherlands"
        ),
        answer(*two, "payment_terms", "Time to pay"),
        {"item": "i3", "name": "scan.pdf", "ref": "scan.pdf", "status": "refused", "reason": "empty: a scan"},
    ]
    texts = [text_of(*one, f"{LAW}\n{PAY}\n"), text_of(*two, "The laws of the Netherlands apply.\n")]
    items = "item,name,ref,url,sha256,status,reason\ni1,oak.txt,r,,s,done,\ni2,elm.txt,r,,s,done,\ni3,scan.pdf,r,,s,refused,empty: a scan\n"
    keep(folder, results, texts)
    (folder / "results" / "clauses.items.csv").write_text(items)
    args = {
        "results": "results/clauses.jsonl",
        "texts": "results/clauses.texts.jsonl",
        "say": "read",
        "work": "bulk1",
    }
    made = run_script("contract-review", "review.py", {**args, "manifest": "results/clauses.items.csv"}, folder)
    assert made["ok"], made
    data = json.loads((folder / "review.json").read_text())
    (folder / "review.html").write_text(html_of(data))
    return folder, results, texts, made, data


def keep(folder, results, texts):
    (folder / "results" / "clauses.jsonl").write_text("".join(json.dumps(r) + "\n" for r in results))
    (folder / "results" / "clauses.texts.jsonl").write_text("".join(json.dumps(t) + "\n" for t in texts))


def html_of(data):
    """As much of a page as the checks look at: headings, rows of tables, the places that links lead to."""
    parts = []
    for section in data["sections"]:
        parts.append(f'<h2 id="{section.get("id", "")}">{section["title"]}</h2>')
        for block in section["blocks"]:
            if block["type"] == "table":
                lines = "".join(f"<tr><td>{json.dumps(row)}</td></tr>" for row in block["rows"])
                parts.append(f"<table><tbody>{lines}</tbody></table>")
    return PAGE.format(body="".join(parts))


def verdicts(folder):
    told = run_script("contract-review", "check_review.py", {}, folder)
    return {check["name"]: check["passed"] for check in told["checks"]}


def test_values_are_compared_with_the_standard_positions_and_what_is_missing_deviates(reviewed):
    _, _, _, made, data = reviewed
    table = next(s for s in data["sections"] if s.get("id") == "deviations")["blocks"][0]
    shown = [(row[0]["text"], row[1].partition("]")[0][1:], row[2]) for row in table["rows"]]
    assert shown == [
        ("high", "oak", "Governing law"), ("medium", "oak", "Time to pay"), ("medium", "elm", "Time to pay")
    ]  # fmt: skip
    values = {figure["id"]: figure["value"] for figure in made["figures"]}
    assert values["review.deviations"] == "3" and values["review.flagged"] == "2" and values["review.unread"] == "1"


def test_the_words_of_a_quote_are_marked_in_the_text_that_the_page_holds(reviewed):
    *_, data = reviewed
    folded = next(s for s in data["sections"] if s.get("id") == "contracts")["blocks"]
    marked = {
        one["text"][start:end]
        for contract in folded
        for block in contract["blocks"]
        if block["type"] == "passages"
        for one in block["items"]
        for start, end in one["marks"]
    }
    assert marked == {LAW, PAY, "The laws of the Netherlands apply."}


def test_a_review_that_holds_passes_every_check(reviewed):
    assert all(verdicts(reviewed[0]).values())


def test_an_altered_digit_in_a_quote_is_caught(reviewed):
    folder, results, texts, *_ = reviewed
    results[1]["quote"] = PAY.replace("10", "14")
    keep(folder, results, texts)
    assert not verdicts(folder)["quotes_verbatim"]


def test_a_quote_cited_at_another_place_is_caught(reviewed):
    folder, results, texts, *_ = reviewed
    results[0]["at"] = "l2"
    keep(folder, results, texts)
    assert not verdicts(folder)["quotes_verbatim"]


def test_a_document_left_out_is_caught(reviewed):
    folder, results, texts, *_ = reviewed
    keep(folder, [row for row in results if row["item"] != "i2"], texts)
    told = verdicts(folder)
    assert not told["every_document_reported"] and not told["counts_from_rows"] and not told["workbook_has_all_rows"]


def test_a_row_that_is_missing_on_the_page_is_caught(reviewed):
    folder, *_, data = reviewed
    next(s for s in data["sections"] if s.get("id") == "deviations")["blocks"][0]["rows"].pop()
    (folder / "review.html").write_text(html_of(data))
    assert not verdicts(folder)["counts_from_rows"]


def test_a_file_that_was_not_read_and_is_not_named_is_caught(reviewed):
    folder, *_ = reviewed
    page = folder / "review.html"
    page.write_text(page.read_text().replace("scan.pdf", "another"))
    assert not verdicts(folder)["what_was_not_read_is_named"]


def test_a_count_that_was_changed_is_caught(reviewed):
    folder, *_ = reviewed
    totals = folder / "totals.csv"
    totals.write_text(
        totals.read_text().replace(
            "contracts that deviate from the standard,2", "contracts that deviate from the standard,3"
        )
    )
    assert not verdicts(folder)["counts_from_rows"]


# -- a meeting -------------------------------------------------------------------------------------------------------


@using("meeting-page", "minuteslib")
def test_days_are_worked_out_from_the_words_and_the_day_of_the_meeting(lib):
    day = datetime.date(2026, 10, 6)  # a Tuesday
    told = {
        "Friday 16 October 2026": "2026-10-16", "16 October": "2026-10-16", "2 January": "2027-01-02",
        "Friday": "2026-10-09", "Tuesday": "2026-10-13", "tomorrow": "2026-10-07", "2026-11-01": "2026-11-01",
        "October 9th, 2026": "2026-10-09", "31 February 2027": "", "soon": "", "": "",
    }  # fmt: skip
    assert {words: lib.resolved(words, day) for words in told} == told
    assert lib.resolved("Friday", None) == ""


@using("meeting-page", "minuteslib")
def test_an_owner_is_one_of_the_speakers_or_nobody(lib):
    people = ["Ann Lee", "Ann Poe", "Bo Lund"]
    assert [lib.person(name, people) for name in ("bo", "Bo Lund", "Ann", "Ann Poe", "Carl", "")] == [
        "Bo Lund", "Bo Lund", "", "Ann Poe", "", ""
    ]  # fmt: skip


TALK = """Steering, 6 October 2026

[00:00:10] Ann Lee: We meet. Decided, the crane is sold before winter.
[00:00:40] Bo Lund: I will call the buyer by Friday.
[00:01:10] Ann Lee: Good. Once more for the minutes, the crane is sold before winter.
"""


def spoken(kind, quote, at, what, **value):
    return answer("i1", "talk.txt", kind, kind, quote, at, value={"what": what, **value})


@using("meeting-page", "minuteslib")
def test_what_is_said_twice_stands_once_with_both_places(lib):
    document = text_of("i1", "talk.txt", TALK)
    rows = [
        spoken("decision", "Decided, the crane is sold before winter.", "t1", "the crane is sold before winter"),
        spoken("decision", "the crane is sold before winter.", "t3", "the crane is sold before winter"),
        spoken("action", "I will call the buyer by Friday.", "t2", "call the buyer", owner="Bo", due="Friday"),
    ]
    found = lib.entries(rows, document)
    assert [(one.kind, [row["at"] for row in one.rows]) for one in found] == [
        ("decision", ["t1", "t3"]),
        ("action", ["t2"]),
    ]
    assert (found[1].owner, found[1].date) == ("Bo Lund", "2026-10-09")


@using("meeting-page", "minuteslib")
def test_words_with_a_number_or_name_that_nobody_said_give_way_to_the_quote(lib):
    document = text_of("i1", "talk.txt", TALK)
    for what in ("the crane is sold for 90,000", "the crane is sold to Marten"):
        (one,) = lib.entries([spoken("decision", "Decided, the crane is sold before winter.", "t1", what)], document)
        assert one.what == "Decided, the crane is sold before winter."
    row = spoken("action", "I will call the buyer by Friday.", "t2", "call the buyer", owner="Bo", due="Monday")
    (one,) = lib.entries([row], document)
    assert (one.due, one.date) == ("", "")


# -- a filing --------------------------------------------------------------------------------------------------------


def required(number, kind="statement", limit=None):
    value = {"number": number, "title": "Title", "must": "It must hold", "kind": kind, "words": "one, two"}
    value |= {"limit": limit} if limit else {}
    return answer("i1", "policy", "requirement", "Requirement", f"{number}. Title.", "l1", value=value)


def stated(question, /, **value):
    return answer("i2", "filing", f"q_{question}", question, "as it says", "l1", value=value)


@using("filing-review", "filinglib")
def test_a_number_is_compared_with_the_limit_and_what_nobody_speaks_of_is_not_addressed(lib):
    asked = lib.requirements([required("R1", "at_least", "1.20"), required("R2", "at_most", "20"), required("R3")])
    found = lib.answers(asked, [stated("R1", number="1.2"), stated("R2", number="20.01")])
    assert [one.verdict for one in found] == ["met", "not met", "not addressed"]
    assert lib.counted(found) == {"requirements": 3, "met": 1, "not_met": 1, "silent": 1}


@using("filing-review", "filinglib")
def test_one_place_that_denies_outweighs_another_that_does_not(lib):
    asked = lib.requirements([required("R1"), required("R2", "at_least", "5")])
    rows = [
        stated("R1", verdict="met"),
        stated("R1", verdict="not met"),
        stated("R2", number="9"),
        stated("R2", number="4"),
    ]
    assert [one.verdict for one in lib.answers(asked, rows)] == ["not met", "not met"]


@using("filing-review", "filinglib")
def test_a_policy_without_requirements_or_with_two_of_one_number_is_said_to_be_so(lib):
    with pytest.raises(Exception, match="no requirement"):
        lib.requirements([answer("i1", "policy", "requirement", "Requirement")])
    with pytest.raises(Exception, match="alike: R1"):
        lib.requirements([required("R1"), required("R1")])


# -- the sample papers -----------------------------------------------------------------------------------------------


def test_another_seed_plants_other_deviations_and_the_papers_can_be_read():
    planted = [json.dumps(generate(seed).truth["contracts"], sort_keys=True) for seed in (1, 2)]
    assert planted[0] != planted[1]
    papers = generate(2).papers
    report = read("report.pdf", papers["Filings/Annual report 2025.pdf"])
    assert report.pages > 60 and len(report.unread) == 1
    talk = read("talk.txt", papers["Meetings/Steering meeting 2026-10-06.txt"])
    assert talk.kind == "transcript" and max(p.anchor.seconds or 0 for p in talk.passages) > 2_700
