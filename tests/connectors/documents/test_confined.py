"""A document is read in a process of its own: what it costs has an end, and what it does reaches nothing."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import socket
import sys
from datetime import UTC, datetime

import pytest

from connectors.documents import confined, wire
from connectors.documents.confined import Limits
from connectors.documents.document import from_text
from connectors.documents.reading import read
from connectors.documents.redline import Change, accepted, redline
from connectors.documents.tables import DocumentError, read_grid
from connectors.errors import Misplaced, TooLarge, Unreadable

from .files import docx, paragraph, pdf

TABLE = b"account,amount\nRent,1200.50\nPower,80\n"


@pytest.mark.parametrize(
    "data",
    [b"words \xe2\x80\x9chere\xe2\x80\x9d", pdf("One", "Two"), docx(paragraph("Text.")), TABLE,
     b"[00:01] Ann: Hi\n[00:02] Bob: Ho\n[00:05] Ann: So\n", b'{"a": "\\ud800 lone"}'],
    ids=["text", "pdf", "docx", "csv", "transcript", "surrogate"],
)  # fmt: skip
def test_what_comes_out_of_the_process_is_what_was_read(data):
    assert vars(asyncio.run(confined.read("x", data))) == vars(read("x", data))


def test_tables_and_redlines_are_made_there_too():
    assert asyncio.run(confined.grids("x", TABLE)) == read_grid(TABLE, "x")
    with pytest.raises(DocumentError, match="gzip"):
        asyncio.run(confined.grids("x", b"\x1f\x8bxx"))
    date, change = datetime(2026, 1, 2, tzinfo=UTC), Change("Text", "Words", "Clearer.")
    original = docx(paragraph("Text."))
    made = asyncio.run(confined.redline(original, [change], "Ann", date, "x"))
    assert accepted(made, "x") == accepted(redline(original, [change], "Ann", date, "x"), "x") == "Words."
    assert asyncio.run(confined.views(made, "x")) == ("Words.", "Text.")
    with pytest.raises(Misplaced, match="are not in x") as caught:
        asyncio.run(confined.redline(original, [Change("Nothing", "x")], "Ann", date, "x"))
    assert caught.value.quote == "Nothing"


@pytest.mark.parametrize(
    ("data", "limits", "words"),
    [
        (b"A: b\n" * 4_000_000, Limits(cpu_s=1), "more than 1 seconds"),
        (b"A: b\n" * 400_000, Limits(seconds=0.2), "more than 20 seconds"),
        (b"[" + b"[]," * 8_000_000 + b"[]]", Limits(memory=64 << 20), "more than 64 MB of memory"),
        (b"word " * 1_000_000, Limits(output=1 << 20), "more than 1 MB of text"),
    ],
    ids=["time", "clock", "memory", "output"],
)
def test_what_takes_too_much_is_ended_and_the_next_document_is_read(data, limits, words):
    with pytest.raises(TooLarge, match=words) as caught:
        asyncio.run(confined.read("given.txt", data, limits))
    assert caught.value.name == "given.txt"
    assert asyncio.run(confined.read("next", b"words")).text == "words"


def test_a_reader_that_is_killed_is_started_again():
    asyncio.run(confined.read("x", b"words"))
    os.kill(confined._reader._process.pid, signal.SIGKILL)
    confined._reader._process.wait()
    assert asyncio.run(confined.read("x", b"words")).text == "words"


def test_documents_are_read_beside_each_other():
    async def scenario():
        return await asyncio.gather(*(confined.read(f"{n}", f"words {n}".encode()) for n in range(20)))

    assert [document.text for document in asyncio.run(scenario())] == [f"words {n}" for n in range(20)]


REACH = """
import os, signal, socket, subprocess, sys
from connectors.documents import inside, operations
def reach(args, blobs):
    def fails(do):
        try:
            do()
        except OSError:
            return True
        return False
    return {"held": {
        "read": fails(lambda: open(args["file"]).read()),
        "write": fails(lambda: open("/tmp/x", "w").write("x")),
        "list": fails(lambda: os.listdir(args["home"])),
        "socket": fails(lambda: socket.create_connection(("127.0.0.1", args["port"]), 1)),
        "fork": fails(os.fork),
        "kill": fails(lambda: os.kill(args["pid"], signal.SIGTERM)),
        "run": fails(lambda: subprocess.run([sys.executable, "-c", ""])),
    }}, ()
operations.OPERATIONS["reach"] = reach
inside.main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="walls are built on Linux")
def test_a_document_that_took_over_its_reader_would_have_nothing_in_reach(tmp_path):
    (tmp_path / "secret").write_text("secret")
    reader = confined.Reader(("-c", REACH))
    with socket.create_server(("127.0.0.1", 0)) as server:
        args = {
            "file": str(tmp_path / "secret"),
            "home": str(tmp_path),
            "port": server.getsockname()[1],
            "pid": os.getpid(),
        }
        told, _ = reader.ask("x", {"operation": "reach", "args": args}, [], confined.LIMITS)
    reader.close()
    assert told["held"] == dict.fromkeys(told["held"], True) and len(told["held"]) == 7


def test_an_answer_that_is_no_document_is_refused():
    about, text = wire.packed(from_text("x", "some words"))
    about["passages"][0] = (0, 99, *about["passages"][0][2:])
    with pytest.raises(wire.Broken, match="outside"):
        wire.unpacked(about, text)
    with pytest.raises(Unreadable, match="upset"):
        confined._meant("x", lambda: wire.unpacked({"name": "x"}, b""))


def test_a_packed_text_is_unpacked_within_the_limits_too():
    with pytest.raises(TooLarge, match="unpacks to more than"):
        asyncio.run(confined.read("x", gzip.compress(b"\0" * 40_000_000, 1)))
