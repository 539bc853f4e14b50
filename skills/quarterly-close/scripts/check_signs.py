"""Favourable and unfavourable follow from the account type: more revenue is good, more cost is not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from closelib import PROFIT_TYPES, Answer, effect, main
from outputs import rows_of


def work(args: dict[str, Any]) -> Answer:
    """Judges each line of variance.csv again."""
    columns = ("account", "type", "normal", "department", "forecast", "variance", "effect", "actual_refs")
    _, rows = rows_of(columns, "variance")
    wrong = []
    for row in rows:
        place = f"{row['account']}/{row['department']}"
        if row["type"] not in PROFIT_TYPES:
            wrong.append(f"{place}: the type {row['type'] or 'missing'} has no sign convention")
            continue
        expected = effect(row["type"], row["normal"], row.amount("variance"))
        if row["effect"] != expected:
            wrong.append(f"{place}: says {row['effect'] or 'nothing'}, the convention gives {expected or 'nothing'}")
        if row["normal"] and (row["type"] == "revenue") != (row["normal"] == "credit") and row["type"] != "other":
            wrong.append(f"{place}: a {row['type']} account with the normal side {row['normal']}")
    answer = Answer()
    answer.check("signs", not wrong, "; ".join(wrong[:8]) or f"{len(rows)} lines follow the convention")
    return answer


if __name__ == "__main__":
    main(work)
