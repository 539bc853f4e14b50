"""Quotes are found verbatim or not at all, and where they were cited."""

from __future__ import annotations

import gzip
import json
import random
import zipfile
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connectors.documents.document import Document, from_text
from connectors.documents.quotes import CUT, EXACT, SPACING, find

CONTRACTS = Path(__file__).parents[4] / "shared" / "data" / "contracts"
LEASE = (
    "1. Rent. The Tenant shall pay 1,500.00 euro each month, no later than the fifth working day.\n"
    "2. Term. The lease runs for 15 years from June 21, 1999.\n"
    "\n"
    "3. Use. The Tenant may use the premises for an unlimited number of “private” events – not more\n"
    "than twice a week \u2013 and shall keep the prem\u00adises clean.\n"
    "4. Notice. A notice of termi-\nnation is given in writing; a non-\ncompete clause is not agreed.\n"
    "5. Rent. The Tenant shall pay 1,600.00 euro each month from the second year on."
)


def document(text=LEASE) -> Document:
    return from_text("lease.txt", text)


def said(quote, near=None, text=LEASE):
    found = find(document(text), quote, near)
    return found and [text[piece.start : piece.end] for piece in found.pieces]


def test_a_quote_as_it_stands_is_found_with_its_place():
    found = find(document(), "The lease runs for 15 years")
    assert found is not None and found.how == EXACT and found.at_place
    assert found.first.label == "l2" and found.first.place == "line 2"
    assert LEASE[found.start : found.end] == "The lease runs for 15 years"


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("no later than\n the  fifth working day", "no later than the fifth working day"),
        ('of "private" events', "of “private” events"),
        ("events - not more than twice a week", "events – not more\nthan twice a week"),
        ("keep the premises clean", "keep the prem\u00adises clean"),
        ("A notice of termination is given", "A notice of termi-\nnation is given"),
        ("a non-compete clause", "a non-\ncompete clause"),
        ("private”events – not", "private” events – not"),
        ("a non- compete clause", "a non-\ncompete clause"),
        ("events – not more\n[l5] than twice a week", "events – not more\nthan twice a week"),
        ("[l2] 2. Term. The lease runs", "2. Term. The lease runs"),
    ],
)
def test_only_spacing_and_the_style_of_signs_may_differ(quote, text):
    assert said(quote) == [text]


@pytest.mark.parametrize(
    "quote",
    [
        "The Tenant shall pay 1,500.01 euro each month",
        "The Tenant shall pay 1,501.00 euro each month",
        "The lease runs for 16 years",
        "5 years from June 21, 1999",  # of 15 years
        "1, 500.00 euro",
        "pay 1,500",  # of 1,500.00
        "500.00 euro each month",
        "limited number of",
        "The tenant shall pay",
        "The Tenant must pay 1,500.00 euro",
        "runs for 15 years. 3. Use",  # the words between them are left out
        "no later than the sixth working day",
        "",
        "…",
    ],
)
def test_another_word_or_digit_is_never_found(quote):
    assert said(quote) is None


def test_pieces_come_in_order_and_each_has_its_place():
    assert said("The Tenant shall pay 1,500.00 euro<omitted>The lease runs for 15 years") == [
        "The Tenant shall pay 1,500.00 euro",
        "The lease runs for 15 years",
    ]
    for joined in ("…", " ... ", " [...] ", " […] ", "(Page 3)", " (Pages 3-4) ", "<omitted>"):
        assert said(f"1. Rent. The Tenant shall pay{joined}each month, no later than") is not None
    assert said("The lease runs for 15 years…The Tenant shall pay 1,500.00 euro") is None


def test_sentences_of_their_own_may_come_in_another_order_but_scattered_words_are_no_quote():
    last = "The Tenant shall pay 1,600.00 euro each month from the second year on."
    first = "The Tenant shall pay 1,500.00 euro each month, no later than"
    assert said(f"{last}<omitted>{first}") == [last, first]
    assert said("The Tenant … may … not … pay … in writing") is None


def test_of_several_places_the_one_nearest_to_the_cited_place_is_taken():
    lease = document()
    for near, place in (("l1", "l1"), ("l9", "l9"), (len(LEASE) - 3, "l9"), (lease.anchor(0), "l1")):
        found = find(lease, "The Tenant shall pay", near)
        assert found is not None and found.first.label == place and found.at_place


def test_a_wrong_or_unknown_place_is_told():
    found = find(document(), "The lease runs for 15 years", "l5")
    assert found is not None and not found.at_place and found.first.label == "l2"
    found = find(document(), "The lease runs for 15 years", "p99")
    assert found is not None and not found.at_place


def test_a_slip_of_a_letter_at_the_edge_is_called_a_cut_and_shows_the_whole_words():
    found = find(document(), "enant shall pay 1,600.00 euro each mon")
    assert found is not None and found.how == CUT
    assert LEASE[found.start : found.end] == "Tenant shall pay 1,600.00 euro each month"
    assert find(document(), "unlim") is None
    assert find(document(), "limited number of “private” events") is None  # two letters less mean another word


WORDS = st.lists(
    st.sampled_from(
        ("alpha", "beta", "gamma", "shall", "not", "pay", "30", "45", "1.5", "days,", "the.", "(a)", "“x”")
    ),
    min_size=1,
)


@given(WORDS, st.data())
def test_any_stretch_of_whole_words_is_found_however_it_is_spaced(words, data):
    text = data.draw(st.sampled_from([" ", "\n", " \u00a0\n "])).join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first + 1, len(words)))
    quote = data.draw(st.sampled_from([" ", "  ", "\n"])).join(words[first:last])
    found = find(from_text("x", text), quote)
    assert found is not None
    assert text[found.start : found.end].split() == quote.split()


@given(WORDS, st.data())
def test_no_altered_digit_is_ever_found(words, data):
    text = " ".join(words)
    digits = [at for at, sign in enumerate(text) if sign.isdigit()]
    assume(digits)
    at = data.draw(st.sampled_from(digits))
    quote = text[:at] + ("7" if text[at] != "7" else "8") + text[at + 1 :]
    assert find(from_text("x", text), quote) is None


@pytest.mark.skipif(not CONTRACTS.is_dir(), reason="the contracts marked by lawyers are not on this machine")
def test_every_clause_that_lawyers_marked_is_found_and_none_with_an_altered_digit():
    labels = json.loads(gzip.decompress((CONTRACTS / "cuad-200.labels.json.gz").read_bytes()))
    archive = zipfile.ZipFile(CONTRACTS / "cuad-200.zip")
    chance = random.Random(4)
    spans = plain = pieces = altered = wrong = 0
    for row in labels:
        contract = from_text(row["file"], archive.read(f"contracts/{row['file']}").decode())
        for quote in (quote for quotes in row["spans"].values() for quote in quotes):
            spans += 1
            plain += quote in contract.text
            found = find(contract, quote)
            assert found is not None, quote
            pieces += len(found.pieces)
            digits = [at for at, sign in enumerate(quote) if sign.isdigit()]
            if digits and len(quote) > 40:
                at = chance.choice(digits)
                other = chance.choice([sign for sign in "0123456789" if sign != quote[at]])
                altered += 1
                # a page number of a join is no part of the quoted words
                inside = quote[max(0, at - 10) : at].rfind("(Page") >= 0
                wrong += not inside and find(contract, quote[:at] + other + quote[at + 1 :]) is not None
    assert (spans, plain, pieces) == (5089, 4813, 5379)
    assert altered > 1000 and wrong == 0


def test_the_way_it_was_found_is_told():
    assert find(document(), "not agreed").how == EXACT
    assert find(document(), "A notice of termination is").how == SPACING
