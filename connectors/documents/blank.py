"""Plain text as a clean Word file: a paragraph per line, headings as such, a readable page."""

from __future__ import annotations

import re

from lxml import etree

from connectors.documents.wordfile import Package, W

_NS = {"w": W[1:-1]}
_RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_STYLES = f"""{_HEAD}<w:styles xmlns:w="{W[1:-1]}">
<w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii="Georgia" w:hAnsi="Georgia" w:cs="Georgia"/><w:sz w:val="22"/>
<w:szCs w:val="22"/></w:rPr></w:rPrDefault><w:pPrDefault><w:pPr>
<w:spacing w:after="80" w:line="288" w:lineRule="auto"/>
</w:pPr></w:pPrDefault></w:docDefaults>
<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>
<w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/><w:basedOn w:val="Normal"/><w:pPr><w:keepNext/>
<w:spacing w:after="240"/></w:pPr><w:rPr><w:b/><w:sz w:val="32"/><w:szCs w:val="32"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/><w:basedOn w:val="Normal"/><w:pPr>
<w:keepNext/><w:spacing w:before="200" w:after="80"/><w:outlineLvl w:val="0"/></w:pPr><w:rPr><w:b/></w:rPr></w:style>
</w:styles>"""
_HEADING = re.compile(
    r"(?:(?:ARTICLE|Article|SECTION|Section)\s+)?(?:\d{1,2}|[IVX]{1,5})[.)]?\s+[A-Z][^.;:]{2,60}\.?"
)


def blank_docx(text: str) -> bytes:
    """A DOCX whose paragraphs are the lines of the text; its text is exactly that text."""
    root = etree.Element(W + "document", nsmap=_NS)
    body = etree.SubElement(root, W + "body")
    lines = re.sub(r"\r\n?", "\n", text).split("\n")
    first = next((line for line in lines if line.strip()), None)
    for line in lines:
        paragraph = etree.SubElement(body, W + "p")
        style = "Title" if line is first and len(line) < 90 else "Heading1" if _is_heading(line) else None
        if style:
            head = etree.SubElement(paragraph, W + "pPr")
            etree.SubElement(head, W + "pStyle", {W + "val": style})
        run = etree.SubElement(paragraph, W + "r") if line else None
        for piece in re.split(r"([\t\f])", line):
            if run is None or not piece:
                continue
            if piece == "\t":
                etree.SubElement(run, W + "tab")
            elif piece == "\f":
                etree.SubElement(run, W + "br", {W + "type": "page"})
            else:
                words = etree.SubElement(run, W + "t", {_SPACE: "preserve"})
                words.text = re.sub(r"[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", " ", piece)
    section = etree.SubElement(body, W + "sectPr")
    etree.SubElement(section, W + "pgSz", {W + "w": "11906", W + "h": "16838"})
    sides = {W + side: "1418" for side in ("top", "right", "bottom", "left")}
    etree.SubElement(section, W + "pgMar", sides | {W + "header": "709", W + "footer": "709", W + "gutter": "0"})
    main = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
    return Package("document", _frame() | {"word/document.xml": main, "word/styles.xml": _STYLES.encode()}).packed()


def _is_heading(line: str) -> bool:
    return len(line) < 80 and bool(_HEADING.fullmatch(line.strip()))


def _frame() -> dict[str, bytes]:
    def override(part: str, kind: str) -> str:
        return f'<Override PartName="/word/{part}.xml" ContentType="{_WORD}.{kind}+xml"/>'

    def relation(number: int, kind: str, target: str) -> str:
        return f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'

    types = (
        f'{_HEAD}<Types xmlns="{_TYPES}"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f"{override('document', 'document.main')}{override('styles', 'styles')}</Types>"
    )
    package = relation(1, "officeDocument", "word/document.xml")
    document = relation(1, "styles", "styles.xml")
    return {
        "[Content_Types].xml": types.encode(),
        "_rels/.rels": f'{_HEAD}<Relationships xmlns="{_RELS}">{package}</Relationships>'.encode(),
        "word/_rels/document.xml.rels": f'{_HEAD}<Relationships xmlns="{_RELS}">{document}</Relationships>'.encode(),
    }
