"""Sheets of the stand-in, asked by Google's own client."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from google_harness import Google, refused, running, seed

from loopback.google import a1, formulas
from loopback.google.sheetmodel import Values, formatted, from_seed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    with running(seed(tmp_path_factory.mktemp("drive"))) as started:
        yield started


@pytest.fixture
def google(server: Google) -> Google:
    server.post("/_local/reset", {})
    return server


def values(google: Google, a1_range: str, option: str = "FORMATTED_VALUE", **more: str) -> Any:
    plan = google.named("Plan")
    reader = google.sheets().spreadsheets().values()
    got = reader.get(spreadsheetId=plan, range=a1_range, valueRenderOption=option, **more).execute()
    return got.get("values", [])


def batch(google: Google, *requests: Any) -> Any:
    plan = google.named("Plan")
    return google.sheets().spreadsheets().batchUpdate(spreadsheetId=plan, body={"requests": list(requests)})


def metadata(number: int) -> dict[str, Any]:
    entry = {"metadataId": number, "metadataKey": "op", "metadataValue": "v", "visibility": "DOCUMENT"}
    return {"createDeveloperMetadata": {"developerMetadata": {**entry, "location": {"spreadsheet": True}}}}


def test_values_are_shown_computed_or_as_formulas(google: Google):
    assert values(google, "Costs!A5:C5") == [["Total", "1200.6", "2401.2"]]
    assert values(google, "Costs!B3:C5", "UNFORMATTED_VALUE") == [[0.1, 0.2], [1200.5, 2401], [1200.6, 2401.2]]
    assert values(google, "Costs!B5:C5", "FORMULA") == [["=SUM(B3:B4)", "=SUM(C3:C4)"]]
    assert values(google, "'Q3 notes'!A1:C1") == [["400.2", "=FOO(1)", "#DIV/0!"]]


def test_empty_ends_are_left_out_and_columns_can_come_first(google: Google):
    assert values(google, "Costs!A1:Z3") == [
        ["Plan for the year"],
        ["Account", "Q1 2026", "Q2 2026"],
        ["6100", "0.1", "0.2"],
    ]
    assert values(google, "Costs!A3:B4", majorDimension="COLUMNS") == [["6100", "6200"], ["0.1", "1200.5"]]
    assert values(google, "Costs!F90:G95") == []


@pytest.mark.parametrize("bad", ["Nope!A1", "Costs!A0", "Costs!1A", "Costs!C3:A1", "A1:B2:C3"])
def test_a_range_that_is_none_cannot_be_parsed(google: Google, bad: str):
    plan = google.named("Plan")
    status, error = refused(google.sheets().spreadsheets().values().get(spreadsheetId=plan, range=bad))
    assert (status, error["message"]) == (400, f"Unable to parse range: {bad}")


def test_raw_input_stays_text_and_entered_input_is_read(google: Google):
    plan, writer = google.named("Plan"), google.sheets().spreadsheets().values()
    rows = {"values": [["=1+1", "1,234.50", "TRUE", "5%"]]}
    writer.update(spreadsheetId=plan, range="Costs!A10", valueInputOption="RAW", body=rows).execute()
    writer.update(spreadsheetId=plan, range="Costs!A11", valueInputOption="USER_ENTERED", body=rows).execute()
    assert values(google, "Costs!A10:D11") == [["=1+1", "1,234.50", "TRUE", "5%"], ["2", "1,234.50", "TRUE", "5%"]]
    assert values(google, "Costs!A11:D11", "UNFORMATTED_VALUE") == [[2, 1234.5, True, 0.05]]


def test_writing_needs_an_input_option_and_stays_in_its_range(google: Google):
    plan, writer = google.named("Plan"), google.sheets().spreadsheets().values()
    body = {"values": [["a", "b"]]}
    status, error = refused(writer.update(spreadsheetId=plan, range="Costs!A1:A2", body=body))
    assert (status, error["message"]) == (400, "'valueInputOption' is required but not specified")
    request = writer.update(spreadsheetId=plan, range="Costs!A1:A2", valueInputOption="RAW", body=body)
    assert "tried writing outside" in refused(request)[1]["message"]


def test_a_batch_of_values_is_written_as_a_whole(google: Google):
    plan, writer = google.named("Plan"), google.sheets().spreadsheets().values()
    data = [{"range": "Costs!A20", "values": [["x"]]}, {"range": "Nope!A1", "values": [["y"]]}]
    body = {"valueInputOption": "RAW", "data": data}
    assert refused(writer.batchUpdate(spreadsheetId=plan, body=body))[0] == 400
    assert values(google, "Costs!A20") == []
    answer = writer.batchUpdate(spreadsheetId=plan, body={**body, "data": data[:1]}).execute()
    assert answer["totalUpdatedCells"] == 1


def test_append_goes_below_the_table_and_clear_empties(google: Google):
    plan, writer = google.named("Plan"), google.sheets().spreadsheets().values()
    body = {"values": [["6300", 7]]}
    done = writer.append(spreadsheetId=plan, range="Costs!A1", valueInputOption="RAW", body=body).execute()
    assert done["updates"]["updatedRange"] == "Costs!A6:B6"
    writer.clear(spreadsheetId=plan, range="Costs!A6:B6", body={}).execute()
    assert values(google, "Costs!A6:B6") == []


def test_the_grid_has_entered_effective_and_formatted_values(google: Google):
    plan = google.named("Plan")
    request = google.sheets().spreadsheets().get(spreadsheetId=plan, ranges=["Costs!C5"], includeGridData=True)
    grid = request.execute()["sheets"][0]["data"][0]
    assert (grid["startRow"], grid["startColumn"]) == (4, 2)
    assert grid["rowData"][0]["values"][0] == {
        "userEnteredValue": {"formulaValue": "=SUM(C3:C4)"},
        "effectiveValue": {"numberValue": 2401.2},
        "formattedValue": "2401.2",
    }


def test_a_repeated_metadata_id_fails_the_whole_batch(google: Google):
    add = {"addSheet": {"properties": {"title": "One"}}}
    batch(google, metadata(77), add).execute()
    status, error = refused(batch(google, {"addSheet": {"properties": {"title": "Two"}}}, metadata(77)))
    assert status == 400
    assert error["message"].endswith("Developer metadata with ID 77 already exists.")
    plan = google.sheets().spreadsheets().get(spreadsheetId=google.named("Plan")).execute()
    assert [s["properties"]["title"] for s in plan["sheets"]] == ["Costs", "Q3 notes", "One"]
    lookup = {"dataFilters": [{"developerMetadataLookup": {"metadataId": 77}}]}
    search = google.sheets().spreadsheets().developerMetadata().search
    found = search(spreadsheetId=google.named("Plan"), body=lookup).execute()["matchedDeveloperMetadata"]
    assert found[0]["developerMetadata"]["metadataValue"] == "v"


def test_update_cells_clears_what_its_rows_do_not_cover(google: Google):
    rows = [{"values": [{"userEnteredValue": {"stringValue": "only"}}]}]
    batch(google, {"updateCells": {"range": {"sheetId": 0}, "rows": rows, "fields": "userEnteredValue"}}).execute()
    assert values(google, "Costs") == [["only"]]


def test_cells_keep_the_fields_that_a_mask_leaves_out(google: Google):
    bold = {"userEnteredFormat": {"textFormat": {"bold": True}}}
    where = {"sheetId": 0, "startRowIndex": 1, "endRowIndex": 2, "endColumnIndex": 2}
    repeat = {"range": where, "cell": bold, "fields": "userEnteredFormat.textFormat.bold"}
    batch(google, {"repeatCell": repeat}).execute()
    assert values(google, "Costs!A2") == [["Account"]]
    wrong = {**repeat, "fields": "userEnteredFormat.colour"}
    assert refused(batch(google, {"repeatCell": wrong}))[0] == 400


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"addSheet": {"properties": {"title": "costs"}}}, "already exists"),
        ({"deleteSheet": {"sheetId": 5}}, "No grid with id: 5"),
        ({"updateCells": {"range": {"sheetId": 0}, "rows": []}}, "At least one field"),
        ({"updateSheetProperties": {"properties": {"title": ""}, "fields": "title"}}, "sheet name"),
    ],
)
def test_impossible_requests_are_refused_with_the_reason(google: Google, request_: Any, words: str):
    status, error = refused(batch(google, request_))
    assert status == 400
    assert words in error["message"]


def test_an_unknown_request_is_no_field(google: Google):
    status, error = refused(batch(google, {"paintSheet": {}}))
    assert status == 400
    assert "Unknown name \"paintSheet\" at 'requests[0]'" in error["message"]


def test_a_new_spreadsheet_has_the_asked_tabs(google: Google):
    sheets = google.sheets().spreadsheets()
    body = {"properties": {"title": "New"}, "sheets": [{"properties": {"title": "A", "sheetId": 5}}]}
    made = sheets.create(body=body).execute()
    assert [s["properties"]["sheetId"] for s in made["sheets"]] == [5]


def test_the_page_marks_the_cell_of_the_link(google: Google):
    status, page = google.get(f"/spreadsheets/d/{google.named('Plan')}/edit?gid=0&range=C5")
    assert status == 200
    assert '<td id="C5" class="n hit "' in page
    assert "=SUM(C3:C4)" in page


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        ("=0.1+0.2", "0.3"),
        ("=(1+2)*-3", "-9"),
        ("=10/4", "2.5"),
        ("=2/3*3", "2"),
        ("=SUM(A1:A2, 1)", "4"),
        ("=ROUND(2.345, 2)", "2.35"),
        ("=A3+1", "#VALUE!"),
        ("=A9", ""),
        ("=D1", "#REF!"),
        ("=VLOOKUP(1, A1:B2)", "=VLOOKUP(1, A1:B2)"),
        ("=1+", "=1+"),
    ],
)
def test_formulas_are_exact_or_shown_as_entered(formula: str, shown: str):
    book = from_seed({"tabs": [{"title": "T", "rows": [[1, None, None, formula], [2], ["text"]]}]})
    assert Values(book).shown(book.tabs[0], 0, 3) == shown


def test_a_long_chain_of_running_totals_is_computed():
    rows: list[list[Any]] = [[1]] + [[f"=A{n}+1"] for n in range(1, 2000)]
    book = from_seed({"tabs": [{"title": "T", "rows": rows}]})
    assert Values(book).value(book.tabs[0], 1999, 0) == Decimal(2000)


def test_what_is_no_formula_is_not_understood():
    with pytest.raises(formulas.NotUnderstood):
        formulas.evaluate("=a b", lambda *_: None)


@pytest.mark.parametrize(
    ("number", "pattern", "shown"),
    [("1234.5", "#,##0.00", "1,234.50"), ("-0.004", "0.00", "0.00"), ("0.25", "0%", "25%"), ("7", "", "7")],
)
def test_numbers_follow_simple_patterns(number: str, pattern: str, shown: str):
    assert formatted(Decimal(number), pattern) == shown


@pytest.mark.parametrize("index", [0, 25, 26, 701, 702, 18277])
def test_column_names_count_both_ways(index: int):
    assert a1.column_index(a1.column_name(index)) == index


def test_a_quoted_tab_may_hold_any_sign():
    assert a1.parse("'It''s!'!B2", []) == a1.Area("It's!", 1, 1, 2, 2)
