"""Small files of the kinds people hand over, made for tests."""

from __future__ import annotations

import io
import zipfile

from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
RELS = (
    '<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
    'relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
    'relationships/officeDocument" Target="word/document.xml"/></Relationships>'
)
TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/'
    'content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)


def packed(parts: dict[str, str | bytes]) -> bytes:
    """A ZIP file of these parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return out.getvalue()


def docx(body: str, **more: str) -> bytes:
    """A Word file with this body, in WordprocessingML; `more` are further parts of word/."""
    parts = {
        "[Content_Types].xml": TYPES,
        "_rels/.rels": RELS,
        "word/document.xml": f'<?xml version="1.0" encoding="UTF-8"?><w:document {W}><w:body>{body}</w:body></w:document>',
    }
    return packed(parts | {f"word/{name}.xml": text for name, text in more.items()})


def paragraph(*runs: str) -> str:
    """A paragraph of plain runs; a run that begins with < is taken as it is."""
    return (
        "<w:p>"
        + "".join(run if run[:1] == "<" else f'<w:r><w:t xml:space="preserve">{run}</w:t></w:r>' for run in runs)
        + "</w:p>"
    )


def pdf(*pages: str, password: str | None = None) -> bytes:
    """A PDF with these lines on its pages; an empty page holds a drawing alone."""
    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject(k): NameObject(v)
            for k, v in (("/Type", "/Font"), ("/Subtype", "/Type1"), ("/BaseFont", "/Helvetica"))
        }
    )
    for text in pages:
        page = writer.add_blank_page(595, 842)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        lines = "".join(f"({line}) Tj 0 -14 Td " for line in text.split("\n"))
        stream = DecodedStreamObject()
        stream.set_data((f"BT /F1 11 Tf 50 780 Td {lines}ET" if text else "10 10 200 200 re f").encode("latin-1"))
        page[NameObject("/Contents")] = writer._add_object(stream)
    if password is not None:
        writer.encrypt(password, algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def _relations(*entries: tuple[str, str, str], more: str = "") -> str:
    inner = "".join(
        f'<Relationship Id="{i}" Type="{OFFICE}/{kind}" Target="{target}"/>' for i, kind, target in entries
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{inner}{more}</Relationships>'


def _types(**parts: str) -> str:
    inner = "".join(
        f'<Override PartName="{name}" ContentType="application/vnd.openxmlformats-officedocument.{kind}+xml"/>'
        for name, kind in parts.items()
    )
    return (
        f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/><Default '
        f'Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{inner}</Types>'
    )


def sheet(rows: str, before: str = "", extent: str = "") -> bytes:
    """A workbook of one sheet with these rows, in SpreadsheetML; `extent` is what it says of its size."""
    if extent:
        extent = f'<dimension ref="{extent}"/>'
    kinds = {"/xl/workbook.xml": "spreadsheetml.sheet.main", "/xl/worksheets/sheet1.xml": "spreadsheetml.worksheet"}
    return packed({
        "[Content_Types].xml": _types(**kinds),
        "_rels/.rels": _relations(("r1", "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{SHEETS}/main" xmlns:r="{OFFICE}"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relations(("r1", "worksheet", "worksheets/sheet1.xml")),
        "xl/worksheets/sheet1.xml": f'<?xml version="1.0"?>{before}<worksheet xmlns="{SHEETS}/main">{extent}<sheetData>{rows}</sheetData></worksheet>',
    })  # fmt: skip


def pptx(slides: list[str], *, notes: str = "", link: str = "") -> bytes:
    """Slides with these lines in a text box each; a line with | is a row of a table."""
    space = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": _types(**{"/ppt/presentation.xml": "presentationml.presentation.main"}),
        "_rels/.rels": _relations(("r1", "officeDocument", "ppt/presentation.xml")),
        "ppt/_rels/presentation.xml.rels": _relations(*((f"r{n}", "slide", f"slides/slide{n}.xml") for n, _ in enumerate(slides, 1))),
        "ppt/presentation.xml": f'<p:presentation {space} xmlns:r="{OFFICE}"><p:sldIdLst>'
        + "".join(f'<p:sldId id="{255 + n}" r:id="r{n}"/>' for n, _ in enumerate(slides, 1)) + "</p:sldIdLst></p:presentation>",
    }  # fmt: skip
    for number, text in enumerate(slides, start=1):
        words = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in text.split("\n") if "|" not in line)
        rows = "".join(
            "<a:tr>" + "".join(f"<a:tc><a:txBody><a:p><a:r><a:t>{c}</a:t></a:r></a:p></a:txBody></a:tc>" for c in line.split("|")) + "</a:tr>"
            for line in text.split("\n") if "|" in line
        )  # fmt: skip
        table = (
            f"<p:graphicFrame><a:graphic><a:graphicData><a:tbl>{rows}</a:tbl></a:graphicData></a:graphic></p:graphicFrame>"
            if rows
            else ""
        )
        parts[f"ppt/slides/slide{number}.xml"] = (
            f"<p:sld {space}><p:cSld><p:spTree><p:sp><p:txBody>{words}</p:txBody></p:sp>{table}</p:spTree></p:cSld></p:sld>"
        )
        more = f'<Relationship Id="r9" Type="{OFFICE}/image" TargetMode="External" Target="{link}"/>' if link else ""
        said = (("r1", "notesSlide", "../notesSlides/notesSlide1.xml"),) if notes and number == 1 else ()
        parts[f"ppt/slides/_rels/slide{number}.xml.rels"] = _relations(*said, more=more)
    if notes:
        parts["ppt/notesSlides/notesSlide1.xml"] = (
            f"<p:notes {space}><p:cSld><p:spTree><p:sp><p:txBody><a:p><a:r><a:t>{notes}</a:t></a:r></a:p></p:txBody></p:sp></p:spTree></p:cSld></p:notes>"
        )
    return packed(parts)
