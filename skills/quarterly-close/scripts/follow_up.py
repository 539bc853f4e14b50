"""Whose history must be seen: parties of material lines who were never there before, or who are missing now.

Arguments: period; variance (variance.csv); activity (CSV files of the lines' entries over all periods); accounts.
Writes nothing; answers with counterparties to look up in the whole ledger.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from closelib import Answer, as_list, main, read_rows, wanted
from entries import Entry, read_entries


def work(args: dict[str, Any]) -> Answer:
    """Newcomers by line, and regulars of earlier quarters without an entry in this one."""
    period = wanted(args, "period")
    rows = read_rows(wanted(args, "variance"), ("account", "department", "material"), "variance")
    lines = {(row["account"], row["department"]) for row in rows if row["material"] == "yes"}
    entries = [e for e in read_entries(as_list(args.get("activity") or []), "activity") if e.line in lines]
    names: set[str] = set()
    for line in lines:
        here = [entry for entry in entries if entry.line == line]
        now = {e.counterparty for e in here if e.period == period and not e.product}
        before = {e.counterparty for e in here if e.period < period and not e.product}
        names |= now - before
        names |= missing(here, period, before - now)
    answer = Answer()
    answer.more = {"counterparties": sorted(names - {""})}
    return answer


def missing(entries: list[Entry], period: str, absent: set[str]) -> set[str]:
    """Absent parties who were there in the last earlier quarter of this line."""
    earlier = sorted({entry.period for entry in entries if entry.period < period})
    return {e.counterparty for e in entries if e.period == earlier[-1]} & absent if earlier else set()


if __name__ == "__main__":
    main(work)
