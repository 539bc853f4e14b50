"""What the company knows about its next launch: a brand document for the Drive, and the records of its CRM.

One field of the CRM's campaign record contradicts the brand document; which one follows from the seed.
"""

import datetime
import random
from dataclasses import dataclass
from typing import Any

from loopback.company import catalog as c

SITE = "https://larkmere.example"
BRAND_FILE = "Brook 3 brand document.doc.md"
CRM_FILE = "crm.json"
SEGMENTS = (
    ("pilot", "Pilot customers", 5),
    ("owners", "Owners of an earlier logger", 34),
    ("harbours", "Harbour offices", 21),
)
PLANTED = ("launch_date", "price", "webinar_date")
GIVEN = ("Anouk", "Bram", "Chiara", "Dov", "Elif", "Farid", "Greta", "Hugo", "Ilse", "Joost", "Kaia", "Lars", "Mina")
FAMILY = ("Akerman", "Boucher", "Carlsen", "Dufour", "Ekholm", "Ferrante", "Gallo", "Haugen", "Iversen", "Jansen")
PLACES = ("Delfzijl", "Esbjerg", "Cuxhaven", "Zeebrugge", "Aveiro", "Galway", "Lorient", "Vlissingen", "Gdynia")

BRAND = """# Brook 3: brand document

Owner: Elena Moretti, marketing. This document outranks every other place for what is said about the Brook 3.

## Key message
{message}

## Facts
| Fact | Kind | Value | Words that mean it |
|---|---|---|---|
| Product | name | Brook 3 | |
| Company | name | {company} | |
| Launch date | date | {launch} | available, launch, ships, on sale |
| Price | money | EUR {price} | price, costs |
| Battery life | number | {battery} | battery, charge |
| Warranty in months | number | {warranty} | warranty, guarantee |
| Webinar date | date | {webinar} | webinar, live demonstration |
| Launch page | link | {site}/brook-3 | |
| Webinar page | link | {site}/brook-3/live | |
| Spokesperson | name | Adele Castellan | |
| Press contact | name | Elena Moretti | |
| Press mail | mail | press@larkmere.example | |

## What the spokesperson says
"We built the Brook 3 for people who stand on a wet quay at six in the morning and want one answer."

## Proof
- The probe can be changed without tools, in the field.
- It sends its readings to Delta, the web view that our customers already use.
- Five harbour offices helped to test it.

## Never say
- revolutionary
- game-changing
- best in class
"""
MESSAGES = (
    "The water quality logger that tells you in one glance whether the water is fine.",
    "One glance at the quay, and you know whether the water is fine.",
    "Water you can trust, told by one light on the logger itself.",
)


@dataclass(frozen=True)
class Launch:
    """The facts of a seed, and which field of the CRM contradicts them with what."""

    brand: str
    crm: dict[str, Any]
    planted: dict[str, str]


def launch(seed: int, *, small: bool = False) -> Launch:
    """The launch of a seed; `small` has fewer contacts."""
    rng = random.Random(f"launch {seed}")
    start = datetime.date(2026, 11, 9) + datetime.timedelta(days=rng.randrange(0, 10))
    facts: dict[str, Any] = {
        "launch_date": start,
        "price": rng.choice((1290, 1390, 1490, 1590, 1690)),
        "webinar_date": start + datetime.timedelta(days=rng.randrange(5, 9)),
    }
    brand = BRAND.format(
        message=rng.choice(MESSAGES), company=c.COMPANY, launch=long_date(facts["launch_date"]), site=SITE,
        price=f"{facts['price']:,}", webinar=long_date(facts["webinar_date"]),
        battery=f"{rng.randrange(35, 60)} days", warranty=str(rng.choice((24, 36, 48))),
    )  # fmt: skip
    field = PLANTED[seed % len(PLANTED)]
    wrong = facts[field] + (100 if field == "price" else datetime.timedelta(days=2))
    record = facts | {field: wrong}
    crm = {
        "campaigns": [
            {
                "id": "CMP-BROOK-3", "product": "Brook 3", "status": "draft", "owner": "Ruben Vermeer",
                "launch_date": record["launch_date"].isoformat(), "price": str(record["price"]), "currency": "EUR",
                "webinar_date": record["webinar_date"].isoformat(), "segments": [s for s, _, _ in SEGMENTS],
            }
        ],
        "segments": [{"segment": key, "name": name} for key, name, _ in SEGMENTS],
        "contacts": _contacts(rng, small),
    }  # fmt: skip
    planted = {"field": field, "brand": _text(facts[field]), "crm": _text(wrong)}
    return Launch(brand, crm, planted)


def long_date(day: datetime.date) -> str:
    """A date as the company writes it, like 9 November 2026."""
    return f"{day.day} {day:%B %Y}"


def _text(value: Any) -> str:
    return long_date(value) if isinstance(value, datetime.date) else str(value)


def _contacts(rng: random.Random, small: bool) -> list[dict[str, str]]:
    """People of each segment; some have withdrawn their consent and must not be written to."""
    rows: list[dict[str, str]] = []
    for segment, _, many in SEGMENTS:
        for _ in range(min(many, 4) if small else many):
            number = len(rows) + 1
            given, family = rng.choice(GIVEN), rng.choice(FAMILY)
            rows.append(
                {
                    "contact": f"CON-{number:04d}", "segment": segment, "name": f"{given} {family}",
                    "mail": f"{given}.{family}.{number}@example.org".lower(), "place": rng.choice(PLACES),
                    "consent": "no" if rng.random() < 0.1 else "yes",
                }
            )  # fmt: skip
    return rows
