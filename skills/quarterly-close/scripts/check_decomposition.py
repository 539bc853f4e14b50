"""Volume and price of each product add up to its variance, and each is what its definition says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from closelib import Answer, main
from outputs import rows_of

COLUMNS = (
    "product", "planned_units", "planned_price", "actual_units", "planned_amount", "actual_amount", "volume", "price",
    "total",
)  # fmt: skip


def work(args: dict[str, Any]) -> Answer:
    """Recomputes each product of decomposition.csv."""
    _, rows = rows_of(COLUMNS, "decomposition")
    wrong = []
    for row in rows:
        planned, actual = row.amount("planned_amount"), row.amount("actual_amount")
        price, more = row.amount("planned_price"), row.amount("actual_units") - row.amount("planned_units")
        if planned != row.amount("planned_units") * price:
            wrong.append(f"{row['product']}: the planned amount is not units times price")
        if row.amount("volume") != more * price:
            wrong.append(f"{row['product']}: volume is not the change in units at the planned price")
        if row.amount("price") != actual - row.amount("actual_units") * price:
            wrong.append(f"{row['product']}: price is not what the actual units earned beyond the planned price")
        if row.amount("volume") + row.amount("price") != actual - planned or row.amount("total") != actual - planned:
            wrong.append(f"{row['product']}: volume and price do not add up to {actual - planned:f}")
    answer = Answer()
    answer.check("decomposition", not wrong, "; ".join(wrong[:8]) or f"{len(rows)} products add up exactly")
    return answer


if __name__ == "__main__":
    main(work)
