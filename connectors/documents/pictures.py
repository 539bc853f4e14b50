"""What a picture says of itself in words; its pixels are never unpacked, and no words are recognised in them."""

from __future__ import annotations

import io
import re
import warnings

from lxml import etree
from PIL import Image, UnidentifiedImageError

from connectors.errors import Empty, Unreadable

MAX_SIDE = 100_000
_DESCRIPTION, _ARTIST, _COMMENT = 0x010E, 0x013B, 0x9286  # Exif
_TEXTS = {"title", "description", "comment", "author", "subject", "caption", "keywords", "copyright"}


def read_picture(name: str, data: bytes) -> tuple[str, tuple[str, ...]]:
    """The words in a picture's text fields, then that its pixels were not read. Empty when it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of many pixels, which are not looked at here
            with Image.open(io.BytesIO(data)) as picture:
                what = f"a picture ({picture.format}, {picture.width} × {picture.height})"
                fields = _fields(picture)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Unreadable(f"{name} is a damaged picture, or one of too many pixels.", name=name) from error
    lines = [f"{key}: {words}" for key, words in fields.items()]
    if not lines:
        raise Empty(f"{name} is {what} without a text layer; words in its pixels cannot be read.", name=name)
    return "\n".join(lines), (f"It is {what}: the words of its text fields were read, those in its pixels not.",)


def read_svg(name: str, text: str) -> tuple[str, tuple[str, ...]]:
    """The words of a drawing, one text element a line; scripts and links in it are left alone."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Unreadable(f"{name} is a drawing with a document type of its own, which is not read.", name=name)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=True)
    root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    if root is None:
        raise Unreadable(f"{name} is a damaged drawing.", name=name)
    found = []
    scripts = 0
    for element in root.iter():
        tag = etree.QName(element).localname if isinstance(element.tag, str) else ""
        scripts += tag == "script" or any(str(key).startswith("on") for key in element.attrib)
        if tag in ("text", "title", "desc"):
            words = " ".join("".join(element.itertext()).split())
            found += [words] if words else []
    if not found:
        raise Empty(f"{name} is a drawing (SVG) without words.", name=name)
    unread = ("It carries scripts, which were not run.",) if scripts else ()
    return "\n".join(found), ("It is a drawing: its words were read, its shapes not.", *unread)


def _fields(picture: Image.Image) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in picture.info.items():
        if str(key).lower() in _TEXTS and isinstance(value, str | bytes):
            found[str(key).capitalize()] = _words(value)
    exif = picture.getexif()
    for tag, key in ((_DESCRIPTION, "Description"), (_ARTIST, "Author")):
        if tag in exif:
            found.setdefault(key, _words(exif[tag]))
    comment = exif.get_ifd(0x8769).get(_COMMENT)
    if isinstance(comment, bytes | str):
        found.setdefault("Comment", _words(comment[8:] if isinstance(comment, bytes) else comment))
    return {key: words for key, words in found.items() if words}


def _words(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())[:20_000]
