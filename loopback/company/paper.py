"""Printed papers of the company: text set on pages of a small PDF, line by line."""

from __future__ import annotations

import textwrap
import zlib
from dataclasses import dataclass, field

WIDTH, HEIGHT = 595, 842  # A4 in points
LEFT, TOP, LEADING = 72, 770, 14
LINES = 48  # on a page
COLUMNS = 88  # characters of a line
SIZE = 10


@dataclass
class Paper:
    """Paragraphs set one after the other; none is broken over two pages."""

    title: str
    pages: list[list[tuple[str, bool]]] = field(default_factory=lambda: [[]])

    def heading(self, text: str) -> None:
        """A line in bold, kept with at least four lines below it."""
        if len(self.pages[-1]) > LINES - 6:
            self.turn()
        self._add([text], bold=True)

    def paragraph(self, text: str) -> None:
        """A text of several lines."""
        self._add(textwrap.wrap(" ".join(text.split()), COLUMNS), bold=False)

    def lines(self, rows: list[str]) -> None:
        """Lines as they stand, such as the rows of a table; long ones are turned to the next page in between."""
        for row in rows:
            if len(self.pages[-1]) >= LINES:
                self.turn()
            self.pages[-1].append((row, False))
        self.pages[-1].append(("", False))

    def turn(self) -> None:
        """Begin a new page."""
        self.pages.append([])

    def _add(self, rows: list[str], *, bold: bool) -> None:
        if len(self.pages[-1]) + len(rows) > LINES and self.pages[-1]:
            self.turn()
        self.pages[-1] += [(row, bold) for row in rows] + ([] if bold else [("", False)])

    def pdf(self, blank: frozenset[int] = frozenset()) -> bytes:
        """The file. Pages of these numbers hold a picture of a page and no text, as after scanning."""
        parts = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", *_FONTS]
        kids = []
        for number, rows in enumerate(self.pages, start=1):
            stream = zlib.compress(_scanned(rows) if number in blank else _set(rows, number))
            parts.append(b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream))
            parts.append(_PAGE % (WIDTH, HEIGHT, len(parts)))
            kids.append(b"%d 0 R" % len(parts))
        parts[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
        parts.append(b"<< /Title %s >>" % _string(self.title))
        return _file(parts)


_FONTS = [
    b"<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>" % name
    for name in (b"Helvetica", b"Helvetica-Bold")
]
_PAGE = (
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R"
    b" /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>"
)


def _string(text: str) -> bytes:
    raw = text.encode("cp1252", "replace")
    return b"(" + raw.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)") + b")"


def _set(rows: list[tuple[str, bool]], number: int) -> bytes:
    out = [b"BT /F1 %d Tf %d TL %d %d Td" % (SIZE, LEADING, LEFT, TOP)]
    for text, bold in rows:
        out.append(b"/F%d %d Tf %s Tj T*" % (2 if bold else 1, SIZE, _string(text)) if text else b"T*")
    out.append(b"ET BT /F1 8 Tf %d 40 Td %s Tj ET" % (WIDTH // 2 - 4, _string(str(number))))
    return b"\n".join(out)


def _scanned(rows: list[tuple[str, bool]]) -> bytes:
    """Grey strokes where the words were."""
    strokes = [
        b"%d %d m %d %d l S" % (LEFT, TOP - LEADING * at, LEFT + 5 * len(text), TOP - LEADING * at)
        for at, (text, _) in enumerate(rows)
        if text
    ]
    return b"0.6 G 5 w\n" + b"\n".join(strokes)


def _file(parts: list[bytes]) -> bytes:
    out, places = b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n", []
    for number, part in enumerate(parts, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1)
    tail = b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return out + head + table + tail % (len(parts) + 1, len(parts), len(out))
