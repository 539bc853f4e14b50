"""Journals of ledger and hledger: what is read equals what was written, what is not is named, nothing leads outside."""

from __future__ import annotations

import csv
import gzip
import os
import tempfile
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.ledger.amounts import Amount, Marks
from connectors.ledger.books import Books
from connectors.ledger.lines import Contents, LedgerError
from connectors.ledger.reading import read_folder
from connectors.ledger.server import Answers, Sources
from loopback.company import generate, write

# Tern & Loom, a weaving mill that does not exist.
MILL = """\
; the mill's books
commodity 1,000.00 EUR
D 1,000.00 EUR
account Drawings          ; type:E, of the owner
account Shop
    ; type: X
P 2026-01-01 USD 0.90 EUR

2026-01-02=2026-02-01 * (INV-7) Harbour | Cloth for sails  ; department: SALES
    Assets:Bank account\t1,234.56 EUR  = 1,234.56 EUR
    Income:Cloth sales
2026/4/3 ! Yarn
    ; vendor: Ebb Yarns
    Expenses:Yarn           100 USD @ 0.90 EUR  ; department:MILL
    Expenses:Freight         10 USD @@ 9.10 EUR
    Assets:Bank account
2026.4.9 Rent
    Shop:Rent                40
    Drawings                -40
    (Plan:Rent)             -40
    [Plan:Reserve]           -5
    [Assets:Bank account]     5
"""


def contents(folder: Path, **files: str) -> Contents:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return read_folder(folder)


def sums(found: Contents) -> dict[str, Decimal]:
    by: dict[str, Decimal] = defaultdict(Decimal)
    for line in found.lines:
        by[line.account] += line.amount
    return dict(by)


def entry(*postings: str) -> str:
    return "2026-01-02 x\n" + "".join(f"    {posting}\n" for posting in postings)


def test_an_entry_keeps_its_day_party_code_tags_and_place(tmp_path):
    line, income = contents(tmp_path, mill_journal=MILL).lines[:2]
    assert (str(line.date), line.period, line.account) == ("2026-01-02", "2026-Q1", "Assets:Bank account")
    assert (line.counterparty, line.description, line.document) == ("Harbour", "Cloth for sails", "INV-7")
    assert (line.department, line.source, line.currency) == ("SALES", "mill.journal, line 10", "EUR")
    assert (income.account, income.credit, income.source) == (
        "Income:Cloth sales",
        Decimal("1234.56"),
        "mill.journal, line 11",
    )


def test_prices_weigh_and_the_amount_left_out_balances_them(tmp_path):
    found = contents(tmp_path, mill_journal=MILL)
    yarn, freight, bank = found.lines[2:5]
    assert (yarn.debit, yarn.debit_base, yarn.currency, yarn.department) == (100, 90, "USD", "MILL")
    assert (freight.debit, freight.debit_base, freight.counterparty) == (10, Decimal("9.10"), "Ebb Yarns")
    assert (bank.credit, bank.currency) == (Decimal("99.10"), "EUR")


def test_types_come_from_the_first_segment_or_the_declared_account_above(tmp_path):
    accounts = contents(tmp_path, mill_journal=MILL).accounts
    types = {name: accounts[name].type for name in ("Assets:Bank account", "Income:Cloth sales", "Expenses:Yarn")}
    assert list(types.values()) == ["asset", "revenue", "expense"]
    assert (accounts["Drawings"].type, accounts["Shop:Rent"].type) == ("equity", "expense")
    assert accounts["Plan:Reserve"].type == "unknown"


def test_round_brackets_stay_out_and_are_counted_and_square_ones_stay_in(tmp_path):
    found = contents(tmp_path, mill_journal=MILL)
    assert "Plan:Rent" not in sums(found) and sums(found)["Plan:Reserve"] == -5
    assert found.not_entries == (
        "mill.journal: 1 virtual posting in round brackets, which need not balance, left out.",
    )


def test_the_tools_answer_over_a_journal_as_over_a_table(tmp_path):
    contents(tmp_path, mill_journal=MILL)
    ask = Answers(Books(tmp_path), Sources("http://pages.example"))
    assert [(p.period, p.entries) for p in ask.periods().periods] == [("2026-Q1", 1), ("2026-Q2", 2)]
    assert ask.periods().base_currency == "EUR"
    second = ask.trial_balance("2026-Q2")
    assert (second.difference, second.imbalances) == ("0.00", [])
    yarn = next(row for row in second.rows if row.account == "Expenses:Yarn")
    assert (yarn.balance, yarn.department, yarn.type) == ("90.00", "MILL", "expense")
    activity = ask.rows(ask.books.activity("Assets:Bank account", None, None, None))
    assert [row.amount for row in activity] == ["1234.56", "-99.10", "5.00"]
    assert ask.entry(activity[0].entry_id).difference == "0.00"


def test_a_journal_has_the_trial_balance_of_the_table_of_the_same_entries(tmp_path):
    write(generate(11, small=True), tmp_path / "company")
    table = tmp_path / "company" / "ledger" / "entries.csv"
    entries: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines()):
        entries[row["entry_id"]].append(row)
    text = "D 1000.00 EUR\n"
    for name, rows in entries.items():
        text += f"\n{rows[0]['date']} * ({name}) {rows[0]['description']}\n"
        for row in rows:
            units, base = (Decimal(row[f"debit{s}"]) - Decimal(row[f"credit{s}"]) for s in ("", "_base"))
            price = "" if units == base else f" @@ {abs(base)} EUR"
            text += f"    {row['account']}  {units} {row['currency']}{price}  ; department: {row['department']}\n"
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "books.journal").write_text(text, encoding="utf-8")
    ours, theirs = (
        Answers(Books(folder), Sources("")) for folder in (tmp_path / "plain", tmp_path / "company" / "ledger")
    )
    assert [p.period for p in theirs.periods().periods] == ["2026-Q1", "2026-Q2", "2026-Q3"]
    for period in ("2026-Q1", "2026-Q2", "2026-Q3"):
        one, other = ours.trial_balance(period), theirs.trial_balance(period)
        columns = ("account", "department", "debit", "credit", "balance", "entries")
        wanted = [[getattr(row, name) for name in columns] for row in other.rows]
        assert [[getattr(row, name) for name in columns] for row in one.rows] == wanted
        assert (one.total_debit, one.difference) == (other.total_debit, other.difference)
        assert [i.difference for i in one.imbalances] == [i.difference for i in other.imbalances]


cents = st.integers(-(10**11), 10**11).map(lambda n: Decimal(n).scaleb(-2))
names = st.sampled_from(
    ["Assets:Bank", "Assets:Petty cash", "Income:Fees", "Expenses:Rent and heat", "Equity:Öffnung"]
)
STYLES = ("{sign}{n} EUR", "EUR {sign}{n}", "{sign}EUR {n}", "EUR{sign}{n}", "{sign}{n}EUR")


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_balanced_journal_written_out_and_read_back_has_the_same_sums(data):
    wanted: dict[str, Decimal] = defaultdict(Decimal)
    comma = data.draw(st.booleans())
    text = "commodity 1.000,00 EUR\n" if comma else "commodity 1,000.00 EUR\n"
    for _ in range(data.draw(st.integers(1, 5))):
        postings = data.draw(st.lists(st.tuples(names, cents), min_size=1, max_size=4))
        postings.append((data.draw(names), -sum(amount for _, amount in postings)))
        silent = data.draw(st.integers(0, len(postings)))
        day = data.draw(st.dates(min_value=date(1000, 1, 1)))
        text += (
            "\n"
            + day.strftime(data.draw(st.sampled_from(["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d"])))
            + " * paid; in full\n"
        )
        for number, (account, amount) in enumerate(postings):
            wanted[account] += amount
            written = f"{abs(amount):,.2f}" if data.draw(st.booleans()) else f"{abs(amount):.2f}"
            if comma:
                written = written.translate({ord(","): ".", ord("."): ","})
            style = data.draw(st.sampled_from(STYLES)).format(sign="-" if amount < 0 else "", n=written)
            text += (
                f"  {account}\n"
                if number == silent
                else f"  {account}{data.draw(st.sampled_from(['  ', chr(9)]))}{style}\n"
            )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "x.journal").write_text(text, encoding="utf-8")
        found = read_folder(Path(folder))
    assert found.not_entries == () and sums(found) == dict(wanted)


@pytest.mark.parametrize(
    ("text", "value", "commodity"),
    [
        ("$-10.00", "-10.00", "$"), ("-$10", "-10", "$"), ("$ 1,234.56", "1234.56", "$"), ("+5 h", "5", "h"),
        ("1,234,567", "1234567", ""), ("1.234", "1.234", ""), (".5 kg", "0.5", "kg"), ("1 000.50 F", "1000.50", "F"),
        ('3 "Fund 2030"', "3", "Fund 2030"), ("1,00,000.00 ₹", "100000.00", "₹"), ("-0.00 X", "0.00", "X"),
    ],
)  # fmt: skip
def test_an_amount_is_read_with_its_commodity_on_either_side(text, value, commodity):
    read = Marks().read(text, "x, line 1")
    assert (str(read.value), read.commodity) == (value, commodity)


@pytest.mark.parametrize(
    "text",
    ["1.234,56 €", "1,23", "1,234", "1,2345.00", "1.2.3", "1e3", "--1", "-$-1", "$1 EUR", "", "EUR", ".", "10 20",
     "(2 * 3)", "10 A {$5}", "9" * 17, "1" * 300, "\u0661\u0662"],
)  # fmt: skip
def test_what_is_no_amount_or_two_is_refused_with_its_place(text):
    with pytest.raises(LedgerError, match=r"\Ax\.journal, line 7: “"):
        Marks().read(text, "x.journal, line 7")


@pytest.mark.parametrize("sample", ["1.000,00 €", "€ 1.000.000,", "1000,00 €", "1.000.000 €"])
def test_a_directive_fixes_the_decimal_comma_of_its_commodity_only(sample):
    marks = Marks()
    assert marks.learn(sample, "") == "€"
    assert marks.read("€ -1.234,56", "") == Amount(Decimal("-1234.56"), "€")
    assert marks.read("1.234 €", "").value == 1234 and marks.read("1.234 $", "").value == Decimal("1.234")
    with pytest.raises(LedgerError, match=r"may be 1000 or 1\.000"):
        marks.learn("1,000 JPY", "")


@pytest.mark.parametrize(
    ("postings", "found", "wanted"),
    [
        (("A  3 AAA @ $33.333", "B  $-100.00"), {"A": 100, "B": -100}, ()),
        (("A  10 AAA", "B  $-7.00"), {"A": 7, "B": -7}, ()),
        (("A  1 AAA", "A  2 AAA", "B  $-7.00"), {"A": 7, "B": -7}, ()),
        (("A  $1", "B  2 AAA", "C"), {"A": 1, "B (AAA)": 2, "C": -1, "C (AAA)": -2}, ()),
        (("A  $1", "B  $-2"), {"A": 1, "B": -2}, ("does not balance", "differ by -1 $")),
        (("A  $1", "B  $-1", "[C]  $1"), {"A": 1, "B": -1, "C": 1}, ("does not balance",)),
        (
            ("A  1 AAA @ $1", "B  $-9999999999999999", "C  $0.000000000000000001"),
            {"A": 1, "B": -9999999999999999, "C": Decimal("1e-18")},
            ("does not balance", "differ by -9999999999999997.999999999999999999 $"),
        ),
        (("A  $1 = $2", "B"), {"A": 1, "B": -1}, ("line 5", "balance of A", "2 $", "1 $")),
        (("A  $1 = 0", "B"), {"A": 1, "B": -1}, ("line 5", "0", "1 $")),
    ],
)
def test_an_entry_is_weighed_balanced_and_checked(tmp_path, postings, found, wanted):
    read = contents(tmp_path, x_journal="P 2026-01-01 AAA $1\nD $1000.00\n\n" + entry(*postings))
    assert sums(read) == found
    assert len(read.not_entries) == bool(wanted) and all(part in "".join(read.not_entries) for part in wanted)


def test_stated_balances_count_by_days_and_over_included_files(tmp_path):
    found = contents(
        tmp_path,
        x_journal="2026-02-01 later\n  A  1 = 3\n  B\ninclude parts/y.ledger\n",
        parts__y_ledger="2026-01-01 earlier\n  A  2 = 2\n  B\n",
    )
    assert found.not_entries == () and [line.source for line in found.lines if line.account == "A"] == [
        "parts/y.ledger, line 2",
        "x.journal, line 2",
    ]


def test_directives_bear_on_what_stands_below_and_comments_on_nothing(tmp_path):
    text = (
        "comment\n2026-01-01 no\n  A  1\n  B\nend comment\napply account Mill\naccount Loom  ; type:Asset\n"
        + entry("Loom  1", "Wages")
        + "end apply account\n# no\n* no\ndecimal-mark ,\n"
        + entry("Bank  1.000,50", "Mill:Wages")
    )
    found = contents(tmp_path, x_hledger=text)
    assert sums(found) == {"Mill:Loom": 1, "Mill:Wages": Decimal("-1001.50"), "Bank": Decimal("1000.50")}
    assert found.accounts["Mill:Loom"].type == "asset" and found.not_entries == ()


def test_what_an_included_file_leaves_open_ends_with_it_and_is_told(tmp_path):
    inner = "apply account Mill\ndecimal-mark ,\n" + entry("A  1,50", "B")
    found = contents(tmp_path, x_journal="include y.ledger\n" + entry("A  1.50", "B"), y_ledger=inner)
    assert sums(found) == {
        key: Decimal("1.50") * (1 if key[-1] == "A" else -1) for key in ("Mill:A", "Mill:B", "A", "B")
    }
    assert found.not_entries == ("y.ledger, line 6: “apply account” has no end; it ends here.",)


def test_what_is_not_read_is_named_once_with_its_lines(tmp_path):
    text = "~ monthly\n  A  1\n  B\n= /A/\n  C  1\nalias x=y\nalias z=y\n" + entry("A  1  ; date:2026-03-01", "B")
    assert contents(tmp_path, x_journal=text).not_entries == (
        "x.journal, line 1: periodic entries (~) are not read.",
        "x.journal, line 4: automated entries (=) are not read.",
        "x.journal, lines 6, 7: “alias” is not among the directives that are read.",
        "x.journal, line 9: a date of a posting's own is not read; the entry's counts.",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-02-30 x\n  A  1\n  B\n", "line 1: “2026-02-30 x” does not begin with a date"),
        ("1/31 x\n  A  1\n  B\n", "a day with its year"),
        (entry("A  1,234 X", "B"), "line 2: “1,234” may be 1234 or 1.234"),
        (entry("A  ten", "B"), "line 2: “ten” is not an amount"),
        (entry("A  1", "B", "C"), "line 4: a second posting of the entry has no amount"),
        (entry("A", "B  = 5"), "line 3: a price or a balance stands without an amount"),
        (entry("A  1 @ 2 @ 3", "B"), "line 2: “1 @ 2 @ 3” holds more than one price"),
        (entry("A 10.00 EUR", "B  1"), "line 2: “A 10.00 EUR” ends like an amount; expected are two spaces or a tab"),
        (entry("(A  1", "B"), "line 2: “(A  1” names no account"),
        (entry("A  9999999999 @ 9999999999", "B"), "line 2: amount times price"),
        ("2026-01-01 x\n\n  A  1\n", "line 3: “A  1” is indented but belongs to nothing"),
        ("end apply account\n", "line 1 ends an “apply account”"),
        ("include nowhere.journal\n", "line 1: there is no file “nowhere.journal”"),
        ("include *.journal\n", "line 1: “*.journal” is a pattern"),
    ],
)
def test_a_line_that_cannot_be_read_is_one_sentence_and_the_rest_of_the_folder_is_read(tmp_path, text, said):
    found = contents(tmp_path, x_journal=entry("Z  1", "Z") + "\n" + text, y_journal=entry("A  1", "B"))
    number = int(said.split()[1].rstrip(":")) if said.startswith("line") else 0
    (sentence,) = found.not_entries
    assert (
        sentence.startswith("x.journal, line ")
        and said.replace(f"line {number}", f"line {number + 4}", 1) in sentence
    )
    assert sums(found) == {"A": 1, "B": -1}


def test_a_file_that_is_not_a_journal_by_its_text_is_left_alone_whatever_its_name(tmp_path):
    journal, table = entry("A  1", "B"), "Entry,Date,Account,Debit,Credit\nA,2026-05-02,100,10.10,10.10\n"
    (tmp_path / "books.dat.gz").write_bytes(gzip.compress(journal.encode()))
    (tmp_path / "old.journal.gz").write_bytes(gzip.compress(journal.replace("\n", "\r\n").encode("utf-16")))
    (tmp_path / "table.dat.gz").write_bytes(gzip.compress(table.encode()))
    (tmp_path / "weather.dat").write_text("2026-01-01 4.5\n2026-01-02 5.5\n")
    (tmp_path / "raw.dat").write_bytes(b"\x1f\x8bno")
    found = read_folder(tmp_path)
    assert sums(found) == {"A": 2, "B": -2, "100": 0} and found.not_entries == ()
    assert len({line.entry_id for line in found.lines}) == 3


def test_an_include_leads_to_nothing_outside_the_folder(tmp_path):
    (tmp_path / "secret.journal").write_text(entry("Secret  1", "B"))
    data = tmp_path / "data"
    data.mkdir()
    os.symlink(tmp_path, data / "link")
    ways = ["../secret.journal", str(tmp_path / "secret.journal"), "link/secret.journal", '"../secret.journal"']
    for number, way in enumerate([*ways, "/etc/hostname", "../none.journal"]):
        (data / f"{number}.journal").write_text(f"include {way}\n")
    (data / "z.journal").write_text("include ~/.profile\ninclude " + "x" * 5000 + "\n")
    found = read_folder(data)
    assert found.lines == () and [s.partition(":")[0] for s in found.not_entries] == [
        *(f"{n}.journal, line 1" for n in range(6)),
        "z.journal, line 1",
    ]
    assert sum("outside the ledger's folder" in sentence for sentence in found.not_entries) == 6


def test_includes_in_a_circle_or_twice_are_told_and_end(tmp_path):
    found = contents(
        tmp_path,
        a_journal="include b.journal\n" + entry("A  1", "B"),
        b_journal="include a.journal\n",
        self_journal="include self.journal\n",
        twice_journal="include c.txt\ninclude c.txt\n",
        c_txt=entry("A  1", "B"),
        z_journal=entry("Z  1", "Z"),
    )
    assert set(sums(found)) == {"Z"}
    circle, itself, twice = sorted(found.not_entries)
    assert "b.journal, line 1 includes a.journal" in circle and "circle" in circle
    assert "self.journal, line 1 includes self.journal" in itself and "line 2 includes c.txt a second time" in twice


def test_a_file_that_two_journals_include_counts_once(tmp_path):
    found = contents(
        tmp_path, a_journal="include c.ledger\n", b_journal="include c.ledger\n", c_ledger=entry("A  1", "B")
    )
    assert sums(found) == {"A": 1, "B": -1}
    assert found.not_entries == ("c.ledger: included by b.journal and another, counted once.",)


def test_text_made_to_hurt_is_refused_in_a_sentence_and_soon(tmp_path):
    (tmp_path / "nul.journal").write_bytes(b"2026-01-01 x\n  A  1\n\0\n")
    (tmp_path / "noise.journal").write_bytes(gzip.compress(b"x")[:-4])
    found = contents(
        tmp_path,
        long_journal="2026-01-01 " + "x" * 5_000_000 + "\n  A  1\n  B\n",
        nested_journal="apply account a\n" * 5_000 + entry("A  1", "B"),
        words_journal="".join(f"w{n} x\n" for n in range(20_000)),
        digits_journal=entry("A  " + "1,1." * 2_000, "B"),
        gaps_journal=entry("A  1" + " ;a:,\t" * 1_500, "B " * 4_000) + "end apply account\n",
        fine_journal=entry("A  1", "B"),
    )
    assert sums(found) == {"A": 1, "B": -1}
    told = "\n".join(found.not_entries)
    for part in (
        "long.journal, line 1 is longer than 10,000 letters", "nested.journal, line 51: “apply account” stands more",
        "nul.journal, line 3 holds a NUL byte", "noise.journal is a gzip file that ends too early", "19950 more",
        "digits.journal, line 2: “", "gaps.journal, line 4 ends an “apply account”",
    ):  # fmt: skip
        assert part in told
    assert all(len(sentence) < 400 for sentence in found.not_entries)


def test_a_chain_of_includes_too_deep_ends_in_a_sentence(tmp_path):
    for number in range(60):
        (tmp_path / f"{number}.journal").write_text(f"include {number + 1}.journal\n")
    (tmp_path / "60.journal").write_text(entry("A  1", "B"))
    found = read_folder(tmp_path)
    assert found.lines == () and len(found.not_entries) == 1 and "more than 50 deep" in found.not_entries[0]


def test_entries_alike_have_names_of_their_own_that_stay_when_lines_are_added(tmp_path):
    twice = entry("A  1", "B") + "\n" + entry("A  1", "B")
    first = [line.entry_id for line in contents(tmp_path, x_journal=twice).lines]
    later = [line.entry_id for line in contents(tmp_path, x_journal="; new\n\n" + twice).lines]
    assert first == later and len(set(first)) == 2
