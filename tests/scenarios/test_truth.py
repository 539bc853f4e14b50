"""The oracle bench on documents of our own: a perfect oracle loses nothing, and no fault of a careless one arrives."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.truth.cuad import CASE, Cuad
from bench.truth.delivered import Delivered, table
from bench.truth.faults import DIGIT, EARLY, INVENT, Faults
from bench.truth.labels import Label, Window, answer
from bench.truth.run import PARTS, measure

SHARED = Path(__file__).parents[3] / "shared" / "data"
FILLER = (
    "The parties keep each other informed about the progress of the work and meet when one of them asks for it.\n"
)
MARKED = {
    "Governing Law": "This agreement is governed by the laws of {place}.",
    "Notice": "Either party may end this agreement with {days} days' notice<omitted>given in writing.",
    "Fee": "The customer pays {amount} euros for each month of service.",
}
PLACES = ("Austria", "Norway", "Portugal", "Iceland", "Estonia", "Malta")


def contracts():
    """Six agreements with the clauses marked in them; one lacks the fee, one is longer than two windows."""
    texts, labels = {}, []
    for number, place in enumerate(PLACES):
        told = {"place": place, "days": 30 + number, "amount": 1200 + 7 * number}
        spans = {name: [words.format(**told)] for name, words in MARKED.items() if number or name != "Fee"}
        clauses = [span[0].replace("<omitted>", ", as long as it is\n") for span in spans.values()]
        name = f"Agreement with {place}.txt"
        texts[name] = FILLER.join([f"Agreement {number}\n", *(f"{clause}\n" for clause in clauses), FILLER * 3])
        if place == "Malta":
            texts[name] += FILLER * 1100 + "Signed in Valletta.\n"
        labels.append({"file": name, "spans": spans})
    return Cuad(texts, labels, {})


def window(text):
    """A request for an item with one line of text."""
    item = '<item>{"name": "a.txt", "window": 1}</item>'
    blocks = [{"type": "text", "text": words} for words in (item, text)]
    return Window.of({"messages": [{"role": "user", "content": blocks}]})


@pytest.fixture(scope="module")
def account():
    return asyncio.run(measure(contracts(), [3], [part for part in PARTS if part != "speed"]))


def test_what_a_perfect_oracle_says_reaches_people_whole(account):
    told = {one["what"]: one for one in account.targets if "perfect" in one["part"]}
    assert [what for what, one in told.items() if not one["met"]] == []
    assert told["contracts reported once, with every question"]["measured"] == len(PLACES)
    assert account.figures["CUAD, perfect oracle"]["clauses"] == 3 * len(PLACES) - 1


def test_no_fault_of_a_careless_oracle_reaches_people(account):
    shown = account.figures["CUAD, careless oracle (seed 3)"]
    assert [one["what"] for one in account.targets if "careless" in one["part"] and not one["met"]] == []
    assert shown[DIGIT]["planted"] and shown[EARLY]["planted"] and shown[INVENT]["planted"]


def test_the_judge_misses_a_lost_clause_an_altered_digit_and_a_contract_that_is_reported_twice():
    found = contracts()
    name = "Agreement with Norway.txt"
    head = ["name", "question", "found", "quote", "at", "place", "value", "url"]
    rows = [
        [name, "governing_law", "True", "This agreement is governed by the laws of Norway.", "l2"],
        [name, "fee", "True", "The customer pays 1208 euros for each month of service.", "l4"],
    ]
    answers = table("answers", [head, *rows])
    documents = table("documents", [["name", "status", "windows"], [name, "done", "1"], [name, "done", "1"]])
    verdict = found.judge({CASE: Delivered(("done",), (answers, documents), ())})
    told = {one.what: one for one in verdict.targets}
    assert told["contracts reported once, with every question"].measured == 0
    assert told["quotes verbatim"].measured == 50
    assert told["marked clauses delivered"].measured == pytest.approx(100 / 17)


def test_the_oracle_finds_whole_words_only_and_says_what_of_a_clause_a_window_holds():
    shown = window("[l1] The Bankers of the Bank met.\n[l2] It pays all\n[l3] costs at once.")
    told = answer(shown, ["a", "b", "c"], [Label("a", "Bank"), Label("b", "pays all costs<omitted>not here at all")])
    entries = {one["question"]: one["entries"] for one in told["answers"]}
    assert entries == {"a": [{"quote": "Bank", "at": "l1"}], "b": [{"quote": "pays all costs", "at": "l2"}], "c": []}


def test_the_same_seed_plants_the_same_faults():
    given = {
        "window": 1,
        "answers": [{"question": "a", "found": True, "entries": [{"quote": "12 days", "at": "l1"}]}],
    }
    items = [{"name": f"{number}.txt", "window": 1} for number in range(50)]
    kept = []
    for faults in (Faults(5), Faults(5), Faults(6)):
        for item in items:
            faults.bend("run", "i1", item, 1, given)
        kept.append(faults.planted)
    assert kept[0] == kept[1] != kept[2]
    assert kept[0]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not here")
def test_ten_contracts_that_lawyers_marked_arrive_whole():
    found = Cuad.find(SHARED, 10)
    if isinstance(found, str):
        pytest.skip(found)
    account = asyncio.run(measure(found, [], ["perfect"]))
    assert [one["what"] for one in account.targets if not one["met"]] == []
