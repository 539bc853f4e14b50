"""Slides (PPTX) as text, and what a workbook holds beside its rows."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator

from lxml import etree

from connectors.documents.carried import beside, many, pictures, remarks
from connectors.documents.wordfile import Package, open_package
from connectors.errors import Empty, Unreadable

MAX_SLIDES = 2_000
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_SMALL, _SHEET = 1024 * 1024, 64 * 1024 * 1024
_UNSAVED = re.compile(rb"<f(?:\s[^>]*)?(?:/>|>[^<]*</f>)\s*(?:<v\s*/>|<v></v>)?\s*</c>")
_COMMENTS = re.compile(r"xl/(?:[\w-]+/)?comments?/?\w*\.xml")  # those of threads stand there as well
_HIDDEN_SHEET = re.compile(rb"<sheet\s[^>]*state=\"(?:hidden|veryHidden)\"")


def read_pptx(name: str, data: bytes) -> tuple[str, tuple[str, ...]]:
    """A form feed between slides, a line per paragraph and table row, notes last. Then what was not read."""
    package = open_package(name, data)
    main = package.main
    targets = _targets(package, main)
    listed = [entry.get(f"{_R}id") for entry in package.xml(main).iter(P + "sldId")]
    if not listed:
        raise Empty(f"{name} has no slides.", name=name)
    if len(listed) > MAX_SLIDES:
        raise Unreadable(f"{name} has more than {MAX_SLIDES:,} slides.", name=name)
    texts, unread = [], []
    for number, relation in enumerate(listed, start=1):
        part = targets.get(str(relation), "")
        if part not in package.parts:
            unread.append(f"Slide {number} is missing from the file.")
            texts.append("")
            continue
        try:
            texts.append("\n".join(_slide(package, part)))
        except Unreadable:
            unread.append(f"Slide {number} is damaged.")
            texts.append("")
            continue
        seen = package.xml(part)
        if seen.get("show") in ("0", "false"):
            unread.append(f"Slide {number} is hidden when shown; its text was read.")
        if not texts[-1].strip() and (seen.find(f".//{P}pic") is not None or seen.find(f".//{A}blip") is not None):
            unread.append(f"Slide {number} is a picture without a text layer.")
        if seen.find(f".//{P}graphicFrame//{A}graphicData[@uri]") is not None and _has_chart(seen):
            unread.append(f"Slide {number} has a chart, of which only the words beside it were read.")
    said = remarks(package.parts, "ppt/comments/")
    if said:
        unread.append(f"{many(said, 'comment')} in it not read.")
    return "\f".join(text.replace("\f", " ") for text in texts), (*unread, *beside(package.parts))


def read_workbook_parts(name: str, data: bytes) -> tuple[str, ...]:
    """What is not in the rows of a workbook: macros, objects, pictures, formulas without a saved result."""
    found: list[str] = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        small = {name for name in names if name.endswith(".rels") and archive.getinfo(name).file_size < _SMALL}
        parts = {name: archive.read(name) if name in small else b"" for name in names}
        empty = sum(
            len(_UNSAVED.findall(archive.read(name)))
            for name in names
            if name.startswith("xl/worksheets/") and archive.getinfo(name).file_size < _SHEET
        )
        if empty:
            found.append(
                f"{many(empty, 'formula')} {'have' if empty > 1 else 'has'} no saved result and was not computed."
            )
        told = (name for name in names if _COMMENTS.fullmatch(name) and archive.getinfo(name).file_size < _SHEET)
        said = sum(remarks({name: archive.read(name)}, "xl/") for name in told)
        if said:
            found.append(f"{many(said, 'comment')} on its cells not read.")
        book = archive.read("xl/workbook.xml") if "xl/workbook.xml" in names else b""
        hidden = len(_HIDDEN_SHEET.findall(book[:1_000_000]))
        if hidden:
            found.append(f"{many(hidden, 'sheet')} of it {'are' if hidden > 1 else 'is'} hidden; its rows were read.")
    charts = sum(1 for name in names if name.startswith("xl/charts/chart"))
    if charts:
        found.append(f"{many(charts, 'chart')} in it not read.")
    drawn = pictures(parts, "xl/media")
    if drawn:
        found.append(f"{many(drawn, 'picture')} in it not read.")
    return (*found, *beside(parts))


def _slide(package: Package, part: str) -> Iterator[str]:
    yield from _shapes(package.xml(part))
    for target in _targets(package, part).values():
        if "/notesSlides/" in f"/{target}" and target in package.parts:
            notes = [line for line in _shapes(package.xml(target)) if line.strip()]
            if notes:
                yield "Notes: " + notes[0]
                yield from notes[1:]


def _shapes(root: etree._Element) -> Iterator[str]:
    """Lines of text boxes and rows of tables, in the order of the file."""
    for element in root.iter(A + "tbl", P + "txBody"):
        if element.tag == A + "tbl":
            for row in element.iter(A + "tr"):
                yield "\t".join(" ".join(_paragraphs(cell)).strip() for cell in row.iter(A + "tc"))
        elif not _is_number_of_slide(element):
            yield from _paragraphs(element)


def _paragraphs(body: etree._Element) -> Iterator[str]:
    for paragraph in body.iter(A + "p"):
        words = "".join("\v" if one.tag == A + "br" else one.text or "" for one in paragraph.iter(A + "t", A + "br"))
        yield from (re.sub(r"[\r\n\t\f]+", " ", line) for line in words.split("\v"))


def _is_number_of_slide(body: etree._Element) -> bool:
    shape = body.getparent()
    kind = None if shape is None else shape.find(f"{P}nvSpPr/{P}nvPr/{P}ph")
    return kind is not None and kind.get("type") in ("sldNum", "sldImg")


def _has_chart(root: etree._Element) -> bool:
    return any("/chart" in str(data.get("uri")) for data in root.iter(A + "graphicData"))


def _targets(package: Package, part: str) -> dict[str, str]:
    """The parts that a part points to, by the name of the relation."""
    folder, _, last = part.rpartition("/")
    rels = f"{folder}/_rels/{last}.rels".lstrip("/")
    if rels not in package.parts:
        return {}
    found = {}
    for relation in package.xml(rels):
        target = str(relation.get("Target"))
        path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
        if relation.get("TargetMode") != "External":
            found[str(relation.get("Id"))] = path
    return found
