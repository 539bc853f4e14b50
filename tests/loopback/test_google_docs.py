"""Docs of the stand-in, asked by Google's own client."""

from collections.abc import Iterator
from typing import Any

import pytest
from google_harness import Google, refused, running, seed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    with running(seed(tmp_path_factory.mktemp("drive"))) as started:
        yield started


@pytest.fixture
def google(server: Google) -> Google:
    server.post("/_local/reset", {})
    return server


def new(google: Google) -> tuple[Any, str]:
    documents = google.docs().documents()
    return documents, documents.create(body={"title": "New"}).execute()["documentId"]


def batch(documents: Any, doc: str, *requests: Any, **control: str) -> Any:
    body: dict[str, Any] = {"requests": list(requests)}
    if control:
        body["writeControl"] = control
    return documents.batchUpdate(documentId=doc, body=body)


def insert(index: int, text: str) -> dict[str, Any]:
    return {"insertText": {"location": {"index": index}, "text": text}}


def text_of(documents: Any, doc: str) -> str:
    content = documents.get(documentId=doc).execute()["body"]["content"]
    runs = [e["textRun"]["content"] for p in content if "paragraph" in p for e in p["paragraph"]["elements"]]
    return "".join(runs)


def test_a_document_has_headings_links_lists_and_tables_at_their_places(google: Google):
    found = google.docs().documents().get(documentId=google.named("Rules")).execute()
    content = found["body"]["content"]
    assert content[0]["endIndex"] == 1
    assert content[1]["paragraph"]["paragraphStyle"]["namedStyleType"] == "HEADING_1"
    runs = [e["textRun"] for e in content[2]["paragraph"]["elements"]]
    assert runs[1] == {"content": "first", "textStyle": {"bold": True}}
    assert runs[3]["textStyle"]["link"] == {"url": "https://example.com/a"}
    assert content[3]["paragraph"]["bullet"]["listId"] in found["lists"]
    table = content[5]["table"]
    assert (table["rows"], table["columns"]) == (2, 2)
    assert [b["startIndex"] for b in content[2:]] == [a["endIndex"] for a in content[1:-1]]


def test_indexes_count_utf16_units(google: Google):
    documents, doc = new(google)
    batch(documents, doc, insert(1, "a😀b"), insert(4, "|")).execute()
    assert text_of(documents, doc) == "a😀|b\n"


def test_a_table_takes_the_indexes_that_docs_gives_it(google: Google):
    documents, doc = new(google)
    batch(documents, doc, {"insertTable": {"location": {"index": 1}, "rows": 2, "columns": 2}}).execute()
    content = documents.get(documentId=doc).execute()["body"]["content"]
    cells = [c["content"][0]["startIndex"] for r in content[2]["table"]["tableRows"] for c in r["tableCells"]]
    assert (content[2]["startIndex"], cells) == (2, [5, 7, 10, 12])


def test_a_batch_is_all_or_nothing(google: Google):
    documents, doc = new(google)
    status, error = refused(batch(documents, doc, insert(1, "kept?"), insert(99, "no")))
    assert status == 400
    assert error["message"].startswith("Invalid requests[1].insertText: Index 99 must be less than")
    assert text_of(documents, doc) == "\n"


def test_a_stale_revision_is_refused_and_the_latest_accepted(google: Google):
    documents, doc = new(google)
    first = documents.get(documentId=doc).execute()["revisionId"]
    answer = batch(documents, doc, insert(1, "one"), requiredRevisionId=first).execute()
    status, error = refused(batch(documents, doc, insert(1, "two"), requiredRevisionId=first))
    assert status == 400
    assert "does not match the latest revision" in error["message"]
    batch(documents, doc, insert(1, "2 "), **answer["writeControl"]).execute()
    assert text_of(documents, doc) == "2 one\n"


def test_an_unknown_field_is_named_with_its_path(google: Google):
    documents, doc = new(google)
    wrong = {"insertText": {"location": {"index": 1, "colour": "red"}, "text": "x"}}
    status, error = refused(batch(documents, doc, wrong))
    path = "requests[0].insert_text.location"
    assert status == 400
    assert (
        error["message"] == f"Invalid JSON payload received. Unknown name \"colour\" at '{path}': Cannot find field."
    )
    assert error["details"][0]["fieldViolations"][0]["field"] == path


def test_a_wrong_type_is_named_with_its_path(google: Google):
    documents, doc = new(google)
    status, error = refused(batch(documents, doc, {"insertText": {"location": {"index": "one"}}}))
    assert status == 400
    assert error["message"] == "Invalid value at 'requests[0].insert_text.location.index' (TYPE_INT32), \"one\""


def test_styles_apply_to_their_range_and_only_their_fields(google: Google):
    documents, doc = new(google)
    bold = {"range": {"startIndex": 1, "endIndex": 4}, "textStyle": {"bold": True, "italic": True}, "fields": "bold"}
    head = {"range": {"startIndex": 1, "endIndex": 2}, "paragraphStyle": {"namedStyleType": "HEADING_2"}}
    requests = (insert(1, "one two"), {"updateTextStyle": bold})
    batch(documents, doc, *requests, {"updateParagraphStyle": {**head, "fields": "namedStyleType"}}).execute()
    paragraph = documents.get(documentId=doc).execute()["body"]["content"][1]["paragraph"]
    assert [e["textRun"]["textStyle"] for e in paragraph["elements"]] == [{"bold": True}, {}]
    assert paragraph["paragraphStyle"]["namedStyleType"] == "HEADING_2"


def test_bullets_read_their_depth_from_tabs_and_remove_them(google: Google):
    documents, doc = new(google)
    span = {"startIndex": 1, "endIndex": 8}
    preset = {"range": span, "bulletPreset": "BULLET_DISC_CIRCLE_SQUARE"}
    batch(documents, doc, insert(1, "a\n\tb\nc"), {"createParagraphBullets": preset}).execute()
    content = documents.get(documentId=doc).execute()["body"]["content"][1:]
    assert [p["paragraph"]["bullet"].get("nestingLevel", 0) for p in content] == [0, 1, 0]
    assert text_of(documents, doc) == "a\nb\nc\n"


def test_named_ranges_move_with_the_text(google: Google):
    documents, doc = new(google)
    named = {"name": "mark", "range": {"startIndex": 1, "endIndex": 4}}
    batch(documents, doc, insert(1, "abc"), {"createNamedRange": named}, insert(1, "> ")).execute()
    found = documents.get(documentId=doc).execute()["namedRanges"]["mark"]["namedRanges"][0]
    assert found["ranges"] == [{"startIndex": 3, "endIndex": 6}]


def test_text_is_replaced_everywhere(google: Google):
    documents, doc = new(google)
    change = {"containsText": {"text": "cat", "matchCase": False}, "replaceText": "dog"}
    answer = batch(documents, doc, insert(1, "cat Cat catalog"), {"replaceAllText": change}).execute()
    assert answer["replies"][1] == {"replaceAllText": {"occurrencesChanged": 3}}
    assert text_of(documents, doc) == "dog dog dogalog\n"


def test_the_last_newline_and_half_a_table_cannot_be_deleted(google: Google):
    documents, doc = new(google)
    batch(documents, doc, {"insertTable": {"location": {"index": 1}, "rows": 1, "columns": 1}}).execute()
    end = documents.get(documentId=doc).execute()["body"]["content"][-1]["endIndex"]
    for start, stop in ((end - 1, end), (2, 4), (4, 6)):
        request = {"deleteContentRange": {"range": {"startIndex": start, "endIndex": stop}}}
        assert refused(batch(documents, doc, request))[0] == 400


def test_a_request_that_is_not_offered_says_so(google: Google):
    documents, doc = new(google)
    status, error = refused(batch(documents, doc, {"insertPageBreak": {"location": {"index": 1}}}))
    assert (status, error["status"]) == (501, "UNIMPLEMENTED")


def test_tabs_hold_the_content_when_asked_for(google: Google):
    doc = google.named("Rules")
    found = google.docs().documents().get(documentId=doc, includeTabsContent=True).execute()
    assert "body" not in found
    assert found["tabs"][0]["documentTab"]["body"]["content"]


def test_the_page_of_a_document_is_escaped(google: Google):
    documents, doc = new(google)
    batch(documents, doc, insert(1, "<script>alert(1)</script>")).execute()
    status, page = google.get(f"/document/d/{doc}/edit?theme=dark")
    assert status == 200
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
