"""A review by rules, for when no language model reads: the sentences that a lens minds. Arguments: lens."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from reviewlib import LENSES, TEXT, WrongInput, main, sentences

MOST = 8


def work(args: dict[str, Any]) -> dict[str, Any]:
    """Writes review.json."""
    lens = args.get("lens")
    if lens not in LENSES:
        raise WrongInput(f"There is no lens {lens!r}; there are {', '.join(LENSES)}.")
    rules = yaml.safe_load((Path(__file__).parent.parent / "lenses.yml").read_text(encoding="utf-8"))[lens]
    points = []
    for rule in rules:
        for sentence in sentences(Path(TEXT).read_text(encoding="utf-8")):
            taken = any(p["quote"] == sentence.text for p in points)
            if re.search(rule["words"], sentence.text) and not taken and len(points) < MOST:
                kept = {key: rule[key] for key in ("stance", "point", "advice", "weight")}
                points.append({"quote": sentence.text, **kept})
    heavy = sum(p["stance"] == "object" and p["weight"] == "high" for p in points)
    against = sum(p["stance"] != "support" for p in points)
    verdict = "no" if heavy >= 3 else "changes" if against else "go"
    words = {
        "no": "As it stands it should not be done.",
        "changes": "It can be done once the points below are settled.",
    }
    summary = words.get(verdict, "Nothing stands against it from this side.")
    review = {"lens": lens, "verdict": verdict, "summary": summary, "points": points}
    Path("review.json").write_text(json.dumps(review, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return {"files": ["review.json"], "points": len(points), "verdict": verdict}


if __name__ == "__main__":
    main(work)
