"""Plain-text books are read by their own program in a process of its own, and agree with its own query."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.ledger.books import Books
from connectors.ledger.lines import LedgerError
from connectors.ledger.reading import read_folder

EXAMPLE = Path(__file__).parents[2].parent / "shared" / "data" / "ledger" / "example.beancount.gz"
PYTHON = os.environ.get("CADRE_BEANCOUNT_PYTHON") or sys.executable
INSTALLED = subprocess.run([PYTHON, "-c", "import beancount"], capture_output=True, check=False).returncode == 0
with_library = pytest.mark.skipif(
    not INSTALLED, reason="Beancount is an extra: `make beancount` installs it apart and runs this"
)

QUERY = """
import gzip, json, sys
from beancount import loader
import beanquery
from beanquery.sources import beancount as source
entries, errors, options = loader.load_string(gzip.decompress(open(sys.argv[1], "rb").read()).decode())
open(sys.argv[2], "w").write(gzip.decompress(open(sys.argv[1], "rb").read()).decode())
connection = beanquery.connect("beancount:" + sys.argv[2])
rows = connection.execute("SELECT account, year, quarter(date), sum(weight) GROUP BY account, year, quarter(date)").fetchall()
found = []
for account, year, quarter, weight in rows:
    for position in weight:
        found.append([account, str(year), str(quarter), str(position.units.number), position.units.currency])
print(json.dumps(found))
"""
SMALL = """
option "operating_currency" "EUR"
2026-01-01 open Assets:Bank
2026-01-01 open Income:Fees
2026-01-01 open Expenses:Rent
2026-01-05 * "Harbour" "Fee" ^inv-7
  Assets:Bank      100.00 EUR
  Income:Fees     -100.00 EUR
2026-05-02 * "Rent in dollars"
  Expenses:Rent     50.00 USD @ 0.90 EUR
  Assets:Bank      -45.00 EUR
2026-05-03 * "Does not balance"
  Expenses:Rent      1.00 EUR
  Assets:Bank       -2.00 EUR
"""


@with_library
def test_a_small_ledger_is_read_with_its_places_types_and_complaints(tmp_path):
    (tmp_path / "books.beancount").write_text(SMALL)
    contents = read_folder(tmp_path)
    first = contents.lines[0]
    assert (first.account, first.debit, first.period, first.counterparty, first.document) == (
        "Assets:Bank",
        100,
        "2026-Q1",
        "Harbour",
        "inv-7",
    )
    assert first.source == "books.beancount, line 6" and contents.accounts["Income:Fees"].type == "revenue"
    rent = next(line for line in contents.lines if line.currency == "USD")
    assert (rent.debit, rent.debit_base) == (50, 45)
    assert any("does not balance" in sentence.lower() for sentence in contents.not_entries)


@with_library
@pytest.mark.skipif(sys.platform != "linux", reason="walls are built on Linux")
def test_a_plugin_of_a_ledger_reaches_nothing_outside(tmp_path):
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "evil.py").write_text("open('/tmp/cadre-was-here', 'w').write('x')\n__plugins__ = ()\n")
    (tmp_path / "ledger" / "books.beancount").write_text(f'option "insert_pythonpath" "True"\nplugin "evil"\n{SMALL}')
    contents = read_folder(tmp_path)
    assert contents.lines == () and "Permission denied" in contents.not_entries[0]
    assert not Path("/tmp/cadre-was-here").exists()


@with_library
@pytest.mark.skipif(not EXAMPLE.exists(), reason="the shared data does not lie beside the checkout")
def test_balances_by_account_and_quarter_are_those_of_its_own_query(tmp_path):
    shutil.copy(EXAMPLE, tmp_path)
    asked = subprocess.run(
        [PYTHON, "-c", QUERY, str(EXAMPLE), str(tmp_path.parent / f"{tmp_path.name}.beancount")],
        capture_output=True,
        check=True,
    )
    wanted = {}
    for account, year, quarter, number, currency in json.loads(asked.stdout):
        name = account if currency == "USD" else f"{account} ({currency})"
        wanted[name, f"{year}-Q{quarter[-1]}"] = Decimal(number)
    ours = defaultdict(Decimal)
    contents = Books(tmp_path).contents
    for line in contents.lines:
        ours[line.account, line.period] += line.amount
    assert {key: value for key, value in ours.items() if value} == {
        key: value for key, value in wanted.items() if value
    }
    assert len(wanted) > 200 and len({line.entry_id for line in contents.lines}) == 1_146


@pytest.mark.skipif(INSTALLED, reason="Beancount is installed")
def test_without_the_library_it_says_what_to_install(tmp_path):
    (tmp_path / "books.beancount").write_text(SMALL)
    with pytest.raises(LedgerError, match=r"pip install 'cadre\[beancount\]'"):
        _ = Books(tmp_path).contents
