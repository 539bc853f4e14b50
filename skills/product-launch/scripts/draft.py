"""Drafts a piece from the message house and the pieces it follows; a writer may improve its wording."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from launchlib import PIECES, Fact, House, WrongInput, main, newest, read_house

TITLES = {"press": "press release", "landing": "landing page", "emails": "e-mails", "social": "social posts"}


def work(args: dict[str, Any]) -> dict[str, Any]:
    """Arguments: piece, files (as received), brand_outranks (the CRM's record does not count against the brand)."""
    piece, files = args["piece"], list(args["files"])
    if piece not in PIECES:
        raise WrongInput(f"There is no piece {piece!r}; there are {', '.join(PIECES)}.")
    house = read_house(newest(files, "house.json"))
    notes: list[str] = []
    if piece == "press":
        text = press(house)
    elif piece == "landing":
        text = landing(house, _read(files, "press"))
    elif piece == "emails":
        campaign = json.loads(Path(newest(files, "campaign.json")).read_text(encoding="utf-8"))
        differing = _differing(house, campaign)
        if args.get("brand_outranks"):
            notes = [
                f"The CRM's campaign record gives {other.written} for the {mine.label.lower()}, the brand document "
                f"{mine.written}: the e-mails follow the brand document, and the record should be corrected."
                for mine, other in differing
            ]
        else:
            house = replace(house, facts=house.facts | {other.id: other for _, other in differing})
        text = emails(house, _read(files, "landing"), campaign["segments"])
    else:
        text = social(house, _read(files, "press"), _read(files, "landing"))
    Path(PIECES[piece]).write_text(text, encoding="utf-8")
    title = f"{house['product'].text} {TITLES[piece]}"
    return {"ok": True, "file": PIECES[piece], "title": title, "notes": notes}


class _Recorded(Fact):
    """A fact as the CRM's record has it."""

    @property
    def written(self) -> str:
        return "{{f:crm." + self.id + "}}" if self.number else self.text


def _differing(house: House, campaign: dict[str, Any]) -> list[tuple[Fact, Fact]]:
    """What the campaign record states differently: (the brand's fact, the record's)."""
    found = []
    for name, stated in campaign["facts"].items():
        mine = house.facts.get(name)
        if mine is None or (mine.number or mine.text) == (stated["number"] or stated["text"]):
            continue
        other = _Recorded(mine.id, mine.label, mine.kind, stated["text"], stated["number"], mine.unit, mine.words)
        found.append((mine, other))
    return found


def _read(files: list[str], piece: str) -> str:
    return Path(newest(files, PIECES[piece])).read_text(encoding="utf-8")


def headline(text: str) -> str:
    """The first heading of a piece."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1] if found else ""


def call(text: str) -> str:
    """The line of the landing page that asks people to act."""
    found = re.search(r"^\*\*(.+)\*\*$", text, re.MULTILINE)
    return found[1] if found else ""


def press(house: House) -> str:
    """The press release."""
    f = {name: fact.written for name, fact in house.facts.items()}
    lines = [
        f"# {f['company']} brings out the {f['product']}",
        f"*{house.key_message}*",
        f"{f['company']} today announced the {f['product']}. It is available on {f['launch_date']}.",
        _offer(f),
        f'"{house.quote}" says {f["spokesperson"]}.' if house.quote and "spokesperson" in f else "",
        "\n".join(f"- {point}" for point in house.proof),
        _webinar(f),
        f"Pictures and details: {f['launch_page']}",
        f"Press contact: {f['press_contact']}, {f['press_mail']}" if "press_contact" in f else "",
    ]
    return _text(lines)


def landing(house: House, release: str) -> str:
    """The landing page, under the headline of the press release."""
    f = {name: fact.written for name, fact in house.facts.items()}
    lines = [
        f"# {headline(release)}",
        house.key_message,
        f"**Get the {f['product']} on {f['launch_date']}: {f['launch_page']}**",
        "## What you get",
        "\n".join(f"- {point}" for point in house.proof),
        "## What it takes",
        _offer(f),
        "## See it work",
        _webinar(f),
    ]
    return _text(lines)


def emails(house: House, page: str, segments: list[str]) -> str:
    """Three e-mails that lead to the landing page."""
    f = {name: fact.written for name, fact in house.facts.items()}
    to = f"To: {', '.join(segments)}: {{{{f:audience.total}}}} contacts with consent"
    webinar = _webinar(f) or f"Questions: {f['launch_page']}"
    lines = [
        f"# E-mails for the {f['product']}",
        to,
        "## First: the announcement",
        f"Subject: {headline(page)}",
        f"Hello, {house.key_message} The {f['product']} ships on {f['launch_date']}. Have a look: {f['launch_page']}",
        "## Second: the invitation",
        f"Subject: See the {f['product']} at work",
        f"Hello, {webinar}",
        "## Third: the day it is here",
        f"Subject: The {f['product']} is here",
        f"Hello, {call(page)}",
        _offer(f),
    ]
    return _text(lines)


def social(house: House, release: str, page: str) -> str:
    """Three posts."""
    f = {name: fact.written for name, fact in house.facts.items()}
    lines = [
        f"# Posts for the {f['product']}",
        f"## First\n{headline(release)}. {house.key_message} {f['launch_page']}",
        f"## Second\n{_webinar(f) or call(page)}",
        f"## Third\n{call(page)}",
    ]
    return _text(lines)


def _offer(f: dict[str, str]) -> str:
    parts = [f"costs {f['price']}"] if "price" in f else []
    parts += [f"runs {f['battery_life']} on one charge"] if "battery_life" in f else []
    parts += [f"has a warranty of {f['warranty_in_months']} months"] if "warranty_in_months" in f else []
    return f"The {f['product']} {' and '.join(', '.join(parts).rsplit(', ', 1))}." if parts else ""


def _webinar(f: dict[str, str]) -> str:
    if "webinar_date" not in f or "webinar_page" not in f:
        return ""
    return f"A webinar shows the {f['product']} live on {f['webinar_date']}: {f['webinar_page']}"


def _text(lines: list[str]) -> str:
    return "\n\n".join(line for line in lines if line) + "\n"


if __name__ == "__main__":
    main(work)
