"""Slides, messages, archives, pictures, subtitles and tables: every place has a name, and nothing is left out unsaid."""

from __future__ import annotations

import io
import zipfile

import openpyxl
import pytest
from openpyxl.comments import Comment
from PIL import Image, PngImagePlugin

from connectors.documents.quotes import find
from connectors.documents.reading import read
from connectors.documents.windows import rendition, unlabelled, windows
from connectors.errors import Empty, Unreadable

from .files import docx, packed, paragraph, pdf, pptx, sheet
from .hostile import mail


def places(document) -> list[str]:
    return [passage.anchor.place for passage in document.passages]


def test_slides_are_read_slide_by_slide_with_tables_and_notes():
    document = read("deck.pptx", pptx(["Plan\nGrow", "Item|Price\nRent|1,200", ""], notes="Say this slowly."))
    assert document.kind == "pptx" and document.pages == 3 and document.unread == ()
    assert document.text.rstrip("\f") == "Plan\nGrow\nNotes: Say this slowly.\fItem\tPrice\nRent\t1,200"
    assert places(document) == [
        "slide 1, line 1",
        "slide 1, line 2",
        "slide 1, line 3",
        "slide 2, line 1",
        "slide 2, line 2",
    ]
    found = find(document, "Rent 1,200")
    assert found is not None and found.first.label == "p2.2"


def test_comments_on_slides_are_named_as_unread():
    out = io.BytesIO(pptx(["Plan"]))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("ppt/comments/comment1.xml", "<p:cmLst xmlns:p='x'><p:cm/><p:cm/></p:cmLst>")
    assert read("x", out.getvalue()).unread == ("2 comments in it not read.",)


def test_a_message_is_read_with_what_is_attached_and_each_place_says_where():
    inner = mail("Earlier words.", ("plan.docx", docx(paragraph("The fee is 5."))))
    whole = mail(
        "Dear Bob,\nsee below.",
        ("scan.pdf", pdf("", "")),
        ("prices.csv", b"item,price\nRent,12\nPower,7\n"),
        ("old.eml", inner),
    )
    document = read("letter.eml", whole)
    assert document.kind == "mail"
    assert document.text.startswith("From: ann@example.org\nTo: bob@example.org\nDate: Fri, 27 Nov 2026")
    for quote, place in (
        ("see below.", "message, line 7"),
        ("Rent 12", "prices.csv, row 2"),
        ("Earlier words.", "old.eml, message, line 6"),
        ("The fee is 5.", "old.eml, plan.docx, paragraph 1"),
    ):
        found = find(document, quote)
        assert found is not None and found.first.place == place
    assert document.unread == ("scan.pdf is a scan without a text layer (2 pages).",)
    labels = [passage.anchor.label for passage in document.passages]
    assert len(set(labels)) == len(labels)
    (window,) = windows(document)
    assert "The fee is 5." in unlabelled(rendition(document, window)) and "[s" not in unlabelled(
        rendition(document, window)
    )


def test_a_message_in_html_alone_is_what_its_reader_sees():
    raw = b"From: a@x.org\nTo: b@x.org\nSubject: =?utf-8?q?Caf=C3=A9?=\nMIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n<p>Hello <b>Bob</b></p><script>no</script>"
    document = read("x", raw)
    assert document.kind == "mail" and document.text == "From: a@x.org\nTo: b@x.org\nSubject: Café\n\nHello Bob"


def test_a_message_is_known_by_its_headers_behind_those_of_its_relays():
    relays = "".join(f"Received: from mail{n}.example.org\n by mx.example.org; Mon, 1 Jan 2024\n" for n in range(9))
    seals = f"ARC-Seal: i=1; b={'A' * 3000}\nDKIM-Signature: v=1;\n\tb={'C' * 3000}\n"
    document = read("x", f"{relays}{seals}Subject: Offer\nDate: Mon, 1 Jan 2024\nFrom: a@x.org\n\nFee: 5.\n".encode())
    assert document.kind == "mail" and document.text.startswith("From: a@x.org\n")
    assert read("x", b"Dear all, the\nFrom: line\nTo: line\nSubject: line\nare headers.\n").kind == "text"


def parts(kind: str, *bodies: str) -> bytes:
    head = (
        f"From: a@x.org\nTo: b@x.org\nSubject: s\nMIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary=b1\n\n"
    )
    return (head + "".join(f"--b1\nContent-Type: text/{body}\n" for body in bodies) + "--b1--\n").encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (parts("alternative", "plain\n\n \n", "html\n\n<p>The real words</p>\n"), "The real words"),
        (parts("alternative", "plain\n\nWords\n", "html\n\n<p>Words</p>\n"), "Words\n"),
        (parts("mixed", "plain\n\nFirst\n", "html\n\n<p>Second</p>\n"), "First\n\n\nSecond"),
    ],
)
def test_the_words_of_a_message_are_those_of_its_parts_that_hold_any(data, words):
    assert read("x", data).text.partition("Subject: s\n\n")[2].rstrip("\n") == words.rstrip("\n")


def test_a_message_of_an_unknown_charset_is_read_and_says_so():
    document = read("x", parts("mixed", "plain; charset=x-unknown\n\nCafé\n"))
    assert "Café" in document.text
    assert document.unread == ("It names the charset x-unknown and was read as utf-8.",)


def test_an_archive_is_read_whole_and_what_could_not_be_read_is_listed():
    inner = packed({"deep/b.pdf": pdf("One", "Two"), "locked.pdf": pdf("x", password="y")})
    document = read(
        "x.zip", packed({"a.txt": "words", "__MACOSX/a": "x", "old.zip": inner, "c.bin": bytes(range(256)) * 20})
    )
    assert document.kind == "zip" and document.text == "words\fOne\n\fTwo\n" and document.pages == 2
    assert places(document) == [
        "a.txt, line 1",
        "old.zip, deep/b.pdf, page 1, line 1",
        "old.zip, deep/b.pdf, page 2, line 1",
    ]
    assert document.unread == (
        "old.zip: locked.pdf is a PDF protected by a password.",
        "c.bin is neither text nor a document of a known kind.",
    )


def test_a_picture_gives_its_text_fields_and_says_that_no_words_are_recognised():
    about = PngImagePlugin.PngInfo()
    about.add_text("Description", "Site plan of pier 4")
    out = io.BytesIO()
    Image.new("RGB", (8, 6)).save(out, "png", pnginfo=about)
    document = read("plan.png", out.getvalue())
    assert document.kind == "picture" and document.text == "Description: Site plan of pier 4"
    assert document.unread == (
        "It is a picture (PNG, 8 × 6): the words of its text fields were read, those in its pixels not.",
    )
    exif = Image.Exif()
    exif[0x010E] = "A quay"
    out = io.BytesIO()
    Image.new("RGB", (8, 6)).save(out, "jpeg", exif=exif)
    assert read("x", out.getvalue()).text == "Description: A quay"
    out = io.BytesIO()
    Image.new("RGB", (8, 6)).save(out, "png")
    with pytest.raises(Empty, match=r"picture \(PNG, 8 × 6\) without a text layer"):
        read("x", out.getvalue())
    assert (
        read("x", b'<svg xmlns="http://www.w3.org/2000/svg"><text>Berth <tspan>4</tspan></text></svg>').text
        == "Berth 4"
    )


SUBTITLES = "1\n00:00:01,000 --> 00:00:04,000\nAnn: We agree.\n\n2\n00:01:05,500 --> 00:01:07,000\nBob: Yes.\n\n3\n00:02:00,000 --> 00:02:03,000\nAnn: Done.\n"


@pytest.mark.parametrize("text", [SUBTITLES, "WEBVTT\n\n" + SUBTITLES.replace(",", ".")])
def test_subtitles_are_turns_with_their_times(text):
    document = read("x", text.encode())
    found = find(document, "Yes.")
    assert document.kind == "transcript" and found is not None
    assert found.first.seconds == 65 and found.first.speaker == "Bob"


def test_the_extent_that_a_writer_stamped_on_a_sheet_hides_no_rows():
    rows = "".join(f"<row r='{n}'><c r='A{n}'><v>{n}</v></c><c r='B{n}'><v>{n * 10}</v></c></row>" for n in (1, 2, 3))
    book = sheet(rows, extent="A1")
    assert read("x", book).text == "1\t10\n2\t20\n3\t30"


def test_rows_without_a_header_are_all_read():
    document = read("x", sheet("".join(f"<row><c><v>{n}</v></c><c><v>{n * 2}</v></c></row>" for n in range(1, 101))))
    assert document.kind == "xlsx" and len(document.passages) == 100
    assert document.text.endswith("100\t200") and document.passages[99].anchor.place == "sheet S, row 100"


def test_a_workbook_says_what_is_not_in_its_rows():
    book = openpyxl.Workbook()
    book.active.append(["Item", "Amount"])
    book.active.append(["Rent", "=1+1"])
    book.active["A2"].comment = Comment("Not approved", "Ann")
    book.create_sheet("Secret").append(["x", "y"])
    book["Secret"].sheet_state = "hidden"
    out = io.BytesIO()
    book.save(out)
    assert read("x", out.getvalue()).unread == (
        "1 formula has no saved result and was not computed.",
        "1 comment on its cells not read.",
        "1 sheet of it is hidden; its rows were read.",
    )


@pytest.mark.parametrize(
    ("name", "said"), [("a.docx", True), ("a.pdf", False), ("a.txt", True), ("a", False), ("a.pdf.gz", False)]
)
def test_a_name_that_promises_another_kind_is_reported(name, said):
    told = read(name, pdf("Words")).unread
    assert bool(told) is said and all("of another kind (pdf)" in sentence for sentence in told)


def test_a_message_without_words_or_files_is_empty():
    with pytest.raises(Unreadable):
        read("x", b"From: \nTo: \nSubject: \nMessage-ID: \n\n\n")


def test_a_quote_of_a_sheet_is_placed_at_its_cell():
    row = "<row r='7'><c r='B7' t='inlineStr'><is><t>Rent</t></is></c><c r='D7'><v>1200.5</v></c></row>"
    document = read("x", sheet("<row r='1'><c r='A1' t='inlineStr'><is><t>Item</t></is></c></row>" + row))
    for quote, place in (("Item", "A1"), ("Rent", "B7"), ("1200.5", "D7")):
        found = find(document, quote)
        assert found is not None
        assert (
            document.anchor(found.pieces[0].start).place == f"sheet S, cell {place}"
            and found.first.label == f"s1.{place[1]}"
        )
