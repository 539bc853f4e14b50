"""Files made to harm whoever reads them: bombs, traps, damage and disguises. Small to keep, made when they are wanted."""

from __future__ import annotations

import base64
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from email.message import EmailMessage

from connectors.errors import Empty, Encrypted, TooLarge, Unreadable

from .files import docx, packed, paragraph, pdf, pptx, sheet

RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
LAUGHS = '<!DOCTYPE b [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {after} "{f"&{before};" * 10}">' for before, after in zip("abcdefghi", "bcdefghij", strict=True)
)
OUTSIDE = '<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/passwd">'
ZEROS = 1 << 20


def zeros(megabytes: int) -> bytes:
    """A deflate stream of so many MB of zeros, put together from one that was made once."""
    packer = zlib.compressobj(9, wbits=-15)
    one = packer.compress(b"\0" * ZEROS) + packer.flush(zlib.Z_FULL_FLUSH)
    return one * megabytes + packer.flush()


def raw_zip(entries: list[tuple[str, bytes, int, int]], *, twice: int = 1) -> bytes:
    """An archive of packed data as given: name, data, size unpacked, attributes; each listed so many times."""
    out, listed = io.BytesIO(), b""
    for name, data, size, attributes in entries:
        at, title = out.tell(), name.encode()
        head = struct.pack("<HHHHHIIIHH", 20, 0x800, 8, 0, 0x21, 0, len(data), size, len(title), 0)
        out.write(b"PK\x03\x04" + head + title + data)
        entry = (
            b"PK\x01\x02" + struct.pack("<H", 0x314) + head + struct.pack("<HHHII", 0, 0, 0, attributes, at) + title
        )
        listed += entry * twice
    count = min(len(entries) * twice, 0xFFFF)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(listed), out.tell(), 0)
    return out.getvalue() + listed + b"PK\x05\x06" + end


def office_bomb(part: str) -> bytes:
    return raw_zip([("[Content_Types].xml", b"\x03\0", 0, 0), (part, zeros(400), 400 * ZEROS, 0)])


def nested(depth: int, data: bytes, name: str = "inner.txt") -> bytes:
    for _ in range(depth):
        data, name = packed({name: data}), "inner.zip"
    return data


def pdf_of(*objects: bytes) -> bytes:
    """A PDF of these objects; the first is its catalogue."""
    out, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    tail = b"xref\n0 %d\n0000000000 65535 f \n" % size + table + b"trailer<</Size %d/Root 1 0 R>>\n" % size
    return out + tail + b"startxref\n%d\n%%%%EOF" % len(out)


def one_page(stream: bytes, filters: bytes, catalogue: bytes = b"") -> bytes:
    return pdf_of(
        b"<</Type/Catalog/Pages 2 0 R" + catalogue + b">>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Filter%s/Length %d>>stream\n%s\nendstream" % (filters, len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )


def picture(width: int, height: int, *, text: bytes = b"") -> bytes:
    """A PNG that says it has so many pixels, with a text field."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    words = chunk(b"tEXt", b"Description\0" + text) if text else b""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + words + chunk(b"IDAT", zlib.compress(b"\0" * 4000)) + chunk(b"IEND", b"")


def mail(text: str, *attached: tuple[str, bytes]) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ann@example.org", "bob@example.org", "Numbers"
    message["Date"] = "Fri, 27 Nov 2026 10:00:00 +0000"
    message.set_content(text)
    for name, data in attached:
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def multiparts(depth: int) -> bytes:
    head = "From: a@example.org\nTo: b@example.org\nSubject: x\nMIME-Version: 1.0\n"
    body = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(depth))
    return (head + body + "Content-Type: text/plain\n\ndeep\n").encode()


def template(target: str) -> bytes:
    rels = f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{RELATION}/attachedTemplate" TargetMode="External" Target="{target}"/></Relationships>'
    parts = {
        "word/_rels/document.xml.rels": rels,
        "word/vbaProject.bin": b"\0",
        "word/embeddings/oleObject1.bin": b"\0",
    }
    with zipfile.ZipFile(io.BytesIO(docx(paragraph("Words.")))) as archive:
        return packed({name: archive.read(name) for name in archive.namelist()} | parts)


def document(body: str, before: str = "") -> bytes:
    with zipfile.ZipFile(io.BytesIO(docx("@"))) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    parts["word/document.xml"] = parts["word/document.xml"].replace("?>", f"?>{before}", 1).replace("@", body)
    return packed(dict(parts))


CALLS = b"<</S/JavaScript/JS(app.alert\\(1\\))>>"
LOCKED_ZIP = bytearray(packed({"a.txt": "words"}))
for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
    LOCKED_ZIP[LOCKED_ZIP.index(mark) + place] |= 1

# What each is, how it is made, and how it ends: an error and its words, or None and words of what was not read.
FILES: dict[str, tuple[Callable[[], bytes], type[Unreadable] | None, str]] = {
    "word file that unpacks to 400 MB": (lambda: office_bomb("word/document.xml"), TooLarge, "unpacks to more than 200 MB"),
    "workbook that unpacks to 400 MB": (lambda: office_bomb("xl/sharedStrings.xml"), TooLarge, "unpacks to more than 200 MB"),
    "slides that unpack to 400 MB": (lambda: office_bomb("ppt/presentation.xml"), TooLarge, "unpacks to more than 200 MB"),
    "word file that lies about its size": (
        lambda: raw_zip([("word/document.xml", zeros(400), 1000, 0)]), Unreadable, "damaged|memory"),
    "word file of a million paragraphs": (lambda: docx(paragraph("a") * 1_000_000), TooLarge, "memory|seconds"),
    "word file of nested tables": (
        lambda: docx("<w:tbl><w:tr><w:tc>" * 100_000 + "</w:tc></w:tr></w:tbl>" * 100_000), Unreadable, "not readable"),
    "workbook of a million rows": (lambda: sheet("<row><c><v>1</v></c></row>" * 1_040_000), Unreadable, "rows and cells"),
    "workbook with one cell in the last corner": (
        lambda: sheet('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'), Unreadable, "more than 2,000 columns"),
    "workbook with one cell in the last row": (
        lambda: sheet('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="A1048576"><v>2</v></c></row>'), None, ""),
    "pdf page of 120 MB": (lambda: one_page(zlib.compress(b" " * 120_000_000, 1), b"/FlateDecode"), TooLarge, "unpacks to more"),
    "pdf page packed twice": (
        lambda: one_page(zlib.compress(zlib.compress(b" " * 120_000_000, 9), 9), b"[/FlateDecode/FlateDecode]"),
        TooLarge, "unpacks to more"),
    "pdf page tree that holds itself": (
        lambda: pdf_of(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 9>>"), Unreadable, "damaged"),
    "pdf of a million pages": (
        lambda: pdf_of(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[%s]/Count 1000000>>" % (b"3 0 R " * 1_000_000),
                       b"<</Type/Page/Parent 2 0 R>>"), Unreadable, "pages|damaged|memory|seconds"),
    "pdf with a script": (
        lambda: one_page(b"BT /F 9 Tf 9 9 Td (Words) Tj ET", b"[]", b"/OpenAction" + CALLS), None, "script or an action"),
    "pdf that launches a program": (
        lambda: one_page(b"BT /F 9 Tf 9 9 Td (Words) Tj ET", b"[]", b"/OpenAction<</S/Launch/F(calc.exe)>>"), None, "action"),
    "pdf with a file in it": (
        lambda: one_page(b"BT /F 9 Tf 9 9 Td (Words) Tj ET", b"[]", b"/Names<</EmbeddedFiles<</Names[(a)<</F(a.exe)/EF<</F 4 0 R>>>>]>>>>"),
        None, "attached file"),
    "entities that grow": (lambda: document(paragraph("&j;"), LAUGHS + "]>"), Unreadable, "document type"),
    "entity of another file": (lambda: document(paragraph("&a;"), OUTSIDE + "]>"), Unreadable, "document type"),
    "entities in a workbook": (
        lambda: sheet("<row><c><v>&j;</v></c></row>", LAUGHS + "]>"), Unreadable, "XLSX file|damaged"),
    "inclusion of another file": (
        lambda: docx(paragraph("Seen.", '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd" parse="text"/>')), None, ""),
    "web page with entities": (lambda: (LAUGHS + "]><html><body><p>seen &j;</p></body></html>").encode(), None, ""),
    "archive with paths outside": (
        lambda: packed({"../../etc/cron.d/x": "seen", "/etc/passwd": "seen", "C:\\x.txt": "seen"}), None, ""),
    "archive with a link": (
        lambda: raw_zip([("link", zlib.compress(b"/etc/passwd", wbits=-15), 11, 0o120777 << 16)]), Empty, "without files"),
    "archive in archive in archive": (lambda: nested(8, b"words"), Unreadable, "levels deep"),
    "archive of bombs": (
        lambda: raw_zip([(f"{n}.txt", zeros(60), 60 * ZEROS, 0) for n in range(16)]), TooLarge, "unpacks to more than"),
    "archive of 60,000 files": (lambda: raw_zip([("a", b"\x03\0", 0, 0)], twice=60_000), TooLarge, "more than 1,000 files"),
    "archive whose files overlap": (
        lambda: raw_zip([("a.txt", zeros(30), 30 * ZEROS, 0)], twice=30), TooLarge, "unpacks to more than"),
    "archive with a password": (lambda: bytes(LOCKED_ZIP), Encrypted, "password"),
    "gzip of 400 MB": (lambda: b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + zeros(400) + b"\0" * 8, TooLarge, "unpacks to more than"),
    "macros, an object and a template elsewhere": (
        lambda: template("http://127.0.0.1:9/t.dotm"), None, "macros.*embedded object.*not fetched: http://127.0.0.1:9/t.dotm"),
    "slides that point elsewhere": (lambda: pptx(["Words"], link="http://127.0.0.1:9/x.png"), None, "not fetched"),
    "picture of 2,500 million pixels": (lambda: picture(50_000, 50_000), Unreadable, "pixels|text layer"),
    "picture of 2,500 million pixels with words": (
        lambda: picture(30_000, 30_000, text=b"A caption"), Unreadable, "pixels"),
    "drawing with a script": (
        lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><text>Seen</text></svg>', None, "scripts"),
    "drawing with entities": (
        lambda: (LAUGHS + ']><svg xmlns="http://www.w3.org/2000/svg"><text>&j;</text></svg>').encode(), None, ""),
    "pdf that is named a word file": (lambda: pdf("Words"), None, "but it is of another kind"),
    "archive behind a pdf": (lambda: pdf("Words") + packed({"a.txt": "hidden"}), None, ""),
    "web page nested without end": (lambda: b"<html><body>" + b"<div>" * 2_000_000, TooLarge, "nested too deep"),
    "web page of three million paragraphs": (lambda: b"<html><body>" + b"<p>x</p>" * 3_000_000, TooLarge, "memory|seconds"),
    "json nested without end": (lambda: b'{"a":' * 500_000, None, ""),
    "table of a million columns": (lambda: (b"a," * 1_000_000 + b"\n") * 2, None, ""),
    "message in message in message": (lambda: multiparts(5_000), Unreadable, "damaged|no text|deep"),
    "message with a bomb attached": (
        lambda: mail("See the file.", ("a.docx", office_bomb("word/document.xml"))), None, "unpacks to more than 200 MB"),
    "message with an attachment that is none": (
        lambda: mail("See the file.", ("a.pdf", base64.b64decode("JVBERi0xLjcK"))), None, "damaged PDF"),
    "bytes of no kind": (lambda: bytes(range(256)) * 100, Unreadable, "neither text nor"),
    "nothing": (lambda: b"", Empty, "0 bytes"),
}  # fmt: skip
