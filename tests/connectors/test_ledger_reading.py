"""Any folder of tables: understood by columns and values, never by file name; what is wrong is named."""

import gzip
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from connectors.ledger.books import Books, Filter
from connectors.ledger.lines import LedgerError

OAKLAND = Path(__file__).parents[3] / "shared" / "data" / "budget"


def books(folder: Path, **files: str) -> Books:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return Books(folder)


def test_signed_amounts_with_dates_become_debits_and_credits_of_quarters(tmp_path):
    found = books(
        tmp_path,
        x="Journal No;Posting Date;GL Account;Cost Centre;Supplier;Amount\n"
        "1;31.03.2025;400;A;Ebb;-1.250,50\n1;31.03.2025;100;;Ebb;1.250,50\n2;01.04.2025;400;A;Flow;-7,00\n2;01.04.2025;100;;Flow;7,00\n",
    )
    assert list(found.periods) == ["2025-Q1", "2025-Q2"]
    (balance, _) = found.balances(found.periods["2025-Q1"])[::-1]
    assert (balance.account.account, balance.department, balance.credit) == ("400", "A", Decimal("1250.50"))
    assert [line.entry_id for line in found.search(Filter(counterparty="flow"))] == ["2", "2"]
    assert found.imbalances("2025-Q1") == []


def test_compressed_files_and_workbooks_are_read_by_their_columns(tmp_path):
    text = "Entry,Date,Account,Debit,Credit\nA,2025-05-02,100,10.10,\nA,2025-05-02,200,,10.10\n"
    (tmp_path / "notes.csv.gz").write_bytes(gzip.compress(text.encode()))
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(["Bookings of May"])
    sheet.append(["Entry", "Date", "Account", "Debit", "Credit"])
    sheet.append(["B", "2025-05-03", "100", 0.1, None])
    sheet.append(["B", "2025-05-03", "200", None, 0.2])
    workbook.save(tmp_path / "picture.xlsx")
    found = Books(tmp_path)
    assert set(found.entries) == {"A", "B"}
    (imbalance,) = found.imbalances("2025-Q2")
    assert (imbalance.entry_id, imbalance.debit - imbalance.credit) == ("B", Decimal("-0.1"))


def test_foreign_amounts_are_converted_at_the_rate_of_their_row(tmp_path):
    found = books(
        tmp_path,
        x="entry,date,account,currency,debit,credit,rate\n1,2025-01-02,100,USD,10.01,,0.9155\n1,2025-01-02,200,USD,,10.01,0.9155\n"
        "2,2025-01-03,100,EUR,5,,1\n2,2025-01-03,200,EUR,,5,1\n",
    )
    assert found.entries["1"][0].debit_base == Decimal("9.16")
    assert found.base_currency == "EUR"


def test_a_chart_of_accounts_is_found_and_missing_types_stay_unknown(tmp_path):
    found = books(
        tmp_path,
        a="Account,Name,Type\n100,Bank,Asset\n",
        b="entry,date,account,debit,credit\n1,2025-01-02,100,1,\n1,2025-01-02,200,,1\n",
    )
    assert {x.account: (x.name, x.type) for x in found.accounts.values()} == {
        "100": ("Bank", "asset"),
        "200": ("", "unknown"),
    }


def test_columns_that_are_not_understood_are_named(tmp_path):
    found = books(tmp_path, x="entry,date,account,debit,credit,zebra\n1,2025-01-02,100,1,1,stripes\n")
    assert found.contents.unknown_columns == ("x.csv: zebra",)


def test_lines_without_entry_numbers_are_not_called_unbalanced(tmp_path):
    found = books(tmp_path, x="date,account,amount\n2025-01-02,100,5\n2025-01-02,200,-5\n")
    assert found.imbalances("2025-Q1") == [] and len(found.contents.lines) == 2


def test_a_row_of_totals_is_left_out(tmp_path):
    found = books(tmp_path, x="entry,date,account,debit,credit\n1,2025-01-02,100,3,3\nTotal,,,3,3\n")
    assert [line.entry_id for line in found.contents.lines] == ["1"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("entry,date,account,debit,credit\n1,2025-01-02,100,ten,\n", ("x.csv, line 2", "debit", "ten")),
        ("entry,date,account,debit,credit\n1,someday,100,1,\n", ("x.csv, line 2", "date", "someday")),
        ("entry,date,account,debit,credit\n1,03/04/2025,100,1,\n", ("x.csv, line 2", "03/04/2025", "certain")),
        ("entry,date,account,debit,credit\n1,2025-02-30,100,1,\n", ("x.csv, line 2", "2025-02-30")),
        ("entry,date,account,debit,credit\n1,2025-01-02,,1,\n", ("x.csv, line 2", "no account")),
    ],
)
def test_a_wrong_cell_is_named_with_file_line_column_and_value(tmp_path, text, named):
    with pytest.raises(LedgerError) as error:
        _ = books(tmp_path, x=text).periods
    assert all(part in str(error.value) for part in named)


def test_slashed_dates_are_read_once_one_of_them_shows_the_order(tmp_path):
    found = books(tmp_path, x="entry,date,account,debit,credit\n1,03/04/2025,100,1,1\n2,12/31/2025,100,1,1\n")
    assert [str(line.date) for line in found.contents.lines] == ["2025-03-04", "2025-12-31"]


def test_a_folder_without_entries_says_so_and_why(tmp_path):
    with pytest.raises(LedgerError, match=r"holds no ledger entries.*no CSV, XLSX, Beancount or journal"):
        _ = Books(tmp_path).periods
    with pytest.raises(LedgerError, match=r"x\.csv: no debit, credit or amount"):
        _ = books(tmp_path, x="name,town\nAda,London\n").periods


def test_a_plan_by_quarter_is_not_taken_for_bookings(tmp_path):
    with pytest.raises(LedgerError, match="planned amounts"):
        _ = books(tmp_path, x="account,period,budget\n100,2025-Q1,5\n").periods


@pytest.mark.skipif(not OAKLAND.is_dir(), reason="the shared budget files are not here")
def test_a_city_budget_is_not_taken_for_bookings():
    with pytest.raises(LedgerError, match="holds no ledger entries"):
        _ = Books(OAKLAND).periods
