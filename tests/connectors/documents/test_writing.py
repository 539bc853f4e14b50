"""Files for people say what the text says: read back by our own readers, links open, numbers are numbers."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal

import openpyxl
import pytest
from markdown_it import MarkdownIt
from PIL import Image
from pypdf import PdfReader

from connectors.documents.reading import read
from connectors.documents.writing import pdf, plots
from connectors.documents.writing.blocks import _Walk, blocks
from connectors.documents.writing.word import to_docx
from connectors.documents.writing.workbook import Table, to_xlsx

NOW = datetime(2026, 11, 27, 10, tzinfo=UTC)
ROWS = "".join(f"| Berth {n} | {n * 1000:,} |\n" for n in range(1, 81))
REPORT = f"""# Berth pricing

Revenue rose by **4.2 %**; see [the ledger](https://example.org/e/1) and [no](javascript:alert(1)).

1. The fee rose.
2. The tariff ended:
   - for cargo
   - for “ships” – Größe, Привет

> Said the harbour master.

| Berth | Revenue (EUR) |
|:--|--:|
{ROWS}
---

`code` <b>html</b> & ~~old~~ words ![picture](http://127.0.0.1:9/x.png)
"""


def test_markdown_is_blocks_of_styled_words():
    found = blocks(REPORT)
    assert [b.kind for b in found[:7]] == ["heading", "paragraph", "item", "item", "item", "item", "quote"]
    assert [(b.level, b.number) for b in found[2:6]] == [(0, 1), (0, 2), (1, 0), (1, 0)]
    assert [(s.text, s.link) for s in found[1].spans if s.link] == [("the ledger", "https://example.org/e/1")]
    assert len(found[7].rows) == 81 and found[7].rows[1][1].right and not found[7].rows[1][0].right


def test_a_long_table_is_walked_once_and_every_cell_keeps_its_place():
    tokens = MarkdownIt("commonmark").enable("table").parse("|a|b|\n|-|-|\n" + "|same|same|\n" * 400)
    (table,) = _Walk(iter(tokens)).run()
    assert [[cell.spans[0].text for cell in row] for row in table.rows] == [["a", "b"], *[["same", "same"]] * 400]


def test_a_word_file_says_what_the_text_says_and_is_the_same_each_time():
    made = to_docx(REPORT, "Berth pricing", NOW)
    document = read("x.docx", made)
    assert document.kind == "docx" and document.unread == ()
    for words in (
        "Berth pricing",
        "Revenue rose by 4.2 %; see the ledger",
        "1.\u2002The fee rose.",
        "Berth 80\t80,000",
        "<b>html</b> & old words",
    ):
        assert words in document.text
    assert b"javascript" not in made and made == to_docx(REPORT, "Berth pricing", NOW)
    packed = {part.date_time for part in zipfile.ZipFile(io.BytesIO(made)).infolist()}
    assert packed == {(2020, 1, 1, 0, 0, 0)}  # not the moment at which it was made


def test_a_pdf_has_pages_with_links_and_the_same_bytes_each_time():
    made = pdf.to_pdf(REPORT, "Berth pricing")
    document = read("x.pdf", made)
    assert document.kind == "pdf" and document.pages == 3 and document.unread == ()
    for words in ("Berth pricing", "4.2 %", "Größe, Привет", "80,000", "<b>html</b> & old words"):
        assert words in " ".join(document.text.split())
    assert document.text.count("Revenue (EUR)") == 3  # the header stands on each page
    links = [
        str(a.get_object()["/A"]["/URI"])
        for page in PdfReader(io.BytesIO(made)).pages
        for a in page.get("/Annots", [])
    ]
    assert links == ["https://example.org/e/1"] and made == pdf.to_pdf(REPORT, "Berth pricing")
    assert pdf.missing("Größe 日本") == "日本" and pdf.to_pdf("", "Nothing")


def test_a_workbook_holds_numbers_and_dates_and_computes_no_text():
    cells = [
        "1200.50",
        "-80",
        "12.5 %",
        "2026-01-31",
        "007",
        "=1+1",
        "@x",
        "1e5",
        "31.1.2026",
        "2026-02-31",
        "1" * 20,
        "",
    ]
    made = to_xlsx([Table("A/B:*", [["Value"], *([cell] for cell in cells)]), Table("A/B:*", [["x"], ["y"]])], NOW)
    book = openpyxl.load_workbook(io.BytesIO(made))
    assert book.sheetnames == ["A B", "A B 2"] and book["A B"].freeze_panes == "A2"
    values = [row[0] for row in book["A B"].iter_rows(min_row=2, max_row=12)]
    assert [cell.value for cell in values] == [
        1200.5, -80, 0.125, datetime(2026, 1, 31), "007", "=1+1", "@x", "1e5", "31.1.2026", "2026-02-31", "1" * 20,
    ]  # fmt: skip
    assert [cell.data_type for cell in values] == ["n", "n", "n", "d", *"sssssss"]
    assert values[3].value.date() == date(2026, 1, 31) and read("x", made).text.startswith("Value\n1200.5\n-80")


@pytest.mark.parametrize("kind", ["bar", "line", "scatter"])
def test_a_plot_says_what_its_axes_are_and_is_the_same_each_time(kind):
    x = [Decimal(n) for n in range(3)] if kind == "scatter" else ["Berth 1", "Berth 2", "$x^2$"]
    series = [plots.Series("2025", [Decimal(1), None, Decimal("-3.5")]), plots.Series("2026", [Decimal(2)] * 3)]
    plot = plots.Plot(kind, "Revenue by berth", x, series, "Berth", "Revenue (EUR)")
    picture = Image.open(io.BytesIO(plots.draw(plot, "png")))
    assert picture.size == (1280, 720) and len(picture.convert("RGB").getcolors(1 << 20)) > 10
    drawn = plots.draw(plot, "svg")
    assert drawn == plots.draw(plot, "svg") and b"<script" not in drawn
    for words in (b"Revenue by berth", b"Revenue (EUR)", b"2025"):
        assert b"<!-- " + words + b" -->" in drawn
