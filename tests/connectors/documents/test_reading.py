"""Any bytes become text with places, or an error that says what is wrong with them."""

from __future__ import annotations

import gzip
import io
import json
import random

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, TextStringObject

from connectors.documents import reading
from connectors.documents.quotes import find
from connectors.documents.reading import is_plain, read
from connectors.documents.tables import read_grid
from connectors.errors import Empty, Encrypted, TooLarge, Unreadable

from .files import W, docx, packed, paragraph, pdf

TEXT = "The café is open.\nIt costs 5 € – “cheap”."


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "cp1252"],
)
def test_text_is_read_in_any_usual_encoding(encoding):
    document = read("notes", TEXT.encode(encoding))
    assert document.text == TEXT and document.kind == "text"
    assert [p.anchor.place for p in document.passages] == ["line 1", "line 2"]


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_rows_are_read_in_any_usual_encoding(encoding):
    data = "Account,Größe\n1000,10\n".encode(encoding)
    document = read("x", data)
    assert document.kind == "csv" and document.text == "Account\tGröße\n1000\t10"
    (grid,) = read_grid(data, "x")
    assert grid.columns == ("Account", "Größe") and grid.rows == (("1000", "10"),)


def test_line_ends_of_every_system_are_the_same():
    assert read("x", b"one\r\ntwo\rthree\n").text == "one\ntwo\nthree\n"


PAGE = """<!DOCTYPE html><html><head><title>No</title><style>p {color: red}</style><script>alert("no")</script></head>
<body><h1>Annual   report</h1><p>Net&nbsp;sales <b>ro</b>se by
 4 %.</p><div style="display: none">hidden <ix:header>x</ix:header></div><!-- no -->
<table><tr><td></td><td colspan=2>2025</td><td colspan="3">2024</td></tr><tr><td><p>Sales</p></td><td>$</td><td>1,250</td><td>(</td><td>30</td><td>)</td></tr></table>
<ul><li>one</li><li>two<br>three</li></ul><pre>  a
  b</pre><p hidden>no</p></body></html>"""


def test_a_page_is_what_its_reader_sees():
    document = read("report.txt", PAGE.encode())
    assert document.kind == "html"
    assert document.text.split("\n") == [
        "Annual report", "", "Net sales rose by 4 %.", "", "\t2025\t\t2024", "Sales\t$1,250\t\t(30)", "one", "two", "three", "",
        "  a", "  b",
    ]  # fmt: skip


def test_a_figure_stays_under_its_year_when_the_cell_before_it_is_empty():
    rows = "<tr><th>Item<th>2024<th>2025</tr><tr><td>Impairment<td><td>500</tr><tr><td colspan=2>Sales<td>950</tr>"
    document = read("x", f"<html><body><p>Notes</p><table>{rows}</table></body></html>".encode())
    assert document.text == "Notes\n\nItem\t2024\t2025\nImpairment\t\t500\nSales\t\t950"


def test_printed_pages_of_a_filing_are_pages():
    text = '<html><body><div>first</div><hr style="page-break-after:always"/><div>second</div></body></html>'
    document = read("x", text.encode())
    assert document.text == "first\fsecond" and document.passages[1].anchor.place == "page 2, line 1"


def test_the_charset_a_page_names_is_used():
    text = '<html><meta charset="shift_jis"><body><p>日本語の文書</p></body></html>'
    assert read("x", text.encode("shift_jis")).text == "日本語の文書"


BODY = (
    paragraph("Supply ", "agreement")
    + paragraph("The fee is ", '<w:del w:id="1"><w:r><w:delText>100</w:delText></w:r></w:del>', '<w:ins w:id="2"><w:r><w:t>120</w:t></w:r></w:ins>', " euro.")
    + '<w:p><w:pPr><w:rPr><w:del w:id="3"/></w:rPr></w:pPr><w:r><w:t xml:space="preserve">One </w:t></w:r></w:p>'
    + paragraph("line.", "<w:r><w:tab/><w:t>tabbed</w:t><w:br/><w:t>broken</w:t></w:r>", "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>")
    + f"<w:tbl><w:tr><w:tc>{paragraph('Item')}</w:tc><w:tc>{paragraph('Price')}{paragraph('net')}</w:tc></w:tr></w:tbl>"
)  # fmt: skip


def test_a_word_file_is_read_with_its_changes_accepted():
    document = read("contract", docx(BODY))
    assert document.kind == "docx"
    assert document.text == "Supply agreement\nThe fee is 120 euro.\nOne line.\ttabbed\nbroken\nItem\tPrice net"
    assert document.passages[0].anchor.place == "paragraph 1"


def test_footnotes_stand_below_and_pictures_are_named_as_unread():
    notes = docx(
        paragraph("Text."),
        footnotes='<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:footnote w:type="separator"/>'
        f"<w:footnote>{paragraph('A note.')}</w:footnote></w:footnotes>",
    )
    assert read("x", notes).text == "Text.\nA note."


def test_page_headers_are_read_once_and_comments_are_named_as_unread():
    part = "<w:{0} " + W + ">{1}</w:{0}>"
    data = docx(
        paragraph("The cap is 5."),
        header1=part.format("hdr", paragraph("DRAFT, not binding")),
        header2=part.format("hdr", paragraph("DRAFT, not binding")),
        footer1=part.format("ftr", paragraph("Page ", "3", " of 4")),
        comments=part.format("comments", "<w:comment>" + paragraph("It must be 10.") + "</w:comment>"),
    )
    document = read("x", data)
    assert document.text == "The cap is 5.\n(Page header) DRAFT, not binding"
    assert document.unread == ("1 comment in it not read.",)


def test_what_was_entered_into_a_form_and_noted_on_its_page_is_read():
    writer = PdfWriter(PdfReader(io.BytesIO(pdf("Total loss:", "Signed"))))
    parent = writer._add_object(entry(T=TextStringObject("amount"), V=TextStringObject("45,000 EUR")))
    fields = (
        entry(Subtype=NameObject("/Widget"), Parent=parent),
        entry(Subtype=NameObject("/Widget"), V=NameObject("/Off")),
    )
    note = entry(Subtype=NameObject("/FreeText"), Contents=TextStringObject("Checked"))
    writer.pages[0][NameObject("/Annots")] = ArrayObject([*fields, note])
    writer.pages[1][NameObject("/Annots")] = ArrayObject([NameObject("/Broken")])
    out = io.BytesIO()
    writer.write(out)
    document = read("x", out.getvalue())
    assert document.text == "Total loss:\namount: 45,000 EUR\nNote: Checked\fSigned\n"
    assert document.unread == ("What was entered on page 2 could not be seen.",)


def entry(**values) -> DictionaryObject:
    return DictionaryObject({NameObject(f"/{key}"): value for key, value in values.items()})


def test_a_pdf_is_read_page_by_page_and_pictures_of_text_are_named():
    document = read("x", pdf("First page\nof words", "", "Third page"))
    assert document.kind == "pdf" and document.pages == 3
    assert document.unread == ("Page 2 is a drawing without a text layer.",)
    found = find(document, "Third page")
    assert found is not None and found.first.place == "page 3, line 1" and found.first.label == "p3.1"
    assert find(document, "First page of words") is not None


def test_a_pdf_locked_with_an_empty_password_is_read():
    assert read("x", pdf("Words", password="")).text.strip() == "Words"


def workbook(**sheets) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_workbook_is_read_sheet_by_sheet_with_the_rows_of_the_sheet():
    document = read(
        "x", workbook(Plan=[["Item", "Amount"], [], ["Rent", 1200.5]], Actuals=[["Item", "Amount"], ["Rent", 1300]])
    )
    assert document.kind == "xlsx" and document.text == "Item\tAmount\nRent\t1200.5\fItem\tAmount\nRent\t1300"
    assert [p.anchor.label for p in document.passages] == ["s1.1", "s1.3", "s2.1", "s2.2"]
    assert document.passages[3].anchor.place == "sheet Actuals, row 2"


def test_answers_in_a_csv_file_are_rows():
    document = read("x.txt", b'id;"what, in your words?"\n1;"long ""words"" and\nmore"\n2;none\n')
    assert document.kind == "csv" and document.text.endswith('1\tlong "words" and more\n2\tnone')
    assert document.passages[1].anchor.place == "row 2"


def test_prose_with_a_comma_in_each_line_is_no_table():
    assert read("x", b"Dear Ann, dear Bob.\nWe met, we talked.\n").kind == "text"


UTTERANCES = [{"speaker": "Ann", "content": "Hello,\nall."}, {"speaker": "Bob", "content": "Hello."}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(UTTERANCES),
        "\n".join(json.dumps(row) for row in UTTERANCES),
        json.dumps({"meeting_transcripts": UTTERANCES}),
    ],
)
def test_utterances_in_json_are_turns(text):
    document = read("x", text.encode())
    assert document.text == "Ann: Hello, all.\nBob: Hello." and document.unread == ()
    assert document.passages[1].anchor.place == "turn 2, Bob"


def test_what_stands_beside_a_transcript_is_named_as_unread():
    document = read(
        "x",
        json.dumps(
            {"title": "Weekly", "segments": [{"start": 3.5, "text": "Hi"}, {"start": 65, "text": "Bye"}]}
        ).encode(),
    )
    assert document.text == "[00:00:03] Hi\n[00:01:05] Bye"
    assert document.passages[1].anchor.seconds == 65
    assert document.unread == ("Beside the transcript the file holds “title”, which was not read.",)


def test_other_json_is_text():
    assert '"total": 1.10' in read("x", b'{\n"a": 1,\n"b": {\n"total": 1.10}}').text
    assert '"a": 1' in read("x", b'{"a": 1}').text


LOCKED = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 64


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", Empty, "0 bytes"),
        (b" \n\t\n", Empty, "no text"),
        (b"<html><body><script>x</script></body></html>", Empty, "no text"),
        (docx(paragraph("")), Empty, "no text"),
        (pdf("", ""), Empty, r"scan without a text layer \(2 pages\)"),
        (pdf("Words", password="secret"), Encrypted, "PDF protected by a password"),
        (LOCKED, Encrypted, "Office file protected by a password"),
        (LOCKED[:600], Unreadable, "old format"),
        (docx(BODY)[:900], Unreadable, "damaged ZIP or Office file"),
        (pdf("Words")[:300], Unreadable, "damaged PDF"),
        (packed({"a.bin": bytes(range(256)) * 8, "b.txt": ""}), Unreadable, "without a file that can be read"),
        (packed({"word/document.xml": "<w:document"}), Unreadable, "damaged Word file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), Unreadable, "picture"),
        (bytes(range(256)) * 8, Unreadable, "neither text nor a document"),
        (b"{\\rtf1 words}", Unreadable, "RTF"),
        (gzip.compress(b"words", mtime=0)[:-4], Unreadable, "ends too early"),
        (gzip.compress(gzip.compress(b"words", mtime=0), mtime=0), Unreadable, "more than once"),
        (workbook(Plan=[]), Empty, "no text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # bytes differ from run to run
)
def test_a_file_that_cannot_be_read_says_why(data, kind, words):
    with pytest.raises(Unreadable, match=words) as caught:
        read("given.bin", data)
    assert type(caught.value) is kind and caught.value.name == "given.bin" and "given.bin" in str(caught.value)


def test_a_locked_archive_is_told_from_a_damaged_one():
    data = bytearray(packed({"word/document.xml": "x" * 50}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    with pytest.raises(Encrypted):
        read("x", bytes(data))


BOMB = '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {n} "{"&" + p + ";"}{"&" + p + ";"}{"&" + p + ";"}{"&" + p + ";"}{"&" + p + ";"}{"&" + p + ";"}{"&" + p + ";"}{"&" + p + ";"}">'
    for p, n in zip("abcdefghij", "bcdefghijk", strict=True)
)


def test_entities_do_not_grow_and_nothing_outside_is_read():
    with pytest.raises(Unreadable, match="document type"):
        read("x", packed({"_rels/.rels": BOMB + "]><x>&k;</x>", "word/document.xml": "<x/>"}))
    with pytest.raises(Unreadable):
        read(
            "x",
            packed(
                {"xl/workbook.xml": BOMB + "]><workbook>&k;</workbook>", "[Content_Types].xml": BOMB + "]><Types/>"}
            ),
        )
    page = read("x", (BOMB + "]><html><body><p>seen &k;</p></body></html>").encode())
    assert len(page.text) < 5000
    secret = '<!DOCTYPE html [<!ENTITY f SYSTEM "file:///etc/passwd">]><html><body><p>seen &f;</p></body></html>'
    assert "root:" not in read("x", secret.encode()).text


def test_files_over_a_bound_are_refused(monkeypatch):
    with pytest.raises(TooLarge, match="unpacks to more than"):
        read(
            "x",
            packed({"word/document.xml": b"\0" * 40_000_000, **{f"word/{n}": b"\0" * 40_000_000 for n in range(6)}}),
        )
    monkeypatch.setattr(reading, "MAX_BYTES", 1000)
    with pytest.raises(TooLarge):
        read("x", b"x" * 1001)
    with pytest.raises(TooLarge):
        read("x", gzip.compress(b"x" * 100_000))


def test_nothing_in_a_page_takes_forever_to_look_at():
    assert read("x", b"<!---->" * 3000 + b"words").text.startswith("<!---->")
    assert read("x", b"<!-- a -->" * 300 + b"<html><body>words</body></html>").text == "words"
    nested = b"<table><tr><td>" * 600 + b"deep " * 100_000 + b"</td></tr></table>" * 600
    assert read("x", b"<html><body>" + nested + b"</body></html>").text.startswith("deep deep")


def test_deep_nesting_breaks_nothing():
    assert read("x", b"<html><body>" + b"<div>" * 1_900 + b"deep" + b"</div>" * 1_900).text == "deep"
    with pytest.raises(TooLarge, match="nested too deep"):
        read("x", b"<html><body>" + b"<div>" * 20_000 + b"deep" + b"</div>" * 20_000)
    assert read("x", b"[" * 100_000 + b"]" * 100_000).text


SEEDS = [docx(BODY), pdf("First page", "Second page"), PAGE.encode(), workbook(Plan=[["Item", "Amount"], ["Rent", 5]]),
         json.dumps(UTTERANCES).encode(), gzip.compress(TEXT.encode()), TEXT.encode("utf-16")]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=400), st.sampled_from([b"%PDF-1.7\n", b"PK\x03\x04", b"<html>", b"{", b"\x1f\x8b"]).flatmap(
    lambda head: st.binary(max_size=300).map(lambda tail: head + tail)
)))  # fmt: skip
def test_random_bytes_are_read_or_refused_with_words(data):
    try:
        document = read("x", data)
    except Unreadable as error:
        assert "x" in str(error)
    else:
        assert document.text.strip() and document.passages


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(SEEDS), st.integers(0, 2**32))
def test_damaged_files_are_read_or_refused_with_words(data, seed):
    chance, broken = random.Random(seed), bytearray(data)
    for _ in range(chance.randint(1, 12)):
        at = chance.randrange(len(broken))
        match chance.randrange(3):
            case 0:
                broken[at] = chance.randrange(256)
            case 1:
                del broken[at : at + chance.randint(1, 40)]
            case 2:
                broken[at:at] = broken[: chance.randint(1, 40)]
        broken = broken or bytearray(b"x")
    try:
        document = read("x", bytes(broken))
    except Unreadable as error:
        assert str(error)
    else:
        assert document.text.strip() and document.passages


@pytest.mark.parametrize(
    ("data", "plain"),
    [
        ("Ann: Hi.\nBen: Grüße.".encode(), True),
        ("\ufeff1. Terms".encode(), True),
        (b"", False),
        (b"  <p>Hi", False),
        (b'\n{"a": 1}', True),
        (b"{\\rtf1 a}", False),
        (b"Caf\xe9", False),
        (b"a\x00b", False),
        (b"words\n%PDF-1.7", False),
        (b"PK\x03\x04", False),
        (gzip.compress(b"words", mtime=0), False),
        (b"a" * (1024 * 1024 + 1), False),
    ],
)
def test_only_plain_text_of_an_ordinary_size_needs_no_walls(data, plain):
    assert is_plain(data) is plain
