"""What people read around an answer: where the rest is, and what is in a block that cannot be read aloud."""

from __future__ import annotations

REST_IN_FILE = "*The answer goes on.* The whole of it is in the file `answer.md` below."
TABLE_ONLY = "A table; open the thread to read it."
CONTINUED = "continued"


def numbered(number: int, of: int) -> str:
    """Said below each part of an answer of several messages."""
    return f"Part {number} of {of}"
