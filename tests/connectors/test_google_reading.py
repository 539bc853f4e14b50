"""What the Google connector reads beside files: slides, events, comments, changes; and where edits of a Doc go."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest

from bench.google.kinds import seed
from bench.google.standin import Standin, standing
from connectors import errors
from connectors.google import DocEdit, Insertion, Replacement, SheetCells

MONDAY = datetime.datetime(2026, 3, 2, 9, tzinfo=datetime.UTC)
SLIDES = {
    "title": "Kick-off",
    "slides": [
        {"title": "Harbour pilot", "body": ["Start in May", "Ends in June"], "notes": "Say who pays."},
        {"table": [["Berth", "Price"], ["North", 12]]},
    ],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    folder = seed(tmp_path_factory.mktemp("drive"))
    (folder / "Kick-off.slides.json").write_text(json.dumps(SLIDES))
    with standing(folder) as standin:
        yield standin


@pytest.fixture
def google(server: Standin) -> Standin:
    server.post("reset")
    return server


def test_slides_are_read_with_titles_words_tables_notes_and_addresses(google: Standin):
    deck = google.named("Kick-off")
    first, second = google.run(lambda g: g.slides(deck))
    assert (first.title, first.text, first.notes) == ("Harbour pilot", "Start in May\nEnds in June", "Say who pays.")
    assert first.url == f"{google.url}/presentation/d/{deck}/edit#slide=id.p1"
    assert second.text == "Berth | Price\nNorth | 12"


def test_the_events_of_a_stretch_of_time_are_the_persons_own(google: Standin):
    for hours, title in ((5, "Later"), (1, "Sooner"), (-48, "Over")):
        at = {n: {"dateTime": (MONDAY + datetime.timedelta(hours=hours + h)).isoformat()} for n, h in SPAN}
        google.post("act", **{"as": "cadre"}, do="event", summary=title, attendees=[{"email": "a@example.com"}], **at)
    end = MONDAY + datetime.timedelta(days=1)
    found = google.run(lambda g: g.agenda.events(MONDAY, end))
    assert [(e.title, e.people) for e in found] == [("Sooner", ("a@example.com",)), ("Later", ("a@example.com",))]
    assert google.run(lambda g: g.agenda.events(MONDAY, end, "late"))[0].title == "Later"
    assert google.run(lambda g: g.agenda.events(MONDAY, end), user="jonas") == ()
    with pytest.raises(errors.BadInput, match="time zone"):
        google.run(lambda g: g.agenda.events(MONDAY.replace(tzinfo=None), end))


SPAN = (("start", 0), ("end", 1))


def test_comments_are_read_with_the_words_they_are_about_and_their_answers(google: Standin):
    google.act("comment", file="Rules", text="By when?", quote="pay later")
    google.act("reply", file="Rules", text="By May.", action="resolve")
    (one,) = google.run(lambda g: g.remarks(google.named("Rules")))
    assert (one.author, one.text, one.quote, one.resolved) == ("owner", "By when?", "pay later", True)
    assert one.answers == (("owner", "By May."),)


def test_the_feed_tells_each_changed_file_once_and_who_changed_it(google: Standin):
    token = google.run(lambda g: g.feed.start())
    assert google.run(lambda g: g.feed.since(token)) == ((), token)
    for value in ("1", "2"):
        google.act("edit", file="Plan", tab="Costs", cell="B2", value=value)
    google.run(lambda g: g.apply(SheetCells(google.named("Plan"), "Notes", "A9", (("x",),)), "op-1"))
    google.act("delete", file="Rules")
    changes, following = google.run(lambda g: g.feed.since(token))
    assert [(c.name, c.gone, c.by_us) for c in changes] == [("Plan", False, True), ("Rules", True, False)]
    assert google.run(lambda g: g.feed.since(token))[0] == changes
    assert google.run(lambda g: g.feed.since(following))[0] == ()


def test_a_sheet_is_read_with_formats_links_and_dates_as_people_see_them(google: Standin):
    sheet = google.named("Plan")
    rows = (("12.50", {"text": "see", "url": "https://example.com/x"}),)
    google.run(lambda g: g.apply(SheetCells(sheet, "Notes", "A1", rows), "op-1"))
    days = [
        {"userEnteredValue": {"numberValue": number}, "userEnteredFormat": {"numberFormat": {"type": "DATE"}}}
        for number in (46083, 20260131, 1e40)
    ]
    where = {"sheetId": 1001, "startRowIndex": 4, "endRowIndex": 5, "startColumnIndex": 0, "endColumnIndex": 3}
    cells = {"range": where, "rows": [{"values": days}], "fields": "userEnteredValue,userEnteredFormat"}
    token = {"Authorization": "Bearer U1"}
    body = {"requests": [{"updateCells": cells}]}
    google.http.post(f"{google.url}/v4/spreadsheets/{sheet}:batchUpdate", json=body, headers=token).raise_for_status()
    (grid,) = google.run(lambda g: g.read_sheet(sheet, "Notes"))
    assert grid.value("A5") == "2026-03-02"
    assert (grid.value("B5"), grid.value("C5")) == ("20260131", f"{10**40}")  # no days of the calendar
    assert (grid.formats["A1"], grid.links["B1"]) == ("#,##0.00", "https://example.com/x")


def edited(google: Standin, *edits: Any) -> str:
    doc = google.named("Rules")
    google.run(lambda g: g.apply(DocEdit(doc, edits), "op-1"))
    return str(google.state()["docs"][doc]["markdown"])


def test_an_edit_keeps_what_stands_around_it_and_its_look(google: Standin):
    text = edited(
        google, Replacement("first", "now"), Replacement("x", "y"), Insertion("two", "# New\n\nPlain *one*.")
    )
    assert "Ask **now**, pay later" in text
    assert "| y | 1 |" in text
    assert "- one\n- two\n\n# New\n\nPlain *one*.\n\n| a | b |" in text


def test_a_link_and_a_deletion_are_edits_too(google: Standin):
    text = edited(google, Replacement("pay later", "[pay](https://example.com/p)"), Replacement(", see ", ""))
    assert "[pay](https://example.com/p)[the page](https://example.com/a)." in text


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ((Replacement("nowhere", "x"),), "does not have the words “nowhere”"),
        ((Replacement("one", "x"), Replacement("e", "y")), r"stand \d+ times"),
        ((Replacement("Ask first", "x"), Replacement("first", "y")), "same place"),
        ((Replacement("The end", "The end"),), "replaced by themselves"),
        ((Replacement("The end", "a\nb"),), "stays within its paragraph"),
        ((Insertion("The end", " "),), "nothing to insert"),
        ((), "1 to 50 edits"),
    ],
)
def test_an_edit_that_cannot_be_meant_says_why(google: Standin, edits: tuple[Any, ...], words: str):
    with pytest.raises(errors.BadInput, match=words):
        google.run(lambda g: g.preview(DocEdit(google.named("Rules"), edits)))


def test_a_missing_tab_or_corner_of_cells_is_named(google: Standin):
    sheet = google.named("Plan")
    with pytest.raises(errors.NotFound, match="'Plan' has no tab 'Q5'; its tabs are Costs, Notes"):
        google.run(lambda g: g.preview(SheetCells(sheet, "Q5", "A1", (("x",),))))
    with pytest.raises(errors.BadInput, match="give a cell such as B4"):
        google.run(lambda g: g.preview(SheetCells(sheet, "Costs", "row 1", (("x",),))))
