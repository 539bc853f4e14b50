"""A PDF out of Markdown: pages with numbers, tables that go over pages with their header, links that open."""

from __future__ import annotations

import io
import re
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import matplotlib
from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import cm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import HRFlowable, LongTable, Paragraph, SimpleDocTemplate, Spacer, TableStyle

from connectors.documents.writing.blocks import Block, Cell, Span, blocks

_INK, _FAINT, _LINK = colors.HexColor("#1d1c1d"), colors.HexColor("#d8d8d8"), "#0b57d0"
_WIDTH = A4[0] - 4.4 * cm


def to_pdf(markdown: str, title: str) -> bytes:
    """The file; the same text gives the same bytes."""
    _fonts()
    out = io.BytesIO()
    template = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=2.2 * cm, rightMargin=2.2 * cm, topMargin=2 * cm, bottomMargin=2 * cm,
        title=title[:255], author="Cadre", invariant=1,
    )  # fmt: skip
    flowing = [flowable for block in blocks(markdown) for flowable in _flowables(block)]
    template.build(flowing or [Spacer(1, 1)], onFirstPage=_foot, onLaterPages=_foot)
    return out.getvalue()


def missing(markdown: str) -> str:
    """The letters of a text that the fonts of the file do not have."""
    _fonts()
    known = pdfmetrics.getFont("Text").face.charToGlyph
    return "".join(sorted({sign for sign in _clean(markdown) if ord(sign) not in known and not sign.isspace()}))


@cache
def _fonts() -> None:
    """Letters of most scripts: the fonts that the plotting library brings along."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name, file in (
        ("Text", "DejaVuSans"), ("Text-Bold", "DejaVuSans-Bold"), ("Text-Italic", "DejaVuSans-Oblique"),
        ("Text-BoldItalic", "DejaVuSans-BoldOblique"), ("Code", "DejaVuSansMono"),
    ):  # fmt: skip
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{file}.ttf")))
    pdfmetrics.registerFontFamily("Text", "Text", "Text-Bold", "Text-Italic", "Text-BoldItalic")


def _style(name: str, size: float, **more: Any) -> ParagraphStyle:
    given = {"fontName": "Text", "textColor": _INK, "leading": size * 1.4, "spaceAfter": 5, **more}
    return ParagraphStyle(name, fontSize=size, **given)


_BODY = _style("body", 9.5)
_HEADINGS = [
    _style(f"h{n}", size, fontName="Text-Bold", spaceBefore=size * 0.8, keepWithNext=1, leading=size * 1.25)
    for n, size in enumerate((18, 14, 11.5, 10, 9.5, 9.5), start=1)
]
_QUOTE = _style("quote", 9.5, leftIndent=14, textColor=colors.HexColor("#454245"), fontName="Text-Italic")
_CODE = _style("code", 8, fontName="Code", leftIndent=10, backColor=colors.HexColor("#f4f4f4"), borderPadding=4)
_CELL, _NUMBER = _style("cell", 8.5, spaceAfter=0), _style("number", 8.5, spaceAfter=0, alignment=TA_RIGHT)


def _flowables(block: Block) -> list[Any]:
    match block.kind:
        case "heading":
            return [Paragraph(_marked(block.spans), _HEADINGS[min(block.level, 6) - 1])]
        case "item":
            indent = 14 * (block.level + 1)
            style = ParagraphStyle("item", parent=_BODY, leftIndent=indent, bulletIndent=indent - 12, spaceAfter=3)
            return [Paragraph(_marked(block.spans), style, bulletText=f"{block.number}." if block.number else "•")]
        case "quote":
            return [Paragraph(_marked(block.spans), _QUOTE)]
        case "code":
            lines = escape(_clean(block.spans[0].text)).replace(" ", "\u00a0").replace("\n", "<br/>")
            return [Paragraph(lines, _CODE), Spacer(1, 4)]
        case "rule":
            return [HRFlowable(width="100%", color=_FAINT, spaceBefore=4, spaceAfter=6)]
        case "table":
            return [_table(block), Spacer(1, 8)]
        case _:
            style = ParagraphStyle("in", parent=_BODY, leftIndent=14 * block.level) if block.level else _BODY
            return [Paragraph(_marked(block.spans), style)]


def _table(block: Block) -> LongTable:
    width = max(len(row) for row in block.rows)
    rows = [
        [_cell(row[place] if place < len(row) else Cell(()), head=number == 0) for place in range(width)]
        for number, row in enumerate(block.rows)
    ]
    table = LongTable(rows, colWidths=_widths(block, width), repeatRows=1, hAlign="LEFT")
    table.setStyle(TableStyle([
        ("LINEBELOW", (0, 0), (-1, 0), 1, _INK), ("LINEBELOW", (0, 1), (-1, -1), 0.4, _FAINT),
        ("VALIGN", (0, 0), (-1, -1), "TOP"), ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3), ("LEFTPADDING", (0, 0), (-1, -1), 4),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
    ]))  # fmt: skip
    return table


def _widths(block: Block, width: int) -> list[float]:
    """Columns as wide as their words ask for, none below a share, the page filled at most."""
    asked = []
    for place in range(width):
        longest = max(
            (sum(len(s.text) for s in row[place].spans) for row in block.rows if place < len(row)), default=1
        )
        asked.append(min(max(longest, 5), 48) * 5.8 + 12)  # bold words need more room than others
    return [one * min(1.0, _WIDTH / sum(asked)) for one in asked]


def _cell(cell: Cell, *, head: bool) -> Paragraph:
    words = _marked(cell.spans)
    return Paragraph(f"<b>{words}</b>" if head else words, _NUMBER if cell.right else _CELL)


def _marked(spans: tuple[Span, ...]) -> str:
    """Words in the markup of the library, everything else in them escaped."""
    out = []
    for span in spans:
        words = escape(_clean(span.text)).replace("\n", "<br/>")
        for on, tag in ((span.bold, "b"), (span.italic, "i"), (span.struck, "strike")):
            words = f"<{tag}>{words}</{tag}>" if on else words
        words = f'<font name="Code">{words}</font>' if span.code else words
        out.append(f'<a href={quoteattr(span.link)} color="{_LINK}">{words}</a>' if span.link else words)
    return "".join(out)


def _foot(canvas: Any, template: Any) -> None:
    canvas.saveState()
    canvas.setFont("Text", 7.5)
    canvas.setFillColor(colors.HexColor("#616061"))
    canvas.drawRightString(A4[0] - 2.2 * cm, 1.2 * cm, str(canvas.getPageNumber()))
    canvas.drawString(2.2 * cm, 1.2 * cm, _clean(template.title)[:110])
    canvas.restoreState()


def _clean(text: str) -> str:
    return re.sub(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]", " ", text)
