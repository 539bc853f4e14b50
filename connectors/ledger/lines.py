"""What the books are made of: one line of an entry, an account of the chart, and the error a reader is told."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


class LedgerError(ValueError):
    """The books or a question about them are wrong; the message is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an entry. Base amounts are in the group's currency, the others in the line's own."""

    entry_id: str
    line: str
    date: date | None
    period: str
    account: str
    debit: Decimal
    credit: Decimal
    debit_base: Decimal
    credit_base: Decimal
    source: str  # file and line where it stands
    entity: str = ""
    department: str = ""
    counterparty: str = ""
    description: str = ""
    document: str = ""
    service_from: str = ""
    service_to: str = ""
    product: str = ""
    quantity: str = ""
    unit_price: str = ""
    currency: str = ""
    rate: str = ""

    @property
    def amount(self) -> Decimal:
        """Debit less credit in base currency."""
        return self.debit_base - self.credit_base

    @property
    def order(self) -> tuple[str, str, str, int, str]:
        """Where the line stands in any listing: by period, date, entry and line."""
        number = int(self.line) if self.line.isdigit() else 0
        return self.period, str(self.date or ""), self.entry_id, number, self.line


@dataclass(frozen=True)
class Account:
    """An account of the chart; without a chart the type is unknown."""

    account: str
    name: str = ""
    type: str = "unknown"
    normal: str = ""


@dataclass(frozen=True)
class Contents:
    """All that was understood in a folder, and the columns and files that were not."""

    lines: tuple[Line, ...]
    accounts: dict[str, Account]
    unknown_columns: tuple[str, ...]
    not_entries: tuple[str, ...]  # a sentence for each thing that holds no entries, was not read or does not agree
    entries_named: bool  # whether the tables name the entry of each line
