"""A data room through the real Slack path: issues with their words, a redline that a lawyer can open, after approval."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import json
import re
import zipfile

import aiohttp
import pytest
from lxml import html

from bot.local import Options, stage
from bot.workspace import safe_name
from connectors.documents.reading import read
from connectors.documents.redline import accepted, rejected
from loopback.company.dataroom import dataroom
from tests.scenarios.reports import company, report

REQUEST = "due diligence of Data room Veldkamp"
POSITIONS = {
    "change_of_control": "change_of_control", "liability": "liability_unlimited", "assignment": "assignment_refusable",
    "term": "renews", "exclusivity": "exclusivity",
}  # fmt: skip


async def drive(here, _run):
    """The Drive's files by name: their bytes."""
    base = here.ready["google"]["base_url"].rstrip("/")
    headers = {"Authorization": "Bearer ya29.local-cadre"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(f"{base}/drive/v3/files", params={"pageSize": "1000"}) as reply:
            listed = (await reply.json())["files"]
        contents = {}
        for file in (f for f in listed if f["name"].endswith(".docx")):
            async with session.get(f"{base}/drive/v3/files/{file['id']}", params={"alt": "media"}) as reply:
                contents.setdefault(file["name"], []).append(await reply.read())
        return contents


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    home = tmp_path_factory.mktemp("diligence")
    truth = company(6, home)["dataroom"]
    run, place, files, shared = asyncio.run(report(REQUEST, 6, home, approve="all", files=2, watch=drive))
    return run, place, files, shared, truth


def test_every_odd_clause_is_an_issue_and_no_other(done):
    run, place, _, _, truth = done
    assert (run["run"]["status"], run["run"]["error"]) == ("done", None)
    with (place / "issues.csv").open() as lines:
        found = {(row["contract"], row["position"]) for row in csv.DictReader(lines)}
    named = {(name.rpartition("/")[2], position) for name, position in found}
    assert named == {(name, POSITIONS[clause]) for name, clauses in truth.items() for clause in clauses}
    assert run["coverage"]["done"] == run["coverage"]["total"] == len(truth)


def test_the_page_quotes_each_issue_from_its_contract_with_a_link_to_its_place(done):
    _, _, files, shared, truth = done
    tree = html.fromstring(files["due_diligence.html"].decode())
    texts = " ".join(" ".join(read(n, data).text.split()) for n in truth for data in shared[n])
    quotes = tree.xpath("//blockquote")
    assert len(quotes) >= sum(map(len, truth.values()))
    for quote in quotes:
        assert " ".join(quote.xpath("./p")[0].text_content().split()) in texts
        assert "/items/" in quote.xpath(".//a")[0].get("href")
    page = tree.text_content()
    assert all(name.removesuffix(".docx") in page for name in truth)


def redlined(done):
    """The redline in the Drive, the original there, and the changes asked for."""
    run, place, _, shared, _ = done
    (effect,) = run["effects"]
    (title,) = [a["name"] for a in run["artifacts"] if a["url"]]
    assert effect["target"] == f"file:{title}"
    (made,) = shared[title]
    (original,) = shared[title.replace(" (redline)", "")]
    return made, original, json.loads((place / "changes.json").read_text())


def test_accepting_all_changes_gives_the_proposed_text_and_rejecting_all_the_original(done):
    made, original, changes = redlined(done)
    before = read("contract.docx", original).text
    assert rejected(made) == rejected(original)
    wanted = rejected(original)
    for change in changes:
        assert before.count(change["quote"]) == 1
        wanted = wanted.replace(change["quote"], change["new"])
    assert accepted(made) == wanted != before


def test_changes_are_tracked_small_and_carry_author_and_reason(done):
    made, _, changes = redlined(done)
    with zipfile.ZipFile(io.BytesIO(made)) as package:
        body = package.read("word/document.xml").decode()
        comments = package.read("word/comments.xml").decode()
    assert set(re.findall(r'<w:(?:ins|del) [^>]*w:author="([^"]*)"', body)) == {"Cadre for maya"}
    assert len(re.findall(r"<w:comment ", comments)) == len(changes)
    kept = sum(len(text) for text in re.findall(r"<w:delText[^>]*>([^<]*)", body))
    assert kept < sum(len(change["quote"]) for change in changes)


def test_the_approval_shows_every_changed_line_and_the_thread_gets_page_and_redline(done):
    run, _, files, _, _ = done
    made, _, changes = redlined(done)
    (asked,) = run["approvals"]
    (shown,) = asked["preview"]["changes"]
    assert (asked["status"], shown["kind"]) == ("approved", "drive_upload")
    assert shown["markdown"].count("- ~~") == len({c["quote"] for c in changes})
    names = sorted(files)
    assert names[1] == "due_diligence.html" and names[0].endswith(".docx")
    assert files[names[0]] == made


def test_nothing_is_put_into_the_drive_before_approval(tmp_path):
    run, _, _, shared = asyncio.run(report(f"{REQUEST}, redline the lease of hall 3", 6, tmp_path, watch=drive))
    assert run["run"]["status"] == "waiting"
    assert [name for name in shared if "redline" in name] == []
    (shown,) = run["approvals"][0]["preview"]["changes"]
    assert shown["title"] == "Havenstad Vastgoed - lease of hall 3 (redline).docx"


def test_contracts_attached_to_the_mention_are_worked_the_same_way(tmp_path):
    files, planted = dataroom(6)
    pack = io.BytesIO()
    with zipfile.ZipFile(pack, "w") as out:
        for path, data in files.items():
            out.writestr(path.rpartition("/")[2], data)
    told = {"content_b64": base64.b64encode(pack.getvalue()).decode(), "filename": "room.zip"}

    async def scenario():
        options = Options(seed=4, timeout_s=150)
        async with stage(options, tmp_path) as here:
            words = "@cadre due diligence of the attached contracts"
            posted = await here.act(**{"as": "maya"}, do="upload", channel="finance", text=words, **told)
            run_id = await here.run_of(posted["ts"], 60)
            await here.follow(run_id, options)
            return await here.result(run_id), tmp_path / "runs" / run_id / "lead" / "issues.csv"

    run, issues = asyncio.run(scenario())
    assert (run["run"]["status"], run["run"]["error"]) == ("waiting", None)
    with issues.open() as lines:
        found = {(row["contract"].rpartition("/")[2], row["position"]) for row in csv.DictReader(lines)}
    named = {safe_name(name): clauses for name, clauses in planted.items()}
    assert found == {(name, POSITIONS[clause]) for name, clauses in named.items() for clause in clauses}
