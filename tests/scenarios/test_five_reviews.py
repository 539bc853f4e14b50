"""Five reviews of one document through the real Slack path: independent by the rows, nothing lost on the page."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from lxml import html
from sqlalchemy import insert

from bot.coordinator import independence
from bot.local import Options, stage
from bot.skills import SkillLibrary
from bot.store import schema as t
from tests.scenarios.reports import report
from tests.skills.drive import SKILLS
from tests.tools.harness import run_row, store

OPTIONS = Options(seed=5, channel="finance", timeout_s=150)
LENSES = ["money", "customer", "operations", "risk", "clarity"]


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory):
    home = tmp_path_factory.mktemp("reviews")
    run, place, files, _ = asyncio.run(report("five reviews of the berth pricing proposal", 5, home))
    return run, place, files


def test_five_reviewers_hand_in_and_one_page_reaches_the_thread(reviewed):
    run, _, files = reviewed
    assert (run["run"]["status"], run["run"]["error"]) == ("done", None)
    assert list(files) == ["reviews.html"]
    assert {a["name"] for a in run["agents"] if not a["name"].startswith("verifier")} == {"lead", *LENSES}
    assert len(run["summary"]["lines"]) <= 12


def test_no_word_reached_a_reviewer_before_all_had_handed_in(reviewed):
    run, _, _ = reviewed
    handed = {m["from"]: m["seq"] for m in run["messages"] if m["from"] in LENSES and m["to"] == "lead"}
    assert set(handed) == set(LENSES)
    assert [m for m in run["messages"] if m["to"] in LENSES and m["seq"] < max(handed.values())] == []
    starts = {c["agent"]: c["args"] for c in run["tool_calls"] if c["name"] == "google__drive_fetch"}
    assert set(starts) == set(LENSES)


def test_every_point_of_every_reviewer_stands_on_the_page_beside_its_passage(reviewed):
    _, place, files = reviewed
    tree = html.fromstring(files["reviews.html"].decode())
    text = " ".join(tree.text_content().split())
    reviews = json.loads((place / "reviews.json").read_text())
    document = " ".join((place / "document.txt").read_text().split())
    points = [p for review in reviews.values() for p in review["points"]]
    assert len(points) > 20
    for point in points:
        assert point["point"] in text and point["advice"] in text
        assert point["quote"] in document and point["quote"] in text


def test_a_disagreement_shows_both_sides_and_leads_to_its_place_in_the_document(reviewed):
    run, _, files = reviewed
    tree = html.fromstring(files["reviews.html"].decode())
    (section,) = tree.xpath("//section[h2[@id='disagreement']]")
    first = section.xpath(".//div[@class='sides']")[0]
    labels = [side.xpath("./b")[0].text for side in first.xpath("./div")]
    assert any("keep it" in label for label in labels) and any("keep it" not in label for label in labels)
    for link in section.xpath(".//blockquote//a"):
        (target,) = tree.xpath(f"//*[@id='{link.get('href').removeprefix('#')}']")
        quoted = link.getparent().getparent().xpath("./p")[0].text_content()
        assert quoted.strip() in target.text_content()
    counted = next(f["value"] for f in run["figures"] if f["id"] == "reviews.disagreement")
    assert counted == str(len(section.xpath(".//div[@class='sides']")))


def test_a_document_that_is_not_there_ends_in_a_sentence(tmp_path):
    run, *_ = asyncio.run(report("five reviews of the moon landing plan", 5, tmp_path))
    assert run["run"]["status"] == "failed"
    assert "must name one document" in run["run"]["error"]["message"]


def test_a_document_attached_to_the_mention_is_reviewed_like_one_of_the_drive(tmp_path):
    text = "# Trial of a new rota\n\nEvery crew works four days from March. It costs EUR 9,000 a month. Nobody decides yet.\n"

    async def scenario():
        async with stage(OPTIONS, tmp_path) as here:
            content = base64.b64encode(text.encode()).decode()
            told = {"as": "maya", "do": "upload", "channel": "finance", "filename": "rota.md", "content_b64": content}
            posted = await here.act(**told, text="@cadre five reviews of the attached proposal")
            run_id = await here.run_of(posted["ts"], 60)
            await here.follow(run_id, OPTIONS)
            return await here.result(run_id)

    run = asyncio.run(scenario())
    assert (run["run"]["status"], run["run"]["error"]) == ("done", None)
    assert [f["name"] for f in run["thread"][-1]["files"]] == ["reviews.html"]
    begun = [m["to"] for m in run["messages"] if m["from"] == "cadre" and m["to"] in LENSES]
    assert sorted(begun) == sorted(LENSES)


def letters(db, *sent):
    """Agents of the five lenses, and mail (sender, recipient, report)."""
    run_row(db, "run-a")
    for name in ("lead", *LENSES):
        row = {"id": f"run-a/{name}", "run_id": "run-a", "team_id": "T", "name": name, "role": name, "kind": "agent"}
        more = {"status": "done", "inputs": {}, "skill": "five-reviews", "parent": "lead", "task": "", "brief": ""}
        db.write_now(lambda tx, r={**row, **more}: tx.execute(insert(t.agent).values(**r)))
    for seq, (sender, recipient, done) in enumerate(sent, start=1):
        data = {"report": True, "status": "done"} if done else {}
        row = {"id": f"run-a/m{seq}", "run_id": "run-a", "team_id": "T", "seq": seq, "sender": sender, "files": []}
        more = {"recipient": recipient, "text": "x", "data": data, "sent_at": 0.0, "labels": {}}
        db.write_now(lambda tx, r={**row, **more}: tx.execute(insert(t.mail).values(**r)))


@pytest.mark.parametrize(
    ("early", "passed"),
    [
        ([], True),
        ([("risk", "lead", False)], True),
        ([("risk", "money", False)], False),
        ([("lead", "clarity", False)], False),
        ([("cadre", "clarity", False)], True),
    ],
)
def test_a_word_to_a_reviewer_before_the_last_review_is_found_in_the_rows(tmp_path, early, passed):
    skill = SkillLibrary(SKILLS).skills["five-reviews"]
    reports = [(lens, "lead", True) for lens in LENSES]
    with store(tmp_path) as db:
        letters(db, *reports[:3], *early, *reports[3:], ("lead", "money", False))
        (found,) = db.read_now(lambda c: independence.check(c, "run-a", skill))
    assert found.passed == passed, found.evidence


def test_a_reviewer_who_did_not_hand_in_is_missed(tmp_path):
    skill = SkillLibrary(SKILLS).skills["five-reviews"]
    with store(tmp_path) as db:
        letters(db, *[(lens, "lead", True) for lens in LENSES[:4]])
        (found,) = db.read_now(lambda c: independence.check(c, "run-a", skill))
    assert not found.passed and "clarity" in found.evidence
