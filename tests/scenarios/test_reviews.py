"""Reviews from a mention to the page in the thread: contracts, a transcript, a filing, and files attached to the ask.

What the pages say is compared with what was planted in the sample company.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import io
import json
import re
import tempfile
from pathlib import Path

import aiohttp
import pytest
from lxml import html
from openpyxl import load_workbook

from bot.local import Options, stage
from loopback.company import generate

OPTIONS = Options(seed=4, approve="all", timeout_s=120)
EXPECTED = {  # clause of the sample contracts -> what a deviation in it must show as: question, found
    ("payment_terms", "fast payment"): {("Time to pay", True)},
    ("price_increase", "rise by notice"): {("Prices may rise", True)},
    ("term", "rolls on"): {("Renews by itself", True), ("Notice to end it", True)},
    ("term", "long notice"): {("Notice to end it", True)},
    ("termination_convenience", "none"): {("Can be ended without a reason", False)},
    ("liability", "no cap"): {("Liability is capped", False), ("Liability without a limit", True)},
    ("liability", "none"): {("Liability is capped", False)},
    ("data_breach", "slow word"): {("Notice of a data breach", True)},
    ("data_breach", "none"): {("Notice of a data breach", False)},
    ("assignment", "none"): {("Assignment needs consent", False)},
    ("exclusivity", "bound"): {("Exclusivity", True)},
    ("change_of_control", "walk away"): {("Change of control", True)},
    ("governing_law", "foreign law"): {("Governing law", True)},
}


class Asked:
    """One request that was worked to its end, with what a person finds in its thread."""

    def __init__(self, run, files):
        self.run, self.files = run, files

    @property
    def reply(self):
        return next(m["text"] for m in reversed(self.run["thread"]) if m["text"].strip())

    def page(self, name):
        return html.fromstring(self.files[name].decode())


async def ask(here, text, attached=()):
    """Mention Cadre, with files or without, and follow the run to its end."""
    told = {"as": "maya", "channel": "finance", "text": f"@cadre {text}"}
    if attached:
        ((name, data),) = attached
        posted = await here.act(**told, do="upload", filename=name, content_b64=base64.b64encode(data).decode())
    else:
        posted = await here.act(**told, do="post")
    run_id = await here.run_of(posted["ts"], 60)
    assert await here.follow(run_id, OPTIONS) == "done", (await here.result(run_id))["run"]["error"]
    return Asked(await here.result(run_id), await downloads(here, posted["ts"]))


async def downloads(here, ts):
    """The files that Cadre put into a thread, as a person gets them."""
    found = {}
    url, token = f"{here.control}/_local/thread", here.ready["slack"]["bot_token"]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        async with session.get(url, params={"channel": "finance", "ts": ts}) as reply:
            messages = (await reply.json())["messages"]
        for file in (f for m in messages if m.get("bot_id") for f in m.get("files", [])):
            assert file["name"] not in found, "a file is there twice"
            async with session.get(file["url_private"]) as reply:
                found[file["name"]] = await reply.read()
    return found


async def play(home):
    async with stage(OPTIONS, home) as here:
        seen = {
            "contracts": await ask(here, "review the contracts in Supplier contracts"),
            "meeting": await ask(here, "turn the transcript of the steering meeting into a page"),
            "filing": await ask(here, "check the annual report against the policy for yearly reports"),
        }
        paper = generate(4).papers["Supplier contracts/Solway Brokers - terms of engagement.pdf"]
        seen["attached"] = await ask(here, "review the attached contract", [("Solway terms.pdf", paper)])
        async with aiohttp.ClientSession() as session:
            link = seen["contracts"].page("review.html").xpath("//a[.='open in the document']/@href")[0]
            async with session.get(link) as reply:
                seen["document"] = await reply.text()
        return seen


@pytest.fixture(scope="module")
def seen():
    with tempfile.TemporaryDirectory() as home:
        yield asyncio.run(play(Path(home)))


@pytest.fixture(scope="module")
def truth():
    return generate(4).truth


def rows(page, section):
    """The rows of the table below a heading, each as its cells' texts."""
    table = page.xpath(f"//section[h2[@id='{section}']]//table")[0]
    return [
        [" ".join(cell.text_content().split()) for cell in row.xpath("./td")] for row in table.xpath("./tbody/tr")
    ]


def anchored(page):
    """Whether every link inside a page leads to something that is there."""
    ids = set(page.xpath("//@id"))
    return {link[1:] for link in page.xpath("//a/@href") if link.startswith("#")} <= ids


def test_each_planted_deviation_is_on_the_page_and_no_other(seen, truth):
    page = seen["contracts"].page("review.html")
    shown = {(row[1], row[2], row[3] != "not in the contract") for row in rows(page, "deviations")}
    planted = {
        (Path(name).stem, *wanted)
        for name, clauses in truth["contracts"].items()
        for clause in clauses.items()
        for wanted in EXPECTED[clause]
    }
    assert shown == planted and planted


def test_every_quote_of_the_contracts_opens_its_passage_and_the_document_at_it(seen):
    page = seen["contracts"].page("review.html")
    assert anchored(page)
    for quote in page.xpath("//blockquote"):
        (target,) = quote.xpath(".//div[@class='place']/a[1]/@href")
        words = " ".join(quote.xpath("./p")[0].text_content().split())
        (passage,) = page.xpath(f"//div[@id='{target[1:]}']")
        lines = [" ".join(p.text_content().split()) for p in passage.xpath("./p|./following-sibling::div/p")]
        assert 0 <= " ".join(lines).find(words) < len(lines[0])
    assert seen["document"].count("<mark>") >= 1


def test_what_could_not_be_read_stands_on_the_page_with_its_reason(seen):
    asked = seen["contracts"]
    assert asked.run["coverage"] == {"total": 14, "done": 12, "failed": 0, "refused": 2, "person": 0}
    told = {row[0]: row[2] for row in rows(asked.page("review.html"), "coverage")}
    assert len(told) == 2
    assert any("duplicate" in why for why in told.values()) and any(
        "without a text layer" in w for w in told.values()
    )
    assert "|12>" in asked.reply and "|14> read" in asked.reply and len(asked.reply.splitlines()) <= 12


def test_matrix_and_workbook_hold_every_contract_and_row(seen):
    asked = seen["contracts"]
    page = asked.page("review.html")
    assert len(rows(page, "matrix")) == 12
    book = load_workbook(io.BytesIO(asked.files["review.xlsx"]))
    assert book["Deviations"].max_row - 1 == len(rows(page, "deviations"))
    assert {row[0].value for row in book["Documents"].iter_rows(min_row=2)} > {
        row[0].value for row in book["Deviations"].iter_rows(min_row=2, min_col=2)
    }


@pytest.mark.parametrize("name", ["contracts", "meeting", "filing"])
def test_a_page_needs_nothing_from_outside_and_says_how_it_was_checked(seen, name):
    (page,) = [data.decode() for file, data in seen[name].files.items() if file.endswith(".html")]
    tree = html.fromstring(page)
    assert not tree.xpath("//link|//img|//iframe|//*[@src]") and "default-src 'none'" in page
    assert "stands there word for word" in page
    assert all(check["passed"] for check in seen[name].run["verified"])


def test_decisions_questions_and_actions_of_a_meeting_open_their_turn(seen, truth):
    page, drawn = seen["meeting"].page("meeting.html"), truth["meeting"]
    decisions, questions, actions = (rows(page, name) for name in ("decisions", "questions", "actions"))
    assert (len(decisions), len(questions), len(actions)) == (5, 3, 9)
    assert any(drawn["pilot"] in row[0] and drawn["pilot_day"] in row[1] for row in decisions)
    assert anchored(page)
    due = {(row[0], row[1]): row[2].replace("\N{NON-BREAKING HYPHEN}", "-") for row in actions}
    ring = datetime.datetime.strptime(drawn["drift_day"].partition(" ")[2], "%d %B %Y").date().isoformat()
    assert due["Ring Nordhavn and have a replacement confirmed", "Derek Marsh"] == ring
    assert "Amara Okafor" in {row[1] for row in actions if row[0].startswith("Send me the list")}
    for link in page.xpath("//section[h2[@id='decisions']]//td[3]//a"):
        passage = page.xpath(f"//div[@id='{link.get('href')[1:]}']")[0]
        assert passage.xpath("./span")[0].text_content() == link.text_content()


def test_a_meeting_of_an_hour_was_read_in_windows_and_nothing_stands_twice(seen):
    page = seen["meeting"].page("meeting.html")
    said = [row[1] for name in ("decisions", "questions") for row in rows(page, name)]
    said += [row[3] for row in rows(page, "actions")]
    assert len(said) == len(set(said)) == 17
    stamps = re.findall(r"\d\d:\d\d:\d\d", page.text_content())
    assert max(stamps) > "00:45:00"


def test_a_filing_answers_each_requirement_as_planted_and_names_the_page_it_could_not_read(seen, truth):
    page, planted = seen["filing"].page("filing.html"), truth["filing"]
    shown = {row[1].split()[0]: row[0] for row in rows(page, "answers")}
    words = {"ours": "met", "short": "not met", "refused": "not met", "silent": "not addressed"}
    assert shown == {number: words[said] for number, said in planted["answers"].items()}
    assert planted["pages"] > 60
    assert f"Page {planted['scanned']} " in page.xpath("//section[h2[@id='coverage']]")[0].text_content()
    assert anchored(page)
    assert [row[0] for row in rows(page, "answers")] == sorted(
        shown.values(), key=["not met", "not addressed", "met"].index
    )


def test_a_contract_attached_to_the_mention_is_reviewed_like_one_of_the_drive(seen, truth):
    asked = seen["attached"]
    page = asked.page("review.html")
    planted = truth["contracts"]["Solway Brokers - terms of engagement.pdf"]
    expected = {label for clause in planted.items() for label, _ in EXPECTED[clause]}
    shown = {row[2] for row in rows(page, "deviations")} if expected else set()
    assert shown == expected
    assert asked.run["coverage"]["done"] == 1
    assert [f["name"] for f in asked.run["thread"][-1]["files"]] == ["review.html", "review.xlsx"]
    assert (
        json.dumps(asked.run["messages"]).count("Solway_terms.pdf") >= 2
    )  # from Cadre to the lead, on to the reviewer
