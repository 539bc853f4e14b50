"""Word files (DOCX): their parts, and their text with tracked changes accepted or rejected."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lxml import etree

from connectors.documents.carried import beside, many, remarks
from connectors.errors import Encrypted, Unreadable

MAX_PART = 64 * 1024 * 1024  # bytes of one part, unpacked
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_SIGNS = {
    W + "tab": "\t",
    W + "ptab": "\t",
    W + "cr": "\n",
    W + "noBreakHyphen": "\u2011",
    W + "softHyphen": "\u00ad",
}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MARGIN = re.compile(r"(header|footer)\d*\.xml")
_PAGE_NUMBER = re.compile(r"(?i)\b(?:page|of|seite|von)\b")
_NOTES = (("footnotes", "footnote"), ("endnotes", "endnote"))

View = Literal["accepted", "rejected"]


@dataclass
class Package:
    """The parts of an Office file by name, in order."""

    name: str
    parts: dict[str, bytes]

    @property
    def main(self) -> str:
        """The name of the part that holds the body."""
        for relation in self.xml("_rels/.rels").iter(_RELATIONS):
            if str(relation.get("Type")).endswith("/officeDocument"):
                return str(relation.get("Target")).lstrip("/")
        raise Unreadable(
            f"{self.name} is a damaged Word file: it does not say which part is its text.", name=self.name
        )

    def xml(self, part: str) -> etree._Element:
        """The tree of a part; Unreadable when it is missing or damaged."""
        data = self.parts.get(part)
        if data is None:
            raise Unreadable(f"{self.name} is a damaged Word file: {part} is missing.", name=self.name)
        return parse_part(self.name, part, data)

    def packed(self) -> bytes:
        """The file with these parts."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for part, data in self.parts.items():
                archive.writestr(zipfile.ZipInfo(part, (2020, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
        return out.getvalue()


def refuse_old_container(name: str, data: bytes) -> None:
    """Encrypted or Unreadable for the container of Office's old formats, in which it also locks the new ones."""
    if not data.startswith(_OLE):
        return
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise Encrypted(f"{name} is an Office file protected by a password.", name=name)
    raise Unreadable(f"{name} is an Office file of the old format (DOC, XLS, PPT); save it as DOCX.", name=name)


def open_package(name: str, data: bytes) -> Package:
    """Unpacks a DOCX. Encrypted, or Unreadable when it is damaged or holds more than an Office file may."""
    refuse_old_container(name, data)
    parts: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                if entry.flag_bits & 1:
                    raise Encrypted(f"{name} is protected by a password.", name=name)
                if entry.file_size > MAX_PART:
                    raise Unreadable(f"{name} holds a part of more than {MAX_PART // 1024 // 1024} MB.", name=name)
                parts[entry.filename] = archive.read(entry)
    except Unreadable:
        raise
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise Unreadable(f"{name} is a damaged Word file: it ends too early or was altered.", name=name) from error
    except MemoryError:
        raise
    except Exception as error:  # zlib.error and what other packers raise
        raise Unreadable(f"{name} is a damaged Word file: a part cannot be unpacked.", name=name) from error
    return Package(name, parts)


def parse_part(name: str, part: str, data: bytes) -> etree._Element:
    """The tree of an XML part; document types are refused, so no entity can grow."""
    if b"<!DOCTYPE" in data[:4096] or b"<!ENTITY" in data[:4096]:
        raise Unreadable(f"{name} holds a document type in {part}, which no Office file has.", name=name)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        if error.code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from error
        raise Unreadable(f"{name} is a damaged Word file: {part} is not readable.", name=name) from error


def read_docx(name: str, data: bytes) -> tuple[str, tuple[str, ...]]:
    """A line per paragraph and table row, changes accepted; notes and page margins below. Then what was not read."""
    package = open_package(name, data)
    body = package.xml(package.main).find(W + "body")
    if body is None:
        raise Unreadable(f"{name} is a damaged Word file: it has no body.", name=name)
    lines = list(lines_of(body, "accepted"))
    folder = package.main.rpartition("/")[0]
    for part, tag in _NOTES:
        path = f"{folder}/{part}.xml".lstrip("/")
        if path in package.parts:
            for note in package.xml(path).iter(W + tag):
                if note.get(W + "type") is None:  # not the line that separates them
                    lines += [line for line in lines_of(note, "accepted") if line.strip()]
    unread = []
    try:
        lines += _margins(package, folder)
    except Unreadable:
        unread.append("Its page headers and footers are damaged.")
    pictures = sum(1 for part in package.parts if part.startswith(f"{folder}/media/"))
    said = remarks(package.parts, f"{folder}/comments.xml".lstrip("/"))
    unread += [
        f"{many(count, what)} in it not read." for count, what in ((pictures, "picture"), (said, "comment")) if count
    ]
    return "\n".join(lines).replace("\f", "\n"), (*unread, *beside(package.parts))


def _margins(package: Package, folder: str) -> list[str]:
    """What page headers and footers say beside page numbers, each line once."""
    told: dict[str, None] = {}
    for part in sorted(package.parts, key=lambda part: ("footer" in part, part)):
        match = _MARGIN.fullmatch(part.removeprefix(f"{folder}/"))
        if match is not None:
            lines = lines_of(package.xml(part), "accepted")
            said = (line.strip() for line in lines if re.search(r"[^\W\d_]{2}", _PAGE_NUMBER.sub("", line)))
            told |= dict.fromkeys(f"(Page {match[1]}) {line}" for line in said)
    return list(told)


def lines_of(block: etree._Element, view: View) -> Iterator[str]:
    """The lines below a body, cell or note; a paragraph whose end is not there in this view runs on."""
    held = ""
    for element in blocks_of(block):
        if element.tag == W + "tbl":
            if held:
                yield held
                held = ""
            yield from _rows(element, view)
        else:
            held += text_of(element, view)
            if not _end_is_gone(element, view):
                yield held
                held = ""
    if held:
        yield held


def blocks_of(block: etree._Element) -> Iterator[etree._Element]:
    """Paragraphs and tables in order, also those inside content controls and custom elements."""
    for element in block:
        if element.tag in (W + "p", W + "tbl"):
            yield element
        elif element.tag in (W + "sdt", W + "sdtContent", W + "customXml", W + "ins", W + "moveTo"):
            yield from blocks_of(element)


def text_of(paragraph: etree._Element, view: View) -> str:
    """The text of a paragraph, text boxes in it last."""
    return "".join(text for _, text in atoms(paragraph, view))


def atoms(element: etree._Element, view: View) -> Iterator[tuple[etree._Element, str]]:
    """Each element that holds text, with its text, in order."""
    gone = (W + "del", W + "moveFrom") if view == "accepted" else (W + "ins", W + "moveTo")
    for child in element:
        tag = child.tag
        if tag in gone or tag in (W + "pPr", W + "rPr", _MC + "Fallback") or not isinstance(tag, str):
            continue
        if tag == W + "t" or (tag == W + "delText" and view == "rejected"):
            yield child, child.text or ""
        elif tag == W + "br":
            yield child, "\f" if child.get(W + "type") == "page" else "\n"
        elif tag in _SIGNS:
            yield child, _SIGNS[tag]
        elif tag == W + "r":
            if not _is_on(child.find(f"{W}rPr/{W}vanish")):
                yield from atoms(child, view)
        elif tag == W + "txbxContent":
            for inner in blocks_of(child):
                yield child, "\n"
                yield from atoms(inner, view)
        else:
            yield from atoms(child, view)


def _rows(table: etree._Element, view: View) -> Iterator[str]:
    for row in table.iter(W + "tr"):
        if next(row.iterancestors(W + "tbl"), None) is not table:
            continue
        marks = row.find(W + "trPr")
        gone = W + ("del" if view == "accepted" else "ins")
        if marks is not None and marks.find(gone) is not None:
            continue
        cells = []
        for cell in row.iter(W + "tc"):
            if next(cell.iterancestors(W + "tr"), None) is row:
                cells.append(" ".join(filter(None, (re.sub(r"\s+", " ", line) for line in lines_of(cell, view)))))
        yield "\t".join(cells)


def _end_is_gone(paragraph: etree._Element, view: View) -> bool:
    """Whether the paragraph's end was deleted (or, with changes rejected, is one that was inserted)."""
    marks = paragraph.find(f"{W}pPr/{W}rPr")
    if marks is None:
        return False
    gone = ("del", "moveFrom") if view == "accepted" else ("ins", "moveTo")
    return any(marks.find(W + tag) is not None for tag in gone)


def _is_on(element: etree._Element | None) -> bool:
    return element is not None and element.get(W + "val") not in ("0", "false", "off")
