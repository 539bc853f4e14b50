"""Reads any file that people hand over into text with places. What a file is, its bytes say, never its name."""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from dataclasses import replace

from connectors.documents import bundle
from connectors.documents.bundle import Room
from connectors.documents.document import Document, assemble, from_text
from connectors.documents.markup import parse, text_of
from connectors.documents.office import read_pptx, read_workbook_parts
from connectors.documents.pdffile import read_pdf
from connectors.documents.pictures import read_picture, read_svg
from connectors.documents.records import json_text, parse_json
from connectors.documents.tables import (
    MAX_BYTES,
    MAX_UNPACKED,
    DocumentError,
    Sheet,
    marked_text,
    read_sheets,
    text_sheets,
)
from connectors.documents.wordfile import read_docx, refuse_old_container
from connectors.errors import Empty, Encrypted, TooLarge, Unreadable

_TEXTS = ("txt", "md", "csv", "tsv", "json", "html", "htm", "vtt", "srt")
_BINARY = ("pdf", "docx", "pptx", "xlsx", "zip", "picture")
_ENDINGS = {
    **{ending: (ending,) for ending in ("pdf", "docx", "pptx", "xlsx", "zip")}, **dict.fromkeys(_TEXTS, ()),
    **dict.fromkeys(("png", "jpg", "jpeg", "gif", "tif", "tiff", "webp", "svg"), ("picture",)), "eml": ("mail",),
}  # fmt: skip
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*")
_BREAKS = re.compile(r"[\n\r\f\t]+")
EVEN = 0.95  # of the rows of a table have as many cells as the first
PLAIN = 1024 * 1024  # bytes
_STRANGE = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f]")
_CHARSET = re.compile(
    rb"(?i)<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{2,30})|^<\?xml[^>]{0,100}encoding=[\"']([\w-]{2,30})"
)
_HTML = re.compile(
    r"(?is)^\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->).){0,4000}+-->\s*+)*+<(?:!doctype\s+html|html|head|body)[\s>]"
)
_SVG = re.compile(r"(?s)^\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->).){0,4000}+-->\s*+)*+<svg[\s>]")
_TAGS = re.compile(
    r"(?i)</?(p|div|span|table|tr|td|br|h[1-6]|ul|ol|li|a|b|i|strong|em|section|article)(?:\s[^<>]*)?/?>"
)


def read(name: str, data: bytes) -> Document:
    """The document that these bytes hold; `name` labels it and nothing is decided by it.

    Raises Unreadable (damaged, or of a kind that is not read), Encrypted, Empty or TooLarge, and nothing else but
    MemoryError. What others wrote is read behind walls: confined.py.
    """
    return _read_one(name, data, Room())


def _read_one(name: str, data: bytes, room: Room) -> Document:
    try:
        found = _read(name, data, data, room)
        return replace(found, unread=(*found.unread, *_named_otherwise(name, found.kind)))
    except (Unreadable, MemoryError):
        raise
    except DocumentError as error:
        raise Unreadable(str(error), name=name) from error
    except Exception as error:  # parsers stumble over damage in their own ways; one file never stops the others
        raise Unreadable(f"{name} is damaged: {type(error).__name__}.", name=name) from error


def _read(name: str, data: bytes, given: bytes, room: Room) -> Document:
    if not data:
        raise Empty(f"{name} is empty (0 bytes).", name=name)
    if len(data) > MAX_BYTES:
        raise TooLarge(f"{name} is larger than {MAX_BYTES // 1024 // 1024} MB and was not read.", name=name)
    if data[:2] == b"\x1f\x8b":
        return _read(name, _gunzip(name, data), given, room)
    if b"%PDF-" in data[:1024]:
        text, unread = read_pdf(name, data)
        return assemble(name, "pdf", text, given, unread=unread)
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _read_zip(name, data, given, room)
    if data.startswith(_PICTURES) or data[8:12] == b"WEBP":
        text, unread = read_picture(name, data)
        return assemble(name, "picture", text, given, unread=unread)
    _refuse_other_kinds(name, data)
    text = decode(name, data).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise Empty(f"{name} holds no text.", name=name)
    if _SVG.match(text):
        text, unread = read_svg(name, text)
        return assemble(name, "picture", text, given, unread=unread)
    if looks_like_html(text):
        return assemble(name, "html", text_of(parse(name, text))[0], given)
    if bundle.is_mail(text):
        return bundle.read_mail(name, data, room, _read_one, from_text)
    value = parse_json(text)
    if value is not None:
        view, turns, unread = json_text(value, text)
        return assemble(name, "json", view, given, turns=turns, unread=unread)
    document = assemble(name, "text", text, given)
    if document.kind == "text" and _is_csv(text):
        return _read_rows(name, "csv", text_sheets(text, name), given)
    return document


def is_plain(data: bytes) -> bool:
    """Whether these bytes are text of an ordinary size that no parser of another format ever sees.

    Reading such a file takes time and memory in proportion to its size, so that it needs no walls.
    """
    if len(data) > PLAIN or b"%PDF-" in data[:1024] or data.startswith((b"PK", b"GIF8", b"RIFF", b"{\\rtf")):
        return False
    try:
        start = data.decode("utf-8").lstrip("\ufeff \t\r\n\f")[:1]
    except UnicodeDecodeError:
        return False
    return start not in ("", "<") and not _STRANGE.search(data)


def looks_like_html(text: str) -> bool:
    """Whether a text is a web page, or a piece of one."""
    if _HTML.match(text):
        return True
    return text.lstrip()[:1] == "<" and len(_TAGS.findall(text[:20_000])) >= 3


def decode(name: str, data: bytes) -> str:
    """Text in UTF-8, UTF-16 or UTF-32 (with or without a mark), the charset a page names, or Windows-1252."""
    wide = marked_text(data)
    if wide is not None:
        return wide
    sample = data[:4096]
    if b"\x00" in sample:
        raise Unreadable(f"{name} is neither text nor a document of a known kind.", name=name)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    strange = sum(1 for byte in sample if byte < 32 and byte not in b"\t\n\r\f\x1b")
    if strange * 50 > len(sample):
        raise Unreadable(f"{name} is neither text nor a document of a known kind.", name=name)
    named = _CHARSET.search(sample)
    if named:
        try:
            return data.decode((named[1] or named[2]).decode("ascii"))
        except (LookupError, UnicodeError, ValueError):
            pass
    return data.decode("cp1252", "replace")


def _refuse_other_kinds(name: str, data: bytes) -> None:
    refuse_old_container(name, data)
    if data.startswith(b"{\\rtf"):
        raise Unreadable(f"{name} is an RTF file; save it as DOCX.", name=name)


def _read_zip(name: str, data: bytes, given: bytes, room: Room) -> Document:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Unreadable(
            f"{name} is a damaged ZIP or Office file: it ends too early or was altered.", name=name
        ) from error
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
        raise TooLarge(f"{name} unpacks to more than {MAX_UNPACKED // 1024 // 1024} MB and was not read.", name=name)
    if any(entry.flag_bits & 1 for entry in entries):
        raise Encrypted(f"{name} is protected by a password.", name=name)
    names = {entry.filename for entry in entries}
    if any(n.startswith("word/") for n in names):
        text, unread = read_docx(name, data)
        return assemble(name, "docx", text, given, unread=unread)
    if any(n.startswith("ppt/") for n in names):
        text, unread = read_pptx(name, data)
        return assemble(name, "pptx", text, given, unread=unread)
    if any(n.startswith("xl/") for n in names):
        return _read_rows(name, "xlsx", read_sheets(data, name), given, read_workbook_parts(name, data))
    return bundle.read_archive(name, given, room, _read_one)


def _read_rows(name: str, kind: str, sheets: list[Sheet], given: bytes, unread: tuple[str, ...] = ()) -> Document:
    """Rows as lines with the cells between tabs; the numbers are those of the sheet's rows."""
    shown = [sheet for sheet in sheets if sheet.rows or len(sheets) > 1]
    lines = [
        "\n".join("\t".join(_BREAKS.sub(" ", cell) for cell in cells) for _, cells in sheet.rows) for sheet in shown
    ]
    numbers = [number for sheet in shown for number, _ in sheet.rows]
    titles = [sheet.tab for sheet in shown]
    return assemble(name, kind, "\f".join(lines), given, sheets=titles, numbers=numbers, unread=unread)


def _named_otherwise(name: str, kind: str) -> tuple[str, ...]:
    """A sentence when the name promises another kind of file than this is."""
    ending = name.lower().removesuffix(".gz").rpartition(".")[2]
    promised = _ENDINGS.get(ending)
    if promised is None or kind in promised or (ending in _TEXTS and kind not in _BINARY):
        return ()
    return (f"Its name ends in .{ending}, but it is of another kind ({kind}) and was read as that.",)


def _is_csv(text: str) -> bool:
    """Whether the lines fall into the same number of cells and the first reads like headers, not like sentences."""
    sample = text[:200_000]
    most = sample.count("\n") + 1
    for delimiter in ",;\t|":
        if delimiter not in sample:
            continue
        try:
            rows = _even_rows(sample, delimiter, most)
        except csv.Error:
            continue
        if len(sample) < len(text) and len(rows) > 2:
            rows.pop()  # cut off in the middle
        if len(rows) < 2 or len(rows[0]) < 2:
            continue
        even = sum(1 for row in rows if len(row) == len(rows[0])) >= len(rows) * EVEN
        heads = [cell.strip() for cell in rows[0]]
        filled = sum(1 for head in heads if head) * 2 > len(heads)
        if even and filled and (len(heads) > 3 or not any(head.endswith((".", "!", ":")) for head in heads)):
            return True
    return False


def _even_rows(sample: str, delimiter: str, most: int) -> list[list[str]]:
    """The rows that hold something; none as soon as of `most` rows too many have other cells than the first."""
    rows: list[list[str]] = []
    odd = 0
    for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter):
        if any(row):
            rows.append(row)
            odd += len(row) != len(rows[0])
            if len(rows[0]) < 2 or odd > most * (1 - EVEN) + 1:
                return []
    return rows


def _gunzip(name: str, data: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(data, MAX_BYTES + 1)
    except zlib.error as error:
        raise Unreadable(f"{name} is a damaged gzip file.", name=name) from error
    if len(plain) > MAX_BYTES:
        raise TooLarge(f"{name} unpacks to more than {MAX_BYTES // 1024 // 1024} MB and was not read.", name=name)
    if not unpacker.eof:
        raise Unreadable(f"{name} is a gzip file that ends too early.", name=name)
    if plain[:2] == b"\x1f\x8b":
        raise Unreadable(f"{name} is packed more than once.", name=name)
    return plain
