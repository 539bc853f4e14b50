"""What goes between the process that wants a document read and the one that reads it: JSON and bytes, no objects."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Sequence
from typing import Any

from connectors.documents.document import Anchor, Document, Passage
from connectors.documents.tables import Grid

MOST = 320 * 1024 * 1024  # bytes of one frame
NO_MEMORY = 70  # exit status of a process that had no more
_HEAD = struct.Struct("!IQ")

Json = dict[str, Any]


class Broken(Exception):
    """The other end said something that cannot be meant, or too much."""


def send(line: socket.socket, header: Json, blobs: Sequence[bytes] = ()) -> None:
    """One frame: a header and the bytes that belong to it."""
    head = json.dumps({**header, "blobs": [len(blob) for blob in blobs]}, ensure_ascii=True).encode()
    line.sendall(_HEAD.pack(len(head), sum(len(blob) for blob in blobs)) + head)
    for blob in blobs:
        line.sendall(blob)


def receive(line: socket.socket, most: int = MOST) -> tuple[Json, list[bytes]] | None:
    """The next frame; None when the other end is gone. Raises Broken."""
    start = _exactly(line, _HEAD.size)
    if start is None:
        return None
    size, more = _HEAD.unpack(start)
    if size + more > most:
        raise Broken(f"a frame of {size + more} bytes")
    head, body = _exactly(line, size), _exactly(line, more)
    if head is None or body is None:
        return None
    try:
        header = json.loads(head)
        sizes = header.pop("blobs")
        if sum(sizes) != more or any(size < 0 for size in sizes):
            raise ValueError("sizes")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Broken(f"a frame that is not understood: {error}") from error
    blobs, at = [], 0
    for size in sizes:
        blobs.append(body[at : at + size])
        at += size
    return header, blobs


def _exactly(line: socket.socket, size: int) -> bytes | None:
    parts = []
    while size:
        part = line.recv(min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def packed(document: Document) -> tuple[Json, bytes]:
    """A document as JSON and its text as bytes."""
    about = {
        "name": document.name, "kind": document.kind, "pages": document.pages, "unread": document.unread,
        "sha256": document.sha256,
        "passages": [
            (p.start, p.end, *vars(p.anchor).values()) for p in document.passages
        ],
    }  # fmt: skip
    return about, document.text.encode("utf-8", "surrogatepass")


def unpacked(about: Json, text: bytes) -> Document:
    """The document again. Raises Broken when it is none: who read it may no longer be what it was."""
    try:
        whole = text.decode("utf-8", "surrogatepass")
        passages = tuple(Passage(start, end, Anchor(*place)) for start, end, *place in about.pop("passages"))
        if any(not 0 <= p.start < p.end <= len(whole) for p in passages):
            raise ValueError("a passage outside the text")
        return Document(text=whole, passages=passages, unread=tuple(map(str, about.pop("unread"))), **about)
    except (ValueError, TypeError, KeyError) as error:
        raise Broken(f"an answer that is no document: {error}") from error


def grid_out(grid: Grid) -> Json:
    """A table as JSON."""
    return {**grid.__dict__}


def grid_in(about: Json) -> Grid:
    """The table again. Raises Broken."""
    try:
        rows = tuple(tuple(map(str, row)) for row in about["rows"])
        lists = {key: tuple(about[key]) for key in ("columns", "row_numbers", "titles")}
        return Grid(**{**about, **lists, "rows": rows})
    except (ValueError, TypeError, KeyError) as error:
        raise Broken(f"an answer that is no table: {error}") from error
