"""Causes planted in the quarter to close: what a reviewer should find from books and forecast alone.

Each cause lies in an account and department of its own, and its amount is at least one and a half times what is
material there. An amount is actual minus forecast, both taken positive in the account's normal direction: a cost
booked too much and revenue above plan are positive, a cost that is missing and revenue below plan are negative.

timing      late: a vendor's bills for the quarter before, booked in this one (+, those bills);
            ahead: a bill for the quarter after, booked in this one (+, that bill);
            early: bills for this quarter booked in the one before (-, those bills, which lie in that quarter).
            Shown by dates of service wholly outside the quarter an entry is booked in.
one_off     bills of a counterparty that no earlier entry names (+, those bills).
misposting  a vendor's bills of this quarter in an account or department where it never was before. Two rows with
            the same entries: + where they are, - where the vendor always was.
price       a product sold at another price than planned from some day on; the amount is the sum of
            (price - planned price) x quantity over the invoices at the new price, which are its entries.
volume      a customer who never bought this product orders a lot; the amount is its quantity x planned price.
imbalance   one balance-sheet entry whose debit and credit differ in the group's currency (debit less credit):
            digits swapped on one side, or one side of a foreign entry converted at another month's rate.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from loopback.company import catalog as c
from loopback.company.books import CLOSE, Books, Draft, Line, forecast, material, month_end, months_of, ratio, workday

MARGIN = Decimal("1.5")
AccountLine = tuple[str, str]


@dataclass(frozen=True)
class Cause:
    """A planted cause; its entries are drafts until the books are numbered."""

    kind: str
    line: AccountLine
    amount: Decimal
    drafts: tuple[Draft, ...]


@dataclass
class Planter:
    """Plants causes, each in lines that no other cause touched."""

    books: Books
    rng: random.Random
    plan: dict[AccountLine, Decimal]
    causes: list[Cause] = field(default_factory=list)

    @property
    def used(self) -> set[AccountLine]:
        """Lines that already carry a cause."""
        return {cause.line for cause in self.causes}

    def enough(self, line: AccountLine, amount: Decimal) -> bool:
        """Whether an effect stands out in a free line."""
        return line in self.plan and line not in self.used and abs(amount) >= MARGIN * material(self.plan[line])

    def base(self, drafts: list[Draft]) -> Decimal:
        """What the drafts cost in the group's currency."""
        return sum((draft.lines[0].base for draft in drafts), Decimal(0))

    def of_quarter(self, vendor: c.Vendor, quarter: tuple[int, int]) -> list[Draft]:
        """A vendor's bills for a quarter, by month."""
        firsts = months_of(quarter)
        return [d for d in self.books.bills[vendor.name] if d.service and d.service[0] in firsts]

    def vendors(self) -> list[c.Vendor]:
        """Vendors in an order of this seed."""
        chosen = list(self.books.scale.vendors)
        self.rng.shuffle(chosen)
        return chosen

    def timing(self) -> None:
        """Book a vendor's bills in a quarter other than the one of service."""
        forms: list[Callable[[c.Vendor], list[Draft]]] = [self._late, self._ahead, self._early]
        form = self.rng.choice(forms)
        for vendor in self.vendors():
            line = (vendor.account, vendor.department)
            expected = self.base(self.of_quarter(vendor, CLOSE))
            if self.enough(line, expected * Decimal("0.97")):
                drafts = form(vendor)
                amount = self.base(drafts) * (-1 if form == self._early else 1)
                self.causes.append(Cause("timing", line, amount, tuple(drafts)))
                return
        raise ValueError("No vendor is large enough for a timing cause.")

    def _redate(self, draft: Draft, day: date) -> None:
        draft.day = day
        for line in draft.lines:
            line.rate = self.books.scale.rate(draft.entity, day)

    def _late(self, vendor: c.Vendor) -> list[Draft]:
        drafts = self.of_quarter(vendor, (CLOSE[0], CLOSE[1] - 1))
        for draft in drafts:
            self._redate(draft, workday(months_of(CLOSE)[0], self.rng.randint(3, 20)))
        return drafts

    def _ahead(self, vendor: c.Vendor) -> list[Draft]:
        following = months_of((CLOSE[0], CLOSE[1] + 1))
        amount = Decimal(3 * self.books.scale.vendor_month(vendor, CLOSE))
        day = workday(months_of(CLOSE)[2], self.rng.randint(10, 28))
        return [self.books.bill(vendor, day, amount, (following[0], month_end(following[2])))]

    def _early(self, vendor: c.Vendor) -> list[Draft]:
        drafts = self.of_quarter(vendor, CLOSE)
        day = workday(months_of((CLOSE[0], CLOSE[1] - 1))[2], self.rng.randint(10, 28))
        for draft in drafts:
            self._redate(draft, day)
        return drafts

    def one_off(self) -> None:
        """Book bills of someone who was never there before."""
        templates = [t for t in c.ONE_OFFS if t[0] not in {d.counterparty for x in self.causes for d in x.drafts}]
        self.rng.shuffle(templates)
        for name, text, accounts in templates:
            vendors = [v for v in self.books.scale.vendors if v.account in accounts and v.entity == c.PARENT]
            lines = sorted({(v.account, v.department) for v in vendors} - self.used)
            if not lines:
                continue
            line = self.rng.choice(lines)
            total = material(self.plan[line]) * self.rng.randint(165, 320) / 100
            total = total.quantize(Decimal(1)) + Decimal(self.rng.randint(1, 9999)) / 100
            shares = [total] if self.rng.random() < 0.5 else [(total * 6 / 10).quantize(Decimal("0.01"))]
            shares += [total - shares[0]] if shares[0] != total else []
            drafts = []
            for month, amount in zip(self.rng.sample(months_of(CLOSE), len(shares)), shares, strict=True):
                day = workday(month, self.rng.randint(5, 26))
                posted = Line(*line, debit=amount)
                document = self.books.number("EX", day)
                service = (day - timedelta(days=min(day.day - 1, 4)), day)
                drafts.append(self.books.add(day, c.PARENT, name, text, document, [(posted, c.PAYABLE)], service))
            self.causes.append(Cause("one_off", line, total, tuple(drafts)))
            return
        raise ValueError("No line is free for a one-off cause.")

    def misposting(self) -> None:
        """Put a known vendor's bills where they do not belong."""
        for vendor in self.vendors():
            right = (vendor.account, vendor.department)
            drafts = self.of_quarter(vendor, CLOSE)
            amount = self.base(drafts)
            if not self.enough(right, amount):
                continue
            # A slip keeps either the account or the department; the line exists and knows other vendors.
            wrong_lines = sorted({(v.account, v.department) for v in self.books.scale.vendors} - {right})
            near = [w for w in wrong_lines if w[0] == right[0] or w[1] == right[1]]
            fitting = [w for w in near if self.enough(w, amount)]
            if not fitting:
                continue
            wrong = self.rng.choice(fitting)
            for draft in drafts:
                draft.lines[0].account, draft.lines[0].department = wrong
            self.causes.append(Cause("misposting", wrong, amount, tuple(drafts)))
            self.causes.append(Cause("misposting", right, -amount, tuple(drafts)))
            return
        raise ValueError("No vendor is large enough for a misposting.")

    def price(self, product: c.Product) -> None:
        """Sell a product at another price from some day on."""
        planned = self.books.scale.product_quarter(product, CLOSE).price
        line = (product.account, product.department)
        sign = self.rng.choice((-1, 1, 1))
        start = months_of(CLOSE)[0] + timedelta(days=self.rng.randint(6, 30))
        sold = [d for d in self.books.invoices[product.code] if start <= d.day <= month_end(months_of(CLOSE)[2])]
        quantity = sum(d.lines[0].quantity or 0 for d in sold)
        step = max(1, ratio(planned * self.rng.randint(8, 12), 100))
        while not self.enough(line, Decimal(step * quantity)):
            step += 1
        for draft in sold:
            posted, against = draft.lines
            posted.unit_price = Decimal(planned + sign * step)
            posted.credit = against.debit = (posted.quantity or 0) * posted.unit_price
        self.causes.append(Cause("price", line, Decimal(sign * step * quantity), tuple(sold)))

    def volume(self, product: c.Product) -> None:
        """Let a customer who never bought this product order a lot of it."""
        planned = self.books.scale.product_quarter(product, CLOSE).price
        line = (product.account, product.department)
        wanted = material(self.plan[line]) * self.rng.randint(165, 280) / 100
        total = int(wanted / planned) + 1
        parts = self.rng.randint(2, 3) if total >= 6 else 1
        name = self.rng.choice(c.NEW_CUSTOMERS)
        drafts = []
        for part in range(parts):
            quantity = total // parts + (total % parts if part == 0 else 0)
            day = workday(months_of(CLOSE)[part], self.rng.randint(6, 27))
            drafts.append(self.books.sale(product, day, name, quantity, Decimal(planned)))
        self.causes.append(Cause("volume", line, Decimal(total * planned), tuple(drafts)))

    def distractions(self) -> None:
        """Small harmless things of the same shapes as causes, in lines that carry none."""
        quarter = months_of(CLOSE)
        free = [v for v in self.vendors() if (v.account, v.department) not in self.used and v.entity == c.PARENT]
        for vendor, name in zip(free[:3], self.rng.sample(c.SMALL_NEWCOMERS, 3), strict=True):
            day = workday(self.rng.choice(quarter), self.rng.randint(5, 26))
            line = (vendor.account, vendor.department)
            self._add_small(day, name, "Invoice", line, (day, day))
        june = months_of((CLOSE[0], CLOSE[1] - 1))[2]
        for department in self.rng.sample(sorted(c.CLAIMS), 2):
            day = workday(quarter[0], self.rng.randint(3, 9))
            line = (c.TRAVEL, department)
            person = c.CLAIMANTS[department][0]
            self._add_small(day, person, "Travel to Lisbon", line, (june, month_end(june)))

    def _add_small(self, day: date, party: str, text: str, line: AccountLine, service: tuple[date, date]) -> None:
        posted = Line(*line, debit=Decimal(self.rng.randint(9000, 72000)) / 100)
        self.books.add(day, c.PARENT, party, text, self.books.number("R", day), [(posted, c.PAYABLE)], service)


def choose_products(seed: int, small: bool) -> tuple[c.Product, c.Product]:
    """The products of the price and the volume cause: sold by the parent, in different lines."""
    rng = random.Random(f"{seed}/products")
    pool = [p for p in c.PRODUCTS if p.entity == c.PARENT and p.code != "REED-R" and (p.core or not small)]
    first, second = rng.sample(pool, 2)
    return first, second


def plant(books: Books, products: tuple[c.Product, c.Product]) -> list[Cause]:
    """Plant the causes of the seed and return them; payments are not settled yet."""
    scale = books.scale
    rng = random.Random(f"{scale.seed}/causes")
    planter = Planter(books, rng, forecast(scale, CLOSE))
    costs = {"timing": planter.timing, "one_off": planter.one_off, "misposting": planter.misposting}
    sales = {"price": planter.price, "volume": planter.volume}
    if scale.small:
        kinds = [rng.choice(sorted(sales)), *rng.sample(sorted(costs), 2)]
    else:
        kinds = [*sales, *costs, *rng.sample(("one_off", "timing"), rng.randint(0, 2))]
    # Mispostings need two fitting lines, so they choose first.
    for kind in sorted(kinds, key=("misposting", "price", "volume", "timing", "one_off").index):
        if kind in sales:
            sales[kind](products[0] if kind == "price" else products[1])
        else:
            costs[kind]()
    if not scale.small:
        planter.distractions()
    return planter.causes


def plant_imbalance(books: Books) -> tuple[Draft, Decimal]:
    """Spoil one settled balance-sheet entry of the quarter; return it with its debit less credit."""
    rng = random.Random(f"{books.scale.seed}/imbalance")
    first, last = months_of(CLOSE)[0], month_end(months_of(CLOSE)[2])
    recent = [d for d in books.drafts if first <= d.day <= last]
    if rng.random() < 0.5:
        draft = rng.choice([d for d in recent if d.description == "Receipt" and _swappable(d.lines[1].credit)])
        draft.lines[1].credit = _swapped(draft.lines[1].credit)
    else:
        draft = rng.choice([d for d in recent if d.entity == c.SUBSIDIARY and d.description.startswith("Wages paid")])
        rate = draft.lines[1].rate
        draft.lines[1].rate = max(books.scale.rates.values(), key=lambda other: (abs(other - rate), other))
    return draft, sum((line.base for line in draft.lines), Decimal(0))


def _swappable(amount: Decimal) -> bool:
    text = f"{amount:.2f}"
    return len(text) > 7 and text[1] != text[2]


def _swapped(amount: Decimal) -> Decimal:
    text = f"{amount:.2f}"
    return Decimal(text[0] + text[2] + text[1] + text[3:])
