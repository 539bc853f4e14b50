"""Takes more than its share of one thing."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import time

WHAT = json.loads(sys.stdin.read())["what"]
BIT = b"x" * 1024**2

match WHAT:
    case "memory":
        held = []
        while True:
            held.append(bytearray(64 * 1024**2))
    case "output":
        while True:
            sys.stdout.buffer.write(BIT)
    case "errors":
        ends = time.monotonic() + 0.2
        while time.monotonic() < ends:
            sys.stderr.buffer.write(BIT)
        print("\nno time left", file=sys.stderr)
    case "file":
        with open("big.bin", "wb") as file:
            file.truncate(1024**3)
    case "disk":
        number = 0
        while True:
            pathlib.Path(f"{number}.bin").write_bytes(BIT)
            number += 1
    case "sleep":
        pathlib.Path("part.txt").write_text(str(os.getpid()))
        os.replace("part.txt", "pid.txt")
        time.sleep(600)
    case "silence":
        pass
