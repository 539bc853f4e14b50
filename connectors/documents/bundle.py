"""Files with files inside: archives and e-mail with attachments, as one document or as the files themselves."""

from __future__ import annotations

import email
import email.policy
import hashlib
import io
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email.message import EmailMessage, MIMEPart
from pathlib import PurePosixPath

from connectors.documents.document import Document, Passage
from connectors.documents.tables import MAX_UNPACKED
from connectors.errors import Empty, Encrypted, TooLarge, Unreadable

MAX_FILES = 1_000  # of one archive with all that is in it
DEEPEST = 3  # archives in archives, attached messages in messages
MAX_RATIO = 100  # unpacked to packed, of what unpacks to more than SMALL
SMALL = 32 * 1024 * 1024
_HIDDEN = ("__MACOSX", ".")
_MAX_HEAD = 256 * 1024  # characters; relays and their seals stand before what people wrote
_HEADER = re.compile(r"[!-9;-~]+:|[ \t]|>?From ")
_TELLING = frozenset({"from", "to", "subject", "date", "message-id", "mime-version"})
_HEADERS = ("From", "To", "Cc", "Date", "Subject")

Read = Callable[[str, bytes, "Room"], Document]


@dataclass
class Left:
    """How many files and bytes may still come out of one file, however deep they lie in it."""

    files: int = MAX_FILES
    unpacked: int = MAX_UNPACKED


@dataclass(frozen=True)
class Room:
    """The room for the files inside a file."""

    left: Left = field(default_factory=Left)
    depth: int = 0

    def take(self, name: str, size: int, packed: int) -> None:
        """Raises TooLarge when one more file of this size has no room."""
        self.left.files -= 1
        self.left.unpacked -= size
        if self.left.files < 0:
            raise TooLarge(f"{name} holds more than {MAX_FILES:,} files and was not read.", name=name)
        if self.left.unpacked < 0:
            raise TooLarge(f"{name} unpacks to more than {MAX_UNPACKED >> 20} MB and was not read.", name=name)
        if size > SMALL and size > MAX_RATIO * max(packed, 1):
            raise TooLarge(f"{name} unpacks to more than {MAX_RATIO} times its size and was not read.", name=name)

    def below(self, name: str) -> Room:
        """The room one level deeper. Raises Unreadable when that is too deep."""
        if self.depth >= DEEPEST:
            raise Unreadable(f"{name} lies more than {DEEPEST} levels deep and was not opened.", name=name)
        return Room(self.left, self.depth + 1)

    @property
    def over(self) -> bool:
        return self.left.files < 0 or self.left.unpacked < 0


@dataclass
class Pieces:
    """Documents one after the other, each under its title."""

    texts: list[str] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    length: int = 0
    pages: int = 0

    def add(self, title: str, document: Document) -> None:
        """A document with its places, which now lie within the title."""
        number = len(self.texts) + 1
        at = self.length + (1 if self.texts else 0)
        for count, passage in enumerate(document.passages, start=1):
            anchor = passage.anchor
            within = f"{title}, {anchor.within}" if anchor.within else title
            moved = replace(anchor, label=f"s{number}.{count}", within=within)
            self.passages.append(Passage(passage.start + at, passage.end + at, moved))
        self.unread += [f"{title}: {sentence}" for sentence in document.unread]
        self.texts.append(document.text)
        self.length = at + len(document.text)
        self.pages += document.pages

    def whole(self, name: str, kind: str, data: bytes) -> Document:
        """All of it as one document."""
        text, digest = "\f".join(self.texts), hashlib.sha256(data).hexdigest()
        return Document(name, kind, text, tuple(self.passages), self.pages, tuple(self.unread), digest)


def files_of(name: str, data: bytes, room: Room) -> Iterator[tuple[str, bytes]]:
    """The files of an archive with their paths, hidden ones left out. Raises Unreadable and what is below it.

    Nothing is written anywhere, so a path that leads elsewhere is a name and no more.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            inside = [one for one in archive.infolist() if not one.is_dir() and _shown(one.filename)]
            if any(one.flag_bits & 1 for one in inside):
                raise Encrypted(f"{name} is protected by a password.", name=name)
            for one in inside:
                room.take(name, one.file_size, one.compress_size)
            for one in inside:
                if stat.S_ISLNK(one.external_attr >> 16):
                    continue  # points to another file and holds nothing
                yield _path(one.filename), archive.read(one)
    except (Unreadable, MemoryError):
        raise
    except Exception as error:  # zlib.error and what other packers raise
        raise Unreadable(
            f"{name} is a damaged ZIP or Office file: it ends too early or was altered.", name=name
        ) from error


def read_archive(name: str, data: bytes, room: Room, read: Read) -> Document:
    """An archive as one document; files that cannot be read are named, and one that can be is enough."""
    inner = room.below(name)
    pieces = Pieces()
    _add(pieces, files_of(name, data, inner), inner, read)
    if not pieces.texts:
        if not pieces.unread:
            raise Empty(f"{name} is an archive without files.", name=name)
        why = " ".join(pieces.unread[:5])
        raise Unreadable(f"{name} is an archive without a file that can be read. {why}", name=name)
    return pieces.whole(name, "zip", data)


def is_mail(text: str) -> bool:
    """Whether a text begins with the headers of an e-mail, in whatever order and behind however many others."""
    head = text[:_MAX_HEAD].lstrip("\n").split("\n\n", 1)[0]
    lines = head.split("\n")
    headers = [line for line in lines if _HEADER.match(line)]
    if not _HEADER.match(lines[0]) or len(headers) * 10 < len(lines) * 9:
        return False
    return len({line.partition(":")[0].lower() for line in headers} & _TELLING) >= 3


def read_mail(name: str, data: bytes, room: Room, read: Read, plain: Callable[[str, str], Document]) -> Document:
    """An e-mail: what its headers and its body say, then what is attached."""
    inner = room.below(name)
    message = email.message_from_bytes(data, policy=email.policy.default)
    if not isinstance(message, EmailMessage):
        raise Unreadable(f"{name} is not an e-mail that can be read.", name=name)
    pieces = Pieces()
    head = [f"{key}: {' '.join(str(message[key]).split())}" for key in _HEADERS if message[key]]
    words, unread = _body(message, inner, read)
    pieces.unread += unread
    pieces.add("message", plain("message", "\n".join([*head, "", words.replace("\f", "\n")])))
    _add(pieces, _attachments(message, name, inner), inner, read)
    return pieces.whole(name, "mail", data)


def _body(message: EmailMessage, room: Room, read: Read) -> tuple[str, list[str]]:
    """The words of a message, and what of them could not be read."""
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    words, unread = _decoded(plain) if plain is not None else ("", [])
    if html is None or (words.strip() and _is_choice(message, plain, html)):
        return words, unread
    page, notes = _decoded(html)
    if not page.strip():
        return words, unread
    page = page if "<html" in page[:4000].lower() else f"<html>{page}"  # the part says what it is, its bytes need not
    try:
        shown = read("message", page.encode("utf-8", "replace"), room).text
    except Unreadable as error:
        return words, [*unread, *notes, f"The text of the message was not read: {error}"]
    return "\n\n".join(filter(str.strip, (words, shown))), [*unread, *notes]


def _is_choice(message: EmailMessage, *parts: object) -> bool:
    """Whether these parts say the same, so that one of them is enough."""
    choices = [list(part.walk()) for part in message.walk() if part.get_content_type() == "multipart/alternative"]
    return any(all(any(one is part for one in inside) for part in parts) for inside in choices)


def _decoded(part: MIMEPart) -> tuple[str, list[str]]:
    """The text of a part, in another charset where it is not of the one it names."""
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    named = part.get_content_charset() or "us-ascii"
    words, used = data.decode("cp1252", "replace"), "cp1252"
    for charset in (named, "utf-8"):
        try:
            words, used = data.decode(charset), charset
            break
        except (LookupError, ValueError):
            continue
    told = [] if named in (used, "us-ascii") else [f"It names the charset {named[:40]} and was read as {used}."]
    return words.replace("\r\n", "\n"), told


def _attachments(message: EmailMessage, name: str, room: Room) -> Iterator[tuple[str, bytes]]:
    for number, part in enumerate(message.iter_attachments(), start=1):
        title = part.get_filename() or f"attachment {number}"
        if part.get_content_type() == "message/rfc822":
            content = part.get_content().as_bytes()
        elif part.is_multipart():
            content = part.as_bytes()
        else:
            given = part.get_payload(decode=True)
            content = given if isinstance(given, bytes) else b""
        room.take(name, len(content), len(content))
        yield _path(title), content


def _add(pieces: Pieces, files: Iterator[tuple[str, bytes]], room: Room, read: Read) -> None:
    for path, content in files:
        try:
            pieces.add(path, read(path, content, room))
        except Unreadable as error:
            if room.over:
                raise
            pieces.unread.append(str(error))


def _shown(path: str) -> bool:
    return not any(part.startswith(_HIDDEN) and part not in (".", "..") for part in PurePosixPath(path).parts)


def _path(path: str) -> str:
    """A path without what leads out of a folder, on one line."""
    plain = "".join(sign if sign.isprintable() else "_" for sign in path.replace("\\", "/"))
    parts = [part for part in plain.split("/") if part not in ("", ".", "..")]
    return "/".join(parts)[-240:] or "file"
