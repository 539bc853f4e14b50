"""The launch's scripts on the sample company: what the drafts say, and which contradictions the checks find."""

from __future__ import annotations

import csv
import json
import shutil

import pytest

from loopback.company.launch import launch
from tests.skills.drive import run_script

NAMES = {"press": "press_release.md", "landing": "landing_page.md", "emails": "emails.md", "social": "posts.md"}


def script(name, cwd, **args):
    return run_script("product-launch", name, args, cwd)


def table(path, rows):
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path.name


class Pieces:
    """Every agent's outputs as they are laid out for the checks, for the company of a seed."""

    def __init__(self, home, seed, key_message="", outranks=True):
        self.home, self.known = home, launch(seed)
        self._brand(home / "brand", key_message)
        self._audience(home / "audience")
        for piece in NAMES:
            self.draft(piece, outranks)

    def _brand(self, place, key_message):
        place.mkdir(parents=True)
        (place / "brand.md").write_text(self.known.brand)
        documents = [{"file": "brand.md", "url": "http://docs.test/brand"}]
        self.house = script("house.py", place, product="Brook 3", documents=documents, key_message=key_message)
        assert self.house["ok"], self.house

    def _audience(self, place):
        place.mkdir()
        crm = {
            name: [{**row, "ref": f"crm:{name}", "url": f"http://crm.test/{name}/x"} for row in rows]
            for name, rows in self.known.crm.items()
        }
        files = {name: table(place / f"{name}.csv", rows) for name, rows in crm.items()}
        answer = script("audience.py", place, product="Brook 3", **files)
        assert answer["ok"], answer

    def draft(self, piece, outranks):
        place = self.home / piece
        inbox = place / "inbox" / "m1"
        inbox.mkdir(parents=True, exist_ok=True)
        for file in (*self.home.glob("*/*.json"), *self.home.glob("*/*.md")):
            if file.name != "brand.md" and file.parent != place:
                shutil.copy(file, inbox / file.name)
        files = [f"inbox/m1/{f.name}" for f in sorted(inbox.iterdir())]
        self.answer = script("draft.py", place, piece=piece, files=files, brand_outranks=outranks)
        assert self.answer["ok"], self.answer

    def change(self, piece, old, new):
        path = self.home / piece / NAMES[piece]
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def failures(self, name="check_launch.py", place="", **args):
        answer = script(name, self.home / place, **args)
        assert answer["ok"], answer
        return {c["name"]: c["detail"] for c in answer["checks"] if not c["passed"]}


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5, 6])
def test_drafts_that_follow_the_brand_document_agree(tmp_path, seed):
    assert Pieces(tmp_path, seed).failures() == {}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_e_mails_that_follow_the_crm_contradict_the_landing_page(tmp_path, seed):
    pieces = Pieces(tmp_path, seed, outranks=False)
    (detail,) = pieces.failures().values()
    assert "emails.md says" in detail
    assert "landing_page.md" in detail
    assert pieces.failures("check_piece.py", "emails", piece="emails")


def date(pieces, fact):
    house = json.loads((pieces.home / "brand" / "house.json").read_text())
    return next(f["text"] for f in house["facts"] if f["id"] == fact)


@pytest.mark.parametrize(
    ("piece", "old", "new", "check"),
    [
        ("social", "https://larkmere.example/brook-3/live", "https://larkmere.example/brook3/live", "links_equal"),
        ("press", "press@larkmere.example", "news@larkmere.example", "links_equal"),
        ("press", "Adele Castellan", "Adele Castelan", "names_equal"),
        ("landing", "Brook 3", "Brook 2", "names_equal"),
        ("landing", "{{f:launch.price}}", "EUR 990", "numbers_equal"),
        ("press", "{{f:launch.warranty_in_months}}", "18", "numbers_equal"),
        ("emails", "{{f:launch.price}}", "{{f:launch.other}}", "figures_known"),
        ("press", "One glance", "A glance", "key_message_equal"),
        ("social", "# Posts", "# Revolutionary posts", "voice"),
    ],
)
def test_a_contradiction_planted_in_one_piece_is_found(tmp_path, piece, old, new, check):
    pieces = Pieces(tmp_path, 2)
    pieces.change(piece, old, new)
    assert check in pieces.failures()


def test_the_date_of_another_fact_is_a_contradiction_too(tmp_path):
    pieces = Pieces(tmp_path, 2)
    pieces.change("social", date(pieces, "webinar_date"), date(pieces, "launch_date"))
    detail = pieces.failures()["dates_equal"]
    assert detail.startswith(f"posts.md says {date(pieces, 'launch_date')}; webinar date")


def test_an_accepted_piece_may_keep_its_old_key_message_but_not_a_wrong_fact(tmp_path):
    pieces = Pieces(tmp_path, 2, key_message="Clean water, at a glance")
    old = launch(2).brand.split("## Key message\n")[1].splitlines()[0]
    pieces.change("press", "Clean water, at a glance", old)
    assert "key_message_equal" in pieces.failures()
    (tmp_path / "artifacts.json").write_text(json.dumps({"press/press_release.md": "accepted"}))
    assert pieces.failures() == {}
    pieces.change("press", date(pieces, "launch_date"), "1 November 2026")
    assert "dates_equal" in pieces.failures()


def test_a_product_without_a_brand_document_is_named(tmp_path):
    (tmp_path / "other.md").write_text("# Notes\nNothing here.\n")
    answer = script(
        "house.py", tmp_path, product="Brook 9", key_message="", documents=[{"file": "other.md", "url": ""}]
    )
    assert not answer["ok"]
    assert "Brook 9" in answer["error"]
