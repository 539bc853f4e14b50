"""Reads a folder of tables, Beancount files and journals into ledger lines; tables are read by their columns."""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from connectors.documents.columns import TOTAL_ROW
from connectors.documents.tables import DocumentError, Grid, read_grid
from connectors.documents.words import header_words, number_of, period_of
from connectors.ledger.beancount import is_beancount, read_beancount
from connectors.ledger.journal import read_journals
from connectors.ledger.journal_files import is_journal
from connectors.ledger.lines import Account, Contents, LedgerError, Line
from connectors.ledger.roles import column_role

TABLE_FILES = (".csv", ".tsv", ".gz", ".xlsx")
_known_period = functools.lru_cache(maxsize=1024)(period_of)  # the same few periods stand in every row
PLAIN = re.compile(r"-?\d+(\.\d+)?")
ISO_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[ T].*)?")
DAY_FIRST = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})")
PLAN_WORDS = {"budget", "budgeted", "forecast", "plan", "planned", "adopted", "adjusted", "proposed", "approved"}
MONEY = ("debit", "credit", "amount", "debit_base", "credit_base", "amount_base")
TEXT_ROLES = (
    "entity", "department", "counterparty", "description", "document", "service_from", "service_to", "product",
    "currency",
)  # fmt: skip
ACCOUNT_TYPES = {  # what charts of accounts write -> what the tools answer
    "income": "revenue", "sales": "revenue", "turnover": "revenue", "cost of sales": "cogs",
    "cost of goods sold": "cogs", "direct cost": "cogs", "expenses": "expense", "operating expense": "expense",
    "operating expenses": "expense", "cost": "expense", "costs": "expense", "other income": "other",
    "other expense": "other", "assets": "asset", "liabilities": "liability",
}  # fmt: skip
CENT = Decimal("0.01")
ZERO = Decimal("0.00")


@dataclass(frozen=True)
class Table:
    """A grid with the column of each role; a second column of a role counts as not understood."""

    grid: Grid
    columns: Mapping[str, int]
    unknown: tuple[str, ...]

    @classmethod
    def of(cls, grid: Grid) -> "Table":
        """Find the role of each column."""
        columns: dict[str, int] = {}
        unknown = []
        for at, label in enumerate(grid.columns):
            role = column_role(label)
            if role is None or role in columns:
                unknown.append(label)
            else:
                columns[role] = at
        return cls(grid, columns, tuple(unknown))

    def place(self, row: int) -> str:
        """File and line of a data row."""
        return f"{self.grid.place}, line {self.grid.row_numbers[row]}"

    def text(self, row: int, role: str) -> str:
        """A cell by its role, empty where there is no such column."""
        at = self.columns.get(role)
        return "" if at is None else self.grid.rows[row][at]

    def number(self, row: int, role: str) -> Decimal | None:
        """A cell as a number; empty is no number, any other text is an error naming the cell."""
        text = self.text(row, role)
        if not text:
            return None
        value = Decimal(text) if PLAIN.fullmatch(text) else number_of(text)
        if value is None:
            column = self.grid.columns[self.columns[role]]
            raise LedgerError(
                f"{self.place(row)}, column {column}: “{text}” stands where a number belongs. "
                "Correct that cell; the ledger is not read until then."
            )
        return value

    def is_chart(self) -> bool:
        """Whether the rows are accounts with what they are, and nothing that moves."""
        columns = self.columns.keys()
        return "account" in columns and bool(columns & {"name", "type"}) and not columns & {*MONEY, "date", "period"}

    def why_no_entries(self) -> str | None:
        """Why the rows are not ledger entries, or None when they are."""
        if not self.columns.keys() & set(MONEY):
            return "no debit, credit or amount"
        if "account" not in self.columns:
            return "no account"
        if not self.columns.keys() & {"date", "period"}:
            return "no date or period"
        labels = set().union(*(header_words(label) for label in self.grid.columns))
        if "measure" in self.columns or (labels & PLAN_WORDS and not self.columns.keys() & {"debit", "entry"}):
            return "planned amounts, not bookings"
        if "date" not in self.columns:
            periods = {period_of(self.text(row, "period")) or "" for row in range(min(len(self.grid.rows), 50))}
            if not any(re.fullmatch(r"\d{4}-(Q\d|\d\d)", period) for period in periods):
                return "no quarters, months or dates"
        return None


def read_folder(folder: Path) -> Contents:
    """Read a folder's `ledger` part, or all of it when there is none."""
    if not folder.is_dir():
        raise LedgerError(f"There is no folder {folder} to read a ledger from.")
    root = folder / "ledger" if (folder / "ledger").is_dir() else folder
    lines: list[Line] = []
    accounts: dict[str, Account] = {}
    unknown: list[str] = []
    not_entries: list[str] = []
    named = True
    for table in _tables(root, not_entries):
        reason = table.why_no_entries()
        if reason is None:
            lines += _lines(table, len(lines))
            named = named and "entry" in table.columns
        elif table.is_chart():
            accounts.update((a.account, a) for a in _accounts(table))
        else:
            not_entries.append(f"{table.grid.place}: {reason}.")
            continue
        unknown += [f"{table.grid.place}: {label}" for label in table.unknown]
    for path in sorted(root.rglob("*")):
        if not is_beancount(path) or not path.is_file():
            continue
        try:
            more, known, complaints = read_beancount(path, path.relative_to(root).as_posix())
        except LedgerError as error:
            not_entries.append(str(error))
            continue
        lines += more
        accounts.update(known)
        not_entries += complaints
    more, known, complaints = read_journals(root)
    lines += more
    accounts.update(known)
    not_entries += complaints
    return Contents(
        tuple(sorted(lines, key=lambda line: line.order)), accounts, tuple(unknown), tuple(not_entries), named
    )


def _tables(root: Path, unreadable: list[str]) -> Iterator[Table]:
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() not in TABLE_FILES or not path.is_file() or is_beancount(path) or is_journal(path):
            continue
        name = path.relative_to(root).as_posix()
        try:
            grids = read_grid(path.read_bytes(), name)
        except DocumentError as error:
            unreadable.append(str(error))
            continue
        for grid in grids:
            if grid.rows:
                yield Table.of(grid)
            else:
                unreadable.append(f"{grid.place}: no table with a header and rows.")


def _accounts(table: Table) -> Iterator[Account]:
    for row in range(len(table.grid.rows)):
        if account := table.text(row, "account"):
            kind, normal = table.text(row, "type").lower(), table.text(row, "normal").lower()
            yield Account(account, table.text(row, "name"), ACCOUNT_TYPES.get(kind, kind) or "unknown", normal)


def _lines(table: Table, before: int) -> Iterator[Line]:
    month_first = _month_first(table)
    texts = [(role, table.columns[role]) for role in TEXT_ROLES if role in table.columns]
    for row in range(len(table.grid.rows)):
        account = table.text(row, "account")
        if not account:
            # A row of totals has no date; anything else without an account is an error.
            if table.text(row, "date") or not _is_total(table, row):
                raise LedgerError(f"{table.place(row)} has an amount but no account.")
            continue
        day = _day(table, row, month_first)
        debit, credit = _sides(table, row, "")
        debit_base, credit_base = _base_sides(table, row, debit, credit)
        quantity, price, rate = (table.number(row, role) for role in ("quantity", "unit_price", "rate"))
        yield Line(
            entry_id=table.text(row, "entry") or f"ROW-{before + row + 1:06d}",
            line=table.text(row, "line") or str(row + 1),
            date=day,
            period=_period(table, row, day),
            account=account,
            debit=debit,
            credit=credit,
            debit_base=debit_base,
            credit_base=credit_base,
            source=table.place(row),
            quantity="" if quantity is None else format(quantity, "f"),
            unit_price="" if price is None else format(price, "f"),
            rate="" if rate is None else format(rate, "f"),
            **{role: table.grid.rows[row][at] for role, at in texts},
        )


def _is_total(table: Table, row: int) -> bool:
    filled = [cell for cell in table.grid.rows[row] if cell]
    return TOTAL_ROW.match(filled[0]) is not None or all(number_of(cell) is not None for cell in filled)


def _sides(table: Table, row: int, suffix: str) -> tuple[Decimal, Decimal]:
    """Debit and credit of a row; one signed amount is a debit when positive."""

    def side(role: str) -> Decimal:
        value = table.number(row, f"{role}{suffix}")
        return ZERO if value is None else value

    if table.columns.keys() & {f"debit{suffix}", f"credit{suffix}"}:
        return side("debit"), side("credit")
    amount = side("amount")
    return max(amount, ZERO), max(-amount, ZERO)


def _base_sides(table: Table, row: int, debit: Decimal, credit: Decimal) -> tuple[Decimal, Decimal]:
    """Both sides in base currency: as given, else converted at the row's rate, else as they are."""
    if table.columns.keys() & {"debit_base", "credit_base", "amount_base"}:
        return _sides(table, row, "_base")
    rate = table.number(row, "rate")
    if rate is None:
        return debit, credit
    return (debit * rate).quantize(CENT, ROUND_HALF_UP), (credit * rate).quantize(CENT, ROUND_HALF_UP)


def _month_first(table: Table) -> bool | None:
    """Whether dates like 03/04/2026 put the month first; None when no date of the column tells."""
    for row in range(len(table.grid.rows)):
        if parts := DAY_FIRST.fullmatch(table.text(row, "date")):
            if int(parts[1]) > 12 or "." in parts[0]:
                return False
            if int(parts[2]) > 12:
                return True
    return None


def _day(table: Table, row: int, month_first: bool | None) -> date | None:
    text = table.text(row, "date")
    if not text:
        return None
    try:
        if parts := ISO_DATE.fullmatch(text):
            return date(int(parts[1]), int(parts[2]), int(parts[3]))
        if (parts := DAY_FIRST.fullmatch(text)) and month_first is not None:
            month, day = (1, 2) if month_first else (2, 1)
            return date(int(parts[3]), int(parts[month]), int(parts[day]))
    except ValueError:
        pass  # such a day does not exist: told below like any other text that is no date
    column = table.grid.columns[table.columns["date"]]
    raise LedgerError(f"{table.place(row)}, column {column}: “{text}” is not a date that can be read for certain.")


def _period(table: Table, row: int, day: date | None) -> str:
    """The quarter of a row: as the books name it, else that of its month or date."""
    named = _known_period(table.text(row, "period")) or ""
    if named[4:6] == "-Q":
        return named
    if month := re.fullmatch(r"(\d{4})-(\d\d)", named):
        return f"{month[1]}-Q{(int(month[2]) + 2) // 3}"
    if day is None:
        raise LedgerError(f"{table.place(row)} names neither a date nor a quarter or month.")
    return f"{day.year}-Q{(day.month + 2) // 3}"
