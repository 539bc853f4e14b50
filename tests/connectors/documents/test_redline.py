"""Proposed changes are tracked changes: rejected they are the original, accepted the proposal."""

from __future__ import annotations

import random
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.documents.reading import read
from connectors.documents.redline import Change, accepted, redline, rejected
from connectors.errors import Encrypted, Misplaced, Unreadable

from .files import docx, packed, paragraph

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
AGREEMENT = (
    "SERVICES AGREEMENT\n\n1. Fees\n"
    "The Customer shall pay within ninety (90) days of receipt of an “undisputed” invoice.\n"
    "Late payments bear interest at 1.5% per month, which shall be the sole remedy.\n\n"
    "2. Liability\nThe Supplier's liability is unlimited.\tSee Annex 1.\nEither party may terminate on notice.\n"
    "Either party may assign.\n"
)


def changed(*changes: Change, original: bytes | str = AGREEMENT) -> bytes:
    return redline(original, changes, "Ann Example", NOW)


def part(data: bytes, name: str = "word/document.xml") -> str:
    return zipfile.ZipFile(BytesIO(data)).read(name).decode()


def test_plain_text_becomes_a_clean_document_of_the_same_text():
    clean = changed()
    assert accepted(clean) == rejected(clean) == AGREEMENT
    assert read("x", clean).text == AGREEMENT and "w:ins" not in part(clean)
    assert rejected(changed(original="a\fb\t\n\n")) == "a\fb\t\n\n"


def test_only_the_words_that_differ_are_marked_with_author_and_date():
    data = changed(Change("within ninety (90) days of receipt", "within thirty (30) days of receipt"))
    assert accepted(data) == AGREEMENT.replace("ninety (90)", "thirty (30)") and rejected(data) == AGREEMENT
    xml = part(data)
    assert xml.count("<w:ins ") == xml.count("<w:del ") == 2
    assert '<w:delText xml:space="preserve">ninety</w:delText>' in xml
    assert 'w:author="Ann Example" w:date="2026-03-02T09:30:00Z"' in xml


def test_an_amount_is_changed_as_a_whole():
    xml = part(changed(Change("fee of 1,500.00 euro", "fee of 1,800.00 euro"), original="A fee of 1,500.00 euro."))
    assert ">1,500.00</w:delText>" in xml and ">1,800.00</w:t>" in xml


def test_a_passage_that_hardly_resembles_the_old_one_is_replaced_as_a_whole():
    new = "Each party's total exposure shall not exceed the fees of twelve months."
    xml = part(changed(Change("The Supplier's liability is unlimited.", new)))
    assert xml.count("<w:ins ") == xml.count("<w:del ") == 1


def test_other_quote_marks_and_blanks_in_the_proposal_change_nothing():
    data = changed(Change('receipt of  an "undisputed" invoice', 'receipt of an "undisputed" and due invoice'))
    assert accepted(data) == AGREEMENT.replace("“undisputed” invoice", "“undisputed” and due invoice")
    assert part(data).count("<w:del ") == 0


def test_words_paragraphs_and_whole_lines_can_go_and_come():
    data = changed(
        Change(", which shall be the sole remedy", ""),
        Change(
            "may terminate on notice.",
            "may terminate on sixty days' notice.\nRights that accrued stay.\nSo do debts.",
        ),
        Change("SERVICES AGREEMENT\n\n1. Fees", "SERVICES AGREEMENT\n1. Fees"),
        Change("Either party may assign.", ""),
    )
    assert rejected(data) == AGREEMENT
    assert accepted(data) == (
        AGREEMENT.replace(", which shall be the sole remedy", "")
        .replace("on notice.", "on sixty days' notice.\nRights that accrued stay.\nSo do debts.")
        .replace("AGREEMENT\n\n1.", "AGREEMENT\n1.")
        .replace("\nEither party may assign.", "")
    )


def test_reasons_stand_beside_their_changes_as_comments():
    data = changed(
        Change("ninety (90)", "thirty (30)", "Policy: 30 days.\nAsk finance first."),
        Change("See Annex 1.", "See Annex 1.", "Annex 1 is missing."),  # nothing changes, the comment stands
    )
    comments = part(data, "word/comments.xml")
    assert "Policy: 30 days." in comments and "Annex 1 is missing." in comments and 'w:initials="AE"' in comments
    xml = part(data)
    for mark in ("commentRangeStart", "commentRangeEnd", "commentReference"):
        assert xml.count(f"<w:{mark} ") == 2
    assert "comments.xml" in part(data, "word/_rels/document.xml.rels")
    assert "/word/comments.xml" in part(data, "[Content_Types].xml")
    again = redline(data, [Change("1.5%", "2%", "Market rate.")], "Bob", NOW)
    assert part(again, "word/comments.xml").count("<w:comment ") == 3
    assert part(again, "word/_rels/document.xml.rels").count("comments.xml") == 1


BOLD = '<w:r><w:rPr><w:b/></w:rPr><w:t xml:space="preserve">{}</w:t></w:r>'
FORMATTED = docx(
    paragraph("The fee is ", BOLD.format("one hundred"), " euro", "<w:r><w:tab/></w:r>", "net.")
    + '<w:p><w:pPr><w:jc w:val="center"/></w:pPr><w:hyperlink w:anchor="x"><w:r><w:t>linked words</w:t></w:r></w:hyperlink></w:p>'
    + f"<w:tbl><w:tr><w:tc>{paragraph('Price')}</w:tc><w:tc>{paragraph('10 euro')}</w:tc></w:tr></w:tbl>"
    + paragraph("Kept ", '<w:ins w:id="7" w:author="Bob"><w:r><w:t>and added words</w:t></w:r></w:ins>', " here.")
    + "<w:sectPr/>"
)


def test_new_words_look_like_the_words_they_replace():
    data = changed(
        Change("one hundred euro", "two hundred euro"), Change("linked words", "linked new words"), original=FORMATTED
    )
    xml = part(data)
    assert '<w:r><w:rPr><w:b/></w:rPr><w:t xml:space="preserve">two</w:t></w:r>' in xml
    assert "<w:sectPr/>" in xml and '<w:jc w:val="center"/>' in xml
    assert rejected(data) == rejected(FORMATTED)
    assert accepted(data) == accepted(FORMATTED).replace("one hundred", "two hundred").replace(
        "linked words", "linked new words"
    )


def test_cells_and_the_changes_of_others_can_be_changed_too():
    data = changed(
        Change("10 euro", "12 euro"),
        Change("and added words", "and many words"),
        Change("Kept", "Kept,"),
        original=FORMATTED,
    )
    assert rejected(data) == rejected(FORMATTED)
    expected = (
        accepted(FORMATTED).replace("10 euro", "12 euro").replace("Kept and added words", "Kept, and many words")
    )
    assert accepted(data) == expected
    assert part(data).count('w:author="Bob"') >= 1


@pytest.mark.parametrize(
    ("changes", "words", "places"),
    [
        ([Change("within ninety (91) days", "x")], "are not in", 0),
        ([Change("Either party may", "x")], "more than once", 2),
        ([Change("ninety (90) days", "x"), Change("(90) days of", "y")], "overlap", 1),
        ([Change("The Customer … invoice.", "x")], "are not in", 0),
        ([Change("", "x")], "are not in", 0),
    ],
)
def test_a_change_of_unclear_words_is_refused_by_name(changes, words, places):
    with pytest.raises(Misplaced, match=words) as caught:
        changed(*changes)
    assert caught.value.places == places and caught.value.quote == changes[-1].quote


def test_words_that_stand_twice_are_told_apart_by_their_place():
    label = next(p.anchor.label for p in read("x", changed()).passages if p.anchor.line == 10)
    data = changed(Change("Either party may", "The Customer may", at=label))
    assert accepted(data) == AGREEMENT.replace("Either party may assign", "The Customer may assign")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_a_damaged_part_is_refused_with_words_or_marked_like_any_other(seed):
    chance = random.Random(seed)
    with zipfile.ZipFile(BytesIO(FORMATTED)) as archive:
        parts = {entry: bytearray(archive.read(entry)) for entry in archive.namelist()}
    for _ in range(chance.randint(1, 4)):
        broken = parts[chance.choice(sorted(parts))]
        at = chance.randrange(len(broken))
        broken[at : at + chance.randint(0, 6)] = chance.choice([b"", b"w:", b"<w:p/>", b"x", b"9"])
    try:
        data = changed(Change("10 euro", "12 euro", "why"), original=packed(parts))
    except (Unreadable, Misplaced):
        return
    assert rejected(data) == rejected(packed(parts))


def test_a_locked_file_is_told_from_a_damaged_one():
    locked = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(Encrypted):
        changed(original=locked)
    with pytest.raises(Encrypted):
        accepted(locked)


def test_a_damaged_file_is_refused():
    with pytest.raises(Unreadable):
        changed(original=FORMATTED[:500])


GAPS = st.lists(st.sampled_from([" ", " ", "  ", "\n", "\n\n", "\t", ", "]), min_size=12, max_size=12)
NEW = st.lists(st.sampled_from(["w3", "new", "30.5", "w5", "(x)", "\n"]), max_size=5).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(GAPS, st.integers(0, 5), st.integers(1, 4), NEW, st.integers(7, 9), st.integers(1, 3), NEW)
def test_rejecting_restores_the_original_and_accepting_gives_the_proposal(gaps, one, much, new, other, many, newer):
    words = [f"w{number}" for number in range(12)]
    text = "".join(word + gap for word, gap in zip(words, gaps, strict=True))
    spans = []
    for first, count in ((one, min(much, 6 - one)), (other, many)):
        start = text.index(f"w{first}")
        end = text.index(f"w{first + count - 1}", start) + len(f"w{first + count - 1}")
        spans.append((start, end))
    changes = [Change(text[a:b], new_words, "why") for (a, b), new_words in zip(spans, (new, newer), strict=True)]
    result = changed(*changes, original=text)
    assert rejected(result) == text
    expected = text
    for (start, end), change in reversed(list(zip(spans, changes, strict=True))):
        expected = expected[:start] + change.new + expected[end:]
    assert accepted(result).split() == expected.split()


OFFICE = shutil.which("soffice") or shutil.which("libreoffice")
SYSTEM_PYTHON = "/usr/bin/python3"


def office_speaks() -> bool:
    if not OFFICE or not Path(SYSTEM_PYTHON).exists():
        return False
    return subprocess.run([SYSTEM_PYTHON, "-c", "import uno"], capture_output=True).returncode == 0


@pytest.mark.skipif(not office_speaks(), reason="LibreOffice with its Python bridge is not on this machine")
def test_an_office_program_accepts_and_rejects_the_same(tmp_path):
    data = changed(
        Change("ninety (90)", "thirty (30)", "Policy."),
        Change("may terminate on notice.", "may terminate on sixty days' notice.\nRights that accrued stay."),
        Change("\nEither party may assign.", ""),
        Change("SERVICES AGREEMENT\n\n1. Fees", "SERVICES AGREEMENT\n1. Fees"),
    )
    source = tmp_path / "redline.docx"
    source.write_bytes(data)
    for mode, expected in (("accept", accepted(data)), ("reject", rejected(data))):
        target = tmp_path / f"{mode}.txt"
        done = subprocess.run(
            [SYSTEM_PYTHON, str(Path(__file__).with_name("office.py")), OFFICE, str(tmp_path / "home"), str(source), mode, str(target)],
            capture_output=True, text=True, timeout=150,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        seen, comments = map(int, done.stdout.split()[-2:])
        assert seen > 4 and comments == 1
        assert target.read_text("utf-8-sig").rstrip("\n") == expected.rstrip("\n")
