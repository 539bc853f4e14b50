"""The headline of a quarter in a few lines, without causes.

Arguments: period; variance (variance.csv); optional imbalances (CSV files), currency, notes.
Answers with the summary.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from closelib import Answer, as_list, main, quarter_bounds, read_rows, wanted
from entries import imbalance_claims
from wording import LABELS, cite, fig, spoken, statement, without_numbers


def work(args: dict[str, Any]) -> Answer:
    """One line for each part of the statement, then what does not balance."""
    period = wanted(args, "period")
    quarter_bounds(period)
    lines = read_rows(wanted(args, "variance"), ("type", "forecast", "variance"), "variance")
    answer = Answer()
    texts = [f"{spoken(period)}, actual against forecast:", *(f"• {statement(name, lines)}" for name in LABELS)]
    claims = imbalance_claims(as_list(args.get("imbalances") or []), period, args.get("currency", ""))
    for row, figure, finding in claims[:4]:
        texts.append(f"• {cite([row['entry_id']])} is out of balance by {fig(figure['id'])}.")
        answer.figures.append(figure)
        answer.findings.append(finding)
    if len(claims) > 4:
        texts.append("• Further entries do not balance.")
    texts += [without_numbers(note) for note in (args.get("notes") or [])[:2]]
    answer.more = {"summary": "\n".join(texts)}
    return answer


if __name__ == "__main__":
    main(work)
