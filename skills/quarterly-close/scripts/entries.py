"""Journal lines as the cause finder reads them, each once, with the place where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from closelib import Row, WrongInput, read_rows, slug

NEEDED = ("entry_id", "line", "period", "account", "department", "counterparty", "amount", "ref")


@dataclass(frozen=True)
class Entry:
    """One journal line; `amount` is debit minus credit in the group currency."""

    id: str
    number: str
    period: str
    account: str
    department: str
    counterparty: str
    product: str
    quantity: Decimal
    amount: Decimal
    service: tuple[date, date] | None
    row: Row

    @property
    def line(self) -> tuple[str, str]:
        return self.account, self.department


def read_entries(files: list[str], what: str) -> list[Entry]:
    """The journal lines of several files; a line that stands in two of them counts once."""
    seen: dict[tuple[str, str], Entry] = {}
    for name in files:
        for row in read_rows(name, NEEDED, what):
            entry = Entry(
                row["entry_id"], row["line"], row["period"], row["account"], row["department"],
                row["counterparty"].strip(), row["product"], row.amount("quantity"), row.amount("amount"),
                service(row), row,
            )  # fmt: skip
            seen.setdefault((entry.id, entry.number), entry)
    return sorted(seen.values(), key=lambda entry: (entry.id, entry.number))


def service(row: Row) -> tuple[date, date] | None:
    """The dates of service of a line, where it states them."""
    first, last = row["service_from"], row["service_to"]
    if not (first or last):
        return None
    try:
        return date.fromisoformat(first or last), date.fromisoformat(last or first)
    except ValueError:
        raise WrongInput(
            f'{row.file}, row {row.number}: "{first} {last}" are no dates of service (entry {row["entry_id"]}).'
        ) from None


def imbalance_claims(files: list[str], period: str, unit: str) -> list[tuple[Row, dict[str, Any], dict[str, Any]]]:
    """The figure and the finding of each entry that does not balance."""
    claims = []
    for path in files:
        for row in read_rows(path, ("entry_id", "difference", "ref"), "imbalances"):
            amount = f"{row.amount('difference'):f}"
            seen = [row.input("d", "ledger_entry", "difference")]
            name = slug("imbalance", row["entry_id"])
            figure = {
                "id": name, "label": f"Imbalance of {row['entry_id']}", "value": amount, "unit": unit, "formula": "d",
                "inputs": seen,
            }  # fmt: skip
            text = "Debit and credit of this entry differ in the group currency; it was not corrected."
            finding = {
                "kind": "imbalance", "account": "", "department": "", "period": period, "amount": amount,
                "entries": [row["entry_id"]], "text": text, "inputs": seen,
            }  # fmt: skip
            claims.append((row, figure, finding))
    return claims
