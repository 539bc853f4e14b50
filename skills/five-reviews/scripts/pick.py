"""Finds the one document that a request names. Arguments: wanted, files (of the Drive)."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from reviewlib import WrongInput, main

NOT_READ = ("application/vnd.google-apps.folder", "application/vnd.google-apps.spreadsheet")


def work(args: dict[str, Any]) -> dict[str, Any]:
    """The file by its name, with or without the ending, else by all words of it."""
    wanted = str(args.get("wanted") or "").strip().lower()
    files = [f for f in args.get("files") or [] if f["mime_type"] not in NOT_READ]
    bare = {f["id"]: re.sub(r"\.(docx|pdf|md|txt)$", "", f["name"].lower()) for f in files}
    words = set(re.findall(r"\w+", wanted))
    found = [f for f in files if wanted in (f["name"].lower(), bare[f["id"]])]
    found = found or [f for f in files if words and words <= set(re.findall(r"\w+", bare[f["id"]]))]
    if len(found) != 1:
        named = ", ".join(f["name"] for f in (found or files)[:12])
        raise WrongInput(f"“{args.get('wanted')}” must name one document of the shared files; there are: {named}.")
    return {"id": found[0]["id"], "name": found[0]["name"], "url": found[0]["url"]}


if __name__ == "__main__":
    main(work)
