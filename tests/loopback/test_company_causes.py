"""Planted causes are found from books and forecast alone, by rules that know no names, and nothing else is."""

import json
from collections import defaultdict
from decimal import Decimal

import pytest

from loopback.company import Company, generate

QUARTER = "2026-Q3"


def quarter(day: str) -> str:
    return f"{day[:4]}-Q{(int(day[5:7]) + 2) // 3}"


def amount(line) -> Decimal:
    value = Decimal(line.debit_base) - Decimal(line.credit_base)
    return -value if line.account.startswith("4") else value


def row(kind, place, effect, lines):
    return kind, *place, effect.quantize(Decimal("0.01")), tuple(sorted({line.entry_id for line in lines}))


def sales_causes(company: Company, place, now, before):
    tabs = json.loads(company.drive["FY26 Forecast.sheet.json"])["tabs"]
    plan = {r[0]: Decimal(r[5]) for r in tabs[1]["rows"] if r[3] == "Q3 2026"}
    customers = {(x.product, x.counterparty) for x in before}
    dear = [x for x in now if abs(amount(x) / int(x.quantity) / plan[x.product] - 1) > Decimal("0.03")]
    if dear:
        effect = sum((Decimal(x.unit_price) - plan[x.product]) * int(x.quantity) for x in dear)
        yield row("price", place, Decimal(effect), dear)
    new = [x for x in now if (x.product, x.counterparty) not in customers]
    if new:
        yield row("volume", place, Decimal(sum(plan[x.product] * int(x.quantity) for x in new)), new)


def cost_causes(company: Company, place, now, before):
    parties = defaultdict(set)
    for line in company.entries:
        if line.period < QUARTER and line.account >= "4000":
            parties[line.counterparty].add((line.account, line.department))
    away = [x for x in now if x.service_from and QUARTER not in (quarter(x.service_from), quarter(x.service_to))]
    new = [x for x in now if x.counterparty not in parties and x not in away]
    strange = [x for x in now if x.counterparty in parties and place not in parties[x.counterparty]]
    early = [x for x in before if x.service_from and quarter(x.service_from) == quarter(x.service_to) == QUARTER]
    missing = [
        x
        for x in company.entries
        if x.period == QUARTER
        and x.account >= "4000"
        and (x.account, x.department) not in parties[x.counterparty]
        and parties[x.counterparty] == {place}
    ]
    found = (("timing", away, 1), ("one_off", new, 1), ("misposting", strange, 1))
    for kind, lines, sign in (*found, ("timing", early, -1), ("misposting", missing, -1)):
        if lines:
            yield row(kind, place, sign * sum(amount(x) for x in lines), lines)


def review(company: Company):
    """Every cause in a material line."""
    for place, forecast in company.forecast.items():
        lines = [x for x in company.entries if (x.account, x.department) == place]
        now, before = [x for x in lines if x.period == QUARTER], [x for x in lines if x.period < QUARTER]
        variance = sum((amount(x) for x in now), Decimal(0)) - forecast
        if abs(variance) >= max(Decimal(15000), Decimal("0.03") * forecast):
            causes = sales_causes if place[0].startswith("4") else cost_causes
            yield from causes(company, place, now, before)


@pytest.mark.parametrize(("seed", "small"), [*((n, True) for n in range(20)), *((n, False) for n in range(5))])
def test_a_reviewer_without_names_finds_exactly_what_was_planted(seed, small):
    company = generate(seed, small=small)
    planted = {
        (x["kind"], x["account"], x["department"], Decimal(x["amount"]), tuple(x["entries"]))
        for x in company.truth["causes"]
    }
    assert set(review(company)) == planted
