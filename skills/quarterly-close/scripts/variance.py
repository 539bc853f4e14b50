"""Variance of every profit line (account and department) against the forecast, with favourable or unfavourable.

Arguments: period; trial_balance, accounts (CSV of the ledger); forecast (long CSV of the workbook);
optional conventions (Markdown), currency, out. Writes variance.csv; figures for the headline and each material line.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from closelib import (
    BALANCE_TYPES,
    PROFIT_TYPES,
    Answer,
    Row,
    WrongInput,
    effect,
    is_credit,
    main,
    quarter_bounds,
    read_rows,
    slug,
    thresholds,
    wanted,
    write_rows,
)  # fmt: skip

COLUMNS = (
    "account", "name", "type", "normal", "department", "forecast", "actual", "variance", "percent", "effect",
    "material", "actual_refs", "forecast_refs",
)  # fmt: skip
# the lines of a profit statement as weights of the account types
HEADLINE = (
    ("revenue", "Revenue", {"revenue": 1}),
    ("cogs", "Cost of sales", {"cogs": 1}),
    ("gross_margin", "Gross margin", {"revenue": 1, "cogs": -1}),
    ("opex", "Operating expense", {"expense": 1}),
    ("operating_result", "Operating result", {"revenue": 1, "cogs": -1, "expense": -1}),
)
Key = tuple[str, str]


class Line:
    """One account and department: its rows in the ledger and in the forecast."""

    def __init__(self, account: str, department: str, kind: str, name: str, normal: str) -> None:
        self.account, self.department, self.kind, self.name, self.normal = account, department, kind, name, normal
        self.ledger: list[Row] = []
        self.planned: list[Row] = []

    @property
    def sign(self) -> int:
        """What turns debit minus credit into the account's own direction."""
        return -1 if is_credit(self.kind, self.normal) else 1

    @property
    def actual(self) -> Decimal:
        return self.sign * sum((row.amount("balance") for row in self.ledger), Decimal(0))

    @property
    def forecast(self) -> Decimal:
        return sum((row.amount("amount") for row in self.planned), Decimal(0))

    @property
    def variance(self) -> Decimal:
        return self.actual - self.forecast


def percent(part: Decimal, whole: Decimal) -> Decimal | None:
    """A share in percent with one place, None without a whole."""
    return (part / abs(whole) * 100).quantize(Decimal("0.1"), ROUND_HALF_UP) if whole else None


def work(args: dict[str, Any]) -> Answer:
    """Joins the two sides, judges materiality and writes the table."""
    period = wanted(args, "period")
    quarter_bounds(period)
    limits = thresholds(args.get("conventions"))
    lines = join(args, period)
    unit = args.get("currency", "")
    answer = Answer()
    material = [line for line in lines if is_material(line, limits)]
    out = args.get("out", "variance.csv")
    answer.files.append(write_rows(out, COLUMNS, (table_row(line, line in material) for line in lines)))
    for name, label, weights in HEADLINE:
        answer.figures += figures(name, label, [(weights.get(line.kind, 0), line) for line in lines], unit)
    for line in material:
        name = slug("line", line.account, line.department)
        answer.figures += figures(name, f"{line.name}, {line.department}", [(1, line)], unit, share=False)
    answer.more = {
        "lines": [{"account": line.account, "department": line.department} for line in material],
        "lines_total": len(lines),
        "sources": sorted({row.file for line in lines for row in (*line.ledger, *line.planned)}),
        "materiality": {k: str(v) for k, v in limits.items() if k.startswith("material")},
    }
    return answer


def join(args: dict[str, Any], period: str) -> list[Line]:
    """Every line that the ledger or the forecast has for the period."""
    accounts = {
        row["account"]: row for row in read_rows(wanted(args, "accounts"), ("account", "name", "type"), "accounts")
    }
    ledger = read_rows(wanted(args, "trial_balance"), ("account", "department", "balance", "ref"), "trial_balance")
    planned = read_rows(wanted(args, "forecast"), ("account", "period", "amount", "ref"), "forecast")
    here = [row for row in planned if row["period"] == period]
    if not here:
        known = ", ".join(sorted({row["period"] for row in planned if row["period"]})) or "no period"
        raise WrongInput(f"forecast: {args['forecast']} has nothing for {period}; it has {known}.")
    lines: dict[Key, Line] = {}
    for rows, side in ((ledger, "ledger"), (here, "planned")):
        for row in rows:
            account = accounts.get(row["account"])
            if account is None:
                raise WrongInput(
                    f"{row.file}, row {row.number}: account {row['account']} is not in the chart of accounts."
                )
            if account["type"] in BALANCE_TYPES:
                continue
            if account["type"] not in PROFIT_TYPES:
                raise WrongInput(
                    f"accounts: {account.file}, row {account.number}: account {account['account']} has the type "
                    f'"{account["type"]}"; the close knows {", ".join((*PROFIT_TYPES, *BALANCE_TYPES))}.'
                )
            key = (row["account"], row["department"])
            line = lines.setdefault(key, Line(*key, account["type"], account["name"], account["normal"]))
            getattr(line, side).append(row)
    refuse_ledger_signs(list(lines.values()), args["forecast"])
    order = {kind: place for place, kind in enumerate(PROFIT_TYPES)}
    return sorted(lines.values(), key=lambda line: (order[line.kind], line.account, line.department))


def refuse_ledger_signs(lines: list[Line], path: str) -> None:
    """A forecast that states a whole type against its own direction cannot be compared without a decision."""
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        totals[line.kind] += line.forecast
    for kind in ("revenue", "cogs", "expense"):
        if totals[kind] < 0:
            raise WrongInput(
                f"forecast: {path} states {kind} as negative amounts ({totals[kind]:f} in all); "
                "the close expects revenue and costs as positive amounts."
            )


def is_material(line: Line, limits: dict[str, Decimal]) -> bool:
    """Both thresholds met: the amount and the share of the forecast."""
    size = abs(line.variance)
    return size >= limits["material_amount"] and size * 100 >= limits["material_percent"] * abs(line.forecast)


def table_row(line: Line, material: bool) -> dict[str, Any]:
    """A line as a row of variance.csv."""
    share = percent(line.variance, line.forecast)
    return {
        "account": line.account, "name": line.name, "type": line.kind, "normal": line.normal,
        "department": line.department, "forecast": line.forecast, "actual": line.actual, "variance": line.variance,
        "percent": "" if share is None else share, "effect": effect(line.kind, line.normal, line.variance),
        "material": "yes" if material else "no", "actual_refs": " ".join(row["ref"] for row in line.ledger),
        "forecast_refs": " | ".join(row["ref"] for row in line.planned),
    }  # fmt: skip


def figures(
    name: str, label: str, parts: list[tuple[int, Line]], unit: str, share: bool = True
) -> list[dict[str, Any]]:
    """Actual, forecast, variance and share of a sum of lines, each with every row it comes from."""
    ledger: list[dict[str, Any]] = []
    planned: list[dict[str, Any]] = []
    groups: dict[str, list[str]] = {"a+": [], "a-": [], "p+": [], "p-": []}
    actual = forecast = Decimal(0)
    for weight, line in parts:
        if not weight:
            continue
        actual += weight * line.actual
        forecast += weight * line.forecast
        for row in line.ledger:
            ledger.append(row.input(f"a{len(ledger) + 1}", "ledger_balance", "balance"))
            groups["a+" if weight * line.sign > 0 else "a-"].append(ledger[-1]["as"])
        for row in line.planned:
            kind = "sheet_cell" if row["ref"].startswith("sheet:") else "file_row"
            planned.append(row.input(f"p{len(planned) + 1}", kind, "amount"))
            groups["p+" if weight > 0 else "p-"].append(planned[-1]["as"])
    a, p = formula(groups["a+"], groups["a-"]), formula(groups["p+"], groups["p-"])
    both = [*ledger, *planned]
    made = [
        figure(f"{name}_actual", f"{label}, actual", actual, unit, a, ledger),
        figure(f"{name}_forecast", f"{label}, forecast", forecast, unit, p, planned),
        figure(f"{name}_variance", f"{label}, variance", actual - forecast, unit, f"({a}) - ({p})", both),
    ]
    rate = percent(actual - forecast, forecast)
    if share and rate is not None:
        of = f"round((({a}) - ({p})) / abs({p}) * 100, 1)"
        made.append(figure(f"{name}_percent", f"{label}, variance in percent", rate, "%", of, both))
    return made


def figure(
    name: str, label: str, value: Decimal, unit: str, text: str, inputs: list[dict[str, Any]]
) -> dict[str, Any]:
    """One figure as the harness records it."""
    return {"id": name, "label": label, "value": f"{value:f}", "unit": unit, "formula": text, "inputs": inputs}


def formula(plus: list[str], minus: list[str]) -> str:
    """A sum of names less a sum of names."""
    left = f"sum({', '.join(plus)})" if plus else "0"
    return f"{left} - sum({', '.join(minus)})" if minus else left


if __name__ == "__main__":
    main(work)
