"""Put the company together: numbered entries, the truth about them, its Drive and its channels."""

import csv
import dataclasses
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from loopback.company import catalog as c
from loopback.company.books import CLOSE, Books, cents, forecast, ordinary_books, quarter_of, scale_of, settle
from loopback.company.contracts import contracts
from loopback.company.dataroom import dataroom
from loopback.company.drive import drive_files
from loopback.company.filing import filing
from loopback.company.launch import BRAND_FILE, CRM_FILE, launch
from loopback.company.meeting import transcript
from loopback.company.planting import Cause, choose_products, plant, plant_imbalance
from loopback.company.survey import survey
from loopback.company.workspace import workspace

PERIOD = f"{CLOSE[0]}-Q{CLOSE[1]}"


class EntryLine(NamedTuple):
    """One line of `entries.csv`, as text; `base` amounts are in the group's currency."""

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
    debit: str
    credit: str
    rate: str
    debit_base: str
    credit_base: str


@dataclass(frozen=True)
class Company:
    """Everything about the company of a seed; `truth` is what was planted."""

    seed: int
    small: bool
    workspace: dict[str, Any]
    drive: dict[str, str]
    papers: dict[str, bytes]  # files of the Drive that are no text of ours, by path
    entries: tuple[EntryLine, ...]
    forecast: dict[tuple[str, str], Decimal]
    crm: dict[str, Any]
    truth: dict[str, Any]


def generate(seed: int, *, small: bool = False) -> Company:
    """Make the company of a seed; `small` has three quarters, about 300 entries and three causes."""
    products = choose_products(seed, small)
    exact = frozenset(product.code for product in products)
    scale = dataclasses.replace(scale_of(seed, small), exact_products=exact)
    books = ordinary_books(scale)
    causes = plant(books, products)
    settle(books)
    spoiled, difference = plant_imbalance(books)
    ids = _number(books)
    truth = {
        "seed": seed,
        "period": PERIOD,
        "causes": [_cause_row(cause, ids) for cause in causes],
        "imbalance": {"entry": ids[id(spoiled)], "amount": str(difference), "period": PERIOD},
    }
    next_launch = launch(seed, small=small)
    truth["launch"] = next_launch.planted
    asked = survey(seed, small=small)
    truth["survey"] = asked.truth
    papers: dict[str, bytes] = {}
    for name, (files, planted) in {
        "contracts": contracts(seed, small=small), "meeting": transcript(seed), "filing": filing(seed, small=small),
        "dataroom": dataroom(seed, small=small),
    }.items():  # fmt: skip
        papers |= files
        truth[name] = planted
    return Company(
        seed,
        small,
        workspace(small),
        {**drive_files(scale), BRAND_FILE: next_launch.brand, **asked.files},
        papers,
        tuple(_entry_lines(books, ids)),
        forecast(scale, CLOSE),
        next_launch.crm,
        truth,
    )


def _number(books: Books) -> dict[int, str]:
    """Sort the drafts by day and number them."""
    books.drafts.sort(key=lambda draft: draft.day)
    return {id(draft): f"JE-{n:06d}" for n, draft in enumerate(books.drafts, start=1)}


def _cause_row(cause: Cause, ids: dict[int, str]) -> dict[str, Any]:
    account, department = cause.line
    return {
        "kind": cause.kind,
        "account": account,
        "department": department,
        "period": PERIOD,
        "amount": str(cents(cause.amount)),
        "entries": sorted(ids[id(draft)] for draft in cause.drafts),
    }


def _entry_lines(books: Books, ids: dict[int, str]) -> list[EntryLine]:
    currency = {entity: money for entity, _, money in c.ENTITIES}
    rows = []
    for draft in books.drafts:
        start, end = draft.service or ("", "")
        for n, line in enumerate(draft.lines, start=1):
            rows.append(
                EntryLine(
                    ids[id(draft)],
                    str(n),
                    str(draft.day),
                    quarter_of(draft.day),
                    draft.entity,
                    line.account,
                    line.department,
                    draft.counterparty,
                    draft.description,
                    draft.document,
                    str(start),
                    str(end),
                    line.product,
                    "" if line.quantity is None else str(line.quantity),
                    "" if line.unit_price is None else f"{line.unit_price:.2f}",
                    currency[draft.entity],
                    f"{line.debit:.2f}",
                    f"{line.credit:.2f}",
                    f"{line.rate:.4f}",
                    f"{cents(line.debit * line.rate):.2f}",
                    f"{cents(line.credit * line.rate):.2f}",
                )
            )
    return rows


def write(company: Company, out: Path, truth: Path | None = None) -> None:
    """Write the company below `out`, and what was planted to `truth`, which must lie elsewhere."""
    if truth is not None and truth.resolve().is_relative_to(out.resolve()):
        raise ValueError(f"The truth file {truth} must not lie inside {out}.")
    tables: dict[str, tuple[tuple[str, ...], list[tuple[str, ...]]]] = {
        "accounts.csv": (("account", "name", "type", "normal"), list(c.ACCOUNTS)),
        "departments.csv": (("department", "name"), list(c.DEPARTMENTS)),
        "entities.csv": (("entity", "name", "currency"), list(c.ENTITIES)),
        "entries.csv": (EntryLine._fields, list(company.entries)),
    }
    (out / "ledger").mkdir(parents=True, exist_ok=True)
    (out / "drive").mkdir(exist_ok=True)
    for name, (header, rows) in tables.items():
        with (out / "ledger" / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows)
    for name, text in company.drive.items():
        (out / "drive" / name).write_text(text, encoding="utf-8")
    for name, data in company.papers.items():
        place = out / "drive" / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
    (out / "crm").mkdir(exist_ok=True)
    _write_json(out / "crm" / CRM_FILE, company.crm)
    _write_json(out / "workspace.json", company.workspace)
    if truth is not None:
        truth.parent.mkdir(parents=True, exist_ok=True)
        _write_json(truth, company.truth)


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
