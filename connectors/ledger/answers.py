"""The shapes of the answers: what the tools' output schemas say. Amounts are decimal strings."""

from typing import Annotated

from pydantic import BaseModel, Field

Money = Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?$", description="decimal number in base currency")]
Amount = Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?$", description="decimal number in the line's own currency")]


class Sourced(BaseModel):
    """A row with the place where it can be looked up."""

    ref: str = Field(description="stable reference, like ledger:entry/JE-000123")
    url: str = Field(description="page that shows it, empty when no pages are served")


class Period(Sourced):
    """A quarter the ledger has entries for."""

    period: str
    first_date: str
    last_date: str
    entries: int


class Periods(BaseModel):
    """What the ledger covers."""

    periods: list[Period]
    base_currency: str = Field(description="currency of all balances; empty when the tables do not tell")
    unknown_columns: list[str] = Field(description="file and header of each column that was not understood")
    not_entries: list[str] = Field(
        description="what holds no entries, was not read or does not agree, each with file and reason"
    )


class ChartAccount(Sourced):
    """An account of the chart."""

    account: str
    name: str
    type: str = Field(description="revenue, cogs, expense, asset, liability, equity, other or unknown")
    normal: str = Field(description="debit or credit; empty when unknown")


class Chart(BaseModel):
    """The chart of accounts."""

    accounts: list[ChartAccount]


class BalanceRow(Sourced):
    """Movements of an account and department in the period."""

    account: str
    name: str
    type: str
    department: str = Field(description="empty for lines without a department")
    debit: Money
    credit: Money
    balance: Money = Field(description="debit less credit")
    entries: int


class ImbalanceRow(Sourced):
    """An entry that does not balance."""

    entry_id: str
    date: str
    debit: Money
    credit: Money
    difference: Money = Field(description="debit less credit")


class TrialBalance(BaseModel):
    """All movements of a period; profit and loss and balance sheet."""

    period: str
    rows: list[BalanceRow]
    total_debit: Money
    total_credit: Money
    difference: Money
    imbalances: list[ImbalanceRow]


class EntryRow(Sourced):
    """One line of an entry."""

    entry_id: str
    line: str
    date: str
    period: str
    entity: str
    account: str
    department: str
    counterparty: str
    description: str
    document: str
    service_from: str
    service_to: str
    product: str
    quantity: str
    unit_price: str
    currency: str
    debit: Amount
    credit: Amount
    rate: str
    debit_base: Money
    credit_base: Money
    amount: Money = Field(description="debit less credit in base currency")
    source: str = Field(description="file and line the row was read from")


class EntryRows(BaseModel):
    """Lines in the order of period, date, entry and line."""

    rows: list[EntryRow]


class FoundRows(EntryRows):
    """A page of lines that were searched for."""

    rows_total: int = Field(description="how many lines fit, on all pages")
    next_cursor: str | None = Field(default=None, description="pass it on for the next page; absent at the end")


class Entry(EntryRows):
    """One entry with its totals."""

    entry_id: str
    total_debit: Money
    total_credit: Money
    difference: Money
