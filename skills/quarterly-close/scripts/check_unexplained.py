"""Each material variance is covered by causes that cite entries, up to the share the thresholds file allows."""

from __future__ import annotations

import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from closelib import Answer, Row, main, thresholds
from outputs import rows_of


def work(args: dict[str, Any]) -> Answer:
    """Compares the causes of each material line with its variance."""
    columns = ("account", "department", "forecast", "variance", "material", "actual_refs")
    _, lines = rows_of(columns, "variance")
    _, causes = rows_of(("cause", "kind", "account", "department", "amount", "entries", "sentence"), "causes")
    limit = thresholds()["unexplained_percent"]
    named: dict[tuple[str, str], list[Row]] = defaultdict(list)
    wrong = []
    for cause in causes:
        if cause["kind"] != "unexplained":
            named[cause["account"], cause["department"]].append(cause)
            if not cause["entries"]:
                wrong.append(f"{cause['cause']} cites no entry")
    material = [line for line in lines if line["material"] == "yes"]
    for line in material:
        variance = line.amount("variance")
        covered = sum((cause.amount("amount") for cause in named[line["account"], line["department"]]), Decimal(0))
        if abs(variance - covered) * 100 > limit * abs(variance):
            wrong.append(
                f"{line['account']}/{line['department']}: {variance - covered:f} of {variance:f} has no cause"
            )
    answer = Answer()
    detail = "; ".join(wrong[:8]) or f"{len(material)} material lines are explained by entries"
    answer.check("unexplained", not wrong, detail)
    return answer


if __name__ == "__main__":
    main(work)
