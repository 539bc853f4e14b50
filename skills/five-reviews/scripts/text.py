"""The document as plain text, document.txt, for reading and quoting. Arguments: file (as fetched)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from reviewlib import TEXT, WrongInput, main, sentences, words_of


def work(args: dict[str, Any]) -> dict[str, Any]:
    """Writes document.txt."""
    text = words_of(Path(str(args.get("file", ""))))
    found = sentences(text)
    if not found:
        raise WrongInput("The document has no text to review.")
    Path(TEXT).write_text(text, encoding="utf-8")
    return {"files": [TEXT], "sentences": len(found), "characters": len(text)}


if __name__ == "__main__":
    main(work)
