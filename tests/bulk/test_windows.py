"""A long document is read in windows that overlap; code puts the answers together."""

from __future__ import annotations

import asyncio

import pytest

from bot.team.items import answers
from bot.team.items.reading import prepare
from bot.tools import forms
from tests.bulk.harness import FORM, both, by_patterns, lead, told, worker

FORM_SMALL = FORM.replace("questions:", "window: {characters: 1000, overlap: 200}\nquestions:")
QUOTE = "The supplier pays a penalty of EUR 5 for each day."


def long_text(paragraphs: int) -> str:
    lines = [f"Paragraph {n}. " + " ".join(f"p{n}w{w}" for w in range(30)) for n in range(paragraphs)]
    lines.insert(paragraphs // 2, QUOTE)
    lines.insert(1, "The customer pays a fee of EUR 10.50 for it.")
    lines.append("It is governed by the laws of Northland, as the parties agree.")
    return "\n".join(lines) + "\n"


def form(**more):
    return forms.read(
        {
            "title": "t", "instructions": "i",
            "questions": [
                {"id": "a", "label": "A", "ask": "a"},
                {"id": "b", "label": "B", "ask": "b", "value": {"type": "string"}, "many": False, "quote": "optional"},
            ],
            **more,
        }
    )  # fmt: skip


def test_every_window_is_read_and_a_quote_in_two_of_them_counts_once(tmp_path):
    text = long_text(60)

    async def scenario():
        async with worker(tmp_path, both(lead({"long.txt": text}), by_patterns), form=FORM_SMALL) as here:
            run_id = await here.ask()
            view = await here.ended(run_id)
            return view, here.results(run_id), await here.manifest(run_id), await here.answers(run_id)

    view, rows, manifest, given = asyncio.run(scenario())
    windows = manifest["long.txt"]["windows"]
    assert view.coverage.done == 1
    assert windows > 10
    assert sorted(row["window"] for row in given) == list(range(1, windows + 1))
    assert [(row["question"], row["found"]) for row in rows] == [("law", True), ("fee", True), ("penalty", True)]
    assert all(row["quote"] in text for row in rows)


def test_one_bad_window_keeps_the_item_from_being_done(tmp_path):
    def script(body):
        return ([], "refusal") if told(body)["window"] == 3 else by_patterns(body)

    async def scenario():
        async with worker(tmp_path, both(lead({"long.txt": long_text(40)}), script), form=FORM_SMALL) as here:
            run_id = await here.ask()
            view = await here.ended(run_id)
            return view, await here.manifest(run_id)

    view, manifest = asyncio.run(scenario())
    assert (view.coverage.done, view.coverage.refused) == (0, 1)
    assert manifest["long.txt"]["reason"].startswith("window 3 of ")


def entry(start, end, value=None):
    made = {"quote": "q" * (end - start), "at": "l1", "spans": [[start, end]]}
    return made if value is None else {**made, "value": value}


def window(*entries, b=()):
    return [
        {"question": "a", "found": bool(entries), "entries": list(entries)},
        {"question": "b", "found": bool(b), "entries": list(b)},
    ]


def spans(merged, place=0):
    return [one["spans"][0] for one in merged[place]["entries"]]


def test_the_same_span_counts_once_and_what_a_window_cut_off_is_kept_whole():
    told = answers.merged(form(), [window(entry(0, 10), entry(90, 100)), window(entry(90, 100), entry(150, 160))])
    assert spans(told) == [[0, 10], [90, 100], [150, 160]]
    told = answers.merged(form(), [window(entry(90, 100)), window(entry(85, 120))])
    assert spans(told) == [[85, 120]]
    told = answers.merged(form(), [window(entry(85, 120)), window(entry(90, 100))])
    assert spans(told) == [[85, 120]]


def test_a_passage_and_a_part_of_it_quoted_by_one_window_are_two_entries():
    told = answers.merged(form(), [window(entry(0, 50), entry(10, 20)), window(entry(0, 50), entry(10, 20))])
    assert spans(told) == [[0, 50], [10, 20]]


def test_absent_is_what_every_window_says():
    told = answers.merged(form(), [window(), window(entry(5, 9)), window()])
    assert [one["found"] for one in told] == [True, False]


def test_windows_that_contradict_each_other_about_one_value_need_a_person():
    one, other = window(b=[{"value": "x"}]), window(b=[{"value": "y"}])
    assert answers.merged(form(), [one, one])[1]["entries"] == [{"value": "x"}]
    with pytest.raises(answers.Wrong, match="different things"):
        answers.merged(form(), [one, other])


def test_a_quote_must_stand_in_the_window_and_its_place_is_corrected_by_code():
    text = "The fee is 1,250.00 due on 3 May.\nSecond line here.\n\nThe fee is 7 euro.\n"
    reading = asyncio.run(prepare("a.txt", text.encode(), 48_000, 1_500)).reading
    (whole,) = reading.windows
    asked = form(
        questions=[
            {
                "id": "a", "label": "A", "ask": "a",
                "value": {
                    "type": "object", "required": ["fee"],
                    "properties": {
                        "fee": {"type": "string", "format": "decimal"}, "due": {"type": "string", "format": "date"}
                    },
                },
            }
        ]
    )  # fmt: skip

    def checked(quote, value, at="l4"):
        given = {"question": "a", "found": True, "entries": [{"quote": quote, "at": at, "value": value}]}
        return answers.checked(asked, reading, whole, {"window": 1, "answers": [given]})[0]["entries"][0]

    assert checked("The fee is 1,250.00", {"fee": "1250", "due": "2026-05-03"})["at"] == "l1"
    joined = checked("The fee is 1,250.00 due <omitted> Second line", {"fee": "1250.00"})
    assert [text[a:b] for a, b in joined["spans"]] == ["The fee is 1,250.00 due", "Second line"]
    for quote, value, words in (
        ("The fee is 1,260.00", {"fee": "1260"}, "does not stand in this window"),
        ("The fee is 1,250.00", {"fee": "1260"}, "does not stand in its quote"),
        ("The fee is 1,250.00", {"fee": "about 5"}, "fee"),
        ("The fee is 1,250.00", {"fee": "1250", "due": "3 May"}, "due"),
        ("The fee is 1,250.00", {}, "'fee' is a required property"),
        ("", {"fee": "1250"}, "no quote"),
    ):
        with pytest.raises(answers.Wrong, match=words):
            checked(quote, value)


@pytest.mark.parametrize(
    ("printed", "right", "wrong"),
    [
        ("1.250.000,00 EUR", "1250000.00", ("1.250", "1250000.01", "1250", "0")),
        ("1.234,56 EUR", "1234.56", ("1.234", "123456", "56")),
        ("12,5 % a year", "12.5", ("5", "12", "12.6")),
        ("CHF 1'500'000", "1500000", ("1", "500", "1500001")),
        ("Rs.1,00,000", "100000", ("1", "1000", "100001")),
        ("5\u202f000\xa0000 €", "5000000", ("5", "0", "5000", "5000001")),
        ("5\xa0000\xa0000,25 €", "5000000.25", ("5", "5000000", "5000000.2")),
        ("1,250.00 dollars", "1250", ("1.25", "125000", "250")),
        (".5 points", "0.5", ("5",)),
        ("10 of 2024 500 units", "2024", ("2024500",)),
    ],
)
def test_a_number_is_proven_by_a_whole_number_of_its_quote_however_it_is_grouped(printed, right, wrong):
    question = {"id": "a", "label": "A", "ask": "a", "value": {"type": "string", "format": "decimal"}}
    asked = form(questions=[question])
    text = f"It comes to {printed}, no more.\n"
    reading = asyncio.run(prepare("a.txt", text.encode(), 48_000, 1_500)).reading

    def checked(value, quote):
        given = {"question": "a", "found": True, "entries": [{"quote": quote, "at": "l1", "value": value}]}
        return answers.checked(asked, reading, reading.windows[0], {"window": 1, "answers": [given]})

    assert checked(right, f"It comes to {printed}")
    for value in wrong:
        with pytest.raises(answers.Wrong, match="does not stand in its quote"):
            checked(value, f"It comes to {printed}")


def test_a_number_is_not_proven_by_a_quote_that_cuts_it_off():
    question = {"id": "a", "label": "A", "ask": "a", "value": {"type": "string", "format": "decimal"}}
    reading = asyncio.run(
        prepare("a.txt", "It comes to 1\u202f250\u202f000,00 EUR.\n".encode(), 48_000, 1_500)
    ).reading
    for quote, value in (("It comes to 1", "1"), ("It comes to 1\u202f250", "1250"), ("000,00 EUR", "0")):
        given = {"question": "a", "found": True, "entries": [{"quote": quote, "at": "l1", "value": value}]}
        with pytest.raises(answers.Wrong, match="does not stand in its quote"):
            answers.checked(
                form(questions=[question]), reading, reading.windows[0], {"window": 1, "answers": [given]}
            )
