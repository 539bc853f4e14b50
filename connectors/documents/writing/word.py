"""A Word file out of Markdown, with Word's own styles so that people can go on working in it."""

from __future__ import annotations

import io
import re
from datetime import datetime
from typing import Any

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor

from connectors.documents.wordfile import open_package
from connectors.documents.writing.blocks import Block, Span, blocks

_LINK_COLOUR = RGBColor(0x0B, 0x57, 0xD0)


def to_docx(markdown: str, title: str, written: datetime) -> bytes:
    """The file; the same text at the same time gives the same bytes. `title` is in its properties."""
    document = Document()
    document.core_properties.title = _clean(title)[:255]
    document.core_properties.author = "Cadre"
    document.core_properties.created = document.core_properties.modified = written.replace(tzinfo=None)
    document.styles["Normal"].font.size = Pt(10.5)
    for section in document.sections:
        section.left_margin = section.right_margin = Cm(2.3)
        section.top_margin = section.bottom_margin = Cm(2.0)
    for block in blocks(markdown):
        _add(document, block)
    out = io.BytesIO()
    document.save(out)
    return open_package(title, out.getvalue()).packed()  # without the time at which its parts were packed


def _add(document: Any, block: Block) -> None:
    match block.kind:
        case "heading":
            _write(document.add_heading(level=min(block.level, 9)), block.spans)
        case "table":
            _table(document, block)
        case "rule":
            _line_below(document.add_paragraph())
        case "item":
            kind = "List Number" if block.number else "List Bullet"
            deep = min(block.level + 1, 3)
            paragraph = document.add_paragraph(style=kind if deep == 1 else f"{kind} {deep}")
            if block.number:  # the number as it was written: Word would go on counting from the list before
                paragraph.style = document.styles["List Continue" if deep == 1 else f"List Continue {deep}"]
                paragraph.paragraph_format.first_line_indent = Cm(-0.6)
                paragraph.add_run(f"{block.number}.\u2002")
            _write(paragraph, block.spans)
        case "quote":
            _write(document.add_paragraph(style="Quote"), block.spans)
        case "code":
            paragraph = document.add_paragraph()
            paragraph.paragraph_format.left_indent = Cm(0.6)
            _write(paragraph, block.spans)
        case _:
            paragraph = document.add_paragraph()
            if block.level:
                paragraph.paragraph_format.left_indent = Cm(0.63 * (block.level + 1))
            _write(paragraph, block.spans)


def _table(document: Any, block: Block) -> None:
    width = max((len(row) for row in block.rows), default=0)
    if not width:
        return
    table = document.add_table(rows=0, cols=width, style="Light List Accent 1")
    for number, row in enumerate(block.rows):
        cells = table.add_row().cells
        for place, cell in enumerate(row):
            paragraph = cells[place].paragraphs[0]
            _write(paragraph, cell.spans, bold=number == 0)
            paragraph.paragraph_format.space_after = Pt(2)
            if cell.right:
                paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    head = OxmlElement("w:tblHeader")  # the first row again on each page
    table.rows[0]._tr.get_or_add_trPr().append(head)
    document.add_paragraph().paragraph_format.space_after = Pt(4)


def _write(paragraph: Any, spans: tuple[Span, ...], *, bold: bool = False) -> None:
    for span in spans:
        run = paragraph.add_run()
        for number, line in enumerate(_clean(span.text).split("\n")):
            if number:
                run.add_break()
            run.add_text(line)
        run.bold = True if span.bold or bold else None
        run.italic = True if span.italic else None
        run.font.strike = True if span.struck else None
        if span.code:
            run.font.name = "Consolas"
        if span.link:
            _link(paragraph, run, span.link)


def _link(paragraph: Any, run: Any, target: str) -> None:
    relation = paragraph.part.relate_to(_clean(target), RELATIONSHIP_TYPE.HYPERLINK, is_external=True)
    run.font.color.rgb = _LINK_COLOUR
    run.font.underline = True
    link = OxmlElement("w:hyperlink")
    link.set(qn("r:id"), relation)
    run._r.addprevious(link)
    link.append(run._r)


def _line_below(paragraph: Any) -> None:
    borders, bottom = OxmlElement("w:pBdr"), OxmlElement("w:bottom")
    for key, value in (("val", "single"), ("sz", "6"), ("space", "1"), ("color", "999999")):
        bottom.set(qn(f"w:{key}"), value)
    borders.append(bottom)
    paragraph._p.get_or_add_pPr().append(borders)


def _clean(text: str) -> str:
    """Without the signs that XML cannot hold."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]", " ", text)
