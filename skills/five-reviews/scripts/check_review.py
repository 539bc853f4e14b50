"""One review in its reviewer's directory: complete, of its lens, each point with a quote. Arguments: lens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from reviewlib import TEXT, WrongInput, located, main, read_review, sentences


def work(args: dict[str, Any]) -> dict[str, Any]:
    """The checks of review.json against document.txt."""
    review = read_review(Path("review.json"))
    if not Path(TEXT).is_file():
        raise WrongInput(f"{TEXT} is missing: run text.py over the fetched file.")
    known = sentences(Path(TEXT).read_text(encoding="utf-8"))
    wrong = [p["quote"][:80] for p in review["points"] if not located(p["quote"], known)]
    lens = str(args.get("lens", review["lens"]))
    found = f"{len(review['points'])} quotes found"
    return {
        "checks": [
            {"name": "quotes_verbatim", "passed": not wrong, "detail": "; ".join(wrong[:6]) or found},
            {"name": "own_lens", "passed": review["lens"] == lens, "detail": f"the lens is {review['lens']}"},
        ]
    }


if __name__ == "__main__":
    main(work)
