"""The merged page against the five reviews as each reviewer handed them in: nothing lost, changed or invented."""

from __future__ import annotations

import json
import re
import sys
from html import unescape
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from reviewlib import LENSES, TEXT, WrongInput, located, main, read_review, sentences, squeezed


def work(_args: dict[str, Any]) -> dict[str, Any]:
    """Looks below <agent>/ for what each declared."""
    reviews = {path.parent.name: read_review(path) for path in sorted(Path().glob("*/review.json"))}
    if sorted(r["lens"] for r in reviews.values()) != sorted(LENSES):
        raise WrongInput(f"The reviews are of {', '.join(sorted(r['lens'] for r in reviews.values())) or 'nobody'}.")
    texts = {path.parent.name: path.read_text(encoding="utf-8") for path in sorted(Path().glob(f"*/{TEXT}"))}
    same = len(set(texts.values())) == 1
    known = sentences(next(iter(texts.values())))
    merged = json.loads(one("reviews.json").read_text(encoding="utf-8"))
    words = squeezed(unescape(re.sub(r"<[^>]+>", " ", one("reviews.html").read_text(encoding="utf-8"))))
    own = {r["lens"]: r for r in reviews.values()}
    points = [(lens, p) for lens, r in own.items() for p in r["points"]]
    absent = [f"{lens}: {p['quote'][:60]}" for lens, p in points if not located(p["quote"], known)]
    lost = [f"{lens}: {p['point'][:60]}" for lens, p in points if squeezed(p["point"]) not in words]
    lost += [f"{lens}: {p['advice'][:60]}" for lens, p in points if squeezed(p["advice"]) not in words]
    return {
        "checks": [
            check("same_document", [] if same else ["the reviewers read different texts"], "all read the same text"),
            check("reviews_unchanged", [lens for lens in own if own[lens] != merged.get(lens)], "as handed in"),
            check("quotes_verbatim", absent, f"{len(points)} quotes found in the document"),
            check("no_point_lost", lost, f"{len(points)} points stand on the page"),
        ]
    }


def one(name: str) -> Path:
    """The declared file of a name."""
    found = sorted(Path().glob(f"*/{name}"))
    if len(found) != 1:
        raise WrongInput(f"{name} is declared {len(found)} times; it must be there once.")
    return found[0]


def check(name: str, wrong: list[str], right: str) -> dict[str, Any]:
    return {"name": name, "passed": not wrong, "detail": "; ".join(wrong[:6]) or right}


if __name__ == "__main__":
    main(work)
