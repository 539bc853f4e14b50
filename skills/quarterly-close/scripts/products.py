"""Price and volume of each product against its driver, so that the two add up to the product's variance."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from closelib import Row
from entries import Entry

Found = tuple[str, Decimal, str, list[Entry]]


@dataclass(frozen=True)
class ProductEffect:
    """One product of one line: planned units at a planned price against the quarter's invoices."""

    driver: Row
    sign: int
    now: tuple[Entry, ...]
    off_price: tuple[Entry, ...]  # invoices at another price than the driver's, beyond the tolerance
    newcomers: dict[str, tuple[Entry, ...]]  # invoices of customers who never bought it before

    @property
    def planned_units(self) -> Decimal:
        return self.driver.amount("quantity")

    @property
    def planned_price(self) -> Decimal:
        return self.driver.amount("unit_price")

    @property
    def units(self) -> Decimal:
        return sum((entry.quantity for entry in self.now), Decimal(0))

    @property
    def actual(self) -> Decimal:
        return self.sign * sum((entry.amount for entry in self.now), Decimal(0))

    @property
    def volume(self) -> Decimal:
        """Other units than planned, at the planned price."""
        return (self.units - self.planned_units) * self.planned_price

    @property
    def price(self) -> Decimal:
        """The actual units at another price than planned; with the volume it is the whole variance."""
        return self.actual - self.units * self.planned_price

    def price_of(self, entries: tuple[Entry, ...] | list[Entry]) -> Decimal:
        """The price effect of some invoices."""
        return sum((self.sign * e.amount - e.quantity * self.planned_price for e in entries), Decimal(0))

    def causes(self) -> list[Found]:
        """Candidate causes; the caller keeps those that are large enough."""
        found: list[Found] = []
        if self.off_price:
            found.append(("price", self.price_of(self.off_price), "", list(self.off_price)))
        rest = self.volume
        for party, entries in self.newcomers.items():
            amount = sum((entry.quantity for entry in entries), Decimal(0)) * self.planned_price
            rest -= amount
            found.append(("volume", amount, party, list(entries)))
        regulars = [entry for entry in self.now if not any(entry in group for group in self.newcomers.values())]
        if regulars:  # without a single invoice nothing can be cited
            found.append(("volume", rest, "", regulars))
        return found

    def proof(self, kind: str, entries: list[Entry]) -> tuple[str, list[dict[str, Any]]]:
        """The formula of a cause's amount and its inputs: ledger amounts, quantities and the driver's cells."""
        price = self.cell("p", "unit_price")
        units = [entry.row.input(f"q{n}", "ledger_entry", "quantity") for n, entry in enumerate(entries, 1)]
        total_units = f"sum({', '.join(unit['as'] for unit in units)})" if units else "0"
        if kind == "price":
            amounts = [entry.row.input(f"j{n}", "ledger_entry", "amount") for n, entry in enumerate(entries, 1)]
            total = f"sum({', '.join(amount['as'] for amount in amounts)})"
            return f"{'-' if self.sign < 0 else ''}{total} - p * {total_units}", [*amounts, *units, price]
        if {entry.id for entry in entries} <= {e.id for group in self.newcomers.values() for e in group} and entries:
            return f"p * {total_units}", [*units, price]
        return f"p * ({total_units} - u)", [*units, price, self.cell("u", "quantity")]

    def cell(self, name: str, column: str) -> dict[str, Any]:
        """A cell of the drivers as an input."""
        kind = "sheet_cell" if self.driver["ref"].startswith("sheet:") else "file_row"
        return self.driver.input(name, kind, column)

    def sentence(self, kind: str, party: str, period: str) -> str:
        """One sentence on a cause."""
        product = self.driver["product"]
        if kind == "price":
            return f"{product} was sold at another unit price than the drivers plan for {period}."
        if party:
            return f"{party} bought {product} for the first time; its units were not planned."
        return f"{product} was sold in another quantity than the drivers plan for {period}."

    def table_row(self) -> dict[str, Any]:
        """The product as a row of decomposition.csv."""
        planned = self.planned_units * self.planned_price
        return {
            "account": self.driver["account"], "department": self.driver["department"],
            "product": self.driver["product"], "planned_units": self.planned_units,
            "planned_price": self.planned_price, "actual_units": self.units, "planned_amount": planned,
            "actual_amount": self.actual, "volume": self.volume, "price": self.price, "total": self.actual - planned,
        }  # fmt: skip


def decompose(
    drivers: list[Row], entries: list[Entry], period: str, sign: int, tolerance: Decimal
) -> list[ProductEffect]:
    """The effects of every product that the drivers plan in a line."""
    effects = []
    if not entries:
        return []  # nobody sent this line's entries: nothing is known of its sales
    for driver in drivers:
        mine = [entry for entry in entries if entry.product == driver["product"]]
        now = [entry for entry in mine if entry.period == period]
        before = {entry.counterparty for entry in mine if entry.period < period}
        price = driver.amount("unit_price")
        off = [
            e for e in now
            if abs(sign * e.amount - e.quantity * price) * 100 > tolerance * abs(e.quantity * price)
        ]  # fmt: skip
        fresh: dict[str, list[Entry]] = defaultdict(list)
        for entry in now:
            if before and entry.counterparty not in before:
                fresh[entry.counterparty].append(entry)
        groups = {party: tuple(group) for party, group in sorted(fresh.items())}
        effects.append(ProductEffect(driver, sign, tuple(now), tuple(off), groups))
    return effects
