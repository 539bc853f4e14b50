"""All pieces together, from the declared outputs alone: every number, date, name and link is the same everywhere."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from agree import judge
from launchlib import PIECES, WrongInput, main, read_house


def work(_args: dict[str, Any]) -> dict[str, Any]:
    """Looks below <agent>/ for what each declared."""
    house = read_house(_one("house.json"))
    campaign = json.loads(_one("campaign.json").read_text(encoding="utf-8"))
    pieces = {name: _one(name).read_text(encoding="utf-8") for name in PIECES.values()}
    status = Path("artifacts.json")
    known = json.loads(status.read_text(encoding="utf-8")) if status.is_file() else {}
    accepted = {Path(name).name for name, state in known.items() if state == "accepted"}
    checks = judge(pieces, house, campaign, accepted)
    with _one("audience.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    without = [r["contact"] for r in rows if r["consent"] != "yes"]
    right = not without and len(rows) == campaign["total"]
    detail = f"{len(rows)} contacts, all with consent" if right else f"without consent: {', '.join(without[:8])}"
    return {"ok": True, "checks": [*checks, {"name": "consent", "passed": right, "detail": detail}]}


def _one(name: str) -> Path:
    found = sorted(Path().glob(f"*/{name}"))
    if len(found) != 1:
        raise WrongInput(f"{name} is declared {len(found)} times; it must be there once.")
    return found[0]


if __name__ == "__main__":
    main(work)
