"""What a process that reads documents can be asked for, by name."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from connectors.documents import redline, wire
from connectors.documents.bundle import Room, files_of
from connectors.documents.reading import read
from connectors.documents.tables import DocumentError, read_grid
from connectors.errors import ConnectorError

Json = dict[str, Any]
Answer = tuple[Json, Sequence[bytes]]


def answer(line: socket.socket) -> int:
    """Do what the next frame asks for and send the answer; an exit status."""
    asked = wire.receive(line)
    if asked is None:
        return 1
    header, blobs = asked
    try:
        about, out = OPERATIONS[header["operation"]](header["args"], blobs)
    except (ConnectorError, DocumentError) as error:
        told = {key: value for key, value in vars(error).items() if isinstance(value, str | int)}
        about, out = {"error": type(error).__name__, "message": str(error), "told": told}, ()
    wire.send(line, about, out)
    return 0


def _read(args: Json, blobs: Sequence[bytes]) -> Answer:
    about, text = wire.packed(read(args["name"], blobs[0]))
    return about, [text]


def _grids(args: Json, blobs: Sequence[bytes]) -> Answer:
    return {"grids": [wire.grid_out(grid) for grid in read_grid(blobs[0], args["name"])]}, ()


def _unpack(args: Json, blobs: Sequence[bytes]) -> Answer:
    files = list(files_of(args["name"], blobs[0], Room()))
    return {"paths": [path for path, _ in files]}, [data for _, data in files]


def _redline(args: Json, blobs: Sequence[bytes]) -> Answer:
    changes = [redline.Change(*change) for change in args["changes"]]
    original = args["text"] if args["text"] is not None else blobs[0]
    made = redline.redline(original, changes, args["author"], datetime.fromisoformat(args["date"]), args["name"])
    return {}, [made]


def _views(args: Json, blobs: Sequence[bytes]) -> Answer:
    name = args["name"]
    return {"accepted": redline.accepted(blobs[0], name), "rejected": redline.rejected(blobs[0], name)}, ()


OPERATIONS: dict[str, Callable[[Json, Sequence[bytes]], Answer]] = {
    "read": _read,
    "grids": _grids,
    "unpack": _unpack,
    "redline": _redline,
    "views": _views,
}
