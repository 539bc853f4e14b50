"""Windows hold every character, share their margins and name every place."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.documents.document import from_text
from connectors.documents.quotes import find
from connectors.documents.windows import rendition, unlabelled, windows
from connectors.errors import BadInput, Empty

CONTRACTS = Path(__file__).parents[4] / "shared" / "data" / "contracts"
TEXTS = st.text(st.sampled_from("ab .\n\f\r\té9:"), min_size=1, max_size=3000).filter(str.strip)


@given(TEXTS, st.integers(40, 500), st.integers(0, 20))
def test_every_character_is_in_a_window_and_neighbours_share_the_margin(text, size, overlap):
    document = from_text("x", text)
    found = windows(document, size, overlap)
    assert found[0].start == 0 and found[-1].end == len(text)
    for before, after in zip(found, found[1:], strict=False):
        assert before.start < after.start <= before.end - overlap
    assert all(0 < window.end - window.start <= size for window in found)
    assert [(window.number, window.of) for window in found] == [(n, len(found)) for n in range(1, len(found) + 1)]


@given(TEXTS, st.integers(40, 500))
def test_passages_are_what_the_window_holds_without_blanks(text, size):
    document = from_text("x", text)
    for window in windows(document, size, 0):
        words = "".join(document.text[p.start : p.end] for p in window.passages)
        assert "".join(words.split()) == "".join(document.text[window.start : window.end].split())
        assert "".join(unlabelled(rendition(document, window)).split()) == "".join(words.split())


@given(TEXTS)
def test_labels_are_unique_and_lead_back(text):
    document = from_text("x", text)
    labels = [passage.anchor.label for passage in document.passages]
    assert len(set(labels)) == len(labels)
    for passage in document.passages:
        assert document.passage(f"[{passage.anchor.label}]") is passage
        assert document.anchor(passage.start) is document.anchor(passage.end - 1) is passage.anchor
        assert not any(c in "\n\r\f" for c in document.text[passage.start : passage.end])


def test_a_window_ends_where_a_paragraph_or_turn_begins():
    paragraphs = "\n\n".join(f"Paragraph {n}. " + "words and words " * 12 for n in range(40))
    document = from_text("x", paragraphs)
    for window in windows(document, 2000, 100)[:-1]:
        assert document.text[window.end :].startswith("Paragraph")
        assert window.first.part == 1


def test_a_line_says_its_number_page_and_part():
    document = from_text("x", "one\n\ntwo\fthree\nfour")
    window = windows(document)[0]
    assert rendition(document, window) == "[p1.1] one\n[p1.3] two\n[p2.1] three\n[p2.2] four"
    assert document.pages == 2 and window.last.place == "page 2, line 2"
    long = from_text("x", "A sentence of some words. " * 100)
    assert long.passages[1].anchor.label == "l1.2" and long.passages[1].anchor.place == "line 1, part 2"
    assert all(long.text[p.start : p.end].endswith(".") for p in long.passages)


def test_windows_too_small_for_their_margin_are_refused():
    with pytest.raises(BadInput):
        windows(from_text("x", "words"), 100, 60)


@pytest.mark.parametrize("text", ["", " \n\f\t\u00a0"])
def test_blank_text_is_no_document(text):
    with pytest.raises(Empty, match=r"lease\.txt holds no text"):
        from_text("lease.txt", text)


TRANSCRIPTS = {
    "times and names": "[00:00:05] Ann: Hello.\n[00:00:09] Bob Lee: Hello Ann.\nHow are you?\n[01:02:03] Ann: Fine.",
    "names": "Ann: Hello.\nBob Lee: Hello Ann.\nHow are you?\nAnn: Fine.",
    "numbers": "1. Ann: Hello.\n2. Bob Lee: Hello Ann.\nHow are you?\n3. Ann: Fine.",
    "names in brackets": "(PERSON1) Hello.\n(PERSON2) Hello Ann.\nHow are you?\n(PERSON1) Fine.",
    "subtitles": "WEBVTT\n\n00:00:05.000 --> 00:00:08.000\nHello.\n\n00:00:09.000 --> 00:00:11.000\nHello Ann.\n"
    "How are you?\n\n01:02:03.000 --> 01:02:04.000\nFine.",
    "subtitles with names": "WEBVTT\n\n1\n00:00:05.000 --> 00:00:08.000\nAnn: Hello.\n\n2\n00:00:09.000 --> 00:00:11.000\n"
    "<v Bob Lee>Hello Ann.\nHow are you?</v>\n\n3\n01:02:03.000 --> 01:02:04.000\nAnn: Fine.",
    "names above": "Ann  00:05\nHello.\nBob Lee  00:09\nHello Ann.\nHow are you?\nAnn  1:02:03\nFine.",
}


@pytest.mark.parametrize("shape", TRANSCRIPTS)
def test_a_transcript_counts_its_turns(shape):
    document = from_text("x", TRANSCRIPTS[shape])
    assert document.kind == "transcript"
    second = find(document, "How are you?").first
    third = find(document, "Fine.").first
    assert second.turn == 2 and second.label.startswith("t2.") and third.turn == 3
    if "PERSON" in document.text:
        assert (second.speaker, third.speaker) == ("PERSON2", "PERSON1")
    elif "Ann:" in document.text or "Ann  " in document.text:
        assert (second.speaker, third.speaker) == ("Bob Lee", "Ann")
    if "02:03" in document.text:
        assert (second.seconds, third.seconds) == (9, 3723)
        assert third.stamp and third.place.endswith(third.stamp)


def test_turns_keep_the_numbers_that_the_transcript_gives_them():
    document = from_text("x", "[0] Ann: Hello.\n[1] Bob: Hello.\n[2] Ann: Bye.")
    assert [p.anchor.label for p in document.passages] == ["t0", "t1", "t2"]


def test_a_contract_with_headings_is_no_transcript():
    text = (
        "Definitions: words.\nTerm: one year.\nNote: none.\nTerm: as above.\nSource: ACME, 10-K\nSource: ACME, 10-K\n"
    )
    assert from_text("x", text * 3).kind == "text"


@pytest.mark.skipif(not CONTRACTS.is_dir(), reason="the contracts marked by lawyers are not on this machine")
def test_nearly_every_marked_clause_stands_whole_in_a_window():
    labels = json.loads(gzip.decompress((CONTRACTS / "cuad-200.labels.json.gz").read_bytes()))
    archive = zipfile.ZipFile(CONTRACTS / "cuad-200.zip")
    whole = cut = 0
    for row in labels[:60]:
        contract = from_text(row["file"], archive.read(f"contracts/{row['file']}").decode())
        assert contract.kind == "text"
        spans = windows(contract, 4000, 600)
        for quote in (quote for quotes in row["spans"].values() for quote in quotes):
            for piece in find(contract, quote).pieces:
                inside = any(w.start <= piece.start and piece.end <= w.end for w in spans)
                whole, cut = whole + inside, cut + (not inside)
    assert cut / (whole + cut) < 0.005
