"""Page data becomes one HTML file: escaped, every number linked to its source, nothing from outside."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re

import pytest
from lxml import html
from sqlalchemy import insert

from bot.errors import ModelMustRetry
from bot.store import schema as t
from bot.tools.page import page_tools
from tests.tools.harness import context, run_row, store, use

SOURCE = "http://drive.test/file/1"
CENTER = "http://center.test"


@pytest.fixture
def ctx(tmp_path):
    with store(tmp_path) as db:
        run_row(db, "run-a", request="report on 2024 and the 12 harbours")
        for eid, kind, value in (("e1", "cell", "61"), ("e2", "query", "48"), ("e3", "query", "120")):
            row = {"id": eid, "kind": kind, "value": value, "ref": f"ref {eid}", "via": "toolu_0", "url": SOURCE}
            db.write_now(lambda tx, r=row: tx.execute(insert(t.evidence).values(**base(), labels={}, **r)))
        for at, (name, value, unit, formula, inputs) in enumerate(
            (
                ("cell", "61", "count", "e1", ["e1"]),
                ("asked", "48", "count", "e2", ["e2"]),
                ("share", "40.0", "%", "round(e2/e3*100, 1)", ["e2", "e3"]),
            )
        ):
            row = {"id": name, "label": name, "value": value, "unit": unit, "formula": formula, "inputs": inputs}
            db.write_now(lambda tx, r=row, p=at: tx.execute(insert(t.figure).values(**base(), position=p, **r)))
        yield context(db, tmp_path)


def base():
    return {"run_id": "run-a", "team_id": "T", "agent_id": "run-a/worker"}


def page(ctx, **data):
    """The page made of this data, as a tree, and its text."""
    ctx.workspace.write("page.json", json.dumps({"title": "Report", **data}).encode())
    answer = asyncio.run(use({x.name: x for x in page_tools(CENTER)}, ctx, "write_page", file="page.json"))
    if answer.is_error:
        return None, answer.content["error"]
    text = ctx.workspace.text(answer.content["file"])
    return html.fromstring(text), text


def blocks(*given):
    return [{"title": "Part", "id": "part", "blocks": list(given)}]


def test_a_figure_shows_its_value_and_opens_its_source_or_the_page_that_explains_it(ctx):
    tree, _ = page(ctx, lead=["{{f:cell}} cells, {{f:asked}} counted, **{{f:share}}** of all"])
    found = {a.text_content().replace("\xa0", " "): a.get("href") for a in tree.xpath("//a[@class='n']")}
    assert found == {
        "61": SOURCE,
        "48": f"{CENTER}/runs/run-a/figures/asked",
        "40.0 %": f"{CENTER}/runs/run-a/figures/share",
    }


def test_bars_are_as_long_as_the_recorded_figures_say(ctx):
    rows = [{"label": "18-24 years", "figures": ["cell", "share"]}, {"label": "other", "figures": [None, "asked"]}]
    tree, text = page(
        ctx, sections=blocks({"type": "bars", "series": ["2023", "2024"], "rows": rows, "missing": "fewer than 5"})
    )
    assert [rect.get("width") for rect in tree.xpath("//rect")] == ["100.00", "65.57", "78.69"]
    assert text.count("fewer than 5") == 1


@pytest.mark.parametrize(
    ("block", "word"),
    [
        ({"type": "text", "text": "about 97 people"}, "97"),
        ({"type": "list", "items": ["fine", "17 of them"]}, "17"),
        ({"type": "table", "columns": [{"label": "A"}], "rows": [["35"]]}, "35"),
        ({"type": "details", "summary": "more", "blocks": [{"type": "text", "text": "and 81"}]}, "81"),
        ({"type": "text", "text": "{{f:nothing}}"}, "nothing"),
        ({"type": "bars", "series": ["a"], "rows": [{"label": "x", "figures": ["nothing"]}]}, "nothing"),
        ({"type": "bars", "series": ["a", "b"], "rows": [{"label": "x", "figures": ["cell"]}]}, "per series"),
    ],
)
def test_a_number_without_a_source_is_refused_wherever_it_stands(ctx, block, word):
    tree, error = page(ctx, sections=blocks(block))
    assert tree is None and word in error


def test_words_of_others_keep_their_numbers_and_the_request_may_be_repeated(ctx):
    table = {"type": "table", "columns": [{"label": "Q", "verbatim": True}], "rows": [["1 to 3 years"]]}
    quote = {"type": "quotes", "items": [{"text": "We lost 40 hours.", "place": "turn 17", "url": "#t17"}]}
    passage = {"type": "passages", "items": [{"id": "t17", "place": "00:12:31", "text": "We lost 40 hours."}]}
    tree, _ = page(
        ctx, lead=["Of the 12 harbours, `15 minutes` was said [at turn 17](#t17)"],
        sections=blocks(table, quote, passage),
    )  # fmt: skip
    assert tree.xpath("//a[@href='#t17']") and tree.xpath("//*[@id='t17']")


def test_what_others_wrote_is_text_and_never_markup(ctx):
    bad = "<script>alert(x)</script><img src=x onerror=y>"
    side = {"label": bad, "text": bad, "quotes": [{"text": bad, "place": bad}]}
    tree, text = page(
        ctx, title=bad, lead=[bad],
        sections=blocks({"type": "quotes", "items": [{"text": bad}]}, {"type": "bars", "series": ["a"], "rows": [
            {"label": bad, "figures": ["cell"]}]}, {"type": "sides", "items": [{**side, "text": "x"}]}),
    )  # fmt: skip
    assert not tree.xpath("//script|//img|//iframe|//*[@onerror]"), text
    assert tree.text_content().count("alert(x)") >= 6


def test_a_page_needs_nothing_from_outside(ctx):
    tree, text = page(ctx, sections=blocks({"type": "text", "text": "fine"}))
    assert not tree.xpath("//script|//link|//img|//iframe")
    assert not re.findall(r"url\(|@import|https?://", text)


@pytest.mark.parametrize("url", ["javascript:alert(x)", "data:text/html,x", "file:///etc/passwd", "//evil.test"])
def test_a_link_leads_to_the_web_or_within_the_page(ctx, url):
    with pytest.raises(ModelMustRetry, match="url"):
        page(ctx, sections=blocks({"type": "quotes", "items": [{"text": "x", "place": "there", "url": url}]}))
    tree, _ = page(ctx, lead=[f"[there]({url})"])
    assert not tree.xpath("//a")


def test_a_table_that_people_may_sort_brings_one_script_that_the_page_itself_allows(ctx):
    cells = [{"text": "three months", "tone": "good"}, {"text": "<b>1 & 2</b>", "tone": "bad", "verbatim": True}]
    table = {"type": "table", "columns": [{"label": "A"}, {"label": "B"}], "rows": [cells], "sort": True}
    tree, text = page(ctx, sections=blocks(table))
    (script,) = tree.xpath("//script/text()")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert [cell.text_content() for cell in tree.xpath("//td")] == ["three months", "<b>1 & 2</b>"]
    assert tree.xpath("//td[2]/span")[0].get("class") == "tone bad"


def test_what_is_cited_of_a_passage_is_marked_and_stays_as_it_is(ctx):
    text = "<i>We pay</i> within 10 days & more."
    one = {"id": "p1", "place": "page 1", "text": text, "marks": [[14, 28], [3, 9], [90, 95]]}
    tree, _ = page(ctx, sections=blocks({"type": "passages", "items": [one]}))
    assert tree.xpath("//mark/text()") == ["We pay", "within 10 days"]
    assert tree.xpath("//div[@id='p1']/p")[0].text_content() == text


def test_numbers_on_tiles_and_in_toned_cells_need_a_source_like_any_other(ctx):
    tile = {"type": "tiles", "items": [{"label": "read", "text": "12,5"}]}
    cell = {"type": "table", "columns": [{"label": "A"}], "rows": [[{"text": "34 found", "tone": "bad"}]]}
    for block, number in ((tile, "12,5"), (cell, "34")):
        assert number in page(ctx, sections=blocks(block))[1]
