"""The Google connector against the stand-in in a process of its own: exact reads, and writes that happen once."""

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bench.google.drill import until_known
from bench.google.standin import Standin, standing
from connectors import errors
from connectors.google import Applied, DocCreate, FileUpload, GoogleWorkspace, SheetGrid, SheetTabWrite

SHEET = {
    "title": "Plan",
    "tabs": [
        {"title": "Costs", "rows": [["Account", "Q1 2026"], ["6100", 0.1], ["6200", 0.2], ["Total", "=SUM(B2:B3)"]]},
        {"title": "Notes", "rows": [["big", 123456789.25], ["error", "=1/0"]]},
    ],
}
REPORT = """# Report

Costs are **over**, see [the plan](https://example.com/p) and *ask*. 😀

## Findings

- first
  - deeper
- second

1. do this
2. do that

| Account | Amount |
| --- | ---: |
| 6100 | [12.50](https://example.com/e) |
| 6200 | 3 |

The end, with `code`.
"""
DOC = DocCreate("Report", REPORT)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    drive = tmp_path_factory.mktemp("drive")
    (drive / "Plan.sheet.json").write_text(json.dumps(SHEET))
    (drive / "Rules.doc.md").write_text(
        "# Rules\n\nAsk [first](https://example.com/a).\n\n| a | b |\n|--|--|\n| 1 | 2 |\n"
    )
    (drive / "Team").mkdir()
    (drive / "Team" / "people.csv").write_bytes(b"name\r\nO'Neil\r\n")
    with standing(drive) as standin:
        yield standin


@pytest.fixture
def google(server: Standin) -> Standin:
    server.post("reset")
    return server


def write(google: Standin, tab: str = "Variance", *rows: tuple[Any, ...]) -> SheetTabWrite:
    return SheetTabWrite(google.named("Plan"), tab, rows or (("Account", "Amount"), ("6100", "12.50")))


def test_files_are_listed_by_folder_and_found_by_words(google: Standin):
    everything = google.run(lambda g: g.list_files())
    assert [f.name for f in everything] == ["Plan", "Rules", "Team", "people.csv"]
    assert [f.name for f in google.run(lambda g: g.list_files(google.named("Team")))] == ["people.csv"]
    assert [f.name for f in google.run(lambda g: g.search("o'neil"))] == ["people.csv"]
    plan = everything[0]
    assert plan.url == f"{google.url}/spreadsheets/d/{plan.id}/edit"
    assert plan.owner == "owner"


def test_an_uploaded_file_comes_byte_for_byte(google: Standin):
    assert google.run(lambda g: g.download(google.named("people.csv"))) == b"name\r\nO'Neil\r\n"


def test_a_sheet_is_read_with_exact_texts_formulas_and_places(google: Standin):
    costs, notes = google.run(lambda g: g.read_sheet(google.named("Plan")))
    assert costs.rows[1:] == (("6100", "0.1"), ("6200", "0.2"), ("Total", "0.3"))
    assert costs.formulas == {"B4": "=SUM(B2:B3)"}
    assert costs.value("B4") == "0.3"
    assert costs.ref("B4") == f"sheet:{costs.file_id}/Costs!B4"
    assert costs.cell_url("B4") == f"{google.url}/spreadsheets/d/{costs.file_id}/edit?gid=0&range=B4"
    assert 'id="B4" class="n hit "' in google.http.get(costs.cell_url("B4")).text
    assert notes.rows == (("big", "123456789.25"), ("error", "#DIV/0!"))


def test_a_tab_that_is_missing_is_named_with_those_there_are(google: Standin):
    with pytest.raises(errors.NotFound, match="no tab 'Sales'; it has Costs, Notes"):
        google.run(lambda g: g.read_sheet(google.named("Plan"), "Sales"))


def test_without_a_base_the_links_are_googles_own():
    grid = SheetGrid("F", "T", 7, "", (("x",),))
    assert grid.cell_url("C12") == "https://docs.google.com/spreadsheets/d/F/edit#gid=7&range=C12"


def test_a_doc_is_read_as_text_and_as_passages_with_places(google: Standin):
    doc = google.named("Rules")
    assert "Ask [first](https://example.com/a)." in google.run(lambda g: g.read_doc(doc))
    passages = google.run(lambda g: g.passages(doc))
    assert [p.text for p in passages] == ["Rules", "Ask first.", "a | b", "1 | 2"]
    assert passages[1].url == f"{google.url}/document/d/{doc}/edit#i7"
    assert 'id="i7"' in google.http.get(passages[1].url).text


def test_a_doc_made_from_markdown_exports_as_that_markdown(google: Standin):
    done = google.run(lambda g: g.apply(DOC, "op-1"))
    text = google.run(lambda g: g.read_doc(done.file_id))
    assert text.replace("1. do that", "2. do that").replace("   - deeper", "  - deeper") == REPORT


@pytest.mark.parametrize(
    "markdown",
    [
        "",
        "| a |\n|---|\n| b |\n",
        "# Only",
        "- a\n- b",
        "text\n\n| a | b |\n|---|---|\n| | x |\n\n| c |\n|---|\n",
        "a  \nb",
    ],
)
def test_any_markdown_becomes_a_doc(google: Standin, markdown: str):
    done = google.run(lambda g: g.apply(DocCreate("Any", markdown), "op-any"))
    assert google.run(lambda g: g.find("op-any", DocCreate("Any", markdown))) == Applied(
        done.file_id, done.url, done.revision, already=True
    )


def test_script_and_pictures_in_markdown_stay_words(google: Standin):
    markdown = "<script>x</script> ![cat](https://evil.example/p.png) [j](javascript:alert(1))"
    done = google.run(lambda g: g.apply(DocCreate("Any", markdown), "op-1"))
    page = google.http.get(done.url).text
    assert "&lt;script&gt;" in page
    assert "evil.example" not in page
    assert 'href="javascript' not in page


@pytest.mark.parametrize(
    "struck",
    [["drive.files.create"], ["docs.documents.batchUpdate"], ["drive.files.create", "docs.documents.batchUpdate"]],
)
def test_a_doc_whose_answers_were_lost_is_there_once(google: Standin, struck: list[str]):
    for name in struck:
        google.fault(name, "accept_then_drop")
    done, lost = google.run(lambda g: until_known(g, DOC, "op-1"))
    docs = [d for d in google.state()["docs"].values() if d["title"] == "Report"]
    assert lost == len(struck)
    assert len(docs) == 1
    assert docs[0]["markdown"].count("Findings") == 1
    assert google.state()["docs"][done.file_id] == docs[0]


def test_a_tab_whose_answer_was_lost_is_there_once(google: Standin):
    google.fault("sheets.spreadsheets.batchUpdate", "accept_then_drop")
    before = google.calls("sheets.spreadsheets.batchUpdate")
    done, lost = google.run(lambda g: until_known(g, write(google), "op-2"))
    assert (lost, done.already) == (1, True)
    assert google.calls("sheets.spreadsheets.batchUpdate") == before + 1
    assert google.titles("Plan") == ["Costs", "Notes", "Variance"]


def test_a_dropped_request_is_sent_again_only_by_the_caller(google: Standin):
    google.fault("sheets.spreadsheets.batchUpdate", "drop")
    done, lost = google.run(lambda g: until_known(g, write(google), "op-2"))
    assert (lost, done.already) == (1, False)
    assert google.titles("Plan").count("Variance") == 1


def test_the_same_key_writes_once_whoever_calls(google: Standin):
    first = google.run(lambda g: g.apply(write(google), "op-2"))
    again = google.run(lambda g: g.apply(write(google), "op-2", "whatever it was"))
    assert (first.already, again.already) == (False, True)
    assert (again.url, again.revision) == (first.url, first.revision)
    doc = google.run(lambda g: g.apply(DOC, "op-1"))
    assert google.run(lambda g: g.apply(DOC, "op-1")) == Applied(doc.file_id, doc.url, doc.revision, already=True)


def test_two_at_once_with_one_key_make_one_tab(google: Standin):
    async def both(g: GoogleWorkspace) -> list[Applied]:
        return list(await asyncio.gather(*(g.apply(write(google), "op-2") for _ in range(2))))

    done = google.run(both)
    assert sorted(d.already for d in done) in ([False, True], [True, True])
    assert google.titles("Plan").count("Variance") == 1


def test_two_at_once_with_one_key_leave_one_document(google: Standin):
    async def both(g: GoogleWorkspace) -> list[Applied]:
        return list(await asyncio.gather(*(g.apply(DOC, "op-1") for _ in range(2))))

    done = google.run(both)
    assert len({d.file_id for d in done}) == 1
    left = [f["id"] for f in google.state()["files"] if f["name"] == "Report" and not f["trashed"]]
    assert left == [done[0].file_id]
    assert google.state()["docs"][left[0]]["markdown"].count("Findings") == 1


def test_a_write_that_arrives_late_changes_nothing_any_more(google: Standin):
    seen = google.calls("sheets.spreadsheets.batchUpdate")
    hasty = GoogleWorkspace.open(base_url=google.url, timeout=1.5)
    asyncio.run(hasty.sheet_tabs(google.named("Plan")))
    google.fault("sheets.spreadsheets.batchUpdate", "delay", delay_s=3.0)
    with pytest.raises(errors.AmbiguousOutcome):
        asyncio.run(hasty.apply(write(google), "op-2"))
    hasty.close()
    done, _ = google.run(lambda g: until_known(g, write(google), "op-2"))
    while google.calls("sheets.spreadsheets.batchUpdate") < seen + 2:
        google.state()
    assert google.titles("Plan") == ["Costs", "Notes", "Variance"]
    assert google.run(lambda g: g.find("op-2", write(google))).url == done.url


def test_what_did_not_happen_is_not_found(google: Standin):
    assert google.run(lambda g: g.find("op-9", write(google))) is None
    assert google.run(lambda g: g.find("op-9", DOC)) is None


def test_a_preview_shows_before_and_after_and_writes_nothing(google: Standin):
    change = write(google, "notes", ("big", "1"))
    preview = google.run(lambda g: g.preview(change))
    assert preview.pre_image["rows"] == [["big", "123456789.25"], ["error", "#DIV/0!"]]
    assert preview.post_image["rows"] == [["big", "1"]]
    assert preview.target == "Plan, tab notes"
    assert google.run(lambda g: g.preview(change)) == preview
    assert google.run(lambda g: g.preview(write(google, "notes", ("big", "2")))).sha256 != preview.sha256


@pytest.mark.parametrize(("tab", "cell"), [("Costs", "B2"), ("Notes", "A1")])
def test_a_persons_edit_after_the_preview_is_a_conflict(google: Standin, tab: str, cell: str):
    change = write(google, "Notes", ("new",))
    revision = google.run(lambda g: g.preview(change)).revision
    google.post("act", **{"as": "U1"}, do="edit", file="Plan", tab=tab, cell=cell, value="5")
    with pytest.raises(errors.ConflictError, match="Plan was changed since the preview of tab Notes"):
        google.run(lambda g: g.apply(change, "op-2", revision))
    assert "new" not in google.state()["sheets"][google.named("Plan")]["tabs"][1]["csv"]


def test_a_new_tab_taken_by_a_person_meanwhile_is_a_conflict(google: Standin):
    change = write(google)
    revision = google.run(lambda g: g.preview(change)).revision
    google.run(lambda g: g.apply(change, "someone else"))
    with pytest.raises(errors.ConflictError):
        google.run(lambda g: g.apply(change, "op-2", revision))


def test_two_approved_tabs_of_one_spreadsheet_are_both_written(google: Standin):
    async def both(g: GoogleWorkspace) -> None:
        changes = [write(google, "One"), write(google, "Two")]
        previews = [await g.preview(c) for c in changes]
        for number, (change, preview) in enumerate(zip(changes, previews, strict=True)):
            await g.apply(change, f"op-{number}", preview.revision)

    google.run(both)
    assert google.titles("Plan") == ["Costs", "Notes", "One", "Two"]


def test_the_revision_after_a_write_is_that_of_the_next_preview(google: Standin):
    change = write(google, "Notes", ("a", "1.50", {"text": "x", "url": "https://example.com"}), ("", None, True))
    done = google.run(lambda g: g.apply(change, "op-2"))
    assert google.run(lambda g: g.preview(change)).revision == done.revision


def test_cells_keep_their_kind_and_texts_never_become_formulas(google: Standin):
    rows = (
        ("code", "amount", "text"),
        ("007", "1234.50", "=1+1"),
        ("12345678901234567890", Decimal("-0.10"), "1e5"),
        (True, 7, {"text": "see", "url": "https://example.com/x"}),
    )
    done = google.run(lambda g: g.apply(write(google, "Kinds", *rows), "op-2"))
    grid = google.run(lambda g: g.read_sheet(done.file_id, "Kinds"))[0]
    assert grid.rows[1] == ("007", "1234.5", "=1+1")
    assert grid.rows[2] == ("12345678901234567890", "-0.1", "1e5")
    assert grid.rows[3] == ("TRUE", "7", "see")
    assert grid.formulas == {}
    page = google.http.get(done.url).text
    assert "1,234.50" in page
    assert '<a href="https://example.com/x" rel="noopener noreferrer">see</a>' in page


def test_replacing_a_tab_leaves_nothing_of_what_was_there(google: Standin):
    google.run(lambda g: g.apply(write(google, "Costs", ("only",)), "op-2"))
    assert google.run(lambda g: g.read_sheet(google.named("Plan"), "Costs"))[0].rows == (("only",),)


def test_text_that_a_person_wrote_into_a_half_made_doc_is_kept(google: Standin):
    google.fault("docs.documents.batchUpdate", "drop")
    with pytest.raises(errors.AmbiguousOutcome):
        google.run(lambda g: g.apply(DOC, "op-1"))
    made = google.named("Report")
    body = {"requests": [{"insertText": {"location": {"index": 1}, "text": "mine"}}]}
    address, token = f"{google.url}/v1/documents/{made}:batchUpdate", {"Authorization": "Bearer U1"}
    google.http.post(address, json=body, headers=token).raise_for_status()
    with pytest.raises(errors.ConflictError, match="Somebody wrote into"):
        google.run(lambda g: g.apply(DOC, "op-1"))
    assert google.state()["docs"][made]["markdown"] == "mine\n"


@pytest.mark.parametrize(
    ("kind", "read", "written"),
    [
        ("429", errors.RateLimited, errors.RateLimited),
        ("5xx", errors.Unavailable, errors.AmbiguousOutcome),
        ("drop", errors.Unavailable, errors.AmbiguousOutcome),
    ],
)
def test_a_failing_service_is_told_apart_for_reads_and_writes(
    google: Standin, kind: str, read: type[Exception], written: type[Exception]
):
    google.fault("drive.files.list", kind, retry_after_s=7)
    with pytest.raises(read) as caught:
        google.run(lambda g: g.list_files())
    assert getattr(caught.value, "retry_after", 7.0) == 7.0
    google.fault("sheets.spreadsheets.batchUpdate", kind)
    with pytest.raises(written):
        google.run(lambda g: g.apply(write(google), "op-2"))


def test_each_refusal_has_its_class(google: Standin):
    plan = google.named("Plan")
    with pytest.raises(errors.NotFound):
        google.run(lambda g: g.file("nothing"))
    with pytest.raises(errors.BadInput):
        google.run(lambda g: g.read_sheet(google.named("Rules")))
    with pytest.raises(errors.BadInput):
        google.run(lambda g: g.search("  "))
    google.post("act", **{"as": "owner"}, do="restrict", file="Plan")
    with pytest.raises(errors.NotFound):
        google.run(lambda g: g.read_sheet(plan))
    google.post("act", **{"as": "owner"}, do="share", file="Plan", **{"with": "cadre"})
    with pytest.raises(errors.Forbidden):
        google.run(lambda g: g.apply(write(google), "op-2"))


def test_a_person_reads_with_their_own_rights(google: Standin):
    google.post("act", **{"as": "owner"}, do="restrict", file="Rules")
    google.post("act", **{"as": "owner"}, do="share", file="Rules", **{"with": "U7"})
    assert "Rules" not in [f.name for f in google.run(lambda g: g.list_files())]
    assert "Rules" in [f.name for f in google.run(lambda g: g.list_files(), user="U7")]


def test_an_endpoint_that_is_down_was_certainly_not_reached():
    workspace = GoogleWorkspace.open(base_url="http://127.0.0.1:9")
    with pytest.raises(errors.Unavailable, match="cannot be reached"):
        asyncio.run(workspace.apply(DOC, "op-1"))
    workspace.close()


def test_credentials_that_cannot_be_used_are_told_to_the_operator(tmp_path: Path):
    file = tmp_path / "key.json"
    file.write_text('{"type": "something"}')
    with pytest.raises(errors.SignInNeeded, match="unknown type 'something'"):
        GoogleWorkspace.open(credentials_file=str(file))
    with pytest.raises(errors.SignInNeeded, match="cannot be used"):
        GoogleWorkspace.open(credentials_file=str(tmp_path / "none.json"))


BYTES = b"PK\x03\x04 any bytes \r\n--boundary\r\n\x00\xff end\r\n"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def uploaded(google: Standin):
    return [f for f in google.run(lambda g: g.list_files()) if f.name == "Contract.docx"]


def test_a_file_arrives_as_it_is_in_the_folder_it_was_meant_for(google: Standin):
    change = FileUpload("Contract.docx", BYTES, WORD, google.named("Team"))
    preview = google.run(lambda g: g.preview(change))
    assert (preview.title, uploaded(google)) == ("Contract.docx", [])
    done = google.run(lambda g: g.apply(change, "op-1", preview.revision))
    (file,) = uploaded(google)
    assert (file.id, file.mime_type, file.parents) == (done.file_id, WORD, (google.named("Team"),))
    assert google.run(lambda g: g.download(file.id)) == BYTES
    assert done.url == file.url != ""


@pytest.mark.parametrize("kind", ["accept_then_drop", "drop"])
def test_a_file_whose_answer_was_lost_is_there_once(google: Standin, kind: str):
    change = FileUpload("Contract.docx", BYTES, WORD)
    google.fault("drive.files.create", kind)
    done, lost = google.run(lambda g: until_known(g, change, "op-1"))
    again = google.run(lambda g: g.apply(change, "op-1"))
    (file,) = uploaded(google)
    assert (lost, file.id, again.file_id, again.already) == (1, done.file_id, done.file_id, True)


def test_two_operations_make_two_files_and_a_preview_tells_them_apart(google: Standin):
    one, other = FileUpload("Contract.docx", BYTES, WORD), FileUpload("Contract.docx", BYTES + b"!", WORD)
    previews = [google.run(lambda g, c=c: g.preview(c)) for c in (one, other)]
    assert previews[0].sha256 != previews[1].sha256
    for at, change in enumerate((one, other)):
        google.run(lambda g, c=change, n=at: g.apply(c, f"op-{n}"))
    assert len(uploaded(google)) == 2


@pytest.mark.parametrize("change", [FileUpload(" ", BYTES, WORD), FileUpload("a.docx", b"", WORD)])
def test_a_file_without_name_or_content_is_refused(google: Standin, change: FileUpload):
    with pytest.raises(errors.BadInput):
        google.run(lambda g: g.preview(change))
