"""PDF files as text, page by page."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from typing import Any

from pypdf import PageObject, PdfReader
from pypdf.errors import LimitReachedError, PyPdfError

from connectors.documents.carried import many
from connectors.errors import Empty, Encrypted, TooLarge, Unreadable

MAX_PAGES = 5_000
MAX_ENTRIES, MAX_DEPTH = 2_000, 5  # fields and notes of a page, and fields in fields

_PAINTS = re.compile(rb"(?:^|\s)(?:[fFSsBb]\*?|Do|sh|BI)(?:\s|$)")  # operators that put something on the page

logging.getLogger("pypdf").setLevel(logging.ERROR)  # it tells of every small flaw of a file


def read_pdf(name: str, data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text with a form feed between pages, and sentences about pages that show something but gave none."""
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Encrypted(f"{name} is a PDF protected by a password.", name=name)
        count = len(reader.pages)
    except (Unreadable, MemoryError):
        raise
    except Exception as error:  # the parser raises what the damage makes it stumble over
        raise Unreadable(f"{name} is a damaged PDF: {_reason(error)}.", name=name) from error
    if count > MAX_PAGES:
        raise TooLarge(f"{name} has {count:,} pages; {MAX_PAGES:,} is the most that is read.", name=name)
    if not count:
        raise Empty(f"{name} is a PDF without pages.", name=name)
    texts: list[str] = []
    silent: list[tuple[int, str]] = []
    damaged: list[int] = []
    endless: list[int] = []
    for number in range(1, count + 1):
        try:
            page = reader.pages[number - 1]
            text = _tidy(page.extract_text() or "")
            if not text.strip() and (shown := _shown(page)):
                silent.append((number, shown))
        except MemoryError:
            raise
        except LimitReachedError:
            text = ""
            endless.append(number)
        except Exception:  # one page must not lose the others
            text = ""
            damaged.append(number)
        texts.append(text)
    unclear = _add_entered(reader, texts)
    if not any(text.strip() for text in texts):
        if endless:
            raise TooLarge(f"{name} unpacks to more than is read of a page, and was not read.", name=name)
        if damaged:
            raise Unreadable(f"{name} is a damaged PDF: none of its pages could be read.", name=name)
        what = "is a scan without a text layer" if silent else "holds no text"
        raise Empty(f"{name} {what} ({count} page{'s' if count > 1 else ''}).", name=name)
    unread = [f"Page {number} is {shown} without a text layer." for number, shown in silent]
    unread += [f"Page {number} is damaged." for number in damaged]
    unread += [f"Page {number} unpacks to more than is read of a page." for number in endless]
    unread += [f"What was entered on page {number} could not be seen." for number in unclear]
    return "\f".join(texts), (*unread, *_carried(reader))


def _add_entered(reader: PdfReader, texts: list[str]) -> list[int]:
    """Puts below the text of each page what was entered on it; gives the pages where that is damaged."""
    unclear = []
    for at in range(len(texts)):
        try:
            entered = [line for line in _entered(reader.pages[at]) if line.strip()]
        except MemoryError:
            raise
        except Exception:  # the text of the page was read
            unclear.append(at + 1)
            continue
        if entered:
            texts[at] = "\n".join([*filter(str.strip, [texts[at].rstrip("\n")]), *entered])
    return unclear


def _entered(page: PageObject) -> Iterator[str]:
    """What was entered into the fields of a page and written on it as notes: neither is in its text layer."""
    for entry in list(_resolved(page.get("/Annots")) or ())[:MAX_ENTRIES]:
        note = _resolved(entry)
        if note.get("/Subtype") in ("/FreeText", "/Text"):
            yield _tidy(f"Note: {_resolved(note.get('/Contents')) or ''}").removesuffix("Note: ")
        if note.get("/Subtype") != "/Widget":
            continue
        label, value = "", None
        for _ in range(MAX_DEPTH):  # a field hands its name and value down
            label = label or str(_resolved(note.get("/TU")) or _resolved(note.get("/T")) or "")
            value = _resolved(note.get("/V")) if value is None and "/V" in note else value
            note = _resolved(note.get("/Parent"))
        if isinstance(value, str) and value.strip() and value != "/Off":
            yield _tidy(f"{label or 'Field'}: {value.removeprefix('/')}")


def _carried(reader: PdfReader) -> Iterator[str]:
    """Sentences about what the file would do or holds beside its pages; none of it is run or opened."""
    try:
        root = _resolved(reader.trailer["/Root"])
        names = _resolved(root.get("/Names"))
        if "/JavaScript" in names or "/AA" in root or _acts(_resolved(root.get("/OpenAction"))):
            yield "It carries a script or an action for when it is opened, which was not run."
        files = len(reader.attachments)
        if files:
            yield f"It carries {many(files, 'attached file')}, which {'were' if files > 1 else 'was'} not opened."
    except MemoryError:
        raise
    except Exception:  # the pages were read; what a damaged catalogue holds is not known
        yield "What it carries beside its pages could not be seen."


def _acts(action: Any) -> bool:
    return isinstance(action, dict) and action.get("/S") in ("/JavaScript", "/Launch", "/URI", "/SubmitForm")


def _tidy(text: str) -> str:
    """Without the control signs that broken fonts leave behind."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\ud800-\udfff]", " ", text.replace("\r\n", "\n").replace("\r", "\n"))


def _shown(page: PageObject) -> str:
    """What a page without text shows: a picture, a drawing, or nothing ("")."""
    resources = _resolved(page.get("/Resources"))
    forms = _resolved(resources.get("/XObject"))
    if any(_resolved(form).get("/Subtype") == "/Image" for form in forms.values()):
        return "a picture"
    content = page.get_contents()
    return "a drawing" if content is not None and _PAINTS.search(content.get_data()) else ""


def _resolved(value: Any) -> Any:
    """What a reference of the file points to; {} when there is nothing."""
    return {} if value is None else value.get_object()


def _reason(error: Exception) -> str:
    known = isinstance(error, PyPdfError | ValueError)
    return str(error).strip().rstrip(".")[:200] or type(error).__name__ if known else "its structure is broken"
