"""One piece in its writer's directory: against the message house and against the pieces it was made from."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from agree import judge
from launchlib import PIECES, WrongInput, inbox, main, newest, read_house


def work(args: dict[str, Any]) -> dict[str, Any]:
    """Arguments: piece."""
    own, received = PIECES[args["piece"]], inbox()
    if not Path(own).is_file():
        raise WrongInput(f"{own} is missing.")
    house = read_house(newest(received, "house.json"))
    campaign = {}
    if any(Path(file).name == "campaign.json" for file in received):
        campaign = json.loads(Path(newest(received, "campaign.json")).read_text(encoding="utf-8"))
    pieces = {}
    for name in PIECES.values():
        if name != own and any(Path(file).name == name for file in received):
            pieces[name] = Path(newest(received, name)).read_text(encoding="utf-8")
    pieces[own] = Path(own).read_text(encoding="utf-8")
    # What came from a colleague may be from before a change; only its words about facts are compared.
    checks = judge(pieces, house, campaign, accepted=set(pieces) - {own})
    return {"ok": True, "checks": checks}


if __name__ == "__main__":
    main(work)
