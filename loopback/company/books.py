"""The books before anything is planted: what was planned, and the ordinary entries that follow from it.

Actuals stay close to the plan: every invoice and claim is planned with a small, bounded deviation, so that
nothing ordinary reaches the materiality of the close conventions.
"""

import calendar
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from loopback.company import catalog as c

CENT = Decimal("0.01")
CLOSE = (2026, 3)  # the quarter to close


def cents(value: Decimal) -> Decimal:
    """Round to the cent, half up."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP)


def ratio(part: int, whole: int) -> int:
    """Divide two positive whole numbers and round half up; no amount here ever is a float."""
    return (2 * part + whole) // (2 * whole)


def quarter_of(day: date) -> str:
    """Name the quarter of a day, as in 2026-Q3."""
    return f"{day.year}-Q{(day.month + 2) // 3}"


@dataclass
class Line:
    """One side of an entry in its own currency; `rate` turns it into the group's."""

    account: str
    department: str
    debit: Decimal = Decimal(0)
    credit: Decimal = Decimal(0)
    product: str = ""
    quantity: int | None = None
    unit_price: Decimal | None = None
    rate: Decimal = Decimal(1)

    @property
    def base(self) -> Decimal:
        """Debit less credit in the group's currency, rounded as the books round it."""
        return cents(self.debit * self.rate) - cents(self.credit * self.rate)


@dataclass
class Draft:
    """An entry while the books are being made; causes are planted by changing drafts."""

    day: date
    entity: str
    counterparty: str
    description: str
    document: str
    lines: list[Line]
    service: tuple[date, date] | None = None


class Planned(NamedTuple):
    """One planned product line of one quarter."""

    product: c.Product
    units: int
    price: int


@dataclass(frozen=True)
class Scale:
    """How large everything is in the company of this seed, and which quarters its books cover."""

    seed: int
    small: bool
    quarters: tuple[tuple[int, int], ...]
    vendors: dict[c.Vendor, int]
    units: dict[c.Product, int]
    rates: dict[tuple[int, int], Decimal]
    exact_products: frozenset[str] = frozenset()  # sold exactly as planned, so that a planted effect stands alone

    def rate(self, entity: str, day: date) -> Decimal:
        """The group currency's price of one unit of the entity's currency in that month."""
        return Decimal(1) if entity == c.PARENT else self.rates[day.year, day.month]

    def steps(self, quarter: tuple[int, int]) -> int:
        """How many quarters lie between the quarter to close and this one."""
        return (quarter[0] - CLOSE[0]) * 4 + quarter[1] - CLOSE[1]

    def vendor_month(self, vendor: c.Vendor, quarter: tuple[int, int]) -> int:
        """The planned monthly bill of a vendor, in round tens of its entity's currency."""
        return ratio(self.vendors[vendor] * (1000 + 6 * self.steps(quarter)), 10000) * 10

    def product_quarter(self, product: c.Product, quarter: tuple[int, int]) -> Planned:
        """Planned units and list price of a product; prices rise each January."""
        units = ratio(self.units[product] * (1000 + 12 * self.steps(quarter)), 10000) * 10
        price = product.price * {2026: 1000, 2025: 970}.get(quarter[0], 950)
        return Planned(product, units, ratio(price, 1000))

    def salary_month(self, entity: str, department: str, quarter: tuple[int, int]) -> int:
        """Planned salaries of a department in a month; the yearly raise comes in January."""
        return ratio(c.PAYROLL[entity][department] * {2026: 1000, 2025: 968}.get(quarter[0], 940), 1000)


def scale_of(seed: int, small: bool) -> Scale:
    """Draw the sizes of the company of a seed."""
    rng = random.Random(f"{seed}/scale")
    quarters = tuple((2026, q) for q in (1, 2, 3))
    if not small:
        quarters = ((2024, 4), *((2025, q) for q in (1, 2, 3, 4)), *quarters)
    # Every seed draws for the whole catalogue, so the small company is a part of the large one.
    vendors = {v: ratio(v.monthly * rng.randint(93, 109), 1000) * 10 for v in c.VENDORS}
    units = {p: ratio(p.units * rng.randint(95, 108), 1000) * 10 for p in c.PRODUCTS}
    months = [(year, month) for year in (2024, 2025, 2026) for month in range(1, 13)]
    rates = {month: c.PLANNING_RATE + Decimal(rng.randint(-70, 70)) / 10000 for month in months}
    return Scale(
        seed,
        small,
        quarters,
        {v: amount for v, amount in vendors.items() if v.core or not small},
        {p: amount for p, amount in units.items() if p.core or not small},
        rates,
    )


def months_of(quarter: tuple[int, int]) -> list[date]:
    """First days of a quarter's months."""
    return [date(quarter[0], 3 * quarter[1] - 2 + i, 1) for i in range(3)]


def month_end(day: date) -> date:
    """Last day of a day's month."""
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def workday(first: date, day: int) -> date:
    """That day of the month, or the Friday before when it falls on a weekend."""
    chosen = first.replace(day=day)
    return chosen - timedelta(days=max(0, chosen.weekday() - 4))


def near(rng: random.Random, planned: int, permille: int, cap: int) -> Decimal:
    """A planned amount that deviates by at most so many thousandths, and never by more than `cap`."""
    width = min(planned * permille // 1000, cap)
    return Decimal(planned) + Decimal(rng.randint(-width * 100, width * 100)) / 100


def pieces(rng: random.Random, total: int, parts: int) -> list[int]:
    """Split a whole number into that many positive parts, uneven ones."""
    parts = min(parts, total)
    weights = [rng.randint(40, 160) for _ in range(parts)]
    spare = total - parts
    split = [1 + spare * w // sum(weights) for w in weights]
    split[rng.randrange(parts)] += total - sum(split)
    return split


@dataclass
class Books:
    """All drafts of a company, and those of each vendor and product for planting."""

    scale: Scale
    drafts: list[Draft] = field(default_factory=list)
    bills: dict[str, list[Draft]] = field(default_factory=lambda: defaultdict(list))
    invoices: dict[str, list[Draft]] = field(default_factory=lambda: defaultdict(list))
    _numbers: int = 10230

    def number(self, prefix: str, day: date) -> str:
        """The next document number."""
        self._numbers += 1
        return f"{prefix}-{day:%y}-{self._numbers}"

    def add(
        self,
        day: date,
        entity: str,
        counterparty: str,
        description: str,
        document: str,
        pairs: list[tuple[Line, str]],
        service: tuple[date, date] | None = None,
    ) -> Draft:
        """Add an entry of pairs: each line and the balance-sheet account that takes its other side.

        Pairs keep an entry balanced in the group's currency to the cent although each line is rounded alone.
        """
        rate = self.scale.rate(entity, day)
        lines: list[Line] = []
        for line, against in pairs:
            line.rate = rate
            lines += [line, Line(against, "", debit=line.credit, credit=line.debit, rate=rate)]
        draft = Draft(day, entity, counterparty, description, document, lines, service)
        self.drafts.append(draft)
        return draft

    def bill(self, vendor: c.Vendor, day: date, amount: Decimal, service: tuple[date, date]) -> Draft:
        """Book a vendor's invoice where this vendor always goes."""
        line = Line(vendor.account, vendor.department, debit=amount)
        document = self.number("".join(word[0] for word in vendor.name.split() if word[0].isalpha()), day)
        draft = self.add(day, vendor.entity, vendor.name, vendor.text, document, [(line, c.PAYABLE)], service)
        self.bills[vendor.name].append(draft)
        return draft

    def sale(self, product: c.Product, day: date, customer: str, quantity: int, price: Decimal) -> Draft:
        """Invoice a customer; the price is in the entity's currency."""
        line = Line(product.account, product.department, credit=quantity * price, product=product.code)
        line.quantity, line.unit_price = quantity, price
        document = self.number("INV", day)
        draft = self.add(day, product.entity, customer, product.name, document, [(line, c.RECEIVABLE)])
        self.invoices[product.code].append(draft)
        return draft


def list_price(product: c.Product, planned: int) -> Decimal:
    """The price on the invoice: the EUR list price, in dollars at the planning rate for the subsidiary."""
    price = Decimal(planned)
    return price if product.entity == c.PARENT else cents(price / c.PLANNING_RATE)


def regular_customers(scale: Scale, product: c.Product) -> list[str]:
    """The customers who buy a product in every quarter."""
    rng = random.Random(f"{scale.seed}/customers/{product.code}")
    pool = list(c.CUSTOMERS[product.entity])
    if scale.small:
        pool = pool[:5]
    return rng.sample(pool, 2 if scale.small else min(len(pool), rng.randint(9, 12)))


def _sell(books: Books, rng: random.Random, quarter: tuple[int, int]) -> None:
    for product in books.scale.units:
        _, units, price = books.scale.product_quarter(product, quarter)
        # Demand differs from the plan by less than about EUR 1,500 a product.
        slack = 0 if product.code in books.scale.exact_products else min(1500 // price, units // 50)
        total = units + rng.randint(-slack, slack)
        customers = regular_customers(books.scale, product)
        months = months_of(quarter)
        orders = [(month, customer) for customer in customers for month in months]
        for (month, customer), quantity in zip(orders, pieces(rng, total, len(orders)), strict=False):
            day = workday(month, rng.randint(3, 28))
            books.sale(product, day, customer, quantity, list_price(product, price))


def _buy(books: Books, rng: random.Random, quarter: tuple[int, int]) -> None:
    for vendor in books.scale.vendors:
        planned = books.scale.vendor_month(vendor, quarter)
        for month in months_of(quarter):
            amount = near(rng, planned, 12, 240)
            books.bill(vendor, workday(month, rng.randint(3, 27)), amount, (month, month_end(month)))


def _claim(books: Books, rng: random.Random, quarter: tuple[int, int]) -> None:
    """Travel claims of employees: many small entries near the planned total."""
    towns = ("Lyon", "Gdansk", "Porto", "Oslo", "Leeds", "Ghent", "Graz", "Aarhus", "Turin", "Bilbao")
    for department, planned in c.CLAIMS.items():
        if books.scale.small and department != "SALES":
            continue
        for month in months_of(quarter):
            total = int(near(rng, planned, 20, 250) * 100)
            for amount in pieces(rng, total, 2 if books.scale.small else max(3, planned // 1100)):
                person = rng.choice(c.CLAIMANTS[department])
                day = workday(month, rng.randint(4, 28))
                line = Line(c.TRAVEL, department, debit=Decimal(amount) / 100)
                text = f"Travel to {rng.choice(towns)}"
                books.add(day, c.PARENT, person, text, books.number("EXP", day), [(line, c.PAYABLE)], (month, day))


def _pay_people(books: Books, rng: random.Random, quarter: tuple[int, int]) -> None:
    for entity, departments in c.PAYROLL.items():
        for month in months_of(quarter):
            pairs, total = [], Decimal(0)
            for department in departments:
                salary = near(rng, books.scale.salary_month(entity, department, quarter), 3, 200)
                social = cents(salary * c.SOCIAL_SHARE)
                pairs += [(Line(c.SALARIES, department, debit=salary), c.WAGES_DUE)]
                pairs += [(Line(c.SOCIAL, department, debit=social), c.WAGES_DUE)]
                total += salary + social
            day = workday(month, 25)
            books.add(day, entity, "Payroll", f"Payroll {month:%Y-%m}", books.number("PAY", day), pairs)
            settle = [(Line(c.WAGES_DUE, "", debit=total), c.CASH)]
            day = workday(month, 27)
            books.add(day, entity, "Payroll", f"Wages paid {month:%Y-%m}", books.number("BANK", day), settle)


def _month_end_entries(books: Books, quarter: tuple[int, int]) -> None:
    for month in months_of(quarter):
        day = month_end(month)
        for entity, departments in c.WEAR.items():
            pairs = [
                (Line(c.DEPRECIATION, dept, debit=Decimal(amount)), c.WORN) for dept, amount in departments.items()
            ]
            books.add(day, entity, "", f"Depreciation {month:%Y-%m}", books.number("MEMO", day), pairs)
        interest = [(Line(c.INTEREST, "FIN", debit=Decimal(c.INTEREST_MONTHLY)), c.CASH)]
        books.add(day, c.PARENT, "Maasbank", f"Interest {month:%Y-%m}", books.number("BANK", day), interest)
    tax = [(Line(c.TAX, "FIN", debit=Decimal(c.TAX_QUARTERLY)), c.TAX_DUE)]
    books.add(day, c.PARENT, "Belastingdienst", "Income tax of the quarter", books.number("MEMO", day), tax)


def _open(books: Books) -> None:
    """Balances brought forward on the first day."""
    day = months_of(books.scale.quarters[0])[0]
    for entity, factor in ((c.PARENT, 10), (c.SUBSIDIARY, 2)):
        amounts = ((c.CASH, 210), (c.RECEIVABLE, 140), (c.INVENTORY, 165), (c.EQUIPMENT, 240))
        pairs = [(Line(account, "", debit=Decimal(n * factor * 1000)), "3000") for account, n in amounts]
        pairs += [(Line("3000", "", debit=Decimal(180 * factor * 1000)), c.LOAN)]
        pairs += [(Line("3000", "", debit=Decimal(95 * factor * 1000)), "3100")]
        books.add(day, entity, "", "Balances brought forward", books.number("OPEN", day), pairs)


def settle(books: Books) -> None:
    """Receipts and payment runs of the month after, from whatever was invoiced and billed."""
    sales: dict[tuple[str, str, date], Decimal] = defaultdict(Decimal)
    costs: dict[tuple[str, date], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for draft in books.drafts:
        month = draft.day.replace(day=1)
        for line in draft.lines:
            if line.account == c.RECEIVABLE and line.debit and draft.counterparty:
                sales[draft.entity, draft.counterparty, month] += line.debit
            elif line.account == c.PAYABLE and line.credit:
                costs[draft.entity, month][draft.counterparty] += line.credit
    last = month_end(months_of(books.scale.quarters[-1])[2])
    for (entity, customer, month), total in sorted(sales.items()):
        day = workday(month_end(month) + timedelta(days=1), 12)
        if day <= last:
            receipt = [(Line(c.CASH, "", debit=total), c.RECEIVABLE)]
            books.add(day, entity, customer, "Receipt", books.number("BANK", day), receipt)
    for (entity, month), owed in sorted(costs.items()):
        day = workday(month_end(month) + timedelta(days=1), 16)
        if day <= last:
            pairs = [(Line(c.PAYABLE, "", debit=total), c.CASH) for _, total in sorted(owed.items())]
            books.add(day, entity, "Maasbank", "Payment run", books.number("BANK", day), pairs)


def ordinary_books(scale: Scale) -> Books:
    """Everything that happens in every quarter, before payments are settled."""
    books = Books(scale)
    _open(books)
    for quarter in scale.quarters:
        rng = random.Random(f"{scale.seed}/{quarter}")
        _sell(books, rng, quarter)
        _buy(books, rng, quarter)
        _claim(books, rng, quarter)
        _pay_people(books, rng, quarter)
        _month_end_entries(books, quarter)
    return books


def forecast(scale: Scale, quarter: tuple[int, int]) -> dict[tuple[str, str], Decimal]:
    """What the planner put for each account and department, in whole EUR; a cost is rounded to hundreds."""
    revenue: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    costs: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for product in scale.units:
        _, units, price = scale.product_quarter(product, quarter)
        revenue[product.account, product.department] += units * price
    to_base = {c.PARENT: Decimal(1), c.SUBSIDIARY: c.PLANNING_RATE}
    for vendor in scale.vendors:
        amount = 3 * scale.vendor_month(vendor, quarter) * to_base[vendor.entity]
        costs[vendor.account, vendor.department] += amount
    for entity, departments in c.PAYROLL.items():
        for department in departments:
            salary = 3 * scale.salary_month(entity, department, quarter) * to_base[entity]
            costs[c.SALARIES, department] += salary
            costs[c.SOCIAL, department] += salary * c.SOCIAL_SHARE
        for department, wear in c.WEAR[entity].items():
            costs[c.DEPRECIATION, department] += 3 * wear * to_base[entity]
    for department, claims in c.CLAIMS.items():
        if department == "SALES" or not scale.small:
            costs[c.TRAVEL, department] += 3 * claims
    costs[c.INTEREST, "FIN"] += 3 * c.INTEREST_MONTHLY
    costs[c.TAX, "FIN"] += c.TAX_QUARTERLY
    hundreds = {line: (cost / 100).quantize(Decimal(1), rounding=ROUND_HALF_UP) * 100 for line, cost in costs.items()}
    return {line: amount.quantize(Decimal(1)) for line, amount in sorted((revenue | hundreds).items())}


def material(forecast_amount: Decimal) -> Decimal:
    """The smallest variance that is material for a line of this forecast."""
    return max(c.MATERIAL_ABSOLUTE, c.MATERIAL_SHARE * abs(forecast_amount))
