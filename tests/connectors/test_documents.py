"""Tables from bytes: what they are is decided by header words and values, never by a name."""

from __future__ import annotations

import gzip
import io
from decimal import Decimal

import openpyxl
import pytest

from connectors.documents import tables
from connectors.documents.columns import understand, write_long
from connectors.documents.tables import DocumentError, cell_text, grid_from_rows, read_grid, write_csv, write_grid
from connectors.documents.words import number_of, period_of

FORECAST = [
    ["FY26 plan, EUR"],
    [],
    ["Account", "Name", "Department", "Q1 2026", "Q2 2026", "Owner"],
    [4000, "Licences", "SALES", 100, 200.5, "Ann"],
    [],
    ["4100", "Service", "SALES", "1,250", None, "Bob"],
    ["Total", None, None, "=SUM(D4:D6)", "=SUM(E4:E6)"],
]


def xlsx(rows, title="Plan"):
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_wide_table_below_a_title_becomes_long_rows_with_the_cell_of_each_amount():
    found = understand(grid_from_rows("x", "Plan", FORECAST))
    assert [(r["account"], r["period"], r["amount"], r["_cell"]) for r in found.rows] == [
        ("4000", "2026-Q1", "100", "D4"), ("4000", "2026-Q2", "200.5", "E4"), ("4100", "2026-Q1", "1250", "D6"),
    ]  # fmt: skip
    assert found.unknown == ("Owner",) and found.problems == ()


@pytest.mark.parametrize("name", ["forecast.xlsx", "holiday photos.bin"])
def test_the_name_of_a_file_changes_nothing(name):
    [grid] = read_grid(xlsx(FORECAST), name)
    assert understand(grid).columns == ("period", "account", "name", "department", "amount")


@pytest.mark.parametrize(
    "data",
    [
        b"amount,Fund Code,year,Dept\n5,1010,FY19-20,Police\n",
        b"\xef\xbb\xbfDepartment;Fund;Fiscal year;Amount\r\nPolice;1010;FY19-20;5\r\n",
        gzip.compress(b"budget_year\tdepartment\tfund_code\tamount\nFY19-20\tPolice\t1010\t5\n", mtime=0),
        b"# Budget\n\n| Year | Dept. | Fund | Amount |\n|---|---|---|---:|\n| FY19-20 | Police | 1010 | $5 |\n",
    ],
    ids=["order", "semicolons", "gzip and tabs", "markdown"],
)
def test_order_spelling_and_format_of_a_budget_table_do_not_matter(data):
    [grid] = read_grid(data, "file")
    [row] = understand(grid).rows
    assert (row["period"], row["department"], row["fund"], row["amount"]) == ("FY19-20", "Police", "1010", "5")


def test_text_where_a_number_belongs_is_told_with_file_cell_and_value():
    [grid] = read_grid(b"account,period,amount\n1,2026-Q1,5\n2,2026-Q1,soon\n", "plan.csv")
    assert understand(grid).problems == ('plan.csv, cell C3: "soon" stands where a number belongs (column amount).',)


def test_a_total_that_its_rows_do_not_give_is_told():
    [grid] = read_grid(b"department,amount\nA,5\nB,6\nTotal,12\n", "t")
    found = understand(grid)
    assert len(found.rows) == 2
    assert found.problems == ("t, cell B4: the total says 12, the rows above it add up to 11 (column amount).",)


@pytest.mark.parametrize(("data", "words"), [(b"", "is empty"), (b"account,amount\n", "nothing below it")])
def test_an_empty_table_is_a_problem_in_words(data, words):
    [grid] = read_grid(data, "nothing.csv")
    assert words in understand(grid).problems[0] and "nothing.csv" in understand(grid).problems[0]


def test_a_sheet_of_prose_is_neither_a_table_nor_a_problem():
    found = understand(grid_from_rows("x", "Notes", [["Notes for readers"], ["All amounts are EUR."]]))
    assert found.rows == () and found.problems == ()


def test_units_and_prices_are_kept_as_one_row():
    rows = [["Product", "Account", "Dept", "Quarter", "Units", "Unit price"], ["A", "4000", "S", "Q3 2026", 10, 2.5]]
    [row] = understand(grid_from_rows("x", "Drivers", rows)).rows
    assert (row["period"], row["quantity"], row["unit_price"]) == ("2026-Q3", "10", "2.5")


def test_several_amount_columns_become_measures():
    [grid] = read_grid(b"department,Adopted,Adjusted\nPolice,5,6\n", "x")
    assert [(r["measure"], r["amount"]) for r in understand(grid).rows] == [("Adopted", "5"), ("Adjusted", "6")]


def test_long_rows_name_their_place(tmp_path):
    grid = grid_from_rows("x", "Plan", FORECAST)
    write_long(
        tmp_path / "a.csv",
        grid,
        understand(grid),
        "sheet:S1",
        lambda _, cell: f"http://g.test/d/S1#gid=4&range={cell}",
    )
    first = (tmp_path / "a.csv").read_text().splitlines()[1]
    assert first.endswith("sheet:S1/Plan!D4,http://g.test/d/S1#gid=4&range=D4")


def test_files_are_written_with_plain_decimals_and_the_row_of_the_source(tmp_path):
    write_csv(tmp_path / "a.csv", ("a", "b"), [(Decimal("1E+3"), 0.1), ("x,y", None)])
    assert (tmp_path / "a.csv").read_bytes() == b'a,b\r\n1000,0.1\r\n"x,y",\r\n'
    write_grid(tmp_path / "g.csv", grid_from_rows("x", "Plan", FORECAST))
    assert (tmp_path / "g.csv").read_text().splitlines()[2].startswith("6,4100,Service")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,234.50", "1234.50"), ("(1,200)", "-1200"), ("€ 5", "5"), ("1.234,50", "1234.50"), ("12,5", "12.5"),
        ("−3", "-3"), ("$-7", "-7"), ("-$7", "-7"), ("1 000 000", "1000000"), ("12%", None), ("soon", None), ("", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text, number):
    assert number_of(text) == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("column", "amounts"),
    [
        ("1.234,56 2.500 0,125 -1.200", ["1234.56", "2500", "0.125", "-1200"]),
        ("1,234.56 2,500 2.125", ["1234.56", "2500", "2.125"]),
        ("1.250 12,345 3", ["1.250", "12345", "3"]),
        ("0,123 4.000", ["0.123", "4000"]),
        ("1.5 0,25 1.250", ["1.5", "0.25", "1.250"]),
    ],
)
def test_one_decisive_number_settles_the_decimal_mark_of_its_column(column, amounts):
    rows = "".join(f"A;{amount}\n" for amount in column.split())
    found = understand(read_grid(f"Vendor;Amount\n{rows}".encode(), "x")[0])
    assert [row["amount"] for row in found.rows] == amounts and found.problems == ()


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("Q3 2026", "2026-Q3"), ("2026-Q3", "2026-Q3"), ("Q3'26", "2026-Q3"), ("FY26 Q3", "2026-Q3"),
        ("FY16-17", "FY16-17"), ("FY2019/20", "FY19-20"), ("Sep 2026", "2026-09"), ("2026-09", "2026-09"),
        ("2026", "2026"), ("4010", None), ("Quarter", None),
    ],
)  # fmt: skip
def test_periods_get_one_spelling(text, period):
    assert period_of(text) == period


def test_a_name_that_begins_like_a_total_stays_a_row_and_is_named():
    rows = b"Vendor,Amount\nAcme,100\nTotal Wine & More,500\nSum Holdings,40\nTotal Q1 2026,700\n"
    found = understand(read_grid(rows, "v.csv")[0])
    assert [(row["counterparty"], row["amount"]) for row in found.rows] == [
        ("Acme", "100"), ("Total Wine & More", "500"), ("Sum Holdings", "40"),
    ]  # fmt: skip
    assert 'row 3 ("Total Wine & More"), 4 ("Sum Holdings") begins like a total' in found.problems[0]
    assert "the total says 700, the rows above it add up to 640" in found.problems[1]


@pytest.mark.parametrize(
    "label",
    ["Total", "Totals:", "Sub-total 2026", "Total operating expenses", "Sum of all", "Total North", "Total Harbour"],
)
def test_a_total_is_told_by_its_words_by_a_label_above_or_by_its_sum(label):
    rows = f"department,amount\nNorth,5\nPier,6\n{label},11\nWest,1\n"
    found = understand(read_grid(rows.encode(), "x")[0])
    assert [row["department"] for row in found.rows] == ["North", "Pier", "West"] and found.problems == ()


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ("Respondent,Answer\nAnn,I like my team\nBob,The price is too high\n", ("Respondent", "Answer")),
        ("Ticket,Owner,State\nT-1,Ann,open\nT-2,Vendor team,Year total\nT-3,Bo,open\n", ("Ticket", "Owner", "State")),
        ("Score,Why\n4,fine\nteam,price\n5,good\n", ("Score", "Why")),
        ("Harbour,as agreed\nAccount,Amount\n4000,5\n", ("Account", "Amount")),
        ("Client:,Acme,\n,,\nName,Team,Amount\nAnn,North,5\n", ("Name", "Team", "Amount")),
    ],
)
def test_answers_that_hold_header_words_are_no_header(rows, columns):
    assert read_grid(rows.encode(), "x")[0].columns == columns


def test_equal_headers_are_told_apart_by_their_number():
    [grid] = read_grid(b"Actual,Actual,Actual (2),Actual,Name\n1,2,3,4,5\n", "x")
    assert grid.columns == ("Actual", "Actual (2)", "Actual (2) (2)", "Actual (3)", "Name")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x1f\x8bbroken", "not a readable gzip"),
        (b"PK\x03\x04broken", "not a readable XLSX"),
        (gzip.compress(b"a,b\n", mtime=0)[:-6], "ends too early"),
        (b"\x00\x01\xff\xfe", "not a text"),
    ],
)
def test_a_broken_file_is_refused_in_a_sentence(data, words):
    with pytest.raises(DocumentError, match=words):
        read_grid(data, "f")


def test_a_file_that_unpacks_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(tables, "MAX_UNPACKED", 1000)
    with pytest.raises(DocumentError, match="unpacks to more"):
        read_grid(gzip.compress(b"a,b\n" * 1000, mtime=0), "f.csv.gz")
    with pytest.raises(DocumentError, match="unpacks to more"):
        read_grid(xlsx([["a", "b"]] * 50), "f.xlsx")


def test_cells_lose_float_noise_and_exponents():
    assert [cell_text(v) for v in (1e21, 0.1, 3.0, True, None)] == ["1000000000000000000000", "0.1", "3", "TRUE", ""]
