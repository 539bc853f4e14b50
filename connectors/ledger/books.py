"""Questions to the books: balances, activity and entries, in base currency and always in the same order."""

import difflib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path

from connectors.ledger.lines import Account, Contents, LedgerError, Line
from connectors.ledger.reading import read_folder

NO_DEPARTMENT = "-"  # how a reference names the lines without a department
ZERO = Decimal("0.00")


@dataclass(frozen=True)
class Balance:
    """Movements of one account and department in one period."""

    account: Account
    department: str
    debit: Decimal
    credit: Decimal
    entries: int


@dataclass(frozen=True)
class Imbalance:
    """An entry whose debit and credit differ in base currency."""

    entry_id: str
    date: str
    debit: Decimal
    credit: Decimal


@dataclass(frozen=True)
class Filter:
    """Which lines a search wants; what is empty does not restrict."""

    text: str = ""
    account: str = ""
    department: str | None = None
    counterparty: str = ""
    period: str = ""
    min_amount: str = ""


def listed(values: Iterable[str], most: int = 12) -> str:
    """Name what exists, the first dozen of it."""
    every = list(values)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more if every else "none"


class Books:
    """The books of one folder, read once."""

    def __init__(self, folder: Path) -> None:
        """Remember the folder; reading happens at the first question so that a bad file is an answer."""
        self.folder = folder

    @cached_property
    def contents(self) -> Contents:
        """All lines and accounts; a folder without entries is an error."""
        contents = read_folder(self.folder)
        if not contents.lines:
            why = " ".join(contents.not_entries[:5]) or "It has no CSV, XLSX, Beancount or journal file."
            raise LedgerError(f"The folder {self.folder.name} holds no ledger entries. {why}")
        return contents

    @cached_property
    def periods(self) -> dict[str, list[Line]]:
        """Lines by period, oldest first."""
        found: dict[str, list[Line]] = defaultdict(list)
        for line in self.contents.lines:
            found[line.period].append(line)
        return dict(sorted(found.items()))

    @cached_property
    def accounts(self) -> dict[str, Account]:
        """The chart, with accounts that only entries name added as unknown."""
        booked = {line.account for line in self.contents.lines}
        every = {account: Account(account) for account in booked} | self.contents.accounts
        return dict(sorted(every.items()))

    @cached_property
    def departments(self) -> list[str]:
        """Departments that entries name."""
        return sorted({line.department for line in self.contents.lines} - {""})

    @cached_property
    def entries(self) -> dict[str, list[Line]]:
        """Lines by entry."""
        found: dict[str, list[Line]] = defaultdict(list)
        for line in self.contents.lines:
            found[line.entry_id].append(line)
        return dict(found)

    @cached_property
    def base_currency(self) -> str:
        """The one currency whose lines need no conversion; empty when that is not certain."""
        plain: dict[str, bool] = {}
        for line in self.contents.lines:
            same = (line.debit, line.credit) == (line.debit_base, line.credit_base)
            plain[line.currency] = plain.get(line.currency, True) and same
        certain = [currency for currency, same in plain.items() if same]
        return certain[0] if len(certain) == 1 else ""

    def need_period(self, period: str) -> str:
        """The period when the books have it."""
        if period not in self.periods:
            raise LedgerError(f"The ledger has no period “{period}”. It has {listed(self.periods)}.")
        return period

    def need_account(self, account: str) -> str:
        """The account when the books have it."""
        if account not in self.accounts:
            raise LedgerError(f"The ledger has no account “{account}”. {self._alike(account, self.accounts)}")
        return account

    def need_department(self, department: str) -> str:
        """The department when the books have it; a dash is the lines without one."""
        if department not in ("", NO_DEPARTMENT, *self.departments):
            raise LedgerError(f"The ledger has no department “{department}”. It has {listed(self.departments)}.")
        return "" if department == NO_DEPARTMENT else department

    def _alike(self, value: str, existing: Iterable[str]) -> str:
        near = difflib.get_close_matches(value, existing := list(existing), n=5, cutoff=0.5)
        return f"The nearest it has: {listed(near)}." if near else f"It has {listed(existing)}."

    def trial_balance(self, period: str) -> list[Balance]:
        """Movements of a period for every account and department the books know, also where nothing moved."""
        moved = self.balances(self.periods[self.need_period(period)])
        known = {(b.account.account, b.department) for b in moved}
        still = {(line.account, line.department) for line in self.contents.lines} - known
        empty = [Balance(self.accounts[account], department, ZERO, ZERO, 0) for account, department in still]
        return sorted([*moved, *empty], key=lambda b: (b.account.account, b.department))

    def balances(self, lines: Iterable[Line]) -> list[Balance]:
        """Movements of the lines by account and department."""
        grouped: dict[tuple[str, str], list[Line]] = defaultdict(list)
        for line in lines:
            grouped[line.account, line.department].append(line)
        return [
            Balance(
                self.accounts[account],
                department,
                sum((line.debit_base for line in group), ZERO),
                sum((line.credit_base for line in group), ZERO),
                len({line.entry_id for line in group}),
            )
            for (account, department), group in sorted(grouped.items())
        ]

    def imbalances(self, period: str) -> list[Imbalance]:
        """Entries of a period that do not balance; none are known when the tables do not name entries."""
        if not self.contents.entries_named:
            return []
        found = []
        for entry_id in dict.fromkeys(line.entry_id for line in self.periods[period]):
            lines = self.entries[entry_id]
            debit = sum((line.debit_base for line in lines), ZERO)
            credit = sum((line.credit_base for line in lines), ZERO)
            if debit != credit:
                found.append(Imbalance(entry_id, str(lines[0].date or ""), debit, credit))
        return found

    def activity(
        self, account: str, department: str | None, period_from: str | None, period_to: str | None
    ) -> list[Line]:
        """Lines of an account, in a department and a range of periods if these are given."""
        self.need_account(account)
        wanted = None if department is None else self.need_department(department)
        first = self.need_period(period_from) if period_from else ""
        last = self.need_period(period_to) if period_to else ""
        if first and last and first > last:
            raise LedgerError(f"The range of periods runs backwards: from {first} to {last}.")
        return [
            line
            for line in self.contents.lines
            if line.account == account
            and wanted in (None, line.department)
            and first <= line.period
            and (not last or line.period <= last)
        ]

    def search(self, wanted: Filter) -> list[Line]:
        """Lines that fit every restriction given."""
        lines: Sequence[Line] = self.contents.lines
        if wanted.period:
            lines = self.periods[self.need_period(wanted.period)]
        if wanted.account:
            self.need_account(wanted.account)
            lines = [line for line in lines if line.account == wanted.account]
        if wanted.department is not None:
            department = self.need_department(wanted.department)
            lines = [line for line in lines if line.department == department]
        if wanted.counterparty:
            self._need_counterparty(wanted.counterparty)
            name = wanted.counterparty.casefold()
            lines = [line for line in lines if line.counterparty.casefold() == name]
        if wanted.text:
            text = wanted.text.casefold()
            lines = [line for line in lines if text in _words(line)]
        if wanted.min_amount:
            least = _decimal(wanted.min_amount)
            lines = [line for line in lines if abs(line.amount) >= least]
        return list(lines)

    def _need_counterparty(self, name: str) -> None:
        known = sorted({line.counterparty for line in self.contents.lines} - {""})
        if name.casefold() not in {other.casefold() for other in known}:
            raise LedgerError(f"The ledger has no counterparty “{name}”. {self._alike(name, known)}")

    def entry(self, entry_id: str) -> list[Line]:
        """All lines of an entry."""
        if entry_id not in self.entries:
            ids = list(self.entries)
            raise LedgerError(
                f"The ledger has no entry “{entry_id}”. It has {len(ids)}, from {min(ids)} to {max(ids)}."
            )
        return self.entries[entry_id]


def _words(line: Line) -> str:
    parts = (line.entry_id, line.counterparty, line.description, line.document, line.product)
    return "\n".join(parts).casefold()


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise LedgerError(f"The least amount “{text}” is not a number; write it like 1500 or 1500.00.")
    return value
