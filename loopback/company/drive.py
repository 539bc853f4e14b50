"""The company's Drive: the forecast workbook, the close conventions, and files unrelated to a close."""

import json
from pathlib import Path
from typing import Any

import yaml

from loopback.company import catalog as c
from loopback.company.books import Scale, forecast

YEAR_QUARTERS = ((1, "Q1"), (2, "Q2"), (3, "Q3"), (4, "Q4"))
TEXTS = Path(__file__).parent / "texts.yml"


def drive_files(scale: Scale) -> dict[str, str]:
    """Every file of the Drive by name."""
    files: dict[str, str] = yaml.load(TEXTS.read_text(encoding="utf-8"), yaml.CSafeLoader)
    conventions = files["Close conventions.doc.md"]
    share = f"{c.MATERIAL_SHARE * 100:.0f}"
    conventions = conventions.replace("{absolute}", f"{c.MATERIAL_ABSOLUTE:,.0f}").replace("{share}", share)
    files["Close conventions.doc.md"] = conventions.replace("{rate}", f"{c.PLANNING_RATE:.4f}")
    files["FY26 Forecast.sheet.json"] = _sheet("FY26 Forecast", _forecast_tabs(scale, 2026))
    if not scale.small:
        files["FY25 Budget (closed).sheet.json"] = _sheet("FY25 Budget (closed)", _forecast_tabs(scale, 2025)[:1])
    return files


def _sheet(title: str, tabs: list[dict[str, Any]]) -> str:
    return json.dumps({"title": title, "tabs": tabs}, ensure_ascii=False, indent=1) + "\n"


def _forecast_tabs(scale: Scale, year: int) -> list[dict[str, Any]]:
    return [
        {"title": "Forecast", "rows": _forecast_rows(scale, year)},
        {"title": "Drivers", "rows": _driver_rows(scale, year)},
        {"title": "Notes", "rows": _note_rows(year)},
    ]


def _forecast_rows(scale: Scale, year: int) -> list[list[Any]]:
    """A title, the header, revenue lines, cost lines and totals that are formulas; all amounts are positive."""
    kinds = {account: (name, kind) for account, name, kind, _ in c.ACCOUNTS}
    quarters = {number: forecast(scale, (year, number)) for number, _ in YEAR_QUARTERS}
    keys = sorted(quarters[3], key=lambda key: (kinds[key[0]][1] != "revenue", key))
    header = ["Account", "Name", "Department", *(f"{name} {year}" for _, name in YEAR_QUARTERS)]
    rows: list[list[Any]] = [[f"{c.COMPANY}: forecast {year}, {c.BASE_CURRENCY}"], [], header]
    for key in keys:
        amounts = [int(quarters[number][key]) for number, _ in YEAR_QUARTERS]
        rows.append([key[0], kinds[key[0]][0], key[1], *amounts])
    revenue = sum(1 for key in keys if kinds[key[0]][1] == "revenue")
    first, split, last = 4, 4 + revenue, 3 + len(keys)
    columns = "DEFG"
    rows.append(["Total revenue", None, None, *(f"=SUM({x}{first}:{x}{split - 1})" for x in columns)])
    rows.append(["Total costs", None, None, *(f"=SUM({x}{split}:{x}{last})" for x in columns)])
    rows.append(["Total result", None, None, *(f"={x}{last + 1}-{x}{last + 2}" for x in columns)])
    return rows


def _driver_rows(scale: Scale, year: int) -> list[list[Any]]:
    rows: list[list[Any]] = [["Product", "Account", "Department", "Quarter", "Units", "Unit price"]]
    for product in scale.units:
        for number, name in YEAR_QUARTERS:
            _, units, price = scale.product_quarter(product, (year, number))
            rows.append([product.code, product.account, product.department, f"{name} {year}", units, price])
    return rows


def _note_rows(year: int) -> list[list[Any]]:
    return [
        ["Notes for readers"],
        [f"All amounts are whole {c.BASE_CURRENCY}. Revenue and costs are both entered as positive numbers."],
        [f"Dollar lines were planned at {c.PLANNING_RATE:.4f} {c.BASE_CURRENCY} for one USD."],
        ["Revenue is units times unit price from the tab with the drivers; costs are rounded to hundreds."],
        [f"Prepared by Priya Raman, agreed with the department heads in the autumn before {year}."],
    ]
