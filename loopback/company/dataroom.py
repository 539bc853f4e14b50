"""The data room of a company for sale: contracts as Word files, some with clauses that a buyer minds.

Which contract has which odd clause follows from the seed; the Word files are written here, byte for byte the same.
"""

import datetime
import io
import random
import zipfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import yaml

from loopback.company.launch import long_date

SOURCE = Path(__file__).parent / "dataroom.yml"
SMALL = 2  # contracts of the small company
_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_KIND = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_STYLES = f"""<w:styles xmlns:w="{_W}"><w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii="Liberation Serif"
 w:hAnsi="Liberation Serif" w:cs="Liberation Serif"/><w:sz w:val="22"/><w:lang w:val="en-GB"/></w:rPr></w:rPrDefault>
<w:pPrDefault><w:pPr><w:spacing w:after="120" w:line="276" w:lineRule="auto"/></w:pPr></w:pPrDefault></w:docDefaults>
<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>
<w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/><w:basedOn w:val="Normal"/>
<w:pPr><w:spacing w:after="240"/></w:pPr><w:rPr><w:b/><w:sz w:val="32"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/><w:basedOn w:val="Normal"/>
<w:pPr><w:keepNext/><w:spacing w:before="240" w:after="60"/></w:pPr><w:rPr><w:b/><w:sz w:val="24"/></w:rPr></w:style>
</w:styles>"""


def dataroom(seed: int, *, small: bool = False) -> tuple[dict[str, bytes], dict[str, list[str]]]:
    """The files by path, and by file name the ids of the odd clauses that were planted."""
    source: dict[str, Any] = yaml.load(SOURCE.read_text(encoding="utf-8"), yaml.CSafeLoader)
    rng = random.Random(f"data room {seed}")
    files: dict[str, bytes] = {}
    planted: dict[str, list[str]] = {}
    able = [clause["id"] for clause in source["clauses"] if "odd" in clause]
    for contract in source["contracts"][: SMALL if small else None]:
        chosen = set(rng.sample(able, contract["odd"]))
        name = f"{contract['file']}.docx"
        planted[name] = sorted(chosen)
        start = datetime.date(2021, 1, 4) + datetime.timedelta(days=rng.randrange(0, 1200))
        files[f"{source['folder']}/{name}"] = word(_lines(source, contract, chosen, long_date(start)))
    return files, planted


def _lines(source: Any, contract: Any, chosen: set[str], start: str) -> list[tuple[str, str]]:
    """Styles and texts of the paragraphs."""
    words = {"target": source["target"], "party": contract["party"], "role": contract["as"], "start": start}
    title = contract["file"].split(" - ")[1]
    lines = [
        ("Title", f"{title[0].upper()}{title[1:]}"), ("", source["opening"].format(**words, what=contract["what"]))
    ]  # fmt: skip
    number = 0
    for clause in source["clauses"]:
        text = clause["odd"] if clause["id"] in chosen else clause.get("usual")
        if text:
            number += 1
            lines.append(("Heading1", f"{number}. {clause['title']}"))
            sentences = text.format(**words).strip().replace(". ", ".\n").split("\n")
            lines += [("", f"{number}.{at} {sentence}") for at, sentence in enumerate(sentences, start=1)]
    return [*lines, ("", source["closing"].format(**words))]


def word(lines: list[tuple[str, str]]) -> bytes:
    """A Word file of paragraphs, each with a style or none."""
    body = "".join(
        f"<w:p>{f'<w:pPr><w:pStyle w:val={chr(34)}{style}{chr(34)}/></w:pPr>' if style else ''}"
        f'<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'
        for style, text in lines
    )
    page = '<w:sectPr><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1417" w:right="1417" w:bottom="1417"'
    page += ' w:left="1417" w:header="708" w:footer="708" w:gutter="0"/></w:sectPr>'
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
        f'ContentType="application/xml"/><Override PartName="/word/document.xml" '
        f'ContentType="{_KIND}.document.main+xml"/>'
        f'<Override PartName="/word/styles.xml" ContentType="{_KIND}.styles+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{_W}"><w:body>{body}{page}</w:body></w:document>',
        "word/styles.xml": _STYLES,
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in parts.items():
            package.writestr(zipfile.ZipInfo(name, (2026, 1, 5, 9, 0, 0)), head + text, zipfile.ZIP_DEFLATED)
    return out.getvalue()
